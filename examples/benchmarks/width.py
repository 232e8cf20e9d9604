"""k="auto": is the width of the planted network found?

Rows and networks as in recovery.py, n = 20 d k, with normal noise of sd 0, .1 or .3 of the signal's;
default settings, told the activation alone. Exact: share of the fits whose k_ is the planted one.

    python examples/benchmarks/width.py               20 seeds a cell, on all cores
    python examples/benchmarks/width.py --seeds 3 --jobs 1
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from _report import Report
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer

ACTIVATIONS = "relu", "squared_relu", "tanh"
SIZES = [(10, 2), (10, 3), (20, 5), (20, 8), (20, 12), (25, 20)]
LEVELS = 0.0, 0.1, 0.3


def one_fit(activation, d, k, noise, seed):
    """Width found, and seconds."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    n = 20 * d * k
    X, y, _ = make_one_hidden_layer(n, d, k, activation=activation, random_state=seed)
    y += noise * y.std() * np.random.default_rng([seed, 1]).standard_normal(n)
    with threadpool_limits(1):
        begin = time.perf_counter()
        model = OneHiddenLayerRegressor("auto", activation=activation, random_state=seed).fit(X, y)
        return model.k_, time.perf_counter() - begin


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=-1)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    report = Report(
        Path(__file__).parents[2] / "doc" / "benchmarks" / "width.md",
        "The number of units", __doc__,
        ["activation", "d", "k", "noise sd", "fits", "exact", "others", "seconds"],
    )  # fmt: skip
    report.note(f"Seeds {seeds[0]} .. {seeds[-1]}.")
    total = []
    for activation in ACTIVATIONS:
        for d, k in SIZES:
            for noise in LEVELS:
                found, seconds = zip(
                    *Parallel(n_jobs=options.jobs)(
                        delayed(one_fit)(activation, d, k, noise, seed) for seed in seeds
                    ),
                    strict=True,
                )
                exact = np.array(found) == k
                total.extend(exact)
                others = " ".join(str(width) for width in sorted(found) if width != k)
                report.row([
                    activation, d, k, noise, len(exact), f"{exact.mean():.2f}", others,
                    f"{np.median(seconds):.2f}",
                ])  # fmt: skip
    report.row(["all", "", "", "", len(total), f"{np.mean(total):.3f}", "", ""])


if __name__ == "__main__":
    main()
