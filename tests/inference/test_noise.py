"""The noise model: densities against SciPy, derivatives by differences, planted noise found again."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_onenn._inference.noise import (
    fit_noise,
    log_variance,
    score_test,
    standardized_features,
)
from sklearn_onenn._inference.rules import PredictiveRules


def rows(n=4000, d=3, k=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return rng, X, np.tanh(X @ rng.standard_normal((d, k))), np.ones(n)


@pytest.mark.parametrize("noise", ["normal", "t"])
def test_of_equal_noise_the_score_test_fails_as_often_as_it_says(noise):
    """Of 400 draws 5 % are 20 +- 4.4."""
    below = 0
    for seed in range(400):
        rng, X, units, weight = rows(200, seed=seed)
        e = rng.standard_normal(200) if noise == "normal" else rng.standard_t(4, 200) / np.sqrt(2)
        features = standardized_features(X, units, weight)[0]
        below += score_test(features, e**2, 100.0 if noise == "normal" else 4.0, weight) < 0.05
    assert 5 < below < 38


def test_noise_that_depends_on_the_row_is_found_and_followed():
    """Log variance 1.2 x_0: the model's is correlated with it by more than .95 on new rows."""
    rng, X, units, weight = rows()
    e = np.exp(0.6 * X[:, 0]) * rng.standard_normal(4000)
    model, scores = fit_noise(e, np.zeros(4000), X, units, weight)
    assert model.p_value < 1e-6
    _, new_X, new_units, _ = rows(seed=1)
    logs = model.log_factor(new_X, new_units)
    assert np.corrcoef(logs, new_X[:, 0])[0, 1] > 0.95
    assert np.polyfit(new_X[:, 0], logs, 1)[0] == pytest.approx(1.2, rel=0.15)
    assert model.lowest <= logs.min() < logs.max() <= model.highest
    spreads = [np.std(scores[third]) for third in np.array_split(np.argsort(X[:, 0]), 3)]
    assert max(spreads) < 1.1 * min(spreads)  # those of e differ by a factor of 3.5


def test_of_equal_noise_the_variance_is_a_constant():
    rng, X, units, weight = rows()
    e, never = 2 * rng.standard_normal(4000), PredictiveRules(significance=0.0)
    model, scores = fit_noise(e, np.zeros(4000), X, units, weight, never)
    assert not model.by_inputs.any()
    assert not model.log_factor(X, units).any()
    assert model.constant == pytest.approx(4.0, rel=0.1)
    assert np.std(scores) == pytest.approx(1.0, abs=0.05)


def test_the_level_decides():
    rng, X, units, weight = rows(400)
    e = rng.standard_normal(400)
    p_value = fit_noise(e, np.zeros(400), X, units, weight)[0].p_value
    for level, found in ((0.99 * p_value, False), (1.01 * p_value, True)):
        model = fit_noise(e, np.zeros(400), X, units, weight, PredictiveRules(significance=level))[0]
        assert model.by_inputs.any() == found


def test_units_of_measurement():
    """Errors in other units, and inputs shifted and scaled: the same scores."""
    rng, X, units, weight = rows(500)
    u = rng.uniform(0.1, 0.3, 500)
    e = np.exp(0.6 * X[:, 0]) * rng.standard_normal(500)
    one, scores = fit_noise(e, u, X, units, weight)
    other, same = fit_noise(1000 * e, 1e6 * u, X * [1, 100, 0.01] + [5, 0, 1], units, weight)
    assert_allclose(same, scores, rtol=1e-4)
    assert other.constant == pytest.approx(1e6 * one.constant, rel=1e-3)
    assert_allclose(
        other.log_factor(X * [1, 100, 0.01] + [5, 0, 1], units), one.log_factor(X, units), atol=1e-3
    )


def test_weights_count_as_repeated_rows():
    rng, X, units, _ = rows(150)
    weight = np.tile([1.0, 2.0, 3.0], 50)
    e = np.exp(0.8 * X[:, 0]) * rng.standard_normal(150)
    u = rng.exponential(size=150)
    e *= np.sqrt(1 + 2 * u)
    one, _ = fit_noise(e, u, X, units, weight)
    repeated = [np.repeat(part, weight.astype(int), axis=0) for part in (e, u, X, units)]
    other, _ = fit_noise(*repeated, np.ones(300))
    assert other.p_value == pytest.approx(one.p_value, rel=1e-4)
    assert_allclose(other.by_inputs, one.by_inputs, rtol=1e-3, atol=1e-6)
    assert other.constant == pytest.approx(one.constant, rel=1e-3)


def test_a_row_does_not_count_in_its_own_variance():
    """By a fit without it, at the same penalty: here one that is strong enough to be known."""
    rng, X, units, weight = rows(60)
    features = standardized_features(X, units, weight)[0]
    squares = (np.exp(0.8 * X[:, 0]) * rng.standard_normal(60)) ** 2
    squares[7] = 100.0
    coefficients, level, logs = log_variance(features, squares, 6.0, weight)
    in_sample = features @ coefficients + level
    without = log_variance(np.delete(features, 7, 0), np.delete(squares, 7), 6.0, np.ones(59))
    expected = features[7] @ without[0] + without[1]
    assert abs(logs[7] - expected) < 0.5 * abs(in_sample[7] - expected)


def test_variances_of_the_value_count_as_rows_say_and_in_full_beyond_them():
    """Planted v = 1 + 3 m log(1 + u / m), with u over five orders of magnitude."""
    rng, X, units, weight = rows(20_000)
    u = np.exp(rng.uniform(-6, 6, 20_000))
    m = np.median(u)
    v = 1 + 3 * m * np.log1p(u / m)
    never = PredictiveRules(significance=0.0)
    model, _ = fit_noise(np.sqrt(v) * rng.standard_normal(20_000), u, X, units, weight, never)
    assert model.value_unit == pytest.approx(m, rel=0.01)
    assert_allclose([model.constant, model.value_factor], [1.0, 3.0], rtol=0.25)
    found = model.variance(np.array([0.1, 1.0, u.max(), u.max() + 50]), np.zeros(4))
    expected = 1 + 3 * m * np.log1p(np.array([0.1, 1.0, u.max()]) / m)
    assert_allclose(found[:3], expected, rtol=0.1)
    assert found[3] - found[2] == pytest.approx(50)


def test_values_that_say_nothing_of_the_errors_do_not_count():
    rng, X, units, weight = rows(4000)
    u = np.exp(rng.uniform(-3, 3, 4000))
    model, _ = fit_noise(rng.standard_normal(4000), u, X, units, weight)
    assert model.value_factor * model.value_unit < 0.05
    assert model.constant == pytest.approx(1.0, abs=0.1)


def test_exact_fits_have_no_noise():
    _, X, units, weight = rows(50)
    model, scores = fit_noise(np.zeros(50), np.zeros(50), X, units, weight)
    assert 0 < model.constant < 1e-250
    assert np.isfinite(scores).all()
