"""What the polish of a start is made of: the task, its stages, and where they ended."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import RandomState

from .._network.loss import SquaredLoss
from .._network.network import Network
from .._network.symmetries import min_norm_scaling
from .._optimization.gauss_newton import Callback, Solution, Stopping, gauss_newton
from .._optimization.smoothing import Smoothing, has_kink, minimize_smoothed
from .._selection.criteria import (
    CRITERIA,
    CriteriaRules,
    bic_prefers,
    predicted_error,
    statistical_tolerance,
)
from .._selection.missing_units import residual_is_noise
from .progress import StopFit, Trace
from .rules import PolishRules, SearchRules
from .starts import RANDOM_SLOPE

# A fit is exact when its loss is below this share of the variance of y.
EXACT = 1e-12


@dataclass(frozen=True)
class PolishTask:
    """A start to polish.

    Attributes
    ----------
    problem : SquaredLoss
    network : Network
        The start.
    alpha : float or None
        The penalty; None to find it where the fit is not exact.
    trace : Trace
        Told of every step. With held-out rows stages end when the loss there rises, and the best network
        there is kept.
    random_state : numpy.random.RandomState
        Draws random units.
    stopping : Stopping
    loss_target : float
        A start whose data loss is not below this after the first fit is given up.
    rules : SearchRules
    slope : float
        Of random units: see :func:`random_units`.
    is_given : bool
        Whether the start was given, to be followed and no other.
    """

    problem: SquaredLoss
    network: Network
    alpha: float | None
    trace: Trace
    random_state: RandomState
    stopping: Stopping = Stopping()
    loss_target: float = np.inf
    rules: SearchRules = SearchRules()
    slope: float = RANDOM_SLOPE
    is_given: bool = False

    @property
    def k(self) -> int:
        """Number of units."""
        return len(self.network.b)

    @property
    def may_penalize(self) -> bool:
        """Whether a penalty may hold the fit, so that it can begin at random units."""
        return self.alpha != 0

    @property
    def statistical_tol(self) -> float:
        """Tolerance below which a lower loss says nothing of other rows."""
        return statistical_tolerance(self.problem, self.k, self.rules.polish.evidence.criteria)


@dataclass(frozen=True)
class PenalizedFit:
    """A problem with its penalty, and a network near its minimum.

    Attributes
    ----------
    problem : SquaredLoss
    network : Network
    """

    problem: SquaredLoss
    network: Network

    @classmethod
    def of(cls, solution: Solution) -> "PenalizedFit":
        """The problem that was solved, and where it was."""
        return cls(solution.problem, solution.network)


def exact_loss(dtype: Any) -> float:
    """Data loss of scaled targets at which an exact fit has reached its rounding error."""
    return float(np.finfo(dtype).eps) ** 1.5


def is_exact(loss: float, dtype: Any) -> bool:
    """Whether a fit without penalty left nothing but rounding, by its data loss of scaled targets."""
    return bool(loss <= max(EXACT, exact_loss(dtype)))


def is_small_sample(problem: SquaredLoss, k: int, rules: PolishRules) -> bool:
    """Whether a fit of k units without penalty is mostly one of the noise, where there is noise."""
    return problem.targets_per_weight(k) < rules.small_sample


def minimize_loosely(
    problem: SquaredLoss, network: Network, stopping: Stopping, tol: float, callback: Callback
) -> Solution:
    """Gauss-Newton steps to a loose tolerance, or to an exact fit."""
    exact = exact_loss(problem.rows.dtype)
    stopping = replace(stopping, tol=max(stopping.tol, tol), exact_loss=exact)
    return gauss_newton(problem, network, stopping, callback=callback)


def minimize_past_kinks(
    fit: PenalizedFit,
    trace: Trace,
    stopping: Stopping,
    smoothing: Smoothing,
    criteria: CriteriaRules = CRITERIA,
) -> Solution:
    """Gauss-Newton; units with a kink are smoothed before, unless that leads to a higher loss.

    Near the minimum that is wanted those between kinks differ by less than the rows resolve. So where
    the residual is noise, smoothing is for smaller tolerances.
    """
    problem, network = fit.problem, fit.network
    is_loose = stopping.tol >= statistical_tolerance(problem, len(network.b), criteria)
    if has_kink(problem.activation) and not (is_loose and residual_is_noise(problem, network, criteria)):
        before = problem.evaluate(network).loss
        smoothed = trace.stage("smoothed", smoothed=True)
        start = minimize_smoothed(problem, network, smoothing, stopping, callback=smoothed)
        start = min_norm_scaling(start, problem.penalty, problem.activation.degree)
        last = gauss_newton(problem, start, stopping, callback=trace.stage("polish"))
        if last.objective <= before:
            return last
    return gauss_newton(problem, network, stopping, callback=trace.stage("polish"))


def lost_units(fit: Solution, penalized: Solution, rules: PolishRules) -> bool:
    """Whether a penalty took units of a fit away that the rows call for."""
    problem, k = fit.problem, len(fit.network.b)
    if bic_prefers(fit.data_loss, penalized.data_loss, problem, k):
        return True
    if fit.evaluation is None or penalized.evaluation is None or not is_small_sample(problem, k, rules):
        return False
    criteria = rules.evidence.criteria
    return predicted_error(fit.evaluation, criteria) < predicted_error(penalized.evaluation, criteria)


def better_course(
    trace: Trace,
    first: Callable[[], Solution],
    second: Callable[[], Solution],
    error_of: Callable[[Solution], float],
) -> tuple[Solution, bool]:
    """Where the better of two courses ended, which the record keeps, and whether it is the second.

    Parameters
    ----------
    trace : Trace
    first, second : callable
        They take steps. Where an observer stops those of the second its last network counts for it.
    error_of : callable
        Of a solution; the lower is better.

    Returns
    -------
    solution : Solution
    is_second : bool

    Raises
    ------
    StopFit
        Where an observer stopped, with the better of the two in the trace.
    """
    n_before, one = len(trace.stages), first()
    n_stages, best = len(trace.stages), trace.best
    trace.best = None  # the best network on held-out rows is one of each course
    try:
        other = second()
    except StopFit:
        last, problem = trace.last_of_problem, trace.problem
        if last is None or problem is None or one.data_loss <= problem.data_loss(last):
            trace.forget(n_stages)
            trace.network = trace.last_of_problem = one.network
        else:
            trace.forget(n_before, n_stages)
        found = [kept for kept in (best, trace.best) if kept is not None]
        trace.best = min(found, key=lambda kept: kept[0], default=None)
        raise
    if error_of(other) < error_of(one):
        trace.forget(n_before, n_stages)
        return other, True
    trace.forget(n_stages)
    trace.best = best
    return one, False


def best_on_validation(solution: Solution, problem: SquaredLoss, trace: Trace) -> Solution:
    """The solution at the network that was best on held-out rows, where there are any."""
    if trace.best is None:
        return solution
    objective, network = trace.best
    is_same = network is solution.network
    reason = "held-out loss rises" if solution.reason == "callback" else solution.reason
    return replace(
        solution, network=network, data_loss=problem.data_loss(network), objective=objective,
        reason=reason, members=solution.members if is_same else (),
        line=solution.line if is_same else None,
    )  # fmt: skip


def on_all_rows(
    problem: SquaredLoss, last: Solution, alpha: float | None, *, may_be_identified: bool
) -> Solution:
    """The solution on the rows of a problem, where the last stage may have had them in single precision.

    Parameters
    ----------
    problem : SquaredLoss
    last : Solution
    alpha : float or None
        The penalty that further starts are to take; None while no fit needed one.
    may_be_identified : bool

    Returns
    -------
    Solution
        With the losses of these rows.
    """
    evaluation = last.evaluation
    assert evaluation is not None
    if evaluation.problem.rows is not problem.rows:
        penalized = problem.replace(problem.rows, alpha=evaluation.problem.alpha)
        evaluation = penalized.evaluate(last.network)
    return replace(
        last, data_loss=evaluation.data_loss, objective=evaluation.loss, alpha=alpha,
        may_be_identified=may_be_identified,
    )  # fmt: skip
