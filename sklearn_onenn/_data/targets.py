"""Rows and targets before a fit: equal rows merged, mean and scale of the targets."""

import numpy as np

from .._typing import Array, RowMatrix
from .blocks import dense
from .floating_point import EPSILON

# Up to this many rows equal ones are merged.
MERGED_ROWS = 500


def merge_equal_rows(X: RowMatrix, y: Array, weight: Array | None) -> tuple[Array, Array, Array | None]:
    """Distinct rows in lexicographic order, with the sums of their weights.

    On few rows many optima are as good as one another, and rounding decides which of them is reached.
    Repeated rows and rows with weights give the same bits once they are merged and sorted, and so does
    any order of the rows.
    """
    rows, inverse, counts = np.unique(
        np.concatenate([dense(X), y], axis=1), axis=0, return_inverse=True, return_counts=True
    )
    if weight is not None:
        counts = np.bincount(inverse.ravel(), weights=weight)
    weight = None if np.all(counts == 1) else counts.astype(X.dtype)
    X, y = rows[:, : X.shape[1]].astype(X.dtype), np.ascontiguousarray(rows[:, X.shape[1] :])
    return X, y, weight


def target_scale(y: Array, weight: Array | None, *, center: bool) -> tuple[Array, Array]:
    """Mean (m,) and standard deviation (m,) of targets (n, m).

    Without ``center`` these are zero and the root mean square.
    """
    mean = np.average(y, axis=0, weights=weight) if center else np.zeros(y.shape[1])
    # In units of the largest entry, so that squares neither overflow nor vanish.
    largest = np.abs(y - mean).max(axis=0)
    # A deviation that is rounding error of a constant is not a scale.
    constant = largest <= 8 * EPSILON * np.abs(mean)
    largest = np.where(largest > 0, largest, 1.0)
    scale = largest * np.sqrt(np.average(((y - mean) / largest) ** 2, axis=0, weights=weight))
    return mean, np.where(constant, 1.0, scale)
