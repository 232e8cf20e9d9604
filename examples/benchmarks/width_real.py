"""k="auto" on real tables: does it predict as well as a grid search over the widths?

The sets of real_data.py. R2 is the mean over five outer folds; in each k="auto" is fitted once, and a
grid search over three inner folds takes the best k of 1, 2, 5, 20, 40; tanh units, standardized columns,
all else the default. Difference: k="auto" less the grid search, and its standard error over the folds.

    python examples/benchmarks/width_real.py
    python examples/benchmarks/width_real.py --sets diabetes Auto --jobs 1
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from _report import Report
from joblib import Parallel, delayed
from real_data import SETS, load, scaled, search, timed
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor

WIDTHS = [1, 2, 5, 20, 40]


def one_fold(X, y, train, test):
    """R2, seconds and width of k="auto" and of the grid search."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    model = scaled(OneHiddenLayerRegressor("auto", activation="tanh", random_state=0))
    grid = search(
        scaled(OneHiddenLayerRegressor(activation="tanh", random_state=0)), {"model__k": WIDTHS}
    )
    with threadpool_limits(1):
        results = [timed(one, X, y, train, test) for one in (model, grid)]
    (scores, seconds), widths = zip(*results, strict=True), (model[-1].k_, grid.best_params_["model__k"])
    return scores, seconds, widths


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="NAME")
    parser.add_argument("--jobs", type=int, default=-1)
    arguments = parser.parse_args()
    report = Report(
        Path(__file__).parents[2] / "doc" / "benchmarks" / "width_real.md",
        "The number of units on real data", __doc__,
        ["set", "rows", "columns", "R2 k='auto'", "grid search", "difference", "its error",
         "k='auto'", "grid's k", "seconds k='auto'", "grid search"],
    )  # fmt: skip
    for name in arguments.sets:
        X, y = load(name)
        folds = KFold(5, shuffle=True, random_state=0).split(X)
        results = Parallel(n_jobs=arguments.jobs)(delayed(one_fold)(X, y, *fold) for fold in folds)
        scores, seconds, widths = (np.array(part) for part in zip(*results, strict=True))
        gains = scores[:, 0] - scores[:, 1]
        report.row([
            name, *X.shape, *[f"{score:.4f}" for score in scores.mean(axis=0)], f"{gains.mean():+.4f}",
            f"{gains.std(ddof=1) / len(gains) ** 0.5:.4f}",
            *[" ".join(str(width) for width in sorted(column)) for column in widths.T],
            *[f"{spent:.0f}" for spent in seconds.sum(axis=0)],
        ])  # fmt: skip


if __name__ == "__main__":
    main()
