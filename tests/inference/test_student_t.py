"""The t distribution: densities against SciPy, derivatives by differences, planted errors."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from sklearn_onenn._inference.student_t import (
    StudentNoise,
    additive_variance,
    median,
    t_distribution,
    t_likelihood,
)


def test_the_density_is_that_of_t():
    z = np.linspace(-4, 4, 9)
    for df in (2.5, 7.0, 300.0):
        value, by_log_v, by_df = t_likelihood(z**2, df)
        assert_allclose(value, stats.t.logpdf(z, df), rtol=1e-10)
        step = 1e-5
        scaled = [stats.t.logpdf(z, df, 0, np.exp(s / 2)) for s in (step, -step)]
        assert_allclose(by_log_v, (scaled[0] - scaled[1]) / (2 * step), atol=1e-7)
        other = [stats.t.logpdf(z, df + s) for s in (step, -step)]
        assert_allclose(by_df, (other[0] - other[1]) / (2 * step), atol=1e-7)


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.5), (0.2, 3.0), (1.0, 0.3)])
def test_planted_variances_are_found_again(a, b):
    rng = np.random.default_rng(0)
    u = rng.exponential(size=20_000)
    e = np.sqrt(a + b * u) * rng.standard_t(6, 20_000)
    unit = np.mean(e**2)
    found = additive_variance(e**2 / unit, u / unit, np.ones(20_000))
    assert_allclose([found[0] * unit, found[1], found[2]], [a, b, 6.0], rtol=0.2)


def test_t_distribution_of_planted_scores():
    rng, weight = np.random.default_rng(0), np.ones(20_000)
    assert_allclose(t_distribution(3 * rng.standard_t(5, 20_000), weight), [5.0, 3.0], rtol=0.1)
    df, scale = t_distribution(3 * rng.standard_normal(20_000), weight)
    assert df > 30
    assert scale == pytest.approx(3, rel=0.05)


def test_weights_make_least_squares_climb_the_likelihood():
    """The derivative of log p(y - m) by m is weight times residual, up to one factor."""
    errors = np.linspace(-9, 9, 31)[:, None]
    noise = StudentNoise(4.0, np.array([1.5]))
    step = 1e-5
    uphill = [stats.t.logpdf(errors[:, 0] - s, 4.0, 0, 1.5) for s in (step, -step)]
    by_location = (uphill[0] - uphill[1]) / (2 * step)
    moved = errors[:, 0] != 0
    factors = (noise.weights(errors, None) * errors[:, 0])[moved] / by_location[moved]
    assert_allclose(factors, factors[0], rtol=1e-6)


def test_outputs_are_one_error_of_a_multivariate_t():
    errors = np.random.default_rng(0).standard_normal((6, 2)) * [1.0, 5.0]
    scale, step = np.array([0.7, 4.0]), 1e-5
    weights = StudentNoise(5.0, scale).weights(errors, None)
    density = stats.multivariate_t(shape=np.diag(scale**2), df=5.0)
    for j in (0, 1):
        move = step * np.eye(2)[j]
        by_location = (density.logpdf(errors - move) - density.logpdf(errors + move)) / (2 * step)
        factors = weights * errors[:, j] / scale[j] ** 2 / by_location
        assert_allclose(factors, factors[0], rtol=1e-6)


def test_weights_keep_their_sum_and_count_rows():
    rng = np.random.default_rng(0)
    errors, counts = rng.standard_t(3, (50, 1)), rng.integers(1, 4, 50)
    noise = StudentNoise.of(errors, counts)
    repeated = StudentNoise.of(np.repeat(errors, counts, axis=0), None)
    assert_allclose([noise.df, *noise.scale], [repeated.df, *repeated.scale], rtol=1e-3)
    weights = noise.weights(errors, counts)
    assert weights.sum() == pytest.approx(counts.sum(), rel=1e-12)
    each = noise.weights(np.repeat(errors, counts, axis=0), None)
    assert_allclose(np.add.reduceat(each, np.cumsum(counts) - counts), weights, rtol=1e-12)


def test_normal_errors_have_equal_weights():
    errors = np.random.default_rng(0).standard_normal((5000, 1))
    weights = StudentNoise.of(errors, None).weights(errors, None)
    assert np.abs(weights - 1).max() < 0.2


def test_the_median_counts_weights():
    values, weight = np.array([3.0, 1.0, 2.0, 5.0]), np.array([1.0, 2.0, 1.0, 7.0])
    assert median(values, weight) == np.median(np.repeat(values, weight.astype(int)))


@pytest.mark.parametrize("size", [1e6, 1e10, 1e30])
def test_gross_errors_of_any_size_do_not_move_the_scale(size):
    errors = np.random.default_rng(0).standard_normal((1000, 1))
    errors[:5] = size
    noise = StudentNoise.of(errors, None)
    assert noise.scale[0] == pytest.approx(1.0, abs=0.15)
    assert noise.weights(errors, None)[:5].max() < 1e-8
