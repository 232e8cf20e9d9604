"""Whether the residual of a fit still holds structure that a further unit would explain.

At the optimum of a network that generated the data the residual is noise, and its second moment a
random matrix whose largest eigenvalue is known. In a poor local minimum a missing or merged unit
leaves a share of its own second moment there.
"""

import numpy as np

from .._activation_base import Activation
from .._data.blocks import weighted
from .._data.floating_point import TINY
from .._data.rows import ArrayRows
from .._network.loss import SquaredLoss, residuals
from .._network.network import Network
from .._tensor.span import AffineFit, second_moment
from .._typing import Array
from .criteria import CRITERIA, CriteriaRules


def residual_is_noise(problem: SquaredLoss, network: Network, rules: CriteriaRules = CRITERIA) -> bool:
    """Whether no unit is missing, as far as second moments tell.

    The rows are taken for N(0, I) in the coordinates of the problem: others have larger moments of
    noise and do not pass.

    Parameters
    ----------
    problem : SquaredLoss
    network : Network

    Returns
    -------
    bool
        False also where units as weak as the weakest of the network could not be seen.
    """
    if has_few_rows(problem, network, rules):
        return False
    rows = residuals(problem, network)
    edges = null_edges(rows, problem.coordinates.rank)
    if not are_detectable(network, problem.activation, edges, rules):
        return False
    affine = AffineFit(rows, problem.coordinates)
    found = [
        np.abs(np.linalg.eigvalsh(second_moment(affine, target[:, None])[0])).max()
        for target in affine(rows.y)[1].T
    ]
    return bool((found < edges).all())


def residual_test_has_no_power(
    problem: SquaredLoss, network: Network, rules: CriteriaRules = CRITERIA
) -> bool:
    """Whether a unit as weak as the weakest of the network could be missing, unseen in second moments.

    So it is with odd units without biases, which have none, and with much noise. With few rows it is not
    asked: parts of them would tell still less.
    """
    if has_few_rows(problem, network, rules):
        return False
    edges = null_edges(residuals(problem, network), problem.coordinates.rank)
    return not are_detectable(network, problem.activation, edges, rules)


def has_few_rows(problem: SquaredLoss, network: Network, rules: CriteriaRules = CRITERIA) -> bool:
    """Whether the rows are so few that the fit may take structure for noise, or noise for structure."""
    return problem.rows.weight_sum < rules.many_targets * problem.n_weights(len(network.b))


def are_detectable(
    network: Network, activation: Activation, edges: Array, rules: CriteriaRules = CRITERIA
) -> bool:
    """Whether every unit stands out of the noise in some output, by the edges (m,) of the outputs."""
    return bool((second_moments(network, activation) >= rules.detectable * edges).any(axis=1).all())


def null_edges(rows: ArrayRows, r: int) -> Array:
    """Largest eigenvalue that the second moment (r, r) of noise has in some 99 of 100 cases.

    The targets are the noise; there is a value for each of them, (m,).

    A symmetric matrix with entries of standard deviation s has 2 s sqrt(r), and a Tracy-Widom
    fluctuation of order s r^(-1/6) (C. A. Tracy, H. Widom, doi:10.1007/BF02099545).
    """
    squares = rows.sum(lambda block: (weighted(block.y, block.weight) * block.y).sum(axis=0))
    return 2 * np.sqrt(squares) / rows.weight_sum * (np.sqrt(r) + max(r, 1) ** (-1 / 6))


def second_moments(network: Network, activation: Activation) -> Array:
    """|V_io m_2(|w_i|, b_i)| (k, m): the eigenvalue that a unit alone would have in an output."""
    sizes = np.maximum(np.linalg.norm(network.W, axis=0), TINY)
    m2 = np.asarray(activation.hermite_coefficient(2, sizes, network.b))
    return np.abs(network.V * m2[:, None])
