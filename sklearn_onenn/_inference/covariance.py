"""Standard errors of weights and predictions, by the delta method.

Let J_i be the derivative of the prediction of row i by the free weights, r_i its residual and
    H = J^T J / n + alpha P / n,
    M = sum_i J_i (r_i / (1 - h_i))^2 J_i^T / n^2 + alpha s^2 P / n^2
with h_i the leverage and s^2 the residual variance. The covariance of the weights is H^{-1} M H^{-1}.
Its first part holds for noise whose variance depends on the row (J. G. MacKinnon, H. White, 1985,
doi:10.1016/0304-4076(85)90158-7, HC3). The second is the mean squared bias of the penalty for weights
from the prior that the penalty is; with constant variance the whole is the s^2 H^{-1} / n of a Bayesian
fit.

Homogeneous units share one scale between w_i and v_i. It is held: |v_i| stays, as weights are reported.
"""

import numpy as np
from scipy.linalg import block_diag, cho_factor, cho_solve, cholesky, solve_triangular

from .._data.blocks import Block, weighted
from .._data.floating_point import TINY
from .._data.rows import ArrayRows
from .._data.targets import TargetScale
from .._data.whitening import Coordinates, identity_coordinates
from .._network.jacobian import chunks, gauss_newton_matrix, jacobian
from .._network.loss import SquaredLoss
from .._network.network import Network, count_weights
from .._network.symmetries import TangentBasis, inner_network, min_norm_scaling
from .._typing import Array
from ..activations import Activation

MAX_WEIGHTS = 5000

# Share of the mean eigenvalue that stands in for what the rows do not determine.
RIDGE = 1e-10

# Leverage beyond which a row says nothing of its own noise.
MAX_LEVERAGE = 0.99


def check_size(n_features: int, k: int, n_outputs: int) -> None:
    """Refuse a covariance that would not fit into memory."""
    n_weights = count_weights(n_features, k, n_outputs, fit_intercept=True)
    if n_weights > MAX_WEIGHTS:
        raise ValueError(
            f"keep_covariance=True needs at most {MAX_WEIGHTS} weights, since it keeps a square matrix "
            f"of that size; this network has {n_weights}. Set keep_covariance=False, or lower k."
        )


def covariance_factor(problem: SquaredLoss, network: Network, targets: TargetScale) -> Array:
    """Matrix F with F F^T the covariance of all weights as they are reported.

    Parameters
    ----------
    problem : SquaredLoss
        With the penalty of the fit.
    network : Network
        As reported.
    targets : TargetScale

    Returns
    -------
    F : array of shape (n_weights, n_free)
        Rows in the order of :meth:`Network.pack`.
    """
    normals = network.V * targets.scale
    network = inner_network(network, problem, targets)
    free = TangentBasis(
        network, degree=problem.activation.degree, fit_intercept=problem.fit_intercept, normals=normals
    )
    n = problem.rows.weight_sum
    matrix = gauss_newton_matrix(problem, network, free)
    prior = penalty_matrix(problem, network, free) / n
    prior.flat[:: free.size + 1] += RIDGE * max(matrix.trace() / free.size, TINY)
    root = cho_factor(matrix + prior, lower=True)
    left = max(n * problem.rows.n_outputs - free.size, 1.0)
    variance = 2 * problem.data_loss(network) * n / left
    scores = score_matrix(problem, network, free, root[0]) / n**2
    spread = cholesky(scores + max(variance, TINY) / n * prior, lower=True)
    factor = cho_solve(root, spread)
    changes = [free.expand(column) for column in factor.T]
    return np.column_stack([
        outer_change(change, problem.coordinates, targets.scale).pack() for change in changes
    ])  # fmt: skip


def penalty_matrix(problem: SquaredLoss, network: Network, free: TangentBasis) -> Array:
    """Hessian of the penalty times n, for units at the scale at which it is smallest."""
    even = min_norm_scaling(network, problem.penalty, problem.activation.degree)
    k, m = network.V.shape

    def squared_ratio(a: Array, b: Array) -> Array:
        ratio: Array = (a**2).sum(axis=0) / np.maximum((b**2).sum(axis=0), TINY)
        return ratio

    W = np.kron(problem.penalty, np.diag(squared_ratio(even.W, network.W)))
    V = np.repeat(squared_ratio(even.V.T, network.V.T), free.basis.shape[2])
    parts = [W, np.diag(V)]
    if free.fit_intercept:
        parts = [W, np.zeros((k, k)), np.diag(V), np.zeros((m, m))]
    penalty: Array = problem.alpha * block_diag(*parts)
    return penalty


def score_matrix(problem: SquaredLoss, network: Network, free: TangentBasis, root: Array) -> Array:
    """Sum over rows of the squared score, residuals divided by one minus the leverage.

    The lower triangle of ``root`` is the Cholesky factor of H.
    """
    input_weights, n = problem.to_inputs(network), problem.rows.weight_sum

    def sums(block: Block) -> Array:
        total = np.zeros((free.size, free.size))
        for chunk in chunks(block, free.size * network.V.shape[1]):
            J, R = jacobian(chunk, problem, input_weights, free)
            scores = np.zeros(J.shape[1:])
            for Q, r in zip(J, R.T, strict=True):
                leverage = (solve_triangular(root, Q.T, lower=True) ** 2).sum(axis=0) / n
                scores = scores + Q * (r / (1 - np.minimum(leverage, MAX_LEVERAGE)))[:, None]
            total = total + scores.T @ weighted(scores, chunk.weight)
        return total

    total: Array = problem.rows.sum(sums)
    return total


def outer_change(change: Network, coordinates: Coordinates, y_scale: Array) -> Network:
    """A change of white weights and scaled outputs as one of the caller's."""
    W, b = coordinates.weights_to_inputs(change.W, change.b)
    return change._replace(W=W, b=b, V=change.V * y_scale, c=change.c * y_scale)


def standard_errors(network: Network, factor: Array) -> Network:
    """Standard errors of all weights, as a network."""
    return network.unpack(np.sqrt((factor**2).sum(axis=1)))


def prediction_std(rows: ArrayRows, network: Network, activation: Activation, factor: Array) -> Array:
    """Standard errors (rows, n_outputs) of the predictions.

    Parameters
    ----------
    rows : ArrayRows
    network : Network
        As reported.
    activation : Activation
    factor : array of shape (n_weights, n_free)
    """
    problem = SquaredLoss(rows, activation, identity_coordinates(rows.n_features))
    every = TangentBasis(network, degree=None, fit_intercept=True)

    def of_block(block: Block) -> Array:
        parts = []
        for chunk in chunks(block, every.size * network.V.shape[1]):
            J, _ = jacobian(chunk, problem, network, every)
            parts.append(np.sqrt(((J @ factor) ** 2).sum(axis=2)).T)
        return np.concatenate(parts)

    return np.concatenate(rows.map(of_block))
