"""Algorithm 1 with raw moments: exact on exact expectations, and with error ~ 1 / sqrt(n) on rows."""

import numpy as np
import pytest
from _planted import INSTANCES, USABLE, exact_gaussian_rows
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import eigh, subspace_angles

from sklearn_onenn import tensor_initialization
from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._tensor import raw_moments as raw_moments_module
from sklearn_onenn._tensor.raw_moments import (
    check_activation,
    lowest_order,
    magnitudes,
    magnitudes_and_signs,
    moment_span,
    orthogonal_iteration,
    projected_tensor,
    raw_moment_start,
)
from sklearn_onenn.activations import Identity, ReLU, SquaredReLU, Tanh
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import recovery_error


class Minus(ReLU):
    """-max(z, 0): its moments have the other sign."""

    def value(self, z):
        return -super().value(z)

    def derivative(self, z):
        return -super().derivative(z)

    def hermite_coefficient(self, order, sigma=1.0, bias=0.0):
        return -super().hermite_coefficient(order, sigma, bias)


usable = pytest.mark.parametrize("activation", [*USABLE, Minus()], ids=repr)
# Two units that are neither orthogonal nor of one length, |w| below the peak of gelu's ratio.
PLANE = np.array([[1.1, -0.3], [0.4, 0.9]])


def exact_rows(activation, v, d=4):
    """Rows whose weighted sums are Gaussian expectations, turned out of the axes; W (d, 2)."""
    X, weight = exact_gaussian_rows(PLANE, d)
    turn = np.linalg.qr(np.random.RandomState(0).standard_normal((d, d)))[0]
    y = activation.value(X[:, :2] @ PLANE) @ v
    return ArrayRows(X @ turn.T, y[:, None], weight), turn[:, :2] @ PLANE


def signs_of(activation):
    """Output weights that the activation lets one tell: those of odd units are positive."""
    return np.array([1.0, 1.0]) if activation.symmetry != "none" else np.array([1.0, -1.0])


# Exact expectations


@usable
def test_every_step_is_exact_on_expectations(activation):
    v = signs_of(activation)
    rows, W = exact_rows(activation, v)
    assert rows.weight_sum == pytest.approx(1, rel=1e-12)
    coordinates, random_state = identity_coordinates(4), np.random.RandomState(1)
    V = moment_span(rows, coordinates, 2, activation, random_state)
    assert_allclose(V.T @ V, np.eye(2), atol=1e-12)
    assert subspace_angles(V, W).max() < 1e-6
    R3 = projected_tensor(rows, coordinates, V, activation, random_state)
    assert R3.shape == (2, 2, 2)
    units = V.T @ W / np.linalg.norm(W, axis=0)
    # R3 = sum lambda_i u_i (x) u_i (x) u_i, in whatever direction a of the fourth moment.
    cubes = np.einsum("in,jn,kn->ijkn", units, units, units).reshape(8, 2)
    weights, misfit, *_ = np.linalg.lstsq(cubes, R3.ravel(), rcond=None)
    assert misfit < 1e-16
    assert np.abs(weights).min() > 1e-3
    found = magnitudes_and_signs(rows, coordinates, V, units, activation, random_state)
    # The grid of the ratio of moments has steps of 2 %; linear interpolation errs by 1e-4.
    tolerance = 1e-7 if activation.degree is not None else 1e-3
    assert_allclose(found.W, W, rtol=0, atol=tolerance)
    assert_array_equal(found.V[:, 0], v)
    assert_array_equal(found.b, 0)


@usable
@pytest.mark.parametrize("seed", range(3))
def test_start_is_the_truth_on_expectations(activation, seed):
    v = signs_of(activation)
    rows, W = exact_rows(activation, v)
    start = raw_moment_start(
        rows, identity_coordinates(4), 2, activation,
        split=False, random_state=np.random.RandomState(seed),
    )  # fmt: skip
    tolerance = 1e-6 if activation.degree is not None else 1e-3
    assert recovery_error(start.W, start.V, W, v, activation=activation) < tolerance


# Rows


@pytest.mark.parametrize(
    ("activation", "d", "k", "n"), [("squared_relu", 6, 3, 4_000), ("tanh", 4, 2, 5_000)]
)
def test_error_falls_with_the_root_of_the_number_of_rows(activation, d, k, n):
    """16 times the rows, a quarter of the error: medians of 15 seeds."""
    errors = {n: [], 16 * n: []}
    for seed in range(15):
        for n_rows, found in errors.items():
            X, y, teacher = make_one_hidden_layer(
                n_rows, d, k, activation=activation, kappa=1.5, random_state=seed
            )
            W, _, v = tensor_initialization(
                X, y, k, activation=activation, moments="raw", random_state=seed
            )
            found.append(recovery_error(W, v, *teacher.coefs_, activation=activation))
    few, many = map(np.median, errors.values())
    assert many < 0.15
    assert 2.5 < few / many < 6.5


def test_span_by_products_is_that_by_eigenvectors(monkeypatch):
    """Beyond DENSE_FEATURES P_2 is applied through the rows: second- and third-order moments."""
    for activation in (SquaredReLU(), Tanh()):
        X, y, _ = make_one_hidden_layer(20_000, 12, 2, activation=activation, random_state=0)
        rows, coordinates = ArrayRows(X, y[:, None]), identity_coordinates(12)
        spans = []
        for dense in (1000, 0):
            monkeypatch.setattr(raw_moments_module, "DENSE_FEATURES", dense)
            random_state = np.random.RandomState(3)
            spans.append(moment_span(rows, coordinates, 2, activation, random_state))
        assert subspace_angles(*spans).max() < 1e-4


@pytest.mark.parametrize(
    "eigenvalues",
    [
        [5, -4.5, 4, -3.5, *np.linspace(-0.8, 0.8, 26)],
        [3, -3, 3, -3, *np.linspace(-1, 1, 26)],
        [-5, -4, -3, -2, 0, 0],
        [1e-9, -1e-9, 2e-9, -2e-9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ],
    ids=["both signs", "opposite pairs", "negative", "tiny"],
)
def test_orthogonal_iteration_finds_the_leading_eigenvectors_by_absolute_value(eigenvalues):
    r, k = len(eigenvalues), 4
    random_state = np.random.RandomState(0)
    Q = np.linalg.qr(random_state.standard_normal((r, r)))[0]
    A = (Q * eigenvalues) @ Q.T
    V = orthogonal_iteration(lambda V: A @ V, r, k, random_state)
    values, vectors = eigh(A)
    leading = vectors[:, np.argsort(-np.abs(values))[:k]]
    assert_allclose(V.T @ V, np.eye(k), atol=1e-12)
    assert subspace_angles(V, leading).max() < 1e-6


# Sample splitting


@pytest.mark.parametrize("n", [3000, 3001, 3002])
def test_split_gives_each_step_a_third_of_its_own(monkeypatch, n):
    X, y, _ = make_one_hidden_layer(n, 4, 2, activation="squared_relu", random_state=0)
    seen = {}
    for name in ("moment_span", "projected_tensor", "magnitudes_and_signs"):
        step = getattr(raw_moments_module, name)

        def recorded(rows, *arguments, step=step, name=name):
            seen[name] = rows.X[:, 0]
            return step(rows, *arguments)

        monkeypatch.setattr(raw_moments_module, name, recorded)
    options = {"activation": "squared_relu", "moments": "raw", "random_state": 0}
    tensor_initialization(X, y, 2, split=True, **options)
    thirds = list(seen.values())
    assert len(thirds) == 3
    assert {len(third) for third in thirds} <= {n // 3, n // 3 + 1}
    assert_array_equal(np.sort(np.concatenate(thirds)), np.sort(X[:, 0]))  # each row once
    # At random: a third does not take the rows as they lie.
    assert not np.isin(thirds[0], X[: n // 2, 0]).all()
    tensor_initialization(X, y, 2, split=False, **options)
    for third in seen.values():
        assert_array_equal(third, X[:, 0])


# Orders and magnitudes


@pytest.mark.parametrize(
    ("name", "orders"),
    [
        ("relu", (2, 4, 1, 2)),
        ("leaky_relu", (2, 4, 1, 2)),
        ("squared_relu", (2, 3, 1, 2)),
        ("tanh", (3, 3, 1, 3)),
        ("erf", (3, 3, 1, 3)),
        ("sigmoid", (3, 3, 1, 3)),
        ("gelu", (2, 4, 1, 2)),
        ("softplus", (2, 4, 1, 2)),
    ],
)
def test_lowest_usable_orders(name, orders):
    """j2, j3, l1 and l2 of the table of moments."""
    (activation,) = (one for one in INSTANCES if one.name == name)
    candidates = [(2, 3), (3, 4), (1, 3), (2, 4, 3)]
    assert tuple(lowest_order(activation, c) for c in candidates) == orders


def test_no_usable_order():
    with pytest.raises(ValueError, match=r"order 2 or 3.*order 3 or 4.*Identity\(\).*init='random'"):
        lowest_order(Identity(), (2, 3, 4))


@usable
def test_magnitudes_invert_the_moments(activation):
    """Up to |w| = 1.3, where gelu's ratio still grows."""
    size = np.array([0.2, 0.5, 1.0, 1.3])
    first, second = lowest_order(activation, (1, 3)), lowest_order(activation, (2, 4, 3))
    z, r = (np.abs(activation.hermite_coefficient(order, size)) for order in (first, second))
    assert_allclose(magnitudes(z, r, first, second, activation), size, rtol=2e-3)


# Activations that cannot


@pytest.mark.parametrize("name", ["identity", "square"])
@pytest.mark.parametrize("moments", ["raw", "residual"])
def test_identity_and_square_are_refused_by_name(name, moments):
    X, y, _ = make_one_hidden_layer(50, 4, 2, activation=name, random_state=0)
    with pytest.raises(ValueError, match=rf"(?i)'tensor'.*{name}\(\).*rho.*init='random'"):
        tensor_initialization(X, y, 2, activation=name, moments=moments)


def test_vanishing_moments_are_refused_by_name():
    """An odd unit that has lost its third moment."""

    class Odd(Tanh):
        def hermite_coefficient(self, order, sigma=1.0, bias=0.0):
            coefficient = super().hermite_coefficient(order, sigma, bias)
            return coefficient if order == 1 else 0 * coefficient

    with pytest.raises(ValueError, match=r"order 2 or 3.*order 3 or 4.*Odd\(\).*init='random'"):
        check_activation(Odd())


@usable
def test_others_are_not_refused(activation):
    check_activation(activation)


def test_the_usable_are_all_but_two():
    assert {one.name for one in INSTANCES} - {one.name for one in USABLE} == {"identity", "square"}
