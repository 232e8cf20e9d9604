"""The figure of recovery: found weights against planted ones, and the error along a fit."""

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_array
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

from ..activations import get_activation
from ..metrics import _canonical, match_units, recovery_error
from .loss import start_plot


class RecoveryDisplay:
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
    >>> model = OneHiddenLayerRegressor(k=2, random_state=0).fit(X, y)
    >>> bool(RecoveryDisplay.from_estimator(model, *teacher.coefs_).error < 1e-6)
    True
    """

    def __init__(self, *, true_weights=None, found_weights=None, error=None, passes=None, errors=None):
        self.true_weights, self.found_weights, self.error = true_weights, found_weights, error
        self.passes, self.errors = passes, errors

    @classmethod
    def from_estimator(cls, estimator, W_true, v_true, *, ax=None):
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
        check_is_fitted(estimator, "coefs_")
        W, v = single_output(estimator)
        activation = get_activation(estimator.activation)
        error = recovery_error(W, v, W_true, v_true, activation=activation)
        found = _canonical(W, v, activation)[0]
        true = _canonical(np.asarray(W_true), np.ravel(v_true), activation)[0]
        order, _ = match_units(found, true)
        return cls(true_weights=true, found_weights=found[:, order], error=error).plot(ax=ax)

    @classmethod
    def from_fit(cls, estimator, X, y, W_true, v_true, *, sample_weight=None, ax=None):
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
        W_true = check_array(W_true, dtype=np.float64, input_name="W_true")
        if model.k not in ("auto", W_true.shape[1]):
            raise ValueError(f"k must be that of W_true, {W_true.shape[1]}, got {model.k}.")
        record = ErrorRecord(W_true, v_true, get_activation(model.activation))
        model._fit(X, y, sample_weight, (None, None, None), record)
        return cls(passes=record.passes, errors=record.errors).plot(ax=ax, kind="error")

    def plot(self, ax=None, *, kind="weights"):
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
            self._require("true_weights", "found_weights")
            true, found = np.ravel(self.true_weights), np.ravel(self.found_weights)
            ax.axline((0, 0), slope=1, color="0.7", linewidth=1, zorder=0)
            (self.points_,) = ax.plot(true, found, ".", markersize=5)
            ax.set(xlabel="planted weight", ylabel="found weight")
            if self.error is not None:
                ax.set_title(f"recovery error {self.error:.1e}")
        elif kind == "error":
            self._require("passes", "errors")
            errors = np.asarray(self.errors, dtype=float)
            (self.line_,) = ax.plot(
                self.passes, np.where(np.isfinite(errors), errors, np.nan), ".-", linewidth=1
            )
            ax.set(xlabel="passes over the rows", ylabel="recovery error", yscale="log")
        else:
            raise ValueError(f"kind must be 'weights' or 'error', got {kind!r}.")
        return self

    def _require(self, *names):
        missing = [name for name in names if getattr(self, name) is None]
        if missing:
            source = "from_fit" if "errors" in names else "from_estimator"
            raise ValueError(f"This display has no {' and no '.join(missing)}: make it by {source}.")


class ErrorRecord:
    """Observer of a fit that records the recovery error at every step.

    Parameters
    ----------
    W_true, v_true : arrays
    activation : Activation

    Attributes
    ----------
    passes, errors : list of float
    weights : callable
        As of :class:`FitTask`.
    """

    def __init__(self, W_true, v_true, activation):
        self.truth, self.activation = (W_true, v_true), activation
        self.passes, self.errors, self.weights, self._before = [], [], None, 0.0

    def begin(self, trace):
        """A start begins."""

    def step(self, trace):
        """One step was taken."""
        W, v = self.weights(trace.network)["coefs_"]
        error = np.inf  # of the widths that are tried before the last one
        if W.shape[1] == self.truth[0].shape[1]:
            error = recovery_error(W, v, *self.truth, activation=self.activation)
        self.errors.append(error)
        self.passes.append(self._before + trace.passes)

    def end_stage(self, trace):
        """A stage is over."""

    def end(self, trace):
        """A start is over."""
        self._before += trace.passes


def single_output(estimator):
    """Hidden weights and output weights of a fit with one output."""
    W, V = estimator.coefs_
    if V.shape[1] != 1:
        raise ValueError(f"The estimator must have one output, got {V.shape[1]}.")
    return W, V[:, 0]
