"""Time, passes over X and memory of a fit against rows n, columns d and units k.

ReLU networks planted as in recovery.py, default settings, one BLAS thread. Seconds: the best of three
fits. Products: seconds over those of one X.T @ X of the same rows. Memory: growth of the process's
anonymous memory (RssAnon) during the fit, over the bytes of X. The slope after each group is that of
log seconds against the logarithm of what changes, by least squares.

    python examples/benchmarks/scaling.py
    python examples/benchmarks/scaling.py --quick      a tenth of the rows
"""

import argparse
import threading
import time
from pathlib import Path

import numpy as np
from _report import Report
from sklearn.metrics import r2_score
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer

# What changes, its values, n, d, k, which stay as they are.
GROUPS = [
    ("n", [10_000, 30_000, 100_000, 300_000, 1_000_000], {"d": 50, "k": 5}),
    ("d", [20, 50, 100, 200, 400], {"n": 40_000, "k": 5}),
    ("k", [2, 5, 10, 20, 40], {"n": 80_000, "d": 50}),
]


class MemoryWatch:
    """Largest anonymous memory of the process while it is open, over that at the start."""

    def __enter__(self):
        self.first = self.peak = anonymous_bytes()
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.closed.wait(0.002):
            self.peak = max(self.peak, anonymous_bytes())

    def __exit__(self, *error):
        self.closed.set()
        self.thread.join()


def anonymous_bytes():
    """RssAnon of this process."""
    for entry in Path("/proc/self/status").read_text().splitlines():
        if entry.startswith("RssAnon"):
            return 1024 * int(entry.split()[1])
    raise OSError("/proc/self/status has no RssAnon: this benchmark needs Linux")


def best_seconds(function, repeats=3):
    """Seconds of the fastest of some calls."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def one_size(n, d, k):
    """Seconds, share of a product, passes, memory and test error of a fit."""
    X, y, _ = make_one_hidden_layer(n + 1000, d, k, activation="relu", random_state=0)
    X, y, X_test, y_test = X[:n], y[:n], X[n:], y[n:]
    model = OneHiddenLayerRegressor(k, activation="relu", random_state=0)
    with MemoryWatch() as memory:
        model.fit(X, y)
    seconds = best_seconds(lambda: model.fit(X, y))
    product = best_seconds(lambda: X.T @ X)
    growth = (memory.peak - memory.first) / X.nbytes
    error = 1 - r2_score(y_test, model.predict(X_test))
    return seconds, seconds / product, model.n_passes_, growth, error


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    divisor = 10 if parser.parse_args().quick else 1
    columns = [
        "n", "d", "k", "seconds", "products", "passes over X", "memory", "test 1 - R2",
        "slope",
    ]  # fmt: skip
    path = Path(__file__).parents[2] / "doc" / "benchmarks" / "scaling.md"
    with threadpool_limits(1):
        report = Report(path, "Scaling", __doc__, columns)
        for name, values, fixed in GROUPS:
            seconds = []
            for value in values:
                size = fixed | {name: value}
                size["n"] //= divisor
                found = one_size(**size)
                seconds.append(found[0])
                figures = [f"{found[0]:.2f}", f"{found[1]:.1f}", f"{found[2]:.0f}", f"{found[3]:.2f}"]
                report.row([*[size[key] for key in "ndk"], *figures, f"{found[4]:.0e}", ""])
            slope = np.polyfit(np.log(values), np.log(seconds), 1)[0]
            report.row([f"slope in {name}", *[""] * 7, f"{slope:.2f}"])


if __name__ == "__main__":
    main()
