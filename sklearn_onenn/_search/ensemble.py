"""The polish of rows that have no network to recover: begun anew, in members that are averaged.

Nothing tells one optimum there from another: neither the loss, nor the penalized loss, nor the penalty.
The mean of several predicts better than any one, and a network of k units can hold it: a few wide
members are fitted to the targets one by one, each from random units of its own, and share the outputs.
(Ensembles of networks that differ by their first weights alone: L. K. Hansen, P. Salamon, 1990,
doi:10.1109/34.58871.) The mean takes away most of what differs from member to member, so a member may
follow the targets closer than a single network: its penalty goes by the variance of the noise, not by
its own error of prediction.

The first member is fitted twice: by Gauss-Newton steps alone, and by those that follow steps of L-BFGS.
These find other optima: better ones of steps and edges, worse ones of noise. Which of the two promises
less error on other rows says how the others begin.
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
from .progress import StopFit, Trace
from .reference import reference_error
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


def fit_ensemble(task: PolishTask, *, rival: float = np.inf) -> Solution | None:
    """The mean of members that begin at random units; a single one where there are few units.

    Parameters
    ----------
    task : PolishTask
        Its network gives the number of units; a penalty that is not known is found in the first member.
    rival : float
        Mean squared error of a scaled output on other rows that another fit promises.

    Returns
    -------
    Solution or None
        None where the first member promises no less error than the rival.
    """
    problem, trace = task.problem, task.trace
    widths = member_widths(problem, task.k, task.rules.ensemble)
    if len(widths) == 1:
        return fit_anew(task)
    members: list[Solution] = []
    with trace.best_of_its_own():  # on held-out rows
        try:
            if task.alpha is None:
                task = replace(task, alpha=cross_validated_penalty(task, widths[0], len(widths)))
            first, descent_alpha = fit_first_member(task, widths[0], len(widths))
            if np.isfinite(rival) and not promised_error(first, task) < rival:
                return None
            members, task = [replace(first, evaluation=None)], replace(task, alpha=first.alpha)
            for width in widths[1:]:
                trace.best = None  # the best network on held-out rows is one of each member
                member = fit_member(task, width, len(widths), descent_alpha=descent_alpha)
                members.append(replace(member, evaluation=None))
            ends = [(member.network, member.data_loss) for member in members]
        except StopFit:  # raised again by the next step, which is the mean of what there is
            ends = [(member.network, member.data_loss) for member in members]
            if not ends:
                assert trace.last_of_problem is not None  # there was a step to stop at
                ends = [(trace.last_of_problem, 1.0)]
    rest = [random_units(problem, width, task.random_state) for width in widths[len(ends) :]]
    networks, losses = zip(*ends, strict=True)
    averaged = [Member(*end) for end in zip(networks, member_shares(losses), strict=True)]
    network = ensemble_mean(averaged, rest=rest)
    evaluation = problem.replace(problem.rows, alpha=task.alpha or 0.0).evaluate(network)
    trace.stage("ensemble mean")(evaluation)
    unfinished = any(member.reason == "max_iter" for member in members)
    mean = Solution.at(evaluation, "max_iter" if unfinished else members[-1].reason, 0, [])
    mean = replace(mean, alpha=task.alpha, may_be_identified=False, members=tuple(averaged))
    return best_on_validation(mean, problem, trace)


def cross_validated_penalty(task: PolishTask, width: int, n_members: int) -> float | None:
    """The penalty of a member of many weights: None to find it by the evidence, or that of the noise.

    Of few targets the evidence has two maxima, of which one is a constant and the other may be a fit of
    the noise. The error of :func:`reference_error` is a bound on the noise that it does not know of.
    Which of the two predicts better is asked of three folds, and of one member.
    """
    problem, rows = task.problem, task.problem.array_rows
    if not has_few_targets(problem, width, task.rules.ensemble) or rows.n_rows < 6:
        return None
    noise = task.rules.starts.noise_factor * reference_error(problem)
    if not np.isfinite(noise):
        return None
    fold_of = np.random.RandomState(0).permutation(rows.n_rows) % 3
    brief = task.stopping.within(task.rules.polish.brief_steps)
    errors: dict[float | None, float] = {}
    for alpha in (None, noise):
        squares = 0.0
        for fold in range(3):
            kept = problem.replace(rows.take(np.flatnonzero(fold_of != fold)))
            of_fold = replace(
                task, problem=kept, alpha=alpha, trace=Trace(), stopping=brief,
                random_state=np.random.RandomState(fold),
            )  # fmt: skip
            member = fit_member(of_fold, width, n_members)
            left_out = problem.replace(rows.take(np.flatnonzero(fold_of == fold)))
            squares += left_out.data_loss(member.network) * left_out.rows.weight_sum
        errors[alpha] = squares
    return min(errors, key=lambda alpha: errors[alpha])


def has_few_targets(problem: SquaredLoss, k: int, rules: EnsembleRules) -> bool:
    """Whether the targets are so few that the evidence of a member's penalty has several maxima."""
    return problem.targets_per_weight(k) < rules.fewest_targets


def promised_error(member: Solution, task: PolishTask) -> float:
    """Mean squared error of a scaled output on other rows that a member promises."""
    assert member.evaluation is not None
    return predicted_error(member.evaluation, task.rules.polish.evidence.criteria)


def member_widths(problem: SquaredLoss, k: int, rules: EnsembleRules) -> list[int]:
    """Units of each member of an ensemble of k units."""
    determined = problem.n_targets / problem.weights_of_a_unit
    width = max(rules.member_units, min(k / rules.max_members, determined))
    return [len(part) for part in np.array_split(np.arange(k), max(1, int(k / width)))]


def member_shares(losses: Sequence[float]) -> list[float]:
    """Shares of networks in their mean: by the inverse squares of their data losses.

    They are alike, unless one was caught in a poor optimum.
    """
    lowest = np.min(losses)
    counts = (lowest / np.asarray(losses)) ** 2 if lowest > 0 else np.equal(losses, 0)
    return [float(share) for share in counts / np.sum(counts)]


def ensemble_mean(members: Sequence[Member], *, rest: Sequence[Network] = ()) -> Network:
    """One network that is the mean of several, with the units of others, which have no outputs."""
    parts = [network._replace(V=share * network.V, c=share * network.c) for network, share in members]
    parts += [network._replace(V=0.0 * network.V, c=0.0 * network.c) for network in rest]
    W, b, V, c = zip(*parts, strict=True)
    return Network(np.concatenate(W, axis=1), np.concatenate(b), np.concatenate(V), np.sum(c, axis=0))


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
        The penalty of steps of L-BFGS for members to come, None where these begin without. Few targets
        do not tell which is better, and steps under a given penalty need no other.
    """
    fit, alpha = partial(fit_member, task, k, n_members), first_penalty(task)
    error_of = partial(promised_error, task=task)

    def direct() -> Solution:
        member = fit(by_prediction=by_prediction)
        tells = by_prediction or task.alpha is not None or error_of(member) < np.inf
        return member if tells else fit(by_prediction=True)

    if task.alpha is not None or has_few_targets(task.problem, k, task.rules.ensemble):
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
