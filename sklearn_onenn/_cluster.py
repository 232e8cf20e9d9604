"""Rows on the workers of a Dask cluster.

Blocks stay where they are, held together for each thread of a worker. A sum goes to the workers as one
task for each of these, which takes the blocks there one after another; results come back by the number
of the block and are added in that order. So the bits depend neither on the number of workers nor on
where the blocks are. When a worker dies Dask computes what it held again, on the others.
"""

from copy import copy
from functools import partial
from importlib import import_module
from itertools import chain

import numpy as np

from ._blocks import ArrayRows, block_threads, scaled_rows
from ._sources import SurveyedRows, arrays_of, as_rows, rough_scale, surveyed, target_sums
from ._validation import checked_block, is_dask_collection


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

    def __init__(self, client, X, y, sample_weight=None):
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

    def __enter__(self):
        self.collections = self.client.persist(self.collections)
        self.futures = [block_futures(collection) for collection in self.collections]
        self.held = []
        try:
            imported("distributed").wait(self.futures[0])
            self.groups = list(self._groups())
            self.held = [self._hold(*group) for group in self.groups]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        del self.collections
        for future in chain(self.held, *self.futures):
            future.release()

    def map(self, function, arguments=None):
        """Results of ``function(block)`` or ``function(block, argument)``, in the order of the blocks.

        Parameters
        ----------
        function : callable
            Takes a block (X, y, weight). It travels to the workers with all that it refers to.
        arguments : list or None
            One for every block.
        """
        tasks, results = [], {}
        try:
            for (_, numbers), held in zip(self.groups, self.held, strict=True):
                own = None if arguments is None else [(arguments[number],) for number in numbers]
                tasks.append(self.client.submit(results_of_blocks, function, held, own, pure=False))
            for (_, numbers), of_group in zip(self.groups, self.client.gather(tasks), strict=True):
                results.update(zip(numbers, of_group, strict=True))
        except BaseException:
            self.client.cancel(tasks)
            raise
        return [results[number] for number in range(len(self.shapes))]

    def prepare(self, function):
        """Let the workers hold ``function(block)`` from now on, in place of every block."""
        raw = self.held
        workers = [worker for worker, _ in self.groups]
        self.held = [
            self._submit(worker, prepared, function, held)
            for worker, held in zip(workers, raw, strict=True)
        ]
        for held in raw:
            held.release()

    def _hold(self, worker, numbers):
        """The blocks with these numbers together."""
        return self._submit(
            worker, HeldBlocks, *([of_one[n] for n in numbers] for of_one in self.futures)
        )

    def _submit(self, worker, function, *arguments):
        """A task for this worker or, where it is gone, for another."""
        allow_others = worker is not None
        return self.client.submit(
            function, *arguments, workers=worker, allow_other_workers=allow_others, pure=False
        )

    def _groups(self):
        """Pairs of a worker and numbers of blocks there, one for each of its threads.

        A block that no worker has could not be computed: a group of its own, which will say why.
        """
        X, n_threads = self.futures[0], self.client.nthreads()
        located = self.client.who_has(X)
        numbers, n_rows = {}, {}
        for number, future in enumerate(X):
            workers = located.get(future.key)
            if not workers:
                yield None, [number]
                continue
            worker = min(workers, key=lambda worker: (n_rows.get(worker, 0), worker))
            n_rows[worker] = n_rows.get(worker, 0) + self.shapes[number][0]
            numbers.setdefault(worker, []).append(number)
        for worker, here in numbers.items():
            for begin in range(min(n_threads.get(worker, 1), len(here))):
                yield worker, here[begin :: n_threads.get(worker, 1)]


class HeldBlocks:
    """Blocks in the memory of a worker, to which a sum refers as one.

    A task that depends on every block may cost Dask more than the work itself. The rows are not
    copied, and not counted again: to Dask the size of this object is that of no rows.

    Parameters
    ----------
    *columns : lists
        Rows, targets and, where there are any, weights of the blocks.
    """

    def __init__(self, *columns):
        self.blocks = [(*block, *[None] * (3 - len(block))) for block in zip(*columns, strict=True)]


def imported(module):
    """A module of Dask, or an error that says what to install."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            "DaskOneHiddenLayerRegressor needs Dask: pip install 'sklearn-onenn[dask]'."
        ) from error


def columns_of(X):
    """What tells the columns of a collection: an array itself, a dataframe without its rows."""
    return X._meta if hasattr(X, "columns") else X


def row_blocks(client, name, collection, like=None):
    """A Dask array whose blocks are known and hold whole rows, those of another one where it is given.

    Raises
    ------
    TypeError
        Where it is no Dask collection.
    ValueError
        Naming what is wrong with its blocks.
    """
    if not is_dask_collection(collection):
        chunks = "" if like is None else ", with chunks=X.chunks[0] along the rows"
        raise TypeError(
            f"{name} must be a Dask array or dataframe, got {type(collection)}. Make one by "
            f"dask.array.from_array{chunks}, or use OneHiddenLayerRegressor for data in memory."
        )
    if hasattr(collection, "to_dask_array"):
        # Lengths are counted on what the workers then have.
        collection = client.persist(collection).to_dask_array(lengths=True)
    array = imported("dask.array").asanyarray(collection)
    if np.isnan(array.shape[0]):
        raise ValueError(
            f"{name} has blocks of unknown length. Call {name}.compute_chunk_sizes() before."
        )
    if like is not None and array.chunks[0] != like.chunks[0]:
        raise ValueError(
            f"{name} must have the row blocks of X, {short(like.chunks[0])}, got "
            f"{short(array.chunks[0])}. Use {name}.rechunk({{0: X.chunks[0]}})."
        )
    if 0 in array.chunks[0]:
        raise ValueError(
            f"Block {array.chunks[0].index(0)} of {name} has no rows. Leave empty blocks out, as "
            f"{name}.rechunk({{0: ...}}) or dataframe.repartition(npartitions=...) does."
        )
    return array if array.ndim == 1 else array.rechunk({1: -1})


def short(sizes):
    """The first of many sizes."""
    return f"{sizes[:5]}"[:-1] + f", ... {len(sizes)} blocks)" if len(sizes) > 5 else f"{sizes}"


def block_futures(array):
    """Futures of the blocks of a persisted array, in their order."""
    by_key = {future.key: future for future in imported("distributed").futures_of(array)}
    return [by_key[key] for key in imported("dask.core").flatten(array.__dask_keys__())]


def prepared(function, held):
    """A task: what a function makes of blocks, held like these."""
    return HeldBlocks(*zip(*(function(block) for block in held.blocks), strict=True))


def results_of_blocks(function, held, arguments):
    """A task: results of the blocks one after another, on one BLAS thread."""
    arguments = [()] * len(held.blocks) if arguments is None else arguments
    with block_threads():
        return [
            function(block, *argument) for block, argument in zip(held.blocks, arguments, strict=True)
        ]


def cluster_survey(blocks, estimator, *, center):
    """What :func:`sklearn_onenn._sources.survey` finds, on the workers.

    Parameters
    ----------
    blocks : ClusterBlocks
    estimator : estimator
        Whose name stands in errors.
    center : bool

    Returns
    -------
    Survey

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
    sums = 0.0
    for of_block in blocks.map(partial(target_sums_of, dtype=dtype, origin=origin, unit=unit)):
        sums = sums + of_block
    (_, n_features), sizes = blocks.shapes[0], [n_rows for n_rows, _ in blocks.shapes]
    return surveyed(sizes, n_features, dtype, sums, origin, unit, center=center)


def look(block, shape, *, estimator, center):
    """Check a block; its type, and mean and scale of its targets, or what is wrong."""
    try:
        X, y, weight = checked_block(copy(estimator), *block)
    except ValueError as error:
        return error
    if X.shape != shape:
        return ValueError(
            f"X must have the shape {shape} that the Dask array says, got {X.shape}. Give the shape of "
            f"every block where the array is made, as in dask.array.from_delayed(..., shape=...)."
        )
    return X.dtype, *rough_scale(y, center=center)


def target_sums_of(block, *, dtype, origin, unit):
    """Sums of the targets of a block."""
    _, y, weight = arrays_of(block, dtype)
    return target_sums(y, weight, origin, unit)


class ClusterRows(SurveyedRows):
    """Rows on the workers; sums over a block are done there.

    Parameters
    ----------
    blocks : ClusterBlocks
    found, executor
        As of :class:`sklearn_onenn._sources.SurveyedRows`.
    """

    def __init__(self, blocks, found, *, executor=None):
        super().__init__(found, executor=executor)
        self.blocks = blocks
        blocks.prepare(partial(with_scaled_targets, found=found))

    def _take(self, inside):
        dtype = self.dtype
        return self.blocks.map(lambda block, numbers: rows_of(block, dtype).take(numbers), inside)

    def _results(self, function):
        dtype = self.dtype
        return self.blocks.map(lambda block: rows_of(block, dtype).sum(function))


def with_scaled_targets(block, *, found):
    """A block with its targets at unit scale, once for all sums; its rows stay as they are."""
    X, y, weight = block
    rows = scaled_rows(*arrays_of(block, found.dtype), found.y_mean, found.y_scale, None)
    return X, rows.y, rows.weight


def rows_of(block, dtype):
    """A block whose targets are scaled, as rows."""
    X, y, weight = block
    return ArrayRows(as_rows(X, dtype), y, None if weight is None else weight.ravel())


def predicted(X, *, model):
    """Predictions for one block, which may be empty."""
    if len(X):
        return model.predict(X)
    return np.empty((0,) if model.n_outputs_ == 1 else (0, model.n_outputs_), X.dtype)
