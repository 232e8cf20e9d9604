"""Rows on the workers of a Dask cluster.

Blocks stay where they are, and so do the samples of them on which a fit grows. Sums over the rows of a
block are done where it is; they come back by the number of the block and are added in that order. So the
bits depend neither on the number of workers nor on where the blocks are.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from .._data.blocks import Block
from .._data.rows import ArrayRows
from .._data.streams import ChunkedRows, arrays_of, as_rows
from .._data.summary import DataSummary, origin_and_unit, summary_from_sums, target_sums
from .._typing import Array, RowMatrix
from .._validation import checked_block
from .workers import ClusterBlocks

# The name under which workers hold the rows of the blocks, with scaled targets.
SCALED = "rows"

# A block on a worker: X, y, and weight or None.
BlockArrays = tuple[RowMatrix, Array, Array | None]


def cluster_summary(blocks: ClusterBlocks, estimator: BaseEstimator, *, center: bool) -> DataSummary:
    """Find on the workers what :func:`sklearn_onenn._data.streams.summarize` finds in a stream.

    Parameters
    ----------
    blocks : ClusterBlocks
    estimator : estimator
        Whose name stands in errors.
    center : bool

    Returns
    -------
    DataSummary

    Raises
    ------
    ValueError
        Naming the first bad block.
    """
    looks = blocks.map(partial(look, estimator=estimator, center=center), blocks.shapes)
    for number, found in enumerate(looks):
        if isinstance(found, ValueError):
            raise ValueError(f"Block {number}: {found}") from found
    dtype, origin, unit = looks[0]
    sums = np.zeros((4, len(unit)))
    for of_block in blocks.map(partial(target_sums_of, dtype=dtype, origin=origin, unit=unit)):
        sums = sums + of_block
    (_, n_features), sizes = blocks.shapes[0], [n_rows for n_rows, _ in blocks.shapes]
    return summary_from_sums(sizes, n_features, dtype, sums, origin, unit, center=center)


def look(
    block: tuple[Any, Any, Any], shape: tuple[int, int], *, estimator: BaseEstimator, center: bool
) -> tuple[np.dtype[Any], Array, Array] | ValueError:
    """Check a block; returns its type, and origin and unit of its targets, or what is wrong."""
    try:
        X, y, weight = checked_block(copy(estimator), *block)
    except ValueError as error:
        return error
    if X.shape != shape:
        return ValueError(
            f"X must have the shape {shape} that the Dask array says, got {X.shape}. Give the shape of "
            f"every block where the array is made, as in dask.array.from_delayed(..., shape=...)."
        )
    origin, unit = origin_and_unit(y, center=center)
    return X.dtype, origin, unit


def target_sums_of(
    block: tuple[Any, Any, Any], *, dtype: np.dtype[Any], origin: Array, unit: Array
) -> Array:
    """Sums of the targets of a block, see :func:`sklearn_onenn._data.streams.target_sums`."""
    _, y, weight = arrays_of(block, dtype)
    return target_sums(y, weight, origin, unit)


def cluster_rows(
    blocks: ClusterBlocks, found: DataSummary, executor: ThreadPoolExecutor | None
) -> "ClusterRows":
    """Rows on the workers, with targets at unit scale once for all sums."""
    blocks.make(SCALED, partial(with_scaled_targets, found=found))
    return ClusterRows(blocks, SCALED, found, executor=executor)


class ClusterRows(ChunkedRows):
    """Rows on the workers, or a sample of them there.

    Parameters
    ----------
    blocks : ClusterBlocks
    name : str
        Under which the workers hold these rows.
    found, executor, counter
        As of :class:`sklearn_onenn._data.streams.ChunkedRows`.
    """

    def __init__(
        self,
        blocks: ClusterBlocks,
        name: str,
        found: DataSummary,
        *,
        executor: ThreadPoolExecutor | None = None,
        counter: list[int] | None = None,
    ) -> None:
        super().__init__(found, executor=executor, counter=counter)
        self.blocks, self.name = blocks, name

    def __getstate__(self) -> dict[str, Any]:
        """The sizes: a function that is sent to a worker may ask for them, and has its block there."""
        sizes = "n_rows", "n_features", "n_outputs", "weight_sum", "dtype"
        return {name: getattr(self, name) for name in sizes}

    def _take(self, inside: list[Array]) -> list[ArrayRows]:
        return self.blocks.map(rows_inside, inside, of=self.name)

    def _part(self, inside: list[Array]) -> "ClusterRows":
        self.count(self.n_rows)
        name = f"sample of {self.name}"
        self.blocks.make(name, block_inside, inside, of=self.name)
        weight_sum = sum(self.blocks.map(weight_sum_of, of=name))
        found = self._found_in(inside, weight_sum)
        return ClusterRows(self.blocks, name, found, executor=self.executor, counter=self._counter)

    def _results(self, function: Callable[[Block], Any]) -> list[Any]:
        sums = self.blocks.map(partial(sum_over, function=function), of=self.name)
        return [of_block for of_block in sums if of_block is not None]


def with_scaled_targets(block: tuple[Any, Any, Any], *, found: DataSummary) -> BlockArrays:
    """A block with its targets at unit scale, once for all sums; its rows stay as they are."""
    X, y, weight = arrays_of(block, found.dtype)
    rows = found.target_scale.rows(X, y, weight, None)
    return block[0], rows.y, rows.weight


def rows_of(block: BlockArrays) -> ArrayRows:
    """A block whose targets are scaled, as rows in their type."""
    X, y, weight = block
    return ArrayRows(as_rows(X, y.dtype), y, None if weight is None else weight.ravel())


def rows_inside(block: BlockArrays, numbers: Array) -> ArrayRows:
    """The rows of a block that have these numbers in it."""
    return rows_of(block).take(numbers)


def block_inside(block: BlockArrays, numbers: Array) -> BlockArrays:
    """The rows of a block that have these numbers in it, as a block."""
    rows = rows_inside(block, numbers)
    return rows.X, rows.y, rows.weight


def weight_sum_of(block: BlockArrays) -> float:
    """The sum of the weights of the rows of a block."""
    return rows_of(block).weight_sum


def sum_over(block: BlockArrays, *, function: Callable[[Block], Any]) -> Any:
    """The sum over a block, or None where it has no rows."""
    rows = rows_of(block)
    return rows.sum(function) if rows.n_rows else None


def on_block(X: RowMatrix, *, model: Any, function: Callable[..., Any], shape: tuple[int, ...]) -> Array:
    """What a function of rows says of one block (rows, *shape), which may be empty."""
    return stacked(model._by_blocks(X, function)) if len(X) else np.empty((0, *shape), X.dtype)


def stacked(found: Array | tuple[Array, ...]) -> Array:
    """An array, or arrays of one shape along a last axis."""
    return np.stack(found, axis=-1) if isinstance(found, tuple) else found
