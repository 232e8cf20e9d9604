"""Fits in threads: what do they cost beside the same fits one after another?

Noisy rows of a function that is no network, k tanh units, one start. "One after another": eight
fits in main thread, each with as many threads as BLAS is allowed. "In a second thread": the same
eight there. "Eight threads": one fit in each of eight threads at once. "Grid search": GridSearchCV
over four widths with ``n_jobs=2`` under joblib's backend "threading", beside the same with
``n_jobs=1``. Wall: seconds, the smallest of the turns. Ratio: to one after another (for the grid
search, to ``n_jobs=1``). Bits: whether the weights are the same. BLAS: threads that BLAS is allowed
afterwards, which are those before.

    python examples/benchmarks/threads.py               3 turns
    python examples/benchmarks/threads.py --turns 1
"""

import argparse
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
from _report import Report
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_info

from sklearn_onenn import OneHiddenLayerRegressor

N_FITS = 8
# Rows, columns, units.
SIZES = (500, 8, 5), (6000, 12, 8)


def rows(n, d):
    """X and noisy targets."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    return X, np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 0.3 * rng.standard_normal(n)


def new(k):
    """The estimator."""
    return OneHiddenLayerRegressor(k, activation="tanh", n_init=1, random_state=0)


def fits_in(n_threads, X, y, k):
    """The weights of all fits, made in so many threads, or in this one where that is zero."""
    if n_threads == 0:
        return [new(k).fit(X, y).coefs_[0] for _ in range(N_FITS)]
    with ThreadPoolExecutor(n_threads) as executor:
        return list(executor.map(lambda _: new(k).fit(X, y).coefs_[0], range(N_FITS)))


def grid_search(n_jobs, X, y, k):
    """Mean scores of four widths."""
    with joblib.parallel_config("threading"):
        search = GridSearchCV(new(k), {"k": [2, 3, 4, k]}, n_jobs=n_jobs, cv=3).fit(X, y)
    return [search.cv_results_["mean_test_score"]]


def timed(function, turns, *arguments):
    """Smallest seconds of several turns, and what the last returned."""
    seconds = []
    for _ in range(turns):
        begin = time.perf_counter()
        found = function(*arguments)
        seconds.append(time.perf_counter() - begin)
    return min(seconds), found


def blas_threads():
    """Threads that BLAS is allowed."""
    found = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    return max(found, default=1)


def main(turns, path):
    warnings.simplefilter("ignore", ConvergenceWarning)
    report = Report(
        path, "Fits in threads", __doc__.split("\n", 2)[2],
        ["n", "d", "k", "fits", "wall", "ratio", "same bits", "BLAS before", "BLAS after"],
    )  # fmt: skip
    for n, d, k in SIZES:
        X, y = rows(n, d)
        before = blas_threads()
        plain, expected = timed(fits_in, turns, 0, X, y, k)
        plain_search, scores = timed(grid_search, turns, 1, X, y, k)
        for name, function, threads, beside, right in (
            ("one after another", fits_in, 0, plain, expected),
            ("in a second thread", fits_in, 1, plain, expected),
            ("eight threads", fits_in, 8, plain, expected),
            ("grid search, n_jobs=2", grid_search, 2, plain_search, scores),
        ):
            wall, found = timed(function, turns, threads, X, y, k)
            same = all(np.array_equal(one, two) for one, two in zip(found, right, strict=True))
            ratio = f"{wall / beside:.2f}"
            report.row([n, d, k, name, f"{wall:.2f}", ratio, same, before, blas_threads()])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", default=Path(__file__).parents[2] / "doc" / "benchmarks" / "threads.md")
    options = parser.parse_args()
    main(options.turns, options.out)
