"""Rows in blocks, and sums over them.

All that the method needs from the data are sums over rows. A function of one block returns a
small array (or a tuple of them); :meth:`ArrayRows.sum` adds the results in the order of the
blocks. The partition into blocks depends on shape and type of the data alone, BLAS runs on one
thread inside a block, and blocks run side by side: so the bits of a sum do not depend on the number
of threads.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from threading import RLock
from typing import Any, ClassVar, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import ThreadpoolController

from .._typing import Array, RowMatrix
from .blocks import Block, rows_of_a_block

Result = TypeVar("Result")

# Blocks that a thread takes at a time: results wait for those before them, so this bounds memory.
RUN_BLOCKS = 8

# Numbers that are kept for all rows from pass to pass; more are computed again.
KEPT_ENTRIES = 2**26


@cache
def _threadpool_controller() -> ThreadpoolController:
    """The BLAS libraries of this process; found once, because the search takes milliseconds."""
    return ThreadpoolController()


class OneBlasThread:
    """One BLAS thread while this is open.

    The limit is the process's: of fits side by side in threads the first sets it, the last lifts it. An
    interrupt may keep a ``with`` from closing this; then it is closed when it is deleted.
    """

    lock = RLock()
    opened: ClassVar[set[int]] = set()
    threads_before: ClassVar[list[tuple[Any, int]]] = []

    def __enter__(self) -> int:
        """Set the limit; returns the number of threads that BLAS was allowed before."""
        cls = OneBlasThread
        with cls.lock:
            is_first = not cls.opened
            cls.opened.add(id(self))
            if is_first:
                libraries = _threadpool_controller().select(user_api="blas").lib_controllers
                cls.threads_before = [(library, library.num_threads) for library in libraries]
                for library in libraries:
                    set_blas_threads(library, 1)
            return max((n_threads for _, n_threads in cls.threads_before), default=1)

    def __exit__(self, *error: object) -> None:
        with OneBlasThread.lock:
            if OneBlasThread.opened == {id(self)}:
                self.lift()
            OneBlasThread.opened.discard(id(self))

    def __del__(self) -> None:
        self.__exit__()

    @classmethod
    def lift(cls) -> None:
        """Give BLAS the threads back that it had."""
        for library, n_threads in cls.threads_before:
            set_blas_threads(library, n_threads)

    @classmethod
    def forked(cls) -> None:
        """In the child of a fork none is open, whatever was in the parent."""
        cls.lock = RLock()
        if cls.opened:
            cls.opened.clear()
            cls.lift()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=OneBlasThread.forked)


def set_blas_threads(library: Any, n_threads: int) -> None:
    """Set the number of threads of a BLAS library, from whichever thread this is called.

    threadpoolctl 3.8 ignores limits of OpenBLAS without a word unless they come from the thread that
    set the first one, until that thread ends or gives up control. So control is taken, and given up.
    """
    give_up_control = getattr(library, "clear_controlling_thread", lambda force: None)
    give_up_control(force=True)
    library.set_num_threads(n_threads)
    give_up_control(force=True)


@contextmanager
def block_threads() -> Iterator[ThreadPoolExecutor | None]:
    """One BLAS thread inside a block, and a pool that runs blocks side by side.

    A step that is only tried may overflow, without a word: nothing that is not finite is kept.

    Yields
    ------
    executor : ThreadPoolExecutor or None
        As many threads as BLAS was allowed to use (None when that is one).
    """
    with OneBlasThread() as n_threads, np.errstate(all="ignore"):
        if n_threads == 1:
            yield None
        else:  # every thread has an error state of its own
            with ThreadPoolExecutor(n_threads, initializer=partial(np.seterr, all="ignore")) as executor:
                yield executor


class Rows(ABC):
    """Sums over rows, added in the order of their blocks.

    Subclasses hold the rows.

    Parameters
    ----------
    counter : list of one int, or None
        Rows read so far; shared by rows and samples of them. None starts at zero.

    Attributes
    ----------
    n_rows, n_features, n_outputs : int
    weight_sum : float
        Sum of the weights; the number of rows without weights. This is the n of every formula.
    dtype : dtype
        Floating type of the rows.
    """

    n_rows: int
    n_features: int
    n_outputs: int
    weight_sum: float
    dtype: np.dtype[Any]

    def __init__(self, counter: list[int] | None = None) -> None:
        self._counter = [0] if counter is None else counter

    @property
    def rows_read(self) -> int:
        """Rows read so far by all sums, here and on rows taken from these."""
        return self._counter[0]

    def count(self, n_rows: int) -> None:
        """Add rows that were read under a count of their own."""
        self._counter[0] += n_rows

    @abstractmethod
    def can_cache(self, n_entries: int) -> bool:
        """Whether functions of a block may keep so many numbers for each row until the next pass.

        They are kept by the index of the block.
        """

    @abstractmethod
    def in_memory(self) -> "ArrayRows":
        """All rows as arrays."""

    @abstractmethod
    def samples(self, sizes: Sequence[int], random_state: np.random.RandomState) -> Sequence["Rows"]:
        """Random samples of these sizes, each within the next, the first one :class:`ArrayRows`."""

    @abstractmethod
    def subsample(self, n_rows: int) -> "ArrayRows":
        """About so many of the rows as arrays, the same ones at every call.

        Where the rows themselves are not arrays, they are some of those that were last taken into
        memory; of all rows, if none were.
        """

    @abstractmethod
    def _results(self, function: Callable[[Block], Result]) -> Iterable[Result]:
        """What a function returns for the blocks, or sums of that over some of them, in block order."""

    @overload
    def sum(self, function: Callable[[Block], tuple[ArrayLike, ...]]) -> tuple[Array, ...]: ...

    @overload
    def sum(self, function: Callable[[Block], Array | np.generic | float]) -> Array: ...

    def sum(self, function: Callable[[Block], Any]) -> Array | tuple[Array, ...]:
        """Sum of ``function(block)`` over the blocks, in float64 and in block order.

        Parameters
        ----------
        function : callable
            Takes a :class:`Block`, returns an array or a tuple of arrays.

        Returns
        -------
        total : array or tuple of arrays, float64
        """
        self.count(self.n_rows)
        total: list[Array] = []
        for result in self._results(function):
            parts = result if isinstance(result, tuple) else (result,)
            if not total:
                total = [np.array(part, dtype=np.float64) for part in parts]
            else:
                for accumulated, part in zip(total, parts, strict=True):
                    accumulated += part
        return tuple(total) if isinstance(result, tuple) else total[0]

    def map(self, function: Callable[[Block], Result]) -> list[Result]:
        """Results of ``function(block)``, in block order."""
        return list(self._results(function))


class ArrayRows(Rows):
    """Rows of a data set in blocks of fixed size, with ordered sums over them.

    Parameters
    ----------
    X : array or CSR array of shape (n_rows, n_features)
        Never copied as a whole, nor made dense: blocks are views, or sparse themselves.
    y : array of shape (n_rows, n_outputs)
    sample_weight : array of shape (n_rows,) or None
    executor : ThreadPoolExecutor or None
        Runs blocks side by side; see :func:`block_threads`.

    Attributes
    ----------
    n_rows, n_features, n_outputs : int
    weight_sum : float
        Sum of the weights; the number of rows without weights. This is the n of every formula.
    """

    def __init__(
        self,
        X: RowMatrix,
        y: Array,
        sample_weight: Array | None = None,
        *,
        executor: ThreadPoolExecutor | None = None,
        counter: list[int] | None = None,
    ) -> None:
        super().__init__(counter)
        self.X, self.y = X, y
        self.weight = None if sample_weight is None else sample_weight.reshape(-1, 1)
        self.executor = executor
        self.dtype = X.dtype
        self.n_rows, self.n_features = X.shape
        self.n_outputs = y.shape[1]
        self.weight_sum = float(self.n_rows if sample_weight is None else sample_weight.sum())
        self.block_rows = rows_of_a_block(self.n_rows, self.n_features, X.dtype.itemsize)

    def can_cache(self, n_entries: int) -> bool:
        """Whether functions of a block may keep so many numbers for each row until the next pass."""
        return self.n_rows * n_entries <= KEPT_ENTRIES

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return -(-self.n_rows // self.block_rows)

    def block(self, index: int) -> Block:
        """Rows of one block."""
        rows = slice(index * self.block_rows, (index + 1) * self.block_rows)
        weight = None if self.weight is None else self.weight[rows]
        return Block(index, self.X[rows], self.y[rows], weight)

    def take(self, rows: slice | Array) -> "ArrayRows":
        """Some of the rows (slice or index array) as blocks of their own, sharing the count."""
        weight = None if self.weight is None else self.weight[rows].ravel()
        return ArrayRows(
            self.X[rows], self.y[rows], weight, executor=self.executor, counter=self._counter
        )

    def with_own_counter(self) -> "ArrayRows":
        """These rows, with a count of their own of the rows read."""
        weight = None if self.weight is None else self.weight.ravel()
        return ArrayRows(self.X, self.y, weight, executor=self.executor)

    def with_targets(self, y: Array) -> "ArrayRows":
        """These rows with other targets y (n_rows, n_outputs), such as residuals."""
        weight = None if self.weight is None else self.weight.ravel()
        return ArrayRows(self.X, y, weight, executor=self.executor, counter=self._counter)

    def with_rows(self, X: RowMatrix, y: Array) -> "ArrayRows":
        """Other rows and targets, such as projections, with the weights of these and an own count."""
        weight = None if self.weight is None else self.weight.ravel()
        return ArrayRows(X, y, weight, executor=self.executor)

    def in_memory(self) -> "ArrayRows":
        """These rows."""
        return self

    def subsample(self, n_rows: int) -> "ArrayRows":
        """About so many of the rows, evenly spread."""
        step = max(1, self.n_rows // max(n_rows, 1))
        return self if step == 1 else self.take(slice(None, None, step))

    def samples(
        self, sizes: Sequence[int], random_state: np.random.RandomState
    ) -> Sequence["ArrayRows"]:
        """Samples of these sizes, each within the next.

        The largest is a copy: a random row of each of as many stretches of equal length.
        """
        largest = self.take(stratified_rows(self.n_rows, sizes[-1], random_state))
        return [largest.subsample(size) for size in sizes]

    def _results(self, function: Callable[[Block], Result]) -> Iterator[Result]:
        """Results one after another; of each window of blocks every thread gets a run."""

        def of_run(run: Array) -> list[Result]:
            return [function(self.block(index)) for index in run]

        if self.executor is None or self.executor._max_workers == 1 or self.n_blocks == 1:
            for index in range(self.n_blocks):
                yield function(self.block(index))
            return
        n_threads = self.executor._max_workers
        window = RUN_BLOCKS * n_threads
        for begin in range(0, self.n_blocks, window):
            blocks = np.arange(begin, min(begin + window, self.n_blocks))
            for results in self.executor.map(of_run, np.array_split(blocks, n_threads)):
                yield from results


def stratified_rows(n_rows: int, n_sample: int, random_state: np.random.RandomState) -> Array:
    """Sorted numbers of ``n_sample`` of the rows, one at random from each stretch of equal length."""
    places = np.arange(n_sample) + random_state.uniform(size=n_sample)
    return (places * (n_rows / n_sample)).astype(np.int64)
