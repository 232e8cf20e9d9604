"""The squared loss: value by its formula, gradient and Gauss-Newton products by differences."""

from dataclasses import replace

import numpy as np
import pytest
from _planted import INSTANCES, differences, random_network, uneven_problem
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows, block_threads
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._network.loss import SquaredLoss, residuals
from sklearn_onenn._network.network import forward
from sklearn_onenn._network.symmetries import TangentBasis
from sklearn_onenn.activations import ReLU, SquaredReLU, Tanh

every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)
# Intercepts, weights, outputs, white coordinates of a singular covariance, penalty.
CASES = {
    "plain": (False, False, 1, False, 0.0),
    "intercept": (True, False, 1, False, 0.0),
    "weights": (True, True, 1, False, 0.0),
    "two outputs": (True, True, 2, False, 0.0),
    "coordinates": (True, False, 1, True, 0.0),
    "no intercept in coordinates": (False, True, 1, True, 2.0),
    "all": (True, True, 2, True, 3.0),
}


def problem_and_network(activation, case, k=3, n=40):
    """A loss on rows without structure, and a network in its coordinates."""
    fit_intercept, use_weights, m, use_coordinates, alpha = CASES[case]
    rng = np.random.RandomState(0)
    X = rng.standard_normal((n, 4)) * [1, 2, 0.5, 1] + [0, 1, -1, 0]
    X = np.column_stack([X, X[:, 1]])
    y, weight = rng.standard_normal((n, m)), rng.uniform(0.2, 2, n)
    rows = ArrayRows(X, y, weight if use_weights else None)
    coordinates = whitening(rows) if use_coordinates else identity_coordinates(5)
    problem = SquaredLoss(rows, activation, coordinates, fit_intercept=fit_intercept, alpha=alpha)
    network = random_network(coordinates.rank, k, m, seed=1)
    if not fit_intercept:
        network = network._replace(b=np.zeros(k), c=np.zeros(m))
    return problem, network


def loss(problem, network):
    """Loss by its formula, in white rows."""
    rows, activation = problem.rows, problem.activation
    z = problem.coordinates.whiten(rows.X)
    F = activation.value(z @ network.W + network.b) @ network.V + network.c
    weight = np.ones((len(z), 1)) if rows.weight is None else rows.weight
    penalty = ((unit_scale(problem) @ network.W) ** 2).sum() + (network.V**2).sum()
    squares = (weight * (F - rows.y) ** 2).sum()
    return (squares + problem.alpha * penalty) / (2 * weight.sum())


def unit_scale(problem):
    """Matrix that takes weights of the coordinates to those of columns at unit scale."""
    r = problem.coordinates.rank
    return (
        problem.coordinates.scale[:, None]
        * problem.coordinates.weights_to_inputs(np.eye(r), np.zeros(r))[0]
    )


def penalty_curvature(problem, network):
    """Second derivative of (|S W|^2 + |V|^2) / 2 by the packed weights."""
    S, k = unit_scale(problem), len(network.b)
    by_V = network.unpack(np.zeros(len(network.pack())))._replace(V=np.ones_like(network.V))
    curvature = np.diag(by_V.pack())
    curvature[: network.W.size, : network.W.size] = np.kron(S.T @ S, np.eye(k))
    return curvature


def free(problem, network):
    """Which packed weights the problem has: without intercepts neither b nor c."""
    ones = network.unpack(np.ones(len(network.pack())))
    if not problem.fit_intercept:
        ones = ones._replace(b=0 * ones.b, c=0 * ones.c)
    return ones.pack()


@every_activation
@pytest.mark.parametrize("case", CASES)
def test_loss_is_its_formula(activation, case, small_blocks):
    problem, network = problem_and_network(activation, case)
    here = problem.evaluate(network)
    assert here.loss == pytest.approx(loss(problem, network), rel=1e-12)
    assert problem.data_loss(network) == pytest.approx(here.data_loss, rel=1e-12)
    assert here.loss - here.data_loss == pytest.approx(problem.penalty_value(network), rel=1e-9)
    assert (problem.alpha == 0) == (problem.penalty_value(network) == 0)


@every_activation
@pytest.mark.parametrize("case", CASES)
def test_gradient_matches_differences(activation, case, small_blocks):
    problem, network = problem_and_network(activation, case)
    expected = differences(lambda w: loss(problem, network.unpack(w)), network.pack())
    expected *= free(problem, network)
    gradient = problem.evaluate(network).gradient.pack()
    assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("alpha", [0.0, 0.3, 20.0])
def test_another_penalty_at_the_same_weights(case, alpha):
    problem, network = problem_and_network(Tanh(), case)
    found = problem.evaluate(network).with_alpha(alpha)
    expected = problem.replace(problem.rows, alpha=alpha).evaluate(network)
    assert found.loss == pytest.approx(expected.loss, rel=1e-12)
    assert_allclose(found.gradient.pack(), expected.gradient.pack(), rtol=1e-10, atol=1e-12)


@every_activation
@pytest.mark.parametrize("case", CASES)
def test_transposed_jacobian_takes_the_residual_to_the_gradient(activation, case, small_blocks):
    problem, network = problem_and_network(activation, case)
    here = problem.replace(problem.rows, alpha=0.0).evaluate(network)
    R = forward(problem.rows.X, problem.to_inputs(network), activation) - problem.rows.y
    for kept in (here.linearizations, None):  # units kept from the evaluation, or computed again
        moved = replace(here, linearizations=kept).transposed_jacobian(R).pack()
        assert_allclose(moved, here.gradient.pack(), rtol=1e-9, atol=1e-12)


@every_activation
@pytest.mark.parametrize("case", CASES)
def test_gauss_newton_product_matches_differences(activation, case, small_blocks):
    problem, network = problem_and_network(activation, case)
    z, n = problem.coordinates.whiten(problem.rows.X), problem.rows.weight_sum
    weight = np.ones((len(z), 1)) if problem.rows.weight is None else problem.rows.weight

    def predictions(w):
        return (np.sqrt(weight) * forward(z, network.unpack(w), activation)).ravel()

    J = differences(predictions, network.pack())
    expected = J @ J.T / n + problem.alpha / n * penalty_curvature(problem, network)
    used = free(problem, network).astype(bool)
    expected = expected[used] * used
    here = problem.evaluate(network)
    directions = map(network.unpack, np.eye(len(network.pack()))[used])
    found = np.array([here.gauss_newton_product(direction).pack() for direction in directions])
    assert_allclose(found, expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max())


def test_the_same_loss_on_other_rows_and_with_another_penalty():
    problem, network = problem_and_network(Tanh(), "all")
    part = problem.replace(problem.rows.take(slice(10)))
    assert part.data_loss(network) == pytest.approx(
        loss(problem.replace(problem.rows.take(slice(10)), alpha=0.0), network), rel=1e-12
    )
    assert (part.alpha, problem.replace(problem.rows, alpha=7.0).alpha) == (3.0, 7.0)
    assert part.fit_intercept
    assert not problem_and_network(Tanh(), "plain")[0].replace(problem.rows).fit_intercept


@every_activation
def test_single_precision_rows(activation):
    """Gradients and products to single precision, as float64; the rows are not converted."""
    problem, network = problem_and_network(activation, "all")
    rows = ArrayRows(*(a.astype(np.float32) for a in (problem.rows.X, problem.rows.y)))
    double = ArrayRows(rows.X.astype(float), rows.y.astype(float))
    input_weights = problem.replace(rows).to_inputs(network)
    assert forward(rows.X, input_weights, activation).dtype == np.float32
    direction = random_network(*network.W.shape, 2, seed=3)
    single, expected = (problem.replace(chosen).evaluate(network) for chosen in (rows, double))
    for quantity in (lambda here: here.gradient, lambda here: here.gauss_newton_product(direction)):
        found, other = quantity(single).pack(), quantity(expected).pack()
        assert found.dtype == np.float64
        assert_allclose(found, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e120, 1e300])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_network_that_overflows_has_no_finite_loss_and_warns_of_nothing(size, n_threads):
    problem, network = problem_and_network(SquaredReLU(), "plain")
    far = network._replace(W=size * network.W)
    with threadpool_limits(n_threads), block_threads() as executor:
        problem = problem.replace(ArrayRows(problem.rows.X, problem.rows.y, executor=executor))
        assert not np.isfinite(problem.data_loss(far))
        assert not np.isfinite(problem.evaluate(far).loss)


def test_residuals_are_targets_less_predictions():
    problem = uneven_problem(Tanh())
    network = random_network(3, 2)
    rest = residuals(problem, network)
    z = problem.coordinates.whiten(problem.rows.X)
    assert_allclose(rest.y, problem.rows.y - forward(z, network, Tanh()), atol=1e-12)
    assert_array_equal(rest.weight, problem.rows.weight)
    n = rest.weight_sum
    assert (rest.weight * rest.y**2).sum() / (2 * n) == pytest.approx(problem.data_loss(network))


# Counts


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_weights_are_those_that_may_vary(n_outputs, fit_intercept):
    """As the free weights of a network: without intercepts b and c are none."""
    rows = ArrayRows(np.zeros((40, 5)), np.zeros((40, n_outputs)))
    for activation in (Tanh(), ReLU()):
        problem = SquaredLoss(rows, activation, identity_coordinates(5), fit_intercept=fit_intercept)
        network = random_network(5, 4, n_outputs)
        every, free = (
            TangentBasis(network, degree=degree, fit_intercept=fit_intercept).size
            for degree in (None, activation.degree)
        )
        assert (problem.n_weights(4), problem.n_identifiable_weights(4)) == (every, free)
        assert problem.n_weights(5) - problem.n_weights(4) == problem.weights_of_a_unit
        assert problem.targets_per_weight(4) == 40 * n_outputs / every
