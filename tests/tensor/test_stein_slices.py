"""Hessian slices by Stein's identity: Hermite moments, Monte Carlo, quadratics, sizes of noise."""

from math import comb

import numpy as np
import pytest
from _planted import (
    bimodal_score,
    gaussian_problem,
    least_squares,
    mixture_rows,
    random_network,
    separated_network,
)
from numpy.testing import assert_allclose

from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._network.network import forward
from sklearn_onenn._tensor import hermite as hermite_module
from sklearn_onenn._tensor.hermite import symmetric_matrices, symmetric_pairs
from sklearn_onenn._tensor.slices import noise_stack, symmetric_pairs_of
from sklearn_onenn._tensor.stein_slices import (
    SteinScores,
    linear_sizes,
    linear_slices,
    quadratic_residuals,
    score_stack,
    square_sizes,
    square_slices,
)
from sklearn_onenn._tensor.stein_span import span_slices
from sklearn_onenn.activations import ReLU, Tanh
from sklearn_onenn.scores import GaussianMixtureScore


def standard_normal_score(d):
    return GaussianMixtureScore([1.0], [np.zeros(d)], [np.eye(d)])


def all_slices(t, u, score):
    """Sums of t S_2^h for h = 1, u_a and all symmetric pairs of u: (K, 1 + k + K)."""
    identity = np.eye(u.shape[1])
    S1, S2 = SteinScores(score, identity)(u)
    pairs = symmetric_pairs_of(S2)
    M2, M3 = linear_slices(t, u, identity, S1, pairs)
    return np.column_stack([M2, M3, square_slices(t, u, S1, pairs)])


def test_slices_of_normal_rows_are_hermite_moments():
    """Exactly, for any targets: He_2, He_3, and He_4 up to the mean of the weight."""
    rng = np.random.RandomState(0)
    u, t = rng.standard_normal((40, 3)), rng.standard_normal(40)
    found = all_slices(t, u, standard_normal_score(3))
    M2, M3 = hermite_module.second_moment(u, t), hermite_module.third_moment(u, t)
    assert_allclose(found[:, 0], symmetric_pairs_of(M2), atol=1e-12)
    assert_allclose(found[:, 1:4], symmetric_pairs_of(M3).T, atol=1e-12)
    M4 = np.array([hermite_module.fourth_moment_slice(u, t, a) for a in np.eye(3)])
    M4 = symmetric_pairs_of(symmetric_pairs_of(M4.transpose(2, 3, 0, 1)).transpose(2, 0, 1))
    mean = np.outer(symmetric_pairs_of(M2), symmetric_pairs_of(np.eye(3)))
    assert_allclose(found[:, 4:], M4 + mean, atol=1e-11)


def test_stein_identity():
    """E[y S_2^h] = E[h grad^2 F] on bimodal rows, 400 batches of 500: within 4 standard errors.

    An affine function less in y changes nothing but the noise.
    """
    score, truth = bimodal_score(3, 1.0), random_network(3, 2)
    truth = truth._replace(W=2 * truth.W)
    X = mixture_rows(score, 200_000)
    y = forward(X, truth, Tanh())[:, 0]
    affine = np.column_stack([np.ones(len(X)), X])
    y -= affine @ least_squares(affine, y)[:, 0]
    P = np.tanh(X @ truth.W + truth.b)
    curvature = -2 * P * (1 - P**2) * truth.V[:, 0]  # of every unit
    outer = symmetric_pairs(truth.W.T)
    h = np.column_stack([affine, symmetric_pairs(X)])
    gaps = np.array([
        (all_slices(y[rows], X[rows], score) - outer.T @ (curvature[rows].T @ h[rows])) / 500
        for rows in np.arange(len(X)).reshape(400, 500)
    ])  # fmt: skip
    errors = gaps.std(axis=0, ddof=1) / np.sqrt(400)
    signal = np.abs(outer.T @ (curvature.T @ h) / len(X))
    assert (np.abs(gaps.mean(axis=0)) <= 4 * errors).all()
    # It is no statement about noise, for any weight.
    assert (signal / errors).max(axis=0).min() > 5


def test_directions_other_than_the_rows():
    """Along U the slices are U^T S U, for weights a . x with gradients U^T a."""
    rng = np.random.RandomState(0)
    score = bimodal_score(4, 2.0)
    X, t, U = mixture_rows(score, 30), rng.standard_normal(30), rng.standard_normal((4, 3))
    A = rng.standard_normal((4, 2))
    S1, S2 = SteinScores(score, U)(X)
    M2, M3 = linear_slices(t, X @ A, U.T @ A, S1, symmetric_pairs_of(S2))
    whole = symmetric_matrices(all_slices(t, X, score).T, 4)
    along = U.T @ np.concatenate([whole[:1], np.tensordot(A.T, whole[1:5], axes=1)]) @ U
    assert_allclose(np.column_stack([M2, M3]), symmetric_pairs_of(along).T, atol=1e-10)


def test_sizes_are_those_of_every_row():
    """|S_2^h|^2 row by row, summed over the weights h by hand."""
    score = bimodal_score(3, 2.0)
    u = mixture_rows(score, 5)
    S1, S2 = SteinScores(score, np.eye(3))(u)
    each = np.array([all_slices(np.ones(1), row[None], score) for row in u])
    size, linear = linear_sizes(u, np.eye(3), S1, S2)
    assert_allclose(size, (each[:, :, 0] ** 2).sum(axis=1))
    assert_allclose(linear, (each[:, :, 1:4] ** 2).sum(axis=(1, 2)))
    squares = each[:, :, 4:] - each[:, :, :1] * symmetric_pairs_of(np.eye(3))
    assert_allclose(square_sizes(u, S1, S2), (squares**2).sum(axis=(1, 2)))


def test_sizes_of_normal_rows_are_those_of_hermite_polynomials():
    """E |He_4|^2 = 24 C(k + 3, 4), by a quadrature that is exact for this degree."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(6)
    weights = weights / weights.sum()
    u = np.array(np.meshgrid(nodes, nodes)).reshape(2, -1).T
    S1, S2 = SteinScores(standard_normal_score(2), np.eye(2))(u)
    mean = np.multiply.outer(weights, weights).ravel()
    assert mean @ square_sizes(u, S1, S2) == pytest.approx(24 * comb(5, 4))
    size, linear = linear_sizes(u, np.eye(2), S1, S2)
    assert_allclose([mean @ size, mean @ linear], [2 * 3, 6 * comb(4, 3)])


def white(rows):
    """The rows in white coordinates, and these."""
    coordinates = whitening(rows)
    return rows.with_rows(coordinates.whiten(rows.X), rows.y), coordinates


def stack_of(rows, score, coordinates=None):
    """The stack in the span of all directions, in white coordinates, whose signs are arbitrary."""
    coordinates = coordinates or whitening(rows)
    projected = rows.with_rows(coordinates.whiten(rows.X), rows.y)
    scores = SteinScores(score, coordinates.inverse.T)
    return score_stack(projected, rows, coordinates, np.eye(coordinates.rank), scores)


def test_stack_of_normal_rows_is_the_one_of_hermite_moments():
    """In expectation: the score knows of the density, the whitening of the 50 000 rows."""
    rows = gaussian_problem(separated_network(3, 3), 50_000, ReLU(), noise=0.1).rows
    found, sd = stack_of(rows, standard_normal_score(3))
    expected, expected_sd = noise_stack(white(rows)[0])
    assert sd == pytest.approx(expected_sd, rel=1e-6)
    for one, other in zip(found, expected, strict=True):
        assert_allclose(one, other, atol=max(0.05 * np.abs(other).max(), 0.5))


def test_stack_by_hand():
    """Weights of mean zero, of the residuals, and the Hessian of the quadratic; in white coordinates."""
    score, rng = bimodal_score(3, 2.0), np.random.RandomState(0)
    rows = ArrayRows(mixture_rows(score, 200), rng.standard_normal((200, 1)))
    projected, coordinates = white(rows)
    T = coordinates.transform
    inner = GaussianMixtureScore(
        score.weights, (score.means - coordinates.mean) @ T, T.T @ score.covariances @ T
    )
    residuals, gradients, hessians = quadratic_residuals(projected)
    slices = all_slices(residuals[:, 0], projected.X, inner) / 200
    mean = np.outer(slices[:, 0], symmetric_pairs_of(np.eye(3)))
    expected = [slices[:, 4:] - mean, slices[:, 1:4]]
    expected.append(slices[:, :1] + symmetric_pairs_of(hessians[0])[:, None])
    for found, block in zip(stack_of(rows, score)[0], expected, strict=True):
        direction = block / np.linalg.norm(block)
        assert_allclose(found / np.linalg.norm(found), direction, atol=1e-9)


def test_span_slices_move_with_the_rows():
    """Weights have mean zero wherever the origin is; rows of weight 2 count twice."""
    score, rng = bimodal_score(3, 2.0), np.random.RandomState(0)
    X, y, times = mixture_rows(score, 200), rng.standard_normal((200, 2)), rng.randint(1, 3, 200)
    moved = GaussianMixtureScore(score.weights, score.means + 5, score.covariances)
    D, along = rng.standard_normal((3, 3)), rng.standard_normal((3, 2))
    found = [
        span_slices(rows, identity_coordinates(3), SteinScores(density, D), D, along)
        for density, rows in (
            (score, ArrayRows(X, y, times.astype(float))),
            (score, ArrayRows(np.repeat(X, times, axis=0), np.repeat(y, times, axis=0))),
            (moved, ArrayRows(X + 5, y, times.astype(float))),
        )
    ]
    for one, repeated in zip(found[0], found[1], strict=True):
        assert_allclose(one, repeated, rtol=1e-8, atol=1e-10)
    for one, other in zip(found[0][:3], found[2][:3], strict=True):
        assert_allclose(one, other, rtol=1e-8, atol=1e-9)


def test_mean_gradient_and_hessian_of_a_quadratic():
    rng = np.random.RandomState(0)
    u, A, slope = rng.standard_normal((300, 3)) + 0.3, rng.standard_normal((3, 3)), [1.0, -2.0, 3.0]
    y = np.einsum("ni,ij,nj->n", u, A, u) + u @ slope + 4
    residuals, gradients, hessians = quadratic_residuals(ArrayRows(u, y[:, None]))
    assert_allclose(residuals, 0, atol=0.05)
    assert_allclose(hessians, [A + A.T], atol=0.05)
    assert_allclose(gradients, [slope + (A + A.T) @ u.mean(axis=0)], atol=0.05)


def test_an_added_quadratic_changes_the_slice_of_weight_one_by_its_hessian():
    """It leaves the residuals as they are, and so all other slices, on rows far from normal."""
    score = bimodal_score(3, 3.0)
    X = mixture_rows(score, 4000)
    rng = np.random.RandomState(1)
    A, y = rng.standard_normal((3, 3)), rng.standard_normal(4000)
    added = np.einsum("ni,ij,nj->n", X, A, X) + X @ [1.0, -2.0, 3.0] + 4
    plain, sd = stack_of(ArrayRows(X, y[:, None]), score)
    rows = ArrayRows(X, (y + added)[:, None])
    other, other_sd = stack_of(rows, score)
    coordinates = whitening(rows)
    S2 = SteinScores(score, coordinates.inverse.T)(X)[1]
    noise = np.sqrt((S2**2).sum() / 4000 / 6 / 4000) * sd
    # Quadratic fits end at a relative accuracy of 1e-3.
    assert other_sd == pytest.approx(sd, rel=1e-3)
    hessian = coordinates.inverse @ (A + A.T) @ coordinates.inverse.T
    change = symmetric_pairs_of(hessian)[:, None] / noise
    assert_allclose(other[2] - plain[2], change, atol=2e-3 * np.abs(change).max())
    for one, two in zip(plain[:2], other[:2], strict=True):
        assert_allclose(one, two, atol=0.1)  # standard deviations of their noise


def test_noise_has_variance_one():
    """Targets without signal on bimodal rows: mean square over 50 draws of every block."""
    score = bimodal_score(3, 2.0)
    squares = []
    for seed in range(50):
        X = mixture_rows(score, 2000, seed=seed)
        y = np.random.RandomState(seed).standard_normal((2000, 1))
        squares.append([np.mean(block**2) for block in stack_of(ArrayRows(X, y), score)[0]])
    # 6, 18 and 36 entries that are not independent: the standard error is below 0.1.
    assert_allclose(np.mean(squares, axis=0), 1, atol=0.35)


def test_weights_and_outputs():
    """Rows of weight 2 count twice; each output has the slices that it has alone."""
    score = bimodal_score(3, 2.0)
    rng = np.random.RandomState(0)
    X, Y = mixture_rows(score, 600), rng.standard_normal((600, 2))
    times = rng.randint(1, 3, 600)
    weighted = ArrayRows(X, Y, times.astype(float))
    coordinates = whitening(weighted)
    found, _ = stack_of(weighted, score, coordinates)
    for output in range(2):
        repeated = ArrayRows(*(np.repeat(array, times, axis=0) for array in (X, Y[:, [output]])))
        alone, _ = stack_of(repeated, score, coordinates)
        for one, two in zip(found[3 * output :], alone, strict=False):
            assert_allclose(one, two, rtol=1e-8, atol=1e-8)
