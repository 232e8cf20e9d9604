"""White coordinates: zero mean, unit covariance, full rank, and the same network in either."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.ridge import PENALTIES, ridge
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.rules import DataRules
from sklearn_onenn._data.whitening import (
    common_scale_predicts_better,
    few_rows_components,
    many_rows_components,
    mean_and_covariance,
    shrunk_eigenvalues,
    whitening,
)


def rows_of(X, weight=None):
    return ArrayRows(X, np.zeros((X.shape[0], 1)), weight)


def correlated(n, d=4, seed=0, dtype=np.float64):
    """Rows with unequal scales, means of the order of a standard deviation, and correlations."""
    rng = np.random.RandomState(seed)
    mix = (np.eye(d) + 0.3 * rng.standard_normal((d, d))) * 3.0 ** np.arange(d)
    return (rng.standard_normal((n, d)) @ mix + mix.sum(axis=0)).astype(dtype)


def deficient(kind):
    """Rows whose covariance is singular, and its rank."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((60, 3))
    one_hot = np.eye(4)[rng.randint(4, size=60)]
    return {
        "duplicated": (np.column_stack([X, X[:, 1], X]), 3),
        "constant": (np.column_stack([X[:, 0], np.full(60, 0.1), X[:, 1:], np.zeros(60)]), 3),
        "one-hot": (np.column_stack([one_hot, X]), 6),
        "sum of columns": (np.column_stack([X, X @ [1.0, -2.0, 3.0]]), 3),
        "n < d": (rng.standard_normal((5, 8)), 4),
        "two rows": (rng.standard_normal((2, 6)), 1),
        "all constant": (np.ones((7, 3)), 0),
    }[kind]


DEFICIENT = ["duplicated", "constant", "one-hot", "sum of columns", "n < d", "two rows"]


# Principal components


@pytest.mark.parametrize("kind", ["plain", "n < d", "two rows", "constant", "one-hot", "offset"])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("common_scale", [True, False])
def test_components_of_few_rows_are_those_of_many(kind, center, container, common_scale):
    """Eigenvalues, and what does not hang on signs: the matrix of the correlations that they make."""
    rng = np.random.default_rng(0)
    X = deficient(kind)[0] if kind in DEFICIENT else correlated(9, 14)
    X = X + 1e6 if kind == "offset" and center else X
    rows = rows_of(container(X), rng.uniform(0.5, 2, len(X)))
    one, other = (
        components(rows, center, common_scale)
        for components in (many_rows_components, few_rows_components)
    )
    tolerance = 1e-6 if kind == "offset" else 1e-9
    for few, many in zip(other[:3], one[:3], strict=True):
        assert_allclose(few, many, rtol=tolerance, atol=1e-12)
    few, many = ((vectors * values) @ vectors.T for _, _, values, vectors in (other, one))
    assert_allclose(few, many, atol=tolerance)


# White rows


def test_white_rows_have_zero_mean_and_unit_covariance():
    """Of the sample, exactly: with so many rows nothing is shrunk."""
    n = 50_000
    X = correlated(n)
    z = whitening(rows_of(X)).whiten(X)
    assert_allclose(z.mean(axis=0), 0, atol=1e-12)
    assert_allclose(np.cov(z.T, bias=True), np.eye(4), atol=1e-12)


def test_white_rows_of_another_sample_are_white_too():
    """Means have standard errors of sqrt(2 / n), covariances of up to sqrt(4 / n)."""
    n = 20_000
    coordinates = whitening(rows_of(correlated(n)))
    z = coordinates.whiten(correlated(2 * n)[n:])
    assert np.abs(z.mean(axis=0)).max() < 4 * np.sqrt(2 / n)
    assert np.abs(np.cov(z.T) - np.eye(4)).max() < 4 * np.sqrt(4 / n)


def test_uncentered_coordinates_have_unit_second_moment():
    n = 50_000
    X = correlated(n)
    coordinates = whitening(rows_of(X), center=False)
    assert_array_equal(coordinates.mean, np.zeros(4))
    z = coordinates.whiten(X)
    assert np.abs(z.mean(axis=0)).max() > 0.1
    assert_allclose(z.T @ z / n, np.eye(4), atol=1e-12)


def test_scale_is_the_standard_deviation_and_one_for_constant_columns():
    X = np.column_stack([correlated(100), np.full(100, 1 / 3), np.full(100, 1e100)])
    scale = whitening(rows_of(X)).scale
    assert_allclose(scale[:4], X[:, :4].std(axis=0), rtol=1e-12)
    assert_array_equal(scale[4:], 1)


@pytest.mark.parametrize("kind", [*DEFICIENT, "all constant"])
def test_coordinates_span_the_directions_in_which_rows_vary(kind):
    X, rank = deficient(kind)
    coordinates = whitening(rows_of(X))
    assert coordinates.rank == rank
    assert coordinates.transform.shape == coordinates.inverse.T.shape == (X.shape[1], rank)
    z = coordinates.whiten(X)
    assert_allclose(z.mean(axis=0), 0, atol=1e-10)
    # Uncorrelated, with variances whose mean is one: the spectrum is shrunk to its mean.
    covariance = z.T @ z / len(z)
    assert_allclose(covariance, np.diag(covariance.diagonal()), atol=1e-10)
    if rank:
        root = np.linalg.svd((X - X.mean(axis=0)) / coordinates.scale, compute_uv=False)[:rank]
        variances = root**2 / len(X)
        expected = variances / shrunk_eigenvalues(variances, len(X))
        assert_allclose(np.sort(covariance.diagonal()), np.sort(expected), rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_units_of_a_column_do_not_matter(scale):
    X = correlated(200)
    units = np.array([scale, 1.0, 1 / scale, 1.0])
    plain, scaled = whitening(rows_of(X)), whitening(rows_of(X * units))
    sign = signs_between(scaled.transform * units[:, None], plain.transform)
    assert_allclose(sign * scaled.whiten(X * units), plain.whiten(X), rtol=1e-9, atol=1e-9)


def signs_between(one, other):
    """1 or -1 for each column of two transforms: eigenvectors have no sign of their own."""
    return np.sign((one * other).sum(axis=0))


@pytest.mark.parametrize(
    ("offset", "dtype", "tolerance"), [(1e8, np.float64, 1e-6), (1e3, np.float32, 1e-2)]
)
def test_an_offset_does_not_cancel_digits(offset, dtype, tolerance):
    """Rounding X + offset changes entries by offset times epsilon; so much, and no square of it."""
    X = (correlated(3000, d=3) / [1, 3, 9]).astype(dtype)
    plain, moved = whitening(rows_of(X)), whitening(rows_of(X + dtype(offset)))
    assert moved.rank == 3
    precision, expected = (T @ T.T for T in (moved.transform, plain.transform))
    assert_allclose(precision, expected, rtol=0, atol=tolerance)
    assert_allclose(moved.mean - offset, plain.mean, atol=tolerance)
    z = moved.whiten(X + dtype(offset))
    assert np.abs(z.mean(axis=0)).max() < tolerance


def test_mean_and_covariance_over_many_blocks(small_blocks):
    X = correlated(100) + 1e6
    weight = np.random.RandomState(1).uniform(0.1, 3, 100)
    mean, covariance = mean_and_covariance(rows_of(X, weight))
    assert_allclose(mean, np.average(X, axis=0, weights=weight), rtol=1e-14)
    assert_allclose(covariance, np.cov(X.T, aweights=weight, ddof=0), rtol=1e-8)


def test_weights_are_repetitions():
    X = correlated(30)
    counts = np.random.RandomState(1).randint(0, 5, 30)
    one = whitening(rows_of(X, counts.astype(float)))
    other = whitening(rows_of(np.repeat(X, counts, axis=0)))
    sign = signs_between(one.transform, other.transform)
    assert_allclose(sign * one.transform, other.transform, rtol=1e-9)
    assert_allclose(sign[:, None] * one.inverse, other.inverse, rtol=1e-9)
    for name in ("mean", "scale"):
        assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9)


# Networks in either coordinates


@pytest.mark.parametrize("kind", [*DEFICIENT, "all constant", "full rank"])
def test_a_network_is_the_same_function_in_either_coordinates(kind):
    X = correlated(50) if kind == "full rank" else deficient(kind)[0]
    coordinates = whitening(rows_of(X))
    rng = np.random.RandomState(1)
    z = coordinates.whiten(X)
    W, b = rng.standard_normal((coordinates.rank, 3)), rng.standard_normal(3)
    W_x, b_x = coordinates.weights_to_inputs(W, b)
    assert W_x.shape == (X.shape[1], 3)
    assert_allclose(X @ W_x + b_x, z @ W + b, atol=1e-10)
    back = coordinates.weights_from_inputs(W_x, b_x)
    assert_allclose(back[0], W, atol=1e-10)
    assert_allclose(back[1], b, atol=1e-10)
    # Also weights that point out of the span of the rows, where these do not see it.
    W_x, b_x = rng.standard_normal((X.shape[1], 3)), rng.standard_normal(3)
    W, b = coordinates.weights_from_inputs(W_x, b_x)
    assert_allclose(z @ W + b, X @ W_x + b_x, atol=1e-9)


def test_identity_coordinates():
    X = correlated(10).astype(np.float32)
    coordinates = identity_coordinates(4)
    assert_array_equal(coordinates.whiten(X), X)
    assert coordinates.rank == 4
    W, b = np.ones((4, 2)), np.ones(2)
    for mapped in (coordinates.weights_to_inputs(W, b), coordinates.weights_from_inputs(W, b)):
        assert_array_equal(mapped[0], W)
        assert_array_equal(mapped[1], b)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floating_type_of_the_rows_is_kept(dtype):
    X = correlated(300, dtype=dtype)
    coordinates = whitening(rows_of(X))
    assert coordinates.whiten(X).dtype == dtype
    assert coordinates.transform.dtype == np.float64
    assert_allclose(np.cov(coordinates.whiten(X).T), np.eye(4), atol=0.1)


# Shrinkage


def shrunk_by_iteration(eigenvalues, n):
    """The oracle's estimate as the limit of equations (21) and (22) of Chen et al., 2010."""
    p, share = len(eigenvalues), 1.0
    target = np.full(p, eigenvalues.mean())
    for _ in range(5000):
        shrunk = (1 - share) * eigenvalues + share * target
        product, trace = (shrunk * eigenvalues).sum(), shrunk.sum()
        share = ((1 - 2 / p) * product + trace**2) / ((n + 1 - 2 / p) * product + (1 - n / p) * trace**2)
    return (1 - share) * eigenvalues + share * target


@pytest.mark.parametrize("n", [3, 10, 50, 1000])
def test_shrinkage_is_the_limit_of_the_oracle_iteration(n):
    eigenvalues = np.array([0.01, 0.3, 1.0, 2.5, 4.0])
    found = shrunk_eigenvalues(eigenvalues, n, DataRules(small_sample=np.inf))
    assert_allclose(found, shrunk_by_iteration(eigenvalues, n), rtol=1e-6)
    assert found.sum() == pytest.approx(eigenvalues.sum(), rel=1e-14)


def test_limits_of_shrinkage():
    eigenvalues = np.array([0.5, 1.0, 3.0])
    enough = 3 * DataRules().small_sample
    assert_array_equal(shrunk_eigenvalues(eigenvalues, enough), eigenvalues)
    assert np.ptp(shrunk_eigenvalues(eigenvalues, enough - 1)) < np.ptp(eigenvalues)
    assert_allclose(shrunk_eigenvalues(eigenvalues, 1), np.full(3, 1.5), rtol=1e-14)
    assert_allclose(shrunk_eigenvalues(np.ones(4), 10), np.ones(4), rtol=1e-14)
    for few in ([], [2.0]):
        assert_array_equal(shrunk_eigenvalues(np.array(few), 10), few)


def test_few_rows_with_no_correlation_are_only_scaled():
    """The best estimate of the covariance of 12 rows of white noise is close to the identity."""
    found, unshrunk = [], []
    for seed in range(20):
        X = np.random.RandomState(seed).standard_normal((12, 6)) * 3
        coordinates = whitening(rows_of(X))
        found.append(np.linalg.cond(coordinates.transform * coordinates.scale[:, None]))
        unshrunk.append(np.sqrt(np.linalg.cond(np.corrcoef(X.T))))
    assert np.median(found) < 1.5 < 3 < np.median(unshrunk)


# The scale of columns


def rare_words(n, d, seed=0):
    """Rows of a few words out of many, as shares, most of them rare; targets go by the frequent ones."""
    rng = np.random.default_rng(seed)
    words = rng.zipf(1.3, (n, 40)) % d
    X = np.zeros((n, d))
    np.add.at(X, (np.arange(n)[:, None], words), 1 / 40)
    w = np.where(X.var(axis=0) > np.quantile(X.var(axis=0), 0.9), rng.standard_normal(d), 0)
    return X, X @ w / np.std(X @ w) + 0.1 * rng.standard_normal(n)


def mixed_units(n, d, seed=0):
    """Columns of units from micrometres to kilometres that count alike."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) @ rng.standard_normal((d, d))
    y = X @ rng.standard_normal(d)
    return X * 10.0 ** rng.integers(-6, 4, d), y / np.std(y) + 0.1 * rng.standard_normal(n)


@pytest.mark.parametrize(("n", "d"), [(60, 200), (90, 50)])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_columns_keep_their_scales_where_these_say_something(n, d, center, container):
    for make, is_common in ((rare_words, True), (mixed_units, False)):
        X, y = make(n, d)
        rows = ArrayRows(container(X), y[:, None])
        assert common_scale_predicts_better(rows, center) == is_common
        white = whitening(rows, center=center, common_scale=None)
        chosen = whitening(rows, center=center, common_scale=is_common)
        assert_array_equal(white.transform, chosen.transform)
        assert white.has_common_scale == is_common
        # The penalty measures weights of columns over their common scale.
        T = white.transform * white.scale[:, None]
        assert_allclose(T.T @ T, np.diag(white.penalty), atol=1e-8 * white.penalty.max())


def test_columns_have_unit_scale_where_rows_are_many():
    X, y = rare_words(200, 50)
    assert not common_scale_predicts_better(ArrayRows(X, y[:, None]), True)
    assert common_scale_predicts_better(ArrayRows(X[:140], y[:140, None]), True)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("n", [7, 14])
def test_error_of_a_line_is_that_of_rows_left_out(n, center):
    """Ridge regression that is fitted anew without each row, at the best of the same penalties."""
    rng = np.random.default_rng(1)
    X, y, weight = rng.standard_normal((n, 9)) + 1, rng.standard_normal((n, 2)), rng.uniform(0.5, 2, n)
    rows = ArrayRows(X, y, weight)
    share = weight / weight.sum()
    mean = share @ X if center else np.zeros(9)
    C = np.sqrt(share)[:, None] * (X - mean)
    eigenvalues, U = np.linalg.eigh(C @ C.T)
    keep = eigenvalues > 1e-12
    found = ridge(rows, eigenvalues[keep], U[:, keep], center=center).error
    errors = []
    for penalty in eigenvalues[-1] * PENALTIES:
        error = 0.0
        for i in range(n):
            others = np.arange(n) != i
            A = np.column_stack([X - mean, np.ones(n)])[:, : 10 if center else 9]
            P = penalty * np.diag(np.append(np.ones(9), 0)[: A.shape[1]])
            weighted = A[others].T * share[others]
            w = np.linalg.solve(weighted @ A[others] + P, weighted @ y[others])
            error += share[i] * ((y[i] - A[i] @ w) ** 2).sum()
        errors.append(error)
    assert found == pytest.approx(min(errors), rel=1e-6)
