"""What one pass over blocks of rows finds: their sizes, the scale of the targets, and checksums."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import issparse

from .._typing import Array, RowMatrix
from .targets import TargetScale, factor_of_weights


@dataclass(frozen=True)
class DataSummary:
    """What one pass over a source found.

    Attributes
    ----------
    block_rows : tuple of int
        Rows of each block.
    n_features, n_outputs : int
    dtype : dtype
        Floating type of the first block.
    weight_sum : float
    target_scale : TargetScale
    checks : tuple of arrays
        By which the blocks of a source are known again: see :func:`checksums`.
    """

    block_rows: tuple[int, ...]
    n_features: int
    n_outputs: int
    dtype: np.dtype[Any]
    weight_sum: float
    target_scale: TargetScale
    checks: tuple[Array, ...] = ()


def summarize(blocks: Iterable[tuple[RowMatrix, Array, Array | None]], *, center: bool) -> DataSummary:
    """Sizes, and mean and scale of the targets, in one pass over checked blocks.

    Parameters
    ----------
    blocks : iterable of (X, y, weight)
        Arrays (m, d) or CSR, (m, n_outputs), (m,) or None.
    center : bool
        False takes the mean of the targets as zero.

    Returns
    -------
    DataSummary
    """
    sizes: list[int] = []
    checks: list[Array] = []
    for X, y, weight in blocks:
        if not sizes:
            n_features, dtype = X.shape[1], X.dtype
            origin, unit = origin_and_unit(y, center=center)
            sums = np.zeros((4, y.shape[1]))
        sizes.append(X.shape[0])
        checks.append(checksums(X, y, weight))
        sums = sums + target_sums(y, weight, origin, unit)
    if not sizes:
        raise ValueError("factory() must yield at least one (X, y) block, got none.")
    found = summary_from_sums(sizes, n_features, dtype, sums, origin, unit, center=center)
    return replace(found, checks=tuple(checks))


def checksums(X: RowMatrix, y: Array, weight: Array | None) -> Array:
    """Sums over the rows of a block, in units of their sizes, that change where its numbers do.

    Those of x x', of y y', of the weights, and of each x_j (y_1 + y_2 + ...).
    """
    entries, totals = (X.data if issparse(X) else X).ravel("K"), y.sum(axis=1)
    squares = float(entries @ entries), float(y.ravel() @ y.ravel())
    size = np.sqrt(squares[0]) * np.sqrt(float(totals @ totals)) or 1.0
    weights = float(len(y) if weight is None else np.sum(weight, dtype=np.float64))
    return np.array([*squares, weights, *(X.T @ totals.astype(X.dtype) / size)])


def are_the_same(some: Array, others: Array, dtype: DTypeLike) -> bool:
    """Whether checksums agree but for rounding."""
    tol = np.sqrt(np.finfo(dtype).eps)
    sums, products = np.split(some - others, [3])
    return bool((np.abs(sums) <= tol * others[:3]).all() and (np.abs(products) <= tol).all())


def origin_and_unit(y: Array, *, center: bool) -> tuple[Array, Array]:
    """Mean (n_outputs,) of the targets of the first block, and the largest deviation from it.

    Targets of all blocks are summed as differences from this mean, in units of this deviation, so that
    neither an offset nor a scale costs digits.
    """
    origin = y.mean(axis=0) if center else np.zeros(y.shape[1])
    unit = np.abs(y - origin).max(axis=0)
    unit[unit == 0] = 1.0
    return origin, unit


def target_sums(y: Array, weight: Array | None, origin: Array, unit: Array) -> Array:
    """Sums (4, n_outputs): of weights, of t and t^2 by them, t = (y - origin) / unit; and of rows."""
    t = (y - origin) / unit
    weight = np.ones(len(t)) if weight is None else np.asarray(weight, dtype=np.float64)
    one = np.ones(t.shape[1])
    return np.array([weight.sum() * one, weight @ t, weight @ t**2, np.count_nonzero(weight) * one])


def summary_from_sums(
    sizes: Sequence[int],
    n_features: int,
    dtype: np.dtype[Any],
    sums: Array,
    origin: Array,
    unit: Array,
    *,
    center: bool,
) -> DataSummary:
    """The summary of rows whose sums of :func:`target_sums` over all blocks are ``sums``."""
    weight_sum = float(sums[0, 0])
    if not weight_sum > 0:
        raise ValueError("sample_weight must have a positive entry, all are zero.")
    first, second = sums[1:3] / weight_sum
    factor = factor_of_weights(weight_sum, int(sums[3, 0]))
    mean = origin + unit * first
    deviation = unit * np.sqrt(np.maximum(second - (first**2 if center else 0.0), 0.0))
    scale = TargetScale.from_deviation(mean if center else np.zeros_like(mean), deviation)
    scale = replace(scale, weight_factor=factor)
    return DataSummary(tuple(sizes), n_features, len(unit), dtype, factor * weight_sum, scale)
