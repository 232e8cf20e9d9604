"""How few targets are fitted: under which penalty, and beside a line or not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._network.line import Line, fit_line
from .._network.loss import SquaredLoss
from .._network.network import Member
from .members import ensemble_mean, fit_first_member, member_widths
from .progress import Trace
from .reference import reference_error
from .stages import PolishTask

# What a line leaves is noise: the penalty of other units, in that of the noise. With a tenth of it they
# fitted more of the noise than of what bends, on some of the tables of ``doc/benchmarks/few_rows.md``.
LINE_FACTOR = 10.0

# Units without a line must promise an error of less than this share of that beside one: folds of so few
# rows say no more (tried on sixteen of those tables).
PLAIN = 0.9


@dataclass(frozen=True)
class Course:
    """How few targets are fitted.

    Attributes
    ----------
    alpha : float or None
        The penalty of a member: None to find it by the evidence, or that of the noise.
    line : Line or None
        What is fitted first.
    widths : list of int
        Units of each member.
    """

    alpha: float | None
    line: Line | None
    widths: list[int]

    def error(self, task: PolishTask, folds: Sequence[tuple[SquaredLoss, SquaredLoss]]) -> float:
        """Squared error on rows left out that the mean of the members promises.

        The part of a member's error that is its own falls with their number. Two members tell it.
        """
        n_members, squares = len(self.widths), np.zeros(2)  # of one member, and of the mean of two
        for seed, (kept, left_out) in enumerate(folds):
            line = None if self.line is None else fit_line(kept)
            of_fold = replace(
                task, problem=kept if line is None else line.rest, alpha=self.alpha, trace=Trace(),
                stopping=task.stopping.within(task.rules.polish.brief_steps),
                random_state=np.random.RandomState(seed),
            )  # fmt: skip
            ends = [fit_first_member(of_fold, self.widths[0], n_members)[0].network for _ in range(2)]
            networks = [*ends, ensemble_mean([Member(end, 0.5) for end in ends])]
            losses = [
                left_out.data_loss(network if line is None else line.joined(network))
                for network in networks
            ]
            squares += left_out.rows.weight_sum * np.array([np.mean(losses[:2]), losses[2]])
        one, two = squares
        return float(two - (one - two) * (1 - 2 / n_members))


def cross_validated_course(task: PolishTask, widths: list[int]) -> Course:
    """How few targets are fitted: under which penalty, and beside a line or not.

    Of few targets the evidence has two maxima, of which one is a constant and the other may be a fit of
    the noise. The error of :func:`reference_error` is a bound on the noise that it does not know of. And
    random units find a line badly; what that leaves is taken for noise. Three folds tell what is best.
    """
    problem, rows = task.problem, task.problem.array_rows
    by_evidence, factor = Course(None, None, widths), task.rules.starts.noise_factor
    reference = reference_error(problem)
    if rows.n_rows < 6 or not np.isfinite(reference):
        return by_evidence
    fold_of = np.random.RandomState(0).permutation(rows.n_rows) % 3
    parts = (
        [np.flatnonzero(fold_of != fold) for fold in range(3)],
        [np.flatnonzero(fold_of == fold) for fold in range(3)],
    )
    folds = [
        (problem.replace(rows.take(kept)), problem.replace(rows.take(left_out)))
        for kept, left_out in zip(*parts, strict=True)
    ]
    courses = [by_evidence, Course(factor * reference, None, widths)]
    beside_line = member_widths(problem, task.k - 2 * rows.n_outputs, task.rules.ensemble)
    if len(beside_line) > 1 and task.trace.held_out is None:
        line = fit_line(problem)
        if line is not None:
            courses.append(Course(LINE_FACTOR * factor, line, beside_line))
    errors = [course.error(task, folds) * (PLAIN if course.line else 1.0) for course in courses]
    return courses[int(np.argmin(np.nan_to_num(errors, nan=np.inf)))]
