"""The estimator: what it reports, what it takes, what it refuses, and its two modes of the paper."""

import copy
import pickle
import re
import tracemalloc
import warnings
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _planted import INSTANCES, USABLE, differences
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._search import one_start as one_start_module
from sklearn_onenn._tensor import initialization as initialization_module
from sklearn_onenn.activations import Activation, LeakyReLU, ReLU, get_activation
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import match_units, recovery_error

# Overflows and divisions by zero on the way to a fit are errors.
pytestmark = pytest.mark.filterwarnings(
    "error::RuntimeWarning", "ignore::sklearn.exceptions.ConvergenceWarning"
)
every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)

FIGURE_MODE = {
    "k": 5,
    "activation": "squared_relu",
    "moments": "raw",
    "resample": False,
    "polish": False,
    "whiten": False,
    "fit_intercept": False,
    "learning_rate": 0.02,
    "max_iter": 10_000,
    "n_init": 1,
    "alpha": 0,
}
THEOREM_MODE = FIGURE_MODE | {"resample": True}


@cache
def planted(n=400, d=4, k=2, activation="relu", noise=0.0, seed=0):
    """Rows of a planted network; read-only, because tests share them."""
    X, y, teacher = make_one_hidden_layer(n, d, k, activation=activation, noise=noise, random_state=seed)
    X.flags.writeable = y.flags.writeable = False
    return X, y, teacher


def new(**parameters):
    return OneHiddenLayerRegressor(**({"k": 2, "random_state": 0} | parameters))


def start_of(activation):
    """ "tensor" where the activation allows it."""
    return "tensor" if activation in USABLE else "random"


def weights(model):
    """All weights as one vector."""
    return np.concatenate([array.ravel() for array in model.coefs_ + model.intercepts_])


def assert_same_bits(one, other):
    assert_array_equal(weights(one), weights(other))
    assert one.loss_curve_ == other.loss_curve_
    assert (one.n_iter_, one.n_starts_, one.init_path_) == (
        other.n_iter_, other.n_starts_, other.init_path_,
    )  # fmt: skip


def assert_finite(model):
    for name, value in vars(model).items():
        if name.endswith("_") and name != "stages_" and not isinstance(value, str):
            for array in value if isinstance(value, list) else [value]:
                assert np.isfinite(array).all(), name


# What is reported


@every_activation
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_canonical_form(activation, fit_intercept):
    X, y, _ = planted(n=300, k=3, activation=activation, noise=0.1)
    model = new(
        k=3, activation=activation, init=start_of(activation), fit_intercept=fit_intercept, n_init=1
    ).fit(X, y)
    for (W, V), (b, c) in [
        (model.coefs_, model.intercepts_),
        (model.init_coefs_, model.init_intercepts_),
    ]:
        assert (W.shape, V.shape, b.shape, c.shape) == ((4, 3), (3, 1), (3,), (1,))
        if activation.degree is not None:
            alive = V[:, 0] != 0
            assert_allclose(np.abs(V[alive]), 1, rtol=1e-12)
        if activation.symmetry == "odd" or (activation.symmetry == "point" and fit_intercept):
            assert (V >= 0).all()
        assert (np.diff(np.linalg.norm(W, axis=0)) <= 0).all()
        if not fit_intercept:
            assert_array_equal(b, 0)
            assert_array_equal(c, 0)
    # The form is that of the network that was fitted: its loss is the reported one.
    (W, V), (b, c) = model.coefs_, model.intercepts_
    output = activation.value(X @ W + b) @ V[:, 0] + c
    assert_allclose(model.predict(X), output, rtol=1e-12, atol=1e-12)
    assert model.loss_ == pytest.approx(((output - y) ** 2).mean() / 2, rel=1e-9)


def test_attributes():
    X, y, _ = planted(noise=0.1)
    model = new(alpha=0.5).fit(X, y)
    public = {name for name in vars(model) if name.endswith("_")}
    assert public == {
        "coefs_", "intercepts_", "init_coefs_", "init_intercepts_", "loss_", "loss_curve_", "n_iter_",
        "stages_", "k_", "n_passes_", "n_starts_", "init_path_", "stop_reason_", "alpha_", "n_outputs_",
        "out_activation_", "n_features_in_",
    }  # fmt: skip
    assert all(type(array) is np.ndarray for array in model.coefs_ + model.intercepts_)
    assert {type(loss) for loss in [model.loss_, *model.loss_curve_]} <= {float, np.float64}
    assert min(model.loss_curve_) > 0
    assert model.loss_ == model.loss_curve_[-1]
    assert type(model.n_iter_) is int
    assert 1 <= model.n_iter_ == len(model.loss_curve_) == sum(n_iter for _, n_iter in model.stages_)
    assert model.n_passes_ >= 2
    assert 1 <= model.n_starts_ <= 6
    assert model.init_path_ in {
        "tensor", "half sample", "residual directions", "overparameterized", "random",
    }  # fmt: skip
    assert model.stop_reason_ in {"converged", "no descent", "max_iter"}
    assert (model.alpha_, model.n_outputs_, model.n_features_in_) == (0.5, 1, 4)
    assert model.out_activation_ == "identity"
    assert_finite(model)


def test_exact_fit_of_planted_data():
    X, y, teacher = planted()
    model = new().fit(X, y)
    assert (model.stop_reason_, model.init_path_, model.n_starts_) == ("exact fit", "tensor", 1)
    assert (model.alpha_, model.loss_ < 1e-18) == (0, True)
    assert recovery_error(*model.coefs_, *teacher.coefs_, activation="relu") < 1e-8
    assert_allclose(model.intercepts_[0], 0, atol=1e-8)
    assert model.score(X, y) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("activation", USABLE, ids=repr)
@pytest.mark.parametrize("whiten", [True, False])
def test_biases_and_scales_are_recovered_in_the_callers_coordinates(activation, whiten):
    """Rows of other means, scales and correlations, a network with biases; y in other units."""
    X, _, teacher = planted(n=1500, activation=activation)
    (W, V), _ = teacher.coefs_, teacher.intercepts_
    mix = np.array([[2, 0.3, 0, 0], [0, 1, 0.5, 0], [0, 0, 0.5, 0], [0.2, 0, 0, 1]])
    b = np.array([0.3, -0.2])
    y = 7 * (activation.value(X @ W + b) @ V[:, 0]) - 3
    rows = X @ mix + [1, 0, -2, 0.5] if whiten else X
    expected = np.linalg.solve(mix, W) if whiten else W
    expected_b = b - np.array([1, 0, -2, 0.5]) @ expected if whiten else b
    model = new(activation=activation, whiten=whiten).fit(rows, y)
    assert model.loss_ < 1e-14 * y.var()
    found = np.vstack([model.coefs_[0], model.intercepts_[0]]), model.coefs_[1]
    planted_units = np.vstack([expected, expected_b]), 7 * V
    assert recovery_error(*found, *planted_units, activation=activation) < 1e-5


# What goes in


@pytest.mark.parametrize(
    "kind",
    ["float32", "list", "fortran", "memmap", "strided", "pandas", "polars", "integer", "column y"],
)
def test_kinds_of_input(kind, tmp_path):
    X, y, _ = planted(noise=0.1)
    if kind == "integer":
        X = np.round(3 * X)
    reference = new(n_init=1).fit(X, y)
    if kind == "memmap":
        for name, array in {"X": X, "y": y}.items():
            np.save(tmp_path / name, array)
        rows, targets = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "Xy")
    else:
        targets = {
            "float32": y.astype(np.float32),
            "list": y.tolist(),
            "pandas": pd.Series(y),
            "polars": pl.Series(y),
            "column y": y[:, None],
        }.get(kind, y)
        names = list("abcd")
        rows = {
            "float32": X.astype(np.float32),
            "list": X.tolist(),
            "fortran": np.asfortranarray(X),
            "strided": np.repeat(X, 2, axis=1)[:, ::2],
            "pandas": pd.DataFrame(X, columns=names),
            "polars": pl.DataFrame(X, schema=names),
            "integer": X.astype(np.int32),
        }.get(kind, X)
    before = copy.deepcopy((rows, targets))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = new(n_init=1).fit(rows, targets)
    assert [w.category for w in caught] == [DataConversionWarning] * (kind == "column y")
    # Fitting changes nothing.
    for one, other in zip((rows, targets), before, strict=True):
        assert type(one) is type(other)
        assert_array_equal(np.asarray(one), np.asarray(other))
    dtype = np.float32 if kind == "float32" else np.float64
    arrays = model.coefs_ + model.intercepts_ + model.init_coefs_ + model.init_intercepts_
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}
    assert model.predict(rows).dtype == dtype
    tolerance = 1e-3 if kind == "float32" else 1e-7
    assert_allclose(model.predict(rows), reference.predict(X), atol=tolerance)
    if kind in ("pandas", "polars"):
        assert_array_equal(model.feature_names_in_, names)
        with pytest.warns(UserWarning, match="feature names"):
            model.predict(X)
        with pytest.raises(ValueError, match="feature names"):
            model.predict(rows[["b", "a", "c", "d"]])
    else:
        assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize("resample", [True, False])
def test_memmap_of_many_blocks_is_not_copied(tmp_path, resample, monkeypatch):
    X, y, _ = planted(n=30_000, d=10, activation="tanh")
    np.save(tmp_path / "X.npy", X)
    rows = np.load(tmp_path / "X.npy", mmap_mode="r")
    seen = []
    blocks = one_start_module.gradient_descent

    def recorded(problem, *arguments, **options):
        seen.append(np.shares_memory(problem.rows.X, rows))
        return blocks(problem, *arguments, **options)

    monkeypatch.setattr(one_start_module, "gradient_descent", recorded)
    model = new(activation="tanh", resample=resample).fit(rows, y)
    assert model.loss_ < 1e-18
    assert seen == [True]


def test_single_precision_recovers_to_single_precision():
    X, y, teacher = planted(n=1000)
    model = new().fit(X.astype(np.float32), y.astype(np.float32))
    assert model.stop_reason_ == "exact fit"
    assert recovery_error(*model.coefs_, *teacher.coefs_, activation="relu") < 1e-4


# The same bits


@pytest.mark.parametrize(
    "parameters",
    [{}, {"resample": False}, {"moments": "raw"}, {"init": "random"}, {"polish": False}],
    ids=str,
)
def test_fit_twice(parameters):
    X, y, _ = planted(n=700, noise=0.2)
    model = new(**parameters).fit(X, y)
    first = copy.deepcopy(model)
    assert_same_bits(first, model.fit(X, y))
    assert_same_bits(first, clone(model).fit(X, y))


@pytest.mark.parametrize("parameters", [{}, {"moments": "raw"}, {"polish": False}], ids=str)
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_blas_threads(parameters, noise):
    X, y, _ = planted(n=20_000, d=20, k=3, noise=noise)
    models = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, user_api="blas"):
            models.append(new(k=3, max_iter=30, n_init=2, tol=1e-4, **parameters).fit(X, y))
    assert_same_bits(*models)


def test_predictions_do_not_depend_on_blas_threads():
    """Wide enough for BLAS to share out one product."""
    d, k = 500, 40
    rng = np.random.RandomState(0)
    X, y, _ = planted(n=30, d=d)
    model = new(
        k=k, init=(rng.standard_normal((d, k)), np.zeros(k), np.ones(k)), max_iter=1, polish=False
    ).fit(X, y)
    rows, predictions = rng.standard_normal((3000, d)), []
    for n_threads in (1, 2, 3):
        with threadpool_limits(n_threads, user_api="blas"):
            predictions.append(model.predict(rows))
    assert_array_equal(predictions[1], predictions[0])
    assert_array_equal(predictions[2], predictions[0])


@pytest.mark.parametrize("n_init", ["auto", 5])
def test_n_jobs(n_init):
    X, y, _ = planted(n=600, k=3, noise=1.0)  # one start cannot be told from noise
    models = [new(k=3, n_init=n_init, n_jobs=n_jobs).fit(X, y) for n_jobs in (None, 2, 3)]
    assert models[0].n_starts_ > 1
    assert_same_bits(models[0], models[1])
    assert_same_bits(models[0], models[2])
    assert n_init == "auto" or models[0].n_starts_ == n_init


def test_global_random_state_is_left_alone():
    X, y, _ = planted(n=700, noise=0.2)
    np.random.seed(7)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    new().fit(X, y)
    assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize(
    "parameters", [{}, {"moments": "raw"}, {"polish": False}, {"fit_intercept": False}], ids=str
)
def test_order_of_few_rows_and_weights_for_repetitions(parameters):
    X, y, _ = planted(n=60, noise=0.2)
    rng = np.random.RandomState(1)
    counts = rng.randint(0, 4, 60)
    assert (counts == 0).any()
    order = rng.permutation(counts.sum())
    weighted = new(**parameters).fit(X, y, sample_weight=counts)
    repeated = new(**parameters).fit(np.repeat(X, counts, axis=0)[order], np.repeat(y, counts)[order])
    assert_array_equal(weights(weighted), weights(repeated))
    assert weighted.alpha_ == repeated.alpha_
    once = new(**parameters).fit(X[counts > 0], y[counts > 0])
    assert np.abs(weights(weighted) - weights(once)).max() > 1e-3


def test_weights_choose_the_rows():
    """Rows of weight zero are another network's: only those with a weight are fitted."""
    X, y, teacher = planted(n=1200)
    other = planted(n=1200, seed=1)[1]
    used = np.arange(1200) % 3 > 0
    weight = used * np.random.RandomState(0).uniform(0.5, 2, 1200)
    model = new().fit(X, np.where(used, y, other), sample_weight=weight)
    assert recovery_error(*model.coefs_, *teacher.coefs_, activation="relu") < 1e-7


# Data that are not nice


@pytest.mark.parametrize(
    ("scale", "offset"),
    [(1e8, 1e9), (1e-8, 1e-7), (1e-8, 1.0), (1e4, 1e6), (1e15, -1e16), (1e-15, 0.0)],
)
def test_units_of_y(scale, offset):
    X, y, _ = planted()
    model = new().fit(X, scale * y + offset)
    # An offset costs the digits that it takes from y.
    tolerance = 1e-7 + 1e-13 * abs(offset) / scale
    assert_allclose((model.predict(X) - offset) / scale, y, atol=tolerance)
    assert_finite(model)
    assert model.loss_ < tolerance**2 * scale**2


def test_a_line_with_a_large_offset():
    """The thread on MLPRegressor: R2 = -10443."""
    x = np.linspace(-1, 1, 50)[:, None]
    model = OneHiddenLayerRegressor(random_state=0).fit(x, 1e4 * x[:, 0] + 1e6)
    assert model.score(x, 1e4 * x[:, 0] + 1e6) > 1 - 1e-12


@pytest.mark.parametrize("scale", [1e-8, 1e8])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_units_and_offsets_of_the_columns(scale, fit_intercept):
    X, y, _ = planted()
    units = np.array([scale, 1, 1 / scale, 1])
    model = new(fit_intercept=fit_intercept).fit(X * units, y)
    assert_allclose(model.predict(X * units), y, atol=1e-8)
    if fit_intercept:
        model = new().fit(X + 1e6, y)
        assert_allclose(model.predict(X + 1e6), y, atol=1e-6)


VARIANTS = [
    {},
    {"activation": "tanh"},
    {"activation": "squared_relu"},
    {"init": "random"},
    {"moments": "raw"},
    {"resample": False},
    {"polish": False},
    {"whiten": False},
    {"fit_intercept": False},
    {"moments": "raw", "whiten": False, "fit_intercept": False, "polish": False},
]
every_variant = pytest.mark.parametrize("parameters", VARIANTS, ids=str)


@every_variant
@pytest.mark.parametrize("value", [0.0, 3.0, 1e8 + 0.1])
def test_constant_y(parameters, value):
    X = planted(n=100)[0]
    model = new(n_init=1, **parameters).fit(X, np.full(100, value))
    assert_finite(model)
    if parameters.get("fit_intercept", True) or value == 0:
        # Without polish the output weights are the start's; those of nothing are nothing.
        assert_allclose(model.predict(X), value, rtol=1e-12, atol=1e-6)


@every_variant
@pytest.mark.parametrize(
    "case",
    [
        "constant column", "zero column", "all columns constant", "duplicated columns", "one-hot",
        "n < d", "n = 2", "n = 3", "two equal rows", "k > d", "k > n", "one column",
    ],
)  # fmt: skip
def test_degenerate_data(parameters, case):
    X, y, _ = planted(n=100, noise=0.1)
    one_hot = np.eye(3)[np.random.RandomState(0).randint(3, size=100)]
    rows = {
        "constant column": np.column_stack([X, np.full(100, 0.1)]),
        "zero column": np.column_stack([X, np.zeros(100)]),
        "all columns constant": np.ones((100, 3)),
        "duplicated columns": np.column_stack([X, X]),
        "one-hot": np.column_stack([one_hot, X]),
        "n < d": np.random.RandomState(0).standard_normal((6, 15)),
        "n = 2": X[:2],
        "n = 3": X[:3],
        "two equal rows": X[[0, 0]],
        "k > n": X[:4],
        "one column": X[:, :1],
    }.get(case, X)
    k = {"k > d": 7, "k > n": 9}.get(case, 2)
    model = new(k=k, n_init=1, **parameters).fit(rows, y[: len(rows)])
    assert_finite(model)
    assert model.coefs_[0].shape == (rows.shape[1], k)
    prediction = model.predict(rows)
    assert np.isfinite(prediction).all()
    # Sensible: within the range of y, give or take; and no worse than a constant, where free to be.
    assert np.abs(prediction).max() < 10 * np.abs(y).max()
    if parameters.get("fit_intercept", True) and parameters.get("polish", True):
        assert model.score(rows, y[: len(rows)]) > -0.05


# Starts


def test_init_arrays():
    X, y, teacher = planted()
    (W, V), (b, _) = teacher.coefs_, teacher.intercepts_
    for arrays in [(W, b, V[:, 0]), [W.tolist(), b.tolist(), V[:, 0].tolist()]]:
        model = new(init=arrays).fit(X, y)
        assert (model.init_path_, model.n_starts_) == ("given", 1)
        order, _ = match_units(model.init_coefs_[0], W)
        assert_allclose(model.init_coefs_[0][:, order], W, rtol=1e-9, atol=1e-12)
        assert_allclose(model.init_coefs_[1][order], V, rtol=1e-9)
        assert_allclose(model.init_intercepts_[0][order], b, atol=1e-12)
    scaled = new(init=(W / 2, b, 2 * V[:, 0])).fit(X, y)  # the same function
    assert_allclose(np.sort(scaled.init_coefs_[0]), np.sort(model.init_coefs_[0]), rtol=1e-9)
    assert recovery_error(*scaled.coefs_, W, V, activation="relu") < 1e-8


def test_warm_start():
    X, y, _ = planted(noise=0.2)
    model = new(warm_start=True, alpha=0.1, max_iter=1, tol=1e-12, n_init=1)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    losses = [model.loss_]
    for _ in range(3):
        before = copy.deepcopy(model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y)
        assert model.init_path_ == "given"
        losses.append(model.loss_)
        order, _ = match_units(model.init_coefs_[0], before.coefs_[0])
        assert_allclose(model.init_coefs_[0][:, order], before.coefs_[0], rtol=1e-8, atol=1e-10)
        assert_allclose(model.init_intercepts_[1], before.intercepts_[1], rtol=1e-8, atol=1e-10)
    model.set_params(max_iter=200).fit(X, y)
    cold = new(alpha=0.1, n_init=1).fit(X, y)
    assert model.loss_ == pytest.approx(cold.loss_, rel=1e-4)
    # Without warm_start the last fit is forgotten.
    assert model.set_params(warm_start=False).fit(X, y).init_path_ == "tensor"
    # On other data the start is what was fitted before.
    assert new(warm_start=True).fit(X, y).fit(X[:200], y[:200]).init_path_ == "given"


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_fewer_targets_than_weights(activation):
    """100 noisy rows, 241 weights: the fit is penalized from the first and predicts (R2 .67, .66).

    Without penalty it goes through all targets, and predicts worse, R2 of 0.60 and 0.31.
    """
    X, y = make_friedman1(1100, noise=1.0, random_state=0)
    fits = [new(k=20, activation=activation, alpha=alpha).fit(X[:100], y[:100]) for alpha in ("auto", 0)]
    assert fits[0].score(X[:100], y[:100]) < 0.9
    assert fits[1].score(X[:100], y[:100]) == pytest.approx(1)
    penalized, free = (fit.score(X[100:], y[100:]) for fit in fits)
    assert penalized > 0.62
    assert penalized > free + 0.03


def test_number_of_starts_and_verbose(capsys):
    X, y, _ = planted(noise=0.3)
    for n_init in (1, 3):
        assert new(n_init=n_init).fit(X, y).n_starts_ == n_init
    assert capsys.readouterr().out == ""
    model = new(verbose=1).fit(X, y)
    lines = capsys.readouterr().out.strip().splitlines()
    starts = [line for line in lines if re.match(r"start \d \(\w+\): loss \d", line)]
    assert len(starts) == model.n_starts_


# Penalty


def test_penalty_is_the_one_of_the_docstring():
    """With X and y at unit scale the gradient of loss + alpha / (2 n) (|W|^2 + |V|^2) vanishes."""
    X, y, _ = planted(n=200, activation="tanh", noise=0.3)
    X, y, n = X * [1, 10, 0.1, 1], 5 * y + 2, len(y)
    alpha = 3.0
    model = new(activation="tanh", alpha=alpha, tol=1e-12).fit(X, y)
    (W, V), (b, c) = model.coefs_, model.intercepts_
    scale = X.std(axis=0)[:, None]

    def objective(w):
        W, b, v, c = w[:8].reshape(4, 2), w[8:10], w[10:12], w[12]
        F = np.tanh((X - X.mean(axis=0)) / scale.T @ W + b) @ v + c
        loss = ((F - (y - y.mean()) / y.std()) ** 2).mean() / 2
        return loss + alpha / (2 * n) * ((W**2).sum() + (v**2).sum())

    point = np.concatenate([
        (W * scale).ravel(), b + X.mean(axis=0) @ W, V[:, 0] / y.std(), (c - y.mean()) / y.std()
    ])  # fmt: skip
    gradient = differences(objective, point)
    assert np.abs(gradient).max() < 1e-5
    without = new(activation="tanh", alpha=0, tol=1e-12).fit(X, y)
    assert without.loss_ < model.loss_
    assert np.linalg.norm(without.coefs_[0] * scale) > np.linalg.norm(W * scale)


def test_automatic_penalty():
    X, y, _ = planted(noise=0.3)
    noisy, clean = new().fit(X, y), new().fit(X, planted()[1])
    assert noisy.alpha_ > 1e-3
    assert clean.alpha_ == 0
    # In units of y: it does not change with them.
    assert new().fit(X, 1e5 * y).alpha_ == pytest.approx(noisy.alpha_, rel=0.1)


# Life of an estimator


def test_pickle_clone_and_parameters():
    X, y, _ = planted(noise=0.1)
    model = new(activation=LeakyReLU(slope=0.2), n_init=1).fit(X, y)
    copied = pickle.loads(pickle.dumps(model))
    assert_array_equal(copied.predict(X), model.predict(X))
    assert vars(copied).keys() == vars(model).keys()
    fresh = clone(model)
    assert not [name for name in vars(fresh) if name.endswith("_")]
    assert fresh.get_params() == model.get_params()
    assert fresh.set_params(k=7, alpha=0.3) is fresh
    assert (fresh.k, fresh.alpha, model.k) == (7, 0.3, 2)
    assert "activation=LeakyReLU(slope=0.2)" in repr(model)
    assert "k=2" in repr(model)
    with pytest.raises(ValueError, match="Invalid parameter"):
        model.set_params(hidden=3)
    with pytest.raises(TypeError):
        OneHiddenLayerRegressor(2, "relu")


def test_parameters_are_not_overwritten_and_predict_changes_nothing():
    X, y, _ = planted(noise=0.1)
    model = new(n_init=1)
    before = model.get_params()
    model.fit(X, y)
    assert model.get_params() == before
    state = copy.deepcopy(vars(model))
    model.predict(X)
    model.score(X, y)
    assert pickle.dumps(vars(model)) == pickle.dumps(state)


class Arctan(Activation):
    symmetry = "odd"

    def value(self, z):
        return np.arctan(z)

    def derivative(self, z):
        return 1 / (1 + z * z)


class Bent(Activation):
    """Neither homogeneous nor odd, with value and derivative alone."""

    def value(self, z):
        return z + np.hypot(z, 1)

    def derivative(self, z):
        return 1 + z / np.hypot(z, 1)


@pytest.mark.parametrize("activation", [Arctan(), Bent()], ids=repr)
@pytest.mark.parametrize("moments", ["residual", "raw"])
def test_activation_of_a_user(activation, moments):
    X, y, teacher = planted(n=1500, activation=activation)
    model = new(activation=activation, moments=moments).fit(X, y)
    assert recovery_error(*model.coefs_, *teacher.coefs_, activation=activation) < 1e-6
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_grid_search_does_not_depend_on_jobs_or_blas_threads():
    X, y = load_diabetes(return_X_y=True)
    results = []
    for n_jobs, n_threads in [(1, 1), (2, 1), (1, 2)]:
        search = GridSearchCV(
            make_pipeline(StandardScaler(), OneHiddenLayerRegressor(random_state=0)),
            {"onehiddenlayerregressor__k": [1, 3]},
            cv=3,
            n_jobs=n_jobs,
        )
        with threadpool_limits(n_threads, user_api="blas"):
            results.append(search.fit(X, y))
    scores = [search.cv_results_["mean_test_score"] for search in results]
    for search, score in zip(results[1:], scores[1:], strict=True):
        assert_array_equal(score, scores[0])
        assert search.best_params_ == results[0].best_params_
        assert_array_equal(search.predict(X), results[0].predict(X))
    assert scores[0].max() > 0.4


# What is refused


def changed(**changes):
    X, y, _ = planted(n=30)
    data = {"X": X.copy(), "y": y.copy(), "sample_weight": None}
    for name, change in changes.items():
        data[name] = change(data[name]) if callable(change) else change
    return data


def put(value, where):
    def change(array):
        array = array.astype(np.result_type(array, value))
        array[where] = value
        return array

    return change


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"X": put(np.nan, (3, 1))}, "X contains NaN"),
        ({"X": put(np.inf, (3, 1))}, "X contains infinity"),
        ({"y": put(np.nan, 3)}, "y contains NaN"),
        ({"y": put(-np.inf, 3)}, "y contains infinity"),
        ({"X": put(1j, (3, 1))}, "Complex data"),
        ({"y": put(1j, 3)}, "(?i)complex"),
        ({"X": lambda X: X[:, 0]}, "Expected 2D array, got 1D array"),
        ({"X": lambda X: X[None]}, r"dim 3|3D|dimension"),
        ({"y": lambda y: y[:-1]}, r"inconsistent numbers of samples: \[30, 29\]"),
        ({"y": lambda y: y[:, None, None]}, "dim 3"),
        ({"y": lambda y: sparse.csr_array(y[:, None])}, "y must be a dense array"),
        ({"y": None}, "y"),
        ({"X": np.empty((0, 4)), "y": np.empty(0)}, r"0 sample\(s\).*minimum of 2"),
        ({"X": np.empty((30, 0))}, r"0 feature\(s\) \(shape=\(30, 0\)\).*minimum of 1"),
        ({"X": np.ones((1, 4)), "y": np.ones(1)}, r"1 sample.*minimum of 2"),
        ({"X": lambda X: X.astype(str).astype(object) + "a"}, "must hold numbers.*OneHotEncoder"),
        ({"y": lambda y: np.array(["a"] * 30)}, "convert|string|float|numeric"),
        ({"sample_weight": np.ones(29)}, r"sample_weight.shape == \(29,\), expected \(30,\)"),
        ({"sample_weight": np.ones((30, 2))}, "(?i)sample.weight.*1D"),
        ({"sample_weight": np.full(30, -1.0)}, "(?i)negative values.*sample_weight"),
        ({"sample_weight": np.full(30, np.nan)}, "sample_weight contains NaN"),
        ({"sample_weight": np.zeros(30)}, "(?i)sample.weight.*(zero|positive)"),
        ({"sample_weight": np.eye(30)[0]}, "sample_weight must have at least 2 positive.*got 1"),
    ],
)
def test_bad_data(data, message):
    with pytest.raises(ValueError, match=message):
        new().fit(**changed(**data))


BAD_PARAMETERS = [
    ("k", [0, -1, 2.0, "2", None, True, np.nan]),
    ("activation", ["step", None, 3, ReLU]),
    ("fit_intercept", ["yes", None, 2]),
    ("init", ["zeros", None, 3, np.zeros(3)]),
    ("moments", ["third", None]),
    ("resample", ["no", None]),
    ("polish", ["no", None]),
    ("learning_rate", [0, -0.1, "constant", None, np.nan, np.inf]),
    ("max_iter", [0, -5, 10.0, None]),
    ("tol", [-1e-9, "auto", None, np.nan]),
    ("n_init", [0, 2.5, "many", None]),
    ("alpha", [-1.0, "none", None, np.nan, np.inf]),
    ("whiten", [None, "yes"]),
    ("warm_start", [None, "yes"]),
    ("n_jobs", ["two", 1.5]),
    ("verbose", [-1, "loud"]),
    ("random_state", ["seed", -1, 1.5]),
]


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD_PARAMETERS for value in values]
)
def test_bad_parameters(name, value):
    """The message names the parameter, what is required and what was received."""
    X, y, _ = planted(n=30)
    with pytest.raises((ValueError, TypeError), match=rf"(?s)'?{name}'?.*must.*(Got|got) ") as error:
        new(**{name: value}).fit(X, y)
    received = getattr(value, "__name__", None) or repr(value)
    assert received.split("(")[0] in str(error.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.ones((4, 2)), np.ones(2)), "init must hold the 3 arrays W, b, v, got 2"),
        ((np.ones((3, 2)), np.ones(2), np.ones(2)), r"init: W .*\(4, 2\), got shape \(3, 2\)"),
        ((np.ones((4, 2)), np.ones(3), np.ones(2)), r"init: b .*\(2,\), got shape \(3,\)"),
        ((np.ones((4, 2)), np.ones(2), np.ones((2, 3))), r"init: v .*\(2, 1\), got shape \(2, 3\)"),
        ((np.full((4, 2), np.nan), np.ones(2), np.ones(2)), "init: W must be finite"),
        ((np.ones((4, 2)), np.ones(2), ["a", "b"]), "init: v"),
        ((np.ones((4, 2)), np.ones(2) * 1j, np.ones(2)), "init: b"),
        (([[1.0], [1.0, 2.0]], np.ones(2), np.ones(2)), "init: W"),
    ],
)
def test_bad_init_arrays(arrays, message):
    X, y, _ = planted(n=30)
    with pytest.raises(ValueError, match=message):
        new(init=arrays).fit(X, y)


def test_warm_start_with_other_shapes_names_warm_start():
    X, y, _ = planted(n=30)
    model = new(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="warm_start"):
        model.set_params(k=3).fit(X, y)


@pytest.mark.parametrize("activation", ["identity", "square"])
def test_tensor_start_names_the_activation_that_cannot(activation):
    X, y, _ = planted(n=100)
    with pytest.raises(ValueError, match=rf"(?i){activation}\(\).*init='random'"):
        new(activation=activation).fit(X, y)
    assert new(activation=activation, init="random").fit(X, y).init_path_ != "tensor"


def test_predict_before_fit_and_on_other_columns():
    X, y, _ = planted()
    with pytest.raises(NotFittedError, match="not fitted"):
        new().predict(X)
    model = new().fit(X, y)
    with pytest.raises(ValueError, match="X has 3 features.*expecting 4 features"):
        model.predict(X[:, :3])
    with pytest.raises(ValueError, match="X contains NaN"):
        model.predict(np.full((2, 4), np.nan))
    assert model.predict(X[:1]).shape == (1,)


@pytest.mark.parametrize(
    ("parameters", "data"),
    [
        ({"k": -1}, {}),
        ({"activation": "step"}, {}),
        ({"activation": "square"}, {}),
        ({"init": (np.ones((4, 2)), np.ones(2), np.ones(2))}, {}),
        ({}, {"sample_weight": -np.ones(30)}),
        ({}, {"y": np.full(30, np.nan)}),
        ({}, {"y": np.ones((30, 2, 2))}),
    ],
)
@pytest.mark.parametrize("names", [False, True])
def test_a_failed_fit_leaves_the_estimator_as_it_was(parameters, data, names):
    """Also where the rows have other columns than those of the last fit."""
    X, y, _ = planted(n=30, d=6)
    other = {"X": X, "y": y} | data
    if names:
        other["X"] = pd.DataFrame(X, columns=list("abcdef"))
    unfitted = new(**parameters)
    state = dict(vars(unfitted))
    with pytest.raises(ValueError):  # noqa: PT011
        unfitted.fit(**other)
    assert vars(unfitted) == state
    X, y, _ = planted(n=30)
    fitted = new(n_init=1).fit(X, y)
    prediction = fitted.predict(X)
    fitted.set_params(**parameters)
    state = dict(vars(fitted))
    with pytest.raises(ValueError):  # noqa: PT011
        fitted.fit(**other)
    assert vars(fitted) == state
    fitted.set_params(activation="relu")
    assert_array_equal(fitted.predict(X), prediction)


def test_divergence_of_a_given_rate_is_no_crash():
    X, y, _ = planted()
    with np.errstate(all="ignore"):
        model = new(learning_rate=1e6, resample=False, polish=False, n_init=1).fit(X, y)
    assert model.stop_reason_ == "diverged"
    assert_finite(model)
    assert_array_equal(model.coefs_[0], model.init_coefs_[0])


def test_too_few_iterations_warn_with_a_remedy():
    X, y, _ = planted(noise=0.1)
    with pytest.warns(ConvergenceWarning, match="max_iter=1 .*increase max_iter or tol") as caught:
        model = new(max_iter=1, n_init=1).fit(X, y)
    assert caught[0].filename == __file__
    assert model.stop_reason_ == "max_iter"


# The paper's configurations


def test_figure_mode_is_plain_gradient_descent():
    """Every step on all rows, as in the experiments; replayed in NumPy from the reported start."""
    X, y, teacher = planted(n=2000, d=5, k=2, activation="squared_relu")
    model = OneHiddenLayerRegressor(**(FIGURE_MODE | {"k": 2, "random_state": 0})).fit(X, y)
    assert (model.init_path_, model.n_starts_, model.alpha_) == ("tensor", 1, 0)
    assert_array_equal(model.intercepts_[0], 0)
    assert_array_equal(model.intercepts_[1], 0)
    assert set(model.init_coefs_[1].ravel()) <= {-1.0, 1.0}
    assert (np.diff(model.loss_curve_) <= 0).all()
    assert 50 < model.n_iter_ == len(model.loss_curve_) <= 10_000
    assert recovery_error(*model.coefs_, *teacher.coefs_, activation="squared_relu") < 1e-3
    W, v = model.init_coefs_[0].copy(), model.init_coefs_[1][:, 0]
    for loss in model.loss_curve_[:50]:
        z = np.maximum(X @ W, 0)
        error = z**2 @ v - y
        assert loss == pytest.approx((error**2).mean() / 2, rel=1e-8)
        W -= 0.02 * X.T @ (2 * error[:, None] * v * z) / len(X)
    short = OneHiddenLayerRegressor(**(FIGURE_MODE | {"k": 2, "random_state": 0, "max_iter": 50}))
    with pytest.warns(ConvergenceWarning):
        short.fit(X, y)
    order, _ = match_units(short.coefs_[0], W)
    assert_allclose(short.coefs_[0][:, order], W, rtol=1e-7, atol=1e-10)
    assert_array_equal(short.coefs_[1][order, 0], v)


@pytest.mark.slow
def test_figure_mode_recovers_the_networks_of_the_figure():
    """A cell of Fig. 1(a), d = 10, n = 5000: a seed with right signs (98 of 100 have them)."""
    X, y, teacher = planted(n=5000, d=10, k=5, activation="squared_relu")
    model = OneHiddenLayerRegressor(**FIGURE_MODE, random_state=0).fit(X, y)
    assert recovery_error(*model.coefs_, *teacher.coefs_, activation="squared_relu") < 0.01


def theorem_mode(monkeypatch, n, seed=0):
    """A fit in theorem mode, the rows that initialize and those of each step, by first column."""
    X, y, teacher = planted(n=n, d=10, k=5, activation="squared_relu", seed=seed)
    used = {}
    descent, start = one_start_module.gradient_descent, initialization_module.raw_moment_start

    def recorded_descent(problem, *arguments, **options):
        result = descent(problem, *arguments, **options)
        used["steps"] = [problem.rows.X[part, 0] for part in result.parts]
        return result

    def recorded_start(rows, *arguments, **options):
        used["start"] = rows.X[:, 0]
        used["split"] = options["split"]
        return start(rows, *arguments, **options)

    monkeypatch.setattr(one_start_module, "gradient_descent", recorded_descent)
    monkeypatch.setattr(initialization_module, "raw_moment_start", recorded_start)
    model = OneHiddenLayerRegressor(**THEOREM_MODE, random_state=0).fit(X, y)
    return model, teacher, used


def test_theorem_mode_descends_on_fresh_parts(monkeypatch):
    model, teacher, used = theorem_mode(monkeypatch, 120_000, seed=1)
    assert used["split"]
    assert model.n_iter_ == len(model.loss_curve_) == len(used["steps"])
    assert model.stop_reason_ == "rows used up"
    assert {len(rows) for rows in used["steps"]} <= {200, 201, 202}
    errors = [
        recovery_error(*coefs, *teacher.coefs_, activation="squared_relu")
        for coefs in (model.init_coefs_, model.coefs_)
    ]
    assert errors[1] < 0.3 * errors[0] < 0.3
    assert set(model.coefs_[1].ravel()) <= {-1.0, 1.0}


def test_theorem_mode_touches_each_row_at_most_once(monkeypatch):
    """Part 0, itself split in three, initializes; each step has a part of its own."""
    _, _, used = theorem_mode(monkeypatch, 20_000)
    rows = np.concatenate([used["start"], *used["steps"]])
    assert len(np.unique(rows)) == len(rows) <= 20_000


# Several outputs


def several_outputs(n, activation, m=3, d=8, k=3, seed=0):
    """Rows, and targets at different scales of a network with biases."""
    rng = np.random.default_rng(seed)
    W = np.linalg.qr(rng.standard_normal((d, k)))[0] * [1.0, 1.5, 2.0]
    V = rng.uniform(0.5, 2, (k, m)) * rng.choice([-1.0, 1.0], (k, m))
    X = rng.standard_normal((n, d))
    outputs = get_activation(activation).value(X @ W + 0.3 * rng.standard_normal(k)) @ V
    return X, outputs * 10.0 ** np.arange(0, 3 * m, 3) + np.arange(m), W


@pytest.mark.parametrize("moments", ["residual", "raw"])
@pytest.mark.parametrize("activation", ["relu", "squared_relu", "tanh"])
def test_several_outputs_recover_the_shared_layer(activation, moments):
    """6 rows a hidden weight for 3 outputs: no more than one output takes."""
    X, Y, W = several_outputs(6 * 8 * 3, activation)
    model = new(k=3, activation=activation, moments=moments).fit(X, Y)
    assert model.predict(X).shape == Y.shape
    assert model.n_outputs_ == 3
    assert [a.shape for a in model.coefs_ + model.intercepts_] == [(8, 3), (3, 3), (3,), (3,)]
    assert_allclose(model.predict(X), Y, rtol=0, atol=1e-6 * Y.std())
    assert np.abs(match_units(model.coefs_[0], W)[1]).min() > 1 - 1e-10


def test_outputs_that_are_equal_are_one_output():
    X, y, _ = planted(n=500, k=2, noise=0.2)
    one = new(k=2, alpha=0).fit(X, y)
    two = new(k=2, alpha=0).fit(X, np.column_stack([y, y]))
    assert_allclose(two.predict(X), np.column_stack([one.predict(X)] * 2), rtol=0, atol=2e-3 * y.std())


def test_scale_and_order_of_outputs_do_not_matter():
    """To the limit of the polish; and a column of one output is one."""
    X, Y, _ = several_outputs(400, "relu")
    Y += 0.1 * Y.std(axis=0) * np.random.default_rng(1).standard_normal(Y.shape)
    expected = new(k=3).fit(X, Y).predict(X) / Y.std(axis=0)
    scale, order = np.array([1e-5, 1e8, 3.0]), [2, 0, 1]
    found = new(k=3).fit(X, (Y * scale + 7)[:, order]).predict(X) - 7
    found /= (scale * Y.std(axis=0))[order]
    assert_allclose(found, expected[:, order], rtol=0, atol=1e-2)
    with pytest.warns(DataConversionWarning):
        column = new(k=3).fit(X, Y[:, :1])
    assert_array_equal(column.predict(X), new(k=3).fit(X, Y[:, 0]).predict(X))


def test_one_constant_output_among_others():
    X, Y, _ = several_outputs(400, "relu")
    Y[:, 1] = 4.0
    found = new(k=3).fit(X, Y).predict(X)
    assert_allclose(found, Y, rtol=0, atol=1e-6 * Y.std())


def test_warm_start_and_arrays_with_several_outputs():
    X, Y, W = several_outputs(400, "relu")
    model = new(k=3, warm_start=True, max_iter=2).fit(X, Y)
    again = clone(model).set_params(init=(W, np.zeros(3), np.ones((3, 3)))).fit(X, Y)
    assert again.init_path_ == model.fit(X, Y).init_path_ == "given"
    assert np.isfinite(again.loss_)


# Sparse rows


def sparse_rows(n=1500, d=12, density=0.2, seed=0):
    """Rows most of whose entries are zero, a network on them, and its targets."""
    rng = np.random.default_rng(seed)
    X = sparse.random_array((n, d), density=density, rng=rng, data_sampler=rng.standard_normal).tocsr()
    W = np.linalg.qr(rng.standard_normal((d, 2)))[0] * 2
    return X, np.maximum(X @ W + 0.1, 0) @ [1.0, -1.0]


@pytest.mark.parametrize("options", [{}, {"fit_intercept": False}, {"whiten": False}])
@pytest.mark.parametrize("n", [400, 1500])
def test_sparse_rows_fit_as_dense_ones(options, n):
    X, y = sparse_rows(n)
    weight = np.random.default_rng(1).uniform(0.5, 2, n)
    dense = new(**options).fit(X.toarray(), y, sample_weight=weight)
    fitted = new(**options).fit(X, y, sample_weight=weight)
    assert_allclose(fitted.predict(X), dense.predict(X.toarray()), rtol=1e-5, atol=1e-6)
    assert_allclose(fitted.predict(X.toarray()), fitted.predict(X), rtol=1e-10, atol=1e-12)
    if not options:
        assert fitted.loss_ < 1e-12


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array])
def test_sparse_formats_and_types(container):
    X, y = sparse_rows()
    model = new().fit(container(X), y)
    assert model.loss_ < 1e-12
    single = new().fit(container(X.astype(np.float32)), y)
    assert single.coefs_[0].dtype == single.predict(X.astype(np.float32)).dtype == np.float32
    assert_allclose(single.predict(X), y, atol=1e-3)


def test_sparse_rows_are_never_made_dense():
    """Peak memory of a fit is that of some blocks, a third of the dense rows here."""
    X, y = sparse_rows(n=50000, d=400, density=0.005)
    tracemalloc.start()
    new(k=1, max_iter=3, n_init=1).fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * X.shape[0] * X.shape[1] / 3


def test_sparse_rows_that_are_not_finite():
    X, y = sparse_rows(50)
    X.data[3] = np.nan
    with pytest.raises(ValueError, match="X contains NaN"):
        new().fit(X, y)


# Held-out rows


@cache
def overfitted():
    """Few noisy rows for ten units, held-out rows and test rows."""
    X, y, _ = make_one_hidden_layer(3000, 10, 3, activation="relu", random_state=0)
    y = y + 2 * np.random.default_rng(0).standard_normal(3000)
    return [(X[part], y[part]) for part in (slice(300), slice(300, 1300), slice(1300, 3000))]


def test_held_out_rows_stop_the_polish():
    """Without a penalty the fit learns the noise; the weights kept are the best on the held-out rows."""
    train, held_out, test = overfitted()
    free = new(k=10, alpha=0, n_init=1).fit(*train)
    model = new(k=10, alpha=0, n_init=1).fit(*train, X_val=held_out[0], y_val=held_out[1])
    assert model.loss_ > free.loss_
    assert model.score(*test) > free.score(*test) + 0.1
    assert model.stop_reason_ == "held-out loss rises"
    assert model.validation_loss_ == min(model.validation_loss_curve_)
    for rows, loss in [(held_out, model.validation_loss_), (train, model.loss_)]:
        assert loss == pytest.approx(np.mean((model.predict(rows[0]) - rows[1]) ** 2) / 2, rel=1e-9)
    # The next fit without them forgets them.
    assert not hasattr(model.fit(*train), "validation_loss_")


def test_held_out_rows_choose_between_starts():
    train, held_out, _ = overfitted()
    one = new(k=10, alpha=0, n_init=1).fit(*train, X_val=held_out[0], y_val=held_out[1])
    best = [
        new(k=10, alpha=0, n_init=4, n_jobs=n_jobs).fit(*train, X_val=held_out[0], y_val=held_out[1])
        for n_jobs in (1, 2)
    ]
    assert best[0].validation_loss_ <= one.validation_loss_
    assert_same_bits(*best)


def test_exact_fits_are_exact_with_held_out_rows():
    X, y, teacher = planted(n=600)
    model = new().fit(X[:400], y[:400], X_val=X[400:], y_val=y[400:])
    assert recovery_error(*model.coefs_, *teacher.coefs_, activation="relu") < 1e-6
    assert model.validation_loss_ < 1e-12


def test_weights_of_held_out_rows():
    """Rows of weight zero are as if they were not there; sparse rows are as dense ones."""
    train, (X_val, y_val), _ = overfitted()
    used = np.arange(len(y_val)) % 3 > 0
    options = {"k": 4, "alpha": 0, "n_init": 1}
    part = new(**options).fit(*train, X_val=X_val[used], y_val=y_val[used])
    weighted = new(**options).fit(
        *train, X_val=sparse.csr_array(X_val), y_val=y_val, sample_weight_val=1.0 * used
    )
    assert_allclose(weights(weighted), weights(part), rtol=1e-9)
    assert weighted.validation_loss_ == pytest.approx(part.validation_loss_, rel=1e-9)


@pytest.mark.parametrize(
    ("held_out", "message"),
    [
        ({"X_val": np.ones((3, 4))}, "X_val and y_val must be given together, got X_val only"),
        ({"y_val": np.ones(3)}, "X_val and y_val must be given together, got y_val only"),
        ({"sample_weight_val": np.ones(3)}, "together, got sample_weight_val only"),
        ({"X_val": np.ones((3, 3)), "y_val": np.ones(3)}, "X_val: X has 3 features.*expecting 4"),
        ({"X_val": np.full((3, 4), np.nan), "y_val": np.ones(3)}, "X_val: .*NaN"),
        ({"X_val": np.ones((3, 4)), "y_val": np.full(3, np.nan)}, "y_val contains NaN"),
        ({"X_val": np.ones((3, 4)), "y_val": np.ones(2)}, r"inconsistent.*\[3, 2\]"),
        (
            {"X_val": np.ones((3, 4)), "y_val": np.ones((3, 2))},
            "y_val must have as many outputs.*1, got 2",
        ),
        (
            {"X_val": np.ones((3, 4)), "y_val": np.ones(3), "sample_weight_val": np.zeros(3)},
            "sample_weight_val must have a positive entry",
        ),
    ],
)
def test_bad_held_out_rows(held_out, message):
    X, y, _ = planted(n=30)
    model = new()
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, **held_out)
    assert not hasattr(model, "coefs_")


def test_held_out_rows_need_a_polish():
    X, y, _ = planted(n=30)
    with pytest.raises(ValueError, match="polish=True"):
        new(polish=False).fit(X, y, X_val=X, y_val=y)


def test_metadata_reaches_the_fit_through_pipeline_and_search():
    """Weights and held-out rows, the latter transformed as the rows are."""
    train, (X_val, y_val), _ = overfitted()
    weight = np.random.default_rng(0).uniform(0.5, 2, len(train[1]))
    with config_context(enable_metadata_routing=True):
        model = new(k=4, alpha=0, n_init=1).set_fit_request(
            sample_weight=True, X_val=True, y_val=True, sample_weight_val=True
        )
        model.set_score_request(sample_weight=True)
        pipe = Pipeline(
            [("scale", StandardScaler().set_fit_request(sample_weight=False)), ("model", model)],
            transform_input=["X_val"],
        )
        metadata = {
            "sample_weight": weight, "X_val": X_val, "y_val": y_val,
            "sample_weight_val": np.ones(len(y_val)),
        }  # fmt: skip
        pipe.fit(*train, **metadata)
        scaler = StandardScaler().fit(train[0])
        direct = clone(model).fit(
            scaler.transform(train[0]), train[1], **(metadata | {"X_val": scaler.transform(X_val)})
        )
        assert_same_bits(pipe[-1], direct)
        search = GridSearchCV(clone(model), {"k": [2, 4]}, cv=2)
        search.fit(*train, sample_weight=weight, X_val=X_val, y_val=y_val)
        assert search.best_estimator_.validation_loss_ > 0


# What a change of the data must and must not do


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_affine_changes_of_the_rows(activation):
    """Scales from 0.1 to 10 in a random basis and a shift: the same predictions, and so for columns."""
    X, y, _ = planted(n=1000, d=8, k=3, activation=activation, seed=1)
    rng = np.random.default_rng(0)
    A = np.linalg.qr(rng.standard_normal((8, 8)))[0] * np.geomspace(0.1, 10, 8)
    order = rng.permutation(8)
    expected = new(k=3, activation=activation).fit(X, y).predict(X)
    assert_allclose(expected, y, rtol=1e-8, atol=1e-10)
    for rows, offset in [(X @ A + 5, 0), (X[:, order], 100)]:
        found = new(k=3, activation=activation).fit(rows, y + offset).predict(rows)
        assert_allclose(found - offset, expected, rtol=0, atol=1e-8 * np.abs(y).max())


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
@pytest.mark.parametrize("seed", range(2))
def test_another_method_finds_no_lower_loss_nearby(activation, seed):
    """L-BFGS of MLPRegressor, started from the fit, lowers the loss by at most 4e-7 of it (8 seeds)."""
    X, y, _ = make_one_hidden_layer(2000, 10, 3, activation=activation, bias=0.5, random_state=seed)
    y = y + 0.1 * y.std() * np.random.default_rng(seed).standard_normal(len(y))
    model = new(k=3, activation=activation, alpha=0).fit(X, y)
    other = MLPRegressor(
        hidden_layer_sizes=(3,), activation=activation, solver="lbfgs", alpha=0, max_iter=1,
        warm_start=True,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        other.fit(X, y)
        for name in ("coefs_", "intercepts_"):
            setattr(other, name, [array.copy() for array in getattr(model, name)])
        assert_allclose(other.predict(X), model.predict(X), rtol=1e-9, atol=1e-12)
        other.set_params(max_iter=500, tol=1e-14).fit(X, y)
    assert np.mean((other.predict(X) - y) ** 2) / 2 > (1 - 1e-6) * model.loss_


@pytest.mark.parametrize("where", ["X", "y"])
def test_outliers_of_a_million_standard_deviations(where):
    X, y, _ = planted()
    X, y = X.copy(), y.copy()
    if where == "X":
        X[0, 0], X[1] = 1e6, -1e6
    else:
        y[5] = 1e6
    model = new().fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    assert model.loss_ <= (1 + 1e-9) * y.var() / 2


@pytest.mark.parametrize("random_state", range(3))
def test_a_curve_of_more_units_than_columns(random_state):
    """sin 2x and noise of sd .05 (R2 of the curve: .995): no penalty sweeps the units away."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (600, 1))
    y = np.sin(2 * X[:, 0]) + 0.05 * rng.standard_normal(600)
    model = OneHiddenLayerRegressor(k=20, activation="tanh", random_state=random_state)
    assert model.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.99
