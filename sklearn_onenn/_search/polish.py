"""The polish: of a start, of the start that won, and on more rows; ended by itself or by an observer."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .._network.loss import SquaredLoss
from .._optimization.gauss_newton import Solution, Stopping, gauss_newton
from .._selection.evidence import maximize_evidence
from .ensemble import fit_ensemble
from .progress import StopFit, Trace
from .regimes import (
    fit_first,
    fit_unidentified,
    give_up,
    is_out_of_reach,
    keep_exact_fit,
    keep_identified,
    minimize_identified,
)
from .rules import PolishRules
from .stages import PolishTask, best_on_validation, exact_loss, is_exact, on_all_rows

# The reason of a fit that an observer ended.
STOPPED = "callback"


def polish_start(task: PolishTask) -> Solution:
    """Polish a start to the tolerance at which starts are compared.

    The first regime that applies has the solution, see :mod:`sklearn_onenn._search.regimes`.

    Parameters
    ----------
    task : PolishTask

    Returns
    -------
    Solution
    """
    rules = task.rules.polish
    if task.may_penalize and is_out_of_reach(task.problem, task.k, task.rules):
        mean = fit_ensemble(task)
        assert mean is not None  # it has no rival
        return mean
    lowest = np.inf
    while True:
        first = fit_first(task)
        if first.is_exact:
            return keep_exact_fit(first)
        if not first.loss < task.loss_target:
            return give_up(first)
        if not first.is_identified:
            return fit_unidentified(first)
        last = minimize_identified(first)
        if not last.data_loss < rules.required_ratio * min(first.loss, lowest):
            return keep_identified(first, last)
        # Smoothing reached a far lower loss: the penalty was estimated at a worse optimum. Begin again
        # from here; it ends, since the loss falls by that ratio every time.
        task, lowest = replace(task, network=last.network), last.data_loss


def run_observed(
    follow: Callable[[], Solution], problem: SquaredLoss, trace: Trace, alpha: float | None
) -> Solution:
    """Take steps until they end, by themselves or by an observer, and tell the trace of it.

    Parameters
    ----------
    follow : callable
        Takes the steps; returns the :class:`Solution` in which they end.
    problem : SquaredLoss
    trace : Trace
    alpha : float or None
        The penalty, where it is known.

    Returns
    -------
    Solution
        Of steps that were stopped, the last network (or the last before units were smoothed, if that
        is better), or the best one on held-out rows.
    """
    try:
        solution = replace(follow(), evaluation=None, losses=[])  # they hold numbers for every row
    except StopFit:
        networks = [network for network in (trace.network, trace.last_of_problem) if network is not None]
        losses = [problem.data_loss(network) for network in networks]
        loss, network = min(zip(losses, networks, strict=True), key=lambda pair: pair[0])
        penalized = problem.replace(problem.rows, alpha=alpha or 0.0)
        objective = loss + penalized.penalty_value(network)
        solution = Solution(network, loss, objective, alpha, STOPPED)
        solution = replace(best_on_validation(solution, problem, trace), reason=STOPPED)
    trace.end(solution)
    return solution


def minimize_to_tol(
    problem: SquaredLoss,
    solution: Solution,
    trace: Trace,
    stopping: Stopping,
    rules: PolishRules,
    *,
    keep_alpha: bool,
) -> Solution:
    """Polish the start that won to the end, with the penalty that its own residuals call for.

    Parameters
    ----------
    problem : SquaredLoss
    solution : Solution
    trace : Trace
    stopping : Stopping
    rules : PolishRules
    keep_alpha : bool
        Keep the penalty: it was given, or estimated at this network.

    Returns
    -------
    Solution
    """
    if is_exact(solution.data_loss, problem.rows.dtype) or not solution.may_be_identified:
        return solution
    if keep_alpha and stopping.tol >= rules.screening_tol:
        return solution
    alpha, network = solution.alpha, solution.network
    if not keep_alpha:
        assert alpha is not None
        probable = maximize_evidence(
            problem, network, alpha, stopping, callback=trace.stage("evidence"), rules=rules.evidence
        )
        alpha, network = probable.alpha, probable.network
    penalized = problem.replace(problem.rows, alpha=alpha)
    last = gauss_newton(penalized, network, stopping, callback=trace.stage("polish"))
    return on_all_rows(problem, last, alpha, may_be_identified=solution.may_be_identified)


def continue_on(
    problem: SquaredLoss,
    solution: Solution,
    trace: Trace,
    stopping: Stopping,
    stage: str = "larger sample",
) -> Solution:
    """Polish on other rows, or with other weights of them, what was polished before; the penalty stays.

    Parameters
    ----------
    problem : SquaredLoss
        On the larger sample, or on all rows.
    solution : Solution
    trace : Trace
    stopping : Stopping
    stage : str
        Its name in the trace.

    Returns
    -------
    Solution
    """
    penalized = problem.replace(problem.rows, alpha=solution.alpha or 0.0)
    exact = exact_loss(problem.rows.dtype) if penalized.alpha == 0 else 0.0
    stopping = replace(stopping, exact_loss=exact)
    callback = trace.stage(stage)
    last = gauss_newton(penalized, solution.network, stopping, callback=callback)
    last = on_all_rows(problem, last, solution.alpha, may_be_identified=solution.may_be_identified)
    return best_on_validation(last, problem, trace)
