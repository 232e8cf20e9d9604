"""Arrays and dataframes of Dask: their columns, blocks of rows and futures."""

from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from .._validation import is_dask_collection


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
        # Lengths are counted on what the workers then have. Left to itself Dask (from 2026.8 on) reads
        # files of few columns as fewer, larger blocks, others for X than for y.
        with imported("dask").config.set({"optimization.tune.active": False}):
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


def short(sizes: tuple[int, ...]) -> str:
    """The sizes of blocks in words: of many the first, and how many there are."""
    return f"{sizes[:5]}"[:-1] + f", ... {len(sizes)} blocks)" if len(sizes) > 5 else f"{sizes}"


def block_futures(array: Any) -> list[Any]:
    """Futures of the blocks of a persisted array, in their order."""
    by_key = {future.key: future for future in imported("distributed").futures_of(array)}
    return [by_key[key] for key in imported("dask.core").flatten(array.__dask_keys__())]
