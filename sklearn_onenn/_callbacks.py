"""Callbacks of scikit-learn, where it has them (from 1.9 on): starts and steps of a fit are tasks."""

from collections.abc import Callable
from typing import Any, Protocol

from sklearn.base import BaseEstimator

from ._network.network import Network
from ._search.progress import Trace

__all__ = ["CallbackSupportMixin", "FitObserver", "FitTask"]

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:

    class CallbackSupportMixin:
        """Stands in for the class of scikit-learn where that has no callbacks."""


class FitObserver(Protocol):
    """Sees every step of a fit, and the fitted attributes that it would have.

    Attributes
    ----------
    weights : callable
        From a network of the problem to the fitted attributes that predict as it does; set before the
        first step.
    """

    weights: Callable[[Network], dict[str, Any]]

    def begin(self, trace: Trace) -> None:
        """A start begins."""

    def step(self, trace: Trace) -> bool | None:
        """One step was taken; returns whether the fit is to end."""

    def end_stage(self, trace: Trace) -> None:
        """A stage is over."""

    def end(self, trace: Trace) -> bool | None:
        """A start is over; returns whether the fit is to end."""


class FitTask:
    """The task of a fit. Its subtasks are the starts, and the subtasks of those their steps.

    It is a :class:`FitObserver`. Without a callback on the estimator it does nothing.

    Parameters
    ----------
    estimator : OneHiddenLayerRegressor
    X, y, sample_weight
        As given to ``fit``: callbacks score on them.

    Attributes
    ----------
    weights : callable
        From a network of the problem to the fitted attributes that predict as it does; to be set before
        the first step.
    """

    weights: Callable[[Network], dict[str, Any]]

    def __init__(self, estimator: BaseEstimator, X: Any, y: Any, sample_weight: Any) -> None:
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._about = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._fit: Any = None  # a context of scikit-learn, as are the starts
        self._starts: dict[Trace, Any] = {}
        if hasattr(estimator, "_init_callback_context"):
            # How many starts and steps there will be is not known.
            self._fit = estimator._init_callback_context(max_subtasks=None)
            self._fit.call_on_fit_task_begin(**self._about)
        self._observes = bool(getattr(estimator, "_skl_callbacks", ()))

    def begin(self, trace: Trace) -> None:
        """A start begins."""
        if self._observes:
            self._starts[trace] = self._fit.subcontext(task_name=trace.name, max_subtasks=None)
            self._starts[trace].call_on_fit_task_begin(**self._about)

    def step(self, trace: Trace) -> bool:
        """One step was taken; returns whether a callback asks for the end."""
        if not self._observes:
            return False
        task = self._starts[trace].subcontext(task_name=trace.stage_name)
        # Steps are heard of when they are over.
        task.call_on_fit_task_begin(**self._about)
        assert trace.network is not None
        return self._end(task, trace.network)

    def end_stage(self, trace: Trace) -> None:
        """Stages are no tasks: they are the names of steps."""

    def end(self, trace: Trace) -> bool:
        """A start is over; returns whether a callback asks for the end."""
        if not self._observes:
            return False
        assert trace.solution is not None
        return self._end(self._starts.pop(trace), trace.solution.network)

    def end_fit(self) -> None:
        """The estimator is fitted."""
        if self._fit is not None:
            self._fit.call_on_fit_task_end(**self._about, reconstruction_attributes={})

    def _end(self, task: Any, network: Network) -> bool:
        """End a task of scikit-learn; returns whether a callback asks for the end of the fit."""
        weights = self.weights
        asks: bool = task.call_on_fit_task_end(
            **self._about, reconstruction_attributes=lambda: weights(network)
        )
        return asks
