"""Hessian slices of the network from the score of the rows, by Stein's identity.

With p the density of the rows, S_1 = -grad log p and S_2 = (grad^2 p) / p, and any smooth weight h,
integrating by parts twice gives

    E[y S_2^h] = E[h grad^2 F] = sum_i v_i E[h phi''(w_i . z + b_i)] w_i w_i^T,
    S_2^h = h S_2 - S_1 grad h^T - grad h S_1^T + grad^2 h

(M. Janzamin, H. Sedghi, A. Anandkumar, arXiv:1412.2863 and 1506.08473, with h = 1). So the slices of
every h have the same diagonalizer. Weights h = 1, u_a and u_a u_b give what M_2, M_3 and M_4 are for
N(0, I), where S_1 = z and S_2^h are the Hermite polynomials.

Of a quadratic q the slice of h is E[h] grad^2 q. So y - q has the slices of y where h has mean zero, and
grad^2 q less where h = 1: there it is added back.
"""

import numpy as np
from numpy.typing import ArrayLike

from .._data.blocks import Block, weighted
from .._data.coordinates import Coordinates
from .._data.rows import ArrayRows
from .._typing import Array
from ..scores import ScoreFunction
from .hermite import symmetric_matrices, symmetric_pairs
from .slices import LEAST_VARIANCE, quadratic, quadratic_fit, symmetric_pairs_of


class SteinScores:
    """S_1 and S_2 of rows along directions, from a score function whose results are checked.

    Parameters
    ----------
    score_function : object
        With ``__call__`` and ``contract``, see :mod:`sklearn_onenn.scores`.
    directions : array of shape (d, j)
    """

    def __init__(self, score_function: ScoreFunction, directions: Array) -> None:
        self.score_function, self.directions = score_function, directions

    def first(self, X: Array) -> Array:
        """S_1 (rows, j)."""
        score = checked("score_function(X)", self.score_function(X), X.shape)
        return -(score.astype(X.dtype, copy=False) @ self.directions.astype(X.dtype))

    def __call__(self, X: Array) -> tuple[Array, Array]:
        """S_1 (rows, j) and S_2 (rows, j, j)."""
        n, j = len(X), self.directions.shape[1]
        first = self.first(X)
        contracted = self.score_function.contract(X, self.directions)
        curvature = checked("score_function.contract(X, U)", contracted, (n, j, j))
        second = first[:, :, None] * first[:, None, :]
        second += curvature
        return first, second


def checked(name: str, result: ArrayLike, shape: tuple[int, ...]) -> Array:
    """What a score function returned, as an array; raises unless it is finite and has this shape."""
    array = np.asarray(result)
    if array.shape != shape or array.dtype.kind not in "fiu":
        raise ValueError(
            f"{name} must be a real array of shape {shape} for X of {shape[0]} rows, got shape "
            f"{array.shape} of type {array.dtype}."
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite: the density must be positive and smooth at all rows.")
    return array


def linear_slices(t: Array, h: Array, g: Array, S1: Array, S2: Array) -> tuple[Array, Array]:
    """Sums over a block of t S_2^h for the weights 1 and h, as columns of symmetric pairs.

    Parameters
    ----------
    t : array of shape (rows,)
    h : array of shape (rows, j)
        Linear functions of the rows.
    g : array of shape (r, j)
        Their gradients.
    S1, S2 : arrays of shapes (rows, r), (rows, K), K = r (r + 1) / 2
        S_2 as symmetric pairs.

    Returns
    -------
    M2, M3 : arrays of shapes (K,), (K, j)
    """
    scaled = S2 * t[:, None]
    outer = (t @ S1)[:, None] * g.T[:, None, :]
    M3 = scaled.T @ h - symmetric_pairs_of(outer + outer.transpose(0, 2, 1)).T
    return scaled.sum(axis=0), M3


def linear_sizes(h: Array, g: Array, S1: Array, S2: Array) -> tuple[Array, Array]:
    """For every row |S_2|^2, and the sum of |S_2^h|^2 over linear weights h.

    Parameters
    ----------
    h : array of shape (rows, j)
        Linear functions of the rows.
    g : array of shape (r, j)
        Their gradients.
    S1, S2 : arrays of shapes (rows, r), (rows, r, r)

    Returns
    -------
    size, sizes : arrays of shape (rows,)
    """
    size = np.einsum("nab,nab->n", S2, S2)
    along = S1 @ g
    across = ((S1[:, None, :] @ S2)[:, 0] @ g * h).sum(axis=1)
    lengths = (S1**2).sum(axis=1) * (g**2).sum() + (along**2).sum(axis=1)
    return size, (h**2).sum(axis=1) * size - 4 * across + 2 * lengths


def square_slices(t: Array, u: Array, S1: Array, S2: Array) -> Array:
    """Sum over a block of t S_2^h for the weights u_a u_b, as columns of symmetric pairs: (K, K).

    It takes t (rows,), u (rows, k), S1 (rows, k), and S2 (rows, K) with K = k (k + 1) / 2. The gradient
    of h = u^T B u is 2 B u, so that the terms of S_1 are 2 (G B + B G^T) in all.
    """
    k = u.shape[1]
    Q = symmetric_pairs(u)
    G = S1.T @ (u * t[:, None])
    GB = G @ symmetric_matrices(np.eye(Q.shape[1]), k)
    constants = 2 * t.sum() * np.eye(Q.shape[1])
    return (S2 * t[:, None]).T @ Q - 2 * symmetric_pairs_of(GB + GB.transpose(0, 2, 1)).T + constants


def square_sizes(u: Array, S1: Array, S2: Array) -> Array:
    """For every row the sum of |S_2^h|^2 over the weights h = u_a u_b - (a = b).

    That is the sum over an orthonormal basis of matrices B of h = <B, H>, H = u u^T - I, written out. It
    takes u (rows, k), S1 (rows, k) and S2 (rows, k, k).
    """
    k = u.shape[1]
    length, product = (u**2).sum(axis=1), np.einsum("ni,ni->n", u, S1)
    first, size = (S1**2).sum(axis=1), np.einsum("nab,nab->n", S2, S2)
    Su = np.einsum("nab,nb->na", S2, u)
    uSu, sSu = np.einsum("ni,ni->n", u, Su), np.einsum("ni,ni->n", S1, Su)
    trace = np.einsum("naa->n", S2)
    H_size = length**2 - 2 * length + k
    # H u = (|u|^2 - 1) u.
    across = (length - 1) * sSu
    gradients = 4 * ((k + 1) * length * first + length * first + product**2)
    constants = 2 * k * (k + 1) + 4 * (uSu - trace) - 8 * (k + 1) * product
    return H_size * size - 8 * across + gradients + constants


def quadratic_residuals(projected: ArrayRows) -> tuple[Array, Array, Array]:
    """Quadratic fits in the span: residuals (rows, m), mean gradients (m, k) and Hessians (m, k, k)."""
    fits = [quadratic_fit(projected.with_targets(target[:, None])) for target in projected.y.T]

    def of_block(block: Block) -> Array:
        return block.y - np.column_stack([quadratic(block.X, *fit) for fit in fits])

    mean = projected.sum(lambda block: weighted(block.X, block.weight).sum(axis=0))
    mean /= projected.weight_sum
    gradients = np.array([slope + 2 * A @ mean for _, slope, A in fits])
    hessians = np.array([2 * A for *_, A in fits])
    return np.concatenate(projected.map(of_block)), gradients, hessians


def score_stack(
    projected: ArrayRows,
    rows: ArrayRows,
    coordinates: Coordinates,
    V: Array,
    scores: SteinScores,
) -> tuple[list[Array], float]:
    """Slices in the span for the weights u_a u_b, u_a and 1, of every output, in units of their noise.

    Parameters
    ----------
    projected : ArrayRows
        Rows u = V^T z, with their targets.
    rows : ArrayRows
        The rows x themselves, in the same order.
    coordinates : Coordinates
    V : array of shape (r, k)
        Orthonormal.
    scores : SteinScores
        In the span.

    Returns
    -------
    stack : list of arrays of shapes (K, K), (K, k), (K, 1), K = k (k + 1) / 2
        Three for each output. An entry of pure noise has variance one. For the score of N(0, I) it is
        what :func:`slices.noise_stack` returns.
    sd : float
        Standard deviation of the residual of the quadratic fit, root mean square over outputs.
    """
    n, k = rows.weight_sum, V.shape[1]
    K, identity = k * (k + 1) // 2, np.eye(k)
    residuals, _, hessians = quadratic_residuals(projected)

    def sums(block: Block) -> tuple[Array, ...]:
        u = coordinates.project(block.X, V)
        S1, S2 = scores(block.X)
        pairs, T = symmetric_pairs_of(S2), weighted(block.y, block.weight)
        sizes = np.column_stack([square_sizes(u, S1, S2), *linear_sizes(u, identity, S1, S2)[::-1]])
        linear = [linear_slices(t, u, identity, S1, pairs) for t in T.T]
        return (
            np.array([square_slices(t, u, S1, pairs) for t in T.T]),
            np.array([M3 for _, M3 in linear]),
            np.array([M2 for M2, _ in linear]),
            weighted(np.column_stack([symmetric_pairs(u), u]), block.weight).sum(axis=0),
            weighted(sizes, block.weight).sum(axis=0),
            (T * block.y).sum(axis=0),
        )

    *moments, weights, sizes, squares = rows.with_targets(residuals).sum(sums)
    variances = np.maximum(squares / max(n - 1 - k - K, n / 4), LEAST_VARIANCE)
    stack = []
    for M4, M3, M2, hessian, variance in zip(*moments, hessians, variances, strict=True):
        # The weights less their mean.
        M4, M3 = M4 - np.outer(M2, weights[:K] / n), M3 - np.outer(M2, weights[K:] / n)
        M2 = M2 / n + symmetric_pairs_of(hessian)
        noise = variance / n * sizes / n
        for block, size in zip([M4 / n, M3 / n, M2[:, None]], noise, strict=True):
            stack.append(block * np.sqrt(block.size / size))
    return stack, float(np.sqrt(np.mean(variances)))
