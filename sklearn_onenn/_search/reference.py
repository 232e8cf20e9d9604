"""What rows say without a network: a straight line, and the nearest rows.

A fit that leaves more than these predict has missed something, which neither its loss nor its penalty
tell: a penalty that is too large for steep units leaves a constant, where larger loss and larger penalty
confirm each other.
"""

import numpy as np
from scipy.sparse import issparse
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import NearestNeighbors

from .._network.loss import SquaredLoss
from .._typing import Array

# Rows that are predicted, at most, and of these neighbours each.
MAX_ROWS, N_NEIGHBORS = 1000, 3
# Penalties of the straight line, for columns of unit scale.
RIDGES = np.logspace(-3, 4, 8)


def reference_error(problem: SquaredLoss) -> float:
    """Mean squared error of an output by the better of a straight line and the nearest rows.

    Each of (at most 1000) rows is left out in turn. It is infinite for sparse rows.
    """
    rows = problem.array_rows
    if issparse(rows.X) or problem.coordinates.rank == 0 or rows.n_rows < 3:
        return np.inf
    chosen = np.unique(np.linspace(0, rows.n_rows - 1, min(rows.n_rows, MAX_ROWS)).astype(int))
    weight = np.ones(len(chosen)) if rows.weight is None else rows.weight[chosen, 0]
    scaled = (rows.X - problem.coordinates.mean) / problem.coordinates.scale
    return min(
        error_of_neighbors(scaled, rows.y, chosen, weight),
        error_of_line(scaled[chosen], rows.y[chosen], weight),
    )


def error_of_neighbors(X: Array, y: Array, chosen: Array, weight: Array) -> float:
    """Mean squared error of the chosen rows (m,) by the mean of the nearest others of X (n, d)."""
    count = min(N_NEIGHBORS, len(X) - 1)
    near = NearestNeighbors(n_neighbors=count + 1).fit(X)
    found = near.kneighbors(X[chosen], return_distance=False)
    # A row is its own neighbour; among equal rows another one may stand in its place.
    itself = found == chosen[:, None]
    itself[~itself.any(axis=1), -1] = True
    others = found[~itself].reshape(len(chosen), count)
    squares = ((y[chosen] - y[others].mean(axis=1)) ** 2).mean(axis=1)
    return float(np.average(squares, weights=weight))


def error_of_line(X: Array, y: Array, weight: Array) -> float:
    """Mean squared error of left-out rows by ridge regression, with the best of a few penalties."""
    line = RidgeCV(alphas=RIDGES, scoring=None).fit(X, y, sample_weight=weight)
    return float(-line.best_score_)
