"""The default start: planted networks, its errors, and what leaves it as it is."""

import numpy as np
import pytest
from _planted import USABLE, gaussian_problem, separated_network

from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._tensor.initialization import residual_moment_start
from sklearn_onenn.activations import ReLU, SquaredReLU, Tanh
from sklearn_onenn.metrics import recovery_error

usable = pytest.mark.parametrize("activation", USABLE, ids=repr)


def started(rows, k, activation, seed=0, coordinates=None):
    coordinates = identity_coordinates(rows.n_features) if coordinates is None else coordinates
    return residual_moment_start(
        rows, coordinates, k, activation, random_state=np.random.RandomState(seed)
    )


def error(found, truth, activation):
    return recovery_error(found.W, found.V[:, 0], truth.W, truth.V[:, 0], activation=activation)


@usable
def test_start_is_exact_where_the_span_is_all_there_is(activation):
    """k = d: the refit in the span reads the rows as they are. Ten networks, 80 rows to a weight."""
    shares = []
    for seed in range(10):
        truth = separated_network(4, 4, seed=seed)
        problem = gaussian_problem(truth, 1280, activation, seed=seed)
        found = started(problem.rows, 4, activation, seed)
        shares.append(problem.data_loss(found) / problem.rows.y.var())
    assert np.median(shares) < 1e-6


@pytest.mark.parametrize("activation", [ReLU(), SquaredReLU(), Tanh()], ids=repr)
def test_error_falls_with_the_root_of_the_number_of_rows(activation):
    """d = 12, k = 3, seven networks, relative error of the worst unit: half at four times the rows."""
    medians = []
    for n in (4000, 16_000):
        errors = []
        for seed in range(7):
            truth = separated_network(12, 3, seed=seed)
            problem = gaussian_problem(truth, n, activation, seed=seed)
            errors.append(error(started(problem.rows, 3, activation, seed), truth, activation))
        medians.append(np.median(errors))
    assert medians[0] < 0.15
    assert 0.3 < medians[1] / medians[0] < 0.75


@usable
def test_start_explains_most_of_the_targets(activation):
    """Twenty rows to a weight and noise: median over three networks of the share that is left."""
    shares = []
    for seed in range(3):
        truth = separated_network(10, 3, seed=seed)
        problem = gaussian_problem(truth, 600, activation, noise=0.05, seed=seed)
        found = started(problem.rows, 3, activation, seed)
        shares.append(2 * problem.data_loss(found) / problem.rows.y.var())
    assert np.median(shares) < 0.05


@pytest.mark.parametrize("activation", [ReLU(), Tanh()], ids=repr)
def test_start_of_skewed_rows_is_that_of_white_ones(activation):
    """White coordinates of any affine image of the rows differ by a turn alone."""
    truth = separated_network(6, 2)
    problem = gaussian_problem(truth, 8000, activation)
    rng = np.random.RandomState(1)
    A = rng.standard_normal((6, 6))
    skewed = ArrayRows(problem.rows.X @ A.T + [0, 1, 100, -5, 0, 3], problem.rows.y)
    networks = []
    for rows in (problem.rows, skewed):
        coordinates = whitening(rows)
        found = started(rows, 2, activation, coordinates=coordinates)
        W, b = coordinates.weights_to_inputs(found.W, found.b)
        networks.append(found._replace(W=W, b=b))
    plain, other = networks
    other = other._replace(W=A.T @ other.W)
    assert error(other, plain, activation) < 1e-3 * error(plain, truth, activation) < 1e-4


def test_start_scales_with_the_targets():
    """Negative factors too: the units stay, their outputs are multiplied."""
    truth = separated_network(6, 2)
    rows = gaussian_problem(truth, 4000, ReLU()).rows
    one, other = started(rows, 2, ReLU()), started(rows.with_targets(-3 * rows.y), 2, ReLU())
    other = other._replace(V=-other.V / 3)
    assert error(other, one, ReLU()) < 1e-6


def test_weights_equal_repeats():
    rows = gaussian_problem(separated_network(6, 2), 900, ReLU(), noise=0.1).rows
    times = np.random.RandomState(1).randint(1, 3, 900)
    alike = ArrayRows(rows.X, rows.y, times.astype(float))
    repeated = rows.take(np.repeat(np.arange(900), times))
    one, other = started(alike, 2, ReLU()), started(repeated, 2, ReLU())
    plain = started(rows, 2, ReLU())
    assert error(one, other, ReLU()) < 0.1 * error(one, plain, ReLU())
