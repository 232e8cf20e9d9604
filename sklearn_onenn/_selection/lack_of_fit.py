"""Does anything else that the rows tell explain what a network leaves of the targets?

The residual r is held against kernels: r^T K r is large where rows that are alike have residuals that
are alike (H. J. Bierens, 1982, doi:10.1016/0304-4076(82)90105-1; J. X. Zheng, 1996,
doi:10.1016/0304-4076(95)01760-7). Rows are alike by three measures: their columns, one by one, as sines
and cosines see them; their directions, as products of three inputs do; and their distance. The signs of
noise are random (C.-F. J. Wu, 1986, doi:10.1214/aos/1176350142), and with signs drawn anew r^T K r has a
mean and a variance that are sums over rows and pairs of rows: nothing has to be drawn.
"""

from collections.abc import Iterator

import numpy as np
from numpy.random import RandomState
from scipy.linalg import qr
from scipy.special import log_ndtr, ndtri_exp

from .._data.blocks import dense
from .._data.floating_point import TINY
from .._data.rows import ArrayRows
from .._network.jacobian import jacobian
from .._network.loss import SquaredLoss, residuals
from .._network.network import Network
from .._network.symmetries import TangentBasis
from .._typing import Array

# Up to so many free weights the derivatives by them are taken as a matrix.
MATRIX_SIZE = 400

# Rows whose pairs are looked at, and columns that are looked at one by one; of more, some at random.
PAIRED_ROWS = 3000
SINGLE_COLUMNS = 100

# Sines and cosines of 1, 2, ... times a column at unit scale.
FREQUENCIES = 6

# Distances at which rows still are neighbours, squared, for each white coordinate.
NEIGHBOURHOODS = 1.0, 0.3

# Share of a residual that its row's leverage leaves at least, where the noise is estimated from it.
LEAST_LEFT = 0.05

# Share of a kernel that is left across the derivatives, at least, where it tells anything.
LEAST_ACROSS = 1e-8


def unexplained_by_rows(
    problem: SquaredLoss, network: Network, free: TangentBasis, random_state: RandomState
) -> float:
    """Score of the residual against functions of the rows that no unit needs to have.

    Parameters
    ----------
    problem : SquaredLoss
    network : Network
        A minimum.
    free : TangentBasis
    random_state : numpy.random.RandomState

    Returns
    -------
    float
        The largest over kernels and outputs, brought to the standard normal scale, with what the
        number of them makes likely taken off; 0 where chance alone often does as much.
    """
    rows = some_rows(problem.array_rows, random_state)
    problem = problem.replace(rows)
    weight = np.ones(rows.n_rows) if rows.weight is None else rows.weight[:, 0].astype(np.float64)
    R, bases = residuals_and_tangents(problem, network, free)
    scores = [
        kernel_score(r, K, Q, weight)
        for K in kernels(problem, weight, random_state)
        for r, Q in zip(R.T, bases, strict=True)
    ]
    return corrected(max(scores), len(scores))


def some_rows(rows: ArrayRows, random_state: RandomState) -> ArrayRows:
    """The rows, or some of them at random."""
    if rows.n_rows <= PAIRED_ROWS:
        return rows
    return rows.take(np.sort(random_state.choice(rows.n_rows, PAIRED_ROWS, replace=False)))


def residuals_and_tangents(
    problem: SquaredLoss, network: Network, free: TangentBasis
) -> tuple[Array, list[Array]]:
    """Residuals (n, m), and for every output an orthonormal basis (n, r) of the derivatives.

    Derivatives that would be a large matrix are left out: along them the residual of a minimum vanishes,
    and a score that does not know of that is rather small.
    """
    rows = problem.array_rows
    if free.size > MATRIX_SIZE:
        R = residuals(problem, network).y
        return R, [np.zeros((len(R), 0))] * R.shape[1]
    input_weights = problem.to_inputs(network)
    parts = [jacobian(rows.block(index), problem, input_weights, free) for index in range(rows.n_blocks)]
    slopes, R = np.concatenate([J for J, _ in parts], axis=1), np.concatenate([R for _, R in parts])
    if rows.weight is not None:
        slopes = slopes * np.sqrt(rows.weight)
    return R, [column_space(J) for J in slopes]


def column_space(J: Array) -> Array:
    """Orthonormal basis (n, r) of the columns of J."""
    Q, triangle, _ = qr(J, mode="economic", pivoting=True)
    sizes = np.abs(np.diag(triangle))
    return Q[:, sizes > 1e-8 * max(sizes.max(initial=0.0), TINY)]


def kernels(problem: SquaredLoss, weight: Array, random_state: RandomState) -> Iterator[Array]:
    """How alike every two rows are (n, n): by columns, by direction, by distance."""
    X = problem.array_rows.X
    columns = np.arange(X.shape[1])
    if len(columns) > SINGLE_COLUMNS:
        columns = np.sort(random_state.choice(columns, SINGLE_COLUMNS, replace=False))
    u = dense(X[:, columns]).astype(np.float64)
    u -= np.average(u, axis=0, weights=weight)
    scale = np.sqrt(np.average(u**2, axis=0, weights=weight))
    u /= np.where(scale > 0, scale, 1.0)
    angles = (u[:, :, None] * np.arange(1, FREQUENCIES + 1)).reshape(len(u), -1)
    waves = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    waves -= np.average(waves, axis=0, weights=weight)
    yield waves @ waves.T

    z = problem.coordinates.whiten(X).astype(np.float64)
    r = z.shape[1]
    products = z @ z.T
    lengths = np.diag(products)
    cosines = products / np.sqrt(np.maximum(np.outer(lengths, lengths), TINY))
    # Harmonics of degree three: what products of three coordinates hold beyond linear functions.
    yield cosines**3 - 3 / (r + 2) * cosines
    distances = lengths[:, None] + lengths - 2 * products
    for width in NEIGHBOURHOODS:
        yield np.exp(-distances / (width * max(r, 1)))


def kernel_score(residual: Array, kernel: Array, tangent: Array, weight: Array) -> float:
    """Score of r^T K r against what it is with random signs of r.

    The part of the kernel along the derivatives by the weights is taken off, since r has none there; the
    variance of the noise in a row is that of r, over what the row's leverage leaves of it
    (J. G. MacKinnon, H. White, 1985, doi:10.1016/0304-4076(85)90158-7, HC2). A row of weight w counts
    like w rows.

    Parameters
    ----------
    residual : array of shape (n,)
    kernel : array of shape (n, n)
        Positive semidefinite.
    tangent : array of shape (n, r)
        Orthonormal columns, of derivatives times the root of the weights.
    weight : array of shape (n,)

    Returns
    -------
    float
        Minus infinity where the derivatives span all that the kernel sees.
    """
    root = np.sqrt(weight)
    K = root[:, None] * kernel * root
    whole = residual**2 @ np.diag(K)
    along = K @ tangent
    along -= 0.5 * tangent @ (tangent.T @ along)
    change = tangent @ along.T
    K -= change
    K -= change.T
    leverage = (tangent**2).sum(axis=1) / np.maximum(weight, 1.0)
    variances = residual**2 / np.maximum(1 - leverage, LEAST_LEFT)
    diagonal = np.diag(K)
    scaled = root * residual
    mean = variances @ diagonal
    if not mean > LEAST_ACROSS * whole:  # the derivatives span all that the kernel sees
        return -np.inf
    own = variances**2 @ (diagonal**2 / np.maximum(weight, 1.0))
    spread = 2 * (variances @ K**2 @ variances - own)
    return gamma_score(scaled @ K @ scaled, mean, spread)


def corrected(score: float, number: int) -> float:
    """The largest of so many normal scores as one: by the sum of their probabilities (Bonferroni)."""
    probability = log_ndtr(-score) + np.log(number)
    return float(max(-ndtri_exp(min(probability, np.log(0.5))), 0.0))


def gamma_score(value: float, mean: float, variance: float) -> float:
    """Standard normal equivalent of a gamma variable, by its cube root.

    E. B. Wilson, M. M. Hilferty, 1931, doi:10.1073/pnas.17.12.684.
    """
    n = 2 * mean**2 / max(variance, TINY)
    return float((np.cbrt(value / max(mean, TINY)) - 1 + 2 / (9 * n)) * np.sqrt(9 * n / 2))
