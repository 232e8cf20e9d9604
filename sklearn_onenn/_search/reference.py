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

# Rows that are looked at, at most.
MAX_ROWS = 2000


def reference_error(problem: SquaredLoss) -> float:
    """Mean squared error of an output by the better of a straight line and the nearest rows.

    Each of (at most 2000) rows is left out in turn. It is infinite for sparse rows.
    """
    rows = problem.array_rows
    if issparse(rows.X) or problem.coordinates.rank == 0 or rows.n_rows < 3:
        return np.inf
    chosen = np.unique(np.linspace(0, rows.n_rows - 1, min(rows.n_rows, MAX_ROWS)).astype(int))
    weight = np.ones(len(chosen)) if rows.weight is None else rows.weight[chosen, 0]
    X = (rows.X[chosen] - problem.coordinates.mean) / problem.coordinates.scale
    y = rows.y[chosen]
    return min(error_of_neighbors(X, y, weight), error_of_line(X, y, weight))


def error_of_neighbors(X: Array, y: Array, weight: Array) -> float:
    """Mean squared error of rows by the mean of the nearest others."""
    near = NearestNeighbors().fit(X)
    most = min(near.n_neighbors, len(X) - 1)
    others = near.kneighbors(n_neighbors=most, return_distance=False)  # a row is no neighbour of its own
    squares = ((y - y[others].mean(axis=1)) ** 2).mean(axis=1)
    return float(np.average(squares, weights=weight))


def error_of_line(X: Array, y: Array, weight: Array) -> float:
    """Mean squared error of left-out rows by ridge regression, with the best of a few penalties."""
    line = RidgeCV().fit(X, y, sample_weight=weight)
    return float(-line.best_score_)
