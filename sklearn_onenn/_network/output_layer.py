"""Output weights by least squares, and what each unit is worth there."""

import numpy as np
from scipy.linalg import eigh

from .._data.floating_point import TINY
from .._data.rows import Block, transposed_product, weighted
from .._typing import Array
from .loss import SquaredLoss
from .network import Network, forward

# Largest condition of normal equations whose small directions are kept.
CONDITION = 1e10


def with_fitted_outputs(problem: SquaredLoss, W: Array, b: Array) -> Network:
    """The network with the hidden layer W, b and output weights in least squares."""
    v = solve_outputs(*output_equations(problem, W, b))[0]
    return Network(W, b, v[:-1], v[-1])


def output_equations(problem: SquaredLoss, W: Array, b: Array) -> tuple[Array, Array]:
    """Normal equations of the targets on the units W, b and 1 (zeros without an intercept)."""
    k, activation = W.shape[1], problem.activation
    units = problem.to_inputs(Network(W, b, np.eye(k), np.zeros(k)))
    free = float(problem.fit_intercept)

    def sums(block: Block) -> tuple[Array, Array]:
        Phi = forward(block.X, units, activation)
        F = np.concatenate([Phi, np.full((len(Phi), 1), free, dtype=Phi.dtype)], axis=1)
        wF = weighted(F, block.weight)
        return transposed_product(wF, F), transposed_product(wF, block.y)

    gram, cross = problem.rows.sum(sums)
    return gram, cross


def solve_outputs(gram: Array, cross: Array, condition: float = CONDITION) -> tuple[Array, Array, float]:
    """Solution for every output, diagonal of the inverse, and the explained part of the squared error.

    The solution leaves out directions that the features do not determine; in the inverse they are
    large, so that a unit which others can replace is seen to be of no use.
    """
    values, vectors = eigh(gram)
    least = max(values[-1] / condition, TINY)
    inverse = 1 / np.maximum(values, least)
    solution = vectors @ (np.where(values > least, inverse, 0.0)[:, None] * (vectors.T @ cross))
    diagonal = np.einsum("ij,j,ij->i", vectors, inverse, vectors)
    return solution, diagonal, float(np.vdot(solution, cross))


def elimination_costs(v: Array, inverse: Array) -> Array:
    """Rise of the squared error without each unit, from the answer of :func:`solve_outputs`."""
    return (v[:-1] ** 2).sum(axis=1) / np.maximum(inverse[:-1], TINY)
