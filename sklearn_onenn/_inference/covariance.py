"""Covariance of the weights of a fit.

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

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag, cho_solve, qr, solve_triangular

from .._data.blocks import Block, weighted
from .._data.floating_point import TINY, jittered_cholesky
from .._data.targets import TargetScale
from .._network.jacobian import chunks, gauss_newton_matrix, jacobian
from .._network.loss import SquaredLoss
from .._network.network import Network, count_weights
from .._network.symmetries import (
    TangentBasis,
    inner_network,
    min_norm_scaling,
    of_inputs,
    with_output_norm,
)
from .._optimization.gauss_newton import Stopping, gauss_newton
from .._selection.criteria import CRITERIA
from .._typing import Array

MAX_WEIGHTS = 5000

# Share of the mean eigenvalue that stands in for what the rows do not determine.
RIDGE = 1e-10

# Steps that show what the penalty has moved.
WITHOUT_PENALTY = Stopping(max_iter=100, tol=1e-9)

# Leverage beyond which a row says nothing of its own noise.
MAX_LEVERAGE = 0.99


def size_error(n_features: int, widths: Sequence[int], n_outputs: int) -> str | None:
    """What is said of covariances, of networks of these widths, that would not fit into memory."""
    sizes = [count_weights(n_features, width, n_outputs, fit_intercept=True) for width in widths]
    if sum(size**2 for size in sizes) <= MAX_WEIGHTS**2:
        return None
    return (
        f"keep_covariance=True keeps a square matrix of the weights of each network that is averaged: "
        f"of at most {MAX_WEIGHTS} weights in one, or as many entries in all. Here they have "
        f"{', '.join(map(str, sizes))} weights. Set keep_covariance=False, or lower k or the number of "
        f"columns."
    )


@dataclass(frozen=True)
class WeightCovariance:
    """The covariance of the weights of a network that is a minimum of its problem.

    Attributes
    ----------
    problem : SquaredLoss
        With the penalty of the fit.
    network : Network
        In the coordinates of the problem.
    free : TangentBasis
    inverse_root : array of shape (free.size, free.size)
        L^{-T}, with L L^T = H.
    factor : array of shape (free.size, free.size)
        F with F F^T the covariance of the free weights, of scaled targets.
    """

    problem: SquaredLoss
    network: Network
    free: TangentBasis
    inverse_root: Array
    factor: Array

    def of_all_weights(self, targets: TargetScale) -> Array:
        """F (n_weights, free.size) of all weights as they are reported, packed like a network.

        It is lower triangular, which halves the work of products with it.
        """
        changes = self.free.expand(self.factor.T)
        W, b = self.problem.coordinates.weights_to_inputs(changes.W, changes.b)
        parts = W, b, changes.V * targets.scale, changes.c * targets.scale
        n_weights = (math.prod(part.shape[1:]) for part in parts)
        flat = [part.reshape(self.free.size, n) for part, n in zip(parts, n_weights, strict=True)]
        transposed = np.concatenate(flat, axis=1)
        triangle: Array = qr(transposed, mode="r", check_finite=False)[0].T
        return triangle


def weight_covariance(problem: SquaredLoss, network: Network, targets: TargetScale) -> WeightCovariance:
    """The covariance of the weights at a minimum.

    Parameters
    ----------
    problem : SquaredLoss
        With the penalty of the fit.
    network : Network
        As reported.
    targets : TargetScale

    Returns
    -------
    WeightCovariance
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
    root = jittered_cholesky(matrix + prior)
    inverse_root = solve_triangular(root, np.eye(free.size), lower=True).T
    left = max(n * problem.rows.n_outputs - free.size, 1.0)
    variance = 2 * problem.data_loss(network) * n / left
    scores = score_matrix(problem, network, free, inverse_root) / n**2
    spread = jittered_cholesky(scores + max(variance, TINY) / n * prior)
    return WeightCovariance(problem, network, free, inverse_root, cho_solve((root, True), spread))


def penalty_matrix(problem: SquaredLoss, network: Network, free: TangentBasis) -> Array:
    """Hessian of the penalty times n, for units at the scale at which it is smallest."""
    even = min_norm_scaling(network, problem.penalty, problem.activation.degree)
    k, m = network.V.shape

    def squared_ratio(a: Array, b: Array) -> Array:
        ratio: Array = (a**2).sum(axis=0) / np.maximum((b**2).sum(axis=0), TINY)
        return ratio

    W = np.kron(np.diag(problem.penalty), np.diag(squared_ratio(even.W, network.W)))
    V = np.repeat(squared_ratio(even.V.T, network.V.T), free.basis.shape[2])
    parts = [W, np.diag(V)]
    if free.fit_intercept:
        parts = [W, np.zeros((k, k)), np.diag(V), np.zeros((m, m))]
    penalty: Array = problem.alpha * block_diag(*parts)
    return penalty


def score_matrix(
    problem: SquaredLoss, network: Network, free: TangentBasis, inverse_root: Array
) -> Array:
    """Sum over rows of the squared score, residuals divided by one minus the leverage."""
    input_weights, n = problem.to_inputs(network), problem.rows.weight_sum

    def sums(block: Block) -> Array:
        total = np.zeros((free.size, free.size))
        for chunk in chunks(block, free.size * network.V.shape[1]):
            J, R = jacobian(chunk, problem, input_weights, free)
            scores = np.zeros(J.shape[1:])
            for Q, r in zip(J, R.T, strict=True):
                h = leverages(Q, inverse_root, n, chunk.weight)
                scores = scores + Q * without_own_share(r, h)[:, None]
            total = total + scores.T @ weighted(scores, chunk.weight)
        return total

    total: Array = problem.rows.sum(sums)
    return total


def leverages(Q: Array, inverse_root: Array, n: float, weight: Array | None) -> Array:
    """Shares that targets have in their own predictions, from derivatives Q (rows, free.size).

    Of a row that is there several times that of one of them; one that counts less has less.
    """
    shares: Array = ((Q @ inverse_root) ** 2).sum(axis=1) / n
    return shares if weight is None else shares * np.minimum(weight[:, 0], 1.0)


def without_own_share(residuals: Array, leverage: Array) -> Array:
    """Residuals of targets that do not count in their own predictions, to first order."""
    return residuals / (1 - np.minimum(leverage, MAX_LEVERAGE))


def standard_errors(covariance: WeightCovariance, targets: TargetScale) -> Network:
    """Standard errors of all weights as they are reported, as a network.

    The penalty may hold a weight more than the rows do, as the scale that steep units share with their
    output weights; then it is elsewhere than its standard error says. So where rows are many the
    variance is that of weights without penalty, and the square of what the penalty has moved beside it.

    Parameters
    ----------
    covariance : WeightCovariance
    targets : TargetScale

    Returns
    -------
    Network
    """
    problem, network, free = covariance.problem, covariance.network, covariance.free
    variances = (covariance.of_all_weights(targets) ** 2).sum(axis=1)
    if problem.alpha > 0 and problem.n_targets >= CRITERIA.many_targets * free.size:
        unpenalized = problem.replace(problem.rows, alpha=0.0)
        moved = gauss_newton(unpenalized, network, WITHOUT_PENALTY).network
        before, after = (as_reported(problem, these, targets) for these in (network, moved))
        freely = weight_covariance(unpenalized, after, targets).of_all_weights(targets)
        variances = (freely**2).sum(axis=1) + (after.pack() - before.pack()) ** 2
    return network.unpack(np.sqrt(variances))


def as_reported(problem: SquaredLoss, network: Network, targets: TargetScale) -> Network:
    """Weights of the rows and targets as given; units keep their order and signs."""
    network = of_inputs(network, problem, targets)
    network = network._replace(c=network.c + targets.mean)
    return with_output_norm(network, 1.0, problem.activation.degree)
