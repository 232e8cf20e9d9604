"""The figure of recovery: found weights against planted ones, and the error along a fit."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils import check_array
from sklearn.utils._optional_dependencies import check_matplotlib_support

from .._network.network import Network
from .._network.symmetries import with_output_norm, with_positive_outputs
from .._regressor import OneHiddenLayerRegressor
from .._search.progress import Trace
from .._typing import Array, RowMatrix
from ..activations import Activation, get_activation
from ..metrics import match_units, recovery_error
from ._fitted import check_network
from .loss import Display, start_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


class RecoveryDisplay(Display):
    """Found weights against planted ones, or the error of the weights along a fit.

    Units are matched by direction. Those of homogeneous activations are compared at output weights of
    size one, those of odd ones with positive output weights.

    Parameters
    ----------
    true_weights, found_weights : array-like of shape (n_features, k), default=None
        Matched columns.
    error : float, default=None
        Recovery error of the found weights.
    passes, errors : array-like of shape (n_steps,), default=None
        Rows read until each step, as a multiple of the rows there are, and the recovery error then.

    Attributes
    ----------
    points_ : matplotlib Line2D
        Weights; with ``kind="weights"``.
    line_ : matplotlib Line2D
        Error against passes; with ``kind="error"``.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from sklearn_onenn import OneHiddenLayerRegressor
    >>> from sklearn_onenn.datasets import make_one_hidden_layer
    >>> from sklearn_onenn.displays import RecoveryDisplay
    >>> X, y, teacher = make_one_hidden_layer(1000, 5, 2, activation="relu", random_state=0)
    >>> model = OneHiddenLayerRegressor(k=2, activation="relu", random_state=0).fit(X, y)
    >>> bool(RecoveryDisplay.from_estimator(model, *teacher.coefs_).error < 1e-6)
    True
    """

    points_: "Line2D"
    line_: "Line2D"

    def __init__(
        self,
        *,
        true_weights: ArrayLike | None = None,
        found_weights: ArrayLike | None = None,
        error: float | None = None,
        passes: ArrayLike | None = None,
        errors: ArrayLike | None = None,
    ) -> None:
        self.true_weights, self.found_weights, self.error = true_weights, found_weights, error
        self.passes, self.errors = passes, errors

    @classmethod
    def from_estimator(
        cls,
        estimator: OneHiddenLayerRegressor,
        W_true: ArrayLike,
        v_true: ArrayLike,
        *,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw the weights of a fit against planted ones.

        Parameters
        ----------
        estimator : OneHiddenLayerRegressor
            Fitted, with one output.
        W_true : array-like of shape (n_features, k)
        v_true : array-like of shape (k,) or (k, 1)
        ax : matplotlib Axes, default=None

        Returns
        -------
        RecoveryDisplay
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        check_network(estimator)
        W, v = single_output(estimator)
        activation = get_activation(estimator.activation)
        error = recovery_error(W, v, W_true, v_true, activation=activation)
        found = comparable_weights(W, v, activation)
        true = comparable_weights(np.asarray(W_true), np.ravel(v_true), activation)
        order, _ = match_units(found, true)
        return cls(true_weights=true, found_weights=found[:, order], error=error).plot(ax=ax)

    @classmethod
    def from_fit(
        cls,
        estimator: OneHiddenLayerRegressor,
        X: RowMatrix,
        y: ArrayLike,
        W_true: ArrayLike,
        v_true: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Fit a clone and draw the error of its weights at every step, against passes over the rows.

        Steps of further starts, where there are any, follow those of the first.

        Parameters
        ----------
        estimator : OneHiddenLayerRegressor
            Of which a clone is fitted.
        X : array-like or CSR array of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        W_true : array-like of shape (n_features, k)
        v_true : array-like of shape (k,) or (k, 1)
        sample_weight : array-like of shape (n_samples,), default=None
        ax : matplotlib Axes, default=None

        Returns
        -------
        RecoveryDisplay
            With ``passes`` and ``errors``.
        """
        check_matplotlib_support(f"{cls.__name__}.from_fit")
        # Starts one after the other, so that passes add up.
        model = clone(estimator).set_params(n_jobs=1)
        W: Array = check_array(W_true, dtype=np.float64, input_name="W_true")
        if model.k not in ("auto", W.shape[1]):
            raise ValueError(f"k must be that of W_true, {W.shape[1]}, got {model.k}.")
        record = ErrorRecord(W, v_true, get_activation(model.activation))
        model._fit(X, y, sample_weight, (None, None, None), record)
        return cls(passes=record.passes, errors=record.errors).plot(ax=ax, kind="error")

    def plot(self, ax: "Axes | None" = None, *, kind: str = "weights") -> Self:
        """Draw on these axes, or on new ones.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
        kind : {"weights", "error"}, default="weights"
            Found weights against planted ones, or errors against passes.

        Returns
        -------
        RecoveryDisplay
        """
        ax = start_plot(self, ax)
        if kind == "weights":
            true, found = map(np.ravel, self._computed("true_weights", "found_weights"))
            ax.axline((0, 0), slope=1, color="0.7", linewidth=1, zorder=0)
            (self.points_,) = ax.plot(true, found, ".", markersize=5)
            ax.set(xlabel="planted weight", ylabel="found weight")
            if self.error is not None:
                ax.set_title(f"recovery error {self.error:.1e}")
        elif kind == "error":
            passes, errors = self._computed("passes", "errors")
            errors = np.asarray(errors, dtype=float)
            (self.line_,) = ax.plot(
                passes, np.where(np.isfinite(errors), errors, np.nan), ".-", linewidth=1
            )
            ax.set(xlabel="passes over the rows", ylabel="recovery error", yscale="log")
        else:
            raise ValueError(f"kind must be 'weights' or 'error', got {kind!r}.")
        return self

    def _computed(self, *names: str) -> list[Any]:
        """The values of these parameters.

        Raises
        ------
        ValueError
            Naming those that were not computed, and what computes them.
        """
        missing = [name for name in names if getattr(self, name) is None]
        if missing:
            source = "from_fit" if "errors" in names else "from_estimator"
            raise ValueError(f"This display has no {' and no '.join(missing)}: make it by {source}.")
        return [getattr(self, name) for name in names]


class ErrorRecord:
    """Records the recovery error at every step of a fit: a :class:`FitObserver`.

    Parameters
    ----------
    W_true : array of shape (n_features, k)
    v_true : array-like of shape (k,) or (k, 1)
    activation : Activation

    Attributes
    ----------
    passes, errors : list of float
    weights : callable
        From a network of the problem to the fitted attributes that predict as it does; to be set before
        the first step.
    """

    weights: Callable[[Network], dict[str, Any]]

    def __init__(self, W_true: Array, v_true: ArrayLike, activation: Activation) -> None:
        self.truth, self.activation = (W_true, v_true), activation
        self.passes: list[float] = []
        self.errors: list[float] = []
        self._before = 0.0

    def begin(self, trace: Trace) -> None:
        """A start begins."""

    def step(self, trace: Trace) -> None:
        """One step was taken."""
        assert trace.network is not None
        W, v = self.weights(trace.network)["coefs_"]
        error = np.inf  # of the widths that are tried before the last one
        if W.shape[1] == self.truth[0].shape[1]:
            error = recovery_error(W, v, *self.truth, activation=self.activation)
        self.errors.append(error)
        self.passes.append(self._before + trace.passes)

    def end_stage(self, trace: Trace) -> None:
        """A stage is over."""

    def end(self, trace: Trace) -> None:
        """A start is over."""
        self._before += trace.passes


def comparable_weights(W: Array, v: Array, activation: Activation) -> Array:
    """Hidden weights of one among the networks that scaling or flipping of units leaves equal.

    Units stay in their order. A homogeneous unit without an output weight has none at all.
    """
    if activation.degree is not None:
        W = np.where(v == 0, 0.0, W)
    network = Network(W, np.zeros(len(v)), v[:, None], np.zeros(1))
    network = with_output_norm(network, 1.0, activation.degree)
    return with_positive_outputs(network, activation, fit_intercept=True).W


def single_output(estimator: OneHiddenLayerRegressor) -> tuple[Array, Array]:
    """Hidden weights and output weights of a fit with one output."""
    W, V = estimator.coefs_
    if V.shape[1] != 1:
        raise ValueError(f"The estimator must have one output, got {V.shape[1]}.")
    return W, V[:, 0]
