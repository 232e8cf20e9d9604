"""Algorithm 1 with residual moments, all slices together: the default start.

Hermite polynomials are orthogonal under N(0, I): subtracting from y a fit of lower degree leaves M_j
unchanged in expectation and takes the fit's variance out of its noise.

1. Residual of y on {1, z}.
2. Span V of the units: low-rank quadratic regression of that residual on z z^T - I.
3. Residual on all of degree <= 2 in u = V^T z.
4. Slices in span{u_i u_i^T}: M_4 unfolded to symmetric matrices by symmetric matrices, M_3, and
   the quadratic coefficients, each over its noise; their leading singular vectors.
5. Joint diagonalization of these slices: directions u_i.
6. Signs and magnitudes: regression of y on the units in both orientations.
"""

from math import comb

import numpy as np
from scipy.linalg import eigh, lstsq

from . import _moments as moments
from ._blocks import weighted
from ._joint_diagonalization import joint_components
from ._network import Network

# Scales |w_i| that are tried for units that are not homogeneous.
SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
MAX_SPAN_ITERATIONS = 30


def residual_moment_start(rows, coordinates, k, activation, random_state):
    """Tensor initialization with residual moments.

    Parameters
    ----------
    rows : RowBlocks
        With one output.
    coordinates : Coordinates
        In which rows are taken for N(0, I).
    k : int
        At most the rank of the coordinates.
    activation : Activation
    random_state : numpy.random.RandomState

    Returns
    -------
    Network
        In the coordinates.
    """
    r = coordinates.rank
    white = coordinates.rows
    linear = residual(rows, lambda block: white(block.X))
    if k == r:
        V = np.eye(r)
    elif abs(activation.hermite_coefficient(2)) > 1e-9:
        V = quadratic_span(linear, coordinates, k)
    else:
        V = cubic_span(linear, coordinates, k, random_state)
    project = coordinates.transform @ V
    projected = type(coordinates)(coordinates.mean, project, None, coordinates.scale)
    slices = hermite_slices(linear, projected, k)
    U, _, _ = joint_components(slices, random_state=random_state)
    return oriented_units(rows, coordinates, V @ U, activation)


def residual(rows, features):
    """The rows with their targets replaced by residuals of a regression on 1 and features(block)."""
    gram, cross = rows.sum(lambda block: normal_equations(block, with_ones(features(block))))
    coefficients = lstsq(gram, cross)[0]

    def of_block(block):
        return block.y - with_ones(features(block)) @ coefficients.astype(block.y.dtype)

    return rows.with_targets(np.concatenate(rows.map(of_block)))


def with_ones(features):
    """A column of ones before the features."""
    return np.concatenate([np.ones((len(features), 1), dtype=features.dtype), features], axis=1)


def normal_equations(block, features):
    """F^T F and F^T y of a block."""
    F = weighted(features, block.weight)
    return F.T @ features, F.T @ block.y


def symmetric_pairs(u):
    """Upper triangle of u u^T, off-diagonal entries times sqrt 2: keeps inner products."""
    i, j = np.triu_indices(u.shape[1])
    return u[:, i] * u[:, j] * np.where(i == j, 1.0, np.sqrt(2.0)).astype(u.dtype)


def symmetric_matrices(vectors, k):
    """Inverse of :func:`symmetric_pairs`: vectors (L, k (k + 1) / 2) as matrices (L, k, k)."""
    i, j = np.triu_indices(k)
    entries = vectors / np.where(i == j, 1.0, np.sqrt(2.0))
    matrices = np.zeros((len(vectors), k, k))
    matrices[:, i, j] = matrices[:, j, i] = entries
    return matrices


def leading(matrix, k):
    """Eigenvalues (k,) and eigenvectors (r, k) of largest absolute value."""
    values, vectors = eigh(matrix)
    order = np.argsort(-np.abs(values))[:k]
    return values[order], vectors[:, order]


def quadratic_span(rows, coordinates, k, *, tol=1e-4):
    """Span V (r, k) by low-rank quadratic regression t ~ tr A (z z^T - I), rank A = k.

    Iterative hard thresholding: a gradient step in the tangent space of the matrices of rank k, of
    exact length, then the k leading eigenvectors. The first gradient is the second moment.
    """
    n = rows.weight_sum

    def gradient(t):
        """Sum of t (z z^T - I) / (2 n) for targets t (rows, 1)."""

        def of_block(block):
            return moments.second_moment(
                coordinates.rows(block.X), weighted(block.y, block.weight)[:, 0]
            )

        return rows.with_targets(t).sum(of_block) / (2 * n)

    def values(A):
        def of_block(block):
            z = coordinates.rows(block.X)
            return np.einsum("ij,ij->i", z @ A.astype(z.dtype), z)[:, None]

        f = np.concatenate(rows.map(of_block))
        return f - inner(np.ones_like(f), f) / n

    def inner(f, g):
        return float(np.vdot(f, weighted(g, rows.weight)))

    t = rows.y
    A = np.zeros((coordinates.rank,) * 2)
    V, fitted, loss = None, np.zeros_like(t), np.inf
    for _ in range(MAX_SPAN_ITERATIONS):
        rest = t - fitted
        previous, loss = loss, inner(rest, rest)
        if previous - loss < tol * loss:
            break
        G = gradient(rest)
        if V is None:
            eigenvalues, V = leading(G, k)
            G = (V * eigenvalues) @ V.T
        else:
            GV = G @ V
            T = V @ GV.T
            G = T + T.T - V @ (V.T @ GV) @ V.T
        change = values(G)
        length = inner(change, rest) / max(inner(change, change), np.finfo(float).tiny)
        eigenvalues, V = leading(A + length * G, k)
        A = (V * eigenvalues) @ V.T
        fitted = values(A)
    return V


def cubic_span(rows, coordinates, k, random_state, *, n_iter=3):
    """Span V (r, k) from third-order slices, for units without a second moment.

    Alternates: slices M_3(., U, U) along the present span U, then the k leading left singular vectors.
    """
    r = coordinates.rank
    U = np.linalg.qr(random_state.standard_normal((r, min(r, 3 * k))))[0]
    for _ in range(n_iter + 1):
        basis = U

        def of_block(block, basis=basis):
            z = coordinates.rows(block.X)
            t = weighted(block.y, block.weight)
            return z.T @ (symmetric_pairs(z @ basis.astype(z.dtype)) * t)

        slices = rows.sum(of_block)
        U = leading(slices @ slices.T, k)[1]
    return U


def hermite_slices(rows, coordinates, n_slices):
    """Slices (n_slices, k, k) spanning {u_i u_i^T}, each scaled by its singular value."""
    k = coordinates.rank
    n = rows.weight_sum

    def features(block):
        u = coordinates.rows(block.X)
        return np.concatenate([u, symmetric_pairs(u)], axis=1)

    gram, cross = rows.sum(lambda block: normal_equations(block, with_ones(features(block))))
    coefficients = lstsq(gram, cross)[0]
    square = coefficients[1 + k :]
    rest = residual(rows, features)

    def of_block(block):
        u = coordinates.rows(block.X)
        Q = symmetric_pairs(u)
        t = weighted(block.y, block.weight)
        return Q.T @ (Q * t), Q.T @ (u * t), np.vdot(block.y, t).astype(np.float64)

    fourth, third, squares = rest.sum(of_block)
    n_pairs = len(square)
    variance = float(squares) / max(n - 1 - k - n_pairs, n / 4)
    blocks = [
        over_noise(fourth / n, variance / n * 24 * comb(k + 3, 4)),
        over_noise(third / n, variance / n * 6 * comb(k + 2, 3)),
        over_noise(2 * square, variance / n * 4 * n_pairs),
    ]
    joined = np.concatenate(blocks, axis=1)
    values, vectors = leading(joined @ joined.T, n_slices)
    scale = np.sqrt(np.maximum(values, 0))
    return symmetric_matrices(vectors.T, k) * scale[:, None, None]


def over_noise(block, energy):
    """A block of moments times its share of signal, in units of its noise.

    ``energy`` is the squared norm that noise alone is expected to have.
    """
    share = max(0.0, 1 - energy / max((block**2).sum(), np.finfo(float).tiny))
    return block * np.sqrt(share * block.size / max(energy, np.finfo(float).tiny))


def oriented_units(rows, coordinates, U, activation):
    """Signs, magnitudes and output weights by regression of y on phi(u_i . z) and phi(-u_i . z).

    The orientation with the larger coefficient stays, and y is regressed on those that stay.
    """
    k = U.shape[1]
    scales = SCALES if activation.degree is None else (1.0,)
    best = None
    for scale in scales:
        both = np.concatenate([scale * U, -scale * U], axis=1)
        gram, cross = rows.sum(
            lambda block, W=both: unit_regression(block, coordinates, W, activation)
        )
        coefficients = lstsq(gram, cross, cond=1e-9)[0]
        size = np.abs(coefficients[1:]).sum(axis=1)
        stay = np.where(size[:k] >= size[k:], 0, k) + np.arange(k)
        kept = np.r_[0, 1 + stay]
        solution = lstsq(gram[np.ix_(kept, kept)], cross[kept], cond=1e-12)[0]
        # Of the loss only this part depends on the choice.
        gain = float(np.vdot(solution, cross[kept]))
        if best is None or gain > best[0]:
            best = gain, both[:, stay], solution
    _, W, solution = best
    return Network(W, np.zeros(k), solution[1:], solution[0])


def unit_regression(block, coordinates, W, activation):
    """Normal equations of y on 1 and the units W."""
    z = coordinates.rows(block.X)
    return normal_equations(block, with_ones(activation.value(z @ W.astype(z.dtype))))
