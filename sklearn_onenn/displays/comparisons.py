"""Figures of several fits: the units of one against those of another, recovery over many problems."""

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array
from sklearn.utils._optional_dependencies import check_matplotlib_support

from .._data.floating_point import TINY
from .._regressor import OneHiddenLayerRegressor
from .._typing import Array
from ..metrics import match_units
from ._fitted import check_network
from .loss import Display, start_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage


class WeightMatchingDisplay(Display):
    """Absolute cosines between the units of two fits, matched.

    Fits with other seeds, or on other folds of the rows, that found the same units have ones on the
    diagonal. That tells what the data determine where no truth is known.

    Parameters
    ----------
    cosines : array-like of shape (k, k)
        Rows are the units of the first fit, columns those of the second in the order of the match.

    Attributes
    ----------
    matched_ : ndarray of shape (k,)
        The diagonal.
    image_ : matplotlib AxesImage
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from sklearn_onenn import OneHiddenLayerRegressor
    >>> from sklearn_onenn.datasets import make_one_hidden_layer
    >>> from sklearn_onenn.displays import WeightMatchingDisplay
    >>> X, y, _ = make_one_hidden_layer(2000, 5, 2, activation="relu", noise=0.1, random_state=0)
    >>> fits = [
    ...     OneHiddenLayerRegressor(k=2, activation="relu", random_state=0).fit(X[i::2], y[i::2])
    ...     for i in (0, 1)
    ... ]
    >>> bool(WeightMatchingDisplay.from_estimators(*fits).matched_.min() > 0.99)
    True
    """

    matched_: Array
    image_: "AxesImage"

    def __init__(self, *, cosines: ArrayLike) -> None:
        self.cosines = cosines

    @classmethod
    def from_estimators(
        cls,
        first: OneHiddenLayerRegressor,
        second: OneHiddenLayerRegressor,
        *,
        ax: "Axes | None" = None,
    ) -> Self:
        """Match the units of two fits and draw their cosines.

        Parameters
        ----------
        first, second : OneHiddenLayerRegressor
            Fitted, with as many units and features.
        ax : matplotlib Axes, default=None

        Returns
        -------
        WeightMatchingDisplay
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimators")
        for estimator in (first, second):
            check_network(estimator)
        A, B = (estimator.coefs_[0] for estimator in (first, second))
        if A.shape != B.shape:
            raise ValueError(
                f"first and second must have the same numbers of features and units, got {A.shape} "
                f"and {B.shape}."
            )
        order, _ = match_units(B, A)
        A, B = (W / np.maximum(np.linalg.norm(W, axis=0), TINY) for W in (A, B))
        return cls(cosines=np.abs(A.T @ B[:, order])).plot(ax=ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw on these axes, or on new ones.

        Parameters
        ----------
        ax : matplotlib Axes, default=None

        Returns
        -------
        WeightMatchingDisplay
        """
        ax = start_plot(self, ax)
        cosines = np.asarray(self.cosines)
        self.matched_ = np.diag(cosines)
        self.image_ = ax.imshow(cosines, vmin=0, vmax=1, cmap="viridis")
        ax.figure.colorbar(self.image_, ax=ax, label="|cosine|")
        number = np.arange(len(cosines))
        if len(number) <= 12:
            for i, j in np.ndindex(cosines.shape):
                color = "black" if cosines[i, j] > 0.6 else "white"
                text = f"{cosines[i, j]:.2f}"
                ax.text(j, i, text, ha="center", va="center", color=color, fontsize="small")
            ax.set(xticks=number, yticks=number)
        ax.set(
            xlabel="unit of the second fit, matched",
            ylabel="unit of the first fit",
            title=f"matched units: at least {self.matched_.min():.3f}",
        )
        return self


class PhaseTransitionDisplay(Display):
    """Share of problems that were recovered, over the number of rows and the size of the network.

    Parameters
    ----------
    success : array-like of shape (n_sizes, n_numbers)
        Shares between 0 and 1; NaN where nothing was tried.
    n_samples : array-like of shape (n_numbers,)
        Numbers of rows, increasing.
    sizes : array-like of shape (n_sizes,)
        Numbers of features d or units k, increasing.
    size_name : str, default="d"
        What the sizes are, for the label.

    Attributes
    ----------
    image_ : matplotlib AxesImage
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from sklearn_onenn.displays import PhaseTransitionDisplay
    >>> display = PhaseTransitionDisplay.from_trials(
    ...     n_samples=[100, 100, 200, 200], sizes=[5, 5, 5, 5], recovered=[False, True, True, True]
    ... )
    >>> display.success.tolist()
    [[0.5, 1.0]]
    """

    image_: "AxesImage"

    def __init__(
        self, *, success: ArrayLike, n_samples: ArrayLike, sizes: ArrayLike, size_name: str = "d"
    ) -> None:
        self.success, self.n_samples, self.sizes = success, n_samples, sizes
        self.size_name = size_name

    @classmethod
    def from_trials(
        cls,
        n_samples: ArrayLike,
        sizes: ArrayLike,
        recovered: ArrayLike,
        *,
        size_name: str = "d",
        ax: "Axes | None" = None,
    ) -> Self:
        """Average trials with the same numbers, and draw the shares.

        Parameters
        ----------
        n_samples : array-like of shape (n_trials,)
        sizes : array-like of shape (n_trials,)
        recovered : array-like of bool of shape (n_trials,)
        size_name : str, default="d"
        ax : matplotlib Axes, default=None

        Returns
        -------
        PhaseTransitionDisplay
        """
        check_matplotlib_support(f"{cls.__name__}.from_trials")
        columns = {"n_samples": n_samples, "sizes": sizes, "recovered": recovered}
        n, size, success = (
            check_array(column, ensure_2d=False, dtype=np.float64, input_name=name)
            for name, column in columns.items()
        )
        if not (n.shape == size.shape == success.shape and n.ndim == 1):
            raise ValueError(
                "n_samples, sizes and recovered must be one-dimensional and of one length, got shapes "
                f"{n.shape}, {size.shape} and {success.shape}."
            )
        each_n, column = np.unique(n, return_inverse=True)
        each_size, row = np.unique(size, return_inverse=True)
        trials, successes = np.zeros((2, len(each_size), len(each_n)))
        np.add.at(trials, (row, column), 1)
        np.add.at(successes, (row, column), success)
        share = np.divide(successes, trials, out=np.full(trials.shape, np.nan), where=trials > 0)
        display = cls(success=share, n_samples=each_n, sizes=each_size, size_name=size_name)
        return display.plot(ax=ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw on these axes, or on new ones.

        Parameters
        ----------
        ax : matplotlib Axes, default=None

        Returns
        -------
        PhaseTransitionDisplay
        """
        success = np.asarray(self.success, dtype=float)
        n_samples, sizes = np.asarray(self.n_samples), np.asarray(self.sizes)
        if success.shape != (len(sizes), len(n_samples)):
            raise ValueError(
                f"success must have shape ({len(sizes)}, {len(n_samples)}), one row for each "
                f"size and one column for each number of rows, got {success.shape}."
            )
        ax = start_plot(self, ax)
        self.image_ = ax.imshow(
            success, vmin=0, vmax=1, cmap="gray", origin="lower", aspect="auto", interpolation="none"
        )
        ax.set_facecolor("mistyrose")  # where nothing was tried
        ax.figure.colorbar(self.image_, ax=ax, label="share recovered")
        ax.set_xticks(np.arange(len(n_samples)), [f"{n:g}" for n in n_samples])
        ax.set_yticks(np.arange(len(sizes)), [f"{size:g}" for size in sizes])
        if len(n_samples) > 8:
            ax.tick_params(axis="x", rotation=45)
        ax.set(xlabel="rows n", ylabel=self.size_name)
        return self
