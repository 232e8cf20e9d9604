"""Gross errors in one target of a hundred: what does ``loss="student_t"`` lose by them?

Fits to targets with normal noise, of which one in a hundred is moved up or down by so many standard
deviations of y. Error: of new rows, against the targets without noise, root mean square over the seeds,
as a multiple of that of the fit by squared errors to the targets before any was moved.

- planted: 1500 normal rows of 6 columns, three orthogonal ReLU units with their number known, noise of
  .1 of the standard deviation; with "t(3)" noise of that distribution in place of normal noise;
- friedman: make_friedman1 of scikit-learn, 10 columns, the default call: 1000 rows with noise 1, 300
  rows with noise .1;
- boosting: GradientBoostingRegressor(loss="huber") with scikit-learn's defaults, on the same rows, as a
  multiple of the same error of ours;
- df: degrees of freedom that the last fit found; seconds of the processor: student_t over squared_error.

    python examples/benchmarks/outliers.py            on all cores, some minutes
    python examples/benchmarks/outliers.py --seeds 2 --jobs 1
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from _report import Report
from joblib import Parallel, delayed
from sklearn.datasets import make_friedman1
from sklearn.ensemble import GradientBoostingRegressor
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor

SIZES = 0.0, 1.0, 5.0, 20.0, 1e4
PLANTED = {"k": 3, "activation": "relu"}


def planted(seed, noise):
    """Rows, noisy targets, new rows and their targets without noise."""
    rng = np.random.default_rng(seed)
    W = np.linalg.qr(rng.standard_normal((6, 3)))[0]
    X = rng.standard_normal((7500, 6))
    y = np.maximum(X @ W, 0) @ [1.0, -1.0, 1.0]
    errors = rng.standard_normal(1500) if noise == "normal" else rng.standard_t(3, 1500)
    return X[:1500], y[:1500] + 0.1 * y.std() * errors, X[1500:], y[1500:]


def friedman(seed, n, noise):
    """The same of ``make_friedman1``."""
    X, y = make_friedman1(n, noise=noise, random_state=seed)
    return X, y, *make_friedman1(6000, random_state=1000 + seed)


CASES = {
    "planted, normal": (PLANTED, lambda seed: planted(seed, "normal")),
    "planted, t(3)": (PLANTED, lambda seed: planted(seed, "t(3)")),
    "friedman, 1000 rows": ({}, lambda seed: friedman(seed, 1000, 1.0)),
    "friedman, 300 rows": ({}, lambda seed: friedman(seed, 300, 0.1)),
}


def spoiled(y, size, seed):
    """Targets of which one in a hundred is moved."""
    rng = np.random.default_rng(seed)
    y, rows = y.copy(), rng.choice(len(y), len(y) // 100, replace=False)
    y[rows] += size * y.std() * rng.choice([-1.0, 1.0], len(rows))
    return y


def one_seed(case, seed):
    """Squared errors (sizes and the clean fit, models), degrees of freedom, seconds."""
    warnings.simplefilter("ignore")
    setting, make = CASES[case]
    X, y, X_new, y_new = make(seed)
    errors, df, seconds = [], [], []
    with threadpool_limits(1):
        for size in SIZES:
            targets, of_size = spoiled(y, size, seed), []
            for model in (
                OneHiddenLayerRegressor(**setting, random_state=seed),
                OneHiddenLayerRegressor(**setting, loss="student_t", random_state=seed),
                GradientBoostingRegressor(loss="huber", random_state=seed),
            ):
                begin = time.process_time()
                model.fit(X, targets)
                of_size.append(
                    (np.mean((model.predict(X_new) - y_new) ** 2), time.process_time() - begin)
                )
                if hasattr(model, "noise_df_"):
                    df.append(model.noise_df_)
            found = np.array(of_size)
            errors.append(found[:, 0])
            seconds.append(found[1, 1] / found[0, 1])
    return np.array(errors), np.array(df), np.array(seconds)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=-1)
    arguments = parser.parse_args()
    report = Report(
        Path(__file__).parents[2] / "doc" / "benchmarks" / "outliers.md", "Gross errors", __doc__,
        ["case", "standard deviations", "squared_error", "student_t", "its largest of a seed",
         "boosting, huber", "df", "seconds, ratio"],
    )  # fmt: skip
    report.note(f"{arguments.seeds} seeds.")
    for case in CASES:
        results = Parallel(n_jobs=arguments.jobs)(
            delayed(one_seed)(case, seed) for seed in range(arguments.seeds)
        )
        errors, df, seconds = (np.array(part) for part in zip(*results, strict=True))
        clean = errors[:, 0, 0]  # nothing was moved, squared errors
        for j, size in enumerate(SIZES):
            ratios = np.sqrt(errors[:, j].mean(axis=0) / clean.mean())
            worst = np.sqrt((errors[:, j, 1] / clean).max())
            report.row([
                case, f"{size:g}", *[f"{ratio:.3g}" for ratio in ratios[:2]], f"{worst:.3g}",
                f"{ratios[2]:.3g}", f"{np.median(df[:, j]):.3g}", f"{np.median(seconds[:, j]):.2g}",
            ])  # fmt: skip


if __name__ == "__main__":
    main()
