"""Tests of what a network leaves: would other units, another activation, or one unit less do as well?

Noise may depend on the row. A score is divided by its standard error, which is that of the residuals as
they are: under a network that generated the data, and noise symmetric about zero, it is close to a
standard normal one or below. A gain is that of twice the log-likelihood.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import RandomState
from scipy.linalg import eigh, pinvh
from scipy.special import eval_hermitenorm, gammaln

from .._data.blocks import Block, weighted
from .._data.coordinates import Coordinates
from .._data.floating_point import TINY
from .._data.rows import ArrayRows
from .._network.jacobian import chunks, jacobian
from .._network.loss import SquaredLoss, residuals
from .._network.network import Network, forward
from .._network.symmetries import TangentBasis
from .._selection.lack_of_fit import MATRIX_SIZE, gamma_score
from .._tensor.hermite import second_moment
from .._tensor.span import AffineFit
from .._typing import Array
from ..activations import Activation

# Functions of each unit's input against which the residual is held.
HERMITE_ORDERS = 6

# Random signs from which the null distribution of a spectrum is estimated.
SIGN_DRAWS = 16


def gained(
    problem: SquaredLoss, smaller: Network, larger: Network, activation: Activation | None = None
) -> float:
    """Twice the logarithm of the likelihood ratio of two networks, both fitted on these rows.

    It is n m log(loss of the smaller / loss of the larger) where noise is normal and of one variance.
    Where noise depends on the row, what fitted noise gains is larger by the factor
    E r^2 c^2 / (E r^2 E c^2), with r the residual of the larger network and c what it adds: by that it
    is divided.

    Parameters
    ----------
    problem : SquaredLoss
    smaller, larger : Network
    activation : Activation or None
        Of the second network, where it has another.

    Returns
    -------
    float
    """
    predictions = predictions_of_both(problem, smaller, larger, activation)

    def sums(block: Block) -> tuple[Array, ...]:
        F, G = predictions(block)
        R, C = (array.astype(np.float64) for array in (G - block.y, G - F))
        parts = (F - block.y) ** 2, R**2, C**2, (R * C).sum(axis=1, keepdims=True) ** 2
        return tuple(weighted(part, block.weight).sum(axis=0, dtype=np.float64) for part in parts)

    n = problem.rows.weight_sum
    before, after, change, both = problem.rows.sum(sums)
    spread = both.sum() * n / max(after @ change, TINY)
    gain = n * problem.rows.n_outputs * np.log(max(before.sum(), TINY) / max(after.sum(), TINY))
    return float(gain / max(spread, 1.0))


def predictions_of_both(
    problem: SquaredLoss, smaller: Network, larger: Network, activation: Activation | None
) -> Callable[[Block], tuple[Array, Array]]:
    """The function of a block that returns what the two networks predict there."""
    first, second = problem.to_inputs(smaller), problem.to_inputs(larger)
    other = activation or problem.activation

    def predictions(block: Block) -> tuple[Array, Array]:
        return forward(block.X, first, problem.activation), forward(block.X, second, other)

    return predictions


def unexplained_by_inputs(problem: SquaredLoss, network: Network, free: TangentBasis) -> float:
    """Score of the residual against functions of the input w_i . x + b_i of each unit.

    The functions are Hermite functions He_j(u) exp(-u^2 / 4), j = 0 .. 5, of the inputs at unit scale,
    less their part along the derivatives by the weights, to which the residual of a minimum is
    orthogonal. (In models whose derivatives would be a large matrix that part stays, and the score is
    rather small.) The joint score is a chi-square one, brought to a normal one by the cube root
    (E. B. Wilson, M. M. Hilferty, 1931, doi:10.1073/pnas.17.12.684). A wrong activation is seen here.

    Parameters
    ----------
    problem : SquaredLoss
    network : Network
        A minimum.
    free : TangentBasis

    Returns
    -------
    float
        The largest over outputs.
    """
    input_weights = problem.to_inputs(network)
    first, scale = input_scales(problem, input_weights)
    orders = np.arange(HERMITE_ORDERS)
    length = np.exp(-gammaln(orders + 1) / 2)
    n_along = free.size if free.size <= MATRIX_SIZE else 0

    def features(block: Block) -> list[tuple[Array, Array]]:
        u = ((block.X @ input_weights.W + input_weights.b - first) / scale)[:, :, None]
        G = (length * eval_hermitenorm(orders, u) * np.exp(-(u**2) / 4)).reshape(len(u), -1)
        if n_along == 0:
            R = forward(block.X, input_weights, problem.activation) - block.y
            return [(G, r) for r in R.T]
        J, R = jacobian(block, problem, input_weights, free)
        return [(np.concatenate([Q, G], axis=1), r) for Q, r in zip(J, R.T, strict=True)]

    def sums(block: Block) -> tuple[Array, ...]:
        total = []
        for chunk in chunks(block, n_along + len(orders) * len(scale)):
            parts = []
            for F, r in features(chunk):
                wF = weighted(F, chunk.weight)
                F_r = F * r[:, None]
                parts.append((F.T @ wF, wF.T @ r, F_r.T @ weighted(F_r, chunk.weight)))
            total.append([np.array(part) for part in zip(*parts, strict=True)])
        return tuple(sum(part, np.zeros_like(part[0])) for part in zip(*total, strict=True))

    scores = []
    for gram, score, covariance in zip(*problem.rows.sum(sums), strict=True):
        along, across = slice(n_along), slice(n_along, None)
        B = pinvh(gram[along, along]) @ gram[along, across] if n_along else np.zeros((0, len(gram)))
        L = np.concatenate([-B, np.eye(len(gram) - n_along)])
        scores.append(chi_square_score(L.T @ score, L.T @ covariance @ L))
    return max(scores)


def input_scales(problem: SquaredLoss, input_weights: Network) -> tuple[Array, Array]:
    """Mean and standard deviation of each unit's input; infinite where it is constant."""
    rows = problem.rows

    def moments(block: Block) -> tuple[Array, Array]:
        P = block.X @ input_weights.W + input_weights.b
        return weighted(P, block.weight).sum(axis=0), weighted(P**2, block.weight).sum(axis=0)

    first, second = (total / rows.weight_sum for total in rows.sum(moments))
    scale = np.sqrt(np.maximum(second - first**2, 0.0))
    return first, np.where(scale > 1e-6 * np.sqrt(second), scale, np.inf)


def chi_square_score(score: Array, covariance: Array) -> float:
    """Standard normal equivalent of s^T C^+ s, for a score s (n,) of covariance C (n, n)."""
    values, vectors = eigh(covariance)
    keep = values > 1e-8 * max(values[-1], TINY)
    n = float(np.count_nonzero(keep))
    square = ((vectors[:, keep].T @ score) ** 2 / values[keep]).sum()
    return gamma_score(square, n, 2 * n)


def spectrum_against_signs(
    rows: ArrayRows, coordinates: Coordinates, random_state: RandomState
) -> tuple[Array, Array]:
    """Second moments of targets beside those of the same targets with random signs.

    Parameters
    ----------
    rows : ArrayRows
    coordinates : Coordinates
        In which rows are taken for N(0, I).
    random_state : numpy.random.RandomState

    Returns
    -------
    values : array of shape (n_outputs, r)
        Absolute eigenvalues of each output's second moment, descending.
    null : array of shape (n_outputs, SIGN_DRAWS)
        Largest ones with random signs.
    """
    targets = AffineFit(rows, coordinates)(rows.y)[1]
    m = targets.shape[1]
    signs = random_state.choice([-1.0, 1.0], (len(targets), SIGN_DRAWS)).astype(targets.dtype)

    def sums(block: Block) -> Array:
        z = coordinates.whiten(block.X)
        R = weighted(block.y[:, :m], block.weight)
        columns = [R[:, [o]] * block.y[:, m:] for o in range(m)]
        return np.array([second_moment(z, t) for t in np.concatenate([R, *columns], axis=1).T])

    both = rows.with_targets(np.concatenate([targets, signs], axis=1)).sum(sums) / rows.weight_sum
    values = -np.sort(-np.abs(np.linalg.eigvalsh(both)), axis=1)
    return values[:m], values[m:, 0].reshape(m, SIGN_DRAWS)


def unexplained_second_moment(
    problem: SquaredLoss, network: Network, coordinates: Coordinates, random_state: RandomState
) -> float:
    """Score of the leading eigenvalue of the residual's second moment, largest over outputs.

    Parameters
    ----------
    problem : SquaredLoss
    network : Network
    coordinates : Coordinates
        In which rows are taken for N(0, I).
    random_state : numpy.random.RandomState

    Returns
    -------
    float
    """
    rows = residuals(problem, network)
    values, null = spectrum_against_signs(rows, coordinates, random_state)
    return float(((values[:, 0] - null.mean(axis=1)) / np.maximum(null.std(axis=1), TINY)).max())
