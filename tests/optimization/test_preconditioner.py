"""The preconditioner where numbers are at their limits."""

import numpy as np
import pytest

from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows, block_threads
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import Network
from sklearn_onenn._optimization.gauss_newton import gauss_newton
from sklearn_onenn._optimization.preconditioner import Preconditioner
from sklearn_onenn.activations import ReLU, Square


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_do_not_vary_have_the_penalty_of_the_outputs(dtype):
    """Of W there are no weights, and units that are zero have no derivatives."""
    y = np.arange(6.0, dtype=dtype)[:, None]
    rows = ArrayRows(np.zeros((6, 1), dtype), y)
    coordinates = whitening(rows, center=False)
    assert coordinates.rank == 0
    network = Network(np.zeros((0, 2)), np.zeros(2), np.ones((2, 1)), np.zeros(1))
    problem = SquaredLoss(rows, ReLU(), coordinates, fit_intercept=False, alpha=3.0)
    preconditioner = Preconditioner(problem.evaluate(network))
    outputs = network.unpack(preconditioner.ridge_M.diagonal()).V
    np.testing.assert_allclose(outputs, 3.0 / 6)
    assert preconditioner.left_out_error(1.4, 0.3) == pytest.approx(np.mean(y**2), rel=1e-6)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("d", [2, 400])  # the whole matrix, and one of some rows in single precision
def test_a_matrix_that_overflows_is_no_warning_and_no_step(d):
    """Slopes of 1e20 have squares beyond single precision; the loss itself is finite."""
    X = np.random.RandomState(0).standard_normal((50, d)).astype(np.float32)
    network = Network(np.full((d, 1), 1e-14), np.zeros(1), np.full((1, 1), 1e34), np.zeros(1))
    y = np.full((50, 1), 1.0, dtype=np.float32)
    problem = SquaredLoss(ArrayRows(X, y), Square(), identity_coordinates(d), alpha=1.0)
    with block_threads():
        evaluation = problem.evaluate(network)
        assert np.isfinite(evaluation.loss)
        preconditioner = Preconditioner(evaluation)
        assert preconditioner.diagonal.shape == network.pack().shape
        solution = gauss_newton(problem, network)
    assert solution.objective <= evaluation.loss
