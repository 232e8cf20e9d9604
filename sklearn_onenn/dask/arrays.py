"""Arrays and dataframes of Dask: their columns, blocks of rows and futures."""

import time
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from .._validation import is_dask_collection

# Seconds after which a wait looks whether there are workers, and those that it bears without any.
LOOK_EVERY, NO_WORKERS = 5.0, 600.0


def imported(module: str) -> ModuleType:
    """A module of Dask, or an error that says what to install."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            "DaskOneHiddenLayerRegressor needs Dask: pip install 'sklearn-onenn[dask]'."
        ) from error


def columns_of(X: Any) -> Any:
    """What tells the columns of a collection: an array itself, a dataframe without its rows."""
    return X._meta if hasattr(X, "columns") else X


def row_blocks(client: Any, name: str, collection: Any, like: Any = None) -> Any:
    """A Dask array whose blocks are known and hold whole rows, those of another one where it is given.

    Blocks whose lengths are not known are computed, to count their rows.

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
    array = as_array(collection)
    if np.isnan(array.shape[0]):
        array = with_known_blocks(client, array)
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
    return array


def as_array(collection: Any) -> Any:
    """A Dask array, whose blocks hold whole rows, of an array or a dataframe."""
    if hasattr(collection, "to_dask_array"):
        # Left to itself Dask (from 2026.8 on) reads files of few columns as fewer, larger blocks, others
        # for X than for y.
        with imported("dask").config.set({"optimization.tune.active": False}):
            return collection.to_dask_array()
    array = imported("dask.array").asanyarray(collection)
    return array if array.ndim == 1 else array.rechunk({1: -1})


def with_known_blocks(client: Any, array: Any) -> Any:
    """The array on the workers of a client, with the lengths of its blocks, which are counted there."""
    array = client.persist(array)
    # By this client: Dask's own count is made by the client that was made last.
    lengths = client.map(len, block_futures(array), pure=False)
    wait_on_workers(client, lengths)
    chunks = tuple(client.gather(lengths)), *array.chunks[1:]
    return imported("dask.array").Array(array.dask, array.name, chunks, meta=array._meta)


def short(sizes: tuple[int, ...]) -> str:
    """The sizes of blocks in words: of many the first, and how many there are."""
    return f"{sizes[:5]}"[:-1] + f", ... {len(sizes)} blocks)" if len(sizes) > 5 else f"{sizes}"


def in_memory(client: Any, *values: Any) -> tuple[Any, ...]:
    """Values, the collections among them as arrays, by the client made last where it is None."""
    if not any(map(is_dask_collection, values)):
        return values
    lazy = [as_array(value) if is_dask_collection(value) else value for value in values]
    computed: tuple[Any, ...] = imported("dask").compute(*lazy, traverse=False, scheduler=client)
    return computed


def block_futures(array: Any) -> list[Any]:
    """Futures of the blocks of a persisted array, in their order."""
    by_key = {future.key: future for future in imported("distributed").futures_of(array)}
    return [by_key[key] for key in imported("dask.core").flatten(array.__dask_keys__())]


def wait_on_workers(client: Any, futures: Sequence[Any]) -> None:
    """Wait until futures are done, for as long as there are workers.

    Raises
    ------
    RuntimeError
        Where there has been none for long.
    """
    distributed, seen = imported("distributed"), time.monotonic()
    while True:
        try:
            with client.as_current():
                distributed.wait(futures, timeout=LOOK_EVERY)
            return
        except distributed.TimeoutError:
            if client.nthreads():
                seen = time.monotonic()
            elif time.monotonic() - seen > NO_WORKERS:
                raise RuntimeError(
                    f"The client must have workers, it has had none for {NO_WORKERS:.0f} s: {client}. "
                    f"Start some, as by cluster.scale(2), and fit again; where they take longer to "
                    f"start, call client.wait_for_workers(1) first."
                ) from None
