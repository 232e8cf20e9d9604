"""Algorithm 1 with residual moments, all slices together: the default start.

Hermite polynomials are orthogonal under N(0, I): subtracting from y a fit of lower degree leaves M_j
unchanged in expectation and takes the fit's variance out of its noise.

1. Residual of y on {1, z}.
2. Span V of the units, from that residual.
3. In the span u = V^T z, without the linear signal outside: slices of M_4, M_3 and M_2 of the residual
   on {1, u, u u^T}, joined by their signal over their noise.
4. Joint diagonalization of the slices: directions u_i.
5. Signs and magnitudes by regression on the units in both orientations.
6. A few Gauss-Newton steps in the span, and a repair where a unit is missing.
"""

import numpy as np

from ._joint_diagonalization import wedge_components
from ._network import SquaredLoss
from ._slices import leading_slices, noise_stack, singular_values
from ._span import AffineFit, unit_span
from ._structure import may_lack_a_unit
from ._units import ADDED, REFIT_STEPS, oriented_units, refit, repair
from ._whitening import identity_coordinates

# Rows for each weight in the span from which units are refitted there, and their least number.
ROWS_PER_WEIGHT = 10
LEAST_ROWS = 2000


def residual_moment_start(rows, coordinates, k, activation, *, random_state):
    """Tensor initialization with residual moments.

    Parameters
    ----------
    rows : RowBlocks
    coordinates : Coordinates
        In which rows are taken for N(0, I).
    k : int
        At most the rank r of the coordinates.
    activation : Activation
    random_state : numpy.random.RandomState

    Returns
    -------
    Network
        In the coordinates.
    """
    r = coordinates.rank
    affine = AffineFit(rows, coordinates)
    slopes, residuals = affine(rows.y)
    V = np.eye(r) if k == r else unit_span(affine, residuals, slopes, k, random_state)
    projected = rows_in_span(rows, coordinates, V, slopes)
    stack, sd = noise_stack(projected)
    slices = leading_slices(stack, k, k)
    power = singular_values(stack)[k - 1] * sd
    U = wedge_components(slices, random_state=random_state)
    span = identity_coordinates(k)
    network = oriented_units(SquaredLoss(projected, activation, span), U)

    n_rows = max(LEAST_ROWS, ROWS_PER_WEIGHT * (k + ADDED) * (k + 2))
    step = max(1, projected.n_rows // n_rows)
    few = projected if step == 1 else projected.take(slice(None, None, step))
    problem = SquaredLoss(few, activation, span)
    loss, network = refit(problem, network, REFIT_STEPS)
    if may_lack_a_unit(rows, coordinates, k, loss):
        power *= np.sqrt(few.weight_sum / projected.weight_sum)
        loss, network = repair(problem, network, loss, power)
    return network._replace(W=V @ network.W)


def rows_in_span(rows, coordinates, V, slopes):
    """Rows projected on V, with the linear signal across V taken from the targets as span error."""
    across = slopes - V @ (V.T @ slopes)
    k = V.shape[1]
    both = np.column_stack([V, across])
    projected = np.concatenate(
        rows.map(lambda block: coordinates.project(block.X, both)), dtype=rows.dtype
    )
    return rows.with_rows(np.ascontiguousarray(projected[:, :k]), rows.y - projected[:, k:])
