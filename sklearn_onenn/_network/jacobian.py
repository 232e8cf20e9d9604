"""Derivatives of the predictions by the free weights, as matrices: for models of moderate size."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike

from .._data.blocks import Block, transposed_product, weighted
from .._typing import Array
from .loss import SquaredLoss
from .network import Network, linearize
from .symmetries import TangentBasis

# Number of derivatives that are in memory at a time.
CHUNK_ENTRIES = 2**22


def chunks(block: Block, size: int) -> Iterator[Block]:
    """Parts of a block whose derivatives by ``size`` weights fit into memory."""
    n_rows = block.y.shape[0]
    step = max(1, CHUNK_ENTRIES // max(size, 1))
    for begin in range(0, n_rows, step):
        rows = slice(begin, begin + step)
        weight = None if block.weight is None else block.weight[rows]
        yield Block(block.index, block.X[rows], block.y[rows], weight)


def jacobian(
    block: Block,
    problem: SquaredLoss,
    input_weights: Network,
    free: TangentBasis,
    *,
    dtype: DTypeLike = np.float64,
) -> tuple[Array, Array]:
    """Derivative of every output by the free weights, and the residual F(x) - y.

    Parameters
    ----------
    block : Block
    problem : SquaredLoss
    input_weights : Network
        In the coordinates of the rows.
    free : TangentBasis
        Of the network in the coordinates of the problem.
    dtype : dtype
        Of the derivatives.

    Returns
    -------
    J : array of shape (n_outputs, rows, free.size)
    R : array of shape (rows, n_outputs)
    """
    linearization = linearize(block, input_weights, problem.activation)
    z = problem.coordinates.whiten(block.X)
    (n, k), m = linearization.Phi.shape, linearization.R.shape[1]
    J = np.zeros((m, n, free.size), dtype)
    z = z.astype(dtype, copy=False)
    W_end = z.shape[1] * k
    V_start = W_end + (k if free.fit_intercept else 0)
    V_end = V_start + k * free.basis.shape[2]
    for output, Q in enumerate(J):
        slopes = (linearization.D * input_weights.V[:, output]).astype(dtype, copy=False)
        np.multiply(z[:, :, None], slopes[:, None, :], out=Q[:, :W_end].reshape(n, z.shape[1], k))
        Q[:, V_start:V_end] = (linearization.Phi[:, :, None] * free.basis[:, output]).reshape(n, -1)
        if free.fit_intercept:
            Q[:, W_end:V_start] = slopes
            Q[:, V_end + output] = 1.0
    return J, linearization.R


def gauss_newton_matrix(problem: SquaredLoss, network: Network, free: TangentBasis) -> Array:
    """J^T J / n (free.size, free.size), J the derivative by the free weights; without the penalty."""
    input_weights = problem.to_inputs(network)

    def sums(block: Block) -> Array:
        total = np.zeros((free.size, free.size))
        for chunk in chunks(block, free.size * network.V.shape[1]):
            for Q in jacobian(chunk, problem, input_weights, free)[0]:
                total = total + transposed_product(Q, weighted(Q, chunk.weight))
        return total

    return problem.rows.sum(sums) / problem.rows.weight_sum
