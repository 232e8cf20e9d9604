"""Condition of W, the paper's bounds, extreme eigenvalues."""

import numpy as np
import pytest
from _planted import gaussian_problem, random_network, separated_network
from numpy.testing import assert_allclose
from scipy.linalg import eigvalsh

from sklearn_onenn._inference.checks import hidden_curvature
from sklearn_onenn.activations import Activation, ReLU, SquaredReLU
from sklearn_onenn.theory import derivative_growth, extreme_eigenvalues, hessian_bounds, weight_condition


def with_singular_values(sigma, d, *, seed=0):
    rng = np.random.RandomState(seed)
    k = len(sigma)
    U, Q = (np.linalg.qr(rng.standard_normal((size, k)))[0] for size in (d, k))
    return U * sigma @ Q.T


def test_condition_of_planted_singular_values():
    found = weight_condition(with_singular_values([5.0, 3.0, 2.0], 7))
    assert_allclose(found.singular_values, [5, 3, 2])
    assert_allclose(found.kappa, 2.5)
    assert_allclose(found.lambda_, 5 * 3 * 2 / 2**3)


@pytest.mark.parametrize("W", [np.ones((4, 2)), np.eye(2, 3), np.zeros((3, 1))])
def test_condition_is_infinite_for_dependent_columns(W):
    found = weight_condition(W)
    assert found.kappa == found.lambda_ == np.inf


@pytest.mark.parametrize("W", [np.zeros(3), np.zeros((0, 2)), [[np.nan]]])
def test_condition_needs_a_finite_matrix(W):
    with pytest.raises(ValueError, match="W must be a finite array"):
        weight_condition(W)


def test_bounds_by_their_formula():
    W, v = with_singular_values([3.0, 2.0], 5), np.array([2.0, -0.5])
    rho = 1 / 4 - 1 / (2 * np.pi)  # of ReLU, at any scale
    lower, upper = hessian_bounds(W, v, activation="relu")
    assert_allclose(lower, 0.25 * rho / (1.5**2 * 1.5))
    assert_allclose(upper, 2 * 4)
    assert_allclose(hessian_bounds(W, v, activation="squared_relu").upper, 2 * 4 * 3**2)


def test_no_lower_bound_where_the_theorem_has_none():
    assert hessian_bounds(np.ones((3, 2)), [1, 1], activation="relu").lower == 0
    assert hessian_bounds(np.eye(3), np.ones(3), activation="square").lower == 0


def test_several_outputs_count_by_length():
    one = hessian_bounds(np.eye(2), [5.0, 13.0], activation="tanh")
    assert_allclose(hessian_bounds(np.eye(2), [[3, 4], [12, 5]], activation="tanh"), one)


def test_bounds_need_an_output_weight_for_every_unit():
    with pytest.raises(ValueError, match="v must be finite with 3 rows"):
        hessian_bounds(np.eye(3), [1.0, 2.0], activation="relu")


def test_growth_of_an_activation_that_is_not_homogeneous():
    class Cubic(Activation):
        def value(self, z):
            return z**3 + z

        def derivative(self, z):
            return 3 * z**2 + 1

    assert derivative_growth(Cubic()) == 2
    assert derivative_growth("softplus") == 0


@pytest.mark.parametrize("activation", [ReLU(), SquaredReLU()], ids=repr)
def test_curvature_at_the_truth_is_within_the_bounds(activation):
    network = separated_network(6, 3, size=1.0)
    network = network._replace(V=np.sign(network.V))
    problem = gaussian_problem(network, 20_000, activation)
    smallest, largest = hidden_curvature(problem.evaluate(network))
    lower, upper = hessian_bounds(network.W, network.V, activation=activation)
    # With orthonormal units the factors that the theorem leaves open are of order one.
    # The lower bound is sharp for ReLU; the sample is off by some 0.002.
    assert 0.95 * lower < smallest < largest < 10 * upper


def test_curvature_of_one_relu_unit_is_half_the_covariance():
    network = random_network(4, 1)._replace(b=np.zeros(1), V=np.ones((1, 1)))
    problem = gaussian_problem(network, 100_000, ReLU())
    # E[1(w.x > 0) x x^T] = I / 2; entries have a standard error of at most sqrt(3 / 4 / n) = 0.003.
    assert_allclose(hidden_curvature(problem.evaluate(network)), 0.5, atol=0.02)


@pytest.mark.parametrize("size", [1, 5, 64, 65, 300])
@pytest.mark.parametrize("kind", ["positive", "singular", "indefinite", "zero"])
def test_extreme_eigenvalues_against_dense(size, kind):
    rng = np.random.RandomState(size)
    A = rng.standard_normal((size, size // 2 + 1 if kind == "singular" else 2 * size))
    if kind == "indefinite":
        A = A[:, :size] + A[:, :size].T
    else:
        A = A @ A.T if kind != "zero" else np.zeros((size, size))
    values = eigvalsh(A)
    found = extreme_eigenvalues(lambda x: A @ x, size, tol=1e-5)
    assert_allclose(found, values[[0, -1]], rtol=0, atol=1e-3 * abs(values).max())
