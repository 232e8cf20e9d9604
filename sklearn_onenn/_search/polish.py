"""The polish of one start: is it exact; if not, what penalty; then past the kinks to the minimum.

1. Gauss-Newton steps without penalty, roughly. An exact fit converges here. (With fewer targets than
   weights any network may be made exact, which says nothing: steps have a penalty from the first.)
2. Otherwise the rows are noisy, or no network of this kind generated them: the penalty of largest
   evidence, found once and kept for further starts. (Where there is no network to recover and the rows
   are few, the fit begins anew at small weights, which have a penalty from the first step: the rough
   steps went for the noise, and moments of few rows show little else. Unless the rows are normal, a few
   loose steps tell. Where rows are too few to determine any network it begins so at once. From twenty
   units on it is fitted in parts, where the first of them promises a better prediction.)
3. Where there may be a network to recover: units with a kink are smoothed and sharpened again; then
   steps on the units as they are, to the minimum. If the loss falls so far that the penalty was one of
   another optimum, all begins again from there. Elsewhere there is no one optimum to look for: the
   smoothing is brief, and steps end where a lower loss does not predict better.
"""

from dataclasses import replace

import numpy as np

from .._data.gaussianity import rows_are_normal
from .._optimization.gauss_newton import gauss_newton
from .._optimization.single_precision import in_single_precision
from .._optimization.smoothing import WIDTHS
from .._selection.criteria import (
    LEAST_LEFT,
    determined_share,
    predicted_error,
    resolution,
    too_few_targets,
)
from .._selection.evidence import alpha_of_fit, alpha_of_start, most_probable
from .._tensor.units import may_lack_a_unit
from .ensemble import ROUGH_SOLVE_TOL, part_widths, polish_in_parts, polish_whole
from .progress import Stop
from .stages import (
    ROUGH_TOL,
    Polish,
    ended,
    exact_loss,
    has_few_targets,
    is_exact,
    past_kinks,
    penalized,
    restored,
    rough_steps,
    swept_away,
)

# A loss that smoothing brought to this share is that of another optimum, with another penalty.
ELSEWHERE = 0.5

# Starts are compared at this tolerance; the one that wins is polished to the end.
SCREENING_TOL = 1e-5

# With a smaller share of the weights determined no network is recovered.
DETERMINED = 0.65

# Steps after which few targets tell whether any network is near (of 384 planted ones with 1.5 to 3 rows
# for each of the d k weights, not normal, ten from moments recover as many as all; from random units ten
# leave too much: 1 - R2 of 20 ReLU units, 3 rows for each of the d k, is .058 on average of nine, with
# twenty .034), and after which a penalty has settled where there is no network to recover.
BRIEF_STEPS = 20

# The reason of a fit that an observer ended.
STOPPED = "callback"


def polish_start(problem, network, alpha, course, *, random_state, max_iter, tol, goal=np.inf):
    """Polish a start to the tolerance at which starts are compared.

    Parameters
    ----------
    problem : SquaredLoss
    network : Network
    alpha : float or None
        The penalty; None to find it where the fit is not exact.
    course : Course
        Told of every step. With held-out rows stages end when the loss there rises, and the best network
        there is returned.
    random_state : numpy.random.RandomState
        Draws the small weights of a fit that begins anew.
    max_iter : int
    tol : float
    goal : float
        A start whose loss is not below this after the rough steps is given up, with an infinite
        objective.

    Returns
    -------
    Polish
    """
    rows, n_weights, k = problem.rows, network.pack().size, len(network.b)
    limits = {"max_iter": max_iter, "tol": tol}
    anew = {"random_state": random_state, **limits}
    if alpha != 0 and cannot_determine(problem, k):
        return polish_in_parts(problem, k, alpha, course, **anew)
    first_alpha = alpha_of_start(problem.data_loss(network), rows, n_weights)
    may_be_exact = alpha == 0 or not too_few_targets(rows, n_weights)
    rough_alpha = 0.0 if may_be_exact else first_alpha if alpha is None else alpha
    few = alpha != 0 and has_few_targets(rows, n_weights)
    parted = alpha != 0 and len(part_widths(problem, k)) > 1
    steps = rough_steps_of_few if few and not rows_are_normal(rows, problem.coordinates) else rough_steps
    rough = steps(problem.on(rows, alpha=rough_alpha), network, course, **limits)
    if may_be_exact and is_exact(rough.losses[-1], rows.dtype):
        return restored(ended(problem, rough, alpha, True), problem, course)
    if not rough.losses[-1] < goal:
        return replace(ended(problem, rough, alpha, False), objective=np.inf)
    near, loosely = None, resolution(rows, n_weights)
    may_be = looks_recoverable(problem, rough)
    if may_be or not (few or parted):
        least = min(max(tol, loosely), SCREENING_TOL) if may_be else loosely
        here = in_single_precision(problem, least, rough.losses[-1])
        near = near_rough(here, rough, alpha, first_alpha, course, may_be, **limits)
        if is_recoverable(*near):
            return polish_recoverable(problem, rough, *near, alpha, course, goal=goal, **anew)
    if parted:
        rival = predicted_error(rough.evaluation)
        parts = polish_in_parts(problem, k, alpha, course, rival=rival, **anew)
        if parts is not None:
            return parts
    if few:
        return polish_whole(problem, k, alpha, course, **anew)[0]
    single = in_single_precision(problem, loosely)
    held, network = near or near_rough(single, rough, alpha, first_alpha, course, False, **limits)
    brief = {"widths": WIDTHS[:1], "max_iter": max_iter, "tol": max(tol, loosely)}
    last = past_kinks(single.on(single.rows, alpha=held.alpha), network, course, **brief)
    return restored(ended(problem, last, held.alpha, False), problem, course)


def polish_recoverable(problem, rough, held, network, alpha, course, *, goal, max_iter, tol, **anew):
    """The polish from weights near the rough ones, and their penalty: of a network to recover."""
    limits = {"max_iter": max_iter, "tol": max(tol, SCREENING_TOL)}
    last = past_kinks(held, network, course, **limits)
    if last.losses[-1] < ELSEWHERE * rough.losses[-1]:  # so it ends
        anew |= {"max_iter": max_iter, "tol": tol, "goal": goal}
        return polish_start(problem, last.network, alpha, course, **anew)
    return restored(ended(problem, last, held.alpha, True), problem, course)


def rough_steps_of_few(problem, network, course, *, max_iter, **limits):
    """Rough steps, but only a few of them where those show no network to recover."""
    brief = limits | {"max_iter": min(max_iter, BRIEF_STEPS), "solve_tol": ROUGH_SOLVE_TOL}
    rough = rough_steps(in_single_precision(problem, ROUGH_TOL), network, course, **brief)
    if not looks_recoverable(problem, rough):
        return rough
    return rough_steps(problem, rough.network, course, max_iter=max_iter, **limits)


def near_rough(problem, rough, alpha, first_alpha, course, may_be_recoverable, *, max_iter, **limits):
    """The problem with its penalty, and the weights near those of the rough steps.

    Where there is no network to recover, the search for the penalty takes a few steps: it has settled
    long before the weights have, and steps under a given one cost less.
    """
    if alpha is not None:
        return problem.on(problem.rows, alpha=alpha), rough.network
    limits["max_iter"] = max_iter if may_be_recoverable else min(max_iter, BRIEF_STEPS)
    limits["callback"] = course.stage("evidence")
    return penalized(first_penalty(problem, rough, first_alpha, **limits))


def first_penalty(problem, rough, first_alpha, **limits):
    """The most probable weights near those of a fit without penalty, and their penalty.

    The search begins with that of the variance that the start left. Where this sweeps units away which
    the rows call for, it begins with the one of the fit as it is.
    """
    probable = most_probable(problem, rough.network, first_alpha=first_alpha, **limits)
    if swept_away(rough, probable):
        own = alpha_of_fit(rough.evaluation)
        again = most_probable(problem, rough.network, first_alpha=own, **limits)
        if swept_away(again, probable):
            return again
    return probable


def cannot_determine(problem, k):
    """Whether there are too few targets to determine the share of the weights that recovery asks for."""
    rows = problem.rows
    return rows.weight_sum * rows.n_outputs <= DETERMINED * n_weights_of(problem, k)


def moments_are_in_vain(problem, k):
    """Whether a polish that finds its penalty ends no better from moments than from random units.

    So it is where no network is recovered, and of as many units as are fitted in parts, with few rows
    that are not normal. (With 1.5 to 2.9 rows for each weight 6 of 80 planted networks of 20 and 40
    units are recovered either way; of 80 of 5 units 44 from moments and 33 from random units.)
    """
    if cannot_determine(problem, k):
        return True
    few = has_few_targets(problem.rows, n_weights_of(problem, k))
    parted = len(part_widths(problem, k)) > 1
    return few and parted and not rows_are_normal(problem.rows, problem.coordinates)


def n_weights_of(problem, k):
    """Weights of a network of k units."""
    m = problem.rows.n_outputs
    return k * (problem.coordinates.rank + 1 + m) + m


def looks_recoverable(problem, rough):
    """Whether the loss without penalty, or the rows, allow for a network to recover.

    Few rows are fitted well by any network: the loss is the one that generalized cross-validation
    expects on others.
    """
    rows, network = problem.rows, rough.network
    left = 1 - network.pack().size / (rows.weight_sum * rows.n_outputs)
    expected = rough.losses[-1] / max(left, LEAST_LEFT) ** 2
    return may_lack_a_unit(rows, problem.coordinates, len(network.b), expected)


def is_recoverable(problem, network):
    """Whether there may be a network to recover, near a minimum of the penalized loss.

    The rows must determine most of the weights.
    """
    if determined_share(problem, network) < DETERMINED:
        return False
    return may_lack_a_unit(problem.rows, problem.coordinates, len(network.b), problem.data_loss(network))


def until_stopped(follow, problem, course, alpha):
    """Where a course ends, by itself or by an observer.

    Parameters
    ----------
    follow : callable
        Takes the steps of the course; returns the :class:`Polish` in which they end.
    problem : SquaredLoss
    course : Course
    alpha : float or None
        The penalty, where it is known.

    Returns
    -------
    Polish
        Of a course that was stopped, the last network (or the last before units were smoothed, if that
        is better), or the best one on held-out rows.
    """
    try:
        polish = follow()
    except Stop:
        networks = [course.network, course.unsmoothed]
        loss, network = min(((problem.data_loss(n), n) for n in networks), key=lambda pair: pair[0])
        objective = loss + problem.on(problem.rows, alpha=alpha or 0.0).penalty_value(network)
        polish = restored(Polish(network, loss, objective, alpha, True, STOPPED), problem, course)
        polish = replace(polish, reason=STOPPED)
    course.end(polish)
    return polish


def polish_to_end(problem, polish, own_alpha, course, *, max_iter, tol):
    """Polish the start that won to the end, with the penalty that its own residuals call for.

    Parameters
    ----------
    problem : SquaredLoss
    polish : Polish
    own_alpha : bool
        Whether its penalty is to stay: given, or found from its own residuals.
    course : Course
    max_iter : int
    tol : float

    Returns
    -------
    Polish
    """
    if is_exact(polish.loss, problem.rows.dtype) or not polish.recoverable:
        return polish
    if own_alpha and tol >= SCREENING_TOL:
        return polish
    alpha, network = polish.alpha, polish.network
    if not own_alpha:
        callback = course.stage("evidence")
        probable = most_probable(
            problem, network, first_alpha=alpha, max_iter=max_iter, tol=tol, callback=callback
        )
        alpha, network = probable.evaluation.problem.alpha, probable.network
    penalized, callback = problem.on(problem.rows, alpha=alpha), course.stage("polish")
    last = gauss_newton(penalized, network, max_iter=max_iter, tol=tol, callback=callback)
    return ended(problem, last, alpha, polish.recoverable)


def polish_on_more(problem, polish, course, *, max_iter, tol):
    """Polish on more rows what was polished on some of them, with the penalty found there.

    Parameters
    ----------
    problem : SquaredLoss
        On the larger sample, or on all rows.
    polish : Polish
    course, max_iter, tol
        As of :func:`polish_start`.

    Returns
    -------
    Polish
    """
    penalized = problem.on(problem.rows, alpha=polish.alpha or 0.0)
    exact = exact_loss(problem.rows.dtype) if penalized.alpha == 0 else 0.0
    limits = {"max_iter": max_iter, "tol": tol, "callback": course.stage("more rows")}
    last = gauss_newton(penalized, polish.network, exact_loss=exact, **limits)
    return restored(ended(problem, last, polish.alpha, polish.recoverable), problem, course)
