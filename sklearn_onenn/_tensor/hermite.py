"""Hermite moments of the rows, contracted so that nothing of size d^3 exists.

M_j = E[r He_j(z)] with He_j the probabilists' Hermite tensor and z ~ N(0, I):
    He_2 = z z - I
    He_3 = z z z - [I z]                       (3 terms)
    He_4 = z z z z - [z z I] + [I I]           (6 terms, 3 terms)
where [.] sums over the ways to share out the indices. For a network
M_j = sum_i v_i m_j(|w_i|) u_i^{(x) j} with u_i = w_i / |w_i| and m_j the Hermite coefficient of the
activation (K. Zhong et al., arXiv:1706.03175, section 5).

The functions take white rows z (rows, r) of one block and their targets times weights
(rows,), and return sums over the block.
"""

import numpy as np

from .._data.blocks import transposed_product
from .._typing import Array


def first_moment(z: Array, r: Array) -> Array:
    """Sum of r He_1(z), shape (d,)."""
    return r @ z


def second_moment(z: Array, r: Array) -> Array:
    """Sum of r He_2(z), shape (d, d)."""
    moment = transposed_product(z, z * r[:, None])
    moment[np.diag_indices_from(moment)] -= r.sum()
    return moment


def second_moment_product(z: Array, r: Array, V: Array) -> Array:
    """Sum of r He_2(z) V, shape (d, k), without the d x d matrix."""
    return transposed_product(z, (z @ V) * r[:, None]) - r.sum() * V


def third_moment_slice(z: Array, r: Array, a: Array) -> Array:
    """Sum of r He_3(z)(., ., a), shape (d, d)."""
    first = np.outer(first_moment(z, r), a)
    return second_moment(z, r * (z @ a)) - first - first.T


def third_moment_slice_product(z: Array, r: Array, a: Array, V: Array) -> Array:
    """Sum of r He_3(z)(., V, a), shape (d, k), without the d x d matrix."""
    first = first_moment(z, r)
    return second_moment_product(z, r * (z @ a), V) - np.outer(first, a @ V) - np.outer(a, first @ V)


def third_moment(u: Array, r: Array) -> Array:
    """Sum of r He_3(u), shape (k, k, k), for projected rows u (rows, k)."""
    k = u.shape[1]
    cube = transposed_product(u * r[:, None], pairs(u))
    return cube.reshape(k, k, k) - identity_times(first_moment(u, r))


def fourth_moment_slice(u: Array, r: Array, a: Array) -> Array:
    """Sum of r He_4(u)(., ., ., a), shape (k, k, k), for projected rows u (rows, k)."""
    square = second_moment(u, r)
    return third_moment(u, r * (u @ a)) - symmetric_product(square, a)


def pairs(u: Array) -> Array:
    """Products u_a u_b of every row, shape (rows, k^2)."""
    return (u[:, :, None] * u[:, None, :]).reshape(len(u), -1)


def identity_times(a: Array) -> Array:
    """[I a]: the three ways of sharing indices between I and a (k,), shape (k, k, k)."""
    return symmetric_product(np.eye(len(a)), a)


def symmetric_product(A: Array, a: Array) -> Array:
    """[A a] for a symmetric matrix A (k, k) and a vector a (k,), shape (k, k, k)."""
    product = A[:, :, None] * a
    return product + product.transpose(0, 2, 1) + product.transpose(2, 0, 1)


def symmetric_pairs(u: Array) -> Array:
    """Upper triangle of u u^T of every row, off-diagonal entries times sqrt 2.

    Shape (rows, k (k + 1) / 2); inner products are those of the matrices.
    """
    i, j = np.triu_indices(u.shape[1])
    return u[:, i] * (u[:, j] * np.where(i == j, 1.0, np.sqrt(2.0)).astype(u.dtype))


def symmetric_matrices(vectors: Array, k: int) -> Array:
    """Inverse of :func:`symmetric_pairs`: vectors (L, k (k + 1) / 2) as matrices (L, k, k)."""
    i, j = np.triu_indices(k)
    matrices = np.zeros((len(vectors), k, k))
    matrices[:, i, j] = matrices[:, j, i] = vectors / np.where(i == j, 1.0, np.sqrt(2.0))
    return matrices
