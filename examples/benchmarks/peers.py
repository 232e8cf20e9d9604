"""Planted networks: this package beside its peers, on the same data in the same process.

Everyone is told the right k and the activation. Recovered: 1 - R2 < 1e-6 on fresh rows; seconds are
medians of a fit.

    python examples/benchmarks/peers.py                          20 seeds, one BLAS thread
    python examples/benchmarks/peers.py --seeds 5 --threads 2    a page of its own
    python examples/benchmarks/peers.py --threads 2 --units 5    only the cells of five units

- MLPRegressor: alpha=0, tol=1e-10, max_iter=3000; restarted: that fit and as many more random starts
  of L-BFGS as fit into 10 times our seconds, the best by its training loss, the seconds of all.
- torch: float64, L-BFGS with strong Wolfe line search (max_iter=3000), and Adam (batches of 256, 200
  epochs, learning rate falling from 0.01 to 0 by the cosine).
- random start: our polish from one random start, all weights free.
- prune: our polish from 2 k random units, of which k are left by backward elimination.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from _report import Report
from recovery import planted
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._data.rows import ArrayRows, block_threads
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._search.starts import overparameterized_start
from sklearn_onenn.activations import get_activation

CELLS = [("relu", 20, 5, 20), ("relu", 50, 10, 20), ("relu", 50, 20, 20), ("tanh", 20, 5, 20)]
PATIENCE = 10


def mlp(activation, k, solver, seed):
    """MLPRegressor of the same width, run to its end."""
    return MLPRegressor(
        hidden_layer_sizes=(k,),
        activation=activation,
        solver=solver,
        alpha=0,
        max_iter=3000,
        tol=1e-10,
        random_state=seed,
    )


class Restarts:
    """The best of the MLPRegressors that fit into a time, of which one is fitted already."""

    def __init__(self, first, seconds, patience):
        self.fits, self.seconds, self.patience = [first], seconds, patience

    def fit(self, X, y):
        begin, (first, *_) = time.perf_counter() - self.seconds, self.fits
        while time.perf_counter() - begin < self.patience:
            seed = 1000 * (first.random_state + 1) + len(self.fits)
            self.fits.append(clone(first).set_params(random_state=seed).fit(X, y))
        self.seconds = time.perf_counter() - begin
        return self

    def predict(self, X):
        return min(self.fits, key=lambda fit: fit.loss_).predict(X)


class Torch:
    """The same network in torch."""

    def __init__(self, activation, k, solver, seed):
        self.activation, self.k, self.solver, self.seed = activation, k, solver, seed

    def fit(self, X, y):
        torch.manual_seed(self.seed)
        unit = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[self.activation]()
        layers = torch.nn.Linear(X.shape[1], self.k), unit, torch.nn.Linear(self.k, 1)
        self.network = torch.nn.Sequential(*layers).double()
        X, y = torch.from_numpy(X), torch.from_numpy(y)[:, None]
        if self.solver == "lbfgs":
            self.descend(X, y)
        else:
            self.sample(X, y)
        return self

    def descend(self, X, y):
        optimizer = torch.optim.LBFGS(
            self.network.parameters(), max_iter=3000, max_eval=4000, tolerance_grad=1e-10,
            tolerance_change=1e-14, history_size=20, line_search_fn="strong_wolfe",
        )  # fmt: skip

        def loss():
            optimizer.zero_grad()
            value = torch.nn.functional.mse_loss(self.network(X), y)
            value.backward()
            return value

        optimizer.step(loss)

    def sample(self, X, y, epochs=200):
        optimizer = torch.optim.Adam(self.network.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
        for _ in range(epochs):
            for part in torch.randperm(len(X)).split(256):
                optimizer.zero_grad()
                torch.nn.functional.mse_loss(self.network(X[part]), y[part]).backward()
                optimizer.step()
            schedule.step()

    def predict(self, X):
        with torch.no_grad():
            return self.network(torch.from_numpy(X))[:, 0].numpy()


class Pruned:
    """Our polish from the start that elimination from twice the width leads to."""

    def __init__(self, activation, k, seed):
        self.activation, self.k, self.seed = activation, k, seed

    def fit(self, X, y):
        with block_threads() as executor:
            rows = ArrayRows(X, y[:, None], executor=executor)
            problem = SquaredLoss(rows, get_activation(self.activation), whitening(rows))
            start = overparameterized_start(problem, self.k, np.random.RandomState(self.seed))
        W, b = problem.coordinates.weights_to_inputs(start.W, start.b)
        self.model = OneHiddenLayerRegressor(
            self.k, activation=self.activation, init=(W, b, start.V[:, 0]), resample=False
        ).fit(X, y)
        return self

    def predict(self, X):
        return self.model.predict(X)


def run(model, X, y, X_test, y_test):
    """Seconds of a fit, and whether it recovered."""
    start = time.perf_counter()
    model.fit(X, y)
    seconds = getattr(model, "seconds", time.perf_counter() - start)
    return seconds, 1 - r2_score(y_test, model.predict(X_test)) < 1e-6


def all_models(activation, d, k, q, seed):
    """(seconds, recovered) by name, on the data of one seed."""
    data = planted(activation, d, k, d * k * q, 2, seed)
    ours = OneHiddenLayerRegressor(k, activation=activation, random_state=seed)
    lbfgs = mlp(activation, k, "lbfgs", seed)
    results = {"sklearn_onenn": run(ours, *data), "MLPRegressor lbfgs": run(lbfgs, *data)}
    ours_seconds, its_seconds = (seconds for seconds, _ in results.values())
    rivals = {
        "MLPRegressor lbfgs, restarted": Restarts(lbfgs, its_seconds, PATIENCE * ours_seconds),
        "MLPRegressor adam": mlp(activation, k, "adam", seed),
        "torch L-BFGS": Torch(activation, k, "lbfgs", seed),
        "torch Adam": Torch(activation, k, "adam", seed),
        "random start": OneHiddenLayerRegressor(
            k, activation=activation, init="random", n_init=1, random_state=seed
        ),
        "prune": Pruned(activation, k, seed),
    }
    return results | {name: run(model, *data) for name, model in rivals.items()}


def one_cell(activation, d, k, q, n_seeds):
    """Share recovered and median seconds by model."""
    results = [all_models(activation, d, k, q, seed) for seed in range(n_seeds)]
    summary = {}
    for name in results[0]:
        seconds, recovered = np.array([result[name] for result in results], dtype=float).T
        summary[name] = recovered.mean(), np.median(seconds)
    return summary


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--units", type=int, choices=sorted({k for _, _, k, _ in CELLS}))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    columns = [
        "activation",
        "d",
        "k",
        "n",
        "seeds",
        "model",
        "recovered",
        "seconds",
        "ours / its",
    ]
    n_threads = arguments.threads
    name = "peers" if n_threads == 1 else f"peers_{n_threads}_threads"
    path = Path(__file__).parents[2] / "doc" / "benchmarks" / f"{name}.md"
    title = f"Planted networks: peers, BLAS threads: {n_threads}"
    report = Report(path, title, __doc__, columns, for_figures=True)
    report.note(f"torch {torch.__version__}.")
    torch.set_num_threads(n_threads)
    for activation, d, k, q in CELLS:
        if arguments.units not in (None, k):
            continue
        with threadpool_limits(n_threads):
            models = one_cell(activation, d, k, q, arguments.seeds)
        ours = models["sklearn_onenn"][1]
        for name, (recovered, seconds) in models.items():
            figures = f"{recovered:.2f}", f"{seconds:.2f}", f"{ours / seconds:.3f}"
            report.row([activation, d, k, d * k * q, arguments.seeds, name, *figures])


if __name__ == "__main__":
    main()
