"""Fits under the options: starts, penalties, activations, and the two modes of the paper."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from _planted import USABLE, differences, new, planted
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._search import one_start as one_start_module
from sklearn_onenn._tensor import initialization as initialization_module
from sklearn_onenn.activations import Activation
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import match_units, recovery_error

# Overflows and divisions by zero on the way to a fit are errors.
pytestmark = pytest.mark.filterwarnings(
    "error::RuntimeWarning", "ignore::sklearn.exceptions.ConvergenceWarning"
)


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


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_fewer_targets_than_weights(activation):
    """100 rows, 241 weights, much noise: penalized from the first, the fit predicts (R2 .38, .37).

    Without penalty it goes through all targets. Many networks do; which of them is found hangs on
    rounding, and R2 on other rows was below zero for each of 40, by four kernels of BLAS.
    """
    X, y = make_friedman1(1100, noise=4.0, random_state=0)
    fits = [new(k=20, activation=activation, alpha=alpha).fit(X[:100], y[:100]) for alpha in ("auto", 0)]
    assert fits[0].score(X[:100], y[:100]) < 0.9
    assert fits[1].score(X[:100], y[:100]) == pytest.approx(1)
    penalized, free = (fit.score(X[100:], y[100:]) for fit in fits)
    assert penalized > 0.32
    assert penalized > free + 0.2


# Activations


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


# Optima


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


@pytest.mark.parametrize("random_state", range(3))
def test_a_curve_of_more_units_than_columns(random_state):
    """sin 2x and noise of sd .05 (R2 of the curve: .995): no penalty sweeps the units away."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (600, 1))
    y = np.sin(2 * X[:, 0]) + 0.05 * rng.standard_normal(600)
    model = OneHiddenLayerRegressor(k=20, activation="tanh", random_state=random_state)
    assert model.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.99


# The paper's configurations


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
    assert {len(rows) for rows in used["steps"]} <= {250, 251, 252, 253}
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
