"""The polish: Levenberg-damped Gauss-Newton steps by preconditioned conjugate gradients.

1. Linearize the network at the current weights: J (rows by weights), residual R.
2. Solve (J^T J / n + lambda D) s = -gradient by conjugate gradients; a product with J^T J costs two
   products with the rows. D is the diagonal of J^T J / n by units, so that the damping does not
   depend on how a unit's scale is shared between w_i and v_i.
3. Accept the step if it lowers the loss. lambda follows the ratio of the decrease to the expected
   one (H. B. Nielsen, 1999, Damping parameter in Marquardt's method, IMM-REP-1999-05).
"""

from dataclasses import dataclass

import numpy as np

from .._network.network import overflow_allowed
from .conjugate_gradients import conjugate_gradients
from .preconditioner import Preconditioner

# Residual that conjugate gradients may leave, and their number at most.
SOLVE_TOL, SOLVE_STEPS = 0.03, 40

# Steps that lower the loss by more than this share of it may be anywhere, as before a saddle.
NEAR = 1e-2


@dataclass(frozen=True)
class PolishResult:
    """Where the polish ended.

    Attributes
    ----------
    evaluation : Evaluation
        The loss and its derivatives at the last accepted weights.
    losses : list of float
        Data loss after every accepted step, the start included.
    n_iter : int
        Linearizations that were solved.
    reason : str
        "exact fit", "converged", "no descent" or "max_iter".
    """

    evaluation: object
    losses: list
    n_iter: int
    reason: str

    @property
    def network(self):
        """The weights reached."""
        return self.evaluation.network


def gauss_newton(
    problem,
    network,
    *,
    max_iter=100,
    tol=1e-9,
    exact_loss=0.0,
    callback=None,
    penalty=None,
    solve_tol=SOLVE_TOL,
):
    """Minimize the squared loss from a start.

    Parameters
    ----------
    problem : SquaredLoss
    network : Network
        Start, in white coordinates.
    max_iter : int
        Bound on the linearizations.
    tol : float
        Stop after a step that was expected to lower the loss by less than this share of it, or, near the
        minimum, when the next one is: see :func:`next_decrease`.
    exact_loss : float
        Stop when the data loss is not above this: the rounding error of an exact fit.
    callback : callable or None
        Called with the :class:`Evaluation` at the start and after every accepted step; a true answer
        stops.
    penalty : callable or None
        Called with the :class:`Preconditioner` of every linearization; returns alpha for the step from
        there, and whether that has settled, without which no step is the last.
    solve_tol : float
        How exactly steps solve their linear equations.

    Returns
    -------
    PolishResult
    """
    evaluation = problem.evaluate(network)
    losses = [evaluation.data_loss]
    if callback is not None:
        callback(evaluation)
    damping, growth, n_iter, reason = 1e-3, 2.0, 0, "max_iter"
    preconditioner, settled, previous = None, True, 0.0
    while n_iter < max_iter:
        if evaluation.data_loss <= exact_loss:
            reason = "exact fit"
            break
        if preconditioner is None:
            preconditioner = Preconditioner(evaluation)
            if penalty is not None:
                alpha, settled = penalty(preconditioner)
                evaluation = evaluation.with_alpha(alpha)
                problem, preconditioner = evaluation.problem, preconditioner.under(evaluation)
        n_iter += 1
        step, decrease = damped_step(evaluation, preconditioner, damping, solve_tol)
        is_last = settled and decrease <= tol * evaluation.loss
        trial = problem.evaluate(evaluation.network.unpack(evaluation.network.pack() + step))
        if not trial.loss < evaluation.loss:  # not finite counts as no descent
            if is_last:
                reason = "converged"
                break
            damping *= growth
            growth *= 2
            if damping > 1e12:
                reason = "no descent"
                break
            continue
        ratio = (evaluation.loss - trial.loss) / decrease
        if settled and decrease <= NEAR * evaluation.loss:
            is_last = is_last or next_decrease(decrease, previous, ratio) <= tol * trial.loss
        previous = decrease
        damping = max(damping * max(0.1, 1 - (2 * ratio - 1) ** 3), 1e-12)
        growth = 2.0
        evaluation, preconditioner = trial, None
        losses.append(evaluation.data_loss)
        if callback is not None and callback(evaluation):
            reason = "callback"
            break
        if is_last:
            reason = "converged"
            break
    return PolishResult(evaluation, losses, n_iter, reason)


def next_decrease(decrease, previous, ratio):
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


def damped_step(evaluation, preconditioner, damping, solve_tol=SOLVE_TOL):
    """Solve (J^T J / n + damping D) s = -gradient, to a tolerance where the matrix is not at hand.

    It may overflow: a preconditioner of some rows, on which a unit is dead, is singular but for a lift.

    Returns
    -------
    step : array
        Packed like :meth:`Network.pack`.
    decrease : float
        Decrease of the loss that the linear model expects.
    """
    shape = evaluation.network
    solve = preconditioner.solver(damping)
    diagonal = damping * preconditioner.diagonal
    gradient = evaluation.gradient.pack()

    def product(direction):
        return evaluation.gauss_newton_product(shape.unpack(direction)).pack() + diagonal * direction

    with overflow_allowed():
        if preconditioner.exact:
            step, residual = solve(-gradient), 0.0
        else:
            step, residual = conjugate_gradients(
                product, -gradient, solve, rtol=solve_tol, max_iter=SOLVE_STEPS
            )
        # The model is f + g.s + s.H.s / 2, with H s = -g - residual - damping D s.
        curvature = -gradient - residual - diagonal * step
        return step, -(gradient @ step) - 0.5 * (curvature @ step)
