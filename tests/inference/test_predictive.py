"""Quantiles of scores, by enumeration; and states that are saved."""

import numpy as np
import pytest
from _planted import gaussian_problem, random_network
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._data.targets import TargetScale
from sklearn_onenn._inference.covariance import weight_covariance
from sklearn_onenn._inference.predictive import Predictive, fit_predictive, quantile
from sklearn_onenn._inference.rules import PredictiveRules
from sklearn_onenn.activations import Tanh


@pytest.mark.parametrize("n", [9, 10, 19])
@pytest.mark.parametrize("level", [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
def test_a_further_score_is_below_its_quantile_as_often_as_asked(n, level):
    """Of n + 1 exchangeable scores each is the new one as often."""
    scores = np.arange(n + 1.0)
    below = 0
    for new in range(n + 1):
        others = np.delete(scores, new)
        below += scores[new] <= quantile(others, np.arange(1.0, n + 1), level)
    if level >= 0.5:
        assert below == np.ceil(level * (n + 1) - 1e-9)
    else:
        above = sum(
            scores[new] >= quantile(np.delete(scores, new), np.arange(1.0, n + 1), level)
            for new in range(n + 1)
        )
        assert above == np.ceil((1 - level) * (n + 1) - 1e-9)


def test_quantiles_beyond_the_scores_are_infinite():
    scores, below = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])
    assert quantile(scores, below, 0.75) == 3
    assert quantile(scores, below, 0.76) == np.inf
    assert quantile(scores, below, 0.24) == -np.inf
    assert quantile(scores, below, 0.25) == 1


def test_weights_count_as_repeated_scores():
    scores, weight = np.array([1.0, 2.0, 4.0]), np.array([3.0, 1.0, 5.0])
    repeated = np.repeat(scores, weight.astype(int))
    for level in np.linspace(0.05, 0.95, 19):
        expected = quantile(repeated, np.arange(1.0, 10.0), level)
        assert quantile(scores, np.cumsum(weight), level) == expected


def test_a_state_holds_arrays_and_is_read_again():
    X = np.random.default_rng(0).standard_normal((60, 2))
    model = OneHiddenLayerRegressor(2, keep_covariance=True, random_state=0).fit(X, np.sin(X[:, 0]))
    state = model._predictive
    again = Predictive.of_state(state)
    assert_array_equal(again.state()["scores"][0], state["scores"][0])
    kinds = {type(value) for value in state.values()} | {
        type(value) for part in state["noise"] for value in part.values()
    }
    assert kinds <= {list, np.ndarray, float, np.float64}


def test_of_many_rows_some_count():
    """60 rows of two columns and two units: 80 entries are those of twenty rows."""
    problem = gaussian_problem(random_network(2, 2), 60, Tanh(), noise=0.1)
    network, targets = random_network(2, 2), TargetScale(np.zeros(1), np.ones(1))
    covariance = weight_covariance(problem, network, targets)
    for entries, expected in ((80, 20), (10**6, 60)):
        found = fit_predictive(
            problem.rows, [covariance], [network], np.ones(1), network, targets, held_out=None,
            rules=PredictiveRules(sample_entries=entries),
        )  # fmt: skip
        assert found.n_scores == expected


def test_values_beside_a_line_are_as_sure_as_both():
    """40 rows of a plane with ten weights and noise of one: the line is most of the variance."""
    covered, variances = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((240, 10))
        y = X[:, :3].sum(axis=1) + rng.standard_normal(240)
        model = OneHiddenLayerRegressor(52, random_state=0, keep_covariance=True).fit(X[:40], y[:40])
        if np.abs(model.coefs_[1]).max() < 100:  # units of a line are nearly straight
            continue
        lower, upper = model.predict_interval(X[40:], confidence_level=0.9)
        covered.append(np.mean((lower <= y[40:]) & (y[40:] <= upper)))
        value, std = model.predict(X[40:], return_std="value")
        assert_allclose(value, model.predict(X[40:]), rtol=1e-6)
        variances.append(np.mean(std**2))
        far = model.predict(10 * X[40:], return_std="value")[1]
        assert np.median(far / std) > 5  # linear in the row
        assert model.noise_std_ < np.sqrt(np.mean(model.predict(X[40:], return_std=True)[1] ** 2))
    assert len(covered) >= 4
    assert 0.85 < np.mean(covered) < 0.97
    # Of least squares 11/40 of the noise; of HC3 errors, which are left out, somewhat more.
    assert 0.15 < np.mean(variances) < 0.6
