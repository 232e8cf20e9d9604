"""Hermite moments: explicit tensors, product forms, and the identity that the method rests on."""

import itertools

import numpy as np
import pytest
from _planted import INSTANCES, exact_gaussian_rows
from numpy.testing import assert_allclose

from sklearn_onenn._tensor import hermite as hermite_module

ORDERS = (1, 2, 3, 4)


def explicit(order, x):
    """He_order of one row x (d,), by its definition: all ways to share out the indices."""
    eye = np.eye(len(x))
    power = x
    for _ in range(order - 1):
        power = np.multiply.outer(power, x)
    if order == 1:
        return power
    if order == 2:
        return power - eye
    if order == 3:
        return power - sum(
            np.einsum(subscripts, eye, x) for subscripts in ("ij,k->ijk", "ik,j->ijk", "jk,i->ijk")
        )
    shares = ["ij,k,l", "ik,j,l", "il,j,k", "jk,i,l", "jl,i,k", "kl,i,j"]
    pairs = ["ij,kl", "ik,jl", "il,jk"]
    power = power - sum(np.einsum(f"{share}->ijkl", eye, x, x) for share in shares)
    return power + sum(np.einsum(f"{pair}->ijkl", eye, eye) for pair in pairs)


def rows(n=20, d=3, seed=0):
    rng = np.random.RandomState(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n), rng.standard_normal(d)


def explicit_sum(order, z, r):
    return sum(weight * explicit(order, x) for x, weight in zip(z, r, strict=True))


# Sums over rows


def test_moments_are_sums_of_explicit_tensors():
    z, r, a = rows()
    two, three, four = (explicit_sum(order, z, r) for order in (2, 3, 4))
    for found, expected in [
        (hermite_module.first_moment(z, r), explicit_sum(1, z, r)),
        (hermite_module.second_moment(z, r), two),
        (hermite_module.third_moment(z, r), three),
        (hermite_module.third_moment_slice(z, r, a), three @ a),
        (hermite_module.fourth_moment_slice(z, r, a), four @ a),
    ]:
        assert found.shape == expected.shape
        assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


def test_explicit_tensors_are_hermite_polynomials_along_a_unit_vector():
    """The check of the check: He_j(x)(a, .., a) = He_j(a . x), and traces shift the degree."""
    z, _, a = rows(4)
    a /= np.linalg.norm(a)
    for x, order in itertools.product(z, ORDERS):
        tensor = explicit(order, x)
        for axes in itertools.permutations(range(order)):
            assert_allclose(tensor, tensor.transpose(axes), rtol=1e-12, atol=1e-12)
        for _ in range(order):
            tensor = tensor @ a
        hermite = np.polynomial.hermite_e.HermiteE.basis(order)
        assert tensor == pytest.approx(hermite(a @ x), rel=1e-10, abs=1e-10)


def test_product_forms_are_the_matrices_times_v():
    z, r, a = rows(d=5)
    V = np.random.RandomState(1).standard_normal((5, 2))
    second, third = hermite_module.second_moment(z, r), hermite_module.third_moment_slice(z, r, a)
    assert_allclose(hermite_module.second_moment_product(z, r, V), second @ V, rtol=1e-12, atol=1e-12)
    assert_allclose(
        hermite_module.third_moment_slice_product(z, r, a, V), third @ V, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("order", [2, 3, 4])
def test_moments_of_projected_rows_are_contractions(order):
    """M_j(V, .., V) from the rows projected on orthonormal V, and the a of a slice in R^k."""
    z, r, _ = rows(d=4)
    V = np.linalg.qr(np.random.RandomState(1).standard_normal((4, 2)))[0]
    b = np.array([0.6, -1.1])
    tensor = explicit_sum(order, z, r)
    for axis in range(order):
        tensor = np.moveaxis(np.tensordot(tensor, V, axes=(axis, 0)), -1, axis)
    found = {
        2: lambda u: hermite_module.second_moment(u, r),
        3: lambda u: hermite_module.third_moment(u, r),
        4: lambda u: hermite_module.fourth_moment_slice(u, r, b),
    }[order](z @ V)
    assert_allclose(found, tensor @ b if order == 4 else tensor, rtol=1e-11, atol=1e-11)


def test_identity_times_and_symmetric_product():
    A, a = np.array([[2.0, 0.5], [0.5, -1.0]]), np.array([3.0, 7.0])
    product = hermite_module.symmetric_product(A, a)
    expected = [
        [[A[i, j] * a[m] + A[i, m] * a[j] + A[j, m] * a[i] for m in (0, 1)] for j in (0, 1)]
        for i in (0, 1)
    ]
    assert_allclose(product, expected, rtol=1e-14)
    assert_allclose(
        hermite_module.identity_times(a), hermite_module.symmetric_product(np.eye(2), a), rtol=1e-14
    )


# The identity M_j = sum_i v_i m_j(|w_i|) wbar_i^(x)j

W = np.array([[1.7, -0.3], [0.4, 1.2], [-0.2, 0.5]])
V = np.array([1.0, -0.7])
BIAS = np.array([0.6, -0.8])
DIRECTIONS = [
    W[:, 0] / np.linalg.norm(W[:, 0]),
    W[:, 1] / np.linalg.norm(W[:, 1]),
    np.array([1.0, -2.0, 2.0]) / 3,
]


def contracted(order, z, r, a):
    """Mean of r He_order(z)(a, .., a), from the functions of the package."""
    total = {
        1: lambda: hermite_module.first_moment(z, r) @ a,
        2: lambda: a @ hermite_module.second_moment(z, r) @ a,
        3: lambda: a @ hermite_module.third_moment_slice(z, r, a) @ a,
        4: lambda: hermite_module.fourth_moment_slice(z, r, a) @ a @ a @ a,
    }[order]()
    return total / len(z)


def predicted(activation, order, bias, a):
    """sum_i v_i m_j(|w_i|, b_i) (wbar_i . a)^j."""
    size = np.linalg.norm(W, axis=0)
    return V * activation.hermite_coefficient(order, size, bias) @ (a @ W / size) ** order


def blind(activation, order, bias):
    """Whether the cell cannot tell right from wrong: order = degree without bias, or m_j = 0."""
    if not bias.any() and order == activation.degree:
        return True
    coefficients = activation.hermite_coefficient(order, np.linalg.norm(W, axis=0), bias)
    return not np.abs(coefficients).max() > 1e-12


CELLS = [
    pytest.param(activation, order, bias, id=f"{activation.name}-{order}-{name}")
    for activation, order, (name, bias) in itertools.product(
        INSTANCES, ORDERS, {"no bias": np.zeros(2), "bias": BIAS}.items()
    )
    if not blind(activation, order, bias)
]


def test_cells_that_see():
    """What is blind: vanishing moments, and the order of the degree where there is no bias."""
    seen = {cell.id for cell in CELLS}
    assert {f"relu-{order}-no bias" for order in (2, 4)} <= seen
    assert {f"{name}-{order}-no bias" for name in ("tanh", "erf") for order in (1, 3)} <= seen
    assert {f"squared_relu-{order}-no bias" for order in (1, 3)} <= seen
    assert {f"gelu-{order}-{bias}" for order in ORDERS for bias in ("bias", "no bias")} - seen == {
        "gelu-3-no bias"
    }
    assert {cell for cell in seen if cell.startswith("identity")} == {"identity-1-bias"}
    assert {cell for cell in seen if cell.startswith("square-")} == {
        "square-1-bias",
        "square-2-bias",
    }


@pytest.fixture(scope="module")
def gaussian_rows():
    return np.random.RandomState(0).standard_normal((200_000, 3))


@pytest.mark.parametrize(("activation", "order", "bias"), CELLS)
def test_moment_identity_by_monte_carlo(gaussian_rows, activation, order, bias):
    """n = 200 000: within 4 standard errors in three directions, and far from zero in one."""
    X = gaussian_rows
    y = activation.value(X @ W + bias) @ V
    # A fit of lower degree changes no moment, and takes much of the noise.
    y -= y.mean()
    if order > 1:
        y -= X @ (X.T @ y) / len(X)
    hermite = np.polynomial.hermite_e.HermiteE.basis(order)
    signal = []
    for a in DIRECTIONS:
        error = np.std(y * hermite(X @ a)) / np.sqrt(len(X))
        expected = predicted(activation, order, bias, a)
        assert abs(contracted(order, X, y, a) - expected) < 4 * error
        signal.append(abs(expected) / error)
    assert max(signal) > 5


@pytest.mark.parametrize("activation", INSTANCES, ids=repr)
@pytest.mark.parametrize("order", ORDERS)
def test_moment_identity_by_quadrature(activation, order):
    """To rounding, as tensors, without biases."""
    plane = np.array([[1.1, -0.3], [0.4, 0.9]])
    X, weight = exact_gaussian_rows(plane, 3)
    y = activation.value(X[:, :2] @ plane) @ V
    r, a = weight * y, np.array([0.5, -1.0, 0.8])
    found = {
        1: lambda: hermite_module.first_moment(X, r),
        2: lambda: hermite_module.second_moment(X, r),
        3: lambda: hermite_module.third_moment(X, r),
        4: lambda: hermite_module.fourth_moment_slice(X, r, a),
    }[order]()
    size = np.linalg.norm(plane, axis=0)
    units = np.vstack([plane / size, [0, 0]])
    scale = V * activation.hermite_coefficient(order, size)
    if order == 4:
        scale = scale * (a @ units)
    letters = "ijk"[: min(order, 3)]
    subscripts = ",".join(f"{letter}n" for letter in letters)
    expected = np.einsum(f"n,{subscripts}->{letters}", scale, *[units] * len(letters))
    assert_allclose(found, expected, rtol=0, atol=1e-10)
