"""Predictive distributions: are they likely, and do intervals hold as many new targets as they say?

UCI tables: the protocol, the splits and the setting of uci.py (k=250, tanh), with keep_covariance=True.

- log-likelihood: of the test rows under ``predict_distribution``, in the units of the target as given,
  its mean over splits. MC dropout, same splits: 4000 epochs, from mc_dropout_per_split.csv (columns set,
  split, log_likelihood) where the folder has it. Difference: ours minus MC dropout's, split by split,
  and the standard error of its mean. Published means: PBP, MC dropout, deep ensembles
  (Lakshminarayanan et al., NeurIPS 2017, table 1);
- .9, .95: shares of the test rows within ``predict_interval`` at those levels;
- thirds: the share for .9 in each third of the widths, of all splits together: lowest and highest;
- width: mean width of intervals at .9, .95 and .99.

Planted: five uniform columns, y = 2 sin(x_1 + x_2) + x_3 x_4 and noise: of sd .5 everywhere ("equal");
of sd .2 to 1 ("growing", in proportion to x_1 + 3); .4 times t(3); exponential of sd .5 ("skewed"); in
proportion to the value ("multiplicative"). 6000 new rows, eight seeds.

    python examples/benchmarks/predictive.py --data FOLDER                         on all cores
    python examples/benchmarks/predictive.py --data FOLDER --sets boston --splits 5 --no-planted
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _report import Report
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from uci import ACTIVATION, SETS, K, load, paired, published_by_split, published_splits

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.metrics import mean_log_likelihood

LEVELS = 0.9, 0.95, 0.99
# Log-likelihoods of PBP, MC dropout and deep ensembles, as published.
LIKELIHOODS = {
    "boston": ("-2.57", "-2.46", "-2.41"),
    "concrete": ("-3.16", "-3.04", "-3.06"),
    "energy": ("-2.04", "-1.99", "-1.38"),
    "kin8nm": ("0.90", "0.95", "1.20"),
    "naval": ("3.73", "3.80", "5.63"),
    "power": ("-2.84", "-2.80", "-2.79"),
    "protein": ("-2.97", "-2.89", "-2.83"),
    "wine": ("-0.97", "-0.93", "-0.94"),
    "yacht": ("-1.63", "-1.55", "-1.18"),
}
PLANTED = {
    "equal": lambda X, f, rng: 0.5 * rng.standard_normal(len(f)),
    "growing": lambda X, f, rng: 0.2 * (X[:, 0] + 3) * rng.standard_normal(len(f)),
    "t(3)": lambda X, f, rng: 0.4 * rng.standard_t(3, len(f)),
    "skewed": lambda X, f, rng: 0.5 * (rng.exponential(size=len(f)) - 1),
    "multiplicative": lambda X, f, rng: 0.25 * (f - f.min() + 0.2) * rng.standard_normal(len(f)),
}


class Judged(NamedTuple):
    """Log-likelihood, whether intervals hold the targets, their widths (rows, levels), and seconds."""

    likelihood: float
    held: np.ndarray
    widths: np.ndarray
    seconds: float


def judged(setting, X, y, X_new, y_new, seed):
    """A fit, and how good its distributions of new targets are; on one thread."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", UserWarning)  # more units are called for, or too few rows for .99
    model = OneHiddenLayerRegressor(**setting, keep_covariance=True, random_state=seed)
    with threadpool_limits(1):
        begin = time.process_time()
        model.fit(X, y)
        seconds = time.process_time() - begin
        likelihood = mean_log_likelihood(y_new, model.predict_distribution(X_new))
        ends = [model.predict_interval(X_new, level) for level in LEVELS]
    held = np.stack([(low <= y_new) & (y_new <= high) for low, high in ends], axis=1)
    return Judged(likelihood, held, np.stack([high - low for low, high in ends], axis=1), seconds)


def one_split(X, y, train, test, seed, setting):
    """A fit on the training rows with standardized columns, judged on the test rows."""
    scaler = StandardScaler().fit(X[train])
    inside, outside = scaler.transform(X[train]), scaler.transform(X[test])
    return judged(setting, inside, y[train], outside, y[test], seed)


def one_planted(noise, n, k, seed):
    """A fit to planted noise, judged on new rows."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n + 6000, 5))
    f = 2 * np.sin(X[:, 0] + X[:, 1]) + X[:, 2] * X[:, 3]
    y = f + PLANTED[noise](X, f, rng)
    return judged({"k": k, "activation": ACTIVATION}, X[:n], y[:n], X[n:], y[n:], seed)


def coverage(results):
    """Shares at .9 and .95, lowest and highest of the thirds, mean widths, seconds."""
    held = np.concatenate([result.held for result in results])
    widths = np.concatenate([result.widths for result in results])
    thirds = [held[part, 0].mean() for part in np.array_split(np.argsort(widths[:, 0]), 3)]
    return [
        *[f"{share:.3f}" for share in held.mean(axis=0)[:2]], f"{min(thirds):.3f}", f"{max(thirds):.3f}",
        *[f"{width:#.3g}" for width in widths.mean(axis=0)],
        f"{np.mean([result.seconds for result in results]):.3g}",
    ]  # fmt: skip


def one_set(name, data, n_splits, setting, jobs):
    """A row of the table."""
    X, y = load(data / SETS[name].folder)
    n_splits = min(n_splits, SETS[name].n_splits)
    results = Parallel(n_jobs=jobs)(
        delayed(one_split)(X, y, *split, seed, setting)
        for seed, split in enumerate(published_splits(len(X), n_splits))
    )
    ours = np.array([result.likelihood for result in results])
    dropout, comparison = (
        published_by_split(data, SETS[name].folder, n_splits, "log_likelihood"),
        [""] * 3,
    )
    if dropout is not None:
        difference = paired(ours - dropout)
        comparison = [f"{dropout.mean():.3f}", f"{difference[0]:+.3f}", f"{difference[1]:.3f}"]
    row = [name, len(X), n_splits, f"{ours.mean():.3f}", *comparison, *LIKELIHOODS[name]]
    return row + coverage(results)


def arguments_of_command():
    """The options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS), metavar="NAME")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--k", type=int, default=K)
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--no-planted", action="store_true")
    return parser.parse_args()


def main():
    arguments = arguments_of_command()
    setting = {"k": arguments.k, "activation": ACTIVATION}
    report = Report(
        Path(__file__).parents[2] / "doc" / "benchmarks" / "predictive.md",
        "Predictive distributions", __doc__,
        ["case", "rows", "fits", "log-likelihood", "MC dropout, same splits", "difference",
         "its error", "PBP", "MC dropout", "deep ensembles", ".9", ".95", "lowest third",
         "highest third", "width at .9", "at .95", "at .99", "seconds"],
    )  # fmt: skip
    report.note(f"UCI tables in this run: k={arguments.k}, {ACTIVATION}.")
    for name in arguments.sets:
        report.row(one_set(name, arguments.data, arguments.splits, setting, arguments.jobs))
    if arguments.no_planted:
        return
    for n in (500, 2000):
        for k in (5, 100):
            for noise in PLANTED:
                results = Parallel(n_jobs=arguments.jobs)(
                    delayed(one_planted)(noise, n, k, seed) for seed in range(8)
                )
                likelihood = np.mean([result.likelihood for result in results])
                case = f"{noise}, k={k}"
                report.row([case, n, 8, f"{likelihood:.3f}", *[""] * 6, *coverage(results)])


if __name__ == "__main__":
    main()
