"""Units added and eliminated, refits between, random starts: dense least squares, planted networks."""

from itertools import combinations

import numpy as np
import pytest
from _planted import (
    INSTANCES,
    gaussian_problem,
    least_squares,
    perturbed,
    random_network,
    separated_network,
    squared_error,
    uneven_problem,
    whitened,
    without_intercepts,
)
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.output_layer import with_fitted_outputs
from sklearn_onenn._optimization import elimination as elimination_module
from sklearn_onenn._optimization.elimination import (
    backward_elimination,
    leading_directions,
    random_start,
    refit,
    with_directions,
    with_fewer_units,
)
from sklearn_onenn._optimization.gauss_newton import Stopping
from sklearn_onenn.activations import ReLU, SquaredReLU, Tanh

every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)


# Refits


def test_refit_lowers_the_loss():
    truth = random_network(4, 3)
    problem = gaussian_problem(truth, 300, Tanh(), noise=0.1)
    start = perturbed(truth, 0.2)
    loss, network = refit(problem, start, Stopping(3, 1e-3))
    assert loss == pytest.approx(problem.data_loss(network), rel=1e-12)
    assert loss < 0.5 * problem.data_loss(start)


# Random starts


@every_activation
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_random_start_has_unit_directions_and_outputs_in_least_squares(activation, fit_intercept):
    rng = np.random.RandomState(0)
    X = rng.exponential(size=(60, 3)) * [1, 5, 0.2]
    rows = ArrayRows(X, rng.standard_normal((60, 1)), rng.uniform(0.5, 2, 60))
    problem = whitened(
        SquaredLoss(rows, activation, identity_coordinates(3), fit_intercept=fit_intercept)
    )
    start = random_start(problem, 4, np.random.RandomState(1))
    assert_allclose(np.linalg.norm(start.W, axis=0), 1, rtol=1e-12)
    assert start.b.any() == fit_intercept
    units = activation.value(problem.coordinates.whiten(X) @ start.W + start.b)
    features = np.column_stack([units, np.full(60, float(fit_intercept))])
    expected = features @ least_squares(features, rows.y, rows.weight)
    assert_allclose(units @ start.V + start.c, expected, atol=1e-7)
    other = random_start(problem, 4, np.random.RandomState(2))
    assert np.abs(other.W - start.W).max() > 0.1


# Directions


def test_leading_directions():
    """Of slices +-u u^T with little else."""
    rng = np.random.RandomState(0)
    U = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    other = U[:, ::-1]
    slices = np.einsum("l,pl,ql->lpq", [2, -3, 1, -1, 5], U, U)
    slices += 0.5 * np.einsum("pl,ql->lpq", other, other)
    found = leading_directions(slices)
    assert found.shape == (5, 5)
    assert_allclose(np.abs(np.sum(found * U, axis=0)), 1, rtol=1e-10)


def test_directions_are_added_in_both_orientations():
    network = random_network(4, 3)
    directions = np.linalg.qr(np.random.RandomState(0).standard_normal((4, 2)))[0]
    larger = with_directions(network, directions)
    assert_array_equal(larger.W[:, :3], network.W)
    assert_array_equal(larger.b, np.append(network.b, np.zeros(4)))
    size = np.median(np.linalg.norm(network.W, axis=0))
    assert_allclose(larger.W[:, 3:], size * np.concatenate([directions, -directions], axis=1))
    assert larger.V.shape == (7, 1)
    # Its hidden layer can do what the network's can.
    problem = gaussian_problem(network, 200, ReLU())
    assert problem.data_loss(with_fitted_outputs(problem, larger.W, larger.b)) < 1e-20


# Elimination


def columns(network, units):
    """The network of some of the units."""
    return network._replace(W=network.W[:, units], b=network.b[units], V=network.V[units])


@every_activation
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_the_unit_that_is_dropped_costs_least(activation, fit_intercept):
    """Against least squares without each of the units in turn."""
    problem = uneven_problem(activation, fit_intercept=fit_intercept)
    network = random_network(3, 3, seed=4)
    if not fit_intercept:
        network = without_intercepts(network)
    errors = {
        units: squared_error(problem, network.W[:, units], network.b[list(units)])
        for units in combinations(range(3), 2)
    }
    found = with_fewer_units(problem, network, 2)
    best = list(min(errors, key=errors.get))
    error = 2 * problem.rows.weight_sum * problem.data_loss(found)
    assert error == pytest.approx(min(errors.values()), rel=1e-6)
    if np.ptp(list(errors.values())) > 1e-6 * error:
        assert_array_equal(found.W, network.W[:, best])
        assert_array_equal(found.b, network.b[best])


@pytest.mark.parametrize("extra", ["useless", "equal", "almost equal", "several"])
def test_units_without_use_are_dropped(extra):
    """What is left is the planted network, whose outputs are found again."""
    truth = separated_network(5, 3)
    problem = gaussian_problem(truth, 300, ReLU())
    other = random_network(5, 4, seed=8)
    if extra == "useless":
        other = columns(other, [0])
    elif extra != "several":
        other = columns(perturbed(truth, 1e-3 if extra == "almost equal" else 0.0), [1])
    larger = truth._replace(
        W=np.concatenate([other.W, truth.W], axis=1),
        b=np.concatenate([other.b, truth.b]),
        V=np.zeros((3 + len(other.b), 1)),
    )
    found = with_fewer_units(problem, larger, 3)
    assert problem.data_loss(found) < 1e-20
    order = [np.abs(found.W - w[:, None]).sum(axis=0).argmin() for w in truth.W.T]
    for one, two in zip(columns(found, order), truth, strict=True):
        assert_allclose(one, two, atol=1e-9)
    assert_array_equal(with_fewer_units(problem, truth, 3).W, truth.W)


@pytest.mark.parametrize("activation", [ReLU(), SquaredReLU(), Tanh()], ids=repr)
def test_elimination_refits_down_to_the_planted_network(activation):
    """From twice as many units, the planted ones a little off among them."""
    truth = separated_network(5, 3)
    problem = gaussian_problem(truth, 600, activation)
    other, near = random_network(5, 3, seed=8), perturbed(truth, 0.1)
    larger = truth._replace(
        W=np.concatenate([other.W, near.W], axis=1),
        b=np.concatenate([other.b, near.b]),
        V=np.zeros((6, 1)),
    )
    loss, found = backward_elimination(problem, larger, 3, 6)
    assert found.W.shape == (5, 3)
    assert loss == pytest.approx(problem.data_loss(found), rel=1e-6)
    assert loss < 1e-8 < problem.data_loss(with_fewer_units(problem, larger, 3))


@pytest.mark.parametrize(("factor", "n_refits"), [(2.0, 5), (0.5, 2)])
def test_elimination_without_care_where_more_units_miss_the_target(monkeypatch, factor, n_refits):
    """From eight units to four, one at a time or, with a loss above the target, all at once."""
    problem = gaussian_problem(random_network(5, 3), 300, ReLU(), noise=0.5)
    larger, calls = random_network(5, 8, seed=1), []
    loss = refit(problem, with_fewer_units(problem, larger, 8))[0]

    def counted(problem, network, *stopping):
        calls.append(network.W.shape[1])
        return refit(problem, network, *stopping)

    monkeypatch.setattr(elimination_module, "refit", counted)
    found = backward_elimination(problem, larger, 4, 8, loss_target=factor * loss)[1]
    assert found.W.shape == (5, 4)
    assert len(calls) == n_refits
