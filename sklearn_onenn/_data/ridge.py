"""Ridge regression on the principal components of the rows, its penalty by leaving each row out."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from .._typing import Array
from .blocks import weighted
from .floating_point import EPSILON
from .rows import ArrayRows

# Penalties that are tried, as shares of the largest eigenvalue.
PENALTIES = np.logspace(-9, 3, 25)

# Eigenvalues below this share of the largest say nothing.
SMALLEST = 1e-12


@dataclass(frozen=True)
class Ridge:
    """A line, and what it leaves.

    Attributes
    ----------
    error : float
        Mean squared error of the rows, each left out in turn: the sum over the outputs.
    left_out : array of shape (n, m)
        Errors y - f(x), each row left out of the line.
    solution : array of shape (n, m)
        S, by which the line has the weights C^T S on the columns of C: see :func:`ridge`.
    intercept : array of shape (m,)
        Of the columns about their mean.
    penalty : float
    """

    error: float
    left_out: Array
    solution: Array
    intercept: Array
    penalty: float


def root_shares(rows: ArrayRows) -> Array:
    """Roots (n, 1) of the shares of the rows in the weights."""
    share = weighted(np.full((rows.n_rows, 1), 1 / rows.weight_sum), rows.weight)
    root: Array = np.sqrt(share)
    return root


def left_vectors(C: Array) -> tuple[Array, Array]:
    """Eigenvalues (r,) and eigenvectors (n, r) of C C^T, for C (n, c), without those that vanish."""
    n, c = C.shape
    values, vectors = eigh(C @ C.T if n <= c else C.T @ C)
    keep = values > SMALLEST * max(values[-1], 0.0)
    values, vectors = values[keep], vectors[:, keep]
    return values, vectors if n <= c else C @ vectors / np.sqrt(values)


def ridge(rows: ArrayRows, eigenvalues: Array, U: Array, *, center: bool) -> Ridge:
    """The line with the penalty that predicts best where each row is left out in turn.

    Parameters
    ----------
    rows : ArrayRows
    eigenvalues, U : arrays of shapes (r,) and (n, r)
        Of C C^T, with C the rows about their mean, each times the root of its share.
    center : bool
        Whether the line has an intercept.
    """
    root = root_shares(rows)
    mean = root.T @ (root * rows.y) if center else np.zeros((1, rows.n_outputs))
    y = root * (rows.y - mean)
    along, own = U.T @ y, root**2 if center else 0.0
    best = Ridge(np.inf, rows.y - mean, np.zeros_like(y), mean[0], np.inf)
    for penalty in PENALTIES * eigenvalues.max(initial=0.0):
        kept = eigenvalues / (eigenvalues + penalty)
        left = np.maximum(1 - (U**2 @ kept)[:, None] - own, EPSILON)
        errors = (y - U @ (kept[:, None] * along)) / left
        error = float((errors**2).sum())
        if error < best.error:
            left_out = errors / np.where(root > 0, root, 1.0)
            solution = U @ (along / (eigenvalues + penalty)[:, None])
            best = Ridge(error, left_out, solution, mean[0], float(penalty))
    return best
