"""The left picture of the start page: planted weights, and what a fit finds."""

import matplotlib.pyplot as plt

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import match_units

X, y, teacher = make_one_hidden_layer(6000, 30, 12, activation="relu", random_state=0)
model = OneHiddenLayerRegressor(k=12, activation="relu", random_state=0).fit(X, y)

figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
W_true = teacher.coefs_[0]
axes.axline((0, 0), slope=1, color="0.7", linewidth=1, zorder=0)
for label, (W, _), color in [
    ("tensor initialization", model.init_coefs_, "tab:orange"),
    ("end of the fit", model.coefs_, "tab:blue"),
]:
    order = match_units(W, W_true)[0]
    axes.plot(W_true.ravel(), W[:, order].ravel(), ".", markersize=4, color=color, label=label)
axes.set(xlabel="planted weight", ylabel="found weight", title="360 hidden weights from 6 000 rows")
axes.legend(loc="upper left")
