"""The experiments of the paper (section 7 of arXiv:1706.03175), raw and residual moments side by side.

Squared ReLU, k = 5, kappa = 2, v = +-1, no noise, seeds from 0. Figure mode: all moments and every step
of descent from all rows, eta = 0.02, up to 10000 iterations, no whitening, no biases, no polish.
Success: after the best permutation every weight vector is within 1 % and every sign of v is right.

    python examples/benchmarks/paper_figures.py accept     20 seeds at three sizes
    python examples/benchmarks/paper_figures.py a          success over d and n (Fig. 1(a)), 10 seeds
    python examples/benchmarks/paper_figures.py b          error of the initialization (Fig. 1(b))
    python examples/benchmarks/paper_figures.py c          objective by iterations (Fig. 1(c))

With --quick the grids of a and b are smaller; that of a has n in proportion to d, and its own page.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from _report import Report
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning

from sklearn_onenn import OneHiddenLayerRegressor, tensor_initialization
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import recovery_error

K, ACTIVATION = 5, "squared_relu"
PAGES = Path(__file__).parents[2] / "doc" / "benchmarks"
FIGURE_MODE = {
    "activation": ACTIVATION,
    "resample": False,
    "polish": False,
    "whiten": False,
    "fit_intercept": False,
    "learning_rate": 0.02,
    "max_iter": 10000,
    "n_init": 1,
    "alpha": 0,
}


def planted(d, n, seed):
    """Rows, targets, W and v."""
    X, y, teacher = make_one_hidden_layer(n, d, K, activation=ACTIVATION, random_state=seed)
    return X, y, *teacher.coefs_


def figure_mode(d, n, seed, moments):
    """Recovery error and iterations of one fit."""
    X, y, W, v = planted(d, n, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = OneHiddenLayerRegressor(K, moments=moments, random_state=seed, **FIGURE_MODE)
        model.fit(X, y)
    return recovery_error(*model.coefs_, W, v, activation=ACTIVATION), model.n_iter_, model


def initialization_error(d, n, seed, moments):
    """Recovery error of Algorithm 1 alone."""
    X, y, W, v = planted(d, n, seed)
    start = tensor_initialization(X, y, K, activation=ACTIVATION, moments=moments, random_state=seed)
    return recovery_error(start[0], start[2], W, v, activation=ACTIVATION)


def over_seeds(function, n_seeds, *arguments):
    """Results of a function over seeds, on all cores."""
    return Parallel(n_jobs=-1)(
        delayed(function)(*arguments[:2], seed, *arguments[2:]) for seed in range(n_seeds)
    )


def accept(quick):
    report = Report(
        PAGES / "paper_acceptance.md", "Figure mode, 20 seeds", __doc__,
        ["d", "n", "moments", "successes", "of", "mean iterations", "failed seeds"],
    )  # fmt: skip
    for d, n in [(10, 5000), (50, 10000), (100, 10000)]:
        for moments in ("raw", "residual"):
            results = over_seeds(figure_mode, 20, d, n, moments)
            success = np.array([error <= 0.01 for error, *_ in results])
            iterations = np.mean([n_iter for _, n_iter, _ in results])
            failed = ", ".join(map(str, np.flatnonzero(~success)))
            report.row([d, n, moments, success.sum(), 20, f"{iterations:.0f}", failed])


def figure_a(quick):
    """The paper's grid; with quick n in proportion to d."""
    dimensions = [10, 25, 50, 100] if quick else range(10, 101, 10)
    sizes = [20, 40, 60, 80, 100] if quick else range(1000, 10001, 1000)
    page = "paper_figure_1a_quick.md" if quick else "paper_figure_1a.md"
    report = Report(
        PAGES / page, "Fig. 1(a): success rate over d and n", __doc__,
        ["d", "moments", *[f"n = {n} d" if quick else f"n = {n}" for n in sizes],
         "least n with every success", "that n / d"],
    )  # fmt: skip
    for d in dimensions:
        for moments in ("raw", "residual"):
            rates = {}
            for n in [size * d for size in sizes] if quick else sizes:
                results = over_seeds(figure_mode, 10, d, n, moments)
                rates[n] = np.mean([error <= 0.01 for error, *_ in results])
            enough = [n for n, rate in rates.items() if rate == 1]
            least = min(enough) if enough else ""
            per_d = f"{least / d:.0f}" if enough else ""
            report.row([d, moments, *[f"{rate:.1f}" for rate in rates.values()], least, per_d])


def figure_b(quick):
    sizes = [10000, 100000] if quick else range(10000, 100001, 10000)
    dimensions = [10, 50] if quick else range(10, 51, 10)
    n_seeds = 5 if quick else 10
    report = Report(
        PAGES / "paper_figure_1b.md", "Fig. 1(b): error of the initialization", __doc__,
        ["d", "moments", *[f"n = {n}" for n in sizes]],
    )  # fmt: skip
    report.note("Mean over seeds of the recovery error; x where a sign of v was wrong in some seed.")
    for d in dimensions:
        for moments in ("raw", "residual"):
            errors = [np.mean(over_seeds(initialization_error, n_seeds, d, n, moments)) for n in sizes]
            report.row([d, moments, *[f"{e:.3f}" if np.isfinite(e) else "x" for e in errors]])


def figure_c(quick):
    X, y, W, v = planted(10, 10000, 0)
    start = np.random.default_rng(0)
    W_random = start.standard_normal(W.shape)
    v_random = start.choice([-1.0, 1.0], K)
    zero = np.zeros(K)
    arms = {
        "(I) tensor W and v": "tensor",
        "(II) random W and v, v fixed": (W_random, zero, v_random),
        "(III) random W, true v": (W_random, zero, v[:, 0]),
    }
    steps = [1, 10, 100, 300, 1000, 3000, 10000]
    report = Report(
        PAGES / "paper_figure_1c.md", "Fig. 1(c): objective by iterations", __doc__,
        ["start", *[f"after {step}" for step in steps]],
    )  # fmt: skip
    report.note(
        "d = 10, n = 10000. The published script projects v to its signs at every step of arm (II), "
        "which handicaps it; here v stays as drawn. The gallery has both variants."
    )
    for name, init in arms.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = OneHiddenLayerRegressor(
                K, moments="raw", init=init, random_state=0, **FIGURE_MODE
            ).fit(X, y)
        curve = model.loss_curve_
        report.row([name, *[f"{curve[min(step, len(curve)) - 1]:.1e}" for step in steps]])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("figures", nargs="+", choices=["accept", "a", "b", "c"])
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    run = {"accept": accept, "a": figure_a, "b": figure_b, "c": figure_c}
    for figure in arguments.figures:
        run[figure](arguments.quick)


if __name__ == "__main__":
    main()
