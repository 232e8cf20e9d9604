"""
================================================
Intervals for a new target: one fit, or held out
================================================

``predict_interval`` takes one fit to all rows, and its intervals are as wide as the noise is there.
Split conformal prediction, here that of MAPIE around the same model, holds a quarter of the rows out,
and its intervals have one width.

What to take away: both hold nine of ten new points on the whole. Only the first do so where the noise is
small as well as where it is large, and only they know that there is a gap. (``pip install mapie``)
"""

import matplotlib.pyplot as plt
import numpy as np
from mapie.regression import SplitConformalRegressor
from sklearn.model_selection import train_test_split

from sklearn_onenn import OneHiddenLayerRegressor

rng = np.random.default_rng(0)

# %%
# Rows
# ----
# The noise grows fivefold from left to right, and no row lies between 0 and 1.


def target(x):
    """A sine, and noise with a standard deviation from .1 to .5."""
    return np.sin(2 * x) + (0.3 + 0.07 * x) * rng.standard_normal(x.shape)


def rows(n):
    """Values of x outside the gap, and targets."""
    x = rng.uniform(-3, 3, n)
    x = x[(x < 0) | (x > 1)]
    return x[:, None], target(x)


X, y = rows(500)
X_new, y_new = rows(5000)
grid = np.linspace(-3, 3, 241)[:, None]

# %%
# Two kinds of intervals
# ----------------------

model = OneHiddenLayerRegressor(keep_covariance=True, random_state=0).fit(X, y)
fitted, held, y_fitted, y_held = train_test_split(X, y, random_state=0)
split = SplitConformalRegressor(
    OneHiddenLayerRegressor(random_state=0), confidence_level=0.9, prefit=False
)
split.fit(fitted, y_fitted).conformalize(held, y_held)


def of_split(X):
    """Both ends."""
    return split.predict_interval(X)[1][:, :, 0].T


def coverage(X, y, intervals):
    """Share of the targets that the intervals hold."""
    lower, upper = intervals(X)
    return np.mean((lower <= y) & (y <= upper))


quiet, loud = X_new[:, 0] < -1.5, X_new[:, 0] > 1.5
for name, intervals in (("one fit", model.predict_interval), ("held out", of_split)):
    shares = [coverage(X_new[part], y_new[part], intervals) for part in (quiet, loud, quiet | True)]
    print(
        "{}: {:.0%} where noise is small, {:.0%} where it is large, {:.0%} of all".format(name, *shares)
    )

# %%

figure, axes = plt.subplots(1, 2, figsize=(7.5, 3.8), sharey=True, layout="constrained")
for axis, title, predict, intervals in (
    (axes[0], "One fit: widths follow the noise", model.predict, model.predict_interval),
    (axes[1], "Split conformal: one width for all", split.predict_interval, of_split),
):
    lower, upper = intervals(grid)
    middle = predict(grid)
    middle = middle[0] if isinstance(middle, tuple) else middle
    axis.plot(X[:, 0], y, ".", color="0.75", markersize=4, label="rows")
    axis.plot(grid[:, 0], middle, color="tab:blue", label="fit")
    axis.fill_between(grid[:, 0], lower, upper, color="tab:blue", alpha=0.2, label="90 % of new points")
    axis.axvspan(0, 1, color="0.95", zorder=0)
    axis.set(xlabel="x", ylim=(-3.2, 3.2))
    axis.set_title(title, fontsize=11)
axes[0].set_ylabel("y")
axes[0].legend(loc="lower left")

plt.show()
