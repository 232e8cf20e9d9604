"""The polish: Levenberg-damped Gauss-Newton steps by preconditioned conjugate gradients.

1. Linearize the network at the current weights: J (rows by weights), residual R.
2. Solve (J^T J / n + lambda D) s = -gradient by conjugate gradients; a product with J^T J costs two
   products with the rows. D is the diagonal of J^T J / n by units, so that the damping does not
   depend on how a unit's scale is shared between w_i and v_i.
3. Accept the step if it lowers the loss. lambda follows the ratio of the decrease to the expected
   one (H. B. Nielsen, 1999, Damping parameter in Marquardt's method, IMM-REP-1999-05).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from .._data.floating_point import EPSILON
from .._network.line import Line
from .._network.loss import Evaluation, SquaredLoss
from .._network.network import Member, Network
from .._typing import Array
from .conjugate_gradients import conjugate_gradients
from .curvature import Curvature
from .dual import curvature_at
from .preconditioner import SOLVE_STEPS


@dataclass(frozen=True)
class Stopping:
    """When a minimization ends.

    Attributes
    ----------
    max_iter : int
        Bound on the linearizations.
    tol : float
        Stop after a step that was expected to lower the loss with the penalty by less than this share of
        it, or, near the minimum, when the next one is: see :func:`next_decrease`.
    exact_loss : float
        Stop when the data loss of scaled targets is not above this: the rounding error of an exact fit.
    solve_tol : float
        Residual that conjugate gradients may leave of the linear equations of a step, as a share of
        their right-hand side in the norm of the preconditioner.
    near : float
        Steps that lower the loss by more than this share of it may be anywhere, as before a saddle: the
        next one is not yet predicted from them.
    """

    max_iter: int = 100
    tol: float = 1e-9
    exact_loss: float = 0.0
    solve_tol: float = 0.03
    near: float = 1e-2

    def with_tol(self, tol: float) -> "Stopping":
        """These bounds with another tolerance."""
        return replace(self, tol=tol)

    def within(self, max_iter: int) -> "Stopping":
        """These bounds with no more than so many linearizations."""
        return replace(self, max_iter=min(self.max_iter, max_iter))


@dataclass(frozen=True)
class Damping:
    """The factor lambda of the Levenberg damping, by the rule of H. B. Nielsen.

    Attributes
    ----------
    value : float
    growth : float
        Factor of the next rise; it doubles from failure to failure.
    smallest, largest : float
        Steps that fail beyond the largest value are no descent.
    """

    value: float = 1e-3
    growth: float = 2.0
    smallest: float = 1e-12
    largest: float = 1e12

    def raised(self) -> "Damping":
        """The damping after a step that did not lower the loss."""
        return replace(self, value=self.value * self.growth, growth=2 * self.growth)

    def lowered(self, ratio: float) -> "Damping":
        """The damping after a step that lowered the loss by ``ratio`` of what was expected."""
        value = self.value * max(0.1, 1 - (2 * ratio - 1) ** 3)
        return replace(self, value=max(value, self.smallest), growth=2.0)


@dataclass(frozen=True)
class Solution:
    """Where a minimization ended.

    Attributes
    ----------
    network : Network
    data_loss : float
        1/2 mean squared residual of the targets as they are scaled, on all rows of the problem.
    objective : float
        What fits are compared by: the loss with the penalty, or the loss on held-out rows.
    alpha : float or None
        The penalty; None while it is not known, since no fit needed one.
    reason : str
        "exact fit", "converged", "no descent", "max_iter", "held-out loss rises" or "callback"; without
        Gauss-Newton steps why descent ended.
    may_be_identified : bool
        Whether it may be the network that generated the rows, or lack little to be that one.
    n_iter : int
        Linearizations that were solved.
    losses : list of float
        Data loss of scaled targets after every accepted step, the start included.
    evaluation : Evaluation or None
        The loss and its derivatives there, where they are at hand.
    members : tuple of Member
        Those whose mean the network is; none of a single network.
    line : Line or None
        The line that the network has beside them.
    """

    network: Network
    data_loss: float
    objective: float
    alpha: float | None
    reason: str
    may_be_identified: bool = True
    n_iter: int = 0
    losses: list[float] = field(default_factory=list)
    evaluation: Evaluation | None = None
    members: tuple[Member, ...] = ()
    line: Line | None = None

    @classmethod
    def at(cls, evaluation: Evaluation, reason: str, n_iter: int, losses: list[float]) -> "Solution":
        """The solution whose loss and derivatives these are."""
        return cls(
            evaluation.network, evaluation.data_loss, evaluation.loss, evaluation.problem.alpha, reason,
            n_iter=n_iter, losses=losses, evaluation=evaluation,
        )  # fmt: skip

    @property
    def problem(self) -> SquaredLoss:
        """The problem that was solved, with its penalty."""
        assert self.evaluation is not None
        return self.evaluation.problem


# Called with an evaluation; a true answer ends the steps.
Callback = Callable[[Evaluation], bool | None]
# Called with a preconditioner; returns alpha, and whether it has settled.
PenaltyUpdate = Callable[[Curvature], tuple[float, bool]]


def gauss_newton(
    problem: SquaredLoss,
    network: Network,
    stopping: Stopping = Stopping(),
    *,
    callback: Callback | None = None,
    penalty: PenaltyUpdate | None = None,
) -> Solution:
    """Minimize the squared loss from a start.

    Parameters
    ----------
    problem : SquaredLoss
    network : Network
        Start, in white coordinates.
    stopping : Stopping
    callback : callable or None
        Called with the :class:`Evaluation` at the start and after every accepted step; a true answer
        stops.
    penalty : callable or None
        Called with the :class:`Curvature` of every linearization; returns alpha for the step from
        there, and whether that has settled, without which no step is the last.

    Returns
    -------
    Solution
    """
    evaluation = problem.evaluate(network)
    losses = [evaluation.data_loss]
    if callback is not None:
        callback(evaluation)
    preconditioner, settled, previous = None, True, 0.0
    damping, n_iter, reason = Damping(), 0, "max_iter"
    while n_iter < stopping.max_iter:
        if evaluation.data_loss <= stopping.exact_loss:
            reason = "exact fit"
            break
        if preconditioner is None:
            evaluation, preconditioner, settled = linearized_at(evaluation, penalty)
        n_iter += 1
        step, decrease = damped_step(evaluation, preconditioner, damping.value, stopping.solve_tol)
        is_last = settled and decrease <= stopping.tol * evaluation.loss
        trial = evaluation.problem.evaluate(network.unpack(evaluation.network.pack() + step))
        if not trial.loss < evaluation.loss:  # not finite counts as no descent
            damping = damping.raised()
            if is_last or damping.value > damping.largest:
                reason = "converged" if is_last else "no descent"
                break
            if not settled and decrease <= EPSILON * evaluation.loss:
                preconditioner = None  # all that is left to change is the penalty
            continue
        ratio = (evaluation.loss - trial.loss) / decrease
        if settled and decrease <= stopping.near * evaluation.loss:
            is_last |= next_decrease(decrease, previous, ratio) <= stopping.tol * trial.loss
        previous, damping = decrease, damping.lowered(ratio)
        evaluation, preconditioner = trial, None
        losses.append(evaluation.data_loss)
        stopped = callback is not None and callback(evaluation)
        if stopped or is_last:
            reason = "callback" if stopped else "converged"
            break
    return Solution.at(evaluation, reason, n_iter, losses)


def linearized_at(
    evaluation: Evaluation, penalty: PenaltyUpdate | None
) -> tuple[Evaluation, Curvature, bool]:
    """Evaluation and preconditioner under the penalty of the next step, and whether it has settled."""
    preconditioner = curvature_at(evaluation)
    if penalty is None:
        return evaluation, preconditioner, True
    alpha, settled = penalty(preconditioner)
    evaluation = evaluation.with_alpha(alpha)
    return evaluation, preconditioner.under(evaluation), settled


def next_decrease(decrease: float, previous: float, ratio: float) -> float:
    """What the step after this one may be expected to lower the loss by.

    Near a minimum decreases fall at least in proportion, and by as much as the linear model is wrong;
    the proportion is taken at its root, since it may be worse than before.

    Parameters
    ----------
    decrease, previous : float
        Expected of this step and of the one before; zero stands for none before.
    ratio : float
        Of the decrease of this step to the expected one.

    Returns
    -------
    float
    """
    share = np.sqrt(decrease / previous) if previous > 0 else 1.0
    return decrease * max(share, abs(1 - ratio))


def damped_step(
    evaluation: Evaluation, preconditioner: Curvature, damping: float, solve_tol: float
) -> tuple[Array, float]:
    """Solve (J^T J / n + damping D) s = -gradient, to a tolerance where the matrix is not at hand.

    It may overflow: a preconditioner of some rows, on which a unit is dead, is singular but for a lift.

    Returns
    -------
    step : array
        Packed like :meth:`Network.pack`.
    decrease : float
        Decrease of the loss with the penalty that the linear model expects.
    """
    shape = evaluation.network
    solve = preconditioner.solver(damping)
    diagonal = damping * preconditioner.diagonal
    gradient = evaluation.gradient.pack()

    def product(direction: Array) -> Array:
        return evaluation.gauss_newton_product(shape.unpack(direction)).pack() + diagonal * direction

    residual: Array | float = 0.0
    if preconditioner.exact:
        step = solve(-gradient)
    else:
        step, residual = conjugate_gradients(
            product, -gradient, solve, rtol=solve_tol, max_iter=SOLVE_STEPS
        )
    # The model is f + g.s + s.H.s / 2, with H s = -g - residual - damping D s.
    curvature = -gradient - residual - diagonal * step
    # A number of NumPy: a quotient by one that vanished is infinite, not an error.
    return step, np.float64(-(gradient @ step) - 0.5 * (curvature @ step))
