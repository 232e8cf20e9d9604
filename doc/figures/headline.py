"""The picture of the start page: what is recovered, and how often."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import match_units

X, y, teacher = make_one_hidden_layer(6000, 30, 12, activation="relu", random_state=0)
model = OneHiddenLayerRegressor(k=12, activation="relu", random_state=0).fit(X, y)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", width_ratios=[1, 1.35])
W_true = teacher.coefs_[0]
left.axline((0, 0), slope=1, color="0.7", linewidth=1, zorder=0)
for label, (W, _), color in [
    ("tensor initialization", model.init_coefs_, "tab:orange"),
    ("end of the fit", model.coefs_, "tab:blue"),
]:
    order = match_units(W, W_true)[0]
    left.plot(W_true.ravel(), W[:, order].ravel(), ".", markersize=4, color=color, label=label)
left.set(xlabel="planted weight", ylabel="found weight", title="360 hidden weights from 6 000 rows")
left.legend(loc="upper left")

# The share of five planted networks that each model recovered, as doc/benchmarks/peers.md has it.
page = Path("../benchmarks/peers.md").read_text()  # the plot directive runs in this folder
row = r"^\| relu \| (\d+) \| (\d+) \| \d+ \| 1 \| ([^|]+) \| ([\d.]+) \|"
shares = {((d, k), name): float(share) for d, k, name, share in re.findall(row, page, re.MULTILINE)}
sizes = list(dict.fromkeys(size for size, _ in shares))
models = {
    "sklearn_onenn": ("sklearn_onenn", "tab:blue"),
    "prune": ("2k random units, pruned", "0.35"),
    "MLPRegressor lbfgs": ("MLPRegressor (L-BFGS)", "tab:red"),
    "torch L-BFGS": ("torch (L-BFGS)", "tab:green"),
    "torch Adam": ("torch (Adam)", "tab:purple"),
}
width = 0.8 / len(models)
for number, (name, (label, color)) in enumerate(models.items()):
    heights = [shares[size, name] for size in sizes]
    places = np.arange(len(sizes)) + (number - (len(models) - 1) / 2) * width
    bars = right.bar(places, heights, 0.9 * width, label=label, color=color)
    zeros = ["" if height else "0" for height in heights]
    right.bar_label(bars, labels=zeros, fontsize=8, color=color)
right.set_xticks(range(len(sizes)), [f"{d} inputs, {k} units" for d, k in sizes])
right.set(ylabel="share of planted networks recovered", ylim=(0, 1.42))
right.set_title("The same rows, the right number of units")
right.set_yticks([0, 0.5, 1])
right.legend(ncols=2, loc="upper left", fontsize=8.5)
