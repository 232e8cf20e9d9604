"""The span of the hidden units, from Hessian slices over all columns by Stein's identity."""

import numpy as np
from scipy.linalg import eigh, qr

from .._data.blocks import Block, weighted
from .._data.coordinates import Coordinates
from .._data.rows import ArrayRows
from .._typing import Array
from ..scores import ScoreFunction
from .hermite import symmetric_matrices
from .slices import LEAST_VARIANCE, joined_by_signal, symmetric_pairs_of
from .span import rows_in_span
from .stein_slices import SteinScores, linear_sizes, linear_slices, quadratic_residuals

# Number of rounds: each takes its weights along the last span, and subtracts a quadratic fit there.
ROUNDS = 3

# Entries of the array S_2 (rows, r, r) of a block, about.
BLOCK_ENTRIES = 2**20

MIN_BLOCK_ROWS = 64


def score_span(
    score_function: ScoreFunction,
    rows: ArrayRows,
    coordinates: Coordinates,
    slopes: Array,
    V: Array,
    random_state: np.random.RandomState,
) -> Array:
    """Orthonormal basis (r, k) of the span of the units, from the slices of the weights 1 and a . z.

    The slices are those of what a quadratic fit in the last span leaves, and its known ones are added
    back: whatever that span was, the expectation is the same.

    Parameters
    ----------
    score_function : object
        The score of the rows, see :mod:`sklearn_onenn.scores`.
    rows : ArrayRows
    coordinates : Coordinates
    slopes : array of shape (r, m)
        Of the affine fit of every output.
    V : array of shape (r, k)
        A first basis: the better it is, the less noise the quadratic fit leaves.
    random_state : numpy.random.RandomState
    """
    r, k = V.shape
    D, dual = white_score(SteinScores(score_function, coordinates.inverse.T), rows)
    scores = SteinScores(score_function, coordinates.inverse.T @ D)
    along = qr(random_state.standard_normal((r, min(r, 3 * k))), mode="economic")[0]
    U = np.eye(r)
    for _ in range(ROUNDS):
        projected = rows_in_span(rows, coordinates, V, slopes)
        residuals, gradients, hessians = quadratic_residuals(projected)
        M1, M2, M3, sd = span_slices(rows.with_targets(residuals), coordinates, scores, D, along)
        M1 += slopes.T @ D + (gradients - slopes.T @ V) @ (V.T @ D)
        M2 += (V.T @ D).T @ hessians @ (V.T @ D)
        # Slices within the last span have less noise than whole ones.
        M3 = (M3 @ U).transpose(0, 2, 1, 3).reshape(len(M3), r, -1)
        blocks = zip((M1[:, :, None], M2 @ U, M3), sd, strict=True)
        joined = joined_by_signal(
            [block / s for of_all, sds in blocks for block, s in zip(of_all, sds, strict=True)]
        )
        U = eigh(joined @ joined.T)[1][:, -k:]
        along = V = qr(dual @ U, mode="economic")[0]
    return V


def white_score(scores: SteinScores, rows: ArrayRows) -> tuple[Array, Array]:
    """Directions D (r, r) along which S_1 has covariance I, and their dual ones (r, r).

    Along these all entries of a slice have similar noise. For N(0, I) they are any orthonormal basis.
    """

    def information(block: Block) -> Array:
        S1 = scores.first(block.X)
        return S1.T @ weighted(S1, block.weight)

    values, vectors = eigh(rows.sum(information) / rows.weight_sum)
    root = np.sqrt(np.maximum(values, 1e-12 * values[-1]))
    return vectors / root, vectors * root


def span_slices(
    rows: ArrayRows,
    coordinates: Coordinates,
    scores: SteinScores,
    D: Array,
    along: Array,
) -> tuple[Array, Array, Array, Array]:
    """E[r S_1], and slices E[r S_2^h] of h = 1 and h = a . z less its mean, of every output.

    Parameters
    ----------
    rows : ArrayRows
        With targets r.
    coordinates : Coordinates
    scores : SteinScores
        Along the directions D (r, r).
    along : array of shape (r, j)
        The directions a.

    Returns
    -------
    M1, M2, M3 : arrays of shapes (m, r), (m, r, r), (m, j, r, r)
    sd : array of shape (3, m)
        Standard deviation of the noise of an entry of each.
    """
    n, r = rows.weight_sum, len(D)
    gradients = D.T @ along

    def sums(block: Block) -> tuple[Array, ...]:
        h, T = coordinates.project(block.X, along), weighted(block.y, block.weight)
        S1, S2 = scores(block.X)
        pairs = symmetric_pairs_of(S2)
        sizes = np.column_stack([(S1**2).sum(axis=1), *linear_sizes(h, gradients, S1, S2)])
        slices = [linear_slices(t, h, gradients, S1, pairs) for t in T.T]
        return (
            T.T @ S1,
            *map(np.array, zip(*slices, strict=True)),
            weighted(h, block.weight).sum(axis=0),
            weighted(sizes, block.weight).sum(axis=0),
            (T * block.y).sum(axis=0),
        )

    M1, M2, M3, means, sizes, squares = narrow(rows, r).sum(sums)
    M3 -= M2[:, :, None] * (means / n)
    variances = np.maximum(squares / n, LEAST_VARIANCE)
    entries = np.array([r, r**2, along.shape[1] * r**2])
    sd = np.sqrt(np.outer(sizes / n / entries, variances / n))
    M2 = symmetric_matrices(M2, r)
    M3 = symmetric_matrices(M3.transpose(0, 2, 1).reshape(-1, M3.shape[1]), r)
    return M1 / n, M2 / n, M3.reshape(len(M1), -1, r, r) / n, sd


def narrow(rows: ArrayRows, r: int) -> ArrayRows:
    """The rows in blocks of so few rows that an array (rows, r, r) of a block is small."""
    rows = rows.take(slice(None))
    rows.block_rows = min(rows.block_rows, max(MIN_BLOCK_ROWS, BLOCK_ENTRIES // r**2))
    return rows
