"""Intervals where no row was seen: the middle third of a column left out of the fit, or both ends of it.

For every column of four UCI tables the rows are sorted by it. "gap": the middle third is left out, the
fit sees the others; "tail": the lowest and the highest sixth are. Coverage: share of the rows that were
left out within ``predict_interval`` at .95, of the default call with keep_covariance=True, columns
standardized by the rows of the fit; mean and lowest over the columns. Width: mean, over the
standard deviation of y. Nothing promises coverage there: rows are not exchangeable.

    python examples/benchmarks/gaps.py --data FOLDER            on all cores, a minute or two
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from _report import Report
from joblib import Parallel, delayed
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from uci import SETS, load

from sklearn_onenn import OneHiddenLayerRegressor

TABLES = "boston", "concrete", "energy", "yacht"


def left_out(column, kind):
    """Numbers of the rows that are left out."""
    order, n = np.argsort(column, kind="stable"), len(column)
    if kind == "gap":
        return order[n // 3 : n - n // 3]
    return np.concatenate([order[: n // 6], order[n - n // 6 :]])


def one_column(X, y, kind, column):
    """Coverage and mean width of the rows that are left out by one column."""
    warnings.simplefilter("ignore")
    outside = left_out(X[:, column], kind)
    inside = np.setdiff1d(np.arange(len(X)), outside)
    scaler = StandardScaler().fit(X[inside])
    model = OneHiddenLayerRegressor(keep_covariance=True, random_state=0)
    with threadpool_limits(1):
        model.fit(scaler.transform(X[inside]), y[inside])
        lower, upper = model.predict_interval(scaler.transform(X[outside]), 0.95)
    held = (lower <= y[outside]) & (y[outside] <= upper)
    return held.mean(), np.mean(upper - lower) / y.std()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--jobs", type=int, default=-1)
    arguments = parser.parse_args()
    report = Report(
        Path(__file__).parents[2] / "doc" / "benchmarks" / "gaps.md", "Gaps and tails", __doc__,
        ["table", "left out", "columns", "coverage at .95", "lowest", "width"],
    )  # fmt: skip
    for name in TABLES:
        X, y = load(arguments.data / SETS[name].folder)
        for kind in ("gap", "tail"):
            found = Parallel(n_jobs=arguments.jobs)(
                delayed(one_column)(X, y, kind, column) for column in range(X.shape[1])
            )
            held, widths = np.transpose(found)
            report.row([
                name, kind, X.shape[1], f"{held.mean():.3f}", f"{held.min():.2f}", f"{widths.mean():.2f}"
            ])  # fmt: skip


if __name__ == "__main__":
    main()
