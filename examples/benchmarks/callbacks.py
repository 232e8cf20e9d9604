"""Callbacks: what do they cost a fit?

Rows, networks and noise as in noise.py; default settings, random_state=0, one thread. Nothing: a
callback whose hooks do nothing, which leaves what the package itself spends on telling of every step.
ProgressBar: that of scikit-learn, its output thrown away. Seconds are processor time of the process,
since a bar has a thread of its own; fits without, with nothing and with the bar take turns, and cost is
the median over turns of the seconds beyond those of the fit without. The shortest fit shows what a bar
costs whatever the fit: scikit-learn starts and ends its thread.

    python examples/benchmarks/callbacks.py                 11 turns
    python examples/benchmarks/callbacks.py --turns 5
"""

import argparse
import io
import time
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
from _report import Report
from sklearn.callback import ProgressBar
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer

# Rows, columns, units.
SIZES = (60, 2, 1), (2000, 20, 5), (20_000, 30, 10), (50_000, 50, 10)
NOISE, TARGET = 0.1, 2


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


def seconds_of(model, X, y):
    """Seconds of processor time that a fit takes."""
    with redirect_stdout(io.StringIO()):
        begin = time.process_time()
        model.fit(X, y)
        return time.process_time() - begin


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=11)
    turns = parser.parse_args().turns
    warnings.simplefilter("ignore", ConvergenceWarning)
    report = Report(
        Path(__file__).parents[2] / "doc" / "benchmarks" / "callbacks.md", "Callbacks", __doc__,
        ["rows", "d", "k", "steps", "seconds", "nothing, ms", "ProgressBar, ms", "nothing, %",
         "ProgressBar, %", "target"],
    )  # fmt: skip
    for size in SIZES:
        report.row(row(*size, turns))


def row(n, d, k, turns):
    """One row of the table."""
    X, y, _ = make_one_hidden_layer(n, d, k, random_state=0)
    y += NOISE * y.std() * np.random.default_rng(0).standard_normal(n)
    plain, *watched = (OneHiddenLayerRegressor(k, random_state=0) for _ in range(3))
    for model, callback in zip(watched, (Nothing(), ProgressBar()), strict=True):
        model.set_callbacks(callback)
    with threadpool_limits(1):
        seconds = np.array([
            [seconds_of(model, X, y) for model in (plain, *watched)] for _ in range(turns)
        ])  # fmt: skip
    alone = np.median(seconds[:, 0])
    costs = np.median(seconds[:, 1:] - seconds[:, :1], axis=0)
    return [
        n, d, k, plain.n_iter_, f"{alone:.3f}", *[f"{1e3 * cost:.1f}" for cost in costs],
        *[f"{100 * cost / alone:.1f}" for cost in costs], TARGET,
    ]  # fmt: skip


if __name__ == "__main__":
    main()
