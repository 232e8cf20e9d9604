"""A block of rows: how many rows it has, and sums over them.

A sum over a block is a product of matrices, or of a matrix and weights. The functions here are written
for speed with the shapes that blocks have.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse

from .._typing import Array, RowMatrix


@dataclass(frozen=True)
class Block:
    """Some of the rows, one after another in the data.

    Attributes
    ----------
    index : int
        Number of the block.
    X : array or CSR array of shape (m, d)
    y : array of shape (m, n_outputs)
    weight : array of shape (m, 1) or None
    """

    index: int
    X: RowMatrix
    y: Array
    weight: Array | None


# Bytes of X in a block, and bounds on its rows. With smaller blocks threads wait for one another
# between calls to NumPy; larger ones, or their products, do not stay in the caches of a core.
BLOCK_BYTES = 2**21

MIN_BLOCK_ROWS, MAX_BLOCK_ROWS = 512, 2**14

# The number of blocks is a multiple of this.
SHARES = 4


def rows_of_a_block(n_rows: int, n_features: int, itemsize: int) -> int:
    """Number of rows of a block, such that blocks are equal and can be shared out evenly to threads."""
    most = BLOCK_BYTES // (max(n_features, 1) * itemsize)
    most = min(max(most, MIN_BLOCK_ROWS), MAX_BLOCK_ROWS)
    if n_rows <= most:
        return most
    n_shares = -(-n_rows // (SHARES * most))
    return max(-(-n_rows // (SHARES * n_shares)), MIN_BLOCK_ROWS)


def weighted(array: Array, weight: Array | None) -> Array:
    """``array`` (m, j) with its rows multiplied by ``weight`` (m, 1), or as it is without a weight."""
    return array if weight is None else array * weight


def by_columns(X: RowMatrix, W: Array) -> Array:
    """X W (m, k) for X (m, d) and W (d, k), stored one column after another.

    Callers add a number to every column, or sum it: with few columns that is several times faster when
    a column is contiguous.
    """
    return np.asfortranarray((W.T @ X.T).T)  # a copy for sparse rows alone


def transposed_product(A: RowMatrix, B: RowMatrix) -> Array:
    """A^T B (j, k) for A (m, j) and B (m, k): a sum over the rows of a block.

    NumPy's ``A.T @ B`` keeps other threads waiting where the result has fewer than 500 numbers.
    """
    return A.T @ B if issparse(A) or issparse(B) else np.dot(A.T, B)


def dense(X: RowMatrix) -> Array:
    """The rows of a block as a dense array."""
    return X.toarray() if issparse(X) else X
