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
    MIN_RESIDUAL_DOF,
    can_interpolate,
    effective_dof_share,
    predicted_error,
    statistical_tolerance,
)
from .._selection.evidence import alpha_from_fit, initial_alpha, maximize_evidence
from .._tensor.units import may_be_identified
from .ensemble import ROUGH_SOLVE_TOL, fit_ensemble, fit_from_small_weights, member_widths
from .progress import StopFit
from .stages import (
    ROUGH_TOL,
    Polish,
    best_on_validation,
    exact_loss,
    is_exact,
    is_small_sample,
    lost_units,
    minimize_past_kinks,
    on_all_rows,
    penalized,
    unpenalized_fit,
)

# A loss that smoothing brought to this share is that of another optimum, with another penalty.
RESTART_RATIO = 0.5

# Starts are compared at this tolerance; the one that wins is polished to the end.
SCREENING_TOL = 1e-5

# With a smaller share of the weights determined no network is recovered.
MIN_DOF_SHARE = 0.65

# Steps after which few targets tell whether any network is near (of 384 planted ones with 1.5 to 3 rows
# for each of the d k weights, not normal, ten from moments recover as many as all; from random units ten
# leave too much: 1 - R2 of 20 ReLU units, 3 rows for each of the d k, is .058 on average of nine, with
# twenty .034), and after which a penalty has settled where there is no network to recover.
BRIEF_STEPS = 20

# The reason of a fit that an observer ended.
STOPPED = "callback"


def polish_start(problem, network, alpha, trace, *, random_state, max_iter, tol, loss_target=np.inf):
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
    if alpha != 0 and is_underdetermined(problem, k):
        return fit_ensemble(problem, k, alpha, trace, **anew)
    first_alpha = initial_alpha(problem.data_loss(network), rows, n_weights)
    may_be_exact = alpha == 0 or not can_interpolate(rows, n_weights)
    rough_alpha = 0.0 if may_be_exact else first_alpha if alpha is None else alpha
    few = alpha != 0 and is_small_sample(rows, n_weights)
    parted = alpha != 0 and len(member_widths(problem, k)) > 1
    steps = (
        rough_steps_of_few if few and not rows_are_normal(rows, problem.coordinates) else unpenalized_fit
    )
    rough = steps(problem.replace(rows, alpha=rough_alpha), network, trace, **limits)
    if may_be_exact and is_exact(rough.losses[-1], rows.dtype):
        return best_on_validation(on_all_rows(problem, rough, alpha, True), problem, trace)
    if not rough.losses[-1] < loss_target:
        return replace(on_all_rows(problem, rough, alpha, False), objective=np.inf)
    near, loosely = None, statistical_tolerance(rows, n_weights)
    may_be = looks_recoverable(problem, rough)
    if may_be or not (few or parted):
        least = min(max(tol, loosely), SCREENING_TOL) if may_be else loosely
        evaluation = in_single_precision(problem, least, rough.losses[-1])
        near = penalized_fit(evaluation, rough, alpha, first_alpha, trace, may_be, **limits)
        if is_recoverable(*near):
            return polish_recoverable(
                problem, rough, *near, alpha, trace, loss_target=loss_target, **anew
            )
    if parted:
        rival = predicted_error(rough.evaluation)
        parts = fit_ensemble(problem, k, alpha, trace, rival=rival, **anew)
        if parts is not None:
            return parts
    if few:
        return fit_from_small_weights(problem, k, alpha, trace, **anew)[0]
    single = in_single_precision(problem, loosely)
    held, network = near or penalized_fit(single, rough, alpha, first_alpha, trace, False, **limits)
    brief = {"widths": WIDTHS[:1], "max_iter": max_iter, "tol": max(tol, loosely)}
    last = minimize_past_kinks(single.replace(single.rows, alpha=held.alpha), network, trace, **brief)
    return best_on_validation(on_all_rows(problem, last, held.alpha, False), problem, trace)


def polish_recoverable(
    problem, rough, held, network, alpha, trace, *, loss_target, max_iter, tol, **anew
):
    """The polish from weights near the rough ones, and their penalty: of a network to recover."""
    limits = {"max_iter": max_iter, "tol": max(tol, SCREENING_TOL)}
    last = minimize_past_kinks(held, network, trace, **limits)
    if last.losses[-1] < RESTART_RATIO * rough.losses[-1]:  # so it ends
        anew |= {"max_iter": max_iter, "tol": tol, "loss_target": loss_target}
        return polish_start(problem, last.network, alpha, trace, **anew)
    return best_on_validation(on_all_rows(problem, last, held.alpha, True), problem, trace)


def rough_steps_of_few(problem, network, trace, *, max_iter, **limits):
    """Rough steps, but only a few of them where those show no network to recover."""
    brief = limits | {"max_iter": min(max_iter, BRIEF_STEPS), "solve_tol": ROUGH_SOLVE_TOL}
    rough = unpenalized_fit(in_single_precision(problem, ROUGH_TOL), network, trace, **brief)
    if not looks_recoverable(problem, rough):
        return rough
    return unpenalized_fit(problem, rough.network, trace, max_iter=max_iter, **limits)


def penalized_fit(problem, rough, alpha, first_alpha, trace, may_be_recoverable, *, max_iter, **limits):
    """The problem with its penalty, and the weights near those of the rough steps.

    Where there is no network to recover, the search for the penalty takes a few steps: it has settled
    long before the weights have, and steps under a given one cost less.
    """
    if alpha is not None:
        return problem.replace(problem.rows, alpha=alpha), rough.network
    limits["max_iter"] = max_iter if may_be_recoverable else min(max_iter, BRIEF_STEPS)
    limits["callback"] = trace.stage("evidence")
    return penalized(first_penalty(problem, rough, first_alpha, **limits))


def first_penalty(problem, rough, first_alpha, **limits):
    """The most probable weights near those of a fit without penalty, and their penalty.

    The search begins with that of the variance that the start left. Where this sweeps units away which
    the rows call for, it begins with the one of the fit as it is.
    """
    probable = maximize_evidence(problem, rough.network, first_alpha=first_alpha, **limits)
    if lost_units(rough, probable):
        own = alpha_from_fit(rough.evaluation)
        again = maximize_evidence(problem, rough.network, first_alpha=own, **limits)
        if lost_units(again, probable):
            return again
    return probable


def is_underdetermined(problem, k):
    """Whether there are too few targets to determine the share of the weights that recovery asks for."""
    rows = problem.rows
    return rows.weight_sum * rows.n_outputs <= MIN_DOF_SHARE * n_weights_of(problem, k)


def moments_are_uninformative(problem, k):
    """Whether a polish that finds its penalty ends no better from moments than from random units.

    So it is where no network is recovered, and of as many units as are fitted in parts, with few rows
    that are not normal. (With 1.5 to 2.9 rows for each weight 6 of 80 planted networks of 20 and 40
    units are recovered either way; of 80 of 5 units 44 from moments and 33 from random units.)
    """
    if is_underdetermined(problem, k):
        return True
    few = is_small_sample(problem.rows, n_weights_of(problem, k))
    parted = len(member_widths(problem, k)) > 1
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
    expected = rough.losses[-1] / max(left, MIN_RESIDUAL_DOF) ** 2
    return may_be_identified(rows, problem.coordinates, len(network.b), expected)


def is_recoverable(problem, network):
    """Whether there may be a network to recover, near a minimum of the penalized loss.

    The rows must determine most of the weights.
    """
    if effective_dof_share(problem, network) < MIN_DOF_SHARE:
        return False
    return may_be_identified(
        problem.rows, problem.coordinates, len(network.b), problem.data_loss(network)
    )


def run_observed(follow, problem, trace, alpha):
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
    except StopFit:
        networks = [trace.network, trace.last_of_problem]
        loss, network = min(((problem.data_loss(n), n) for n in networks), key=lambda pair: pair[0])
        objective = loss + problem.replace(problem.rows, alpha=alpha or 0.0).penalty_value(network)
        polish = best_on_validation(
            Polish(network, loss, objective, alpha, True, STOPPED), problem, trace
        )
        polish = replace(polish, reason=STOPPED)
    trace.end(polish)
    return polish


def minimize_to_tol(problem, polish, keep_alpha, trace, *, max_iter, tol):
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
    if keep_alpha and tol >= SCREENING_TOL:
        return polish
    alpha, network = polish.alpha, polish.network
    if not keep_alpha:
        callback = trace.stage("evidence")
        probable = maximize_evidence(
            problem, network, first_alpha=alpha, max_iter=max_iter, tol=tol, callback=callback
        )
        alpha, network = probable.evaluation.problem.alpha, probable.network
    penalized, callback = problem.replace(problem.rows, alpha=alpha), trace.stage("polish")
    last = gauss_newton(penalized, network, max_iter=max_iter, tol=tol, callback=callback)
    return on_all_rows(problem, last, alpha, polish.recoverable)


def continue_on(problem, polish, trace, *, max_iter, tol):
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
    penalized = problem.replace(problem.rows, alpha=polish.alpha or 0.0)
    exact = exact_loss(problem.rows.dtype) if penalized.alpha == 0 else 0.0
    limits = {"max_iter": max_iter, "tol": tol, "callback": trace.stage("more rows")}
    last = gauss_newton(penalized, polish.network, exact_loss=exact, **limits)
    return best_on_validation(
        on_all_rows(problem, last, polish.alpha, polish.recoverable), problem, trace
    )
