"""The polish of few rows that have no network to recover: begun anew, in members that are averaged.

Nothing tells one optimum there from another: neither the loss, nor the penalized loss, nor the penalty.
The mean of several predicts better than any one, and a network of k units can hold it: members of at
least ten units, as many as the rows determine well, are fitted to the targets one by one, each from
small weights of its own, and share the outputs. (Ensembles of networks that differ by their first
weights alone: L. K. Hansen, P. Salamon, 1990, doi:10.1109/34.58871.)
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .._network.loss import SquaredLoss
from .._network.network import Network
from .._optimization.gauss_newton import Solution
from .._optimization.single_precision import in_single_precision
from .._selection.criteria import predicted_error, statistical_tolerance
from .._selection.evidence import maximize_evidence
from .progress import StopFit
from .rules import EnsembleRules
from .stages import (
    PenalizedFit,
    PolishTask,
    best_on_validation,
    lost_units,
    minimize_loosely,
    minimize_past_kinks,
    on_all_rows,
)
from .starts import small_start


def fit_ensemble(task: PolishTask, *, rival: float = np.inf) -> Solution | None:
    """The mean of members that begin at small weights; a single one where the rows determine no more.

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
        return fit_from_small_weights(task, task.k)
    members: list[Solution] = []
    with trace.best_of_its_own():  # on held-out rows
        try:
            for width in widths:
                trace.best = None  # the best network on held-out rows is one of each member
                member = fit_from_small_weights(task, width)
                if not members and not promises_less(member, rival, task):
                    return None
                members.append(replace(member, evaluation=None))
                task = replace(task, alpha=member.alpha)
            ends = [(member.network, member.data_loss) for member in members]
        except StopFit:  # raised again by the next step, which is the mean of what there is
            ends = [(member.network, member.data_loss) for member in members]
            if not ends:
                assert trace.last_of_problem is not None  # there was a step to stop at
                ends = [(trace.last_of_problem, 1.0)]
    rest = [small_start(problem, width, task.random_state) for width in widths[len(ends) :]]
    network = ensemble_mean(*zip(*ends, strict=True), rest=rest)
    evaluation = problem.replace(problem.rows, alpha=task.alpha or 0.0).evaluate(network)
    trace.stage("ensemble mean")(evaluation)
    unfinished = any(member.reason == "max_iter" for member in members)
    mean = Solution.at(evaluation, "max_iter" if unfinished else members[-1].reason, 0, [])
    mean = replace(mean, alpha=task.alpha, may_be_identified=False)
    return best_on_validation(mean, problem, trace)


def promises_less(member: Solution, rival: float, task: PolishTask) -> bool:
    """Whether the first member promises a smaller error on other rows than the rival does."""
    if not np.isfinite(rival):
        return True
    assert member.evaluation is not None
    return predicted_error(member.evaluation, task.rules.polish.evidence.criteria) < rival


def member_widths(problem: SquaredLoss, k: int, rules: EnsembleRules) -> list[int]:
    """Units of each member of an ensemble of k units."""
    width = max(
        rules.member_units, problem.n_targets / (rules.member_targets * problem.weights_of_a_unit)
    )
    return [len(part) for part in np.array_split(np.arange(k), max(1, int(k / width)))]


def ensemble_mean(
    networks: Sequence[Network], losses: Sequence[float], *, rest: Sequence[Network] = ()
) -> Network:
    """One network that is the mean of several, with the units of others, which have no outputs.

    The networks count by the inverse square of their data losses: alike, unless one was caught in a poor
    optimum.

    Parameters
    ----------
    networks : list of Network
    losses : list of float
        Of the networks.
    rest : list of Network
        The others.
    """
    lowest = np.min(losses)
    counts = (lowest / np.asarray(losses)) ** 2 if lowest > 0 else np.equal(losses, 0)
    parts = [
        network._replace(V=share * network.V, c=share * network.c)
        for network, share in zip(networks, counts / np.sum(counts), strict=True)
    ]
    parts += [network._replace(V=0.0 * network.V, c=0.0 * network.c) for network in rest]
    W, b, V, c = zip(*parts, strict=True)
    return Network(np.concatenate(W, axis=1), np.concatenate(b), np.concatenate(V), np.sum(c, axis=0))


def fit_from_small_weights(task: PolishTask, k: int) -> Solution:
    """k units that grow from small weights under a penalty, fitted with the one of largest evidence."""
    problem, rules = task.problem, task.rules.polish
    small = small_start(problem, k, task.random_state)
    resolved = statistical_tolerance(problem, k, rules.evidence.criteria)
    stopping = replace(
        task.stopping, tol=max(task.stopping.tol, resolved), solve_tol=rules.rough_solve_tol
    )
    task = replace(task, problem=in_single_precision(problem, stopping.tol), stopping=stopping)
    fit = grow(task, small)
    last = minimize_past_kinks(fit, task.trace, stopping, rules.smoothing.first_width())
    solution = on_all_rows(problem, last, fit.problem.alpha, may_be_identified=False)
    return best_on_validation(solution, problem, task.trace)


def grow(task: PolishTask, small: Network) -> PenalizedFit:
    """The problem with its penalty, and weights that grew from small ones, never without a penalty."""
    problem, alpha, rules = task.problem, task.alpha, task.rules.ensemble
    first_alpha = rules.small_alpha if alpha is None else min(alpha, rules.small_alpha)
    held = problem.replace(problem.rows, alpha=first_alpha)
    stopping = task.stopping.with_tol(rules.growth_tol)
    grown = minimize_loosely(
        held, small, stopping, task.rules.polish.loose_tol, task.trace.stage("growth")
    )
    if alpha is not None:
        return PenalizedFit(problem.replace(problem.rows, alpha=alpha), grown.network)
    probable = maximize_evidence(
        problem, grown.network, first_alpha, task.stopping,
        callback=task.trace.stage("evidence"), rules=task.rules.polish.evidence,
    )  # fmt: skip
    return PenalizedFit.of(grown if lost_units(grown, probable, task.rules.polish) else probable)
