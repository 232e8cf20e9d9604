"""Fits to targets of all sizes, with weights, and to several outputs."""

import numpy as np
import pytest
from _planted import assert_finite, least_squares, new, planted, weights
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.activations import get_activation
from sklearn_onenn.metrics import match_units, recovery_error

# Overflows and divisions by zero on the way to a fit are errors.
pytestmark = pytest.mark.filterwarnings(
    "error::RuntimeWarning", "ignore::sklearn.exceptions.ConvergenceWarning"
)


# Units of the targets


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
    model = OneHiddenLayerRegressor(k=5, activation="relu", random_state=0).fit(x, 1e4 * x[:, 0] + 1e6)
    assert model.score(x, 1e4 * x[:, 0] + 1e6) > 1 - 1e-12


# Weights


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
    """The start is the function of the arrays, or of the last fit; planted units lead to the truth."""
    X, Y, W = several_outputs(400, "relu")
    units = np.maximum(X @ W, 0)
    V = least_squares(np.column_stack([units, np.ones(400)]), Y)[:3]
    model = new(k=3, warm_start=True, max_iter=2).fit(X, Y)
    given = clone(model).set_params(init=(W, np.zeros(3), V), max_iter=200)
    for fit, before in [(given, units @ V + Y.mean(axis=0)), (model, model.predict(X))]:
        fit.fit(X, Y)
        assert fit.init_path_ == "given"
        start = np.maximum(X @ fit.init_coefs_[0] + fit.init_intercepts_[0], 0) @ fit.init_coefs_[1]
        error = (start + fit.init_intercepts_[1] - before) / Y.std(axis=0)
        assert_allclose(error, 0, atol=1e-10)
    assert_allclose((given.predict(X) - Y) / Y.std(axis=0), 0, atol=1e-6)
