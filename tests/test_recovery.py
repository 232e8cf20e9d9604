"""The default fit recovers planted networks: few rows, noise, biases, rows that are not normal."""

import numpy as np
import pytest

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.activations import get_activation
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import recovery_error


def default(k, activation, seed, **parameters):
    return OneHiddenLayerRegressor(k=k, activation=activation, random_state=seed, **parameters)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["relu", "squared_relu"])
@pytest.mark.parametrize("d", [10, 50, 100])
def test_default_recovers_planted_networks(d, activation):
    """n = 10 d k, ten samples to a weight, k = 5: every seed, nine by the tensor start alone."""
    k, seeds = 5, range(10)
    errors, starts = {}, {}
    for seed in seeds:
        X, y, teacher = make_one_hidden_layer(10 * d * k, d, k, activation=activation, random_state=seed)
        model = default(k, activation, seed).fit(X, y)
        errors[seed] = recovery_error(*model.coefs_, *teacher.coefs_, activation=activation)
        starts[seed] = model.n_starts_
    assert {seed: errors[seed] for seed in seeds if not errors[seed] < 1e-6} == {}
    assert sum(n == 1 for n in starts.values()) >= 9, starts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "d", "k", "ratio"),
    [
        ("relu", 20, 5, 4),
        ("squared_relu", 20, 5, 4),
        ("leaky_relu", 20, 5, 4),
        ("relu", 100, 5, 4),
        ("relu", 50, 10, 8),
        ("relu", 12, 12, 15),
        ("gelu", 20, 5, 20),
        ("tanh", 20, 5, 20),
        ("erf", 20, 5, 20),
        ("sigmoid", 20, 5, 20),
    ],
)
def test_few_rows(activation, d, k, ratio):
    """Three seeds each, of cells in which 20 of 20 recovered; ratio: rows to a hidden weight."""
    for seed in range(3):
        n = ratio * d * k
        X, y, _ = make_one_hidden_layer(n + 500, d, k, activation=activation, random_state=seed)
        model = default(k, activation, seed).fit(X[:n], y[:n])
        assert 1 - model.score(X[n:], y[n:]) < 1e-6, seed


@pytest.mark.slow
@pytest.mark.parametrize(("ratio", "noise"), [(20, 0.1), (50, 0.5)])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_noisy_fits_reach_the_optimum_at_the_truth(activation, ratio, noise):
    """Loss at most 1e-4 above what the polish reaches from the planted weights, five seeds.

    In 200 seeds of (20, 5) all were below.
    """
    d, k = 10, 3
    for seed in range(5):
        n = ratio * d * k
        X, y, teacher = make_one_hidden_layer(n, d, k, activation=activation, random_state=seed)
        y += noise * y.std() * np.random.default_rng(seed).standard_normal(n)
        model = default(k, activation, seed).fit(X, y)
        W, v = teacher.coefs_
        truth = W, np.zeros(k), v
        oracle = default(k, activation, seed, init=truth, alpha=model.alpha_, resample=False).fit(X, y)
        assert model.loss_ <= (1 + 1e-4) * oracle.loss_, seed


@pytest.mark.slow
@pytest.mark.parametrize("rows", ["normal", "correlated", "signs", "exponential"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_biases_and_rows_that_are_not_normal(activation, rows):
    """d = 12, k = 4, real output weights, 40 rows to a weight, three seeds."""
    d, k, n = 12, 4, 40 * 12 * 4
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X = {
            "normal": lambda rng, shape: rng.standard_normal(shape),
            "correlated": lambda rng, shape: (
                rng.standard_normal(shape) @ rng.standard_normal((d, d)) + 3
            ),
            "signs": lambda rng, shape: rng.choice([-1.0, 1.0], shape),
            "exponential": lambda rng, shape: rng.exponential(size=shape),
        }[rows](rng, (n + 500, d))
        W = np.linalg.qr(rng.standard_normal((d, k)))[0]
        W *= 1.5 / (X @ W).std(axis=0)
        b = 0.5 * rng.standard_normal(k) - X.mean(axis=0) @ W
        v = rng.uniform(0.5, 2, k) * rng.choice([-1.0, 1.0], k)
        y = get_activation(activation).value(X @ W + b) @ v
        model = default(k, activation, seed).fit(X[:n], y[:n])
        assert 1 - model.score(X[n:], y[n:]) < 1e-6, seed
