"""k="auto": is the width of the planted network found?

Rows and networks as in recovery.py, n = 20 d k, with normal noise of sd 0, .1 or .3 of the signal's;
default settings, told the activation alone. Exact: share of the fits whose k_ is the planted one.

    python examples/benchmarks/width.py               20 seeds a cell, on all cores
    python examples/benchmarks/width.py --seeds 3 --jobs 1

``--others`` asks it of problems of _truths.py, on a page of its own.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from _report import Report
from _truths import draw
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer

OTHERS = """k="auto" on problems of _truths.py: other weights, rows, noise, and truths of another kind.

Networks: those of 20 rows or more for each product of columns and units, noise of at most .2, up to 10
columns. Exact: share of the fits whose k_ is the planted one; "over twice": of those whose k_ is more
than twice that. Seconds: of the processor, mean, beside those of a fit that is told the number of units.

No network: of half of the rows, k="auto" and k = 1, 2, 3, 5, 8, 12, 20, 40; R2 against the truth without
noise on the other half. "Regret": the best of the eight by that R2, which no one knows in practice, less
k="auto"; mean and largest. Seconds: mean, beside those of all eight fits.

    python examples/benchmarks/width.py --others           problems from 100000 on
    python examples/benchmarks/width.py --others --fits 100 --first-seed 0

The rule was chosen on problems below 250.
"""
GRID = 1, 2, 3, 5, 8, 12, 20, 40

ACTIVATIONS = "relu", "squared_relu", "tanh"
SIZES = [(10, 2), (10, 3), (20, 5), (20, 8), (20, 12), (25, 20)]
LEVELS = 0.0, 0.1, 0.3


def one_fit(activation, d, k, noise, seed):
    """Width found, and seconds."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    n = 20 * d * k
    X, y, _ = make_one_hidden_layer(n, d, k, activation=activation, random_state=seed)
    y += noise * y.std() * np.random.default_rng([seed, 1]).standard_normal(n)
    with threadpool_limits(1):
        begin = time.perf_counter()
        model = OneHiddenLayerRegressor("auto", activation=activation, random_state=seed).fit(X, y)
        return model.k_, time.perf_counter() - begin


def timed_fit(k, problem, seed):
    """A fit and its seconds of the processor."""
    warnings.simplefilter("ignore")
    with threadpool_limits(1):
        begin = time.process_time()
        model = OneHiddenLayerRegressor(k, activation=problem.activation, random_state=seed)
        model.fit(problem.X, problem.y)
        return model, time.process_time() - begin


def one_network(number):
    """For a planted network: kind of rows, its width, the width found, seconds with and without k."""
    problem = draw(number)
    auto, seconds = timed_fit("auto", problem, number)
    _, told = timed_fit(problem.k, problem, number)
    return problem.names["rows"], problem.k, auto.k_, seconds, told


def one_function(number):
    """For another truth: its name, the regret, the width found, seconds beside those of the grid."""
    problem = draw(number)
    half = len(problem.y) // 2
    train = problem._replace(X=problem.X[:half], y=problem.y[:half])
    X_new, truth = problem.X[half:], problem.signal[half:]
    auto, seconds = timed_fit("auto", train, number)
    fits = [timed_fit(k, train, number) for k in GRID]
    best = max(model.score(X_new, truth) for model, _ in fits)
    regret = best - auto.score(X_new, truth)
    return problem.names["remainder"], regret, auto.k_, seconds, sum(spent for _, spent in fits)


def chosen(first, n, is_network):
    """Numbers of the first n problems that are networks, or other truths, within the bounds."""
    number, found = first, []
    while len(found) < n:
        problem = draw(number)
        names = problem.names
        within = names["size"] >= 20 and names["noise"] <= 0.2 and problem.X.shape[1] <= 10
        if within and (problem.network is not None) == is_network:
            found.append(number)
        number += 1
    return found


def report_others(arguments):
    """The page of other problems."""
    first = 100000 if arguments.first_seed is None else arguments.first_seed
    path = Path(__file__).parents[2] / "doc" / "benchmarks" / "width_others.md"
    report = Report(
        path, "The number of units, of other problems", OTHERS,
        ["rows, or truth", "fits", "exact", "over twice", "mean regret", "largest", "seconds",
         "told k, or grid"],
    )  # fmt: skip
    run = Parallel(n_jobs=arguments.jobs)
    networks = run(delayed(one_network)(i) for i in chosen(first, arguments.fits, True))
    kinds = sorted({rows for rows, *_ in networks})
    others = [fit for fit in networks if fit[0] != "normal"]
    for name, fits in [("not normal", others)] + [
        (kind, [fit for fit in networks if fit[0] == kind]) for kind in kinds
    ]:
        _, k, found, seconds, told = (np.array(column) for column in zip(*fits, strict=True))
        report.row([
            name, len(fits), f"{np.mean(k == found):.3f}", np.count_nonzero(found > 2 * k), "", "",
            f"{seconds.mean():.2f}", f"{told.mean():.2f}",
        ])  # fmt: skip
    functions = run(delayed(one_function)(i) for i in chosen(first, arguments.fits // 2, False))
    names = sorted({name for name, *_ in functions})
    for name, fits in [("no network", functions)] + [
        (kind, [fit for fit in functions if fit[0] == kind]) for kind in names
    ]:
        _, regret, _, seconds, grid = (np.array(column) for column in zip(*fits, strict=True))
        report.row([
            name, len(fits), "", "", f"{regret.mean():.4f}", f"{regret.max():.3f}",
            f"{seconds.mean():.2f}", f"{grid.mean():.2f}",
        ])  # fmt: skip


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int)
    parser.add_argument("--others", action="store_true", help="problems of _truths.py")
    parser.add_argument("--fits", type=int, default=200, help="with --others")
    parser.add_argument("--jobs", type=int, default=-1)
    options = parser.parse_args()
    if options.others:
        return report_others(options)
    first = 1000 if options.first_seed is None else options.first_seed
    seeds = range(first, first + options.seeds)
    report = Report(
        Path(__file__).parents[2] / "doc" / "benchmarks" / "width.md",
        "The number of units", __doc__,
        ["activation", "d", "k", "noise sd", "fits", "exact", "others", "seconds"],
    )  # fmt: skip
    report.note(f"Seeds {seeds[0]} .. {seeds[-1]}.")
    total = []
    for activation in ACTIVATIONS:
        for d, k in SIZES:
            for noise in LEVELS:
                found, seconds = zip(
                    *Parallel(n_jobs=options.jobs)(
                        delayed(one_fit)(activation, d, k, noise, seed) for seed in seeds
                    ),
                    strict=True,
                )
                exact = np.array(found) == k
                total.extend(exact)
                others = " ".join(str(width) for width in sorted(found) if width != k)
                report.row([
                    activation, d, k, noise, len(exact), f"{exact.mean():.2f}", others,
                    f"{np.median(seconds):.2f}",
                ])  # fmt: skip
    report.row(["all", "", "", "", len(total), f"{np.mean(total):.3f}", "", ""])


if __name__ == "__main__":
    main()
