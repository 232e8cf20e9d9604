"""Standard errors against closed forms, a second method, simulation and invariances."""

import numpy as np
import pytest
from _planted import differences, gaussian_problem, random_network, separated_network
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn import OneHiddenLayerRegressor, RowBlocks
from sklearn_onenn._data.targets import TargetScale
from sklearn_onenn._inference.covariance import size_error, standard_errors, weight_covariance
from sklearn_onenn._network.network import Network, forward
from sklearn_onenn.activations import Identity, ReLU, Tanh, get_activation
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import match_units

UNSCALED = TargetScale(np.zeros(1), np.ones(1))


def noisy_data(n=400, d=5, k=2, *, activation="relu", sd=0.2, seed=0):
    X, y, teacher = make_one_hidden_layer(n, d, k, activation=activation, bias=0.3, random_state=seed)
    return X, y + sd * y.std() * np.random.RandomState(seed + 1).standard_normal(n), teacher


def fitted(X, y, k=2, **parameters):
    parameters = {"activation": "relu"} | parameters
    return OneHiddenLayerRegressor(k, keep_covariance=True, random_state=0, **parameters).fit(X, y)


def all_weights(problem, network):
    """F with F F^T the covariance of all weights."""
    return weight_covariance(problem, network, UNSCALED).of_all_weights(UNSCALED)


# The covariance


def linear_problem(alpha):
    """One linear unit with v = 1 and no intercepts: least squares, or ridge regression."""
    rng = np.random.RandomState(0)
    network = Network(np.array([[1.0], [-2.0], [0.5]]), np.zeros(1), np.ones((1, 1)), np.zeros(1))
    problem = gaussian_problem(network, 50, Identity(), noise=0.3, fit_intercept=False, alpha=alpha)
    X, y = problem.rows.X, problem.rows.y[:, 0]
    X *= rng.uniform(0.5, 2, (50, 1))
    w = np.linalg.lstsq(X, y, rcond=None)[0]
    return problem, network._replace(W=w[:, None]), X, y - X @ w


def test_least_squares_has_the_sandwich_of_mackinnon_and_white():
    problem, network, X, r = linear_problem(0.0)
    F = all_weights(problem, network)
    inverse = np.linalg.inv(X.T @ X)
    leverage = np.einsum("ij,jk,ik->i", X, inverse, X)
    meat = (X * (r / (1 - leverage))[:, None] ** 2).T @ X
    expected = inverse @ meat @ inverse
    assert_allclose((F @ F.T)[:3, :3], expected, rtol=1e-6)
    assert_array_equal(F[3:], 0)  # v is held, b and c are not there


def test_what_the_penalty_moves_is_part_of_a_standard_error():
    """Ridge regression: the variance of least squares, and the squared distance to it."""
    problem, network, X, r = linear_problem(20.0)
    plain = problem.replace(problem.rows, alpha=0.0)
    variance = standard_errors(weight_covariance(plain, network, UNSCALED), UNSCALED).W[:, 0] ** 2
    ridge = np.linalg.solve(X.T @ X + 20.0 * np.eye(3), X.T @ (X @ network.W[:, 0]))
    moved = network._replace(W=ridge[:, None])
    errors = standard_errors(weight_covariance(problem, moved, UNSCALED), UNSCALED)
    expected = variance + (ridge - network.W[:, 0]) ** 2
    assert_allclose(errors.W[:, 0] ** 2, expected, rtol=1e-4)


def test_intervals_of_steep_units_hold_though_the_penalty_moves_their_scale():
    """Steep gelu units are nearly homogeneous: rows tell little of |w| and |v| but of their product."""
    inside = []
    for seed in range(6):
        rng = np.random.RandomState(seed)
        X = rng.standard_normal((1500, 5))
        W = np.linalg.qr(rng.standard_normal((5, 2)))[0] * 4
        signal = get_activation("gelu").value(X @ W).sum(axis=1)
        y = signal + 0.2 * signal.std() * rng.standard_normal(1500)
        model = fitted(X, y, activation="gelu")
        order, _ = match_units(model.coefs_[0], W)
        inside.append(np.abs(model.coefs_[0][:, order] - W) < 1.96 * model.coefs_std_[0][:, order])
    assert np.mean(inside) > 0.8


def test_a_strong_penalty_leaves_the_variance_of_the_prior():
    # With the penalty far above the rows' share the covariance is s^2 / alpha, that of a priori weights;
    # the penalty of a linear unit counts |w| and |v| alike, at the scale where both are equal.
    problem, network, X, r = linear_problem(1e8)
    F = all_weights(problem, network)
    variance = (r**2).sum() / (len(r) - 3)
    ratio = 1 / np.linalg.norm(network.W)  # (|w| of the unit of least norm over that with v = 1)^2
    assert_allclose((F @ F.T)[:3, :3], np.eye(3) * variance / 1e8 / ratio, atol=1e-3 * variance / 1e8)


@pytest.mark.parametrize("activation", ["squared_relu", "tanh"])
def test_simulated_spread_of_weights_and_predictions(activation):
    """60 draws of noise: the ratio of a spread to its standard error is 1 +- 0.09; 60 are compared."""
    teacher = separated_network(5, 2)._replace(V=np.array([[1.0], [-1.0]]))
    phi = get_activation(activation)
    rng = np.random.RandomState(0)
    X, X_new = rng.standard_normal((400, 5)), rng.standard_normal((50, 5))
    if activation == "tanh":
        teacher = teacher._replace(W=teacher.W * [1, -1], V=np.ones((2, 1)))
    clean = forward(X, teacher, phi)[:, 0]
    sd = 0.2 * (0.3 + np.abs(X[:, 0]))
    weights, predictions, errors = [], [], []
    for _ in range(60):
        model = OneHiddenLayerRegressor(
            2, activation=activation, init=(teacher.W, teacher.b, teacher.V[:, 0]), resample=False,
            alpha=0.0, keep_covariance=True,
        ).fit(X, clean + sd * rng.standard_normal(400))  # fmt: skip
        order = np.argsort(-np.abs(teacher.W.T @ model.coefs_[0]), axis=1)[:, 0]
        mean, std = model.predict(X_new, return_std="value")
        weights.append(model.coefs_[0][:, order].ravel())
        predictions.append(mean)
        errors.append(np.concatenate([model.coefs_std_[0][:, order].ravel(), std]))
    spread = np.std(np.concatenate([weights, predictions], axis=1), axis=0)
    ratio = spread / np.sqrt(np.mean(np.square(errors), axis=0))
    assert abs(np.mean(ratio) - 1) < 0.08
    assert 0.7 < ratio.min() < ratio.max() < 1.35


@pytest.mark.parametrize("activation", ["relu", "squared_relu", "tanh"])
def test_standard_errors_follow_units_of_measurement(activation):
    X, y, _ = noisy_data(activation=activation)
    scale, shift = np.array([1.0, 10.0, 0.1, 3.0, 1.0]), np.array([0.0, 5.0, 1.0, -2.0, 0.0])
    one = fitted(X, y, activation=activation)
    other = fitted(X * scale + shift, 1000 * y - 7, activation=activation)
    degree = get_activation(activation).degree
    factor = 1 if degree is None else 1000 ** (1 / degree)
    order = match_units(other.coefs_[0] * scale[:, None], one.coefs_[0])[0]
    errors = other.coefs_std_[0][:, order] * scale[:, None]
    assert_allclose(errors, factor * one.coefs_std_[0], rtol=1e-3)
    for X_new in (X[:20], 3 * X[:20]):
        for kind in (True, "value"):
            expected = 1000 * one.predict(X_new, return_std=kind)[1]
            found = other.predict(X_new * scale + shift, return_std=kind)[1]
            assert_allclose(found, expected, rtol=1e-3)


def test_weights_count_as_repeated_rows():
    X, y, _ = noisy_data(120)
    weight = np.tile([1, 2], 60)
    one = OneHiddenLayerRegressor(2, activation="relu", keep_covariance=True, random_state=0).fit(
        X, y, weight
    )
    other = fitted(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert_allclose(one.coefs_std_[0], other.coefs_std_[0], rtol=1e-6)


def test_predictions_by_the_delta_method():
    X, y, _ = noisy_data(activation="tanh")
    model = fitted(X, y, activation="tanh")
    network = Network(model.coefs_[0], model.intercepts_[0], model.coefs_[1], model.intercepts_[1])

    def predictions(weights):
        return forward(X[:7], network.unpack(weights), Tanh())[:, 0]

    gradient = differences(predictions, network.pack())
    F = model.covariance_factor_
    expected = np.sqrt(np.einsum("ij,ik,kj->j", gradient, F @ F.T, gradient))
    mean, std = model.predict(X[:7], return_std="value")
    assert_array_equal(mean, model.predict(X[:7]))
    assert_allclose(std, expected, rtol=1e-5)


def test_several_outputs():
    X, y, _ = noisy_data()
    Y = np.column_stack([y, X[:, 0] + 0.1 * y])
    model = fitted(X, Y)
    mean, std = model.predict(X[:9], return_std=True)
    assert mean.shape == std.shape == (9, 2)
    assert [e.shape for e in model.coefs_std_] == [w.shape for w in model.coefs_]
    assert [e.shape for e in model.intercepts_std_] == [w.shape for w in model.intercepts_]
    # |v_i| = 1 is held, so that a change of v_i is across v_i: in the plane its parts are in proportion.
    changes = np.sqrt((model.covariance_factor_**2).sum(axis=1))
    V = changes[5 * 2 + 2 :][: 2 * 2].reshape(2, 2)
    ratio = V[:, 0] / V[:, 1]
    assert_allclose(ratio, np.abs(model.coefs_[1][:, 1] / model.coefs_[1][:, 0]), rtol=1e-6)


def test_exact_fit_has_no_error():
    X, y, _ = make_one_hidden_layer(300, 5, 2, random_state=0)
    model = fitted(X, y)
    assert model.coefs_std_[0].max() < 1e-8
    assert model.predict(X, return_std=True)[1].max() < 1e-8


def test_what_the_rows_do_not_determine_has_a_large_error():
    X, y, _ = noisy_data(200)
    problem = gaussian_problem(random_network(5, 2), 200, ReLU(), noise=0.1)
    dead = random_network(5, 2)._replace(b=np.array([0.0, -100.0]))
    errors = standard_errors(weight_covariance(problem, dead, UNSCALED), UNSCALED)
    assert errors.W[:, 1].min() > 100 * errors.W[:, 0].max()


def test_blocks_give_the_same():
    X, y, _ = noisy_data(600)
    blocks = RowBlocks(lambda: ((X[part::3], y[part::3]) for part in range(3)))
    one = OneHiddenLayerRegressor(2, activation="relu", keep_covariance=True, random_state=0).fit(blocks)
    order = np.concatenate([np.arange(600)[part::3] for part in range(3)])
    other = fitted(X[order], y[order])
    assert_allclose(one.coefs_std_[0], other.coefs_std_[0], rtol=1e-6)
    for values, expected in zip(
        one.predict(blocks, return_std=True), other.predict(X[order], return_std=True), strict=True
    ):
        assert_allclose(values, expected, rtol=1e-6, atol=1e-9)


# The estimator


def test_std_needs_the_covariance():
    X, y, _ = noisy_data(100)
    model = OneHiddenLayerRegressor(2, activation="relu", random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="needs a fit with keep_covariance=True"):
        model.predict(X, return_std=True)
    model.set_params(keep_covariance=True).fit(X, y)
    model.set_params(keep_covariance=False).fit(X, y)
    assert not hasattr(model, "coefs_std_")


def test_too_many_weights_are_refused():
    """Two members of 25 (200 + 2) + 1; before the fit begins."""
    X = np.random.RandomState(0).standard_normal((20, 200))
    match = "at most 5000 weights in one.* have 5051, 5051 weights. Set keep_covariance=False"
    with pytest.raises(ValueError, match=match):
        OneHiddenLayerRegressor(50, activation="relu", keep_covariance=True).fit(X, X[:, 0])
    assert size_error(100, [25, 25], 1) is None
    assert "4901, 4901 weights" in size_error(194, [25, 25], 1)


def test_types_are_kept():
    X, y, _ = noisy_data(100)
    mean, std = fitted(X.astype(np.float32), y).predict(X.astype(np.float32), return_std=True)
    assert mean.dtype == std.dtype == np.float32
    assert np.isfinite(std).all()
