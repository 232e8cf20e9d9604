"""Rows and targets before a fit: equal rows merged, targets at unit scale."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .._typing import Array, RowMatrix
from .blocks import dense
from .floating_point import EPSILON
from .rows import ArrayRows


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


def factor_of_weights(total: float, count: int) -> float:
    """Factor that brings weights with this sum up to the number of rows that have one, where it is less.

    A weight counts how often a row is there. Weights that sum to less than the rows cannot be counts: of
    w / w.sum() all rows together would count as one.
    """
    return count / total if 0 < total < count else 1.0


@dataclass(frozen=True)
class TargetScale:
    """Mean and scale by which targets are brought to mean zero and unit variance.

    Attributes
    ----------
    mean, scale : arrays of shape (n_outputs,)
        Without an intercept the mean is zero and the scale the root mean square. A target that does not
        vary beyond rounding has scale one.
    is_constant : array of shape (n_outputs,) of bool, or False for all
        Which targets do not vary beyond rounding: the fit is their mean.
    weight_factor : float
        By which weights are multiplied: see :func:`factor_of_weights`. (Of arrays they have it already.)
    """

    mean: Array
    scale: Array
    is_constant: Array | bool = False
    weight_factor: float = 1.0

    @classmethod
    def of(cls, y: Array, weight: Array | None, *, center: bool) -> "TargetScale":
        """The scale of targets (n, n_outputs)."""
        mean = np.average(y, axis=0, weights=weight) if center else np.zeros(y.shape[1])
        mean = np.where((y == y[0]).all(axis=0) & center, y[0], mean)  # a mean is rounded
        # In units of the largest entry, so that squares neither overflow nor vanish.
        largest = np.abs(y - mean).max(axis=0)
        largest = np.where(largest > 0, largest, 1.0)
        deviation = np.sqrt(np.average(((y - mean) / largest) ** 2, axis=0, weights=weight))
        return cls.from_deviation(mean, largest * deviation)

    @classmethod
    def from_deviation(cls, mean: Array, deviation: Array) -> "TargetScale":
        """The scale of targets with this mean and standard deviation, which may be rounding error."""
        is_constant = deviation <= 8 * EPSILON * np.abs(mean)
        return cls(mean, np.where(is_constant, 1.0, deviation), is_constant)

    @property
    def loss_unit(self) -> float:
        """Factor from a loss of scaled targets to one of the targets as they were given."""
        return float(np.mean(self.scale**2))

    def rows(
        self, X: RowMatrix, y: Array, weight: Array | None, executor: ThreadPoolExecutor | None
    ) -> ArrayRows:
        """Rows with their targets at mean zero and scale one, in the type of X."""
        y = np.where(self.is_constant, 0.0, (y - self.mean) / self.scale).astype(X.dtype)
        if weight is not None and self.weight_factor != 1:
            weight = (weight * self.weight_factor).astype(weight.dtype)
        return ArrayRows(X, y, weight, executor=executor)
