"""Rows and targets before a fit: equal rows merged, targets brought to unit scale."""

import numpy as np

# Up to this many rows equal ones are merged.
MERGED_ROWS = 500


def merge_equal_rows(X, y, weight):
    """Distinct rows in lexicographic order, with the sums of their weights.

    On few rows many optima are as good as one another, and which of them is reached hangs on
    rounding. Merged and sorted, repeated rows and their weights give the same bits, in any order.
    """
    rows, inverse, counts = np.unique(
        np.column_stack([X, y]), axis=0, return_inverse=True, return_counts=True
    )
    if weight is not None:
        counts = np.bincount(inverse.ravel(), weights=weight)
    weight = None if np.all(counts == 1) else counts.astype(X.dtype)
    return rows[:, :-1].astype(X.dtype), np.ascontiguousarray(rows[:, -1]), weight


def target_scale(y, weight, *, center):
    """Mean and standard deviation of y (0 and root mean square without an intercept)."""
    mean = np.average(y, weights=weight) if center else 0.0
    # In units of the largest entry, so that squares neither overflow nor vanish.
    largest = np.abs(y - mean).max()
    # What rounding leaves of a constant is not a scale.
    if largest <= 8 * np.finfo(float).eps * abs(mean):
        return mean, 1.0
    return mean, largest * np.sqrt(np.average(((y - mean) / largest) ** 2, weights=weight))
