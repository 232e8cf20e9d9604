"""One member of a mean of networks, or one network beside which there is none: from random units.

The first member is fitted twice: by Gauss-Newton steps alone, and by those that follow steps of L-BFGS.
These find other optima: better ones of steps and edges, worse ones of noise. Which of the two promises
less error on other rows says how the others begin. Few targets do not tell; but under a penalty that is
given Gauss-Newton steps from random units may end in a constant, where those of L-BFGS do not.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from .._data.floating_point import TINY
from .._network.loss import SquaredLoss
from .._network.network import Member, Network
from .._optimization.gauss_newton import Solution
from .._optimization.single_precision import in_single_precision
from .._selection.criteria import predicted_error, statistical_tolerance
from .._selection.evidence import maximize_evidence
from .rules import EnsembleRules
from .stages import (
    PenalizedFit,
    PolishTask,
    best_on_validation,
    better_course,
    minimize_past_kinks,
    on_all_rows,
)
from .starts import RANDOM_SLOPE, quasi_newton, random_units


def member_widths(problem: SquaredLoss, k: int, rules: EnsembleRules) -> list[int]:
    """Units of each member of an ensemble of k units."""
    determined = problem.n_targets / problem.weights_of_a_unit
    width = max(rules.member_units, min(k / rules.max_members, determined))
    return [len(part) for part in np.array_split(np.arange(k), max(1, int(k / width)))]


def ensemble_mean(members: Sequence[Member], *, rest: Sequence[Network] = ()) -> Network:
    """One network that is the mean of several, with the units of others, which have no outputs."""
    parts = [network._replace(V=share * network.V, c=share * network.c) for network, share in members]
    parts += [network._replace(V=0.0 * network.V, c=0.0 * network.c) for network in rest]
    W, b, V, c = zip(*parts, strict=True)
    return Network(np.concatenate(W, axis=1), np.concatenate(b), np.concatenate(V), np.sum(c, axis=0))


def has_few_targets(problem: SquaredLoss, k: int, rules: EnsembleRules) -> bool:
    """Whether the targets are so few that the evidence of a member's penalty has several maxima."""
    return problem.targets_per_weight(k) < rules.fewest_targets


def promised_error(member: Solution, task: PolishTask) -> float:
    """Mean squared error of a scaled output on other rows that a member promises."""
    assert member.evaluation is not None
    return predicted_error(member.evaluation, task.rules.polish.evidence.criteria)


def fit_member(
    task: PolishTask,
    k: int,
    n_members: int,
    *,
    by_prediction: bool = False,
    start: Network | None = None,
    descent_alpha: float | None = None,
) -> Solution:
    """k random units, fitted with the penalty of largest evidence; they have one from the first step.

    Parameters
    ----------
    task : PolishTask
    k : int
    n_members : int
        The mean of so many predicts better for steps that gain less by this factor.
    by_prediction : bool
        As of :class:`EvidenceRules`.
    start : Network or None
        In place of the random units.
    descent_alpha : float or None
        The penalty of steps of L-BFGS that the random units take first; None for no such steps.

    Returns
    -------
    Solution
    """
    problem, rules = task.problem, task.rules.polish
    criteria = rules.evidence.criteria
    few = has_few_targets(problem, k, task.rules.ensemble)
    criteria = replace(criteria, resolved_share=criteria.resolved_share / n_members)
    evidence = replace(rules.evidence, by_prediction=by_prediction or few, criteria=criteria)
    if start is None:
        start = random_units(problem, k, task.random_state, task.slope)
        start = after_quasi_newton(task, start, descent_alpha)
    resolved = statistical_tolerance(problem, k, criteria)
    stopping = replace(
        task.stopping, tol=max(task.stopping.tol, resolved), solve_tol=rules.rough_solve_tol
    )
    rounded = in_single_precision(problem, stopping.tol)
    if task.alpha is None:
        probable = maximize_evidence(
            rounded, start, first_penalty(task), stopping.with_tol(task.stopping.tol),
            callback=task.trace.stage("evidence"), rules=evidence,
        )  # fmt: skip
        fit = PenalizedFit.of(probable)
    else:
        fit = PenalizedFit(rounded.replace(rounded.rows, alpha=task.alpha), start)
    last = minimize_past_kinks(fit, task.trace, stopping, rules.smoothing.first_width())
    if last.reason == "max_iter" and last_gain(last) <= n_members * stopping.tol:
        last = replace(last, reason="converged")  # as a single network is
    solution = on_all_rows(problem, last, fit.problem.alpha, may_be_identified=False)
    return best_on_validation(solution, problem, task.trace)


def fit_first_member(
    task: PolishTask, k: int, n_members: int, *, by_prediction: bool = False
) -> tuple[Solution, float | None]:
    """A member that begins with Gauss-Newton steps, or with L-BFGS if that promises less error.

    The penalty goes by the error of prediction where that by the noise leaves nothing to tell the noise
    by, since there are nearly as many determined weights as targets: the evidence has no bound there.

    Parameters
    ----------
    task : PolishTask
    k, n_members : int
    by_prediction : bool
        As of :func:`fit_member`.

    Returns
    -------
    member : Solution
    descent_alpha : float or None
        The penalty of steps of L-BFGS for members to come, None where these begin without.
    """
    fit, alpha = partial(fit_member, task, k, n_members), first_penalty(task)
    error_of = partial(promised_error, task=task)

    def direct() -> Solution:
        member = fit(by_prediction=by_prediction)
        tells = by_prediction or task.alpha is not None or error_of(member) < np.inf
        return member if tells else fit(by_prediction=True)

    few = has_few_targets(task.problem, k, task.rules.ensemble)
    if few and task.alpha is not None:
        return fit(descent_alpha=alpha), alpha
    if few or task.alpha is not None:
        return direct(), None
    other = partial(fit, by_prediction=by_prediction, descent_alpha=alpha)
    member, is_other = better_course(task.trace, direct, other, error_of)
    return member, alpha if is_other else None


def first_penalty(task: PolishTask) -> float:
    """The penalty to begin with: of units of the usual slope, or of steeper ones."""
    return task.rules.polish.evidence.first_alpha * (RANDOM_SLOPE / task.slope) ** 2


def after_quasi_newton(task: PolishTask, start: Network, alpha: float | None) -> Network:
    """Where as many steps of L-BFGS as the fit has lead under a penalty; the start for None."""
    if alpha is None:
        return start
    problem, callback = task.problem.replace(task.problem.rows, alpha=alpha), task.trace.stage("L-BFGS")
    return quasi_newton(problem, start, task.stopping.max_iter, callback=callback)


def last_gain(solution: Solution) -> float:
    """Share of the data loss by which the mean of the last ten steps lowered it."""
    losses = solution.losses
    if len(losses) <= 10:
        return np.inf
    return abs(losses[-11] - losses[-1]) / (10 * max(losses[-1], TINY))


def fit_from_start(task: PolishTask) -> Solution:
    """The units of the task, as they are, with the penalty of largest evidence."""
    return fit_member(task, task.k, 1, by_prediction=True, start=task.network)


def fit_anew(task: PolishTask) -> Solution:
    """A single network of random units; if narrow, its penalty comes from its error of prediction."""
    narrow = task.k < task.rules.ensemble.member_units
    return fit_first_member(task, task.k, 1, by_prediction=narrow)[0]
