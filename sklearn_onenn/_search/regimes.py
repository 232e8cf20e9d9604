"""The regimes of a polish: exact fit, network to recover, ensemble, small sample, regression.

1. The first fit is one without penalty. An exact fit converges there. (With fewer targets than weights
   any network may be made exact, which says nothing: then it has a penalty.)
2. Where there may be a network to recover, the penalty of largest evidence is found once and kept for
   further starts; units with a kink are smoothed and sharpened again; steps go on to the minimum.
3. Where there is none, and the units are many enough to be fitted as several networks, these are
   averaged, if the first of them promises a better prediction.
4. Where there is none and the sample is small the fit begins anew at random units, which have a penalty
   from the first step: without one it went for the noise.
5. Else it is a regression: there is no one optimum to look for, the smoothing is brief, and steps end
   where a lower loss does not predict better.

With too few targets for any network, or too many units, ``polish_start`` goes straight to 3, and where
a further start is no better than the first it gives up. To identify a network is to come near enough to
the one that generated the rows; a sample is small when it has few targets for each weight.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter

import numpy as np

from .._data.gaussianity import rows_are_normal
from .._network.loss import SquaredLoss
from .._network.network import Network
from .._optimization.gauss_newton import Solution
from .._optimization.single_precision import in_single_precision
from .._selection.criteria import (
    CRITERIA,
    CriteriaRules,
    can_interpolate,
    effective_dof_share,
    predicted_error,
    residual_dof_share,
)
from .._selection.evidence import alpha_from_fit, maximize_evidence
from .._tensor.units import may_be_identified
from .ensemble import fit_ensemble
from .members import after_quasi_newton, fit_anew, member_widths
from .rules import PolishRules, SearchRules
from .stages import (
    PenalizedFit,
    PolishTask,
    best_on_validation,
    better_course,
    is_exact,
    is_small_sample,
    lost_units,
    minimize_loosely,
    minimize_past_kinks,
    on_all_rows,
)
from .starts import random_units


@dataclass(frozen=True)
class FirstFit:
    """The fit that tells which regime a start is in.

    Attributes
    ----------
    task : PolishTask
    solution : Solution
        Of loose steps without penalty, unless the weights can interpolate any targets.
    """

    task: PolishTask
    solution: Solution

    @property
    def loss(self) -> float:
        """Data loss of the solution, of scaled targets."""
        return self.solution.data_loss

    @property
    def is_exact(self) -> bool:
        """Whether the fit left nothing but rounding, and the rows say something by that."""
        task = self.task
        says_something = task.alpha == 0 or not can_interpolate(task.problem, task.k)
        return says_something and is_exact(self.loss, task.problem.rows.dtype)

    @cached_property
    def is_small_sample(self) -> bool:
        """Whether a search for the penalty from here would end near a fit of the noise."""
        task = self.task
        return task.may_penalize and is_small_sample(task.problem, task.k, task.rules.polish)

    @cached_property
    def may_be_ensemble(self) -> bool:
        """Whether the units are many enough for several members."""
        task = self.task
        return task.may_penalize and len(member_widths(task.problem, task.k, task.rules.ensemble)) > 1

    @cached_property
    def looks_identified(self) -> bool:
        """Whether the loss without penalty, or the rows, allow for a network to recover."""
        criteria = self.task.rules.polish.evidence.criteria
        return looks_identified(self.task.problem, self.solution, criteria)

    @cached_property
    def penalized(self) -> PenalizedFit:
        """The problem with its penalty, and the weights near those of this fit."""
        return with_penalty(self)

    @cached_property
    def is_identified(self) -> bool:
        """Whether there may be a network to recover, near the minimum with the penalty."""
        if not self.looks_identified and (self.is_small_sample or self.may_be_ensemble):
            return False
        fit = self.penalized
        return is_identified(fit.problem, fit.network, self.task.rules.polish)


def fit_first(task: PolishTask) -> FirstFit:
    """Loose steps without penalty; only a few where a small sample shows no network to recover."""
    problem, rules = task.problem, task.rules.polish
    alpha = 0.0
    if task.may_penalize and can_interpolate(problem, task.k):
        alpha = rules.evidence.first_alpha if task.alpha is None else task.alpha
    problem, network = problem.replace(problem.rows, alpha=alpha), task.network
    name = "unpenalized" if alpha == 0 else "penalized"

    def minimize(problem: SquaredLoss, network: Network, brief: bool) -> Solution:
        stopping = task.stopping
        if brief:
            stopping = stopping.within(rules.brief_steps)
            stopping = replace(stopping, solve_tol=rules.rough_solve_tol)
        return minimize_loosely(problem, network, stopping, rules.loose_tol, task.trace.stage(name))

    is_brief = task.may_penalize and is_small_sample(problem, task.k, rules)
    if is_brief and not rows_are_normal(problem.rows, problem.coordinates, task.rules.data):
        solution = minimize(in_single_precision(problem, rules.loose_tol), network, True)
        if not looks_identified(problem, solution, rules.evidence.criteria):
            return FirstFit(task, solution)
        network = solution.network
    return FirstFit(task, minimize(problem, network, False))


def with_penalty(first: FirstFit) -> PenalizedFit:
    """The problem with its penalty, given or of largest evidence, and weights near the first fit.

    Where there is no network to recover, the search for the penalty takes a few steps: it has settled
    long before the weights have, and steps under a given one cost less.
    """
    task, rules = first.task, first.task.rules.polish
    tol = task.statistical_tol
    if first.looks_identified:
        tol = min(max(task.stopping.tol, tol), rules.screening_tol)
    problem = in_single_precision(task.problem, tol, first.loss)
    if task.alpha is not None:
        return PenalizedFit(problem.replace(problem.rows, alpha=task.alpha), first.solution.network)
    stopping = task.stopping
    if not first.looks_identified:
        stopping = stopping.within(rules.brief_steps)
    callback = task.trace.stage("evidence")

    def search_from(alpha: float) -> Solution:
        return maximize_evidence(
            problem, first.solution.network, alpha, stopping, callback=callback, rules=rules.evidence
        )

    probable = search_from(rules.evidence.first_alpha)
    if lost_units(first.solution, probable, rules):
        assert first.solution.evaluation is not None
        again = search_from(alpha_from_fit(first.solution.evaluation, rules.evidence))
        if lost_units(again, probable, rules):
            probable = again
    return PenalizedFit.of(probable)


# The regimes


def keep_exact_fit(first: FirstFit) -> Solution:
    """The solution of a first fit that is exact: that fit."""
    task = first.task
    solution = on_all_rows(task.problem, first.solution, task.alpha, may_be_identified=True)
    return best_on_validation(solution, task.problem, task.trace)


def give_up(first: FirstFit) -> Solution:
    """The solution of a start whose first fit is no better than an earlier start: it never wins."""
    task = first.task
    solution = on_all_rows(task.problem, first.solution, task.alpha, may_be_identified=False)
    return replace(solution, objective=np.inf)


def minimize_identified(first: FirstFit) -> Solution:
    """Minimize where there may be a network to recover, as far as starts are compared."""
    task, rules = first.task, first.task.rules.polish
    stopping = task.stopping.with_tol(max(task.stopping.tol, rules.screening_tol))
    return minimize_past_kinks(first.penalized, task.trace, stopping, rules.smoothing)


def keep_identified(first: FirstFit, last: Solution) -> Solution:
    """The solution in which :func:`minimize_identified` ended, with all rows in their own precision."""
    task, alpha = first.task, first.penalized.problem.alpha
    solution = on_all_rows(task.problem, last, alpha, may_be_identified=True)
    return best_on_validation(solution, task.problem, task.trace)


def fit_regression(first: FirstFit) -> Solution:
    """The solution on rows that determine the weights but have no network to recover.

    It is the better of two optima: that of the start and, where it was not given, one to which steps of
    L-BFGS lead under the penalty.
    """
    task, alpha = first.task, first.penalized.problem.alpha
    problem = in_single_precision(task.problem, task.statistical_tol)
    problem = problem.replace(problem.rows, alpha=alpha)
    stopping = task.stopping.with_tol(max(task.stopping.tol, task.statistical_tol))
    smoothing = task.rules.polish.smoothing.first_width()

    def end_of(start: Network) -> Solution:
        fit = PenalizedFit(problem, start)
        last = minimize_past_kinks(fit, task.trace, stopping, smoothing)
        solution = on_all_rows(task.problem, last, alpha, may_be_identified=False)
        return best_on_validation(solution, task.problem, task.trace)

    def from_start() -> Solution:
        return end_of(first.penalized.network)

    def from_elsewhere() -> Solution:
        units = random_units(task.problem, task.k, task.random_state, task.slope)
        return end_of(after_quasi_newton(task, units, alpha))

    if alpha == 0 or task.is_given:
        return from_start()
    objective = attrgetter("objective")  # under one penalty
    return better_course(task.trace, from_start, from_elsewhere, objective)[0]


def fit_unidentified(first: FirstFit) -> Solution:
    """The solution where there is no network to recover.

    It is the mean of an ensemble, a fit from random units, or a regression.
    """
    task = first.task
    if first.may_be_ensemble:
        assert first.solution.evaluation is not None
        criteria = task.rules.polish.evidence.criteria
        mean = fit_ensemble(task, rival=predicted_error(first.solution.evaluation, criteria))
        if mean is not None:
            return mean
    if first.is_small_sample:
        return fit_anew(task)
    return fit_regression(first)


# Which regime


def is_underdetermined(problem: SquaredLoss, k: int, rules: PolishRules) -> bool:
    """Whether there are too few targets for the share of determined weights that recovery asks for."""
    return problem.n_targets <= rules.min_dof_share * problem.n_weights(k)


def is_out_of_reach(problem: SquaredLoss, k: int, rules: SearchRules) -> bool:
    """Whether no search would recover a network of k units.

    There are too few targets; or more units than columns, which have no moments of their own, and so
    many that the last of them is never found by chance.
    """
    is_wide = k > problem.coordinates.rank and k >= rules.ensemble.member_units
    return is_wide or is_underdetermined(problem, k, rules.polish)


def looks_identified(problem: SquaredLoss, fit: Solution, rules: CriteriaRules = CRITERIA) -> bool:
    """Whether the loss without penalty, or the rows, allow for a network to recover.

    Few rows are fitted well by any network: the loss is the one that generalized cross-validation
    expects on others.
    """
    k = len(fit.network.b)
    left = residual_dof_share(problem, problem.n_weights(k), rules)
    expected = fit.data_loss / max(left, rules.min_residual_dof) ** 2
    return may_be_identified(problem.array_rows, problem.coordinates, k, expected)


def is_identified(problem: SquaredLoss, network: Network, rules: PolishRules) -> bool:
    """Whether the rows determine most of the weights, near a minimum of the penalized loss."""
    if effective_dof_share(problem, network, rules.evidence.criteria) < rules.min_dof_share:
        return False
    loss = problem.data_loss(network)
    return may_be_identified(problem.array_rows, problem.coordinates, len(network.b), loss)


def moments_are_uninformative(problem: SquaredLoss, k: int, rules: SearchRules) -> bool:
    """Whether a polish that finds its penalty ends no better from moments than from random units.

    That is the case where no network is recovered: with too few targets, and of as many units as are
    fitted as an ensemble, on small samples of rows that are not normal.
    """
    if is_out_of_reach(problem, k, rules):
        return True
    if (
        not is_small_sample(problem, k, rules.polish)
        or len(member_widths(problem, k, rules.ensemble)) < 2
    ):
        return False
    return not rows_are_normal(problem.rows, problem.coordinates, rules.data)
