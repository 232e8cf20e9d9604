"""Whether rows pass for normal ones: normal draws, others, moments by SciPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.sparse import csr_array

from sklearn_onenn._data.gaussianity import normality, rows_are_normal
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.rules import DATA
from sklearn_onenn._data.whitening import whitening


@pytest.mark.parametrize("n", [300, 20000])
@pytest.mark.parametrize("r", [2, 20])
def test_rows_that_are_normal(n, r):
    """In any coordinates, 20 draws of each: a deviation of five standard errors is seen in none."""
    for seed in range(20):
        rng = np.random.RandomState(seed)
        X = rng.standard_normal((n, r)) @ rng.standard_normal((r, r)) + 3
        rows = ArrayRows(X, np.zeros((n, 1)))
        assert rows_are_normal(rows, whitening(rows))


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, shape: rng.uniform(size=shape),
        lambda rng, shape: rng.laplace(size=shape),
        lambda rng, shape: rng.exponential(size=shape),
        lambda rng, shape: rng.choice([-1.0, 1.0], shape),
        lambda rng, shape: rng.uniform(size=shape) < 0.05,
    ],
    ids=["uniform", "laplace", "exponential", "signs", "one in twenty"],
)
def test_rows_that_are_not_normal(draw):
    for seed in range(5):
        X = draw(np.random.RandomState(seed), (2000, 10)).astype(float)
        rows = ArrayRows(X, np.zeros((2000, 1)))
        assert not rows_are_normal(rows, whitening(rows))


def two_levels(rng, n):
    """Three signs, whose kurtosis is 1, beside five logistic columns, whose kurtosis is 4.2."""
    return np.column_stack([rng.choice([-1.0, 1.0], (n, 3)), rng.logistic(size=(n, 5))])


def skewed_levels(rng, n):
    """Two levels at p (1 - p) = 1/6 have the kurtosis 3."""
    return rng.uniform(size=(n, 5)) < (1 - np.sqrt(1 / 3)) / 2


@pytest.mark.parametrize("draw", [two_levels, skewed_levels])
def test_columns_that_are_not_normal_where_the_fourth_moment_is(draw):
    for seed in range(5):
        X = draw(np.random.RandomState(seed), 1000).astype(float)
        rows = ArrayRows(X, np.zeros((1000, 1)))
        assert abs(normality(rows, whitening(rows))[0]) < DATA.significant
        assert not rows_are_normal(rows, whitening(rows))


def test_skewness_and_kurtosis_of_columns():
    """By SciPy; weighted rows as repeated ones; sparse rows as dense ones; none of a constant column."""
    rng = np.random.RandomState(0)
    X = np.column_stack([rng.exponential(size=300), 7 + rng.uniform(size=300), np.full(300, 0.1)])
    weight = rng.randint(1, 4, 300).astype(float)
    n, repeated = weight.sum(), np.repeat(X, weight.astype(int), axis=0)
    expected = [
        np.append(moment(repeated[:, :2]), 0) / np.sqrt(variance / n)
        for moment, variance in [(stats.skew, 6), (stats.kurtosis, 24)]
    ]
    for kind in (np.asarray, csr_array):
        rows = ArrayRows(kind(X), np.zeros((300, 1)), weight)
        assert_allclose(normality(rows, whitening(rows))[1:], expected, rtol=1e-9)


def test_weighted_rows_are_taken_as_repeated_ones():
    """Normal rows, the farthest of which count ten times, are not normal."""
    X = np.random.RandomState(0).standard_normal((2000, 5))
    far = (X**2).sum(axis=1) > 13
    for weight, expected in [(np.full(2000, 2.0), True), (1 + 9.0 * far, False)]:
        rows = ArrayRows(X, np.zeros((2000, 1)), weight)
        assert rows_are_normal(rows, whitening(rows)) == expected
        repeated = ArrayRows(np.repeat(X, weight.astype(int), axis=0), np.zeros((int(weight.sum()), 1)))
        assert rows_are_normal(repeated, whitening(repeated)) == expected
