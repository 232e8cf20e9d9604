"""Symmetric slices in the span of the units, all with the same diagonalizer u_1 .. u_k.

With rows u in the span and r the residual of the targets on {1, u, u u^T}, the moments
E[r u^{(x) 4}] and E[r u^{(x) 3}] are M_4 and M_3 without correction terms. Unfolded, M_4 maps
symmetric matrices to symmetric matrices, M_3 maps vectors to them, and the quadratic coefficients
M_2 are one; for a network the ranges of all three lie in span{u_i u_i^T}. Each block is divided by
its noise, and the leading left singular vectors of the three together are the slices.
"""

from math import comb

import numpy as np
from scipy.linalg import eigh

from .._data.blocks import Block, transposed_product, weighted
from .._data.rows import ArrayRows
from .._optimization.conjugate_gradients import conjugate_gradients
from .._typing import Array
from .hermite import symmetric_matrices, symmetric_pairs

LEAST_VARIANCE = 1e-30

LEAST_CURVATURE = 1e-10


def noise_stack(rows: ArrayRows) -> tuple[list[Array], float]:
    """M_4, M_3 and M_2 of every output from rows in the span, each in units of its noise.

    Parameters
    ----------
    rows : ArrayRows
        Rows (n, k) that are white.

    Returns
    -------
    stack : list of arrays of shapes (K, K), (K, k), (K, 1), K = k (k + 1) / 2
        Three for each output. An entry of pure noise has variance one.
    sd : float
        Standard deviation of the residual of the quadratic fit, root mean square over outputs.
    """
    stacks, variances = zip(
        *[stack_of_output(rows.with_targets(target[:, None])) for target in rows.y.T], strict=True
    )
    return [block for stack in stacks for block in stack], float(np.sqrt(np.mean(variances)))


def stack_of_output(rows: ArrayRows) -> tuple[list[Array], float]:
    """M_4, M_3 and M_2 in units of their noise, and the variance of the quadratic fit's residual."""
    n, k = rows.weight_sum, rows.n_features
    K = k * (k + 1) // 2
    offset, slope, square = quadratic_fit(rows)

    def sums(block: Block) -> tuple[Array, Array, np.float64]:
        u = block.X
        r = block.y[:, 0] - quadratic(u, offset, slope, square)
        t = r if block.weight is None else r * block.weight[:, 0]
        Q = symmetric_pairs(u)
        # Q^T diag(t) Q as a difference of two squares: half the work of the product.
        positive, negative = t > 0, t < 0
        up = Q[positive] * np.sqrt(t[positive])[:, None]
        down = Q[negative] * np.sqrt(-t[negative])[:, None]
        fourth = transposed_product(up, up) - transposed_product(down, down)
        return fourth, transposed_product(Q * t[:, None], u), np.vdot(r, t).astype(np.float64)

    M4, M3, squares = rows.sum(sums)
    # Targets are of unit scale: a smaller variance is not that of noise, and nothing is divided by it.
    variance = max(float(squares) / max(n - 1 - k - K, n / 4), LEAST_VARIANCE)
    M2 = symmetric_pairs_of(square)[:, None] * 2
    # Expected squared norms of the noise of a sample mean of r u^{(x) j}, unfolded.
    noise = variance / n * np.array([24 * comb(k + 3, 4), 6 * comb(k + 2, 3), 2 * K])
    stack = [
        block * np.sqrt(block.size / size)
        for block, size in zip([M4 / n, M3 / n, M2], noise, strict=True)
    ]
    return stack, variance


def quadratic_fit(
    rows: ArrayRows, *, rtol: float = 1e-3, max_iter: int = 25
) -> tuple[float, Array, Array]:
    """Least squares of the targets on 1, u and u u^T: offset, slope (k,) and matrix A (k, k).

    By conjugate gradients, since the normal equations of white rows are close to the identity; the
    features are 1, u and (u u^T - I) / sqrt 2.
    """
    n, k = rows.weight_sum, rows.n_features

    def split(c: Array) -> tuple[float, Array, Array]:
        A = symmetric_matrices(c[None, 1 + k :], k)[0] / np.sqrt(2)
        return c[0] - np.trace(A), c[1 : 1 + k], A

    def moments(block: Block, t: Array) -> Array:
        """Sums of t times the features, t (rows,) with the weights in it."""
        u = block.X
        square = (transposed_product(u, u * t[:, None]) - t.sum() * np.eye(k)) / np.sqrt(2)
        return np.concatenate([[t.sum()], t @ u, symmetric_pairs_of(square)]).astype(np.float64)

    def product(c: Array) -> Array:
        parts = split(c)

        def of_block(block: Block) -> Array:
            t = quadratic(block.X, *parts)[:, None]
            return moments(block, weighted(t, block.weight)[:, 0])

        # The lift keeps the matrix regular where columns are not white at all, such as constants.
        return rows.sum(of_block) / n + LEAST_CURVATURE * c

    right = rows.sum(lambda block: moments(block, weighted(block.y, block.weight)[:, 0])) / n
    return split(conjugate_gradients(product, right, np.copy, rtol=rtol, max_iter=max_iter)[0])


def quadratic(u: Array, offset: float, slope: Array, A: Array) -> Array:
    """offset + slope . u + u^T A u for every row."""
    A, slope = A.astype(u.dtype), slope.astype(u.dtype)
    return np.einsum("ij,ij->i", u @ A, u) + u @ slope + u.dtype.type(offset)


def symmetric_pairs_of(A: Array) -> Array:
    """Symmetric matrices (..., k, k) as vectors (..., K): upper triangle, off-diagonal times sqrt 2."""
    i, j = np.triu_indices(A.shape[-1])
    return A[..., i, j] * np.where(i == j, 1.0, np.sqrt(2.0)).astype(A.dtype)


def leading_slices(stack: list[Array], k: int, n_slices: int) -> Array:
    """Leading left singular vectors of the stack as slices (n_slices, k, k), times singular values."""
    joined = joined_by_signal(stack)
    values, vectors = eigh(joined @ joined.T)
    scale = np.sqrt(np.maximum(values[-n_slices:], 0))
    return symmetric_matrices((vectors[:, -n_slices:] * scale).T, k)


def joined_by_signal(stack: list[Array]) -> Array:
    """The blocks side by side, each times the root of the share of its square that is not noise.

    A block without signal drops out, unless all blocks do.
    """
    shares = [np.sqrt(max(0.0, 1 - block.size / max((block**2).sum(), 1e-300))) for block in stack]
    if not any(shares):
        shares = [1.0] * len(stack)
    return np.concatenate([share * b for share, b in zip(shares, stack, strict=True)], axis=1)


def singular_values(stack: list[Array]) -> Array:
    """Singular values of the stack, in decreasing order."""
    joined = np.concatenate(stack, axis=1)
    return np.sqrt(np.maximum(eigh(joined @ joined.T, eigvals_only=True)[::-1], 0))


def null_edge(k: int, n_outputs: int) -> float:
    """Largest singular value that a stack of pure noise is expected to have."""
    K = k * (k + 1) // 2
    return np.sqrt(K) + np.sqrt(n_outputs * (K + k + 1))
