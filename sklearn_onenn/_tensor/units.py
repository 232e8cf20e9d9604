"""From directions to units: signs, magnitudes and output weights; units that are missing."""

from collections.abc import Callable

import numpy as np

from .._activation_base import Activation
from .._data.coordinates import Coordinates, identity_coordinates
from .._data.floating_point import TINY
from .._data.gaussianity import rows_are_normal
from .._data.rows import ArrayRows
from .._network.loss import SquaredLoss, residuals
from .._network.network import Network
from .._network.output_layer import CONDITION, output_equations, solve_outputs
from .._optimization.elimination import (
    backward_elimination,
    leading_directions,
    refit,
    with_directions,
)
from .._typing import Array
from .joint_diagonalization import wedge_components
from .rules import TENSOR, TensorRules
from .slices import leading_slices, noise_stack, null_edge, singular_values


def may_be_identified(
    rows: ArrayRows, coordinates: Coordinates, k: int, loss: float, rules: TensorRules = TENSOR
) -> bool:
    """Whether a fit of k units with this loss may lack a unit of a network, rather than be no network.

    Either the rows are such as the theorem wants them, or the fit is nearly exact.
    """
    return loss <= rules.nearly_exact * rows.n_outputs / k or rows_are_normal(rows, coordinates)


def recover_units(
    rows: ArrayRows,
    activation: Activation,
    stack_of: Callable[[ArrayRows], tuple[list[Array], float]],
    *,
    worth_repair: Callable[[float], bool] = lambda loss: True,
    random_state: np.random.RandomState,
    rules: TensorRules = TENSOR,
) -> Network:
    """As many units as the span has dimensions, from slices there, refitted and repaired.

    Parameters
    ----------
    rows : ArrayRows
        Rows (n, k) in the span, white.
    activation : Activation
    stack_of : callable
        The slices of rows with the targets that they have, and the noise, as
        :func:`slices.noise_stack` returns them.
    worth_repair : callable
        Whether a fit with this loss may lack a unit.
    random_state : numpy.random.RandomState

    Returns
    -------
    Network
    """
    k = rows.n_features
    stack, sd = stack_of(rows)
    U = wedge_components(leading_slices(stack, k, k), random_state=random_state)
    problem = SquaredLoss(rows, activation, identity_coordinates(k))
    network = fit_signs_and_scales(problem, U, rules.scales)
    loss, network = refit(problem, network)
    if not worth_repair(loss):
        return network
    power = singular_values(stack)[k - 1] * sd
    return replace_units(problem, network, loss, power, stack_of, rules)[1]


def fit_signs_and_scales(
    problem: SquaredLoss, U: Array, scales: tuple[float, ...] = TENSOR.scales
) -> Network:
    """Signs, magnitudes and output weights by regression on phi(s u_i . z) and phi(-s u_i . z).

    The orientation with the larger coefficient stays. Homogeneous units take the scale s = 1, which
    the output weight absorbs; for others the best of a few common scales is taken.
    """
    k = U.shape[1]
    found: list[tuple[float, Network]] = []
    for scale in scales if problem.activation.degree is None else (1.0,):
        W = scale * np.concatenate([U, -U], axis=1)
        gram, cross = output_equations(problem, W, np.zeros(2 * k))
        v = solve_outputs(gram, cross, 100 * CONDITION)[0]
        size = np.linalg.norm(v, axis=1)
        stay = np.where(size[:k] >= size[k : 2 * k], 0, k) + np.arange(k)
        kept = np.r_[stay, 2 * k]
        v, _, gain = solve_outputs(gram[np.ix_(kept, kept)], cross[kept])
        found.append((gain, Network(W[:, stay], np.zeros(k), v[:k], v[k])))
    return max(found, key=lambda pair: pair[0])[1]


def replace_units(
    problem: SquaredLoss,
    network: Network,
    loss: float,
    power: float,
    stack_of: Callable[[ArrayRows], tuple[list[Array], float]] = noise_stack,
    rules: TensorRules = TENSOR,
) -> tuple[float, Network]:
    """Replace units that a residual shows to be missing or merged, in the span of the units.

    Where the slices of the residual show what a missing unit would, or where they could not, the
    residual's leading directions are added, and as many units eliminated.

    Parameters
    ----------
    problem : SquaredLoss
        In the span: few columns, white.
    network : Network
    loss : float
        Its loss.
    power : float
        What the weakest unit shows in the slices of the targets, times the targets' noise.
    stack_of : callable
        Slices of the rows with other targets, and their noise.

    Returns
    -------
    loss : float
    network : Network
        The better of the one given and the one repaired.
    """
    k, rows = network.W.shape[1], problem.rows
    r, edge = rows.n_features, null_edge(rows.n_features, rows.n_outputs)
    stack, sd = stack_of(residuals(problem, network))
    power = power / max(sd, TINY)
    if singular_values(stack)[0] < rules.suspicious * power and power > edge:
        return loss, network
    slices = leading_slices(stack, r, min(rules.n_directions, k, len(stack[0])))
    larger = with_directions(network, leading_directions(slices))
    found, smaller = backward_elimination(problem, larger, k, k + len(slices))
    return (found, smaller) if found < loss else (loss, network)
