"""From directions to units, and units that are missing: dense least squares and planted networks."""

from itertools import combinations

import numpy as np
import pytest
from _planted import (
    INSTANCES,
    USABLE,
    gaussian_problem,
    least_squares,
    perturbed,
    random_network,
    separated_network,
    whitened,
    without_intercepts,
)
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.whitening import identity_coordinates
from sklearn_onenn._network.loss import SquaredLoss, residuals
from sklearn_onenn._network.network import forward
from sklearn_onenn._network.output_layer import output_equations, solve_outputs, with_fitted_outputs
from sklearn_onenn._optimization import elimination as elimination_module
from sklearn_onenn._optimization.elimination import (
    REFIT,
    backward_elimination,
    leading_directions,
    refit,
    with_directions,
    with_fewer_units,
)
from sklearn_onenn._optimization.gauss_newton import Stopping
from sklearn_onenn._tensor.slices import noise_stack, null_edge, singular_values
from sklearn_onenn._tensor.units import SUSPICIOUS, fit_signs_and_scales, replace_units
from sklearn_onenn.activations import ReLU, SquaredReLU, Tanh

every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)
usable = pytest.mark.parametrize("activation", USABLE, ids=repr)


def uneven_problem(activation, *, use_weights=True, fit_intercept=True):
    """Rows that are neither Gaussian nor white, in white coordinates."""
    rng = np.random.RandomState(0)
    X, y = rng.exponential(size=(80, 3)) * [0.1, 1, 10] + 2, rng.standard_normal((80, 1))
    rows = ArrayRows(X, y, rng.uniform(0.2, 3, 80) if use_weights else None)
    plain = SquaredLoss(rows, activation, identity_coordinates(3), fit_intercept=fit_intercept)
    return whitened(plain)


def features(problem, W, b):
    """Units W, b of the white rows, and 1 where there is an intercept."""
    z = problem.coordinates.whiten(problem.rows.X)
    ones = np.full((len(z), 1), float(problem.fit_intercept))
    return np.concatenate([problem.activation.value(z @ W + b), ones], axis=1)


def squared_error(problem, W, b):
    """Least weighted squared error of output weights on these units."""
    F, rows = features(problem, W, b), problem.rows
    rest = rows.y - F @ least_squares(F, rows.y, rows.weight)
    return float((rest**2 * (1 if rows.weight is None else rows.weight)).sum())


def columns(network, units):
    """The network of some of the units."""
    return network._replace(W=network.W[:, units], b=network.b[units], V=network.V[units])


# Output weights


@every_activation
@pytest.mark.parametrize("use_weights", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_fitted_outputs_are_least_squares(activation, use_weights, fit_intercept, small_blocks):
    problem = uneven_problem(activation, use_weights=use_weights, fit_intercept=fit_intercept)
    start = random_network(3, 2)
    F, rows = features(problem, start.W, start.b), problem.rows
    w = 1 if rows.weight is None else rows.weight
    gram, cross = output_equations(problem, start.W, start.b)
    assert_allclose(gram, F.T @ (w * F), rtol=1e-10, atol=1e-10)
    assert_allclose(cross, F.T @ (w * rows.y), rtol=1e-9, atol=1e-9)
    found = with_fitted_outputs(problem, start.W, start.b)
    expected = least_squares(F, rows.y, rows.weight)
    assert_allclose(np.append(found.V, found.c), expected[:, 0], rtol=1e-7, atol=1e-10)
    n = rows.weight_sum
    assert 2 * n * problem.data_loss(found) == pytest.approx(squared_error(problem, start.W, start.b))


@pytest.mark.parametrize("rank", [6, 4])
def test_solution_of_normal_equations(rank):
    """Least norm where they are singular, the explained part, and an inverse that is large there."""
    rng = np.random.RandomState(0)
    F = rng.standard_normal((30, rank)) @ rng.standard_normal((rank, 6))
    y = rng.standard_normal((30, 2))
    solution, inverse, explained = solve_outputs(F.T @ F, F.T @ y)
    assert_allclose(solution, least_squares(F, y), rtol=1e-7, atol=1e-9)
    if rank == 6:
        assert_allclose(inverse, np.diag(np.linalg.inv(F.T @ F)), rtol=1e-7)
    else:
        assert inverse.sum() > 1e6
    assert explained == pytest.approx(((F @ solution) ** 2).sum(), rel=1e-9)
    # A limit on the condition leaves out directions.
    leading = solve_outputs(np.diag([4.0, 1.0]), np.ones((2, 1)), condition=2.0)
    for found, expected in zip(leading, ([[0.25], [0]], [0.25, 0.5], 0.25), strict=True):
        assert_allclose(found, expected, atol=1e-15)
    assert_array_equal(solve_outputs(np.zeros((2, 2)), np.zeros((2, 1)))[0], 0)


# Signs and magnitudes


@usable
@pytest.mark.parametrize("size", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_oriented_units_are_the_planted_ones(activation, size):
    """Given directions up to sign; a homogeneous unit may have any size, others one that is tried."""
    truth = separated_network(4, 4, size=size)
    problem = gaussian_problem(truth, 400, activation)
    U = truth.W / size * [1, -1, -1, 1]
    found = fit_signs_and_scales(problem, U)
    assert problem.data_loss(found) < 1e-16 * problem.rows.y.var()
    assert_array_equal(found.b, 0)
    if activation.symmetry == "none":
        assert_allclose(found.W / np.linalg.norm(found.W, axis=0), truth.W / size, atol=1e-12)


@usable
def test_oriented_units_of_noisy_rows_take_the_planted_signs(activation):
    """Noise of the size of y, n = 4000: signs do not hang on rounding."""
    truth = separated_network(3, 3, size=1.0)
    problem = gaussian_problem(truth, 4000, activation, noise=0.5)
    found = fit_signs_and_scales(problem, truth.W * [-1, 1, -1])
    agreement = np.sign(np.sum(found.W * truth.W, axis=0))
    if activation.symmetry == "none":
        assert_array_equal(agreement, 1)
        assert_array_equal(np.sign(found.V), np.sign(truth.V))
    else:
        assert_array_equal(agreement * np.sign(found.V[:, 0]), np.sign(truth.V[:, 0]))


# Refits and residuals


def test_refit_and_residuals():
    truth = random_network(4, 3)
    problem = gaussian_problem(truth, 300, Tanh(), noise=0.1)
    start = perturbed(truth, 0.2)
    loss, network = refit(problem, start, REFIT.within(3))
    assert loss == pytest.approx(problem.data_loss(network), rel=1e-12)
    assert loss < 0.5 * problem.data_loss(start)
    problem = uneven_problem(Tanh())
    network = random_network(3, 2)
    rest = residuals(problem, network)
    z = problem.coordinates.whiten(problem.rows.X)
    assert_allclose(rest.y, problem.rows.y - forward(z, network, Tanh()), atol=1e-12)
    assert_array_equal(rest.weight, problem.rows.weight)
    n = rest.weight_sum
    assert (rest.weight * rest.y**2).sum() / (2 * n) == pytest.approx(problem.data_loss(network))


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


def test_enlarged_has_the_directions_in_both_orientations():
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
def test_elimination_without_care_where_more_units_miss_the_goal(monkeypatch, factor, n_refits):
    """From eight units to four, one at a time or, with a loss above the goal, all at once."""
    problem = gaussian_problem(random_network(5, 3), 300, ReLU(), noise=0.5)
    larger, calls = random_network(5, 8, seed=1), []
    loss = refit(problem, with_fewer_units(problem, larger, 8), REFIT)[0]

    def counted(problem, network, stopping=REFIT):
        calls.append(network.W.shape[1])
        return refit(problem, network, stopping)

    monkeypatch.setattr(elimination_module, "refit", counted)
    found = backward_elimination(problem, larger, 4, 8, loss_target=factor * loss)[1]
    assert found.W.shape == (5, 4)
    assert len(calls) == n_refits


# Repairs


def broken(truth, problem, how):
    """A fit whose first unit is missing, or one that the first two share."""
    if how == "missing":
        W = truth.W.copy()
        W[:, 0] = -W[:, 0] if problem.activation.symmetry == "none" else W[:, 1]
    else:
        W = truth.W.copy()
        W[:, 0] = W[:, 1] = (W[:, 0] + W[:, 1]) / 2
    return refit(problem, with_fitted_outputs(problem, W, truth.b), Stopping(30, REFIT.tol))


@pytest.mark.parametrize(
    ("activation", "how"),
    [
        (ReLU(), "missing"),
        (ReLU(), "merged"),
        (SquaredReLU(), "missing"),
        (SquaredReLU(), "merged"),
        (Tanh(), "missing"),
        (Tanh(), "merged"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_repair_recovers_planted_networks(activation, how):
    """Eight networks without noise: of the fits that steps do not leave nearly all, and none is worse.

    A power of zero says that every residual is suspicious.
    """
    recovered = []
    for seed in range(8):
        truth = separated_network(4, 4, seed=seed)
        problem = gaussian_problem(truth, 2000, activation, seed=seed)
        loss, network = broken(truth, problem, how)
        if loss < 1e-6:
            continue
        found, repaired = replace_units(problem, network, loss, 0.0)
        assert found == pytest.approx(problem.data_loss(repaired), rel=1e-9)
        assert found <= loss
        recovered.append(found < 1e-4 * loss)
    assert len(recovered) >= 3
    assert np.mean(recovered) > 0.7


def test_repair_of_a_good_fit_changes_nothing():
    """A residual of noise shows less than the weakest unit would; and no repair raises the loss."""
    truth = separated_network(4, 4)
    problem = gaussian_problem(truth, 16_000, ReLU(), noise=0.2)
    loss, network = refit(problem, truth, Stopping(10, REFIT.tol))
    stack, sd = noise_stack(problem.rows)
    power = singular_values(stack)[3] * sd
    assert power / sd > 2 * null_edge(4, 1) / SUSPICIOUS
    assert replace_units(problem, network, loss, power)[1] is network
    # Where a unit of such power could not be seen a repair is tried.
    found, _ = replace_units(problem, network, loss, 1e-3 * power)
    assert found <= loss


def test_a_missing_unit_is_suspicious_to_its_power():
    """The power of the weakest unit in the targets: a residual that lacks one shows its like."""
    truth = separated_network(4, 4)
    problem = gaussian_problem(truth, 4000, ReLU(), noise=0.2)
    stack, sd = noise_stack(problem.rows)
    power = singular_values(stack)[3] * sd
    loss, network = broken(truth, problem, "missing")
    optimum = refit(problem, truth, Stopping(10, REFIT.tol))[0]
    assert loss > 1.2 * optimum
    found, repaired = replace_units(problem, network, loss, power)
    assert repaired is not network
    assert found == pytest.approx(optimum, rel=0.02)
