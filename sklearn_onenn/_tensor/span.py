"""The span of the hidden units, from white rows and the residual of an affine fit.

Units with a second moment: low-rank quadratic regression of the residual. Others (odd units without
biases): third-order moments, contracted so that nothing of size d^3 exists.
"""

from typing import Any

import numpy as np
from scipy.linalg import block_diag, cho_solve, eigh, qr

from .._data.blocks import Block, transposed_product, weighted
from .._data.coordinates import Coordinates
from .._data.floating_point import TINY, jittered_cholesky
from .._data.rows import ArrayRows
from .._data.rules import DATA
from .._typing import Array
from . import hermite as moments

MAX_STEPS = 12

# Steps of the regression end when one lowers the loss by less than this share.
STEP_TOL = 1e-2

CUBIC_ROUNDS = 3


class AffineFit:
    """Least squares on 1 and the white rows, for any targets on the same rows.

    Parameters
    ----------
    rows : ArrayRows
    coordinates : Coordinates
    """

    def __init__(self, rows: ArrayRows, coordinates: Coordinates) -> None:
        self.rows, self.coordinates = rows, coordinates

        def gram(block: Block) -> tuple[Array, Array]:
            z = coordinates.whiten(block.X)
            wz = weighted(z, block.weight)
            return transposed_product(z, wz), wz.sum(axis=0)

        second, self.first = rows.sum(gram)
        # The scale is about the origin, so that it is not zero where all columns are constant.
        jitter = 1e-12 * np.trace(second) / len(second) + TINY
        second -= np.outer(self.first, self.first) / rows.weight_sum
        second += jitter * np.eye(len(second))
        self._factor = jittered_cholesky(second, lower=False), False

    def __call__(self, targets: Array) -> tuple[Array, Array]:
        """Slopes (r, m) in white coordinates, and residuals (rows, m) of targets (rows, m)."""
        coordinates, n = self.coordinates, self.rows.weight_sum

        def cross(block: Block) -> tuple[Array, Array]:
            t = weighted(block.y, block.weight)
            return t.sum(axis=0, dtype=np.float64), transposed_product(t, block.X).T

        with_targets = self.rows.with_targets(targets)
        total, product = with_targets.sum(cross)
        product = coordinates.gradient_from_inputs(product, total)
        slopes = cho_solve(self._factor, product - np.outer(self.first, total / n))
        offset = (total - self.first @ slopes) / n
        residuals = with_targets.map(
            lambda block: block.y - coordinates.project(block.X, slopes, offset)
        )
        return slopes, np.concatenate(residuals)


def unit_span(
    affine: AffineFit,
    targets: Array,
    slopes: Array,
    k: int,
    random_state: np.random.RandomState,
) -> Array:
    """Orthonormal basis (r, k) of the span of the units.

    Parameters
    ----------
    affine : AffineFit
    targets : array of shape (rows, m)
        Residual of the affine fit.
    slopes : array of shape (r, m)
        Its slopes: the first moment.
    k : int
        Less than the rank r.
    random_state : numpy.random.RandomState
    """
    spans = [
        span_of_output(affine, target[:, None], slope, k, random_state)
        for target, slope in zip(targets.T, slopes.T, strict=True)
    ]
    # The direction of a unit is in the span of every output that has the unit; noise is in one alone.
    if len(spans) == 1:
        return spans[0]
    return leading(sum((U @ U.T for U in spans), np.zeros((len(slopes),) * 2)), k)[1]


def span_of_output(
    affine: AffineFit,
    targets: Array,
    slopes: Array,
    k: int,
    random_state: np.random.RandomState,
) -> Array:
    """Orthonormal basis (r, k) of the span of the units, from one output."""
    second, significance = second_moment(affine, targets)
    if significance > DATA.significant:
        return quadratic_span(affine, targets, second, k)
    return cubic_span(affine, targets, slopes, k, random_state)


def second_moment(affine: AffineFit, targets: Array) -> tuple[Array, float]:
    """M_2 (r, r), and by how many standard deviations |M_2|^2 exceeds what noise alone gives."""
    coordinates, n = affine.coordinates, affine.rows.weight_sum

    def sums(block: Block) -> tuple[Array, np.floating[Any]]:
        z = coordinates.whiten(block.X)
        square = np.einsum("ij,ij->i", z, z)
        # |z z^T - I|^2 = |z|^4 - 2 |z|^2 + r, for the variance of the mean.
        size = block.y[:, 0] ** 2 * (square**2 - 2 * square + z.shape[1])
        t = weighted(block.y, block.weight)
        return moments.second_moment(z, t[:, 0]), weighted(size[:, None], block.weight).sum()

    M2, noise = affine.rows.with_targets(targets).sum(sums)
    M2, noise = M2 / n, noise / n**2
    r = len(M2)
    excess = (M2**2).sum() / max(noise, TINY) - 1
    return M2, excess * np.sqrt(r * (r + 1)) / 2


def quadratic_span(affine: AffineFit, targets: Array, M2: Array, k: int) -> Array:
    """Span of the matrix A of rank k in the regression of the targets on z^T A z.

    By iterative hard thresholding with exact steps along the tangent space of the matrices of the
    present rank. {1, z} is projected out of every feature. The rank falls from 2 k to k, since a fit
    that starts at rank k may settle on a direction of noise. A step costs three products with the rows.

    Parameters
    ----------
    affine : AffineFit
    targets : array of shape (rows, 1)
        Residual of the affine fit.
    M2 : array of shape (r, r)
        Their second moment.
    k : int

    Returns
    -------
    U : array of shape (r, k)
        Orthonormal columns.
    """
    rows = affine.rows
    rank = min(len(M2), 2 * k)
    values, U = leading(M2 / 2, rank)
    f = bilinear_feature(affine, U * values, U)
    length = inner_product(rows, f, targets) / max(inner_product(rows, f, f), TINY)
    values, f = length * values, length * f
    loss = np.inf
    for _ in range(MAX_STEPS):
        residual = targets - f
        previous, loss = loss, inner_product(rows, residual, residual)
        if rank == k and previous - loss < STEP_TOL * loss:
            break
        rank = max(k, rank - max(1, k // 3))
        values, U = tangent_step(affine, residual, values, U, rank)
        f = bilinear_feature(affine, U * values, U)
    return U


def tangent_step(
    affine: AffineFit, residual: Array, values: Array, U: Array, rank: int
) -> tuple[Array, Array]:
    """The best step from A = U diag(values) U^T along its tangent space, cut off to a rank.

    Parameters
    ----------
    affine : AffineFit
    residual : array of shape (rows, 1)
        Of the targets, less z^T A z.
    values : array of shape (j,)
    U : array of shape (r, j)
        Orthonormal columns.
    rank : int

    Returns
    -------
    values : array of shape (rank,)
    U : array of shape (r, rank)
    """
    rows, j = affine.rows, U.shape[1]
    G = quadratic_gradient(affine, residual, U)
    C = U.T @ G
    V, R = qr(G - U @ C, mode="economic")
    # The tangent direction is U C U^T + V R U^T + U R^T V^T.
    h = bilinear_feature(affine, U @ C + 2 * V @ R, U)
    length = inner_product(rows, h, residual) / max(inner_product(rows, h, h), TINY)
    core = block_diag(np.diag(values) + length * C, np.zeros((V.shape[1],) * 2))
    core[j:, :j], core[:j, j:] = length * R, length * R.T
    values, vectors = leading(core, rank)
    return values, np.concatenate([U, V], axis=1) @ vectors


def inner_product(rows: ArrayRows, f: Array, g: Array) -> float:
    """Sum of f g over the rows with their weights, for f and g (rows, 1)."""
    return float(np.vdot(f, weighted(g, rows.weight)))


def bilinear_feature(affine: AffineFit, left: Array, right: Array) -> Array:
    """Affine residual (rows, 1) of sum_j (left_j . z) (right_j . z), columns left and right (r, j)."""
    both = np.concatenate([left, right], axis=1)
    j = left.shape[1]

    def of_block(block: Block) -> Array:
        projected = affine.coordinates.project(block.X, both)
        return np.einsum("ij,ij->i", projected[:, :j], projected[:, j:])[:, None]

    return affine(np.concatenate(affine.rows.map(of_block)))[1]


def quadratic_gradient(affine: AffineFit, residual: Array, U: Array) -> Array:
    """Sum (r, j) of t z z^T U / (2 n) over the rows, t the residual (rows, 1), for U (r, j)."""
    rows, coordinates = affine.rows, affine.coordinates

    def of_block(block: Block) -> tuple[Array, Array]:
        along = coordinates.project(block.X, U) * weighted(block.y, block.weight)
        return transposed_product(along, block.X), along.sum(axis=0)

    product, total = rows.with_targets(residual).sum(of_block)
    return coordinates.gradient_from_inputs(product.T, total) / (2 * rows.weight_sum)


def cubic_span(
    affine: AffineFit,
    targets: Array,
    slopes: Array,
    k: int,
    random_state: np.random.RandomState,
) -> Array:
    """Span from the first moment and third-order slices.

    The first moment lies in it. The rest starts from slices M_3(I, I, a) for random a and is refined
    by slices M_3(I, U, U) along the span U found so far.
    """
    rows, coordinates = affine.rows, affine.coordinates
    r = coordinates.rank
    first = slopes / max(np.linalg.norm(slopes), TINY)
    starts = np.column_stack([first, random_state.standard_normal((r, min(r, 3 * k) - 1))])
    starts = qr(starts, mode="economic")[0]
    rows = rows.with_targets(targets)

    def slices_within(U: Array) -> Array:
        """Slices M_3(I, u_a, u_b) for the columns of U: (r, k (k + 1) / 2)."""

        def of_block(block: Block) -> Array:
            z = coordinates.whiten(block.X)
            pairs = moments.symmetric_pairs(z @ U.astype(z.dtype))
            return transposed_product(z, pairs * weighted(block.y, block.weight))

        return rows.sum(of_block)

    def span(slices: Array) -> Array:
        S = slices @ slices.T
        S -= np.outer(first, first @ S)
        S -= np.outer(S @ first, first)
        return np.column_stack([first, eigh(S)[1][:, r - k + 1 :]])

    U = span(third_moment_slices(rows, coordinates, starts))
    for _ in range(CUBIC_ROUNDS):
        U = span(slices_within(U))
    return U


def third_moment_slices(rows: ArrayRows, coordinates: Coordinates, A: Array) -> Array:
    """Sums M_3(I, I, a) for the columns a of A, side by side: (r, r j).

    The targets are one output, orthogonal to the constants and the rows.
    """

    def of_block(block: Block) -> Array:
        z = coordinates.whiten(block.X)
        t = weighted(block.y, block.weight)
        along = (z @ A.astype(z.dtype)) * t
        return transposed_product(z, (along[:, :, None] * z[:, None, :]).reshape(len(z), -1))

    return rows.sum(of_block)


def leading(matrix: Array, k: int) -> tuple[Array, Array]:
    """Eigenvalues (k,) and eigenvectors (r, k) of largest absolute value."""
    values, vectors = eigh(matrix)
    order = np.argsort(-np.abs(values))[:k]
    return values[order], vectors[:, order]


def rows_in_span(rows: ArrayRows, coordinates: Coordinates, V: Array, slopes: Array) -> ArrayRows:
    """Rows projected on V (r, k), with targets from which the linear signal across V is subtracted.

    That signal is the part of the slopes (r, m) of an affine fit that an error of the span leaves out.
    """
    across = slopes - V @ (V.T @ slopes)
    k = V.shape[1]
    both = np.column_stack([V, across])
    projected = np.concatenate(
        rows.map(lambda block: coordinates.project(block.X, both)), dtype=rows.dtype
    )
    return rows.with_rows(np.ascontiguousarray(projected[:, :k]), rows.y - projected[:, k:])
