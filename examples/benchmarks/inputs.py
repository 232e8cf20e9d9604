"""Planted networks beyond the theorem: hidden biases, real output weights, rows that are not N(0, I).

d = 20, k = 5. W has singular values from 1 to 2, then columns scaled so that the standard deviation of
w.x is uniform in [1, 2]; biases are N(0, .5^2) about the mean of the rows, output weights of both signs
have sizes uniform in [.5, 2]. Teachers with a unit that is active on less than 5 % or more than 95 % of
the rows are drawn anew. The fit is the default, told k and the activation. Recovered: 1 - R2 < 1e-6 on
fresh rows. Seconds are medians on one BLAS thread; MLPRegressor (lbfgs, alpha=0, tol=1e-10, one start)
where it has the activation.

    python examples/benchmarks/inputs.py               20 seeds
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from _report import Report
from recovery import N_TEST, run
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.activations import get_activation

D, K = 20, 5
BIASED = "relu", "leaky_relu", "squared_relu", "gelu", "softplus", "tanh", "erf", "sigmoid"
SKEWED = "correlated", "uniform", "laplace", "exponential", "signs", "mixture"
# Rows, activation, rows per weight.
CELLS = [("normal", activation, 20) for activation in BIASED]
CELLS += [(kind, activation, 40) for kind in SKEWED for activation in ("relu", "tanh")]


def rows_of(kind, n, rng):
    """Rows (n, D)."""
    if kind == "normal":
        return rng.standard_normal((n, D))
    if kind == "correlated":  # eigenvalues from 1 to 10 in a random basis, and a mean
        basis = np.linalg.qr(rng.standard_normal((D, D)))[0]
        return rng.standard_normal((n, D)) * np.sqrt(np.geomspace(1, 10, D)) @ basis.T + (
            rng.standard_normal(D)
        )
    if kind == "uniform":
        return rng.uniform(-np.sqrt(3), np.sqrt(3), (n, D))
    if kind == "laplace":
        return rng.laplace(size=(n, D)) / np.sqrt(2)
    if kind == "exponential":
        return rng.exponential(size=(n, D)) - 1
    if kind == "signs":
        return rng.choice([-1.0, 1.0], (n, D))
    center = rng.standard_normal(D)  # a mixture of two normals, 3 apart
    center *= 1.5 / np.linalg.norm(center)
    return rng.standard_normal((n, D)) + rng.choice([-1, 1], (n, 1)) * center


def teacher(X, rng):
    """W, b, v for these rows, and how many were drawn anew."""
    covariance, mean = np.cov(X.T), X.mean(axis=0)
    for redraws in range(1000):
        Q, P = np.linalg.qr(rng.standard_normal((D, K)))[0], np.linalg.qr(rng.standard_normal((K, K)))[0]
        W = Q * np.linspace(1, 2, K) @ P.T
        W *= rng.uniform(1, 2, K) / np.sqrt(np.einsum("ij,ik,kj->j", W, covariance, W))
        b = 0.5 * rng.standard_normal(K) - mean @ W
        active = (X @ W + b > 0).mean(axis=0)
        if active.min() > 0.05 and active.max() < 0.95:
            v = rng.uniform(0.5, 2, K) * rng.choice([-1.0, 1.0], K)
            return W, b, v, redraws
    raise RuntimeError(f"no teacher in 1000 draws; shares of active rows of the last: {active}")


def planted(kind, activation, n, seed):
    """Training and test data, and the redraws."""
    rng = np.random.default_rng(seed)
    X = rows_of(kind, n + N_TEST, rng)
    W, b, v, redraws = teacher(X, rng)
    y = get_activation(activation).value(X @ W + b) @ v
    return (X[:n], y[:n], X[n:], y[n:]), redraws


def one_cell(kind, activation, q, n_seeds):
    """A row of the table."""
    ours, theirs, firsts, total = [], [], [], 0
    name = {"sigmoid": "logistic"}.get(activation, activation)
    for seed in range(n_seeds):
        data, redraws = planted(kind, activation, q * D * K, seed)
        total += redraws
        model = OneHiddenLayerRegressor(K, activation=activation, random_state=seed)
        ours.append(run(model, *data))
        firsts.append(ours[-1][1] and model.n_starts_ == 1)
        if name in ("relu", "tanh", "logistic"):
            peer = MLPRegressor(
                hidden_layer_sizes=(K,),
                activation=name,
                solver="lbfgs",
                alpha=0,
                max_iter=3000,
                tol=1e-10,
                random_state=seed,
            )
            theirs.append(run(peer, *data))
    row = [kind, activation, q, total, *shares(ours), f"{np.mean(firsts):.2f}"]
    return row + (shares(theirs) if theirs else ["", ""])


def shares(results):
    """Share recovered and median seconds."""
    seconds, recovered = np.array(results, dtype=float).T
    return [f"{recovered.mean():.2f}", f"{np.median(seconds):.2f}"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    n_seeds = parser.parse_args().seeds
    warnings.simplefilter("ignore", ConvergenceWarning)
    columns = [
        "rows", "activation", "n/dk", "redraws", "recovered", "seconds", "by the first start",
        "MLP recovered", "seconds",
    ]  # fmt: skip
    path = Path(__file__).parents[2] / "doc" / "benchmarks" / "inputs.md"
    with threadpool_limits(1):
        report = Report(path, "Biases, and rows that are not normal", __doc__, columns)
        report.note(f"{n_seeds} seeds a cell, from 0.")
        for cell in CELLS:
            report.row(one_cell(*cell, n_seeds))


if __name__ == "__main__":
    main()
