"""Noisy planted networks: does the fit reach the optimum that the polish reaches from the truth?

Rows and network as in recovery.py, plus normal noise of sd .1 or .5 of the signal's. The fit is the
default, told k and the activation. Excess: how much higher its mean squared residual is than that of
the same estimator started at the true weights, with the penalty that the fit chose; below zero where
the fit found a better optimum. Success: excess <= 1e-4. "Without penalty": success where the network
started at the true weights has none, so that the excess holds what the fit's own penalty costs.

    python examples/benchmarks/noise.py                 200 seeds a cell, on all cores
    python examples/benchmarks/noise.py --seeds 20
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

# Rows per weight, sd of the noise over that of the signal, whether all seeds are fitted at k = 10.
LEVELS = [(20, 0.1, True), (50, 0.5, True), (20, 0.5, False)]
SIZES = [(20, 5), (50, 10)]


def one_seed(activation, d, k, n, sd, seed):
    """Excess over the optimum found from the truth, that without penalty or nan, starts and seconds."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y, teacher = make_one_hidden_layer(n, d, k, activation=activation, random_state=seed)
    y += sd * y.std() * np.random.default_rng([seed, 1]).standard_normal(n)
    with threadpool_limits(1):
        begin = time.perf_counter()
        model = OneHiddenLayerRegressor(k, activation=activation, random_state=seed).fit(X, y)
        seconds = time.perf_counter() - begin
        W, v = teacher.coefs_
        truth = {"init": (W, np.zeros(k), v[:, 0]), "resample": False, "random_state": seed}
        losses = [
            OneHiddenLayerRegressor(k, activation=activation, alpha=alpha, **truth).fit(X, y).loss_
            for alpha in ([model.alpha_, 0] if seed % 4 == 0 else [model.alpha_])
        ]
    excess = [model.loss_ / loss - 1 for loss in losses]
    return excess[0], excess[-1] if seed % 4 == 0 else np.nan, model.n_starts_, seconds


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=-1)
    arguments = parser.parse_args()
    path = Path(__file__).parents[2] / "doc" / "benchmarks" / "noise.md"
    report = Report(
        path, "Noisy planted networks", __doc__,
        ["activation", "d", "k", "n/dk", "noise sd", "seeds", "success",
         "without penalty", "median excess", "99 % excess", "largest excess", "starts", "seconds"],
    )  # fmt: skip
    for d, k in SIZES:
        for q, sd, every_seed in LEVELS:
            n_seeds = arguments.seeds if every_seed or k == 5 else arguments.seeds // 4
            for activation in ("relu", "tanh"):
                results = Parallel(n_jobs=arguments.jobs)(
                    delayed(one_seed)(activation, d, k, d * k * q, sd, seed) for seed in range(n_seeds)
                )
                excess, unpenalized, starts, seconds = np.array(results).T
                report.row([
                    activation, d, k, q, sd, n_seeds, f"{np.mean(excess <= 1e-4):.3f}",
                    f"{np.mean(unpenalized[::4] <= 1e-4):.3f}",
                    *[f"{np.quantile(excess, level):.1e}" for level in (0.5, 0.99, 1.0)],
                    f"{starts.mean():.1f}", f"{np.median(seconds):.2f}",
                ])  # fmt: skip


if __name__ == "__main__":
    main()
