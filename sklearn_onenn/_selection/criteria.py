"""What a fit promises on other rows: weights that the rows determine, prediction error, BIC."""

import numpy as np

from .._data.floating_point import TINY
from .._optimization.gauss_newton import conjugate_gradients
from .._optimization.preconditioner import Preconditioner

# How often a determined weight counts, and the share of the targets that are left at least: in the mean,
# and of a single one. (With a tenth of it left, one residual would count a hundred times.)
DOF_COST, MIN_RESIDUAL_DOF, MIN_ONE_MINUS_LEVERAGE = 1.4, 0.1, 0.3

# Targets for each weight from which the Gauss-Newton matrix of Gaussian rows determines as many weights
# as that of the rows (within 2 %; with half a target for each weight it is twice as many).
MANY_ROWS = 5

# About how many random signs are drawn, one for a target, where a trace is estimated from them: of one
# draw for all targets its relative error is about sqrt(2 / gamma). Conjugate gradients from zero find
# less than all of it, by a share of the square of the tolerance; .1 was seen to cost .01 of R2 where
# weights are many.
PROBE_SIGNS, PROBE_TOL, PROBE_STEPS = 1000, 0.03, 200

# A fit takes a share p / n of the residual variance away from the noise. Steps that gain less than this
# part of it predict no better: weights are off by a seventh of their standard error, before the last.
RESOLVED = 0.01


def statistical_tolerance(rows, n_weights):
    """Share of the loss below which a lower one says nothing of other rows."""
    return RESOLVED * min(n_weights / (rows.weight_sum * rows.n_outputs), 1.0)


def can_interpolate(rows, n_weights):
    """Whether a network of so many weights fits any targets exactly."""
    return rows.weight_sum * rows.n_outputs <= n_weights


def bic_prefers(loss, other, rows, n_weights):
    """Whether a loss is so much lower than another that all weights of the network are worth it.

    By the Bayesian information criterion (G. Schwarz, 1978, doi:10.1214/aos/1176344136), even if the
    other network had no weights at all; corrected for few rows as Akaike's is (C. M. Hurvich,
    C.-L. Tsai, 1989, doi:10.1093/biomet/76.2.297).
    """
    n = rows.weight_sum * rows.n_outputs
    if n <= n_weights or not loss > 0:
        return False
    return n * np.log(other / loss) > n_weights * np.log(n) * n / (n - n_weights)


def noise_variance(preconditioner, gamma):
    """The error of prediction, of every target by its own leverage where the matrix is exact."""
    if preconditioner.exact and np.isfinite(preconditioner.M).all():
        return preconditioner.left_out_error(DOF_COST, MIN_ONE_MINUS_LEVERAGE)
    evaluation = preconditioner.evaluation
    return (
        mean_square(evaluation)
        / max(residual_dof_share(evaluation.problem.rows, gamma), MIN_RESIDUAL_DOF) ** 2
    )


def mean_square(evaluation):
    """Mean squared residual of an output."""
    return 2 * evaluation.data_loss / evaluation.problem.rows.n_outputs


def residual_dof_share(rows, gamma):
    """Share of the targets that is left to tell of the noise, where so many weights are determined."""
    return 1 - DOF_COST * gamma / (rows.weight_sum * rows.n_outputs)


def predicted_error(evaluation):
    """Mean squared error on other rows, by the generalized cross-validation of the head of this file.

    Infinite where too few targets are left to tell.
    """
    left = residual_dof_share(evaluation.problem.rows, effective_dof(Preconditioner(evaluation)))
    return mean_square(evaluation) / left**2 if left > MIN_RESIDUAL_DOF else np.inf


def effective_dof(preconditioner):
    """Weights that the rows determine, against the penalty: gamma = tr H^{-1} J^T J.

    Where the preconditioner does not stand for H gamma is the mean of |J^T e|^2 in the norm of H^{-1}
    over random signs e (M. F. Hutchinson, 1990, doi:10.1080/03610919008812866), by conjugate gradients.
    The signs are the same at every call, so that alpha settles.
    """
    if trace_is_exact(preconditioner):
        # A matrix that is singular but for rounding may leave less than nothing.
        return max(preconditioner.effective_dof(), 0.0)
    evaluation = preconditioner.evaluation
    network, rows = evaluation.network, evaluation.problem.rows
    random_state, solve = np.random.RandomState(0), preconditioner.solver(0.0)

    def product(vector):
        return evaluation.gauss_newton_product(network.unpack(vector)).pack()

    gammas = []
    for _ in range(max(1, round(PROBE_SIGNS / (rows.n_rows * rows.n_outputs)))):
        signs = random_state.choice([-1.0, 1.0], (rows.n_rows, rows.n_outputs))
        if rows.weight is not None:
            signs = np.where(rows.weight > 0, signs / np.sqrt(np.maximum(rows.weight, TINY)), 0.0)
        right = evaluation.transposed_jacobian(signs).pack()
        solution = conjugate_gradients(product, right, solve, rtol=PROBE_TOL, max_iter=PROBE_STEPS)[0]
        gammas.append(rows.weight_sum * (right @ solution))
    return float(np.mean(gammas))


def trace_is_exact(preconditioner):
    """Whether the preconditioner stands for H: it is H, or there are many rows, or no penalty."""
    evaluation = preconditioner.evaluation
    rows, n_weights = evaluation.problem.rows, evaluation.network.pack().size
    many_rows = rows.weight_sum * rows.n_outputs >= MANY_ROWS * n_weights
    return (
        preconditioner.exact
        or evaluation.problem.alpha == 0
        or preconditioner.covers_units
        and many_rows
    )


def effective_dof_share(problem, network):
    """Share of the weights that the rows determine, against the penalty: gamma / p.

    The scale that a homogeneous unit shares with its output weights is no weight to determine.

    Parameters
    ----------
    problem : SquaredLoss
    network : Network
        At a minimum.

    Returns
    -------
    float
    """
    if problem.alpha == 0:
        return 1.0
    gamma = effective_dof(Preconditioner(problem.evaluate(network)))
    free = 0 if problem.activation.degree is None else len(network.b)
    return gamma / (network.pack().size - free)
