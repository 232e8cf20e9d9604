"""Callbacks of scikit-learn, where it has them (from 1.9 on): starts and steps of a fit are tasks."""

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:

    class CallbackSupportMixin:
        """Of a scikit-learn without callbacks."""


class FitTask:
    """The task of a fit. Its subtasks are the starts, and the subtasks of those their steps.

    It is an observer of :class:`Observers`. Without a callback on the estimator it does nothing.

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

    def __init__(self, estimator, X, y, sample_weight):
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._about = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._fit, self._starts, self.weights = None, {}, None
        if hasattr(estimator, "_init_callback_context"):
            # How many starts and steps there will be is not known.
            self._fit = estimator._init_callback_context(max_subtasks=None)
            self._fit.call_on_fit_task_begin(**self._about)
        self._observes = bool(getattr(estimator, "_skl_callbacks", ()))

    def begin(self, trace):
        """A start begins."""
        if self._observes:
            self._starts[trace] = self._fit.subcontext(task_name=trace.name, max_subtasks=None)
            self._starts[trace].call_on_fit_task_begin(**self._about)

    def step(self, trace):
        """One step was taken; returns whether a callback asks for the end."""
        if not self._observes:
            return False
        task = self._starts[trace].subcontext(task_name=trace.stage_name)
        # Steps are heard of when they are over.
        task.call_on_fit_task_begin(**self._about)
        return self._end(task, trace.network)

    def end_stage(self, trace):
        """Stages are no tasks: they are the names of steps."""

    def end(self, trace):
        """A start is over; returns whether a callback asks for the end."""
        return self._observes and self._end(self._starts.pop(trace), trace.solution.network)

    def end_fit(self):
        """The estimator is fitted."""
        if self._fit is not None:
            self._fit.call_on_fit_task_end(**self._about, reconstruction_attributes={})

    def _end(self, task, network):
        weights = self.weights
        return task.call_on_fit_task_end(
            **self._about, reconstruction_attributes=lambda: weights(network)
        )
