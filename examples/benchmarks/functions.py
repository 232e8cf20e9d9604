"""Functions that no network generated: this package beside MLPRegressor and boosting, cell by cell.

A cell is a function of 1 to 10 variables (listed in the script), a kind of rows, a number n of rows, a
width k, an activation and a noise. The rows are

- uniform: on [-1, 1], independent;
- normal: standard normal, independent;
- one-hot: uniform, but of d variables the last d // 2 take one of five values each, all by one category,
  which is one-hot encoded in their place; it multiplies the function by 1, 1, 0.5, 2 or -1, and then
  adds 0, 1, -1, 0 or 0.5 of its standard deviation.

The noise is normal, its standard deviation a share of the function's. R2 is that of 5000 fresh rows
with targets free of noise.

The design, fixed before any model saw it: nine rounds of the twelve functions. In each, the three kinds
of rows, n of 200, 1000, 5000, k of 5, 20, 50, 100, relu and tanh, and noises of 0, 0.1, 0.5 occur
equally often; over all nine, each function meets every pair of kind and n, of kind and noise, of n and
noise once. A tenth round: Friedman #1 and abs(x0) + max(x1, x2), n of 20 000 and 100 000, all kinds of
rows. What is left open is drawn with seed 0; the data of a cell, with its number. No cell has more than
20 weights to a row (the most is six).

- ours: OneHiddenLayerRegressor(k, activation=activation, random_state=0);
- L-BFGS: MLPRegressor of the same width and activation, solver="lbfgs", max_iter=1000; best of five:
  of random_state 0 to 4, of which L-BFGS is the first, by their training loss (from 20 000 rows on, only
  the first);
- Adam: MLPRegressor of the same width and activation, all else the default;
- boosting: HistGradientBoostingRegressor.

All see standardized columns, MLPRegressor a standardized target. Seconds: of the processor, in one fit,
on one thread. Warnings: how many our fit gave.

    python examples/benchmarks/functions.py             120 cells, on all cores
    python examples/benchmarks/functions.py --cells 12 --jobs 2
"""

import argparse
import sys
import time
import warnings
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _report import Report, line
from joblib import Parallel, delayed
from scipy.special import logsumexp
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor


def two_sines(x):
    """Two sines of projections that are neither parallel nor orthogonal."""
    return np.sin(x[0] + 2 * x[1] - x[2]) + np.sin(2 * x[2] + x[3] - 2 * x[4])


def friedman(x):
    """Friedman #1, whose variables of [0, 1] are (x + 1) / 2; five of ten have no effect."""
    u = (x + 1) / 2
    return 10 * np.sin(np.pi * u[0] * u[1]) + 20 * (u[2] - 0.5) ** 2 + 10 * u[3] + 5 * u[4]


# The number of variables, and the function of an array with a row for each.
FUNCTIONS = {
    "sin(5 x0)": (1, lambda x: np.sin(5 * x[0])),
    "sin(15 x0)": (1, lambda x: np.sin(15 * x[0])),
    "sin(2 x0) + x1 / 2": (2, lambda x: np.sin(2 * x[0]) + x[1] / 2),
    "exp(-norm(x)^2)": (3, lambda x: np.exp(-np.sum(x**2, axis=0))),
    "abs(x0) + max(x1, x2)": (3, lambda x: np.abs(x[0]) + np.maximum(x[1], x[2])),
    "x0 x1 x2": (3, lambda x: x[0] * x[1] * x[2]),
    "sign(x0 x1 x2)": (3, lambda x: np.sign(x[0] * x[1] * x[2])),
    "x0 x1 + x2 x3": (4, lambda x: x[0] * x[1] + x[2] * x[3]),
    "two sines": (5, two_sines),
    "step of a projection": (6, lambda x: (x[0] + x[1] - x[2] + 2 * x[3] > 0.5).astype(float)),
    "log sum exp(3 x)": (8, lambda x: logsumexp(3 * x, axis=0)),
    "Friedman #1": (10, friedman),
}
KINDS = "uniform", "normal", "one-hot"
SIZES = 200, 1000, 5000
WIDTHS = 5, 20, 50, 100
ACTIVATIONS = "relu", "tanh"
NOISES = 0, 0.1, 0.5
LARGE_FUNCTIONS = "abs(x0) + max(x1, x2)", "Friedman #1"
LARGE_SIZES = 20_000, 100_000
# What the levels of a category do to the function.
FACTORS = np.array([1, 1, 0.5, 2, -1])
SHIFTS = np.array([0, 1, -1, 0, 0.5])
N_TEST = 5000


class Cell(NamedTuple):
    """What is fitted, and how."""

    function: str
    kind: str
    n: int
    k: int
    activation: str
    noise: float


class Result(NamedTuple):
    """R2 of ours, L-BFGS, best of five, Adam, boosting; seconds of the first two; our warnings."""

    cell: Cell
    d: int
    scores: list
    seconds: list
    n_warnings: int

    @property
    def ratio(self):
        """Our seconds over those of L-BFGS."""
        return self.seconds[0] / self.seconds[1]

    def row(self):
        """The row of the table."""
        function, kind, n, *rest = self.cell
        scores = [f"{score:.4f}" for score in self.scores]
        seconds = [f"{spent:.2f}" for spent in (*self.seconds, self.ratio)]
        return [function, kind, n, self.d, *rest, *scores, *seconds, self.n_warnings]


def design():
    """All cells, those of many rows last."""
    rng = np.random.RandomState(0)
    kinds, sizes, widths, activations, noises = (rng.permutation(12) for _ in range(5))
    cells = []
    for number in range(9):
        i, j = divmod(number, 3)
        for which in rng.permutation(12):
            kind = KINDS[(i + kinds[which]) % 3]
            n = SIZES[(j + sizes[which]) % 3]
            k = WIDTHS[(number + widths[which]) % 4]
            activation = ACTIVATIONS[(number // 4 + activations[which]) % 2]
            noise = NOISES[(i + j + noises[which]) % 3]
            cells.append(Cell(list(FUNCTIONS)[which], kind, n, k, activation, noise))
    widths, activations, noises = (rng.permutation(12) for _ in range(3))
    for which, (n, function, kind) in enumerate(product(LARGE_SIZES, LARGE_FUNCTIONS, KINDS)):
        k, activation = WIDTHS[widths[which] % 4], ACTIVATIONS[activations[which] % 2]
        cells.append(Cell(function, kind, n, k, activation, NOISES[noises[which] % 3]))
    return cells


def with_category(X, function, rng):
    """Rows whose last variables, and the function, depend on a category; and their targets."""
    n, d = X.shape
    kept = d - d // 2
    levels = rng.randint(len(FACTORS), size=n)
    X[:, kept:] = rng.uniform(-1, 1, (len(FACTORS), d - kept))[levels]
    y = function(X.T)
    y = FACTORS[levels] * y + SHIFTS[levels] * y.std()
    return np.hstack([X[:, :kept], np.eye(len(FACTORS))[levels]]), y


def data(cell, seed):
    """Rows and noisy targets to fit, fresh rows and their targets without noise."""
    rng = np.random.RandomState(seed)
    d, function = FUNCTIONS[cell.function]
    n, shape = cell.n, (cell.n + N_TEST, d)
    X = rng.standard_normal(shape) if cell.kind == "normal" else rng.uniform(-1, 1, shape)
    if cell.kind == "one-hot":
        X, y = with_category(X, function, rng)
    else:
        y = function(X.T)
    noisy = y[:n] + cell.noise * y.std() * rng.standard_normal(n)
    return X[:n], noisy, X[n:], y[n:]


def mlp(cell, seed, **options):
    """MLPRegressor of the cell's width and activation, on a standardized target."""
    options |= {"hidden_layer_sizes": (cell.k,), "activation": cell.activation}
    net = MLPRegressor(random_state=seed, **options)
    return TransformedTargetRegressor(net, transformer=StandardScaler())


def fitted(regressor, X, y):
    """The regressor, fitted on standardized columns; its processor seconds; the warnings it gave."""
    model = make_pipeline(StandardScaler(), regressor)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        begin = time.process_time()
        model.fit(X, y)
        seconds = time.process_time() - begin
    return model, seconds, len(caught)


def one_cell(cell, seed):
    """All models on the data of a cell."""
    X, y, X_test, y_test = data(cell, seed)
    with threadpool_limits(1):
        network = OneHiddenLayerRegressor(cell.k, activation=cell.activation, random_state=0)
        ours, our_seconds, n_warnings = fitted(network, X, y)
        starts = range(5 if cell.n < min(LARGE_SIZES) else 1)
        fits = [fitted(mlp(cell, start, solver="lbfgs", max_iter=1000), X, y) for start in starts]
        best, *_ = min(fits, key=lambda fit: fit[0][-1].regressor_.loss_)
        first, its_seconds, _ = fits[0]
        adam, *_ = fitted(mlp(cell, 0), X, y)
        boosting, *_ = fitted(HistGradientBoostingRegressor(random_state=0), X, y)
        scores = [model.score(X_test, y_test) for model in (ours, first, best, adam, boosting)]
    result = Result(cell, X.shape[1], scores, [our_seconds, its_seconds], n_warnings)
    print(f"cell {seed}:", line(result.row()), file=sys.stderr, flush=True)
    return result


def summary(results):
    """The last lines: shares, counts and ratios."""
    ours, _, best, *_ = scores = np.array([result.scores for result in results]).T
    constant = np.sum((ours < 0.02) & (scores[1:].max(axis=0) > 0.2))
    lines = [
        f"R2 at least the best of five's - .005: {np.mean(ours >= best - 0.005):.1%}",
        f"R2 at least the best of five's - .05: {np.mean(ours >= best - 0.05):.1%}",
        f"R2 below .02 where the best peer's is above .2: {constant} of {len(results)}",
    ]
    ratios = [result.ratio for result in results if result.cell.n * result.cell.k >= 10_000]
    if ratios:
        lines.append(
            f"ratio, {len(ratios)} cells with n k >= 10 000: median {np.median(ratios):.2f}, "
            f"largest {max(ratios):.2f}"
        )
    return lines


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, help="only the first so many")
    parser.add_argument("--jobs", type=int, default=-1)
    arguments = parser.parse_args()
    columns = [
        "function", "rows", "n", "d", "k", "activation", "noise", "R2 ours", "L-BFGS", "best of five",
        "Adam", "boosting", "seconds ours", "L-BFGS", "ratio", "warnings",
    ]  # fmt: skip
    path = Path(__file__).parents[2] / "doc" / "benchmarks" / "functions.md"
    report = Report(path, "Functions that no network generated", __doc__, columns)
    cells = design()[: arguments.cells]
    parallel = Parallel(n_jobs=arguments.jobs, return_as="generator")
    results = []
    for result in parallel(delayed(one_cell)(cell, seed) for seed, cell in enumerate(cells)):
        results.append(result)
        report.row(result.row())
    for text in summary(results):
        report.row([text, *[""] * (len(columns) - 1)])


if __name__ == "__main__":
    main()
