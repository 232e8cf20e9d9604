"""What users pass to a fit, checked: rows, held-out rows, arrays to start from."""

import warnings
from collections.abc import Iterable, Iterator
from inspect import isfunction, isgenerator
from typing import Any, TypeAlias

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.validation import _check_sample_weight, validate_data

from ._data.targets import TargetScale, factor_of_weights
from ._typing import Array, RowMatrix

# Rows X, targets of shape (n_rows, n_outputs), and weights or None.
Arrays: TypeAlias = tuple[RowMatrix, Array, Array | None]

# Standard deviations of y by which held-out targets are those of another unit.
OTHER_SCALE = 30.0

# What rows are checked for; X in float32 or float64.
ROWS: dict[str, Any] = {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}


def is_dask_collection(value: Any) -> bool:
    """Whether this is a Dask array, dataframe or series, told without importing Dask."""
    return hasattr(value, "__dask_graph__")


def refuse_lazy(**arguments: Any) -> None:
    """Refuse among the arguments what is no array yet, and say what would be one.

    Raises
    ------
    TypeError
        Naming the argument.
    """
    for name, value in arguments.items():
        if is_dask_collection(value):
            raise TypeError(
                f"{name} must be in memory, got a Dask collection {type(value)}. Use "
                f"sklearn_onenn.dask.DaskOneHiddenLayerRegressor, which leaves blocks on their workers, "
                f"or pass {name}.compute()."
            )
        if callable(getattr(value, "collect", None)):
            raise TypeError(f"{name} must be in memory, got {type(value)}: pass {name}.collect().")
        if isfunction(value) or isgenerator(value):
            raise TypeError(
                f"{name} must be an array, got {value!r}. Blocks of rows come as RowBlocks(factory), "
                f"with a function that returns a new iterator of blocks (X, y) at every call."
            )


def refuse_beside_blocks(y: Any, sample_weight: Any) -> None:
    """Refuse targets and weights beside RowBlocks, which hold them."""
    if y is not None or sample_weight is not None:
        raise ValueError("With X as RowBlocks y and sample_weight are in the blocks: pass None.")


def training_rows(
    estimator: BaseEstimator, X: Any, y: Any, sample_weight: Any, *, reset: bool = True
) -> tuple[RowMatrix, Array, Array | None]:
    """Check the rows of a fit; returns X, y of shape (n, m), and weights or None.

    X is copied only where it must be. Rows of weight zero are left out. With ``reset=False`` the columns
    must be those that the estimator was fitted on.
    """
    checks: dict[str, Any] = {"multi_output": True, "y_numeric": True, "ensure_min_samples": 2, **ROWS}
    try:
        X, y = validate_data(estimator, X, y, reset=reset, **checks)
    except ValueError as error:
        message = str(error)
        if "could not convert string" in message:
            remedy = "Encode categories, by OneHotEncoder in a pipeline."
            raise ValueError(f"X and y must hold numbers: {message}. {remedy}") from error
        if "Complex data" in message:
            raise ValueError(f"X and y must hold real numbers: {message}") from error
        raise
    y = target_columns("y", y)
    check_magnitudes(estimator, X, y)
    if sample_weight is None:
        return X, y, None
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    used = weight > 0
    if np.count_nonzero(used) < 2:
        raise ValueError(
            f"sample_weight must have at least 2 positive entries, got {np.count_nonzero(used)}."
        )
    X, y, weight = (X, y, weight) if used.all() else (X[used], y[used], weight[used])
    check_weights(weight, X.dtype)
    factor = factor_of_weights(weight.sum(), len(weight))
    return X, y, (weight * factor).astype(X.dtype, copy=False)


def checked_blocks(
    estimator: BaseEstimator, source: Iterable[tuple[Any, Any, Any]]
) -> Iterator[tuple[RowMatrix, Array, Array | None]]:
    """Yield the checked blocks (X, y, weight) of a source; the first tells the estimator its columns.

    Raises
    ------
    ValueError
        Naming the block.
    """
    n_outputs = None
    for index, block in enumerate(source):
        try:
            checked = checked_block(estimator, *block, n_outputs=n_outputs)
        except ValueError as error:
            raise ValueError(f"Block {index}: {error}") from error
        n_outputs = checked[1].shape[1]
        yield checked


def checked_block(
    estimator: BaseEstimator, X: Any, y: Any, weight: Any, *, n_outputs: int | None = None
) -> tuple[RowMatrix, Array, Array | None]:
    """Check one block; returns X, y of shape (m, n_outputs), and the weight or None.

    The first block has ``n_outputs=None`` and tells the estimator its columns.
    """
    X, y = validate_data(
        estimator, X, y, reset=n_outputs is None, multi_output=True, y_numeric=True, **ROWS
    )
    y = target_columns("y", y)
    check_magnitudes(estimator, X, y)
    if n_outputs not in (None, y.shape[1]):
        raise ValueError(f"y must have {n_outputs} outputs as in block 0, got {y.shape[1]}.")
    if weight is not None and np.any(weight):  # in a block all may be zero
        weight = _check_sample_weight(weight, X, dtype=np.float64, ensure_non_negative=True)
        check_weights(weight[weight > 0], X.dtype)
        weight = weight.astype(X.dtype)
    return X, y, weight


def held_out_rows(
    estimator: BaseEstimator, X_val: Any, y_val: Any, sample_weight_val: Any, n_outputs: int
) -> tuple[RowMatrix, Array, Array | None] | None:
    """Check the held-out rows; returns X, y and weights or None, or None where there are no rows.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    given = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
    names = [name for name, array in given.items() if array is not None]
    if not names:
        return None
    for name in names:
        if is_dask_collection(given[name]):
            raise TypeError(f"{name} must be in memory, got {type(given[name])}: pass {name}.compute().")
    if X_val is None or y_val is None:
        raise ValueError(f"X_val and y_val must be given together, got {' and '.join(names)} only.")
    if not estimator.polish:
        raise ValueError("X_val and y_val stop the polish: they need polish=True.")
    try:
        X = validate_data(estimator, X_val, reset=False, **ROWS)
    except ValueError as error:
        raise ValueError(f"X_val: {error}") from error
    y = check_array(y_val, ensure_2d=False, dtype="numeric", input_name="y_val")
    y = target_columns("y_val", y)
    check_consistent_length(X, y)
    check_magnitudes(estimator, X, y, ("X_val", "y_val"))
    if y.shape[1] != n_outputs:
        raise ValueError(f"y_val must have as many outputs as y, {n_outputs}, got {y.shape[1]}.")
    if sample_weight_val is None:
        return X, y, None
    if not np.any(sample_weight_val):
        raise ValueError("sample_weight_val must have a positive entry, all are zero.")
    weight = _check_sample_weight(sample_weight_val, X, dtype=np.float64, ensure_non_negative=True)
    check_weights(weight[weight > 0], X.dtype, "sample_weight_val")
    factor = factor_of_weights(weight.sum(), int(np.count_nonzero(weight)))
    return X, y, (weight * factor).astype(X.dtype)


def check_magnitudes(
    estimator: BaseEstimator, X: RowMatrix, y: Array, names: tuple[str, str] = ("X", "y")
) -> None:
    """Refuse columns and targets (n, m) whose squares overflow or vanish in the type of X.

    Of rows that are taken as they are moments overflow before.

    Raises
    ------
    ValueError
        Naming the array, the column and the remedy.
    """
    limits = np.finfo(X.dtype)
    bounds = 10 * np.sqrt(limits.tiny), 0.1 * np.sqrt(limits.max)
    if estimator.whiten:
        check_range(names[0], X, bounds, f"{X.dtype} has no squares of them")
    else:
        why = f"with whiten=False rows have no moments in {X.dtype} beyond"
        check_range(names[0], X, (0.0, float(limits.max) ** (1 / 8)), why)
    # Targets are brought to unit scale in double precision; predictions have the type of X.
    doubles = np.finfo(np.float64)
    bounds = (
        max(10 * np.sqrt(doubles.tiny), limits.tiny),
        min(0.1 * np.sqrt(doubles.max), 0.1 * limits.max),
    )
    check_range(names[1], y, bounds, f"{X.dtype} has no predictions of them, or no squares")


def check_range(name: str, array: RowMatrix, bounds: tuple[float, float], why: str) -> None:
    """Refuse columns whose largest number is out of bounds; a column of one number may be small.

    The entries of a sparse array are taken for one column.
    """
    columns = array.data[:, None] if issparse(array) else array
    if columns.size == 0:
        return
    low, high = columns.min(axis=0), columns.max(axis=0)
    size = np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
    wrong = (size > bounds[1]) | ((size < bounds[0]) & (low != high))
    if wrong.any():
        column = int(np.argmax(wrong))
        of_column = "" if issparse(array) else f" of column {column}"
        raise ValueError(
            f"{name} must have numbers of size {bounds[0]:.0e} to {bounds[1]:.0e}: {why}. The largest"
            f"{of_column} has size {size[column]:.1e}. Use other units, or bring {name} to unit scale, "
            f"by StandardScaler or TransformedTargetRegressor."
        )


def check_weights(weight: Array, dtype: Any, name: str = "sample_weight") -> None:
    """Refuse weights that cannot be summed with squares in this type, or are lost beside the largest.

    Raises
    ------
    ValueError
        With the remedy.
    """
    most = np.finfo(dtype).max ** (1 / 3)
    if not weight.max() <= most or not weight.min() * most >= 1:
        raise ValueError(
            f"{name} must be zero or between {1 / most:.0e} and {most:.0e}, got "
            f"{weight.min():.1e} to {weight.max():.1e}. Divide it by its mean, and give rows that "
            f"hardly count weight zero."
        )


def warn_of_other_scale(y_val: Array, targets: TargetScale) -> None:
    """Warn where held-out targets (n, m) are so far from those of the fit that they are others."""
    scaled = (y_val - targets.mean) / targets.scale
    shift, spread = np.abs(scaled.mean(axis=0)), scaled.std(axis=0)
    wrong = (shift > OTHER_SCALE) | (spread > OTHER_SCALE)
    wrong |= (shift > 3) & (spread < 1 / OTHER_SCALE)
    wrong &= np.logical_not(targets.is_constant)
    if wrong.any():
        output = int(np.argmax(wrong))
        warnings.warn(
            f"y_val has mean {y_val[:, output].mean():.3g} and standard deviation "
            f"{y_val[:, output].std():.3g}, y has {targets.mean[output]:.3g} and "
            f"{targets.scale[output]:.3g}: are both transformed? TransformedTargetRegressor "
            f"transforms y alone: give it y_val as its transformer would return it.",
            UserWarning,
            stacklevel=5,
        )


def target_columns(name: str, y: Any) -> Array:
    """Targets as float64 of shape (n, m)."""
    if issparse(y):
        raise ValueError(f"{name} must be a dense array, got a sparse one. Use {name}.toarray().")
    if y.ndim == 1 or y.shape[1] == 1:
        y = column_or_1d(y, warn=True)[:, None]
    targets: Array = y.astype(np.float64, copy=False)
    return targets


def checked_array(name: str, array: Any, shape: tuple[int, ...]) -> Array:
    """Check an array of starting weights; returns it as float64."""
    try:
        if np.iscomplexobj(array):
            raise TypeError("complex")
        weights = np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a real array of shape {shape}, got {array!r}.") from error
    if weights.shape != shape or not np.isfinite(weights).all():
        raise ValueError(f"{name} must be finite and of shape {shape}, got shape {weights.shape}.")
    return weights
