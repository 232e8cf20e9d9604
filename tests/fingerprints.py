"""Fingerprints of fits, for refactorings that must not change a bit.

    python tests/fingerprints.py > before.txt    # then change the code
    python tests/fingerprints.py > after.txt     # and compare: diff before.txt after.txt

A script, not a test. It fits many small data sets, chosen so that together they reach every statement
of the package's numerical modules that can be reached, and prints a line of hashes and counts for each.
Results are compared bit by bit, so both runs must take place on one machine with the same wheels of
NumPy, SciPy and scikit-learn: bits depend on these and on the processor, but not on the number of
threads (of OPENBLAS_NUM_THREADS, say).

Only the public interface is used: the same script serves a checkout before and after modules are moved
or private names change.

    --checkout DIR  the package to import (default: the one that this file belongs to)
    --numbers       leave out the lines with words (names of starts, stages, reasons; messages)
    --only NAME     one case; may be repeated
    --lines         instead, list the statements of the package that no case reaches
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
        found |= {
            node.lineno
            for statement in function.body
            for node in ast.walk(statement)
            if isinstance(node, ast.stmt)
            and not isinstance(node, ast.FunctionDef)
            and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
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
from sklearn.mixture import GaussianMixture  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from sklearn_onenn import (  # noqa: E402
    OneHiddenLayerRegressor,
    RowBlocks,
    activations,
    tensor_initialization,
    theory,
)
from sklearn_onenn.datasets import make_one_hidden_layer  # noqa: E402
from sklearn_onenn.displays import MomentSpectrumDisplay  # noqa: E402
from sklearn_onenn.scores import GaussianMixtureScore  # noqa: E402

# Data

# Outside of a fit, as in the targets of a planted network, the bits of large products depend on threads.
one_thread = threadpool_limits.wrap(limits=1, user_api="blas")


@one_thread
def planted(n, d, k, activation="relu", noise=0.0, seed=0, **options):
    """Rows of a planted network."""
    return make_one_hidden_layer(
        n, d, k, activation=activation, noise=noise, random_state=seed, **options
    )[:2]


@one_thread
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


def two_outputs(n=400, noise=0.0):
    """Rows with two targets."""
    X, y = planted(n, 5, 2, noise=noise)
    return X, np.column_stack([y, y**2])


def curve(n):
    """A sine over one column."""
    x = np.linspace(-3, 3, n)
    return x[:, None], np.sin(2 * x)


def line(n, noise=0.1):
    """A line and noise over one column."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(-1, 1, n))
    return x[:, None], 2 * x + 1 + noise * rng.standard_normal(n)


def waves(n, frequency=5):
    """A function of two columns with many hills, and noise."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (n, 2))
    return X, np.sin(frequency * X).prod(axis=1) + 0.05 * rng.standard_normal(n)


def scaled(data, of_X, of_y=1.0, offset=0.0):
    """The same in other units."""
    X, y = data
    return of_X * X + offset, of_y * y


def with_outlier(X, y):
    """The same with a row of which sums overflow."""
    X[1] = 1e307
    return X, y


def in_single(X, y):
    """The same in single precision."""
    return X.astype(np.float32), y.astype(np.float32)


def sparse_rows(n=600, d=12):
    """CSR rows."""
    rng = np.random.default_rng(0)
    X = sparse.csr_array(rng.uniform(size=(n, d)) * (rng.uniform(size=(n, d)) < 0.2))
    return X, np.random.default_rng(1).standard_normal(n)


def doubled_columns(X, y):
    """The same with two of the columns twice."""
    return np.column_stack([X, X[:, :2]]), y


def repeated(X, y):
    """The same with the first rows thrice."""
    return np.concatenate([X, X[:50], X[:50]]), np.concatenate([y, y[:50], y[:50]])


def uniform(n):
    """Weights of rows."""
    return np.random.default_rng(0).uniform(0.2, 2, n)


def positive(n=200, d=3):
    """Rows on which units with negative weights and no biases are dead."""
    rng = np.random.default_rng(0)
    X = rng.exponential(size=(n, d))
    return X, -X.sum(axis=1) + 0.1 * rng.standard_normal(n)


def blocks_of(size, *arrays):
    """The rows as a source of blocks, and no targets beside it."""
    n = arrays[0].shape[0]
    source = RowBlocks(lambda: (tuple(a[i : i + size] for a in arrays) for i in range(0, n, size)))
    return source, None


def partly_weighted(size, X, y, weight):
    """The same with weights in every other block."""

    def blocks():
        for number, i in enumerate(range(0, len(y), size)):
            rows = slice(i, i + size)
            yield (X[rows], y[rows], weight[rows]) if number % 2 else (X[rows], y[rows])

    return RowBlocks(blocks), None


def used_up(X, y):
    """A source that wrongly gives its blocks once only."""
    blocks = iter([(X[:100], y[:100]), (X[100:], y[100:])])
    return RowBlocks(lambda: blocks), None


def ever_shorter(X, y):
    """A source whose block wrongly has a row less each time."""
    rows = iter(range(len(y), 0, -1))

    def blocks():
        n = next(rows)
        yield X[:n], y[:n]

    return RowBlocks(blocks), None


# Scores of densities and activations


def normal_score(d):
    """The score of N(0, I)."""
    return GaussianMixtureScore([1.0], np.zeros((1, d)), [np.eye(d)])


class OddScore:
    """A score function that returns what it is given."""

    def __init__(self, score, curvature=None):
        self.score, self.curvature = score, curvature

    def __call__(self, X):
        """The score."""
        return self.score

    def contract(self, X, U):
        """Its gradient."""
        return self.curvature


class Hermite(activations.Activation):
    """A polynomial, by its Hermite coefficients."""

    kinks = ()

    def __init__(self, *coefficients):
        self.coefficients = coefficients

    def value(self, z):
        """The polynomial."""
        return np.polynomial.hermite_e.hermeval(z, self.coefficients)

    def derivative(self, z):
        """Its derivative."""
        return np.polynomial.hermite_e.hermeval(z, np.polynomial.hermite_e.hermeder(self.coefficients))


class Exponential(activations.Activation):
    """Grows faster than any power."""

    def value(self, z):
        """The exponential."""
        return np.exp(z)

    derivative = value


class Rough(activations.Activation):
    """Its derivative, the root of the distance from zero, has none there."""

    def value(self, z):
        """The integral of the root."""
        return 2 / 3 * np.sign(z) * np.abs(z) ** 1.5

    def derivative(self, z):
        """The root."""
        return np.sqrt(np.abs(z))


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


def refused(*calls):
    """The record of calls that raise errors."""
    types, words = [], []
    for call in calls:
        try:
            call()
            types.append("none")
        except Exception as error:
            types.append(type(error).__name__)
            words.append(f"{types[-1]}: {first_line(error)}")
    return values(*types, words=words)


def first_line(error):
    """Of the message of an error or warning."""
    return (str(error).splitlines() or [""])[0]


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


def together(records):
    """One record of several."""
    groups = [(*map(digest, found.groups), found.counts) for found in records]
    return Record(*zip(*groups, strict=True), words=[word for found in records for word in found.words])


def judged(certificate):
    """Numbers and words of a certificate."""
    asked = (*certificate.checks, *certificate.assumptions)
    numbers = [
        certificate.rows_per_weight, certificate.kappa, certificate.lambda_, *certificate.curvature,
        *certificate.curvature_bounds, certificate.contraction, certificate.exact,
        certificate.trained_here, *((check.value, check.limit, check.passed) for check in asked),
    ]  # fmt: skip
    return numbers, [*str(certificate).splitlines(), certificate.reason, str(asked[0])]


def new(**options):
    """An estimator with a seed."""
    return OneHiddenLayerRegressor(**({"k": 5, "activation": "relu", "random_state": 0} | options))


def fit(data, weight=None, *, held_out=None, certify=None, stop=None, std=False, **options):
    """Fit and predict; ``certify`` are rows to judge the fit on, ``stop`` is for :class:`StopAt`."""
    model = new(**options)
    if stop is not None:
        model.set_callbacks(StopAt(stop))
    X, y = data
    names = "X_val", "y_val", "sample_weight_val"
    model.fit(X, y, weight, **dict(zip(names, held_out or (), strict=False)))
    more, words = [model.predict(X)], []
    if std:
        more += model.predict(X, return_std=True)
    if certify is not None:
        numbers, words = judged(model.certificate(*certify))
        more += numbers
    return record(model, *more, words=words)


def judged_fit(data, *weight, **options):
    """A fit with a certificate on its own rows."""
    return fit(data, *weight, certify=(*data, *weight), **options)


def judged_elsewhere(data, n, **options):
    """A fit on all but the first n rows, with a certificate on those."""
    return fit([a[n:] for a in data], certify=[a[:n] for a in data], **options)


def fit_again(data, first, **then):
    """A fit that begins at the weights of another."""
    model = new(**first).fit(*data)
    return record(model.set_params(warm_start=True, **then).fit(*data))


def stopped(data, *numbers, **options):
    """Fits that a callback ends when so many of their tasks are over."""
    return together([fit(data, stop=number, **options) for number in numbers])


def with_threads(number, data, **options):
    """A fit with so many threads for sums over rows."""
    with threadpool_limits(number, user_api="blas"):
        return fit(data, **options)


def with_shallow_stack(data, **options):
    """A fit that may not recurse for long, so that a recursion without end costs little."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        return fit(data, **options)
    finally:
        sys.setrecursionlimit(limit)


def start_of(data, k, activation, weight=None, **options):
    """Tensor initialization alone."""
    options = {"random_state": 0} | options
    return values(
        *tensor_initialization(*data, k, activation=activation, sample_weight=weight, **options)
    )


def moments_of(*activations_):
    """Hermite coefficients and properties."""
    found = []
    for activation in activations_:
        found += [
            activation.hermite_coefficient(order, [0.5, 2.0], bias)
            for order in range(7)
            for bias in (0.0, -0.7)
        ]
        properties = activation.properties(0.8)
        found += [properties.rho_terms, properties.rho_positive, properties.violated]
        found.append(activation.value(np.linspace(-5, 5, 11)))
        found += activation.value_and_derivative(np.linspace(-5, 5, 11).astype(np.float32))
    return values(*found)


@one_thread
def mixture_scores():
    """Scores of fitted mixtures, of all kinds of covariances."""
    X, found = friedman(300)[0][:, :3], []
    for kind in ("full", "tied", "diag", "spherical"):
        mixture = GaussianMixture(2, covariance_type=kind, random_state=0).fit(X)
        score = GaussianMixtureScore.from_mixture(mixture)
        found += [score(X), score.contract(X.astype(np.float32), np.eye(3, 2))]
    return values(*found, words=[repr(score)])


def extremes():
    """Extreme eigenvalues of operators, small and large, zero, negative and hard ones."""

    def of(diagonal, tol):
        return theory.extreme_eigenvalues(lambda x: diagonal * x, len(diagonal), tol=tol)

    hard = 1 - 1e-3 * np.linspace(0, 1, 1500) ** 2
    return values(
        of(np.arange(20.0), 1e-3), of(np.arange(1.0, 200.0), 1e-6), of(np.zeros(100), 1e-3),
        of(-np.maximum(np.arange(100.0) - 50, 0), 1e-3), of(hard, 1e-9),
    )  # fmt: skip


@one_thread
def conditions():
    """Condition of weights and bounds on the Hessian."""
    W, v = np.random.default_rng(0).standard_normal((6, 3)), np.array([1.0, -1.0, 2.0])
    found = [*theory.weight_condition(W), *theory.weight_condition(W.T)]
    for name in ("relu", "squared_relu", "tanh", "gelu", "softplus", "square"):
        found += [*theory.hessian_bounds(W, v, activation=name), theory.derivative_growth(name)]
    return values(*found, *theory.hessian_bounds(W.T, np.ones((6, 2)), activation="erf"))


def spectrum(data):
    """What the figure of the spectrum of moments shows."""
    shown = MomentSpectrumDisplay.from_data(*data, random_state=0)
    return values(shown.values, shown.null, shown.order, shown.n_above_)


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
    "exact": lambda: judged_fit(planted(2000, 10, 3), k=3),
    "exact tanh": lambda: judged_fit(planted(1000, 6, 2, "tanh"), k=2, activation="tanh"),
    "exact sigmoid": lambda: fit(planted(1000, 6, 2, "sigmoid"), k=2, activation="sigmoid"),
    "noisy": lambda: judged_fit(planted(2000, 10, 3, noise=0.3), k=3),
    "noisy tanh": lambda: judged_fit(planted(400, 4, 2, "tanh", 0.3), k=2, activation="tanh"),
    "noise alone": lambda: fit(planted(300, 4, 2, noise=5.0), k=2),
    "missing unit": lambda: judged_fit(planted(2000, 8, 4, noise=0.1, seed=3), k=3),
    "too wide": lambda: judged_fit(planted(600, 4, 2, noise=0.1), k=7),
    "gelu": lambda: fit(planted(600, 5, 2, "gelu", 0.1), k=2, activation="gelu"),
    "erf": lambda: fit(planted(600, 5, 2, "erf", 0.1), k=2, activation="erf"),
    "softplus": lambda: fit(planted(600, 5, 2, "softplus", 0.1), k=2, activation="softplus"),
    "leaky relu": lambda: fit(planted(600, 5, 2, "leaky_relu", 0.2), k=2, activation="leaky_relu"),
    "wide": lambda: fit(planted(900, 40, 9, "tanh", 0.3), k=9, activation="tanh", n_init=3),
    "wide, weights": lambda: fit(
        planted(900, 40, 9, "tanh", 0.3), uniform(900), k=9, activation="tanh", n_init=1
    ),
    "wide, no intercept": lambda: judged_fit(
        planted(1500, 45, 9, "tanh", 0.3), k=9, activation="tanh", n_init=1, fit_intercept=False
    ),
    "wide, exact": lambda: judged_fit(planted(4000, 45, 9), k=9, n_init=1),
    "many units": lambda: fit(planted(1500, 6, 26, "tanh", 0.1), k=26, activation="tanh", n_init=1),
    "many units and columns": lambda: fit(planted(1500, 12, 3, noise=0.2), k=30, n_init=1, max_iter=30),
    "k > d": lambda: fit(planted(400, 3, 2, noise=0.2), k=6),
    "identity": lambda: fit(planted(200, 4, 1, noise=0.1), k=2, activation="identity", init="random"),
    "six starts": lambda: fit(planted(200, 6, 3, noise=0.5), k=3, n_init=6),
    # Planted networks on rows that are not normal
    "skewed exact": lambda: fit(skewed(600, 6, 2), k=2),
    "skewed noisy": lambda: judged_fit(skewed(600, 6, 3, 0.3), k=3),
    "skewed few": lambda: fit(skewed(60, 8, 3, 0.01), k=3),
    "skewed stuck": lambda: fit(skewed(900, 10, 6, seed=4), k=6),
    # Other rows
    "friedman": lambda: fit(friedman(600)),
    "friedman 20": lambda: fit(friedman(600), k=20),
    "friedman few": lambda: fit(friedman(100), k=20),
    "friedman few tanh": lambda: fit(friedman(100), k=5, activation="tanh"),
    "fewer rows than weights": lambda: judged_fit([a[:40] for a in friedman(100)], k=12),
    "diabetes": lambda: fit(diabetes()),
    "diabetes 20": lambda: fit(diabetes(), k=20),
    "diabetes alpha": lambda: fit(diabetes(), k=20, alpha=0.5),
    "diabetes alpha 0": lambda: fit(diabetes(), k=8, alpha=0, max_iter=40),
    "curve": lambda: fit(curve(300), k=20, activation="tanh"),
    "curve, few rows": lambda: fit(curve(40), k=6, activation="tanh", n_init=1),
    "waves": lambda: fit(waves(600), k=24),
    "waves, small": lambda: fit(waves(600, 8), k=40),
    "waves tanh": lambda: fit(waves(600), k=24, activation="tanh"),
    # Options
    "raw split": lambda: fit(
        planted(6000, 6, 2, "squared_relu"), k=2, activation="squared_relu", **PAPER
    ),
    "raw polish": lambda: fit(planted(2000, 6, 2, noise=0.1), k=2, moments="raw"),
    "raw two outputs": lambda: fit(two_outputs(), k=2, moments="raw"),
    "raw, many columns": lambda: fit(planted(1200, 1010, 2), k=2, **PAPER | {"max_iter": 1}),
    "raw tanh, many columns": lambda: fit(
        planted(1200, 1010, 2, "tanh"), k=2, activation="tanh", **PAPER | {"max_iter": 1}
    ),
    "no resample": lambda: fit(planted(600, 6, 2), k=2, resample=False),
    "no polish": lambda: fit(planted(3000, 6, 2), k=2, polish=False),
    "no polish, converged": lambda: fit(
        planted(300, 4, 2, noise=0.5), k=2, polish=False, resample=False, tol=1e-2
    ),
    "no polish, diverged": lambda: fit(planted(300, 4, 2), k=2, polish=False, learning_rate=1e3),
    "no intercept": lambda: judged_fit(planted(600, 6, 2, noise=0.1), k=2, fit_intercept=False),
    "no whitening": lambda: fit(planted(600, 6, 2, noise=0.1), k=2, whiten=False),
    "no whitening, offset": lambda: fit(
        scaled(planted(2000, 20, 2, noise=0.2), 1, offset=1000), k=2, n_init=1, whiten=False
    ),
    "no whitening, large": lambda: fit(
        scaled(planted(300, 4, 2), 1e80), k=2, whiten=False, init="random"
    ),
    "no whitening, overflow": lambda: fit(scaled(planted(300, 4, 2), 1, 1e300), k=2, whiten=False),
    "no whitening, large and wide": lambda: fit(
        scaled(planted(300, 40, 2), 1e80), k=9, whiten=False, init="random"
    ),
    "no whitening, outlier": lambda: fit(
        with_outlier(*planted(3000, 40, 2, "tanh", 0.3)),
        k=9,
        activation="tanh",
        whiten=False,
        init="random",
        n_init=1,
        max_iter=20,
    ),
    "random": lambda: fit(planted(600, 6, 2, noise=0.1), k=2, init="random", n_init=6),
    "given": lambda: judged_fit(
        planted(600, 3, 2, noise=0.1), k=2, init=(np.eye(3, 2), np.zeros(2), np.ones(2))
    ),
    "given, auto": lambda: fit(
        planted(600, 3, 2), k="auto", init=[np.eye(3, 2), np.zeros(2), np.ones((2, 1))]
    ),
    "given, dead": lambda: fit(
        positive(),
        k=2,
        whiten=False,
        fit_intercept=False,
        init=(-np.array([[1.0, 1], [2, 2], [3, 3]]), np.zeros(2), np.ones(2)),
    ),
    "given, identity": lambda: judged_fit(
        planted(200, 2, 1, noise=0.1),
        k=1,
        activation="identity",
        init=(np.ones((2, 1)), np.zeros(1), np.ones(1)),
    ),
    "score": lambda: fit(
        planted(1500, 6, 2, "tanh"), k=2, activation="tanh", score_function=normal_score(6)
    ),
    "score, two outputs": lambda: fit(two_outputs(noise=0.1), k=3, score_function=normal_score(5)),
    "jobs": lambda: fit(planted(400, 5, 2, noise=0.3), k=3, n_init=4, n_jobs=3),
    "threads": lambda: with_threads(2, planted(20_000, 10, 2, noise=0.2), k=2),
    "covariance": lambda: fit(planted(400, 5, 2, noise=0.3), k=2, keep_covariance=True, std=True),
    "covariance, two outputs": lambda: fit(
        two_outputs(noise=0.1), uniform(400), k=3, keep_covariance=True, std=True, fit_intercept=False
    ),
    "warm": lambda: fit_again(planted(400, 5, 2, noise=0.3), {"k": 2, "max_iter": 2}, max_iter=100),
    "warm, no intercept": lambda: fit_again(
        planted(400, 5, 2, noise=0.3), {"k": 2, "fit_intercept": False}, tol=1e-9
    ),
    "verbose": lambda: fit(planted(200, 3, 1, noise=0.3), k=1, verbose=2),
    "tol 0": lambda: fit(curve(100), k=3, activation="tanh", tol=0.0, n_init=1, max_iter=50),
    # The width
    "auto": lambda: fit(planted(500, 5, 2, noise=0.1), k="auto"),
    "auto, exact": lambda: fit(planted(500, 5, 2), k="auto"),
    "auto, a unit less": lambda: fit(planted(200, 2, 3, noise=0.05, seed=1), k="auto"),
    "auto, jobs": lambda: fit(planted(300, 4, 2, noise=0.3), k="auto", n_jobs=2),
    "auto, weights": lambda: fit(friedman(120), uniform(120), k="auto"),
    "auto, friedman": lambda: fit(friedman(300), k="auto"),
    "auto, diabetes": lambda: fit([a[:150] for a in diabetes()], k="auto"),
    "auto, curve": lambda: fit(curve(60), k="auto"),
    "auto, noise alone": lambda: fit(planted(300, 4, 2, noise=5.0), k="auto"),
    "auto, line of 20 rows": lambda: with_shallow_stack(line(20), k="auto"),
    "auto, constant columns": lambda: fit((np.ones((50, 3)), curve(50)[1]), k="auto"),
    "auto, stopped at a unit less": lambda: fit(planted(500, 5, 2, noise=0.1), k="auto", stop=122),
    "auto, stopped": lambda: stopped(friedman(100), 5, 60, 150, 250, 350, 450, k="auto"),
    # Kinds of rows and targets
    "two outputs": lambda: judged_fit(two_outputs(noise=0.1), k=3),
    "two outputs, exact": lambda: fit(two_outputs(), k=3),
    "constant target": lambda: fit((planted(100, 3, 1)[0], np.ones(100)), k=2),
    "constant columns": lambda: fit((np.ones((50, 3)), curve(50)[1]), k=2),
    "single precision": lambda: fit(in_single(*planted(600, 5, 2, noise=0.1)), k=2),
    "single precision, exact": lambda: judged_fit(in_single(*planted(600, 5, 2)), k=2),
    "sparse": lambda: fit(sparse_rows(), k=2),
    "doubled columns": lambda: fit(doubled_columns(*planted(300, 4, 2, noise=0.2)), k=2),
    "repeated rows": lambda: fit(repeated(*planted(100, 4, 2, noise=0.2)), k=2),
    "few rows, many columns": lambda: fit(planted(60, 30, 1, noise=0.1), k=1),
    "weights": lambda: judged_fit(planted(400, 5, 2, noise=0.3), uniform(400), k=2),
    "held out": lambda: fit(
        planted(200, 5, 2, noise=0.3), held_out=planted(200, 5, 2, noise=0.3, seed=1), k=8, alpha=0
    ),
    "held out, in parts": lambda: fit(friedman(600), held_out=friedman(300), k=20),
    "held out, weights": lambda: fit(
        planted(200, 5, 2, noise=0.3),
        held_out=(*planted(100, 5, 2, noise=0.3, seed=1), uniform(100)),
        k=3,
    ),
    "judged on other rows": lambda: judged_elsewhere(planted(3000, 3, 1, noise=0.2, seed=1), 1000, k=1),
    # Many rows
    "samples": lambda: fit(planted(60_000, 6, 2, noise=0.2), k=2),
    "samples of samples": lambda: fit(planted(330_000, 2, 1, noise=0.2), k=1),
    "stream": lambda: fit(blocks_of(20_000, *planted(60_000, 6, 2, noise=0.2)), k=2),
    "stream, small": lambda: fit(
        blocks_of(100, *planted(300, 6, 2, noise=0.2), uniform(300)), k=2, keep_covariance=True, std=True
    ),
    "stream, sparse": lambda: fit(blocks_of(200, *sparse_rows()), k=2, fit_intercept=False),
    "stream, weights in some blocks": lambda: fit(
        partly_weighted(100, *planted(300, 6, 2, noise=0.2), uniform(300)), k=2
    ),
    "stream, samples of samples": lambda: fit(
        blocks_of(110_000, *planted(330_000, 2, 1, noise=0.2)), k=1
    ),
    "stream, constant target": lambda: fit(blocks_of(50, planted(100, 3, 1)[0], np.ones(100)), k=2),
    "stream, auto": lambda: fit(blocks_of(100, *planted(300, 4, 1, noise=0.2)), k="auto"),
    # Stopped by a callback
    "stopped": lambda: stopped(planted(400, 5, 2, noise=0.3), 1, 10, 12, 20, 35, 45, 80, 200, k=2),
    "stopped, several starts": lambda: stopped(
        planted(300, 4, 2, noise=5.0), 30, 60, 100, 250, 400, k=2
    ),
    "stopped, no polish": lambda: stopped(planted(3000, 6, 2), 5, k=2, polish=False),
    "stopped, in parts": lambda: stopped(friedman(600), 5, 25, 40, 60, 95, 104, 108, k=20),
    "stopped, few rows": lambda: stopped(friedman(60), 1, 8, 20, 30, k=20),
    "stopped, held out": lambda: stopped(
        friedman(300), 20, 40, k=8, held_out=[a[:100] for a in friedman(400)]
    ),
    "stopped, samples": lambda: stopped(planted(60_000, 6, 2, noise=0.2), 50, 108, 109, 110, k=2),
    # Functions
    "start": lambda: start_of(planted(3000, 8, 3), 3, "relu"),
    "start, weights": lambda: start_of(planted(500, 5, 2), 2, "tanh", uniform(500)),
    "start, raw": lambda: start_of(planted(1000, 5, 2), 2, "relu", moments="raw"),
    "start, raw tanh": lambda: start_of(
        planted(1000, 5, 2, "tanh"), 2, "tanh", moments="raw", split=True
    ),
    "start, raw orders": lambda: start_of(
        planted(1000, 5, 2), 2, Hermite(0, 3, 0, 0.1, 0.1), moments="raw"
    ),
    "start, raw even": lambda: start_of(planted(1000, 5, 2), 2, Hermite(0, 0, 1, 0, 0.1), moments="raw"),
    "moments": lambda: moments_of(*(kind() for kind in activations.ACTIVATIONS.values())),
    "moments, others": lambda: moments_of(
        activations.LeakyReLU(0.3), Hermite(0, 1, 0, 0.1), Exponential(), Rough()
    ),
    "mixture scores": mixture_scores,
    "extreme eigenvalues": extremes,
    "conditions": conditions,
    "spectrum": lambda: spectrum(planted(1000, 6, 2, noise=0.1)),
    "spectrum, tanh": lambda: spectrum(planted(1000, 6, 2, "tanh", 0.1)),
    "equality of activations": lambda: values(
        activations.LeakyReLU(0.1) == activations.LeakyReLU(0.1),
        activations.LeakyReLU(0.1) == activations.Tanh(),
        len({activations.LeakyReLU(0.1), activations.LeakyReLU(0.1)}),
        words=[repr(activations.LeakyReLU(0.1))],
    ),
    # Errors
    "activations refused": lambda: refused(
        lambda: activations.LeakyReLU("0"),
        lambda: activations.LeakyReLU(2),
        lambda: activations.get_activation("sine"),
        lambda: activations.get_activation(activations.ReLU),
        lambda: activations.ReLU().hermite_coefficient(-1),
        lambda: activations.ReLU().hermite_coefficient(1, bias=np.inf),
        lambda: activations.ReLU().hermite_coefficient(1, sigma=0),
        lambda: activations.ReLU().properties([1, 2]),
        lambda: Exponential().hermite_coefficient(1, sigma=100),
        lambda: Exponential().properties(100),
        lambda: start_of(planted(100, 3, 1), 1, "identity"),
        lambda: start_of(planted(100, 3, 1), 1, Hermite(0, 1, 0, 0, 0, 0.01)),
    ),
    "fits refused": lambda: refused(
        lambda: fit(planted(100, 3, 1), k=True),
        lambda: fit((blocks_of(50, *planted(100, 3, 1))[0], planted(100, 3, 1)[1])),
        lambda: fit(blocks_of(50, *planted(100, 3, 1)), polish=False),
        lambda: fit(planted(100, 3, 1), k=1, std=True),
        lambda: fit(blocks_of(50, *planted(100, 3, 1)), k=1, certify=blocks_of(50, *planted(100, 3, 1))),
        lambda: fit(planted(100, 3, 1), k=1, init=(1, 2)),
        lambda: fit(planted(100, 300, 1), k=20, keep_covariance=True),
        lambda: fit(scaled(planted(300, 4, 2), 1e160), k=2, whiten=False),
        lambda: fit(scaled(planted(300, 4, 2), 1e110), k=2, **PAPER),
        lambda: start_of(planted(100, 3, 1), 0, "relu"),
        lambda: start_of(planted(100, 3, 1), 1, "relu", moments="cooked"),
    ),
    "sources refused": lambda: refused(
        lambda: RowBlocks([1]),
        lambda: fit((RowBlocks(lambda: [1]), None)),
        lambda: fit((RowBlocks(list), None)),
        lambda: fit(blocks_of(50, *planted(100, 3, 1), np.zeros(100))),
        lambda: fit(used_up(*planted(300, 3, 1))),
        lambda: fit(ever_shorter(*planted(300, 3, 1))),
    ),
    "scores refused": lambda: refused(
        lambda: GaussianMixtureScore([1.0], np.zeros((2, 2)), [np.eye(2)] * 2),
        lambda: GaussianMixtureScore([0.5], np.zeros((1, 2)), [np.eye(2)]),
        lambda: GaussianMixtureScore([1.0], np.zeros((1, 2)), [[[1, 1], [0, 1]]]),
        lambda: GaussianMixtureScore([1.0], np.zeros((1, 2)), [-np.eye(2)]),
        lambda: GaussianMixtureScore.from_mixture(GaussianMixture()),
        lambda: normal_score(2)(np.ones((1, 3))),
        lambda: normal_score(2).contract(np.ones((1, 2)), np.ones((3, 1))),
        lambda: fit(planted(100, 3, 1), k=1, score_function=OddScore(np.ones(3))),
        lambda: fit(planted(100, 3, 1), k=1, score_function=OddScore(np.full((100, 3), np.nan))),
        lambda: fit(planted(100, 3, 1), k=1, score_function=OddScore),
        lambda: fit(planted(100, 3, 1), k=1, score_function=normal_score(3), moments="raw"),
        lambda: fit(sparse_rows(), k=1, score_function=normal_score(12)),
    ),
    "weights refused": lambda: refused(
        lambda: theory.weight_condition(np.ones(3)),
        lambda: theory.hessian_bounds(np.eye(3), np.ones(2), activation="relu"),
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
            found = Record(counts=type(error).__name__, words=[first_line(error)])
    told = [f"{each.category.__name__}: {first_line(each.message)}" for each in caught]
    return found, [*found.words, *sorted(set(told)), *printed.getvalue().splitlines()]


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
