"""Scores of predicted distributions: against integrals, hand-made cases, and what is refused."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.integrate import quad

from sklearn_onenn.metrics import (
    continuous_ranked_probability_score,
    interval_coverage,
    mean_interval_width,
    mean_log_likelihood,
)

Y = np.array([0.3, -2.0, 5.0])
LOCATION, SCALE = np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 0.5])


@pytest.mark.parametrize(
    "distribution",
    [
        stats.norm(LOCATION, SCALE),
        stats.t(3.5, LOCATION, SCALE),
        stats.t(df=40, loc=LOCATION, scale=SCALE),
    ],
    ids=["normal", "t", "t by keywords"],
)
def test_crps_is_the_integral_of_the_squared_distance(distribution):
    def integral(row):
        def squared(z, above):
            return (distribution.cdf(z)[row] - above) ** 2

        left = quad(squared, -np.inf, Y[row], args=(0.0,))[0]
        return left + quad(squared, Y[row], np.inf, args=(1.0,))[0]

    expected = [integral(row) for row in range(3)]
    found = continuous_ranked_probability_score(Y, distribution)
    assert found == pytest.approx(np.mean(expected), rel=1e-6)
    weighted = continuous_ranked_probability_score(Y, distribution, sample_weight=[1, 2, 3])
    assert weighted == pytest.approx(np.average(expected, weights=[1, 2, 3]), rel=1e-6)


def test_the_likelihood_is_that_of_the_density():
    distribution = stats.t(4, LOCATION, SCALE)
    assert mean_log_likelihood(Y, distribution) == pytest.approx(np.log(distribution.pdf(Y)).mean())
    scaled = stats.t(4, 10 * LOCATION, 10 * SCALE)
    difference = mean_log_likelihood(Y, distribution) - mean_log_likelihood(10 * Y, scaled)
    assert difference == pytest.approx(np.log(10))


def test_coverage_and_width_count_ends_and_weights():
    lower, upper = np.array([0.3, -1.0, -np.inf]), np.array([1.0, 0.0, np.inf])
    assert interval_coverage(Y, lower, upper) == pytest.approx(2 / 3)
    assert interval_coverage(Y, lower, upper, sample_weight=[0, 1, 0]) == 0
    assert mean_interval_width(lower, upper) == np.inf
    assert_allclose(mean_interval_width(lower[:2], upper[:2], sample_weight=[1, 3]), (0.7 + 3) / 4)


def test_of_several_outputs_the_mean_counts():
    two = np.column_stack([Y, Y])
    lower, upper = np.column_stack([Y, Y + 1]), np.column_stack([Y, Y + 2])
    assert interval_coverage(two, lower, upper) == 0.5
    assert mean_interval_width(lower, upper) == 0.5


def test_what_is_refused():
    with pytest.raises(TypeError, match="must be a frozen scipy.stats.norm or t, got uniform"):
        continuous_ranked_probability_score(Y, stats.uniform(LOCATION, SCALE))
    with pytest.raises(ValueError, match="more than one degree of freedom"):
        continuous_ranked_probability_score(Y, stats.t(1, LOCATION, SCALE))
    with pytest.raises(ValueError, match="must be one for each target"):
        mean_log_likelihood(Y, stats.norm(LOCATION[:, None], SCALE))
    with pytest.raises(ValueError, match="NaN"):
        mean_log_likelihood([np.nan], stats.norm([0.0], 1.0))
    with pytest.raises(ValueError, match="upper must hold numbers in the shape"):
        interval_coverage(Y, LOCATION, SCALE[:2])
    with pytest.raises(ValueError, match="lower must hold numbers"):
        mean_interval_width([np.nan], [1.0])
