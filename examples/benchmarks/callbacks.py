"""Callbacks: what do they cost a fit?

Rows, networks and noise as in noise.py; default settings, random_state=0, one thread. Nothing: a
callback whose hooks do nothing, which leaves what the package and scikit-learn spend on telling of every
step. ProgressBar: that of scikit-learn, its output thrown away. Seconds: processor time of a fit without
either. Cost: processor time inside the calls that tell of a fit and of its steps, callbacks with them,
and that of other threads, where the bar is drawn; medians over turns. (Fits beside each other would not
do: from one to the next the same fit takes some 5 % more or less.)

    python examples/benchmarks/callbacks.py                 9 turns
    python examples/benchmarks/callbacks.py --turns 5
"""

import argparse
import io
import time
import warnings
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from unittest import mock

import numpy as np
from _report import Report
from sklearn.callback import ProgressBar
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._callbacks import FitTask
from sklearn_onenn.datasets import make_one_hidden_layer

# Rows, columns, units.
SIZES = (60, 2, 1), (2000, 20, 5), (20_000, 30, 10), (50_000, 50, 10)
NOISE = 0.1


class Nothing:
    """A callback that does nothing."""

    def setup(self, estimator, context):
        """Nothing."""

    def on_fit_task_begin(self, estimator, context):
        """Nothing."""

    def on_fit_task_end(self, estimator, context):
        """Nothing."""

    def teardown(self, estimator, context):
        """Nothing."""


@contextmanager
def stopwatch(*methods):
    """Processor time of this thread inside methods of classes, given as (class, name), in a list."""
    spent = [0.0]

    def timed(method):
        def call(*arguments, **keywords):
            begin = time.thread_time()
            try:
                return method(*arguments, **keywords)
            finally:
                spent[0] += time.thread_time() - begin

        return call

    with ExitStack() as stack:
        for kind, name in methods:
            stack.enter_context(mock.patch.object(kind, name, timed(getattr(kind, name))))
        yield spent


def seconds_of(X, y, k, callback=None):
    """Processor time of a fit, its part that goes to callbacks, and its steps."""
    model = OneHiddenLayerRegressor(k, activation="relu", random_state=0)
    methods = [(FitTask, name) for name in ("__init__", "begin", "step", "end", "end_fit")]
    if callback is not None:
        model.set_callbacks(callback)
        methods += [(type(callback), "setup"), (type(callback), "teardown")]
    with redirect_stdout(io.StringIO()), stopwatch(*methods) as spent:
        every, own = time.process_time(), time.thread_time()
        model.fit(X, y)
        every, own = time.process_time() - every, time.thread_time() - own
    return every, spent[0] + every - own, model.n_iter_


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=9)
    turns = parser.parse_args().turns
    warnings.simplefilter("ignore", ConvergenceWarning)
    report = Report(
        Path(__file__).parents[2] / "doc" / "benchmarks" / "callbacks.md", "Callbacks", __doc__,
        ["rows", "d", "k", "steps", "seconds", "nothing, ms", "ProgressBar, ms", "nothing, %",
         "ProgressBar, %"],
    )  # fmt: skip
    for size in SIZES:
        report.row(row(*size, turns))


def row(n, d, k, turns):
    """One row of the table."""
    X, y, _ = make_one_hidden_layer(n, d, k, random_state=0)
    y += NOISE * y.std() * np.random.default_rng(0).standard_normal(n)
    with threadpool_limits(1):
        runs = [
            [seconds_of(X, y, k, callback) for callback in (None, Nothing(), ProgressBar())]
            for _ in range(turns)
        ]
    seconds, costs, steps = np.median(runs, axis=0).T
    return [
        n, d, k, int(steps[0]), f"{seconds[0]:.3f}", *[f"{1e3 * cost:.1f}" for cost in costs[1:]],
        *[f"{100 * cost / seconds[0]:.2f}" for cost in costs[1:]],
    ]  # fmt: skip


if __name__ == "__main__":
    main()
