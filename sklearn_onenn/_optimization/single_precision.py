"""Rows in single precision, for steps that look for no exact fit: half the bytes, less time."""

import numpy as np
from scipy.sparse import issparse

from .._data.rows import ArrayRows
from .._network.loss import SquaredLoss

# Bytes of rows from which a copy pays (of three tables with more, fits of 100 units took .58, .72 and 1
# of their time; of three with fewer none was surely faster), and those that it may take.
LEAST_BYTES, COPY_BYTES = 2**16, 2**27

# Steps to a smaller tolerance would end in the rounding of sums, and those to a smaller loss in that of
# predictions.
SINGLE_TOL, SINGLE_LOSS = 1e-5, 1e-5


def in_single_precision(problem: SquaredLoss, tol: float, loss: float = np.inf) -> SquaredLoss:
    """The loss on a copy of the rows in single precision, its columns centred and at unit scale.

    Networks have the coordinates that they had. So no entry is larger than the root of the number of
    rows, unless the caller wants rows as they are; where one is, digits would be lost. Such rows, sparse
    ones, few, many, and those of single precision are not copied.

    Parameters
    ----------
    problem : SquaredLoss
        On rows in memory.
    tol : float
        Share of the loss by which the last step lowers it.
    loss : float
        Data loss of scaled targets that the steps are near, if that is known.

    Returns
    -------
    SquaredLoss
        The problem itself where rows are not copied.
    """
    rows, coordinates, dtype = problem.array_rows, problem.coordinates, np.float32
    if issparse(rows.X) or rows.dtype == dtype or tol < SINGLE_TOL or loss < SINGLE_LOSS:
        return problem
    if not LEAST_BYTES <= rows.X.nbytes <= 2 * COPY_BYTES:
        return problem
    mean, scale = coordinates.mean, coordinates.scale
    X = np.concatenate(rows.map(lambda block: ((block.X - mean) / scale).astype(dtype)))
    if not np.abs(X).max(initial=0.0) <= np.sqrt(rows.n_rows):
        return problem
    weight = None if rows.weight is None else rows.weight.ravel().astype(dtype)
    single = ArrayRows(X, rows.y.astype(dtype), weight, executor=rows.executor, counter=rows._counter)
    return SquaredLoss(
        single, problem.activation, coordinates.of_standardized(),
        fit_intercept=problem.fit_intercept, alpha=problem.alpha,
    )  # fmt: skip
