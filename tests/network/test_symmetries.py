"""Canonical networks: the same function, with the property that defines them."""

import numpy as np
import pytest
from _planted import INSTANCES, differences, random_network
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar

from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.targets import TargetScale
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import Network, forward
from sklearn_onenn._network.symmetries import (
    TangentBasis,
    caller_network,
    min_norm_scaling,
    with_output_norm,
    with_positive_outputs,
    with_unit_directions,
)
from sklearn_onenn.activations import ReLU, Sigmoid, Tanh

HOMOGENEOUS = [activation for activation in INSTANCES if activation.degree is not None]
every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)
homogeneous = pytest.mark.parametrize("activation", HOMOGENEOUS, ids=repr)
outputs = pytest.mark.parametrize("m", [1, 2])


def with_dead_units(m):
    """Four units with biases; the third has no output weight, the fourth no hidden weights."""
    network = random_network(5, 4, m)
    network.V[2] = 0.0
    network.W[:, 3] = 0.0
    return network


def assert_same_function(one, other, activation):
    X = np.random.RandomState(9).standard_normal((50, len(one.W)))
    assert_allclose(forward(X, one, activation), forward(X, other, activation), rtol=1e-11, atol=1e-11)


def spd(d):
    A = np.random.RandomState(3).standard_normal((d, d))
    return A @ A.T + 0.1 * np.eye(d)


@homogeneous
@outputs
@pytest.mark.parametrize("size", [1.0, 0.3])
def test_with_output_norm(activation, m, size):
    before = with_dead_units(m)
    after = with_output_norm(before, size, activation.degree)
    assert_same_function(before, after, activation)
    assert_allclose(np.linalg.norm(after.V, axis=1), [size, size, 0, size], rtol=1e-12)
    assert_array_equal(after.W[:, 2], before.W[:, 2])


@outputs
def test_with_unit_directions(m):
    before = with_dead_units(m)
    after = with_unit_directions(before)
    assert_same_function(before, after, ReLU())
    assert_allclose(np.linalg.norm(after.W, axis=0), [1, 1, 1, 0], rtol=1e-12)
    assert_array_equal(after.V[3], before.V[3])


@homogeneous
@outputs
def test_min_norm_scaling_is_the_smallest_of_the_scaled(activation, m):
    """By a search along every unit's scale, and by the derivative there."""
    before, P, degree = with_dead_units(m), spd(5).diagonal(), activation.degree

    def penalty(log_scale, network):
        s = np.exp(log_scale)
        W, V = network.W * s, network.V / (s**degree)[:, None]
        return np.vdot(W, np.diag(P) @ W) + np.vdot(V, V)

    after = min_norm_scaling(before, P, degree)
    assert_same_function(before, after, activation)
    slope = differences(lambda t: penalty(np.r_[t, 0, 0], after), np.zeros(2))
    assert_allclose(slope, 0, atol=1e-6)
    least = penalty(np.zeros(4), before)
    for unit in np.eye(4)[:2]:
        own = penalty(np.zeros(4), before)
        least += minimize_scalar(lambda t, unit=unit: penalty(t * unit, before)).fun - own
    assert penalty(np.zeros(4), after) == pytest.approx(least, rel=1e-8)
    # Scaling cannot help a dead unit.
    assert_array_equal(after.W[:, 2:], before.W[:, 2:])
    assert_array_equal(after.V[2:], before.V[2:])


@pytest.mark.parametrize("activation", [a for a in INSTANCES if a not in HOMOGENEOUS], ids=repr)
def test_others_have_no_scale_to_choose(activation):
    network = random_network(5, 3)
    assert with_output_norm(network, 2.0, activation.degree) is network
    assert min_norm_scaling(network, np.eye(5), activation.degree) is network


def test_networks_of_dead_units_stay():
    network = random_network(5, 3)._replace(V=np.zeros((3, 1)))
    assert with_output_norm(network, 1.0, 1) is network
    assert min_norm_scaling(network, np.eye(5), 1) is network


@every_activation
@outputs
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_with_positive_outputs(activation, m, fit_intercept):
    before = random_network(5, 6, m)
    after = with_positive_outputs(before, activation, fit_intercept)
    assert_same_function(before, after, activation)
    assert (before.V[:, 0] < 0).any()
    free = activation.symmetry == "odd" or (activation.symmetry == "point" and fit_intercept)
    assert (after.V[:, 0] > 0).all() == free
    assert free or after is before


def uneven_problem(activation, fit_intercept):
    """Rows far from white and without full rank, for the coordinates alone."""
    rng = np.random.RandomState(0)
    X = rng.exponential(size=(60, 3)) * [1, 50, 0.02] + [0, 1, -4]
    rows = ArrayRows(np.column_stack([X, X[:, 0]]).astype(np.float32), np.zeros((60, 1)))
    return SquaredLoss(rows, activation, whitening(rows), fit_intercept=fit_intercept)


@every_activation
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_caller_network_is_the_same_function_in_canonical_form(activation, fit_intercept):
    problem = uneven_problem(activation, fit_intercept)
    X = problem.rows.X.astype(float)
    network = random_network(3, 5)
    mean, scale = 7.0, 3.0
    found = caller_network(network, problem, TargetScale(np.array([mean]), np.array([scale])))
    assert found.W.dtype == np.float32
    white = problem.coordinates.whiten(X)
    expected = mean + scale * forward(white, network, activation)
    # Single precision of weights, offset by biases of a few hundred.
    assert_allclose(forward(X, found.astype(float), activation), expected, rtol=2e-3, atol=2e-3)
    assert (np.diff(np.linalg.norm(found.W, axis=0)) <= 0).all()
    if activation.degree is not None:
        assert_allclose(np.abs(found.V), 1, rtol=1e-6)
    if activation.symmetry == "odd":
        assert (found.V > 0).all()


@pytest.mark.parametrize("activation", [ReLU(), Tanh(), Sigmoid()], ids=repr)
def test_equal_networks_have_one_representative(activation):
    """Units in another order, rescaled or flipped where that leaves the function as it is."""
    problem = uneven_problem(activation, True)
    network = random_network(3, 5)
    order, sign, size = [3, 0, 4, 2, 1], np.array([1, -1, -1, 1, -1]), np.ones(5)
    c = network.c
    if activation.symmetry == "none":
        sign, size = np.ones(5), np.geomspace(0.1, 10, 5)
    elif activation.symmetry == "point":
        c = c + network.V[order][sign < 0].sum(axis=0)  # sigmoid(z) = 1 - sigmoid(-z)
    W, b, V = network.W[:, order], network.b[order], network.V[order]
    other = Network(W * sign * size, b * sign * size, V * (sign / size)[:, None], c)
    assert_same_function(network, other, activation)
    targets = TargetScale(np.array([1.0]), np.array([2.0]))
    found = [caller_network(one, problem, targets) for one in (network, other)]
    for one, two in zip(*found, strict=True):
        assert_allclose(one, two, rtol=1e-5)


# Directions that keep the scale of a unit


@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("degree", [None, 1])
def test_tangent_basis_is_orthonormal_and_keeps_the_length_of_v(m, fit_intercept, degree):
    network = random_network(4, 3, m)
    free = TangentBasis(network, degree=degree, fit_intercept=fit_intercept)
    directions = np.array([free.expand(e).pack() for e in np.eye(free.size)])
    assert_allclose(directions @ directions.T, np.eye(free.size), atol=1e-14)
    back = [free.reduce(network.unpack(direction)) for direction in directions]
    assert_allclose(back, np.eye(free.size), atol=1e-14)
    if degree is not None:
        changes = np.array([(network.unpack(row).V * network.V).sum(axis=1) for row in directions])
        assert_allclose(changes, 0, atol=1e-14)
    n_held = (3 if degree else 0) + (0 if fit_intercept else 3 + m)
    assert free.size == network.pack().size - n_held
