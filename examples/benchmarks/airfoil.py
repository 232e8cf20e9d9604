"""Self-noise of airfoils (UCI, 1503 rows, 5 columns): this package beside peers and published figures.

The published figures are those of the repository scikit-learn-contrib/bde: rows split 80/20 by
train_test_split with random_state=0, columns and target standardized on the training rows, RMSE on that
scale. Split 0 is that split; the mean is over other splits of the same kind, random_state 1 to 10, and
its error is the standard error over them.

- ours: k=250 and tanh, all else the default;
- default: OneHiddenLayerRegressor() as it is;
- MLPRegressor: L-BFGS, 100 tanh units, max_iter=1000, with two penalties: alpha=1, as in uci.py, and
  0.1, which does better here;
- HistGradientBoostingRegressor as it is.

The random_state of a model is that of the split. Seconds: of the processor, mean of a fit over all
splits, on one thread. BDE took 240 seconds on ten cores. FILE.csv is bde/data/airfoil.csv of that
repository: a line of names, then numbers, the target last.

    python examples/benchmarks/airfoil.py --data FILE.csv                on all cores
    python examples/benchmarks/airfoil.py --data FILE.csv --splits 2     two splits beside split 0
"""

import argparse
from pathlib import Path

import numpy as np
from _report import Report
from joblib import Parallel, delayed
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split
from uci import fitted, mlp, paired

from sklearn_onenn import OneHiddenLayerRegressor

K = 250
ACTIVATION = "tanh"
PUBLISHED = {
    "linear regression": "0.660",
    "deep ensemble": "0.365",
    "random forest": "0.256",
    "CatBoost": "0.239",
    "XGBoost": "0.2025",
    "TabPFN v2": "0.136",
    "BDE": "0.1215",
}


def load(path):
    """X and y."""
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    return table[:, :-1], table[:, -1]


def models(seed):
    """The models by name."""
    return {
        "ours": OneHiddenLayerRegressor(K, activation=ACTIVATION, random_state=seed),
        "default": OneHiddenLayerRegressor(random_state=seed),
        "MLPRegressor, alpha=1": mlp(100, 1, seed),
        "MLPRegressor, alpha=0.1": mlp(100, 0.1, seed),
        "HistGradientBoostingRegressor": HistGradientBoostingRegressor(random_state=seed),
    }


def one_split(X, y, seed):
    """RMSE and seconds of all models, on one split."""
    train, test = train_test_split(np.arange(len(X)), test_size=0.2, random_state=seed)
    y = (y - y[train].mean()) / y[train].std()
    return [fitted(model, X, y, train, test) for model in models(seed).values()]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FILE.csv")
    parser.add_argument("--splits", type=int, default=10, help="splits beside split 0")
    parser.add_argument("--jobs", type=int, default=-1)
    arguments = parser.parse_args()
    X, y = load(arguments.data)
    report = Report(
        Path(__file__).parents[2] / "doc" / "benchmarks" / "airfoil.md",
        "Self-noise of airfoils", __doc__,
        ["model", "RMSE, split 0", "mean of other splits", "its error", "seconds"],
    )  # fmt: skip
    report.note(f"Splits beside split 0: {arguments.splits}.")
    results = Parallel(n_jobs=arguments.jobs)(
        delayed(one_split)(X, y, seed) for seed in range(arguments.splits + 1)
    )
    for name, result in zip(models(0), np.swapaxes(results, 0, 1), strict=True):
        errors, seconds = result.T
        others = [f"{value:.4f}" for value in paired(errors[1:])] if len(errors) > 1 else ["", ""]
        report.row([name, f"{errors[0]:.4f}", *others, f"{seconds.mean():.2f}"])
    for name, error in PUBLISHED.items():
        report.row([f"{name} (published)", error, "", "", ""])


if __name__ == "__main__":
    main()
