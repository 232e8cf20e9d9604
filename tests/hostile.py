"""Hostile inputs of a fit, drawn by a seed, and what must hold of each.

A case is rows, targets, weights and parameters, some of which are out of all measure, wrong, or both;
:func:`violations` fits it and says what went wrong. That is nothing, if the fit

- raised a ``ValueError`` or a ``TypeError`` that names an argument, and left the estimator as it was; or
- is finite in all that it says and predicts, no worse on its own rows than the mean of y (than zero,
  without intercepts), and exact where an output is constant;

and if it changed none of its arguments, gave no warning but of kinds that tell the user what to do, and
took no longer than :data:`MOST_SECONDS` of the processor.
"""

import copy
import hashlib
import pickle
import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sklearn_onenn import OneHiddenLayerRegressor, RowBlocks
from sklearn_onenn.activations import ACTIVATIONS, Activation

MOST_SECONDS = 20.0

# Words of which an error must have one: the names of arguments.
ARGUMENTS = (
    "X_val", "y_val", "sample_weight", "X", "y", "k", "activation", "init", "learning_rate", "max_iter",
    "tol", "n_init", "alpha", "score_function", "keep_covariance", "confidence_level", "polish",
    "moments", "warm_start", "Block", "Input", "factory", "loss", "inconsistent numbers of samples",
)  # fmt: skip

# What numerical routines say of numbers that should not have reached them.
UNCLEAR = (
    "infs or NaNs", "Singular matrix", "did not converge", "not positive definite", "broadcast",
    "LinAlg", "zero-size array", "at least one array", "division by zero", "dimension mismatch",
)  # fmt: skip


@dataclass
class Case:
    """One hostile fit.

    Attributes
    ----------
    name : str
        The kinds of its parts.
    kind : str
        What is hostile about it: the kind of its rows, or what is wrong with it.
    X, y, weight : objects
        As passed to ``fit``.
    parameters : dict
    held_out : dict
        ``X_val`` and what goes with it.
    must_fail : bool
        Whether anything but an error is a violation.
    """

    name: str
    kind: str
    X: Any
    y: Any
    weight: Any = None
    parameters: dict[str, Any] = field(default_factory=dict)
    held_out: dict[str, Any] = field(default_factory=dict)
    must_fail: bool = False


# Rows


def some_rows(rng, n, d):
    """Rows of one of many kinds, and its name."""
    normal = rng.standard_normal((n, d))
    kinds = {
        "normal": lambda: normal,
        "uniform": lambda: rng.uniform(-1, 1, (n, d)),
        "exponential": lambda: rng.exponential(size=(n, d)),
        "integers": lambda: rng.randint(-3, 4, (n, d)),
        "binary": lambda: rng.rand(n, d) < 0.3,
        "one-hot": lambda: np.eye(d)[rng.randint(d, size=n)],
        "rare": lambda: (rng.rand(n, d) < 0.02) * normal,
        "zero": lambda: np.zeros((n, d)),
        "constant columns": lambda: np.where(rng.rand(d) < 0.5, 3.0, normal),
        "equal columns": lambda: normal[:, rng.randint(max(1, d // 2), size=d)],
        "one row": lambda: np.repeat(normal[:1], n, axis=0),
        "few rows": lambda: normal[rng.randint(min(n, 4), size=n)],
        "line": lambda: np.outer(rng.standard_normal(n), rng.standard_normal(d)),
        "nearly equal columns": lambda: normal[:, :1] + 10.0 ** -rng.randint(3, 15) * normal,
        "offset": lambda: normal + 10.0 ** rng.randint(2, 16),
        "Cauchy": lambda: rng.standard_cauchy((n, d)),
        "lognormal": lambda: np.exp(5 * normal),
        "unequal columns": lambda: normal * 10.0 ** rng.randint(-14, 15, d),
        "an outlier": lambda: normal + 10.0 ** rng.randint(2, 30) * (np.arange(n) == 0)[:, None],
        "out of measure": lambda: normal * 10.0 ** (rng.choice([-1, 1]) * rng.randint(80, 308)),
        "columns out of measure": lambda: normal * 10.0 ** rng.randint(-300, 300, d),
        "an angle": lambda: np.cos(np.arange(1, d + 1) * rng.uniform(0, 6, (n, 1))),
    }
    kind = rng.choice(list(kinds))
    with np.errstate(over="ignore"):
        return np.nan_to_num(np.asarray(kinds[kind]()), posinf=1e300, neginf=-1e300), str(kind)


def as_container(rng, X):
    """The rows in one of the forms in which they come, and its name."""
    kinds = {
        "": lambda: X,
        "float32": lambda: X.astype(np.float32),
        "CSR": lambda: sp.csr_array(X.astype(float)),
        "COO": lambda: sp.coo_array(X.astype(float)),
        "Fortran": lambda: np.asfortranarray(X),
        "strided": lambda: np.repeat(X, 2, axis=1)[:, ::2],
        "list": lambda: X.tolist(),
        "object": lambda: X.astype(object),
    }
    kind = rng.choice(list(kinds), p=[0.5, 0.15, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05])
    with np.errstate(over="ignore"):
        return kinds[kind](), str(kind)


# Targets and weights


def some_targets(rng, X, m):
    """Targets (n, m) of one of many kinds, and its name."""
    n, d = X.shape
    shape = n, m
    size = np.abs(X).max() or 1.0
    Z = np.asarray(X / size, dtype=float)
    Z = Z / (np.sqrt(np.mean(Z**2)) or 1.0)
    network = np.tanh(Z @ rng.standard_normal((d, 2))) @ rng.standard_normal((2, m))
    noise = rng.standard_normal(shape)
    kinds = {
        "network": lambda: network,
        "noisy network": lambda: network + 0.3 * noise,
        "line": lambda: Z @ rng.standard_normal((d, m)),
        "sine": lambda: np.sin(20 * Z[:, :1]) + np.zeros(shape),
        "noise": lambda: noise,
        "constant": lambda: np.full(shape, rng.choice([0.0, 3.0, 1e9, 0.1])),
        "some constant": lambda: np.where(np.arange(m) == 0, 0.1, network),
        "two values": lambda: (noise > 0) * 1.0,
        "integers": lambda: rng.poisson(2, shape),
        "one of many": lambda: (np.arange(n) == 0)[:, None] * np.ones(shape),
        "offset": lambda: network + 10.0 ** rng.randint(3, 16),
        "Cauchy": lambda: rng.standard_cauchy(shape),
        "an outlier": lambda: network + 10.0 ** rng.randint(2, 30) * (np.arange(n) == 0)[:, None],
        "unequal outputs": lambda: network * 10.0 ** rng.randint(-12, 13, m),
        "out of measure": lambda: noise * 10.0 ** (rng.choice([-1, 1]) * rng.randint(80, 308)),
        "outputs out of measure": lambda: noise * 10.0 ** rng.randint(-300, 300, m),
    }
    kind = rng.choice(list(kinds))
    with np.errstate(over="ignore"):
        y = np.nan_to_num(np.asarray(kinds[kind]()), posinf=1e300, neginf=-1e300)
    return (y[:, 0] if m == 1 and rng.rand() < 0.8 else y), str(kind)


def some_weights(rng, n):
    """Weights of one of many kinds, and its name."""
    kinds = {
        "": lambda: None,
        "ones": lambda: np.ones(n),
        "uniform": lambda: rng.rand(n),
        "integers": lambda: rng.randint(0, 4, n),
        "sum of one": lambda: np.full(n, 1 / n),
        "one row counts": lambda: np.where(np.arange(n) == 0, 1e6, 1.0),
        "unequal": lambda: 10.0 ** rng.randint(-8, 9, n),
        "out of measure": lambda: rng.rand(n) * 10.0 ** (rng.choice([-1, 1]) * rng.randint(80, 308)),
    }
    kind = rng.choice(list(kinds), p=[0.6, 0.05, 0.08, 0.08, 0.05, 0.05, 0.05, 0.04])
    return kinds[kind](), str(kind)


# Parameters


class Broken(Activation):
    """An activation that breaks its contract in one of several ways."""

    def __init__(self, how="slope"):
        self.how = how

    def value(self, z):
        z = np.asarray(z, dtype=float)
        if self.how == "shape":
            return np.tanh(z).sum(axis=-1)
        return np.where(z > 1, np.nan, z) if self.how == "value" else np.tanh(z)

    def derivative(self, z):
        z = np.asarray(z, dtype=float)
        if self.how == "slope":
            return 1 + np.tanh(z) ** 2
        return np.full(z.shape, np.nan) if self.how == "derivative" else 1 - np.tanh(z) ** 2


class Sound(Activation):
    """An activation of a user, as it should be."""

    def value(self, z):
        return np.arctan(z)

    def derivative(self, z):
        return 1 / (1 + np.asarray(z) ** 2)


def some_parameters(rng, n):
    """Valid parameters, most at their default."""
    candidates = {
        "k": [1, 2, 3, 5, 8, 13, 16, 24, 44, 60, 100, "auto"],
        "activation": [*ACTIVATIONS, Sound()],
        "loss": ["squared_error", "student_t"],
        "fit_intercept": [True, False],
        "init": ["tensor", "random"],
        "moments": ["residual", "raw"],
        "resample": [True, False],
        "polish": [True, False],
        "learning_rate": ["auto", 1e-8, 0.1, 1e3],
        "max_iter": [1, 2, 5, 40, 100],
        "tol": [0.0, 1e-12, 1e-2, 1e3],
        "n_init": [1, 2, "auto"],
        "alpha": ["auto", 0.0, 1e-300, 1e-6, 1.0, 1e10, 1e300],
        "whiten": [True, False],
        "keep_covariance": [True, False],
    }
    chosen = {name: values[rng.randint(len(values))] for name, values in candidates.items()}
    kept = {name: value for name, value in chosen.items() if rng.rand() < 0.25}
    kept.setdefault("k", candidates["k"][rng.randint(len(candidates["k"]))])
    if not kept.get("polish", True):
        kept.pop("loss", None)
    return {**kept, "random_state": int(rng.randint(1000))}


def break_parameter(rng, parameters):
    """One parameter with a value that no fit can have, and its name."""
    wrong = {
        "k": [0, -3, 2.5, "many", None, True], "alpha": [-1.0, "none", np.nan],
        "activation": ["tan", 3, None, *map(Broken, ("slope", "shape", "value", "derivative"))],
        "n_init": [0, 1.5, "all"], "max_iter": [0, 2.5], "tol": [-1.0, "small"], "loss": ["huber"],
        "learning_rate": [0.0, -1.0, np.nan],
        "init": ["zeros", (np.zeros(3),), [np.zeros((2, 2)), np.zeros(2), np.full(2, np.nan)]],
        "moments": ["all"], "n_jobs": ["two"], "random_state": ["seed"],
    }  # fmt: skip
    name = str(rng.choice(list(wrong)))
    return {**parameters, name: wrong[name][rng.randint(len(wrong[name]))]}, f"wrong {name}"


def break_rows(rng, case):
    """A case with an entry that is no number, lengths that differ, or too few rows."""
    n = len(case.y)
    kinds = ["X", "y", "weight", "length", "weight length", "dimensions", "text", "one row", "complex"]
    kind = rng.choice(kinds)
    bad = rng.choice([np.nan, np.inf, -np.inf])
    X = np.array(case.X.toarray() if sp.issparse(case.X) else case.X, dtype=float)
    y = np.array(case.y, dtype=float)
    if kind == "X":
        X[rng.randint(n), rng.randint(X.shape[1])] = bad
    elif kind == "y":
        y.ravel()[rng.randint(y.size)] = bad
    elif kind == "weight":
        case.weight = np.ones(n)
        case.weight[rng.randint(n)] = rng.choice([bad, -1.0])
    elif kind == "length":
        y = y[:-1]
    elif kind == "weight length":
        case.weight = np.ones(n + 1)
    elif kind == "dimensions":
        X = X[None] if rng.rand() < 0.5 else X[:, 0]
    elif kind == "text":
        X = X.astype(object)
        X[0, 0] = "red"
    elif kind == "one row":
        X, y, case.weight = X[:1], y[:1], None
    else:
        X = X + 1j
    case.X, case.y, case.must_fail = X, y, True
    case.name, case.kind = f"{case.name}, wrong {kind}", f"wrong rows: {kind}"
    return case


def some_held_out(rng, X, y):
    """Held-out rows, some of another size."""
    n = len(y)
    some = rng.randint(n, size=max(1, n // 3))
    X_val = np.array(X.toarray() if sp.issparse(X) else X, dtype=float)[some]
    y_val = np.array(y, dtype=float)[some]
    factor = rng.choice([1.0, 1.0, 1.0, 1e3, 1e-3, 1e30])
    return {"X_val": X_val * factor, "y_val": y_val}, "" if factor == 1 else f" times {factor:.0e}"


def blocks_of(rng, case):
    """The case as blocks, which may differ from pass to pass."""
    X = case.X.toarray() if sp.issparse(case.X) else np.array(case.X, dtype=float)
    y, n, passes = np.array(case.y, dtype=float), len(case.y), [0]
    kind = rng.choice(["", "values", "NaN", "outputs", "fewer"], p=[0.6, 0.1, 0.1, 0.1, 0.1])
    cuts = np.array_split(np.arange(n), 3)

    def factory():
        passes[0] += 1
        later = passes[0] > 1
        for number, some in enumerate(cuts):
            block, targets = X[some], y[some]
            if later and number == 1 and len(some):
                if kind == "values":
                    block = 2 * block + 1.0
                elif kind == "NaN":
                    targets = targets * np.nan
                elif kind == "outputs":
                    targets = np.stack([targets.reshape(len(some), -1)[:, 0]] * 4, axis=1)
                elif kind == "fewer":
                    block, targets = block[:-1], targets[:-1]
            if len(targets):
                yield block, targets

    case.X, case.held_out = RowBlocks(factory), {}
    case.parameters.pop("loss", None)
    case.parameters.pop("polish", None)
    case.name, case.must_fail = f"{case.name}, blocks {kind}", bool(kind)
    case.kind = f"blocks whose {kind} change" if kind else "blocks"
    return case, (X, y)


def draw(seed):
    """The case of a seed, and the arrays (X, y) by which it is judged."""
    rng = np.random.RandomState(seed)
    n = int(rng.choice([2, 3, 4, 5, 8, 13, 20, 31, 44, 60, 92, 150, 264, 400, 500]))
    d, m = int(rng.choice([1, 2, 3, 5, 8, 20, 44, 100])), int(rng.choice([1, 1, 1, 1, 2, 3, 7]))
    X, rows = some_rows(rng, n, d)
    y, targets = some_targets(rng, X, m)
    weight, weights = some_weights(rng, n)
    X, container = as_container(rng, X)
    parameters = some_parameters(rng, n)
    name = f"{n} x {d} {rows} {container}, y {m} {targets}, w {weights}"
    case = Case(name, f"rows: {rows}", X, y, weight, parameters)
    arrays, way = None, rng.rand()
    if way < 0.1:
        case.parameters, wrong = break_parameter(rng, parameters)
        case.name, case.kind, case.must_fail = f"{case.name}, {wrong}", wrong, True
    elif way < 0.2:
        case = break_rows(rng, case)
    elif way < 0.32 and parameters.get("polish", True):
        case.held_out, other = some_held_out(rng, X, y)
        case.name, case.kind = f"{case.name}, held out{other}", f"held-out rows{other}"
    elif way < 0.38 and n >= 6:
        case.weight = None
        case, arrays = blocks_of(rng, case)
    if arrays is None and not case.must_fail:
        arrays = np.array(X.toarray() if sp.issparse(X) else X, dtype=float), np.array(y, dtype=float)
    return case, arrays


# The judge


def digest(value):
    """By which a change of an argument is seen."""
    if sp.issparse(value):
        value = value.tocoo()
        return digest([value.data, value.coords])
    if isinstance(value, np.ndarray) and value.dtype != object:
        return hashlib.md5(np.ascontiguousarray(value).tobytes()).hexdigest()
    return hashlib.md5(repr(value).encode()).hexdigest() if not isinstance(value, RowBlocks) else ""


def is_clear(error):
    """Whether an error is of a kind that users expect, and names an argument."""
    text = str(error)
    if not isinstance(error, (ValueError, TypeError)) or any(words in text for words in UNCLEAR):
        return False
    return any(f"{name}" in text.replace("'", " ").replace("`", " ") for name in ARGUMENTS)


def violations(case, arrays):
    """What went wrong with a fit: words, none where all is well."""
    return judge(case, arrays)[0]


def judge(case, arrays):
    """What went wrong with a fit, whether it ended in an error, and its seconds of the processor."""
    model = OneHiddenLayerRegressor(**case.parameters)
    given = case.X, case.y, case.weight, *case.held_out.values()
    before, state = [digest(value) for value in given], copy.copy(vars(model))
    found, begin = [], time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        is_stream = isinstance(case.X, RowBlocks)
        y, weight = (None, None) if is_stream else (case.y, case.weight)
        try:
            model.fit(case.X, y, weight, **case.held_out)
            failed = False
        except Exception as error:
            failed = True
            if not is_clear(error):
                found.append(f"error: {type(error).__name__}: {str(error)[:150]}")
            if vars(model) != state:
                found.append("a failed fit changed the estimator")
        if not failed and case.must_fail:
            found.append("no error")
        elif not failed:
            try:
                found += judged(model, case, arrays)
            except Exception as error:
                found.append(f"after fit: {type(error).__name__}: {str(error)[:150]}")
    seconds = time.process_time() - begin
    for one in caught:
        if not issubclass(one.category, UserWarning) and one.category is not ConvergenceWarning:
            found.append(f"{one.category.__name__}: {str(one.message)[:100]}")
    if before != [digest(value) for value in given]:
        found.append("an argument was changed")
    if seconds > MOST_SECONDS:
        found.append(f"{seconds:.0f} seconds")
    return list(dict.fromkeys(found)), failed, seconds


def judged(model, case, arrays):
    """What is wrong with a fitted estimator."""
    X, y = arrays
    found = []
    numbers = {"coefs_": model.coefs_, "intercepts_": model.intercepts_, "loss_": [model.loss_]}
    numbers["loss_curve_"] = [np.asarray(model.loss_curve_)]
    if hasattr(model, "noise_std_"):
        numbers["noise_std_"] = [model.noise_std_]
    found += [
        f"{name} is not finite"
        for name, parts in numbers.items()
        if not all(np.isfinite(part).all() for part in parts)
    ]
    rows = X if isinstance(case.X, RowBlocks) else case.X
    predicted = np.asarray(model.predict(rows), dtype=float).reshape(len(y), -1)
    y = y.reshape(len(y), -1)
    if not np.isfinite(predicted).all():
        return [*found, "predictions are not finite"]
    found += worse_than_mean(model, predicted, y, case)
    if case.parameters.get("keep_covariance") and hasattr(model, "noise_std_"):
        lower, upper = model.predict_interval(rows, 0.9)
        std = model.predict(rows, return_std=True)[1]
        if np.isnan(lower).any() or np.isnan(upper).any() or not np.all(lower <= upper):
            found.append("an interval is no interval")
        if not np.all(std >= 0):
            found.append("a standard deviation is none")
    again = pickle.loads(pickle.dumps(model)).predict(rows)
    if not np.array_equal(np.asarray(again, dtype=float).reshape(predicted.shape), predicted):
        found.append("a pickle predicts otherwise")
    clone(model)
    return found


def worse_than_mean(model, predicted, y, case):
    """Whether a fit of least squares is worse on its rows than a constant, or inexact where y is one."""
    weight = np.ones(len(y)) if case.weight is None else np.asarray(case.weight, dtype=float)
    weight = weight / weight.max()
    single = (
        np.asarray(model.predict(np.zeros((1, model.n_features_in_), np.float32))).dtype == np.float32
    )
    single = single and getattr(case.X, "dtype", None) == np.float32
    epsilon = 1e-5 if single else 1e-10
    found = []
    sums = np.zeros(2)
    for t, p in zip(y.T, predicted.T, strict=True):
        middle = np.average(t, weights=weight) if model.fit_intercept else 0.0
        size = np.abs(t[weight > 0] - middle).max()
        rounding = epsilon * np.abs(t).max()
        if size <= rounding and model.fit_intercept:
            if np.abs(p - middle)[weight > 0].max() > 10 * rounding:
                found.append("a constant output is not exact")
            continue
        if size == 0:
            continue
        errors = np.maximum(np.abs(p - t) - rounding, 0) / size
        unit = np.average(((t - middle) / size) ** 2, weights=weight)
        sums += np.average(errors**2, weights=weight) / unit, 1.0
    is_least_squares = not case.held_out and case.parameters.get("loss") != "student_t"
    if is_least_squares and sums[0] > sums[1] * (1 + 1e-6):
        found.append(f"worse than the mean: {sums[0] / sums[1]:.3g}")
    return found
