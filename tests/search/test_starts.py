"""Starts that do without moments: small weights, and units eliminated from more than are wanted."""

import numpy as np
import pytest
from _planted import gaussian_problem, separated_network
from numpy.testing import assert_allclose

from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import forward
from sklearn_onenn._network.output_layer import with_fitted_outputs
from sklearn_onenn._optimization.elimination import random_start, refit
from sklearn_onenn._optimization.gauss_newton import Stopping
from sklearn_onenn._search.starts import overparameterized_start, random_units, residual_directions_start
from sklearn_onenn.activations import ReLU, SquaredReLU, Tanh


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_random_units_are_drawn_for_columns_at_unit_variance(fit_intercept):
    """400 of them within 10 % of the size asked for; the scale of a column is no matter."""
    X = np.random.default_rng(0).standard_normal((500, 4)) @ np.diag([1, 1, 1, 0.1]) + 2
    X[:, 3] += X[:, 0]
    y = np.column_stack([X[:, 0], X[:, 1]])
    problem, scaled = (
        SquaredLoss(rows, Tanh(), whitening(rows), fit_intercept=fit_intercept)
        for rows in (ArrayRows(X, y), ArrayRows(X * [1, 100, 0.01, 1], y))
    )
    start = random_units(problem, 400, np.random.RandomState(0))
    W = problem.coordinates.scale[:, None] * problem.coordinates.weights_to_inputs(start.W, start.b)[0]
    assert_allclose(W.std(), 1.5 / np.sqrt(4), rtol=0.1)
    assert_allclose(start.V.std(), 1 / np.sqrt(400), rtol=0.1)
    assert start.b.any() == fit_intercept
    assert not start.c.any()
    other = random_units(scaled, 400, np.random.RandomState(0))
    values = [
        forward(rows.rows.X, rows.to_inputs(network), Tanh())
        for rows, network in ((problem, start), (scaled, other))
    ]
    assert_allclose(*values, atol=1e-9)


def test_steep_units_bend_within_the_rows():
    """Each at a row of its own: w . x + b is of order one there, and of the slope elsewhere."""
    rows = ArrayRows(np.random.default_rng(0).uniform(5, 9, (300, 2)), np.zeros((300, 1)))
    problem = SquaredLoss(rows, Tanh(), whitening(rows))
    units = random_units(problem, 200, np.random.RandomState(0), 24.0)
    fields = np.abs(problem.coordinates.whiten(rows.X) @ units.W + units.b)
    assert fields.min(axis=0).max() < 3.5
    assert np.median(fields) > 5


@pytest.mark.parametrize("activation", [ReLU(), SquaredReLU(), Tanh()], ids=repr)
def test_overparameterized_starts_are_better_than_random_ones(activation):
    """d = 6, k = 3, 20 rows to a weight: of ten fits from each, those that give back the network."""
    counts = np.zeros(2, dtype=int)
    for seed in range(10):
        problem = gaussian_problem(separated_network(6, 3, seed=seed), 360, activation, seed=seed)
        for i, start in enumerate((overparameterized_start, random_start)):
            found = start(problem, 3, np.random.RandomState(seed))
            assert found.W.shape == (6, 3)
            counts[i] += refit(problem, found, Stopping(50, 1e-3))[0] < 1e-10
    assert counts[0] >= 5
    assert counts[0] > counts[1]


@pytest.mark.parametrize("activation", [ReLU(), SquaredReLU(), Tanh()], ids=repr)
@pytest.mark.parametrize("d", [4, 12])
def test_residual_directions_find_what_is_missing(activation, d):
    """Two units next to each other, one missing: of the fits that steps do not leave nearly all.

    With d = 4 all directions are tried, with d = 12 those that the residual shows.
    """
    recovered, stuck = 0, 0
    for seed in range(5):
        truth = separated_network(d, 3, seed=seed)
        problem = gaussian_problem(truth, 3000, activation, seed=seed)
        W = truth.W.copy()
        W[:, 0] = W[:, 1] + 0.01 * np.random.RandomState(seed).standard_normal(d)
        loss, network = refit(problem, with_fitted_outputs(problem, W, truth.b), Stopping(30, 1e-3))
        if loss < 1e-6:
            continue
        stuck += 1
        found = residual_directions_start(problem, network, np.random.RandomState(seed))
        assert found.W.shape == (d, 3)
        recovered += refit(problem, found, Stopping(30, 1e-3))[0] < 1e-10
    assert stuck >= 2
    assert recovered > 0.7 * stuck
