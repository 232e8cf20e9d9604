"""Recovery error: zero exactly on equal functions, and the minimal maximum over all matchings."""

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn.activations import ACTIVATIONS, get_activation
from sklearn_onenn.metrics import match_units, recovery_error

SWAPPED = [2, 0, 1]


def network(seed, d=4, k=3):
    """Random weights (W, v) without structure."""
    rng = np.random.RandomState(seed)
    return rng.standard_normal((d, k)), rng.choice([-1.0, 1.0], k) * rng.uniform(0.5, 2.0, k)


def predict(X, W, v, activation):
    """Outputs up to a constant."""
    y = get_activation(activation).value(X @ W) @ v
    return y - y[0]


def equal_networks(W, v, activation):
    """The other ways to write a network that its activation allows, by name."""
    activation = get_activation(activation)
    yield "permuted", W[:, SWAPPED], v[SWAPPED]
    if activation.degree is not None:
        scale = np.array([0.5, 3.0, 1.0])
        yield "rescaled", W / scale, v * scale**activation.degree
    if activation.symmetry in ("odd", "point"):
        flip = np.array([-1.0, 1.0, -1.0])
        yield "flipped", W * flip, v * flip


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_zero_on_equal_networks(activation):
    W_true, v_true = network(0)
    X = np.random.RandomState(1).standard_normal((50, 4))
    expected = predict(X, W_true, v_true, activation)
    for name, W, v in equal_networks(W_true, v_true, activation):
        assert_allclose(predict(X, W, v, activation), expected, rtol=1e-9, atol=1e-12)
        assert recovery_error(W, v, W_true, v_true, activation=activation) < 1e-14, name
        assert recovery_error(W_true, v_true, W, v, activation=activation) < 1e-14, name


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "squared_relu", "softplus", "gelu"])
def test_signs_count_where_the_activation_tells_them(activation):
    W, v = network(0)
    flip = np.array([-1.0, 1.0, 1.0])
    assert recovery_error(W * flip, v, W, v, activation=activation) > 0.1
    assert recovery_error(W, v * flip, W, v, activation=activation) == np.inf
    assert recovery_error(W * flip, v * flip, W, v, activation=activation) == np.inf


@pytest.mark.parametrize("activation", ["tanh", "erf", "sigmoid"])
def test_flipping_one_of_w_and_v_counts_for_symmetric_units(activation):
    W, v = network(0)
    flip = np.array([-1.0, 1.0, 1.0])
    assert recovery_error(W * flip, v, W, v, activation=activation) > 0.1
    assert recovery_error(W, v * flip, W, v, activation=activation) > 0.1


@pytest.mark.parametrize("degree_one", ["relu", "leaky_relu", "identity"])
def test_output_weight_of_a_homogeneous_unit_is_a_norm(degree_one):
    W, v = np.array([[3.0], [4.0]]), np.array([1.0])
    assert_allclose(recovery_error(W, 1.1 * v, W, v, activation=degree_one), 0.1, rtol=1e-12)
    assert_allclose(recovery_error(W, 1.21 * v, W, v, activation="squared_relu"), 0.1, rtol=1e-12)


def test_output_weight_of_another_unit_has_a_relative_error():
    W, v = np.array([[3.0, 0.0], [4.0, 1.0]]), np.array([2.0, -0.5])
    assert_allclose(recovery_error(W, [2.0, -0.6], W, v, activation="tanh"), 0.2, rtol=1e-12)
    assert_allclose(recovery_error(1.3 * W, [2.0, -0.6], W, v, activation="gelu"), 0.3, rtol=1e-12)


def test_error_is_relative_to_the_planted_unit():
    W_true, W, v = np.array([[2.0, 0.0], [0.0, 10.0]]), np.array([[2.0, 0.0], [0.4, 9.0]]), [1, 1]
    assert_allclose(recovery_error(W, v, W_true, v, activation="relu"), 0.2, rtol=1e-12)
    assert_allclose(recovery_error(W_true, v, W, v, activation="relu"), 0.4 / np.hypot(2, 0.4))


def test_best_matching_is_that_of_all_permutations():
    """Also where the matching of least total error has a larger maximum."""
    other_matching = 0
    for seed in range(60):
        rng = np.random.RandomState(seed)
        W_true, v_true = rng.standard_normal((2, 5)), np.array([1.0, 1.0, 1.0, 1.0, -1.0])
        W = W_true + rng.standard_normal((2, 5))
        order = rng.permutation(5)
        errors, totals = [], []
        for p in map(list, permutations(range(5))):
            if (v_true[order][p] == v_true).all():
                relative = np.linalg.norm(W[:, order][:, p] - W_true, axis=0)
                relative /= np.linalg.norm(W_true, axis=0)
                errors.append(relative.max())
                totals.append(relative.sum())
        found = recovery_error(W[:, order], v_true[order], W_true, v_true, activation="relu")
        assert_allclose(found, min(errors), rtol=1e-12)
        other_matching += errors[np.argmin(totals)] > min(errors)
    assert other_matching > 5


def test_units_that_match_no_sign():
    W, v = network(0)
    assert recovery_error(W, np.abs(v), W, -np.abs(v), activation="relu") == np.inf
    assert recovery_error(W, [0.0, 1.0, 1.0], W, [1.0, 1.0, 1.0], activation="relu") == np.inf
    assert recovery_error(W, [0.0, 1.0, 1.0], W, [1.0, 1.0, 1.0], activation="tanh") == np.inf


def test_column_of_output_weights_and_biases_as_a_row():
    W, v = network(0)
    b = np.array([[1.0, -2.0, 0.5]])
    W_b, scale = np.vstack([W, b]), np.array([2.0, 0.5, 1.0])
    rescaled = W_b / scale, (v * scale)[:, None]
    assert recovery_error(*rescaled, W_b, v[:, None], activation="relu") < 1e-15
    assert recovery_error(np.vstack([W, 2 * b]), v, W_b, v, activation="relu") > 0.1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"W": np.ones((4, 2)), "v": np.ones(2)}, r"W and W_true .*\(4, 2\) and \(4, 3\)"),
        ({"W": np.ones((5, 3))}, r"W and W_true .*\(5, 3\) and \(4, 3\)"),
        ({"W": np.ones(3)}, "Expected 2D array"),
        ({"W_true": np.full((4, 3), np.nan)}, "W_true contains NaN"),
        ({"W": np.ones((4, 3)) * 1j}, "Complex"),
        ({"W_true": np.eye(4, 3) * [1, 0, 1]}, "no zero unit"),
        ({"v": np.ones(4)}, r"v must have shape \(3,\) or \(3, 1\). Got \(4,\)"),
        ({"v": np.ones((1, 3))}, r"v must have shape .* Got \(1, 3\)"),
        ({"v_true": [1, np.inf, 1]}, "v_true contains infinity"),
        ({"v_true": [1, 0, 1]}, "no zero unit"),
        ({"v_true": [1, 0, 1], "activation": "tanh"}, "no zero unit"),
        ({"activation": "step"}, "activation"),
    ],
)
def test_bad_networks(changed, message):
    W, v = network(0)
    arguments = {"W": W, "v": v, "W_true": W, "v_true": v, "activation": "relu"} | changed
    with pytest.raises(ValueError, match=message):
        recovery_error(**arguments)


def test_match_units_undoes_order_and_signs():
    W_true = network(0)[0]
    signs, scale = np.array([1.0, -1.0, -1.0]), np.array([2.0, 3.0, 0.1])
    permutation, cosines = match_units((W_true * signs * scale)[:, SWAPPED], W_true)
    assert_array_equal(np.array(SWAPPED)[permutation], [0, 1, 2])
    assert_allclose(cosines, signs, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_match_units_maximizes_the_sum_of_cosines(seed):
    rng = np.random.RandomState(seed)
    W, W_true = rng.standard_normal((2, 3, 4))
    cosines = (W_true / np.linalg.norm(W_true, axis=0)).T @ (W / np.linalg.norm(W, axis=0))
    best = max(np.abs(cosines[range(4), p]).sum() for p in map(list, permutations(range(4))))
    permutation, found = match_units(W, W_true)
    assert_allclose(np.abs(found).sum(), best, rtol=1e-12)
    assert_allclose(found, cosines[range(4), permutation], rtol=1e-12)


def test_match_units_gives_a_zero_unit_no_direction():
    permutation, cosines = match_units([[0.0, 1.0], [0.0, 0.0]], [[2.0, 0.0], [0.0, 2.0]])
    assert_array_equal(permutation, [1, 0])
    assert_array_equal(cosines, [1.0, 0.0])
    with pytest.raises(ValueError, match="one shape"):
        match_units(np.eye(2), np.eye(3))
