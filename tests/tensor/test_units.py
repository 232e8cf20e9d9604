"""From directions to units, and units that are missing: planted networks."""

import numpy as np
import pytest
from _planted import USABLE, gaussian_problem, separated_network
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn._network.output_layer import with_fitted_outputs
from sklearn_onenn._optimization.elimination import refit
from sklearn_onenn._optimization.gauss_newton import Stopping
from sklearn_onenn._tensor.rules import TENSOR
from sklearn_onenn._tensor.slices import noise_stack, null_edge, singular_values
from sklearn_onenn._tensor.units import fit_signs_and_scales, replace_units
from sklearn_onenn.activations import ReLU, SquaredReLU, Tanh

usable = pytest.mark.parametrize("activation", USABLE, ids=repr)


# Signs and magnitudes


@usable
@pytest.mark.parametrize("size", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_signs_and_scales_are_the_planted_ones(activation, size):
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
def test_signs_in_noisy_rows_are_the_planted_ones(activation):
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


# Units that are replaced


def broken(truth, problem, how):
    """A fit whose first unit is missing, or one that the first two share."""
    if how == "missing":
        W = truth.W.copy()
        W[:, 0] = -W[:, 0] if problem.activation.symmetry == "none" else W[:, 1]
    else:
        W = truth.W.copy()
        W[:, 0] = W[:, 1] = (W[:, 0] + W[:, 1]) / 2
    return refit(problem, with_fitted_outputs(problem, W, truth.b), Stopping(30, 1e-3))


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
def test_replaced_units_recover_planted_networks(activation, how):
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
        found, replaced = replace_units(problem, network, loss, 0.0)
        assert found == pytest.approx(problem.data_loss(replaced), rel=1e-9)
        assert found <= loss
        recovered.append(found < 1e-4 * loss)
    assert len(recovered) >= 3
    assert np.mean(recovered) > 0.7


def test_no_unit_of_a_good_fit_is_replaced():
    """A residual of noise shows less than the weakest unit would; and no repair raises the loss."""
    truth = separated_network(4, 4)
    problem = gaussian_problem(truth, 16_000, ReLU(), noise=0.2)
    loss, network = refit(problem, truth, Stopping(10, 1e-3))
    stack, sd = noise_stack(problem.rows)
    power = singular_values(stack)[3] * sd
    assert power / sd > 2 * null_edge(4, 1) / TENSOR.suspicious
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
    optimum = refit(problem, truth, Stopping(10, 1e-3))[0]
    assert loss > 1.2 * optimum
    found, replaced = replace_units(problem, network, loss, power)
    assert replaced is not network
    assert found == pytest.approx(optimum, rel=0.02)
