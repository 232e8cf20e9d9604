"""Joint diagonalization: planted components, invariances, optimality, a second method."""

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import least_squares, linear_sum_assignment
from sklearn.utils import check_random_state

from sklearn_onenn._tensor.joint_diagonalization import (
    tensor_components,
    wedge_components,
)


def unit_columns(rng, k, condition=None):
    """Invertible U (k, k) with unit columns: Gaussian, or of about the given condition number."""
    U = rng.standard_normal((k, k))
    if condition is not None:
        left, _, right = np.linalg.svd(U)
        U = left * np.linspace(1, condition, k) @ right
    return U / np.linalg.norm(U, axis=0)


def compose(U, weights):
    """Slices U diag(weights_l) U^T, (L, k, k)."""
    return np.einsum("pi,li,qi->lpq", U, weights, U)


def compose_tensor(U, weights):
    return np.einsum("i,pi,qi,ri->pqr", weights, U, U, U)


def add_noise(rng, array, level):
    """Slices (L, k, k), or a tensor (k, k, k), plus symmetric noise of that relative size."""
    noise = rng.standard_normal(array.shape)
    if len(array) == array.shape[1]:
        noise = sum(noise.transpose(order) for order in permutations(range(3)))
    else:
        noise = noise + noise.transpose(0, 2, 1)
    return array + level * np.linalg.norm(array) / np.linalg.norm(noise) * noise


def match(U, U_true):
    """Order and sines: column order[i] of U belongs to column i of U_true, whatever its sign."""
    cosines = U_true.T @ U
    _, order = linear_sum_assignment(-np.abs(cosines))
    return order, np.linalg.norm(U[:, order] - U_true * np.diag(cosines[:, order]), axis=0)


def worst_sine(U, U_true):
    return match(U, U_true)[1].max()


# Exact recovery


@pytest.mark.parametrize("condition", [1, 10, None])
@pytest.mark.parametrize(("k", "n_slices"), [(2, 2), (5, 3), (5, 40), (12, 12), (12, 36)])
def test_planted_components_are_recovered_without_noise(k, n_slices, condition):
    rng = np.random.default_rng([k, n_slices])
    U_true = unit_columns(rng, k, condition)
    weights_true = rng.standard_normal((n_slices, k))
    assert (weights_true < 0).any()
    assert (weights_true > 0).any()
    U = wedge_components(compose(U_true, weights_true), random_state=0)
    assert worst_sine(U, U_true) < 1e-8


def test_components_absent_from_most_slices_are_recovered():
    """A null first slice and blocks of zero weights leave no slice that is safe on its own."""
    rng = np.random.default_rng(4)
    U_true, weights_true = unit_columns(rng, 8), rng.standard_normal((16, 8))
    weights_true[0] = 0
    weights_true[1:9, :4] = 0
    weights_true[9:, 4:] = 0
    U = wedge_components(compose(U_true, weights_true), random_state=0)
    assert worst_sine(U, U_true) < 1e-8


def test_components_of_weights_of_very_different_size_are_recovered():
    rng = np.random.default_rng(6)
    U_true = unit_columns(rng, 6)
    weights_true = rng.standard_normal((18, 6)) * np.geomspace(1, 1e-4, 6)
    U = wedge_components(compose(U_true, weights_true), random_state=0)
    assert worst_sine(U, U_true) < 1e-7


def test_one_dimension_has_one_component():
    U = wedge_components(np.array([3.0, -2.0, 0.0, 0.5]).reshape(4, 1, 1), random_state=0)
    assert_array_equal(np.abs(U), [[1.0]])


# Invariance


def test_order_and_scale_of_slices_do_not_matter_without_noise():
    rng = np.random.default_rng(7)
    slices = compose(unit_columns(rng, 6), rng.standard_normal((12, 6)))
    scale, order = rng.uniform(-3, 3, size=12), rng.permutation(12)
    U = wedge_components(slices, random_state=0)
    U_new = wedge_components((scale[:, None, None] * slices)[order], random_state=1)
    assert worst_sine(U_new, U) < 1e-7


def test_congruence_maps_the_components():
    rng = np.random.default_rng(8)
    slices, C = compose(unit_columns(rng, 6), rng.standard_normal((12, 6))), unit_columns(rng, 6, 5)
    U = wedge_components(slices, random_state=0)
    U_new = wedge_components(C @ slices @ C.T, random_state=0)
    mapped = C @ U
    assert worst_sine(U_new, mapped / np.linalg.norm(mapped, axis=0)) < 1e-7
    assert worst_sine(U_new, U) > 0.1


@pytest.mark.parametrize("factor", [1e-200, -1e-5, 1e200])
def test_the_size_of_the_slices_does_not_matter(factor):
    rng = np.random.default_rng(9)
    slices = add_noise(rng, compose(unit_columns(rng, 4), rng.standard_normal((9, 4))), 0.1)
    U, U_new = (wedge_components(by * slices, random_state=0) for by in (1, factor))
    assert worst_sine(U_new, U) < 1e-5


def test_orthogonal_mixes_of_noisy_slices_are_the_same_problem():
    rng = np.random.default_rng(10)
    slices = add_noise(rng, compose(unit_columns(rng, 5), rng.standard_normal((15, 5))), 0.1)
    mix = np.linalg.qr(rng.standard_normal((15, 15)))[0]
    U = wedge_components(slices, random_state=0)
    U_mix = wedge_components(np.tensordot(mix, slices, 1), random_state=1)
    assert worst_sine(U_mix, U) < 1e-3


# Noise


@pytest.mark.parametrize("condition", [1, None])
def test_error_is_proportional_to_the_noise(condition):
    """First-order perturbation: one noise at two levels, errors in the ratio of the levels."""
    rng = np.random.default_rng(12)
    U_true = unit_columns(rng, 8, condition)
    exact = compose(U_true, rng.standard_normal((24, 8)))
    noise = add_noise(rng, exact, 1.0) - exact
    small, large = (
        match(wedge_components(exact + level * noise, random_state=0), U_true)[1]
        for level in (1e-4, 1e-3)
    )
    assert_allclose(large / small, 10, rtol=0.1)


@pytest.fixture(scope="module")
def reference_components():
    """Components by the U-WEDGE of pyriemann, run to convergence."""
    pytest.importorskip("numpy", minversion="2", reason="pyriemann 0.12 takes ndarray.mT")
    uwedge = pytest.importorskip("pyriemann.geometry.ajd").uwedge

    def components(slices):
        U = np.linalg.inv(uwedge(slices, eps=1e-12, n_iter_max=1000)[0])
        return U / np.linalg.norm(U, axis=0)

    return components


@pytest.mark.parametrize("condition", [1, 5])
def test_wedge_components_are_those_of_another_u_wedge(reference_components, condition):
    """The fixed point does not depend on the start nor on how rows are normalized."""
    rng = np.random.default_rng(14)
    U_true = unit_columns(rng, 8, condition)
    slices = add_noise(rng, compose(U_true, rng.standard_normal((24, 8))), 0.03)
    U, reference = wedge_components(slices, random_state=0), reference_components(slices)
    assert worst_sine(reference, U_true) > 0.003
    assert worst_sine(U, reference) < 1e-7


# Degenerate input


def degenerate_slices():
    rng = np.random.default_rng(15)
    U, weights = unit_columns(rng, 5), rng.standard_normal((8, 5))
    parallel, proportional = U.copy(), weights.copy()
    parallel[:, 1] = parallel[:, 0]
    proportional[:, 1] = 2 * proportional[:, 0]
    off_diagonal = np.array([[0.0, 1.0], [1.0, 0.0]])
    return {
        "zero": np.zeros((3, 4, 4)),
        "zero number": np.zeros((1, 1, 1)),
        "antisymmetric": np.array([[[0.0, 1.0], [-1.0, 0.0]]]),
        "one identity": np.eye(4)[None],
        "identities": np.stack([np.eye(4)] * 5),
        "one off-diagonal": off_diagonal[None],
        "off-diagonals": np.stack([off_diagonal] * 4),
        "rank one": compose(U[:, :1], weights[:, :1]),
        "rank one over slices": compose(U, np.outer(weights[:, 0], weights[0])),
        "parallel": compose(parallel, weights),
        "proportional": compose(U, proportional),
        "tiny": 5e-324 * np.ones((3, 2, 2)),
    }


@pytest.mark.parametrize("case", degenerate_slices())
@pytest.mark.filterwarnings("error")
def test_degenerate_slices_have_finite_components(case):
    U = wedge_components(degenerate_slices()[case], random_state=0)
    assert np.isfinite(U).all()
    assert_allclose(np.linalg.norm(U, axis=0), 1, rtol=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_slices", [1, 2, 12])
def test_pure_noise_has_independent_components(n_slices):
    U = wedge_components(np.random.default_rng(16).standard_normal((n_slices, 4, 4)), random_state=0)
    assert np.linalg.matrix_rank(U) == 4


@pytest.mark.parametrize(
    ("function", "name"), [(wedge_components, "slices"), (tensor_components, "tensor")]
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_input_that_is_not_finite_is_refused(function, name, value):
    array = np.ones((3, 3, 3))
    array[1, 2, 0] = value
    with pytest.raises(ValueError, match=f"^{name} must be finite"):
        function(array)


@pytest.mark.parametrize(
    ("function", "shape", "expected"),
    [
        (wedge_components, (3, 3), "slices must have shape .L, k, k."),
        (wedge_components, (2, 3, 4), "slices must have shape .L, k, k."),
        (wedge_components, (0, 3, 3), "slices must have shape .L, k, k."),
        (tensor_components, (2, 3, 3), "tensor must have shape .k, k, k."),
        (tensor_components, (3, 3, 3, 3), "tensor must have shape .k, k, k."),
    ],
)
def test_wrong_shapes_are_refused(function, shape, expected):
    with pytest.raises(ValueError, match=expected):
        function(np.ones(shape))


@pytest.mark.parametrize("generator", [np.random.RandomState, np.random.default_rng, int])
def test_same_random_state_same_bits(generator):
    rng = np.random.default_rng(17)
    tensor = compose_tensor(unit_columns(rng, 5, 2), np.ones(5))
    tensor = add_noise(rng, tensor, 0.1)
    before = check_random_state(None).get_state()[1].copy()
    for function in (wedge_components, tensor_components):
        first, second = (function(tensor, random_state=generator(3)) for _ in range(2))
        for a, b in zip(first, second, strict=True):
            assert_array_equal(a, b)
    assert_array_equal(check_random_state(None).get_state()[1], before)


def test_input_is_left_alone():
    slices = np.random.default_rng(18).standard_normal((5, 4, 4))
    slices.flags.writeable = False
    expected = slices.copy()
    wedge_components(slices, random_state=0)
    assert_array_equal(slices, expected)


# Tensors


@pytest.mark.parametrize("condition", [1, 10, None])
@pytest.mark.parametrize("k", [1, 2, 6, 12])
def test_planted_tensor_is_recovered_without_noise(k, condition):
    rng = np.random.default_rng(k)
    U_true = unit_columns(rng, k, condition)
    weights_true = rng.choice([-1.0, 1.0], size=k) * rng.uniform(0.5, 2, size=k)
    U, weights = tensor_components(compose_tensor(U_true, weights_true), random_state=0)
    order, sines = match(U, U_true)
    signs = np.sign(np.sum(U[:, order] * U_true, axis=0))
    assert sines.max() < 1e-8
    assert_allclose(signs * weights[order], weights_true, rtol=1e-6)
    assert (U.max(axis=0) == np.abs(U).max(axis=0)).all()
    assert (np.diff(np.abs(weights)) <= 0).all()


def test_tensor_of_lower_rank_has_zero_weights():
    rng = np.random.default_rng(19)
    U_true = unit_columns(rng, 6)[:, :4]
    tensor = compose_tensor(U_true, np.array([3.0, -2.0, 1.0, -0.5]))
    U, weights = tensor_components(tensor, random_state=0)
    assert worst_sine(U[:, :4], U_true) < 1e-7
    assert_allclose(weights[4:], 0, atol=1e-8)
    assert_allclose(compose_tensor(U, weights), tensor, atol=1e-7)


def test_zero_tensor():
    U, weights = tensor_components(np.zeros((3, 3, 3)), random_state=0)
    assert_allclose(U.T @ U, np.eye(3), atol=1e-12)
    assert_array_equal(weights, 0)


def test_tensor_error_is_proportional_to_the_noise():
    rng = np.random.default_rng(20)
    U_true = unit_columns(rng, 6)
    exact = compose_tensor(U_true, rng.choice([-1.0, 1.0], size=6))
    noise = add_noise(rng, exact, 1.0) - exact
    small, large = (
        match(tensor_components(exact + level * noise, random_state=0)[0], U_true)[1]
        for level in (1e-4, 1e-3)
    )
    assert_allclose(large / small, 10, rtol=0.1)


@pytest.mark.parametrize("condition", [1, 10])
def test_tensor_components_fit_the_tensor_and_not_its_random_projections(condition):
    """The slices T[l] are projections on an orthonormal basis: their misfit is that of T."""
    rng = np.random.default_rng(21)
    U_true, signs = unit_columns(rng, 6, condition), rng.choice([-1.0, 1.0], size=6)
    tensor = add_noise(rng, compose_tensor(U_true, signs), 0.03)
    U, _ = tensor_components(tensor, random_state=0)

    def residuals(x):
        return (compose(*x.reshape(2, 6, 6)) - tensor).ravel()

    U_slices = least_squares(residuals, np.stack([U_true, signs * U_true]).ravel()).x[:36].reshape(6, 6)
    U_slices /= np.linalg.norm(U_slices, axis=0)
    assert worst_sine(U, U_slices) < 1e-4
    assert worst_sine(U_slices, U_true) > 1e-2


@pytest.mark.parametrize("condition", [1, 5])
def test_tensor_components_are_as_good_as_least_squares_from_the_truth(condition):
    """Ratio of the worst sines to a symmetric fit that starts at the planted components."""
    ratios = []
    for seed in range(7):
        rng = np.random.default_rng(seed)
        U_true = unit_columns(rng, 5, condition)
        signs = rng.choice([-1.0, 1.0], size=5)
        tensor = add_noise(rng, compose_tensor(U_true, signs), 0.05)

        def residuals(x, tensor=tensor, signs=signs):
            return (compose_tensor(x.reshape(5, 5), signs) - tensor).ravel()

        best = least_squares(residuals, U_true.ravel()).x.reshape(5, 5)
        best /= np.linalg.norm(best, axis=0)
        U, _ = tensor_components(tensor, random_state=0)
        ratios.append(worst_sine(U, U_true) / worst_sine(best, U_true))
    assert 0.8 < np.median(ratios) < 1.15
