"""Intervals on planted networks: do those at 95 % hold the truth in 95 of 100 cases?

Ten normal inputs, three units with biases, noise of sd .2 of the signal's that is the same for all rows
or grows with the first input as .2 (|x_1| + .2). The fit is the default with keep_covariance=True. An
interval is the estimate plus or minus 1.96 standard errors. Weights: those of W and b at the output
weights as reported, units matched with the planted ones; |v| of units that are not homogeneous counts
too. Predictions: at 100 fresh rows, against the network without noise. "Missed": fits in which a unit is
not the planted one (|cosine| < .9), which are left out.
Coverage of exact intervals would be 0.95. It differs by some .05 from fit to fit: 60 fits give it up to
.007, and all 720 up to .002.

    python examples/benchmarks/intervals.py                 seeds 1000 .. 1059, on all cores
    python examples/benchmarks/intervals.py --seeds 5 --first-seed 0
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
from sklearn_onenn.metrics import match_units

D, K = 10, 3
SIZES = 20, 50


def one_seed(activation, noise, q, seed):
    """Whether each interval holds the truth: for weights and for predictions; and seconds."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y, teacher = make_one_hidden_layer(
        D * K * q, D, K, activation=activation, bias=0.3, random_state=seed
    )
    rng = np.random.default_rng([seed, 1])
    sd = 0.2 if noise == "constant" else 0.2 * (np.abs(X[:, 0]) + 0.2)
    y = y + y.std() * sd * rng.standard_normal(len(y))
    with threadpool_limits(1):
        begin = time.perf_counter()
        model = OneHiddenLayerRegressor(
            K, activation=activation, keep_covariance=True, random_state=seed
        ).fit(X, y)
        seconds = time.perf_counter() - begin
        X_new = rng.standard_normal((100, D))
        mean, std = model.predict(X_new, return_std="value")
    order, cosines = match_units(model.coefs_[0], teacher.coefs_[0])
    if np.abs(cosines).min() < 0.9:
        return None, None, seconds
    sign = np.sign(cosines)
    errors, truth = (model.coefs_std_, model.intercepts_std_), (teacher.coefs_, teacher.intercepts_)
    scores = [
        (model.coefs_[0][:, order] * sign - truth[0][0]) / errors[0][0][:, order],
        (model.intercepts_[0][order] * sign - truth[1][0]) / errors[1][0][order],
    ]
    if (errors[0][1] > 0).any():
        sizes = np.abs(model.coefs_[1][order]) - np.abs(truth[0][1])
        scores.append(sizes / errors[0][1][order])
    weights = np.abs(np.concatenate([score.ravel() for score in scores])) < 1.96
    return weights, np.abs(mean - teacher.predict(X_new)) < 1.96 * std, seconds


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=-1)
    arguments = parser.parse_args()
    path = Path(__file__).parents[2] / "doc" / "benchmarks" / "intervals.md"
    report = Report(
        path, "Intervals", __doc__,
        ["activation", "noise", "n/dk", "fits", "missed", "weights", "coverage",
         "predictions", "coverage", "seconds"],
    )  # fmt: skip
    every = []
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    for q in SIZES:
        for activation in ("relu", "tanh", "squared_relu"):
            for noise in ("constant", "by row"):
                results = Parallel(n_jobs=arguments.jobs)(
                    delayed(one_seed)(activation, noise, q, seed) for seed in seeds
                )
                report.row([activation, noise, q, *row(results)])
                every += results
    report.row(["all", "", "", *row(every)])


def row(results):
    """Counts and coverage."""
    found = [result for result in results if result[0] is not None]
    entries = [len(results), len(results) - len(found)]
    for column in (0, 1):
        inside = np.concatenate([result[column] for result in found])
        entries += [len(inside), f"{inside.mean():.3f}"]
    return [*entries, f"{np.mean([result[2] for result in results]):.2f}"]


if __name__ == "__main__":
    main()
