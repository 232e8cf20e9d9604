"""Scores of Gaussian mixtures: finite differences, closed forms, and what is refused."""

import numpy as np
import pytest
from _planted import bimodal_score, differences, mixture_rows
from numpy.testing import assert_allclose
from sklearn.mixture import GaussianMixture

from sklearn_onenn.scores import GaussianMixtureScore


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_score_is_the_gradient_of_the_log_density(kind):
    X = mixture_rows(bimodal_score(4, 3.0), 300)
    mixture = GaussianMixture(3, covariance_type=kind, random_state=0).fit(X)
    score = GaussianMixtureScore.from_mixture(mixture)
    for x in X[:5]:
        expected = differences(lambda point: mixture.score_samples(point[None])[0], x, step=1e-5)
        assert_allclose(score([x])[0], expected, atol=1e-7)


def test_contract_is_the_gradient_of_the_score():
    rng = np.random.RandomState(0)
    score = bimodal_score(5, 2.0)
    X = np.concatenate([mixture_rows(score, 4), rng.standard_normal((3, 5))])
    U = rng.standard_normal((5, 3))
    found = score.contract(X, U)
    for x, matrix in zip(X, found, strict=True):
        expected = U.T @ differences(lambda point: score(point[None])[0], x) @ U
        assert_allclose(matrix, expected, atol=1e-7)


def test_score_of_a_normal_distribution():
    """-P (x - m), and -P for its gradient, far out too."""
    rng = np.random.RandomState(0)
    A = rng.standard_normal((3, 3))
    mean, covariance = rng.standard_normal(3), A @ A.T
    X = 100 * rng.standard_normal((6, 3))
    P = np.linalg.inv(covariance)
    score = GaussianMixtureScore([1.0], [mean], [covariance])
    assert_allclose(score(X), (mean - X) @ P, rtol=1e-9)
    assert_allclose(score.contract(X, np.eye(3)), np.broadcast_to(-P, (6, 3, 3)), rtol=1e-9)


def test_components_far_apart_are_scored_each_on_its_own():
    """Densities there are exp(-5000) of one another."""
    score = GaussianMixtureScore([0.3, 0.7], [[-50.0], [50.0]], [[[1.0]], [[4.0]]])
    assert_allclose(score([[-51.0], [54.0]]), [[1.0], [-1.0]], rtol=1e-12)
    assert_allclose(score.contract([[-51.0], [54.0]], [[1.0]]), [[[-1.0]], [[-0.25]]], rtol=1e-12)


def test_score_moves_with_the_rows():
    """An offset of 1e6 leaves nine digits of a score of order one."""
    score = bimodal_score(4, 2.0)
    X = mixture_rows(score, 50)
    moved = GaussianMixtureScore(score.weights, score.means + 1e6, score.covariances)
    assert_allclose(moved(X + 1e6), score(X), atol=1e-7)


def test_single_precision_in_and_out():
    score = bimodal_score(4, 2.0)
    X = mixture_rows(score, 200)
    single = score(X.astype(np.float32)), score.contract(X.astype(np.float32), np.eye(4)[:, :2])
    assert [array.dtype for array in single] == [np.float32, np.float32]
    assert_allclose(single[0], score(X), atol=1e-4)
    assert_allclose(single[1], score.contract(X, np.eye(4)[:, :2]), atol=1e-3)


I2 = np.eye(2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5, 0.6], [[0, 0], [1, 1]], [I2, I2]), "weights must be positive with sum 1"),
        (([0.0, 1.0], [[0, 0], [1, 1]], [I2, I2]), "weights must be positive"),
        (([1.0], [[0, 0], [1, 1]], [I2, I2]), r"weights must have shape \(2,\)"),
        (([1.0], [[0, 0]], I2), r"covariances must have shape \(1, 2, 2\)"),
        (([1.0], [[0, 0]], [[[1, 0], [1, 1]]]), "covariances must be symmetric"),
        (([1.0], [[0, 0]], [[[1, 1], [1, 1]]]), "covariances must be positive definite"),
        (([1.0], [[0, np.nan]], [I2]), "means contains NaN"),
    ],
)
def test_what_is_no_mixture_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        GaussianMixtureScore(*arguments)


def test_wrong_rows_and_directions_are_refused():
    score = GaussianMixtureScore([1.0], [[0.0, 0.0]], [I2])
    with pytest.raises(ValueError, match="X must have 2 columns, got 3"):
        score(np.ones((1, 3)))
    with pytest.raises(ValueError, match="U must have 2 rows"):
        score.contract(np.ones((1, 2)), np.ones((3, 1)))
    with pytest.raises(ValueError, match="mixture must be a fitted GaussianMixture"):
        GaussianMixtureScore.from_mixture(GaussianMixture(2))
