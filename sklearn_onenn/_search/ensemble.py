"""The polish of rows that have no network to recover: begun anew, in members that are averaged.

Nothing tells one optimum there from another: neither the loss, nor the penalized loss, nor the penalty.
The mean of several predicts better than any one, and a network of k units can hold it: a few wide
members are fitted to the targets one by one, each from random units of its own, and share the outputs.
(Ensembles of networks that differ by their first weights alone: L. K. Hansen, P. Salamon, 1990,
doi:10.1109/34.58871.) The mean takes away most of what differs from member to member, so a member may
follow the targets closer than a single network: its penalty goes by the variance of the noise, not by
its own error of prediction.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .._network.line import Line
from .._network.loss import SquaredLoss
from .._network.network import Member, Network
from .._optimization.gauss_newton import Solution
from .few_targets import cross_validated_course
from .members import (
    ensemble_mean,
    fit_anew,
    fit_first_member,
    fit_member,
    has_few_targets,
    member_widths,
    promised_error,
)
from .progress import StopFit
from .stages import PolishTask, best_on_validation
from .starts import random_units


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
    problem, trace, line = task.problem, task.trace, None
    widths = member_widths(problem, task.k, task.rules.ensemble)
    if len(widths) == 1:
        return fit_anew(task)
    members: list[Solution] = []
    with trace.best_of_its_own():  # on held-out rows
        try:
            if task.alpha is None and has_few_targets(problem, widths[0], task.rules.ensemble):
                course = cross_validated_course(task, widths)
                line, widths = course.line, course.widths
                task = replace(task, alpha=course.alpha, problem=problem if line is None else line.rest)
            with trace.within(f"member 1 of {len(widths)}"):
                first, descent_alpha = fit_first_member(task, widths[0], len(widths))
            if np.isfinite(rival) and not promised_error(first, task) < rival:
                return None
            members, task = [replace(first, evaluation=None)], replace(task, alpha=first.alpha)
            for number, width in enumerate(widths[1:], 2):
                trace.best = None  # the best network on held-out rows is one of each member
                with trace.within(f"member {number} of {len(widths)}"):
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
    averaged = tuple(Member(*end) for end in zip(networks, member_shares(losses), strict=True))
    unfinished = any(member.reason == "max_iter" for member in members)
    reason = "max_iter" if unfinished or not members else members[-1].reason
    mean = mean_of(task, problem, averaged, ensemble_mean(averaged, rest=rest), line, reason)
    return best_on_validation(mean, problem, trace)


def mean_of(
    task: PolishTask,
    problem: SquaredLoss,
    averaged: tuple[Member, ...],
    network: Network,
    line: Line | None,
    reason: str,
) -> Solution:
    """The solution that is the mean of members, with the line that they are beside."""
    problem = problem.replace(problem.rows, alpha=task.alpha or 0.0)
    evaluation = problem.evaluate(network if line is None else line.joined(network))
    task.trace.stage("ensemble mean")(evaluation)
    mean = Solution.at(evaluation, reason, 0, [])
    objective = mean.data_loss + problem.penalty_value(network)
    return replace(
        mean, objective=objective, alpha=task.alpha, may_be_identified=False, members=averaged, line=line
    )


def member_shares(losses: Sequence[float]) -> list[float]:
    """Shares of networks in their mean: by the inverse squares of their data losses.

    They are alike, unless one was caught in a poor optimum.
    """
    lowest = np.min(losses)
    counts = (lowest / np.asarray(losses)) ** 2 if lowest > 0 else np.equal(losses, 0)
    return [float(share) for share in counts / np.sum(counts)]
