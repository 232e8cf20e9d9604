"""Fingerprints of fits, for refactorings that must not change a bit.

    python tests/fingerprints.py > before.txt    # then change the code
    python tests/fingerprints.py > after.txt     # and compare: diff before.txt after.txt

A script, not a test. It fits many small data sets, chosen so that together they reach every statement
of the package's numerical modules that can be reached, and prints a line of hashes and counts for each.
Results are compared bit by bit, so both runs must take place on one machine with the same wheels of
NumPy, SciPy and scikit-learn: bits depend on these and on the processor, but not on the number of
threads.

Only the public interface is used: the same script serves a checkout before and after modules are moved
or private names change.

    --checkout DIR  the package to import (default: the one that this file belongs to)
    --numbers       leave out the lines with words (names of starts, stages, reasons; messages)
    --only NAME     one case; may be repeated
    --lines         instead, list the statements of the package that no case reaches (takes minutes)
    --times         also print the seconds of each case, to stderr
"""

import argparse
import ast
import hashlib
import io
import os
import sys
import threading
import time
import warnings
from contextlib import redirect_stdout
from pathlib import Path

# Sums are the same for any number of threads; one of them is the fastest for data of this size.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.dont_write_bytecode = True


def parsed_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkout", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--numbers", action="store_true")
    parser.add_argument("--only", action="append", metavar="NAME")
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("--times", action="store_true")
    return parser.parse_args()


ARGUMENTS = parsed_arguments()
PACKAGE = ARGUMENTS.checkout.resolve() / "sklearn_onenn"
sys.path.insert(0, str(PACKAGE.parent))


# Which statements are reached

# Modules that only hand data to and from others: what they do is no matter of bits.
ADAPTERS = (
    "cluster", "conversion", "dask", "datasets", "displays", "metrics", "onnx", "persistence",
    "validation", "version",
)  # fmt: skip
REACHED = {}


def trace(frame, event, argument):
    """Notes the lines of the package that run: for ``sys.settrace``."""
    name = frame.f_code.co_filename
    if not name.startswith(str(PACKAGE)):
        return None
    lines = REACHED.setdefault(name, set())
    lines.add(frame.f_lineno)

    def local(frame, event, argument):
        if event == "line":
            lines.add(frame.f_lineno)
        return local

    return local


def start_tracing():
    """Watch this thread and those to come. Python stops to where a recursion has no end: so anew."""
    sys.settrace(trace)
    threading.settrace(trace)


def statements(path):
    """First lines of the statements in the functions of a module, without docstrings."""
    found = set()
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef):
            continue
        body = function.body
        if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body = body[1:]
        nested = (node for statement in body for node in ast.walk(statement))
        found |= {
            node.lineno
            for node in nested
            if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef)
        }
    return found


def print_missed():
    """The statements of every module that were not reached."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if any(word in name for word in ADAPTERS):
            continue
        wanted = statements(path)
        missed = sorted(wanted - REACHED.get(str(path), set()))
        print(f"{name}: {len(missed)} of {len(wanted)} statements not reached {missed or ''}".rstrip())


if ARGUMENTS.lines:
    start_tracing()

import numpy as np  # noqa: E402
from scipy import sparse  # noqa: E402
from sklearn.datasets import load_diabetes, make_friedman1  # noqa: E402

from sklearn_onenn import (  # noqa: E402
    OneHiddenLayerRegressor,
    RowBlocks,
    tensor_initialization,
)
from sklearn_onenn.datasets import make_one_hidden_layer  # noqa: E402
from sklearn_onenn.scores import GaussianMixtureScore  # noqa: E402

# Data


def planted(n, d, k, activation="relu", noise=0.0, seed=0, **options):
    """Rows of a planted network."""
    return make_one_hidden_layer(
        n, d, k, activation=activation, noise=noise, random_state=seed, **options
    )[:2]


def skewed(n, d, k, noise=0.0, seed=0):
    """Rows of a planted network whose inputs are far from normal."""
    X, _, teacher = make_one_hidden_layer(n, d, k, bias=0.3, random_state=seed)
    X = np.random.default_rng(seed).exponential(size=X.shape)
    y = teacher.predict(X)
    return X, y + noise * y.std() * np.random.default_rng(1).standard_normal(n)


def friedman(n):
    """Rows that no network of this kind made."""
    return make_friedman1(n, noise=1.0, random_state=0)


def diabetes():
    """Real rows, few and noisy."""
    return load_diabetes(return_X_y=True)


def two_outputs(n=400):
    """Rows with two targets."""
    X, y = planted(n, 5, 2)
    return X, np.column_stack([y, y**2])


def line(n, activation=np.sin):
    """A curve over one column."""
    x = np.linspace(-3, 3, n)
    return x[:, None], activation(2 * x)


def in_single(X, y):
    """The same in single precision."""
    return X.astype(np.float32), y.astype(np.float32)


def sparse_rows(n=600, d=12):
    """CSR rows."""
    X = sparse.random_array((n, d), density=0.2, rng=np.random.default_rng(0)).tocsr()
    return X, np.random.default_rng(1).standard_normal(n)


def doubled_columns(X, y):
    """The same with two of the columns twice."""
    return np.column_stack([X, X[:, :2]]), y


def uniform(n):
    """Weights of rows."""
    return np.random.default_rng(0).uniform(0.2, 2, n)


def blocks_of(size, *arrays):
    """The rows as a source of blocks."""
    n = arrays[0].shape[0]
    return RowBlocks(lambda: (tuple(a[i : i + size] for a in arrays) for i in range(0, n, size)))


def normal_score(d):
    """The score of N(0, I)."""
    return GaussianMixtureScore([1.0], np.zeros((1, d)), [np.eye(d)])


# What a case returns


class Record:
    """Results of a case: hashed ones, counts that are printed as they are, and words."""

    def __init__(self, *groups, counts="", words=()):
        self.groups, self.counts, self.words = groups, counts, words


def digest(group):
    """A short hash of arrays and numbers, to the bit."""
    hashed = hashlib.sha256()
    for value in group:
        if isinstance(value, np.ndarray):
            hashed.update(f"{value.dtype} {value.shape}".encode())
            hashed.update(value.tobytes())
        elif isinstance(value, (list, tuple)):
            hashed.update(digest(value).encode())
        else:
            value = value.item() if isinstance(value, np.generic) else value
            hashed.update(repr(value).encode())
    return hashed.hexdigest()[:16]


def values(*results, words=()):
    """The record of functions without a fit."""
    return Record(results, words=words)


def record(model, *more, words=()):
    """The record of a fit: its weights, its start and its course; and what was asked of it."""
    found = [
        *model.coefs_, *model.intercepts_, *model.init_coefs_, *model.init_intercepts_,
        model.loss_, model.loss_curve_, model.alpha_,
    ]  # fmt: skip
    for name in (
        "validation_loss_", "validation_loss_curve_", "coefs_std_", "intercepts_std_",
        "covariance_factor_",
    ):  # fmt: skip
        if hasattr(model, name):
            found.append(getattr(model, name))
    counts = (
        f"passes={model.n_passes_!r} k={model.k_} starts={model.n_starts_} iterations={model.n_iter_}"
    )
    told = model.init_path_, model.stop_reason_, model.stages_
    return Record(found, more, counts=counts, words=[" | ".join(map(str, told)), *words])


def judged(certificate):
    """Numbers and words of a certificate."""
    asked = (*certificate.checks, *certificate.assumptions)
    numbers = [
        certificate.rows_per_weight, certificate.kappa, certificate.lambda_, *certificate.curvature,
        *certificate.curvature_bounds, certificate.contraction, certificate.exact,
        certificate.trained_here, *((check.value, check.limit, check.passed) for check in asked),
    ]  # fmt: skip
    return numbers, str(certificate).splitlines()


def fit(data, weight=None, *, held_out=None, certify=False, stop=None, std=False, **options):
    """Fit, predict, and perhaps ask for a certificate on the same rows or on others."""
    model = OneHiddenLayerRegressor(**({"random_state": 0} | options))
    if stop is not None:
        model.set_callbacks(StopAt(stop))
    X, y = data
    validation = {} if held_out is None else {"X_val": held_out[0], "y_val": held_out[1]}
    model.fit(X, y, weight, **validation)
    more, words = [model.predict(X)], []
    if std:
        more += model.predict(X, return_std=True)
    if certify:
        on = data if certify is True else certify
        numbers, words = judged(model.certificate(*on))
        more += numbers
    return record(model, *more, words=words)


def fit_again(data, first, **then):
    """A fit that begins at the weights of another."""
    model = OneHiddenLayerRegressor(**({"random_state": 0} | first)).fit(*data)
    return record(model.set_params(warm_start=True, **then).fit(*data))


class StopAt:
    """A callback that asks for the end when so many tasks (steps and starts) of the fit are over."""

    def __init__(self, number):
        self.left = number

    def setup(self, estimator, context):
        """Nothing to prepare."""

    def teardown(self, estimator, context):
        """Nothing to clean up."""

    def on_fit_task_begin(self, estimator, context):
        """Counted when it ends."""

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        """Whether this was the last."""
        self.left -= 1
        return self.left <= 0


# Cases: a name, and a function that returns a record

# Algorithm 1 and 2 of the paper alone.
PAPER = {
    "moments": "raw", "whiten": False, "fit_intercept": False, "polish": False, "n_init": 1,
    "alpha": 0, "max_iter": 50,
}  # fmt: skip

CASES = {
    # Planted networks
    "exact": lambda: fit(planted(2000, 10, 3), k=3, certify=True),
    "exact tanh": lambda: fit(planted(1000, 6, 2, "tanh"), k=2, activation="tanh", certify=True),
    "noisy": lambda: fit(planted(2000, 10, 3, noise=0.3), k=3, certify=True),
    "noisy tanh": lambda: fit(planted(400, 4, 2, "tanh", 0.3), k=2, activation="tanh", certify=True),
    "noise alone": lambda: fit(planted(300, 4, 2, noise=5.0), k=2),
    "missing unit": lambda: fit(planted(2000, 8, 4, noise=0.1, seed=3), k=3, certify=True),
    "too wide": lambda: fit(planted(600, 4, 2, noise=0.1), k=7, certify=True),
    "gelu": lambda: fit(planted(600, 5, 2, "gelu", 0.1), k=2, activation="gelu"),
    "leaky relu": lambda: fit(planted(600, 5, 2, "leaky_relu", 0.2), k=2, activation="leaky_relu"),
    "wide": lambda: fit(planted(900, 40, 9, "tanh", 0.3), k=9, activation="tanh"),
    "many units": lambda: fit(planted(1500, 6, 26, "tanh", 0.1), k=26, activation="tanh", n_init=1),
    "k > d": lambda: fit(planted(400, 3, 2, noise=0.2), k=6),
    "identity": lambda: fit(planted(200, 4, 1, noise=0.1), k=2, activation="identity", init="random"),
    "six starts": lambda: fit(planted(200, 6, 3, noise=0.5), k=3, n_init=6),
    # Planted networks on rows that are not normal
    "skewed exact": lambda: fit(skewed(600, 6, 2), k=2),
    "skewed noisy": lambda: fit(skewed(600, 6, 3, 0.3), k=3, certify=True),
    "skewed few": lambda: fit(skewed(60, 8, 3, 0.01), k=3),
    "skewed stuck": lambda: fit(skewed(900, 10, 6, seed=4), k=6),
    # Other rows
    "friedman": lambda: fit(friedman(600)),
    "friedman 20": lambda: fit(friedman(600), k=20),
    "friedman few": lambda: fit(friedman(100), k=20),
    "friedman few tanh": lambda: fit(friedman(100), k=5, activation="tanh"),
    "fewer rows than weights": lambda: fit([a[:40] for a in friedman(100)], k=12),
    "diabetes": lambda: fit(diabetes()),
    "diabetes 20": lambda: fit(diabetes(), k=20),
    "diabetes alpha": lambda: fit(diabetes(), k=20, alpha=0.5),
    "diabetes alpha 0": lambda: fit(diabetes(), k=8, alpha=0, max_iter=40),
    "one column": lambda: fit(line(300), k=20, activation="tanh"),
    # Options
    "raw split": lambda: fit(
        planted(6000, 6, 2, "squared_relu"), k=2, activation="squared_relu", **PAPER
    ),
    "raw polish": lambda: fit(planted(2000, 6, 2, noise=0.1), k=2, moments="raw"),
    "raw two outputs": lambda: fit(two_outputs(), k=2, moments="raw"),
    "no resample": lambda: fit(planted(600, 6, 2), k=2, resample=False),
    "no polish": lambda: fit(planted(3000, 6, 2), k=2, polish=False),
    "no intercept": lambda: fit(planted(600, 6, 2, noise=0.1), k=2, fit_intercept=False),
    "no whitening": lambda: fit(planted(600, 6, 2, noise=0.1), k=2, whiten=False),
    "random": lambda: fit(planted(600, 6, 2, noise=0.1), k=2, init="random", n_init=6),
    "score": lambda: fit(
        planted(1500, 6, 2, "tanh"), k=2, activation="tanh", score_function=normal_score(6)
    ),
    "jobs": lambda: fit(planted(400, 5, 2, noise=0.3), k=3, n_init=4, n_jobs=3),
    "covariance": lambda: fit(planted(400, 5, 2, noise=0.3), k=2, keep_covariance=True, std=True),
    "warm": lambda: fit_again(planted(400, 5, 2, noise=0.3), {"k": 2, "max_iter": 2}, max_iter=100),
    # The width
    "auto": lambda: fit(planted(500, 5, 2, noise=0.1), k="auto"),
    "auto friedman": lambda: fit(friedman(300), k="auto"),
    "auto, line of 20 rows": lambda: fit(line(20), k="auto"),
    "auto, constant columns": lambda: fit((np.ones((50, 3)), line(50)[1]), k="auto"),
    # Kinds of rows and targets
    "two outputs": lambda: fit(two_outputs(), k=3),
    "constant target": lambda: fit((planted(100, 3, 1)[0], np.ones(100)), k=2),
    "single precision": lambda: fit(in_single(*planted(600, 5, 2, noise=0.1)), k=2),
    "sparse": lambda: fit(sparse_rows(), k=2),
    "doubled columns": lambda: fit(doubled_columns(*planted(300, 4, 2, noise=0.2)), k=2),
    "weights": lambda: fit(planted(400, 5, 2, noise=0.3), uniform(400), k=2),
    "held out": lambda: fit(
        planted(200, 5, 2, noise=0.3), held_out=planted(200, 5, 2, noise=0.3, seed=1), k=8, alpha=0
    ),
    # Many rows
    "samples": lambda: fit(planted(60_000, 6, 2, noise=0.2), k=2),
    "stream": lambda: fit((blocks_of(20_000, *planted(60_000, 6, 2, noise=0.2)), None), k=2),
    # Stopped by a callback
    "stopped in descent": lambda: fit(planted(400, 5, 2, noise=0.3), k=2, stop=1),
    "stopped in the polish": lambda: fit(planted(400, 5, 2, noise=0.3), k=2, stop=40),
    # Functions
    "tensor_initialization": lambda: values(
        *tensor_initialization(*planted(3000, 8, 3), 3, activation="relu", random_state=0)
    ),
}


# Output


def run(case):
    """The record of a case, and the warnings of it; of an error, its type and message."""
    printed = io.StringIO()
    with warnings.catch_warnings(record=True) as caught, redirect_stdout(printed):
        warnings.simplefilter("always")
        try:
            found = case()
        except Exception as error:
            lines = str(error).splitlines() or [""]
            found = Record(counts=type(error).__name__, words=lines[:1])
    told = [f"{w.category.__name__}: {w.message}".splitlines()[0] for w in caught]
    return found, [*found.words, *dict.fromkeys(told), *printed.getvalue().splitlines()]


def main():
    """Run the cases."""
    unknown = set(ARGUMENTS.only or ()) - set(CASES)
    if unknown:
        sys.exit(f"No such case: {', '.join(sorted(unknown))}")
    for name in ARGUMENTS.only or CASES:
        if ARGUMENTS.lines:
            start_tracing()
        begin = time.process_time()
        found, words = run(CASES[name])
        if ARGUMENTS.times:
            print(f"{time.process_time() - begin:6.2f} s  {name}", file=sys.stderr)
        if not ARGUMENTS.lines:
            print(f"{name:30s}", *map(digest, found.groups), found.counts)
            if not ARGUMENTS.numbers:
                print(*(f"    {word}" for word in words), sep="\n", end="\n" if words else "")
        sys.stdout.flush()
    if ARGUMENTS.lines:
        sys.settrace(None)
        threading.settrace(None)
        print_missed()


if __name__ == "__main__":
    main()
