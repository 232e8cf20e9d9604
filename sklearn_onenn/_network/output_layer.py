"""Output weights by least squares, and what each unit is worth there."""

import numpy as np
from scipy.linalg import eigh

from .._data.blocks import Block, transposed_product, weighted
from .._data.floating_point import TINY
from .._typing import Array
from .loss import SquaredLoss
from .network import Network, forward

# Directions whose eigenvalue in normal equations is smaller than the largest by more than this factor
# are left out.
CONDITION = 1e10


def with_fitted_outputs(problem: SquaredLoss, W: Array, b: Array) -> Network:
    """The network with the hidden layer W, b and the output weights that fit best."""
    v = solve_outputs(*output_equations(problem, W, b))[0]
    return Network(W, b, v[:-1], v[-1])


def output_equations(problem: SquaredLoss, W: Array, b: Array) -> tuple[Array, Array]:
    """Normal equations (k + 1, k + 1) and (k + 1, m) of the targets on the units W, b and a constant.

    The constant is 1, and 0 without an intercept.
    """
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
    """Solve normal equations; directions that the features do not determine are left out.

    Returns
    -------
    solution : array of shape (k + 1, m)
    diagonal : array of shape (k + 1,)
        Of the inverse, in which the directions left out are large: so a unit that others can replace is
        seen to be of no use.
    explained : float
        By how much the solution lowers the sum of squares, over all outputs.
    """
    values, vectors = eigh(gram)
    least = max(values[-1] / condition, TINY)
    inverse = 1 / np.maximum(values, least)
    solution = vectors @ (np.where(values > least, inverse, 0.0)[:, None] * (vectors.T @ cross))
    diagonal = np.einsum("ij,j,ij->i", vectors, inverse, vectors)
    return solution, diagonal, float(np.vdot(solution, cross))


def elimination_costs(v: Array, inverse: Array) -> Array:
    """Rise of the sum of squares without each unit (k,), from the answer of :func:`solve_outputs`."""
    return (v[:-1] ** 2).sum(axis=1) / np.maximum(inverse[:-1], TINY)
