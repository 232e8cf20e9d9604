"""The span of the units: affine fits and moments by dense formulas, spans against planted ones."""

import numpy as np
import pytest
from _planted import (
    exact_gaussian_rows,
    gaussian_problem,
    least_squares,
    random_network,
    separated_network,
    without_intercepts,
)
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import subspace_angles

from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.rules import DATA
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._tensor.span import (
    AffineFit,
    cubic_span,
    leading,
    quadratic_span,
    rows_in_span,
    second_moment,
    unit_span,
)
from sklearn_onenn.activations import GELU, ReLU, SquaredReLU, Tanh

weights_or_none = pytest.mark.parametrize("use_weights", [False, True])
# Units of a network on the plane, for rows whose weighted sums are Gaussian expectations.
PLANE, V = np.array([[1.1, -0.3], [0.4, 0.9]]), np.array([1.0, -0.7])


def uneven_rows(use_weights, n=50, d=4, dtype=np.float64):
    """Rows that are neither Gaussian nor white, with one target."""
    rng = np.random.RandomState(0)
    X = rng.exponential(size=(n, d)) * np.geomspace(0.1, 10, d) + 3
    weight = rng.uniform(0.1, 3, n).astype(dtype) if use_weights else None
    y = rng.standard_normal((n, 1)) + X[:, :1] ** 2
    return ArrayRows(X.astype(dtype), y.astype(dtype), weight)


def exact_rows(activation, d=4):
    """Rows whose weighted sums are Gaussian expectations, turned out of the axes; W (d, 2)."""
    X, weight = exact_gaussian_rows(PLANE, d)
    turn = np.linalg.qr(np.random.RandomState(0).standard_normal((d, d)))[0]
    y = activation.value(X[:, :2] @ PLANE) @ V
    return ArrayRows(X @ turn.T, y[:, None], weight), turn[:, :2] @ PLANE


def affine_residuals(problem):
    affine = AffineFit(problem.rows, problem.coordinates)
    return affine, *affine(problem.rows.y)


def angle(A, B):
    """Largest angle between the spans of the columns."""
    return subspace_angles(A, B).max()


# Affine fits


@weights_or_none
@pytest.mark.parametrize("coordinates", [whitening, lambda rows: identity_coordinates(4)])
def test_affine_fit_is_least_squares(use_weights, coordinates, small_blocks):
    rows = uneven_rows(use_weights)
    coordinates = coordinates(rows)
    affine = AffineFit(rows, coordinates)
    z = coordinates.whiten(rows.X)
    features = np.column_stack([np.ones(len(z)), z])
    for y in (rows.y, rows.y**2, rows.X[:, :2]):
        slopes, residuals = affine(y)
        expected = least_squares(features, y, rows.weight)
        assert_allclose(slopes, expected[1:], rtol=1e-6, atol=1e-8 * np.abs(y).max())
        assert_allclose(residuals, y - features @ expected, atol=1e-8 * np.abs(y).max())


@weights_or_none
def test_weights_equal_repeats(use_weights):
    rows = uneven_rows(False)
    times = np.random.RandomState(1).randint(1, 4, rows.n_rows)
    alike = ArrayRows(rows.X, rows.y, times.astype(float))
    repeated = rows.take(np.repeat(np.arange(rows.n_rows), times))
    (one, r), (other, R) = (AffineFit(each, whitening(each))(each.y) for each in (alike, repeated))
    assert_allclose(np.linalg.norm(one), np.linalg.norm(other), rtol=1e-9)
    assert_allclose(np.repeat(r, times, axis=0), R, atol=1e-8)


def test_affine_fit_with_columns_that_say_nothing():
    """Constant and repeated columns: the residual is that of the others."""
    rows = uneven_rows(False)
    X = np.column_stack([rows.X, np.full(rows.n_rows, 5.0), rows.X[:, 0]])
    slopes, residuals = AffineFit(ArrayRows(X, rows.y), identity_coordinates(6))(rows.y)
    assert np.isfinite(slopes).all()
    assert_allclose(residuals, AffineFit(rows, identity_coordinates(4))(rows.y)[1], atol=1e-5)


def test_affine_fit_in_single_precision():
    single, double = uneven_rows(True, dtype=np.float32), uneven_rows(True)
    (_, found), (_, expected) = (AffineFit(rows, whitening(rows))(rows.y) for rows in (single, double))
    assert found.dtype == np.float32
    assert_allclose(found, expected, atol=1e-4 * np.abs(double.y).max())


# Second moment


@weights_or_none
def test_second_moment_by_its_formula(use_weights, small_blocks):
    rows = uneven_rows(use_weights)
    coordinates = whitening(rows)
    affine = AffineFit(rows, coordinates)
    M2, significance = second_moment(affine, rows.y)
    z, y = coordinates.whiten(rows.X), rows.y[:, 0]
    w = np.ones(len(z)) if rows.weight is None else rows.weight[:, 0]
    tensors = y[:, None, None] * (z[:, :, None] * z[:, None, :] - np.eye(4))
    assert_allclose(M2, np.average(tensors, axis=0, weights=w), rtol=1e-10, atol=1e-12)
    noise = np.average((tensors**2).sum(axis=(1, 2)), weights=w) / w.sum()
    assert significance == pytest.approx(((M2**2).sum() / noise - 1) * np.sqrt(20) / 2, rel=1e-9)


@pytest.mark.parametrize("activation", [ReLU(), SquaredReLU(), GELU()], ids=repr)
def test_second_moment_of_a_network_in_expectation(activation):
    """sum_i v_i m_2(|w_i|) wbar_i wbar_i^T, by quadrature; the affine fit takes nothing of it."""
    rows, W = exact_rows(activation)
    affine = AffineFit(rows, identity_coordinates(4))
    size = np.linalg.norm(W, axis=0)
    expected = (W / size * V * activation.hermite_coefficient(2, size)) @ (W / size).T
    for targets in (rows.y, affine(rows.y)[1]):
        assert_allclose(second_moment(affine, targets)[0], expected, atol=1e-9)


def test_significance_of_noise_is_standard_and_that_of_a_signal_grows_with_the_rows():
    """60 draws, n = 1000, r = 8: mean 0 with standard error 0.13, variance 1 with 0.2."""
    rng = np.random.RandomState(0)
    found = []
    for _ in range(60):
        rows = ArrayRows(rng.standard_normal((1000, 8)), rng.standard_normal((1000, 1)))
        affine = AffineFit(rows, identity_coordinates(8))
        found.append(second_moment(affine, affine(rows.y)[1])[1])
    assert abs(np.mean(found)) < 0.5
    assert 0.4 < np.var(found) < 1.8
    assert max(found) < DATA.significant
    few, many = (
        second_moment(*affine_residuals(gaussian_problem(random_network(8, 3), n, ReLU()))[::2])[1]
        for n in (1000, 4000)
    )
    assert DATA.significant < few < many / 2 < 4 * few


# Spans


@pytest.mark.parametrize(
    ("activation", "bound"),
    [(ReLU(), 0.05), (SquaredReLU(), 0.07), (GELU(), 0.05), (Tanh(), 0.17)],
    ids=["relu", "squared_relu", "gelu", "tanh"],
)
def test_span_error_falls_with_the_root_of_the_number_of_rows(activation, bound):
    """d = 12, k = 3, 7 networks: median angle at 4000 rows below the bound, half at 4 times that."""
    found = []
    for n in (4000, 16_000):
        angles = []
        for seed in range(7):
            network = separated_network(12, 3, size=2, seed=seed)
            problem = gaussian_problem(network, n, activation, seed=seed)
            affine, slopes, targets = affine_residuals(problem)
            U = unit_span(affine, targets, slopes, 3, np.random.RandomState(seed))
            assert_allclose(U.T @ U, np.eye(3), atol=1e-10)
            angles.append(angle(U, network.W))
        found.append(np.median(angles))
    assert found[0] < bound
    assert 0.35 < found[1] / found[0] < 0.7


@pytest.mark.parametrize("activation", [ReLU(), SquaredReLU(), GELU()], ids=repr)
def test_quadratic_span_is_exact_in_expectation(activation):
    rows, W = exact_rows(activation)
    affine = AffineFit(rows, identity_coordinates(4))
    targets = affine(rows.y)[1]
    U = quadratic_span(affine, targets, second_moment(affine, targets)[0], 2)
    assert angle(U, W) < 1e-7


def test_cubic_span_is_exact_in_expectation():
    rows, W = exact_rows(Tanh())
    affine = AffineFit(rows, identity_coordinates(4))
    slopes, targets = affine(rows.y)
    assert second_moment(affine, targets)[1] < 0
    U = cubic_span(affine, targets, slopes[:, 0], 2, np.random.RandomState(0))
    assert angle(U, W) < 1e-7
    # The first moment lies in it, whatever the targets say.
    U = cubic_span(affine, targets**3, np.arange(4.0), 2, np.random.RandomState(0))
    assert angle(U, np.arange(4.0)[:, None]) < 1e-7


@weights_or_none
def test_quadratic_span_of_a_quadratic_form_is_exact(use_weights):
    """Few rows, whose second moment alone is far off: the regression is exact without noise."""
    rng = np.random.RandomState(0)
    X, W = rng.standard_normal((400, 12)), rng.standard_normal((12, 3))
    weight = rng.uniform(0.5, 2, 400) if use_weights else None
    y = ((X @ W) ** 2 @ [1.0, -1.0, 2.0] + X[:, 0] - 3)[:, None]
    rows = ArrayRows(X, y, weight)
    affine = AffineFit(rows, whitening(rows))
    targets = affine(y)[1]
    M2 = second_moment(affine, targets)[0]
    planted = affine.coordinates.inverse @ W
    U = quadratic_span(affine, targets, M2, 3)
    assert angle(U, planted) < 2e-3
    assert angle(leading(M2, 3)[1], planted) > 0.3


def test_quadratic_span_beats_the_eigenvectors_of_the_second_moment():
    """Ten networks at ten rows to a weight: median angle."""
    ours, theirs = [], []
    for seed in range(10):
        network = separated_network(20, 4, size=1, seed=seed)
        affine, _, targets = affine_residuals(gaussian_problem(network, 800, SquaredReLU(), seed=seed))
        M2 = second_moment(affine, targets)[0]
        ours.append(angle(quadratic_span(affine, targets, M2, 4), network.W))
        theirs.append(angle(leading(M2, 4)[1], network.W))
    assert np.median(ours) < 0.6 * np.median(theirs)


@pytest.mark.parametrize("activation", [ReLU(), Tanh()], ids=repr)
def test_span_turns_with_the_rows(activation):
    """The regression has no preferred axes; the random slices of the other are refined away."""
    network = without_intercepts(random_network(8, 2))
    problem = gaussian_problem(network, 20_000, activation)
    turn = np.linalg.qr(np.random.RandomState(3).standard_normal((8, 8)))[0]
    spans = []
    for rotation in (np.eye(8), turn):
        rows = ArrayRows(problem.rows.X @ rotation.T, problem.rows.y)
        affine = AffineFit(rows, identity_coordinates(8))
        slopes, targets = affine(rows.y)
        spans.append(unit_span(affine, targets, slopes, 2, np.random.RandomState(0)))
    error = angle(spans[0], network.W)
    assert angle(spans[1], turn @ spans[0]) < (1e-7 if activation == ReLU() else 1e-3 * error)
    assert angle(spans[1], spans[0]) > 0.1


def test_the_second_moment_decides(monkeypatch):
    """Odd units have none without biases, and one with biases: the third order serves the former."""
    odd = without_intercepts(random_network(6, 2))
    for network, order in [(odd, 3), (odd._replace(b=np.ones(2)), 2)]:
        affine, slopes, targets = affine_residuals(gaussian_problem(network, 20_000, Tanh()))
        M2, significance = second_moment(affine, targets)
        assert (significance > DATA.significant) == (order == 2)
        found = unit_span(affine, targets, slopes, 2, np.random.RandomState(0))
        if order == 2:
            expected = quadratic_span(affine, targets, M2, 2)
        else:
            expected = cubic_span(affine, targets, slopes[:, 0], 2, np.random.RandomState(0))
        assert angle(found, expected) < 1e-7
        assert angle(found, network.W) < 0.2


def test_leading_eigenvectors_are_those_of_largest_absolute_value():
    Q = np.linalg.qr(np.random.RandomState(0).standard_normal((4, 4)))[0]
    values, vectors = leading((Q * [1.0, -3.0, 0.5, 2.0]) @ Q.T, 2)
    assert_allclose(values, [-3, 2], rtol=1e-12)
    assert_allclose(np.abs(vectors.T @ Q), [[0, 1, 0, 0], [0, 0, 0, 1]], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_in_span(dtype):
    """u = V^T z; the targets lose the linear signal across V, and nothing along it."""
    rng = np.random.RandomState(0)
    X = rng.exponential(size=(50, 5)) * np.geomspace(0.1, 10, 5)
    rows = ArrayRows(X.astype(dtype), rng.standard_normal((50, 1)).astype(dtype), rng.uniform(1, 2, 50))
    coordinates = whitening(rows)
    V, slopes = np.linalg.qr(rng.standard_normal((5, 2)))[0], rng.standard_normal(5)
    found = rows_in_span(rows, coordinates, V, slopes)
    z = coordinates.whiten(rows.X.astype(float))
    tolerance = 1e-10 if dtype == np.float64 else 1e-4
    assert (found.X.dtype, found.y.dtype) == (dtype, dtype)
    assert found.X.flags.c_contiguous
    assert_allclose(found.X, z @ V, atol=tolerance)
    across = slopes - V @ V.T @ slopes
    assert_allclose(found.y, rows.y - (z @ across)[:, None], atol=tolerance)
    assert_array_equal(found.weight, rows.weight)


def test_linear_signal_across_the_span_is_taken_out():
    """Of the slopes of the targets those along V are left, to rounding."""
    rng = np.random.RandomState(1)
    rows = gaussian_problem(random_network(6, 2), 200, ReLU()).rows
    V = np.linalg.qr(rng.standard_normal((6, 2)))[0]
    features = np.column_stack([rows.X, np.ones(200)])
    slopes = least_squares(features, rows.y)[:6, 0]
    found = rows_in_span(rows, identity_coordinates(6), V, slopes)
    left = least_squares(features, found.y)[:6, 0]
    assert_allclose(left, V @ V.T @ slopes, atol=1e-12)
    assert np.linalg.norm(left - slopes) > 0.1
