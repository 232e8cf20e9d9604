"""
How many units, and are they the right ones?
============================================

Before a fit the moments of the data show how many hidden units there are. After it the weights
can be held against the planted ones or, where no truth is known, against those of another fit.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.displays import (
    HessianSpectrumDisplay,
    MomentSpectrumDisplay,
    PhaseTransitionDisplay,
    RecoveryDisplay,
    WeightMatchingDisplay,
)
from sklearn_onenn.metrics import recovery_error

d, k = 20, 6
X, y, teacher = make_one_hidden_layer(6000, d, k, activation="relu", noise=0.3, random_state=0)

# %%
# Before the fit: how many units
# ------------------------------
# Singular values of the second moment, and their range when the targets are permuted. Six stand above
# it: the network that generated the data has six units.
spectrum = MomentSpectrumDisplay.from_data(X, y, random_state=0)
spectrum.ax_.set_title(f"{spectrum.n_above_} singular values above noise: {k} units")
plt.show()

# %%
# After the fit: the same weights?
# --------------------------------
# Every dot is a hidden weight. What is left is the error that noise of this size must leave.
model = OneHiddenLayerRegressor(k=k, activation="relu", random_state=0).fit(X, y)
RecoveryDisplay.from_estimator(model, *teacher.coefs_)
plt.show()
# sphinx_gallery_thumbnail_number = 2

# %%
# Step by step, the error against the passes over the rows, without noise: the tensor initialization
# comes near, and a few steps go down to rounding.
clean = teacher.predict(X)
along = RecoveryDisplay.from_fit(model, X, clean, *teacher.coefs_)
along.ax_.set_title("From the tensor initialization down to rounding")
plt.show()

# %%
# Without a truth: are two fits the same?
# ---------------------------------------
# Fits on the two halves of the rows agree in all units. With a seventh unit, which the data do not have,
# one row of the matrix has no partner.
figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
for ax, n_units in zip(axes, (k, k + 1), strict=True):
    halves = [
        OneHiddenLayerRegressor(k=n_units, activation="relu", n_init=1, random_state=0).fit(
            X[half::2], y[half::2]
        )
        for half in (0, 1)
    ]
    matching = WeightMatchingDisplay.from_estimators(*halves, ax=ax)
    ax.set_title(f"{n_units} units: matched at least {matching.matched_.min():.2f}")
plt.show()

# %%
# How well are the weights determined?
# ------------------------------------
# Eigenvalues of the Gauss-Newton matrix at the fit. The last six are zero: a ReLU unit shares its scale
# with its output weight. The others lie within two orders of magnitude, so that every weight is
# determined.
hessian = HessianSpectrumDisplay.from_estimator(model, X)
hessian.ax_.axvline(hessian.n_weights - k + 0.5, color="0.7", linestyle="--")
hessian.ax_.set_title("All weights are determined but the scales of the units")
plt.show()

# %%
# How many rows are needed?
# -------------------------
# Four problems in every cell, one start each: with more features the border moves to more rows.
trials = []
for features in (5, 10, 15):
    for n in (40, 60, 80, 120, 160, 240):
        for seed in range(4):
            X, y, truth = make_one_hidden_layer(n, features, 3, activation="relu", random_state=seed)
            fit = OneHiddenLayerRegressor(k=3, activation="relu", n_init=1, random_state=seed).fit(X, y)
            error = recovery_error(*fit.coefs_, *truth.coefs_, activation="relu")
            trials.append((n, features, error < 0.01))
n_samples, sizes, recovered = np.array(trials).T
transition = PhaseTransitionDisplay.from_trials(n_samples, sizes, recovered, size_name="features d")
transition.ax_.set_title("More features need more rows")
plt.show()
