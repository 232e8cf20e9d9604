"""Output weights of given units: dense least squares."""

import numpy as np
import pytest
from _planted import INSTANCES, features, least_squares, random_network, squared_error, uneven_problem
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn._network.output_layer import output_equations, solve_outputs, with_fitted_outputs

every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)


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
