"""Share of planted networks recovered, and seconds, over activations, sizes and samples.

Every cell plants networks as in section 7 of arXiv:1706.03175 (W with singular values from 1 to kappa,
v = +-1, no noise); the fit is told the right k and the activation, all else is the default.
Recovered: 1 - R2 < 1e-6 on fresh rows. Seconds are medians of a fit on one BLAS thread.
Peers: see peers.py.

    python examples/benchmarks/recovery.py              every cell, 20 seeds
    python examples/benchmarks/recovery.py --seeds 3
"""

import argparse
import time
from pathlib import Path

import numpy as np
from _report import Report
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.activations import get_activation
from sklearn_onenn.datasets import make_one_hidden_layer

N_TEST = 2000
# activation, d, k, rows per weight, kappa ("gaussian": independent unit columns).
CELLS = [
    *[(a, 20, 5, q, 2) for a in ("relu", "squared_relu", "leaky_relu") for q in (3, 4, 8)],
    *[(a, 100, 5, q, 2) for a in ("relu", "squared_relu") for q in (4, 8)],
    ("relu", 50, 10, 8, 2),
    ("relu", 50, 10, 12, 2),
    ("relu", 50, 20, 8, 2),
    ("relu", 50, 20, 12, 2),
    ("relu", 50, 20, 20, 2),
    ("relu", 80, 40, 20, 2),
    ("relu", 80, 40, 30, 2),
    ("relu", 20, 20, 15, 2),
    ("relu", 20, 20, 30, 2),
    ("relu", 50, 10, 30, 10),
    ("relu", 30, 10, 20, "gaussian"),
    *[(a, 20, 5, 20, 2) for a in ("gelu", "tanh", "erf", "sigmoid")],
]


def planted(activation, d, k, n, kappa, seed):
    """Training rows and targets, test rows and targets."""
    gaussian = kappa == "gaussian"
    X, y, _ = make_one_hidden_layer(
        n + N_TEST, d, k, activation=activation, kappa=2.0 if gaussian else kappa, random_state=seed
    )
    if gaussian:
        rng = np.random.default_rng(seed)
        W = rng.standard_normal((d, k))
        W /= np.linalg.norm(W, axis=0)
        y = get_activation(activation).value(X @ W) @ rng.choice([-1.0, 1.0], k)
    return X[:n], y[:n], X[n:], y[n:]


def run(model, X, y, X_test, y_test):
    """Seconds of a fit, and whether it recovered."""
    start = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - start
    return seconds, 1 - model.score(X_test, y_test) < 1e-6


def summary(results):
    """Share recovered and median seconds as text."""
    seconds, recovered = np.array(results, dtype=float).T
    return f"{recovered.mean():.2f}", f"{np.median(seconds):.2f}"


def one_cell(cell, n_seeds):
    """A row of the table."""
    activation, d, k, q, kappa = cell
    n = d * k * q
    results, firsts, starts, passes = [], [], [], []
    for seed in range(n_seeds):
        model = OneHiddenLayerRegressor(k, activation=activation, random_state=seed)
        results.append(run(model, *planted(activation, d, k, n, kappa, seed)))
        starts.append(model.n_starts_)
        passes.append(model.n_passes_)
        firsts.append(results[-1][1] and model.n_starts_ == 1)
    row = [activation, d, k, n, q, kappa, *summary(results), f"{np.mean(firsts):.2f}"]
    return [*row, f"{np.mean(starts):.1f}", f"{np.median(passes):.0f}"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    n_seeds = parser.parse_args().seeds
    columns = [
        "activation", "d", "k", "n", "n/dk", "kappa", "recovered", "seconds",
        "by the first start", "starts", "passes over X",
    ]  # fmt: skip
    path = Path(__file__).parents[2] / "doc" / "benchmarks" / "recovery.md"
    with threadpool_limits(1):
        report = Report(path, "Recovery of planted networks", __doc__, columns)
        report.note(f"{n_seeds} seeds a cell (0 .. {n_seeds - 1}).")
        for cell in CELLS:
            report.row(one_cell(cell, n_seeds))


if __name__ == "__main__":
    main()
