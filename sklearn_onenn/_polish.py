"""The polish of one start: is it exact; if not, what penalty; then past the kinks to the minimum.

1. Gauss-Newton steps without penalty, roughly. An exact fit converges here. (With fewer targets than
   weights any network may be made exact, which says nothing: steps have a penalty from the first.)
2. Otherwise the rows are noisy, or no network of this kind generated them: the penalty of largest
   evidence, found once and kept for further starts. (Where there is no network to recover and the rows
   are few, the fit begins anew at small weights, which have a penalty from the first step: the rough
   steps went for the noise, and moments of few rows show little else. Unless the rows are normal, ten
   loose steps tell. Where they are too few to determine any network it begins so at once.)
3. Where there may be a network to recover: units with a kink are smoothed and sharpened again; then
   steps on the units as they are, to the minimum. If the loss falls so far that the penalty was one of
   another optimum, all begins again from there. Elsewhere there is no one optimum to look for: the
   smoothing is brief, and steps end where a lower loss does not predict better.
"""

from dataclasses import dataclass, replace

import numpy as np

from ._canonical import balanced
from ._evidence import (
    LEAST_LEFT,
    alpha_of_fit,
    alpha_of_start,
    determined_share,
    explains_more,
    most_probable,
    predicted_error,
    resolution,
    too_few_targets,
)
from ._gauss_newton import gauss_newton
from ._progress import Stop
from ._smoothing import WIDTHS, graduated, has_kink
from ._structure import may_lack_a_unit, residual_is_noise, rows_are_normal
from ._units import small_start

# A fit is exact when its loss is below this share of the variance of y.
EXACT = 1e-12
# Steps towards an exact fit lower the loss by far more than this share.
ROUGH_TOL = 2e-2
# A loss that smoothing brought to this share is that of another optimum, with another penalty.
ELSEWHERE = 0.5
# Starts are compared at this tolerance; the one that wins is polished to the end.
SCREENING_TOL = 1e-5
# With a smaller share of the weights determined no network is recovered.
DETERMINED = 0.65
# With fewer targets for each weight a fit without penalty is mostly one of the noise, and a search for
# the penalty that begins there ends near it.
FEW_TARGETS = 3
# The penalty while small weights grow to units: one from the residual, large at first, would not let
# them. (.03, .1 and .3 are alike with 20 and 50 units on three tables; with 5 to 20 units on 20 to 150
# rows of a curve .3 is worse than either.)
SMALL_ALPHA = 0.1
# Where there is no one optimum to look for, small weights need grow no further than to this tolerance,
# and steps need not go exactly where their linear model is minimal. (Tables of 10 to 104 columns are
# predicted as well as with .02 and .03, or better.)
GROWN_TOL, ROUGH_SOLVE_TOL = 0.1, 0.1
# Steps after which few targets tell whether any network is near. (Of 384 planted ones with 1.5 to 3 rows
# for each of the d k weights, not normal, as many are recovered as by all steps.)
BRIEF_STEPS = 10
# The reason of a fit that an observer ended.
STOPPED = "callback"


@dataclass(frozen=True)
class Polish:
    """Where the polish of a start ended.

    Attributes
    ----------
    network : Network
    loss : float
        1/2 mean squared residual on all rows.
    objective : float
        With the penalty, or on held-out rows: starts are compared by it.
    alpha : float or None
        The penalty; None while it is not known, since no fit needed it.
    recoverable : bool
        Whether it may be a recovered network, or lack little to be one.
    reason : str
        Why the last stage ended.
    """

    network: object
    loss: float
    objective: float
    alpha: object
    recoverable: bool
    reason: str


def exact_loss(dtype):
    """Loss, relative to the variance of y, at which an exact fit has reached its rounding error."""
    return np.finfo(dtype).eps ** 1.5


def is_exact(loss, dtype):
    """Whether a fit without penalty left nothing but rounding."""
    return loss <= max(EXACT, exact_loss(dtype))


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
    rows, n_weights = problem.rows, network.pack().size
    limits = {"max_iter": max_iter, "tol": tol}
    if alpha != 0 and cannot_determine(rows, n_weights):
        return polish_anew(problem, len(network.b), alpha, course, random_state, **limits)
    first_alpha = alpha_of_start(problem.data_loss(network), rows, n_weights)
    may_be_exact = alpha == 0 or not too_few_targets(rows, n_weights)
    rough_alpha = 0.0 if may_be_exact else first_alpha if alpha is None else alpha
    few = has_few_targets(rows, n_weights) and alpha != 0
    steps = rough_steps_of_few if few and not rows_are_normal(rows, problem.coordinates) else rough_steps
    rough = steps(problem.on(rows, alpha=rough_alpha), network, course, **limits)
    if may_be_exact and is_exact(rough.losses[-1], rows.dtype):
        return restored(ended(rough, alpha, True), problem, course)
    if not rough.losses[-1] < goal:
        return replace(ended(rough, alpha, False), objective=np.inf)
    recoverable = False
    if not few or looks_recoverable(problem, rough):
        held, network = near_rough(problem, rough, alpha, first_alpha, course, **limits)
        recoverable = is_recoverable(held, network)
    if few and not recoverable:
        return polish_anew(problem, len(network.b), alpha, course, random_state, **limits)
    tol_here = max(tol, SCREENING_TOL if recoverable else resolution(rows, n_weights))
    widths = WIDTHS if recoverable else WIDTHS[:1]
    last = past_kinks(held, network, course, widths=widths, max_iter=max_iter, tol=tol_here)
    if recoverable and last.losses[-1] < ELSEWHERE * rough.losses[-1]:  # so it ends
        limits |= {"random_state": random_state, "goal": goal}
        return polish_start(problem, last.network, alpha, course, **limits)
    return restored(ended(last, held.alpha, recoverable), problem, course)


def rough_steps(problem, network, course, *, tol, **limits):
    """Where steps to a loose tolerance end."""
    return gauss_newton(
        problem,
        network,
        tol=max(tol, ROUGH_TOL),
        exact_loss=exact_loss(problem.rows.dtype),
        callback=course.stage("rough"),
        **limits,
    )


def rough_steps_of_few(problem, network, course, *, max_iter, **limits):
    """Rough steps, but only a few of them where those show no network to recover."""
    brief = limits | {"max_iter": min(max_iter, BRIEF_STEPS), "solve_tol": ROUGH_SOLVE_TOL}
    rough = rough_steps(problem, network, course, **brief)
    if not looks_recoverable(problem, rough):
        return rough
    return rough_steps(problem, rough.network, course, max_iter=max_iter, **limits)


def near_rough(problem, rough, alpha, first_alpha, course, **limits):
    """The problem with its penalty, and the weights near those of the rough steps."""
    if alpha is not None:
        return problem.on(problem.rows, alpha=alpha), rough.network
    limits["callback"] = course.stage("evidence")
    return penalized(first_penalty(problem, rough, first_alpha, **limits))


def polish_anew(problem, k, alpha, course, random_state, *, tol, **limits):
    """The polish of few rows that have no network to recover."""
    limits |= {"solve_tol": ROUGH_SOLVE_TOL}
    held, network = begun_anew(problem, k, alpha, course, random_state, tol=tol, **limits)
    tol = max(tol, resolution(problem.rows, network.pack().size))
    last = past_kinks(held, network, course, widths=WIDTHS[:1], tol=tol, **limits)
    return restored(ended(last, held.alpha, False), problem, course)


def begun_anew(problem, k, alpha, course, random_state, **limits):
    """The problem with its penalty, and weights that were never fitted without one: from small ones."""
    first_alpha = SMALL_ALPHA if alpha is None else alpha
    held, small = problem.on(problem.rows, alpha=first_alpha), small_start(problem, k, random_state)
    start = rough_steps(held, small, course, **limits | {"tol": GROWN_TOL})
    if alpha is not None:
        return held, start.network
    limits["callback"] = course.stage("evidence")
    probable = most_probable(problem, start.network, first_alpha=first_alpha, **limits)
    return penalized(start if swept_away(start, probable) else probable)


def penalized(probable):
    """Problem, with its penalty, and network of a fit."""
    return probable.evaluation.problem, probable.network


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


def swept_away(fit, penalized):
    """Whether a penalty took units of a fit away that the rows call for."""
    rows, n_weights = fit.evaluation.problem.rows, fit.network.pack().size
    if explains_more(fit.losses[-1], penalized.losses[-1], rows, n_weights):
        return True
    few = has_few_targets(rows, n_weights)
    return few and predicted_error(fit.evaluation) < predicted_error(penalized.evaluation)


def has_few_targets(rows, n_weights):
    """Whether a fit without penalty is mostly one of the noise, where there is noise."""
    return rows.weight_sum * rows.n_outputs < FEW_TARGETS * n_weights


def cannot_determine(rows, n_weights):
    """Whether there are too few targets to determine the share of the weights that recovery asks for."""
    return rows.weight_sum * rows.n_outputs <= DETERMINED * n_weights


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


def restored(polish, problem, course):
    """The polish at the network that was best on held-out rows, where there are any."""
    if course.best is None:
        return polish
    objective, network = course.best
    loss = problem.data_loss(network)
    reason = "held-out loss rises" if polish.reason == "callback" else polish.reason
    return replace(polish, network=network, loss=loss, objective=objective, reason=reason)


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


def past_kinks(problem, network, course, *, tol, widths=WIDTHS, **limits):
    """Gauss-Newton; units with a kink are smoothed before, unless that leads to a higher loss.

    Near the minimum that is wanted those between kinks differ by less than the rows resolve. So where
    the residual is noise, smoothing is for smaller tolerances.
    """
    rough = tol >= resolution(problem.rows, network.pack().size)
    if has_kink(problem.activation) and not (rough and residual_is_noise(problem, network)):
        before = problem.evaluate(network).loss
        smoothed = course.stage("smoothed", smoothed=True)
        start = graduated(problem, network, widths=widths, tol=tol, callback=smoothed, **limits)
        start = balanced(start, problem.penalty, problem.activation.degree)
        callback = course.stage("polish")
        last = gauss_newton(problem, start, tol=tol, callback=callback, **limits)
        if last.evaluation.loss <= before:
            return last
    callback = course.stage("polish")
    return gauss_newton(problem, network, tol=tol, callback=callback, **limits)


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
    return ended(last, alpha, polish.recoverable)


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
    return restored(ended(last, polish.alpha, polish.recoverable), problem, course)


def ended(last, alpha, recoverable):
    """The polish whose last stage this was."""
    loss, objective = last.losses[-1], last.evaluation.loss
    return Polish(last.network, loss, objective, alpha, recoverable, last.reason)
