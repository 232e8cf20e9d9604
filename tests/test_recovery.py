"""The default fit gives back the planted network: 10 of 10, from few rows."""

import pytest

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import recovery_error


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["relu", "squared_relu"])
@pytest.mark.parametrize("d", [10, 50, 100])
def test_default_recovers_planted_networks(d, activation):
    """n = 10 d k, ten samples to a weight, k = 5: every seed, nine by the tensor start alone."""
    k, seeds = 5, range(10)
    errors, starts = {}, {}
    for seed in seeds:
        X, y, teacher = make_one_hidden_layer(10 * d * k, d, k, activation=activation, random_state=seed)
        model = OneHiddenLayerRegressor(k=k, activation=activation, random_state=seed).fit(X, y)
        errors[seed] = recovery_error(*model.coefs_, *teacher.coefs_, activation=activation)
        starts[seed] = model.n_starts_
    assert {seed: errors[seed] for seed in seeds if not errors[seed] < 1e-6} == {}
    assert sum(n == 1 for n in starts.values()) >= 9, starts
