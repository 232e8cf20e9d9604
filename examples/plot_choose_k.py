"""
Choosing the number of units
============================

Where a network generated the rows there is a right number of hidden units, and three ways lead to it:
the spectrum of the moments, before any fit; ``k="auto"``; and a grid search, which works for any data.

What to take away: on planted data the three agree. On real data there is no true number. ``k="auto"``
then takes the width that the rows can pay for, and predicts about as well as the best of a grid.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.displays import MomentSpectrumDisplay

K_PLANTED = 4
X, y, _ = make_one_hidden_layer(2000, 12, K_PLANTED, noise=0.3, random_state=0)

# %%
# By the moments
# --------------
# Every unit lifts one singular value of the second moment above what permuted targets show. This needs
# no fit.

spectrum = MomentSpectrumDisplay.from_data(X, y, random_state=0)
plt.show()

# %%
# By the fit itself
# -----------------
# ``k="auto"`` doubles the width until the residual is noise, and takes units away as long as the
# Bayesian information criterion falls.

automatic = OneHiddenLayerRegressor(k="auto", activation="relu", random_state=0).fit(X, y)
print(f"spectrum: {spectrum.n_above_} units, k='auto': {automatic.k_} units")

# %%
# By cross-validation
# -------------------
# The error on held-out folds falls up to the planted number, and stays there: more units find nothing
# more. The lowest point may lie a little beyond, by chance. One start is enough for each fit.

widths = list(range(1, 8))
one_start = OneHiddenLayerRegressor(activation="relu", n_init=1, random_state=0)
folds = KFold(4, shuffle=True, random_state=0)
search = GridSearchCV(one_start, {"k": widths}, cv=folds).fit(X, y)

figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
ax.axvspan(K_PLANTED - 0.25, K_PLANTED + 0.25, color="tab:green", alpha=0.2, label="planted")
ax.plot(widths, 1 - search.cv_results_["mean_test_score"], "o-", label="grid search")
ax.plot(automatic.k_, 1 - search.cv_results_["mean_test_score"][automatic.k_ - 1], "r*",
        markersize=14, label='k="auto"')  # fmt: skip
ax.set(xlabel="units k", ylabel="1 - R2 on held-out folds", yscale="log")
ax.set_title("The error falls up to the planted number of units")
ax.legend()
plt.show()
# sphinx_gallery_thumbnail_number = 2

# %%
# Real data
# ---------
# 442 patients, ten columns: the disease does not follow a network. The grid and ``k="auto"`` see the
# training folds alone.

X, y = load_diabetes(return_X_y=True)
folds = KFold(5, shuffle=True, random_state=0)
inner = KFold(3, shuffle=True, random_state=1)
models = {
    "grid search": GridSearchCV(
        OneHiddenLayerRegressor(activation="relu", random_state=0), {"k": [1, 2, 4, 8]}, cv=inner
    ),
    'k="auto"': OneHiddenLayerRegressor(k="auto", activation="relu", random_state=0),
}
for name, model in models.items():
    scores = cross_val_score(make_pipeline(StandardScaler(), model), X, y, cv=folds)
    print(f"{name}: R2 {scores.mean():.3f}")
