"""
=========================
How sure are the weights?
=========================

A recovered network is a statistical model, and its weights have standard errors like the coefficients
of a linear one. ``keep_covariance=True`` keeps their covariance; ``coefs_std_`` then has the standard
errors, and ``predict(X, return_std="value")`` those of the network's value.

What to take away: the intervals hold the truth about as often as they say, also where the noise is
larger for some rows than for others.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import match_units

rng = np.random.default_rng(0)

# %%
# A curve
# -------
# One input, and noise that grows with it. The dark band is two standard errors of the curve: it narrows
# with the number of rows. The light one is for new points: nine of ten lie in it, also where the noise
# is larger.


def curve(x):
    """Two tanh units."""
    return np.tanh(2 * x + 2) - 1.5 * np.tanh(1.5 * x - 1.5)


x = rng.uniform(-3, 3, 300)
y = curve(x) + 0.05 * (4 + x) * rng.standard_normal(300)
model = OneHiddenLayerRegressor(k=2, activation="tanh", keep_covariance=True, random_state=0)
model.fit(x[:, None], y)
grid = np.linspace(-3, 3, 200)
mean, std = model.predict(grid[:, None], return_std="value")
lower, upper = model.predict_interval(grid[:, None], confidence_level=0.9)
inside = np.abs(mean - curve(grid)) < 2 * std
print(f"the dark band holds the curve at {np.mean(inside):.0%} of the grid")
x_new = rng.uniform(-3, 3, 2000)
y_new = curve(x_new) + 0.05 * (4 + x_new) * rng.standard_normal(2000)
low, high = model.predict_interval(x_new[:, None])
print(f"the light band holds {np.mean((low <= y_new) & (y_new <= high)):.0%} of new points")

# %%
# Weights
# -------
# Three ReLU units with ten inputs. Units are matched with the planted ones first: a network is the same
# function in whatever order its units are.

X, y_planted, teacher = make_one_hidden_layer(800, 10, 3, noise=0.3, random_state=0)
fit = OneHiddenLayerRegressor(k=3, activation="relu", keep_covariance=True, random_state=0).fit(
    X, y_planted
)
order, _ = match_units(fit.coefs_[0], teacher.coefs_[0])
W, W_std, W_true = fit.coefs_[0][:, order], fit.coefs_std_[0][:, order], teacher.coefs_[0]
inside = np.abs(W - W_true) < 1.96 * W_std
print(f"{inside.sum()} of {inside.size} intervals at 95 % hold the planted weight")

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 4), layout="constrained")
left.plot(x, y, ".", color="0.75", markersize=4, label="rows")
left.plot(grid, curve(grid), "k--", linewidth=1, label="planted")
left.plot(grid, mean, color="tab:blue", label="fit")
left.fill_between(grid, lower, upper, color="tab:blue", alpha=0.15, label="90 % of new points")
left.fill_between(
    grid, mean - 2 * std, mean + 2 * std, color="tab:blue", alpha=0.5, label="two standard errors"
)
left.set(xlabel="x", ylabel="y", title="Predictions")
left.legend()

right.axline((0, 0), slope=1, color="0.7", linewidth=1)
for chosen, color, label in [(inside, "tab:blue", "holds the truth"), (~inside, "tab:red", "does not")]:
    right.errorbar(
        W_true[chosen],
        W[chosen],
        1.96 * W_std[chosen],
        fmt=".",
        color=color,
        capsize=2,
        label=label,
    )
right.legend()
right.set(xlabel="planted weight", ylabel="found weight", title="Weights, intervals at 95 %")

plt.show()
