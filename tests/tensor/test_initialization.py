"""Starts: tensor initialization with residual moments, and those that do without moments."""

import numpy as np
import pytest
from _planted import (
    INSTANCES,
    USABLE,
    gaussian_problem,
    least_squares,
    random_network,
    separated_network,
    whitened,
)
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn import tensor_initialization
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.whitening import identity_coordinates, whitening
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import forward
from sklearn_onenn._network.output_layer import with_fitted_outputs
from sklearn_onenn._optimization.elimination import REFIT, random_start, refit
from sklearn_onenn._optimization.gauss_newton import Stopping
from sklearn_onenn._search.starts import overparameterized_start, residual_directions_start, small_start
from sklearn_onenn._tensor.initialization import filled, is_informative, tensor_start
from sklearn_onenn.activations import ReLU, SquaredReLU, Tanh
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import match_units, recovery_error

every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)
usable = pytest.mark.parametrize("activation", USABLE, ids=repr)


# Tensor initialization


@usable
def test_tensor_initialization_is_near_the_planted_network(activation):
    """100 rows to a weight, three networks: median sine of the worst unit, and that of raw moments."""
    errors = {"residual": [], "raw": []}
    for seed in range(3):
        X, y, teacher = make_one_hidden_layer(2400, 8, 3, activation=activation, random_state=seed)
        for moments, found in errors.items():
            W, b, v = tensor_initialization(
                X, y, 3, activation=activation, moments=moments, random_state=seed
            )
            assert_array_equal(b, 0)
            if activation.degree is not None:
                assert_allclose(np.abs(v), 1, rtol=1e-12)
            cosines = np.abs(match_units(W, teacher.coefs_[0])[1])
            found.append(np.sqrt(1 - min(cosines.min(), 1.0) ** 2))
    assert np.median(errors["residual"]) < 0.2
    assert np.median(errors["residual"]) < 0.5 * np.median(errors["raw"])


@pytest.mark.parametrize("activation", [ReLU(), Tanh()], ids=repr)
def test_residual_moments_do_not_see_affine_maps_of_the_rows(activation):
    """x -> A x + t takes W to A^-T W; raw moments take the rows as they are and miss the units."""
    X, y, _ = make_one_hidden_layer(4000, 6, 2, activation=activation, random_state=0)
    A = np.random.RandomState(0).standard_normal((6, 6))
    options = {"activation": activation, "random_state": 0}
    for moments, same in [("residual", True), ("raw", False)]:
        W, _, v = tensor_initialization(X, y, 2, moments=moments, **options)
        W_map, b_map, v_map = tensor_initialization(
            X @ A.T + 1, y, 2, moments=moments, fit_intercept=True, **options
        )
        error = recovery_error(A.T @ W_map, v_map, W, v, activation=activation)
        assert (error < 1e-6) == same
        # The biases undo the shift.
        assert not same or np.abs(b_map + W_map.sum(axis=0)).max() < 0.2


@pytest.mark.parametrize("moments", ["residual", "raw"])
def test_weights_equal_repeats(moments):
    X, y, _ = make_one_hidden_layer(1500, 5, 2, random_state=0)
    times = np.random.RandomState(1).randint(1, 3, 1500)
    options = {"activation": "relu", "moments": moments, "random_state": 0}
    W, _, v = tensor_initialization(X, y, 2, sample_weight=times, **options)
    repeated = np.repeat(X, times, axis=0), np.repeat(y, times)
    errors = []
    for rows in (repeated, (X, y)):
        W_other, _, v_other = tensor_initialization(*rows, 2, **options)
        errors.append(recovery_error(W, v, W_other, v_other, activation="relu"))
    assert errors[0] < 0.2 * errors[1]


def test_single_precision():
    X, y, _ = make_one_hidden_layer(1500, 5, 2, random_state=0)
    options = {"k": 2, "activation": "relu", "random_state": 0}
    W, _, v = tensor_initialization(X, y, **options)
    W_single, _, v_single = tensor_initialization(X.astype(np.float32), y, **options)
    assert recovery_error(W_single, v_single, W, v, activation="relu") < 1e-3


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "2", None])
def test_bad_numbers_of_units(k):
    with pytest.raises(ValueError, match=r"^k must be an integer >= 1, got "):
        tensor_initialization(np.eye(3), np.arange(3.0), k, activation="relu")


def test_bad_moments_and_weights():
    X, y = np.eye(3), np.arange(3.0)
    with pytest.raises(ValueError, match="^moments must be 'residual' or 'raw', got 'other'"):
        tensor_initialization(X, y, 1, activation="relu", moments="other")
    with pytest.raises(ValueError, match="Negative values"):
        tensor_initialization(X, y, 1, activation="relu", sample_weight=[1, -1, 1])


@usable
@pytest.mark.parametrize("moments", ["residual", "raw"])
def test_units_beyond_the_rank_have_no_output(activation, moments):
    """Three columns, two of which say the same: at most two directions can be found."""
    X, y, _ = make_one_hidden_layer(500, 2, 2, activation=activation, random_state=0)
    rows = ArrayRows(np.column_stack([X, X[:, 0]]), y[:, None])
    start = tensor_start(
        rows, whitening(rows), 5, activation, moments, split=False, random_state=np.random.RandomState(0)
    )
    assert [array.shape for array in start] == [(2, 5), (5,), (5, 1), (1,)]
    assert_array_equal(start.V[2:], 0)
    assert (np.linalg.norm(start.W, axis=0) > 0).all()
    assert np.isfinite(start.pack()).all()


@pytest.mark.parametrize("value", [0.0, 3.0, 1e8 + 0.1])
@pytest.mark.parametrize("moments", ["residual", "raw"])
def test_constant_targets_are_their_mean(value, moments):
    """Varying by rounding they say nothing of units."""
    rng = np.random.RandomState(0)
    y = np.full((50, 1), value)
    y[::2] = np.nextafter(value, np.inf) if value else 0.0
    rows = ArrayRows(rng.standard_normal((50, 3)), y, rng.uniform(size=50))
    start = tensor_start(rows, whitening(rows), 2, ReLU(), moments, split=False, random_state=rng)
    assert_array_equal(start.V, 0)
    assert_allclose(start.c, value, rtol=1e-12)
    assert start.W.shape == (3, 2)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("offset", [1.0, 1e6])
def test_what_is_informative(dtype, offset):
    """Variation of a few units in the last place is not, of a thousand it is."""
    last = np.finfo(dtype).eps * offset
    for size, expected in [(0, False), (2, False), (1000, True)]:
        y = (offset + size * last * np.arange(3)).astype(dtype)[:, None]
        assert is_informative(ArrayRows(np.zeros((3, 1), dtype), y)) == expected


def test_filled_networks_are_the_same_function():
    network = random_network(4, 2, 2)
    more = filled(network, 5, np.random.RandomState(0))
    assert [array.shape for array in more] == [(4, 5), (5,), (5, 2), (2,)]
    X = np.random.RandomState(1).standard_normal((20, 4))
    assert_allclose(forward(X, more, Tanh()), forward(X, network, Tanh()), rtol=1e-12)
    assert np.linalg.matrix_rank(more.W) == 4
    assert filled(network, 2, np.random.RandomState(0)) is network


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


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_small_weights_are_drawn_for_columns_at_unit_variance(fit_intercept):
    """400 of them in each layer within 5 % of the size asked for; the scale of a column is no matter."""
    X = np.random.default_rng(0).standard_normal((500, 4)) @ np.diag([1, 1, 1, 0.1]) + 2
    X[:, 3] += X[:, 0]
    y = np.column_stack([X[:, 0], X[:, 1]])
    problem, scaled = (
        SquaredLoss(rows, Tanh(), whitening(rows), fit_intercept=fit_intercept)
        for rows in (ArrayRows(X, y), ArrayRows(X * [1, 100, 0.01, 1], y))
    )
    start = small_start(problem, 400, np.random.RandomState(0))
    W = problem.coordinates.scale[:, None] * problem.coordinates.weights_to_inputs(start.W, start.b)[0]
    assert_allclose(W.var(), 2 / 404, rtol=0.05)
    assert_allclose(start.V.var(), 2 / 402, rtol=0.05)
    assert start.b.any() == fit_intercept
    assert not start.c.any()
    other = small_start(scaled, 400, np.random.RandomState(0))
    values = [
        forward(rows.rows.X, rows.to_inputs(network), Tanh())
        for rows, network in ((problem, start), (scaled, other))
    ]
    assert_allclose(*values, atol=1e-9)


@pytest.mark.parametrize("activation", [ReLU(), SquaredReLU(), Tanh()], ids=repr)
def test_pruned_starts_are_better_than_random_ones(activation):
    """d = 6, k = 3, 20 rows to a weight: of ten fits from each, those that give back the network."""
    counts = np.zeros(2, dtype=int)
    for seed in range(10):
        problem = gaussian_problem(separated_network(6, 3, seed=seed), 360, activation, seed=seed)
        for i, start in enumerate((overparameterized_start, random_start)):
            found = start(problem, 3, np.random.RandomState(seed))
            assert found.W.shape == (6, 3)
            counts[i] += refit(problem, found, Stopping(50, REFIT.tol))[0] < 1e-10
    assert counts[0] >= 5
    assert counts[0] > counts[1]


@pytest.mark.parametrize("activation", [ReLU(), SquaredReLU(), Tanh()], ids=repr)
@pytest.mark.parametrize("d", [4, 12])
def test_repaired_starts_find_what_is_missing(activation, d):
    """Two units next to each other, one missing: of the fits that steps do not leave nearly all.

    With d = 4 all directions are tried, with d = 12 those that the residual shows.
    """
    recovered, stuck = 0, 0
    for seed in range(5):
        truth = separated_network(d, 3, seed=seed)
        problem = gaussian_problem(truth, 3000, activation, seed=seed)
        W = truth.W.copy()
        W[:, 0] = W[:, 1] + 0.01 * np.random.RandomState(seed).standard_normal(d)
        loss, network = refit(problem, with_fitted_outputs(problem, W, truth.b), Stopping(30, REFIT.tol))
        if loss < 1e-6:
            continue
        stuck += 1
        found = residual_directions_start(problem, network, np.random.RandomState(seed))
        assert found.W.shape == (d, 3)
        recovered += refit(problem, found, Stopping(30, REFIT.tol))[0] < 1e-10
    assert stuck >= 2
    assert recovered > 0.7 * stuck
