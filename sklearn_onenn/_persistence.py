"""Saved estimators say which version wrote them, and reading them with another one warns."""

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import InconsistentVersionWarning

from ._version import __version__

STAMP = "_sklearn_onenn_version"


class SavedByOtherVersionWarning(InconsistentVersionWarning):
    """scikit-learn's warning for a saved estimator of another version, in words for this package."""

    def __str__(self) -> str:
        saved, here = self.original_sklearn_version, self.current_sklearn_version
        return (
            f"This {self.estimator_name} was saved by sklearn_onenn {saved} and is read by {here}, "
            f"which may predict otherwise or fail. Fit and save it anew with {here}, or read it with "
            f"the version that saved it."
        )


class VersionStampMixin:
    """Pickle, joblib and skops files of an estimator carry the version of this package.

    scikit-learn stamps its own estimators only.
    """

    def __getstate__(self) -> dict[str, Any]:
        estimator: Any = super()  # the next class, by which the state is a dict
        return {**estimator.__getstate__(), STAMP: __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        saved_by = state.get(STAMP, "of an unknown version")
        if saved_by != __version__:
            warnings.warn(
                SavedByOtherVersionWarning(
                    estimator_name=type(self).__name__,
                    current_sklearn_version=__version__,
                    original_sklearn_version=saved_by,
                ),
                stacklevel=2,
            )
        check_state(type(self).__name__, state)
        estimator: Any = super()
        estimator.__setstate__({name: value for name, value in state.items() if name != STAMP})


def check_state(name: str, state: dict[str, Any]) -> None:
    """Refuse a fitted state whose arrays do not fit one another, or hold what is no number.

    Raises
    ------
    ValueError
        Naming the field.
    """
    if "coefs_" not in state:
        return
    try:
        (W, V), (b, c) = state["coefs_"], state["intercepts_"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{name}: coefs_ and intercepts_ must be two arrays each: {error}.") from error
    d, k, m = state.get("n_features_in_"), np.shape(b)[-1] if np.ndim(b) else None, np.shape(c)
    fields = {"coefs_[0]": (W, (d, k)), "coefs_[1]": (V, (k, *m)), "intercepts_[0]": (b, (k,))}
    for field, (array, shape) in {**fields, "intercepts_[1]": (c, m)}.items():
        if np.shape(array) != shape or len(m) != 1:
            raise ValueError(f"{name}: {field} must have shape {shape}, got {np.shape(array)}.")
        if not (np.issubdtype(np.asarray(array).dtype, np.floating) and np.isfinite(array).all()):
            raise ValueError(f"{name}: {field} must be finite floats; the file is damaged.")
