"""Slices: moments in units of their noise, against dense formulas and in expectation."""

from math import comb

import numpy as np
import pytest
from _planted import exact_gaussian_rows, gaussian_problem, least_squares, separated_network
from numpy.testing import assert_allclose

from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._tensor.hermite import symmetric_matrices, symmetric_pairs
from sklearn_onenn._tensor.slices import (
    leading_slices,
    noise_stack,
    null_edge,
    quadratic,
    quadratic_fit,
    singular_values,
    symmetric_pairs_of,
)
from sklearn_onenn.activations import GELU, ReLU, SquaredReLU, Tanh

weights_or_none = pytest.mark.parametrize("use_weights", [False, True])
PLANE, V = np.array([[1.1, -0.3], [0.4, 0.9]]), np.array([1.0, -0.7])


def some_rows(use_weights=False, n=90, k=3, seed=0, dtype=np.float64):
    rng = np.random.RandomState(seed)
    u, y = rng.standard_normal((n, k)), rng.standard_normal((n, 1))
    weight = rng.uniform(0.3, 2, n) if use_weights else None
    return ArrayRows(u.astype(dtype), (y + u[:, :1] ** 3).astype(dtype), weight)


def noise_rows(n, k, seed):
    rng = np.random.RandomState(seed)
    return ArrayRows(rng.standard_normal((n, k)), rng.standard_normal((n, 1)))


def planted_stack(U, rng):
    """Three blocks whose ranges lie in span{u_i u_i^T}, far above noise of unit variance."""
    vectors = symmetric_pairs(U.T)
    k = U.shape[1]
    weights = [rng.standard_normal(k) * 1e3 for _ in range(3)]
    return [
        (vectors.T * weights[0]) @ vectors,
        (vectors.T * weights[1]) @ U.T,
        (vectors.T @ weights[2])[:, None],
    ]


# Quadratic fits


@weights_or_none
def test_quadratic_fit_is_least_squares(use_weights, small_blocks):
    rows = some_rows(use_weights)
    u = rows.X
    offset, slope, A = quadratic_fit(rows, rtol=1e-12, max_iter=500)
    i, j = np.triu_indices(3)
    features = np.column_stack([np.ones(len(u)), u, u[:, i] * u[:, j]])
    expected = least_squares(features, rows.y, rows.weight)[:, 0]
    found = np.concatenate([[offset], slope, A[i, j] * np.where(i == j, 1, 2)])
    assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    assert_allclose(A, A.T, atol=1e-14)
    assert_allclose(quadratic(u, offset, slope, A), features @ expected, rtol=1e-6, atol=1e-6)


def test_quadratic_fit_stops_where_it_is_good_enough():
    """White rows: the default tolerance leaves a share of the targets that no moment sees."""
    rows = some_rows(n=2000)
    rough, fine = (
        quadratic(rows.X, *fit) for fit in (quadratic_fit(rows), quadratic_fit(rows, rtol=1e-12))
    )
    assert np.std(rough - fine) < 2e-3 * rows.y.std()


def test_quadratic_fit_of_constant_rows_is_finite():
    rows = ArrayRows(np.ones((20, 2)), np.arange(20.0)[:, None])
    fit = quadratic_fit(rows)
    assert_allclose(quadratic(rows.X, *fit), 9.5, rtol=1e-5)


def test_pairs_of_a_matrix_keep_inner_products():
    rng = np.random.RandomState(0)
    A, B = rng.standard_normal((2, 4, 4))
    A, B = A + A.T, B + B.T
    assert symmetric_pairs_of(A) @ symmetric_pairs_of(B) == pytest.approx(np.vdot(A, B), rel=1e-12)
    assert_allclose(symmetric_matrices(symmetric_pairs_of(A)[None], 4)[0], A, rtol=1e-14)
    u = rng.standard_normal((3, 4))
    assert_allclose([symmetric_pairs_of(np.outer(row, row)) for row in u], symmetric_pairs(u))


# Moments in units of their noise


@weights_or_none
def test_stack_by_its_formula(use_weights, small_blocks):
    """On rows that are not white either: sums of r Q Q^T, r Q u^T, and the quadratic coefficients."""
    rows = some_rows(use_weights, n=2000, k=2)
    stack, sd = noise_stack(rows)
    u, n, k, K = rows.X, rows.weight_sum, 2, 3
    w = np.ones(len(u)) if rows.weight is None else rows.weight[:, 0]
    offset, slope, A = quadratic_fit(rows)
    r = rows.y[:, 0] - offset - u @ slope - ((u @ A) * u).sum(axis=1)
    assert sd == pytest.approx(np.sqrt((w * r**2).sum() / (n - 1 - k - K)), rel=1e-10)
    Q = symmetric_pairs(u)
    moments = [(Q.T * (w * r)) @ Q / n, (Q.T * (w * r)) @ u / n, 2 * symmetric_pairs_of(A)[:, None]]
    # He_j has j! C(k + j - 1, j) for its mean square, in K K, K k and K entries.
    noise = [24 * comb(k + 3, 4) / K**2, 6 * comb(k + 2, 3) / (K * k), 2.0]
    for block, moment, square in zip(stack, moments, noise, strict=True):
        assert_allclose(block, moment * np.sqrt(n / square) / sd, rtol=1e-8, atol=1e-8)


def test_noise_has_variance_one_and_its_own_standard_deviation():
    """40 draws, n = 4000, k = 4: variances of 4000, 1600 and 400 entries, within 5 standard errors.

    Entries that a symmetric tensor repeats are one: C(7, 4) = 35, C(6, 3) = 20 and 10 in a draw.
    """
    squares, sds = [], []
    for seed in range(40):
        rows = noise_rows(4000, 4, seed)
        stack, sd = noise_stack(rows.with_targets(0.3 * rows.y))
        squares.append([np.mean(block**2) for block in stack])
        sds.append(sd)
    for variance, n_free in zip(np.mean(squares, axis=0), (35, 20, 10), strict=True):
        assert abs(variance - 1) < 5 * np.sqrt(2 / (40 * n_free))
    assert np.mean(sds) == pytest.approx(0.3, abs=5 * 0.3 / np.sqrt(2 * 4000 * 40))


def test_edge_of_the_noise():
    """20 draws, n = 4000, k = 6: the largest singular value is the edge within a third."""
    largest = [singular_values(noise_stack(noise_rows(4000, 6, seed))[0])[0] for seed in range(20)]
    assert 0.75 < np.mean(largest) / null_edge(6, 1) < 1.33


def test_weights_equal_repeats():
    rows = some_rows(n=300)
    times = np.random.RandomState(1).randint(1, 4, rows.n_rows)
    alike = ArrayRows(rows.X, rows.y, times.astype(float))
    repeated = rows.take(np.repeat(np.arange(rows.n_rows), times))
    (one, sd), (other, expected) = noise_stack(alike), noise_stack(repeated)
    assert sd == pytest.approx(expected, rel=1e-9)
    for a, b in zip(one, other, strict=True):
        assert_allclose(a, b, atol=1e-8)


def test_single_precision():
    found, expected = (noise_stack(some_rows(n=300, dtype=dtype)) for dtype in (np.float32, np.float64))
    assert found[1] == pytest.approx(expected[1], rel=1e-5)
    for a, b in zip(found[0], expected[0], strict=True):
        assert a.dtype == np.float64
        assert_allclose(a, b, atol=1e-3 * np.abs(b).max())


def test_exact_targets_leave_no_noise_to_divide_by():
    rows = some_rows()
    stack, sd = noise_stack(rows.with_targets(np.zeros((90, 1))))
    assert 0 < sd < 1e-12
    assert all(np.isfinite(block).all() for block in stack)


@pytest.mark.parametrize("activation", [ReLU(), SquaredReLU(), GELU(), Tanh()], ids=repr)
def test_stack_of_a_network_in_expectation(activation):
    """sum_i v_i m_j(|w_i|) wbar_i^(x)j for j = 4, 3, 2, by quadrature."""
    u, weight = exact_gaussian_rows(PLANE, 2)
    rows = ArrayRows(u, (activation.value(u @ PLANE) @ V)[:, None], weight)
    stack, sd = noise_stack(rows)
    size = np.linalg.norm(PLANE, axis=0)
    units = PLANE / size
    pairs = symmetric_pairs(units.T)
    noise = [24 * comb(5, 4) / 9, 6 * comb(4, 3) / 6, 2.0]
    for order, right, block, square in zip(
        (4, 3, 2), (pairs, units.T, np.ones((2, 1))), stack, noise, strict=True
    ):
        v = V * activation.hermite_coefficient(order, size)
        # One row in weight: an error is that of one row.
        assert_allclose(block * sd * np.sqrt(square), (pairs.T * v) @ right, atol=2e-4)


# Slices


def test_slices_are_diagonal_between_the_planted_units():
    """U^-1 S U^-T for units that are not orthogonal, and all of the stack's square."""
    rng = np.random.RandomState(0)
    U = rng.standard_normal((4, 4)) / 2
    stack = planted_stack(U, rng)
    slices = leading_slices(stack, 4, 4)
    inverse = np.linalg.inv(U)
    cores = inverse @ slices @ inverse.T
    off = cores - cores * np.eye(4)
    assert np.abs(off).max() < 1e-8 * np.abs(cores).max()
    assert (slices**2).sum() == pytest.approx(sum((block**2).sum() for block in stack), rel=1e-3)
    # Fewer slices are the leading ones.
    assert_allclose(leading_slices(stack, 4, 2), slices[2:], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("activation", [ReLU(), Tanh()], ids=repr)
def test_slices_of_rows_are_nearly_diagonal_between_the_planted_units(activation):
    """n = 40 000, k = 4; relu has even moments, tanh odd ones."""
    network, rng = separated_network(4, 4), np.random.RandomState(0)
    slices = leading_slices(noise_stack(gaussian_problem(network, 40_000, activation).rows)[0], 4, 4)
    shares = []
    for inverse in (np.linalg.inv(network.W), rng.standard_normal((4, 4))):
        cores = inverse @ slices @ inverse.T
        shares.append(np.sum((cores - cores * np.eye(4)) ** 2) / np.sum(cores**2))
    assert shares[0] < 0.05
    assert shares[1] > 0.3


def test_blocks_without_signal_drop_out():
    """Below the square of noise a block counts for nothing; far above by nearly all."""
    rng = np.random.RandomState(0)
    stack = planted_stack(rng.standard_normal((3, 3)), rng)
    quiet = [stack[0], 0.9 * np.ones_like(stack[1]), stack[2]]
    silent = [stack[0], np.zeros_like(stack[1]), stack[2]]
    assert_allclose(leading_slices(quiet, 3, 3), leading_slices(silent, 3, 3), rtol=1e-12)
    # A block of twice the square of noise counts by half its square.
    half = [stack[0], np.sqrt(2) * np.ones_like(stack[1]), stack[2]]
    squares = [(leading_slices(blocks, 3, 6) ** 2).sum() for blocks in (half, silent)]
    assert squares[0] - squares[1] == pytest.approx(stack[1].size, rel=1e-6)
    # Where there is nothing but noise all of it counts.
    noise = [np.full_like(block, 0.5) for block in stack]
    assert (leading_slices(noise, 3, 6) ** 2).sum() == pytest.approx(sum(b.size for b in stack) / 4)


def test_singular_values_are_those_of_the_blocks_side_by_side():
    rng = np.random.RandomState(0)
    stack = [rng.standard_normal((6, j)) for j in (6, 3, 1)]
    expected = np.linalg.svd(np.concatenate(stack, axis=1), compute_uv=False)
    assert_allclose(singular_values(stack), expected, rtol=1e-10)
    assert_allclose(singular_values([np.ones((3, 1)), np.zeros((3, 3))]), [np.sqrt(3), 0, 0], atol=1e-7)
