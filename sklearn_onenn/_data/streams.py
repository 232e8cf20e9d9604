"""Rows that do not fit into memory: a source of blocks that is read again at every pass."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import issparse, vstack

from .._typing import Array, RowMatrix
from .blocks import Block
from .rows import ArrayRows, Rows, stratified_rows
from .summary import DataSummary, are_the_same, checksums


class RowBlocks:
    """Rows from a source that can be read again and again, such as files.

    To read from elsewhere, an HDF5 file or a database, pass a function that opens the source anew at
    every call and yields the same blocks in the same order (from a database: a new cursor, over a query
    with ORDER BY): no class is needed. ``certificate``, ``polish=False`` and ``loss="student_t"`` want
    arrays.

    Parameters
    ----------
    factory : callable
        Takes nothing, returns an iterable of blocks ``(X, y)`` or ``(X, y, sample_weight)``, the same
        ones in the same order at every call. A block holds some 10 000 to 1 000 000 rows: one at a time
        is in memory.

    Examples
    --------
    Two files of rows, as ``numpy.save`` writes them; only the block that is read is in memory:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sklearn_onenn import OneHiddenLayerRegressor, RowBlocks
    >>> from sklearn_onenn.datasets import make_one_hidden_layer
    >>> folder = Path(tempfile.mkdtemp())
    >>> X, y, teacher = make_one_hidden_layer(2000, 4, 2, random_state=0)
    >>> for part in range(2):
    ...     np.save(folder / f"X{part}.npy", X[part::2])
    ...     np.save(folder / f"y{part}.npy", y[part::2])
    >>> def blocks():
    ...     for part in range(2):
    ...         yield np.load(folder / f"X{part}.npy"), np.load(folder / f"y{part}.npy")
    >>> model = OneHiddenLayerRegressor(k=2, activation="relu", random_state=0).fit(RowBlocks(blocks))
    >>> bool(model.score(X, y) > 0.999999)
    True
    """

    def __init__(self, factory: Callable[[], Iterable[Any]]) -> None:
        if not callable(factory):
            raise TypeError(
                f"factory must be a callable that returns an iterable of (X, y) blocks, got "
                f"{factory!r}. For a list of blocks pass lambda: blocks."
            )
        self.factory = factory

    def __iter__(self) -> Iterator[tuple[Any, Any, Any]]:
        """The blocks (X, y, sample_weight or None) of one pass, as they come."""
        for index, block in enumerate(self.factory()):
            if not isinstance(block, tuple | list) or len(block) not in (2, 3):
                raise ValueError(
                    f"Block {index} must be a tuple (X, y) or (X, y, sample_weight), got {type(block)}."
                )
            X, y, *weight = block
            yield X, y, weight[0] if weight else None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        """Refuse to be an array, as which all but the estimator of this package would read it."""
        raise TypeError(
            "X must be an array here, got RowBlocks, which OneHiddenLayerRegressor alone reads, without "
            "steps before it in a pipeline and without splits. Transform rows where factory makes them, "
            "by a transformer fitted with partial_fit; for a search over parameters or cross-validation "
            "take a sample of the rows in memory."
        )


def arrays_of(block: tuple[Any, Any, Any], dtype: DTypeLike) -> tuple[RowMatrix, Array, Array | None]:
    """A block as arrays: X of this type, y as float64 of shape (m, n_outputs), weight (m,) or None."""
    X, y, weight = block
    y = np.asarray(y, dtype=np.float64)
    weight = None if weight is None else np.asarray(weight, dtype=dtype).ravel()
    return as_rows(X, dtype), y[:, None] if y.ndim == 1 else y, weight


def as_rows(X: RowMatrix, dtype: DTypeLike) -> RowMatrix:
    """Rows as a C-contiguous or CSR array of this type; a copy only if they are not one already."""
    return X.tocsr().astype(dtype, copy=False) if issparse(X) else np.ascontiguousarray(X, dtype=dtype)


class ChunkedRows(Rows):
    """Rows of which a summary is known, in parts that are not joined.

    The sum over a part is that of :class:`ArrayRows`; these are added in their order.

    Parameters
    ----------
    found : DataSummary
        Its blocks are the parts; targets are brought to mean zero and scale one by it.
    executor : ThreadPoolExecutor or None
    counter : list of one int, or None
        Of the rows that this is a sample of.
    """

    def __init__(
        self,
        found: DataSummary,
        *,
        executor: ThreadPoolExecutor | None = None,
        counter: list[int] | None = None,
    ) -> None:
        super().__init__(counter)
        self.found, self.executor = found, executor
        self.n_rows, self.weight_sum = sum(found.block_rows), found.weight_sum
        self.n_features, self.n_outputs, self.dtype = found.n_features, found.n_outputs, found.dtype
        self._some: ArrayRows | None = None

    @abstractmethod
    def _take(self, inside: list[Array]) -> list[ArrayRows]:
        """Of every part the rows with these numbers inside it."""

    def can_cache(self, n_entries: int) -> bool:
        """Nothing is kept between passes."""
        return False

    def subsample(self, n_rows: int) -> ArrayRows:
        """About so many of the rows that were last taken into memory: of all rows, if none were."""
        some = self.in_memory() if self._some is None else self._some
        return some.subsample(n_rows)

    def in_memory(self) -> ArrayRows:
        """All rows as arrays."""
        self._some = self._joined(self._inside(np.arange(self.n_rows)))
        return self._some

    def samples(self, sizes: Sequence[int], random_state: np.random.RandomState) -> Sequence[Rows]:
        """Samples of these sizes, each within the next; the first one in memory, the others in parts."""
        chosen = stratified_rows(self.n_rows, sizes[-1], random_state)
        samples: list[ChunkedRows] = [self]
        for smaller in reversed(sizes[:-1]):
            samples.insert(0, samples[0]._part(samples[0]._inside(chosen)))
            chosen = np.arange(0, samples[0].n_rows, samples[0].n_rows // smaller)
        first = samples[0]._joined(samples[0]._inside(chosen))
        for rows in samples:
            rows._some = first
        return [first, *samples[:-1]]

    def _inside(self, chosen: Array) -> list[Array]:
        """Sorted numbers of rows as a list of numbers inside each part."""
        ends = np.cumsum(self.found.block_rows)
        inside = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
        return [rows - begin for rows, begin in zip(inside, [0, *ends[:-1]], strict=True)]

    def _joined(self, inside: list[Array]) -> ArrayRows:
        """Those rows of the parts that have these numbers inside them, as arrays."""
        self.count(self.n_rows)
        return joined(self._take(inside), self.executor, self._counter)

    def _part(self, inside: list[Array]) -> "ChunkedRows":
        """Those rows of the parts that have these numbers inside them, in parts."""
        self.count(self.n_rows)
        parts = self._take(inside)
        found = self._found_in(inside, sum(part.weight_sum for part in parts))
        return ArrayParts(parts, found, executor=self.executor, counter=self._counter)

    def _found_in(self, inside: list[Array], weight_sum: float) -> DataSummary:
        """The summary of a sample, which has these rows of every part."""
        return replace(self.found, block_rows=tuple(map(len, inside)), weight_sum=weight_sum)


class StreamRows(ChunkedRows):
    """Rows of a source, read again at every sum; a block of the source is in memory at a time.

    Parameters
    ----------
    source : RowBlocks
    found, executor
        See :class:`ChunkedRows`.
    """

    def __init__(
        self,
        source: Iterable[tuple[Any, Any, Any]],
        found: DataSummary,
        *,
        executor: ThreadPoolExecutor | None = None,
    ) -> None:
        super().__init__(found, executor=executor)
        self.source = source

    def _take(self, inside: list[Array]) -> list[ArrayRows]:
        return [block.take(rows) for block, rows in zip(self._blocks(), inside, strict=True)]

    def _results(self, function: Callable[[Block], Any]) -> Iterator[Any]:
        for block in self._blocks():
            yield block.sum(function)

    def _blocks(self) -> Iterator[ArrayRows]:
        """The blocks of one pass; they must be those of the summary."""
        found, n_blocks = self.found, 0
        for index, block in enumerate(self.source):
            arrays = arrays_of(block, found.dtype)
            n_blocks += 1
            expected = found.block_rows[index : index + 1]
            shape = *arrays[0].shape, arrays[1].shape[1]
            if (*expected, found.n_features, found.n_outputs) != shape:
                break
            if not are_the_same(checksums(*arrays), found.checks[index], found.dtype):
                break
            yield found.target_scale.rows(*arrays, self.executor)
        else:
            if n_blocks == len(found.block_rows):
                return
        raise ValueError(
            f"factory() must yield the same blocks at every call, got {len(found.block_rows)} at first "
            f"and a difference at block {max(n_blocks - 1, 0)} later. It must return a new iterator "
            f"each time; a generator that is used up yields once only."
        )


class ArrayParts(ChunkedRows):
    """A sample in parts that are in memory.

    Parameters
    ----------
    parts : list of ArrayRows
        Some may have no rows.
    found, executor, counter
        See :class:`ChunkedRows`.
    """

    def __init__(
        self,
        parts: list[ArrayRows],
        found: DataSummary,
        *,
        executor: ThreadPoolExecutor | None = None,
        counter: list[int] | None = None,
    ) -> None:
        super().__init__(found, executor=executor, counter=counter)
        self.parts = parts

    def _take(self, inside: list[Array]) -> list[ArrayRows]:
        return [part.take(rows) for part, rows in zip(self.parts, inside, strict=True)]

    def _results(self, function: Callable[[Block], Any]) -> list[Any]:
        return [part.sum(function) for part in self.parts if part.n_rows]


def joined(parts: list[ArrayRows], executor: ThreadPoolExecutor | None, counter: list[int]) -> ArrayRows:
    """The rows of several parts in one array."""
    blocks = [part.X for part in parts]
    X: RowMatrix = vstack(blocks, format="csr") if issparse(blocks[0]) else np.concatenate(blocks)
    y = np.concatenate([part.y for part in parts])
    weights = [part.weight for part in parts]
    if all(weight is None for weight in weights):
        weight = None
    else:
        weight = np.concatenate([
            np.ones(part.n_rows, X.dtype) if weight is None else weight.ravel()
            for part, weight in zip(parts, weights, strict=True)
        ])  # fmt: skip
    return ArrayRows(X, y, weight, executor=executor, counter=counter)
