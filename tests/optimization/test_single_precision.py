"""Rows in single precision: the same loss, but for rounding, on columns that are centred and scaled."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import Network
from sklearn_onenn._optimization import single_precision as single_precision_module
from sklearn_onenn._optimization.preconditioner import Preconditioner, type_of_sums
from sklearn_onenn._optimization.single_precision import in_single_precision
from sklearn_onenn._search.starts import random_units
from sklearn_onenn.activations import get_activation
from sklearn_onenn.datasets import make_one_hidden_layer

N, D, K = 180, 5, 3
TOL = 1e-3
# Rounding of a column at unit scale, times what a sum of some hundred rows adds.
ROUNDING = 1e-5


@pytest.fixture(autouse=True)
def few_rows_too(monkeypatch):
    monkeypatch.setattr(single_precision_module, "LEAST_BYTES", 0)


def problem_on(X, *, weights=False, alpha=0.7, white=True, fit_intercept=True):
    """A loss on rows with two targets."""
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.5, 2, N) if weights else None
    rows = ArrayRows(X, rng.standard_normal((N, 2)).astype(X.dtype), weight)
    coordinates = whitening(rows, center=fit_intercept) if white else identity_coordinates(X.shape[1])
    return SquaredLoss(
        rows, get_activation("tanh"), coordinates, fit_intercept=fit_intercept, alpha=alpha
    )


def table():
    """Columns of other scales, far from zero for their spread, and one that repeats others."""
    Z = np.random.default_rng(1).standard_normal((N, D))
    Z[:, 4] = Z[:, 0] - Z[:, 1]
    return 1e6 + Z * [1, 10, 1e-2, 1e4, 1]


def a_network(problem):
    rng, r, free = np.random.default_rng(2), problem.coordinates.rank, problem.fit_intercept
    b, c = (free * rng.standard_normal(size) for size in (K, 2))
    return Network(rng.standard_normal((r, K)), b, rng.standard_normal((K, 2)), c)


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_loss_gradient_and_products_are_the_same(weights, alpha):
    problem = problem_on(table(), weights=weights, alpha=alpha)
    single, network = in_single_precision(problem, TOL), a_network(problem)
    assert single.rows.dtype == single.evaluate(network).input_weights.W.dtype == np.float32
    here, there = problem.evaluate(network), single.evaluate(network)
    assert_allclose(there.loss, here.loss, rtol=ROUNDING)
    assert_allclose(there.gradient.pack(), here.gradient.pack(), atol=ROUNDING)
    one, other = (at.gauss_newton_product(network).pack() for at in (here, there))
    assert_allclose(other, one, atol=ROUNDING * np.abs(one).max())


def test_whole_matrix_and_leverages_are_the_same():
    problem = problem_on(table(), weights=True)
    single, network = in_single_precision(problem, TOL), a_network(problem)
    one, other = (Preconditioner(p.evaluate(network)) for p in (problem, single))
    assert one.exact
    assert other.exact
    assert_allclose(other.M, one.M, atol=ROUNDING * np.abs(one.M).max())
    assert_allclose(other.left_out_error(1.4, 0.3), one.left_out_error(1.4, 0.3), rtol=1e-3)


@pytest.mark.parametrize(("alpha", "dtype"), [(0.0, np.float64), (1e-4, np.float64), (0.7, np.float32)])
def test_a_matrix_without_penalty_is_summed_in_double_precision(alpha, dtype):
    assert type_of_sums(in_single_precision(problem_on(table(), alpha=alpha), TOL)) == dtype


def test_random_units_are_the_same():
    problem = problem_on(table())
    one, other = (
        random_units(p, K, np.random.RandomState(0)).pack()
        for p in (problem, in_single_precision(problem, TOL))
    )
    assert_allclose(other, one, rtol=1e-9)


def test_rows_without_biases_are_not_shifted():
    X = table() - 1e6 + 3
    problem = problem_on(X, fit_intercept=False)
    single = in_single_precision(problem, TOL)
    assert_allclose(single.rows.X, X / problem.coordinates.scale, rtol=1e-6)
    network = a_network(problem)
    assert_allclose(single.data_loss(network), problem.data_loss(network), rtol=ROUNDING)


def test_rows_are_read_by_the_same_count():
    problem = problem_on(table())
    single = in_single_precision(problem, TOL)
    single.data_loss(a_network(problem))
    assert problem.rows.rows_read == single.rows.rows_read > 0


@pytest.mark.parametrize(
    "problem",
    [
        problem_on(table(), white=False),  # 1e6 + z would lose z
        problem_on(np.random.default_rng(1).standard_normal((N, D)).astype(np.float32)),
        problem_on(csr_array(np.random.default_rng(1).standard_normal((N, D)))),
    ],
    ids=["far from zero", "single", "sparse"],
)
def test_rows_that_stay_as_they_are(problem):
    assert in_single_precision(problem, TOL) is problem


def test_a_loss_near_rounding_needs_double_precision():
    problem = problem_on(table())
    assert in_single_precision(problem, TOL, 1e-6) is problem
    assert in_single_precision(problem, TOL, 1e-4) is not problem


def test_steps_to_a_small_tolerance_and_copies_of_no_use_are_refused(monkeypatch):
    problem = problem_on(table())
    assert in_single_precision(problem, 1e-6) is problem
    for name, limit in [("COPY_BYTES", 4 * N * D - 1), ("LEAST_BYTES", 8 * N * D + 1)]:
        with monkeypatch.context() as patch:
            patch.setattr(single_precision_module, name, limit)
            assert in_single_precision(problem, TOL) is problem
    assert in_single_precision(problem, TOL) is not problem


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("activation", ["relu", "squared_relu", "tanh"])
def test_units_that_vanish_leave_nothing_that_is_not_finite(n, activation):
    rng = np.random.default_rng(n)
    model = OneHiddenLayerRegressor(9, activation=activation, random_state=0)
    model.fit(rng.standard_normal((n, 3)), rng.standard_normal(n))
    assert np.isfinite(model.loss_curve_).all()


@pytest.mark.parametrize("k", [3, 20])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_loss_of_such_a_fit_is_that_of_its_predictions(k, activation):
    rng = np.random.default_rng(3)
    X = rng.exponential(size=(N, D))
    y = np.sin(3 * X[:, 0]) + X[:, 1] * X[:, 2] + rng.standard_normal(N)
    model = OneHiddenLayerRegressor(k, activation=activation, random_state=0).fit(X, y)
    assert_allclose(model.loss_, 0.5 * np.mean((y - model.predict(X)) ** 2), rtol=1e-9)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("noise", [0.0, 0.001, 0.3])
def test_a_network_that_is_recovered_is_the_same(activation, noise, monkeypatch):
    """Its last steps are in double precision, and end at the same weights."""
    X, y, _ = make_one_hidden_layer(
        1000, 6, 2, activation=activation, bias=0.5, noise=noise, random_state=0
    )
    model = OneHiddenLayerRegressor(2, activation=activation, random_state=0)
    one = model.fit(X, y).coefs_[0]
    monkeypatch.setattr(single_precision_module, "COPY_BYTES", 0)
    other = model.fit(X, y).coefs_[0]
    assert_allclose(one, other, atol=1e-4 * np.abs(other).max())
