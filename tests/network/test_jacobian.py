"""Derivatives of the predictions as matrices: by differences, and by Gauss-Newton products."""

import numpy as np
import pytest
from _planted import (
    INSTANCES,
    differences,
    gaussian_problem,
    random_network,
    whitened,
    without_intercepts,
)
from numpy.testing import assert_allclose

from sklearn_onenn._network.jacobian import gauss_newton_matrix, jacobian
from sklearn_onenn._network.network import forward
from sklearn_onenn._network.symmetries import TangentBasis
from sklearn_onenn.activations import Tanh

every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)


@every_activation
@pytest.mark.parametrize("m", [1, 2])
def test_jacobian_is_the_derivative(activation, m):
    network = random_network(4, 3, m)
    problem = whitened(gaussian_problem(random_network(4, 3, m, seed=1), 40, activation))
    free = TangentBasis(network, degree=activation.degree, fit_intercept=True)

    def predictions(change):
        there = network.unpack(network.pack() + free.expand(change).pack())
        return forward(problem.rows.X, problem.to_inputs(there), activation).T.ravel()

    J, R = jacobian(problem.rows.block(0), problem, problem.to_inputs(network), free)
    expected = differences(predictions, np.zeros(free.size))
    assert_allclose(J.reshape(-1, free.size).T, expected, atol=2e-6)
    assert_allclose(R, predictions(np.zeros(free.size)).reshape(m, -1).T - problem.rows.y)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gauss_newton_matrix_is_that_of_the_products(fit_intercept, small_blocks, monkeypatch):
    monkeypatch.setattr("sklearn_onenn._network.jacobian.CHUNK_ENTRIES", 50)
    problem = whitened(
        gaussian_problem(random_network(4, 3, 2, seed=1), 60, Tanh(), fit_intercept=fit_intercept)
    )
    network = random_network(4, 3, 2)
    if not fit_intercept:
        network = without_intercepts(network)
    free = TangentBasis(network, degree=None, fit_intercept=fit_intercept)
    here = problem.evaluate(network)
    products = [free.reduce(here.gauss_newton_product(free.expand(e))) for e in np.eye(free.size)]
    assert_allclose(gauss_newton_matrix(problem, network, free), products, atol=1e-12)
