"""The right picture of the start page: how often planted networks are recovered."""

import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
# The share of planted networks that each model recovered: examples/benchmarks/peers.py wrote it.
with Path("../benchmarks/peers.csv").open() as file:  # the plot directive runs in this folder
    rows = [row for row in csv.DictReader(file) if row["activation"] == "relu"]
shares = {((row["d"], row["k"]), row["model"]): float(row["recovered"]) for row in rows}
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
    bars = axes.bar(places, heights, 0.9 * width, label=label, color=color)
    zeros = ["" if height else "0" for height in heights]
    axes.bar_label(bars, labels=zeros, fontsize=8, color=color)
axes.set_xticks(range(len(sizes)), [f"d = {d}, k = {k}" for d, k in sizes])
axes.set(ylabel="share of planted networks recovered", ylim=(0, 1.5))
axes.set_title("The same rows, the right number of units")
axes.set_yticks([0, 0.5, 1])
axes.legend(ncols=2, loc="upper left", fontsize=8)
