"""How sure a value is, against least squares without a row, the delta method, and known members."""

from functools import partial

import numpy as np
import pytest
from _planted import differences, gaussian_problem, random_network
from numpy.testing import assert_allclose

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.targets import TargetScale
from sklearn_onenn._inference.covariance import weight_covariance
from sklearn_onenn._inference.rules import PredictiveRules
from sklearn_onenn._inference.values import of_members, values_left_out, values_on
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import Network, forward
from sklearn_onenn.activations import Identity, Tanh
from sklearn_onenn.datasets import make_one_hidden_layer

UNSCALED = TargetScale(np.zeros(1), np.ones(1))


def least_squares():
    """One linear unit with v = 1 and no intercepts, at its minimum; residuals and leverages."""
    network = Network(np.array([[1.0], [-2.0], [0.5]]), np.zeros(1), np.ones((1, 1)), np.zeros(1))
    problem = gaussian_problem(network, 30, Identity(), noise=0.3, fit_intercept=False)
    X, y = problem.rows.X, problem.rows.y[:, 0]
    network = network._replace(W=np.linalg.lstsq(X, y, rcond=None)[0][:, None])
    hat = X @ np.linalg.solve(X.T @ X, X.T)
    return problem, network, X, y, y - hat @ y, np.diag(hat)


def test_variance_of_the_value_of_a_row_that_is_left_out():
    """Sandwich of the other rows: their share in the fit without the row, times their residuals."""
    problem, network, X, y, residuals, h = least_squares()
    covariance = weight_covariance(problem, network, UNSCALED)
    found = values_left_out(problem.rows, [covariance], np.ones(1), PredictiveRules())
    assert_allclose(found.mean[:, 0], residuals / (1 - h), rtol=1e-6, atol=1e-9)
    for row in range(len(X)):
        others = np.arange(len(X)) != row
        shares = X[row] @ np.linalg.solve(X[others].T @ X[others], X[others].T)
        expected = ((shares * (residuals / (1 - h))[others]) ** 2).sum()
        assert_allclose(found.within[row, 0], expected, rtol=1e-5)
    assert not found.between.any()


def test_residuals_of_members_grow_with_their_leverages():
    problem, network, _, _, residuals, h = least_squares()
    covariances = [weight_covariance(problem, network, UNSCALED)] * 2
    rules = PredictiveRules(refit_growth=2.0)
    found = values_left_out(problem.rows, covariances, np.array([0.3, 0.7]), rules)
    assert_allclose(found.mean[:, 0], residuals * np.exp(2 * h), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("seed", [0, 1])
def test_residuals_of_exact_refits_without_each_row(seed):
    """Sixty rows, eleven weights: residuals without a row are a fifth larger, and are foretold."""
    X, y, _ = make_one_hidden_layer(60, 3, 2, activation="tanh", noise=0.3, random_state=seed)
    parameters = {"k": 2, "activation": "tanh", "whiten": False, "random_state": 0}
    model = OneHiddenLayerRegressor(**parameters).fit(X, y)
    start = (*(model.coefs_[0], model.intercepts_[0]), model.coefs_[1][:, 0])
    exact = []
    for row in range(60):
        others = np.arange(60) != row
        refit = OneHiddenLayerRegressor(**parameters, alpha=model.alpha_, init=start)
        exact.append(y[row] - refit.fit(X[others], y[others]).predict(X[[row]])[0])
    targets = TargetScale.of(y[:, None], None, center=True)
    rows = targets.rows(X, y[:, None], None, None)
    problem = SquaredLoss(rows, Tanh(), identity_coordinates(3), alpha=model.alpha_)
    network = Network(model.coefs_[0], model.intercepts_[0], model.coefs_[1], model.intercepts_[1])
    covariance = weight_covariance(problem, network, targets)
    found = values_left_out(rows, [covariance], np.ones(1), PredictiveRules()).mean[:, 0] * targets.scale
    assert np.corrcoef(found, exact)[0, 1] > 0.98
    assert np.std(found) == pytest.approx(np.std(exact), rel=0.06)
    assert np.std(y - model.predict(X)) < 0.9 * np.std(exact)


def test_the_standard_error_of_a_mean_is_the_mean_of_those_of_its_members():
    """Shares of .75 and .25: values 1 and 5, standard errors 2 and 6."""
    ones = np.ones((1, 1))
    found = of_members([ones, 5 * ones], [4 * ones, 36 * ones], np.array([0.75, 0.25]))
    assert_allclose(np.concatenate(found), [[2.0], [9.0], [0.75 * 1 + 0.25 * 9]])
    assert_allclose(found.variance, 12.0)


def test_values_of_two_members_by_the_delta_method():
    X = np.random.default_rng(0).standard_normal((6, 3))
    networks = [random_network(3, 2, 2, seed=seed) for seed in (0, 1)]
    rng = np.random.default_rng(1)
    n_weights = len(networks[0].pack())
    factors = [rng.standard_normal((n_weights, 4)), np.tril(rng.standard_normal((n_weights,) * 2))]
    found = values_on(ArrayRows(X, np.zeros((6, 2))), networks, factors, np.full(2, 0.5), Tanh())
    values = [forward(X, network, Tanh()) for network in networks]
    assert_allclose(found.mean, np.mean(values, axis=0))
    assert_allclose(found.between, np.var(values, axis=0))
    for output in range(2):

        def values_of(weights, network, output=output):
            return forward(X, network.unpack(weights), Tanh())[:, output]

        errors = []
        for network, factor in zip(networks, factors, strict=True):
            gradient = differences(partial(values_of, network=network), network.pack())
            errors.append(np.linalg.norm(gradient.T @ factor, axis=1))
        assert_allclose(np.sqrt(found.within[:, output]), np.mean(errors, axis=0), rtol=1e-5)
