"""Blocks of rows that stay on the workers of a Dask cluster, and calls to them.

Every worker has one object, an actor, that holds its blocks and what was made of them. A call goes to
that object past the scheduler of tasks, takes the blocks there one after another (side by side on the
threads of the worker), and returns what it found by the number of the block. When a worker dies Dask
computes its blocks again, on the others; everything made of them is made again, and the call repeated.
"""

import ctypes
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from typing import Any, Self, TypeVar

from .._data.rows import block_threads
from .arrays import block_futures, columns_of, imported, row_blocks, wait_on_workers

T = TypeVar("T")

# The name of the blocks as they were given, each (X, y, weight or None).
GIVEN = "given"

# Times that a call is repeated because a worker died.
MAX_LOSSES = 3

# Seconds after which a call that has not returned looks whether its worker lives.
PATIENCE = 5.0

# Of malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


class ClusterBlocks:
    """Blocks of Dask arrays, persisted on the workers between ``with`` and its end.

    Parameters
    ----------
    client : distributed.Client
    X, y, sample_weight : Dask arrays or dataframes
        The weights may be None.

    Attributes
    ----------
    columns : array or dataframe
        Tells the number of columns, and their names where there are any.
    meta : array
        An array without rows of the kind that the blocks of X are.
    shapes : list of tuple
        Of the blocks of X.
    """

    # While the blocks are on the workers, for each worker: the numbers of its blocks, the future of its
    # actor, and that actor.
    numbers: list[list[int]]
    held: list[Any]
    actors: list[Any]
    # The steps by which the workers made what they hold, to be made again where one dies.
    made: list[tuple[str, str, Callable[..., Any], Sequence[Any] | None]]
    futures: list[list[Any]]

    def __init__(self, client: Any, X: Any, y: Any, sample_weight: Any = None) -> None:
        self.client, self.columns = client, columns_of(X)
        X = row_blocks(client, "X", X)
        if X.ndim != 2:
            raise ValueError(
                f"X must have 2 dimensions, got {X.ndim}. Use X.reshape(-1, 1) for one column."
            )
        y = row_blocks(client, "y", y, like=X)
        if sample_weight is not None:
            sample_weight = row_blocks(client, "sample_weight", sample_weight, like=X)
        self.meta, self.shapes = X._meta, [(n_rows, X.shape[1]) for n_rows in X.chunks[0]]
        self.collections = [X, y] if sample_weight is None else [X, y, sample_weight]

    def __enter__(self) -> Self:
        self.collections = self.client.persist(self.collections)
        self.futures = [block_futures(collection) for collection in self.collections]
        self.numbers, self.held, self.actors, self.made = [], [], [], []
        try:
            self._again_where_workers_die(lambda: None)
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is not None:
            self._halt()
        self._release()
        del self.collections
        for future in chain(*self.futures):
            future.release()

    def map(
        self, function: Callable[..., Any], arguments: Sequence[Any] | None = None, *, of: str = GIVEN
    ) -> list[Any]:
        """Results of ``function(block)`` or ``function(block, argument)``, in the order of the blocks.

        Parameters
        ----------
        function : callable
            Takes a block. It travels to the workers with all that it refers to.
        arguments : list or None
            One for every block.
        of : str
            The name of the blocks.
        """
        return self._again_where_workers_die(lambda: self._call("results", of, function, arguments))

    def make(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: Sequence[Any] | None = None,
        *,
        of: str = GIVEN,
    ) -> None:
        """Let the workers hold, under a name, the results of a :meth:`map`."""
        step = name, of, function, arguments
        self._again_where_workers_die(lambda: self._call("make", *step))
        self.made.append(step)

    def _again_where_workers_die(self, attempt: Callable[[], T]) -> T:
        """What an attempt returns, repeated on the workers that are left when one was lost."""
        for _ in range(MAX_LOSSES + 1):
            try:
                if not self.held:
                    self._hold()
                return attempt()
            except LostWorker as error:
                cause = error.__cause__
                self._release()
        raise RuntimeError(
            f"Workers died {MAX_LOSSES + 1} times in the same pass over the blocks; their logs may tell "
            f"why. Give them more memory, or take smaller blocks."
        ) from cause

    def _hold(self) -> None:
        """Let every worker hold the blocks that it has, and make of them what was made before."""
        numbers_at, n_threads = self._located(), self.client.nthreads()
        for worker, numbers in numbers_at.items():
            columns = [[of_one[number] for number in numbers] for of_one in self.futures]
            self.numbers.append(numbers)
            self.held.append(
                self.client.submit(
                    HeldBlocks, n_threads.get(worker, 1), *columns,
                    workers=worker, allow_other_workers=True, actor=True, pure=False,
                )
            )  # fmt: skip
        try:
            with self.client.as_current():  # to which the actors then belong
                self.actors = self.client.gather(self.held)
        except Exception as error:
            raise LostWorker from error
        for step in self.made:
            self._call("make", *step)

    def _located(self) -> dict[str, list[int]]:
        """By worker the numbers of the blocks that it is to hold, once all are there."""
        blocks = list(chain(*self.futures))
        while True:
            wait_on_workers(self.client, blocks)
            for future in blocks:
                if future.status == "error":
                    future.result()  # raises what went wrong
            located = self.client.who_has(self.futures[0])
            if all(located.get(future.key) for future in self.futures[0]):
                break
            time.sleep(0.1)  # those of a worker that died a moment ago
        numbers_at: dict[str, list[int]] = {}
        n_rows: dict[str, int] = {}
        for number, future in enumerate(self.futures[0]):
            worker = min(located[future.key], key=lambda worker: (n_rows.get(worker, 0), worker))
            n_rows[worker] = n_rows.get(worker, 0) + self.shapes[number][0]
            numbers_at.setdefault(worker, []).append(number)
        return numbers_at

    def _call(self, method: str, *step: Any) -> list[Any]:
        """Results of a method of all actors, in the order of the blocks.

        Raises
        ------
        LostWorker
            Where one of them is gone.
        """
        *names, function, arguments = step
        pickle = imported("cloudpickle")
        function, calls = pickle.dumps(function), []
        results: dict[int, Any] = {}
        try:
            for actor, numbers in zip(self.actors, self.numbers, strict=True):
                own = None if arguments is None else [(arguments[number],) for number in numbers]
                calls.append(getattr(actor, method)(*names, function, own))
            answers = [self._answer(call) for call in calls]
        except Exception as error:
            raise LostWorker from error
        for numbers, answer in zip(self.numbers, answers, strict=True):
            of_blocks, failure = pickle.loads(answer)
            if failure is not None:
                raise failure
            results.update(zip(numbers, of_blocks, strict=True))
        return [results[number] for number in range(len(self.shapes))]

    def _answer(self, call: Any) -> Any:
        """The answer of an actor, unless a worker that holds blocks is gone."""
        while True:
            try:
                return call.result(timeout=PATIENCE)
            except imported("distributed").TimeoutError:
                if any(future.status != "finished" for future in self.held):
                    raise

    def _halt(self) -> None:
        """End what still runs on the workers, after the block that each is at."""
        with suppress(Exception):  # whatever went wrong before is the error that counts
            for call in [actor.halt(separate_thread=False) for actor in self.actors]:
                call.result(timeout=PATIENCE)

    def _release(self) -> None:
        """Let the workers forget what was made of the blocks."""
        if self.held:
            # Releasing the futures would not do: an actor has one of its own, a traceback the actor.
            self.client.cancel(self.held)
        self.numbers, self.held, self.actors = [], [], []


class LostWorker(Exception):
    """A worker that held blocks is gone."""


class HeldBlocks:
    """Blocks in the memory of a worker, and what was made of them: an actor.

    Parameters
    ----------
    n_threads : int
        Blocks are taken side by side on so many threads.
    *columns : lists
        Rows, targets and, where there are any, weights of the blocks.
    """

    def __init__(self, n_threads: int, *columns: Sequence[Any]) -> None:
        given = [(*block, *[None] * (3 - len(block))) for block in zip(*columns, strict=True)]
        self.blocks: dict[str, list[Any]] = {GIVEN: given}
        self.n_threads, self.halted = n_threads, False
        keep_freed_memory()

    def results(self, name: str, function: bytes, arguments: Sequence[tuple[Any, ...]] | None) -> bytes:
        """Pickled: results of a pickled function of every block, and None; or None and the error."""
        return answered(lambda: self._results(name, function, arguments))

    def make(
        self, name: str, of: str, function: bytes, arguments: Sequence[tuple[Any, ...]] | None
    ) -> bytes:
        """Hold the results under a name; the answer has none of them."""

        def made() -> list[None]:
            self.blocks[name] = self._results(of, function, arguments)
            return [None] * len(self.blocks[name])

        return answered(made)

    def halt(self) -> None:
        """Take no further block."""
        self.halted = True

    def _results(
        self, name: str, function: bytes, arguments: Sequence[tuple[Any, ...]] | None
    ) -> list[Any]:
        """Results of a pickled function of every block, on the threads of the worker."""
        loaded, blocks = imported("cloudpickle").loads(function), self.blocks[name]

        def of_block(block: Any, argument: tuple[Any, ...]) -> Any:
            if self.halted:
                raise InterruptedError
            return loaded(block, *argument)

        arguments = [()] * len(blocks) if arguments is None else arguments
        with block_threads():  # one BLAS thread each
            if self.n_threads == 1:
                return list(map(of_block, blocks, arguments))
            with ThreadPoolExecutor(self.n_threads) as executor:
                return list(executor.map(of_block, blocks, arguments))


def keep_freed_memory() -> None:
    """Let malloc keep what one block frees for the next, where it is that of glibc.

    Dask tells workers to give memory back at once. Then every block costs a fault for every page of its
    temporary arrays, and two workers on two cores take a fifth longer. What is kept is 64 MiB at most.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, 2**22)
        mallopt(M_TRIM_THRESHOLD, 2**26)


def answered(function: Callable[[], Any]) -> bytes:
    """Pickled result and None, or None and the error, to tell it from one of the cluster.

    Dask would take the arrays one by one, which costs more than many a sum.
    """
    answer: tuple[Any, Exception | None]
    try:
        answer = function(), None
    except Exception as error:
        answer = None, error
    pickled: bytes = imported("cloudpickle").dumps(answer)
    return pickled
