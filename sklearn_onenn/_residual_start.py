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

from ._slices import noise_stack
from ._span import AffineFit, rows_in_span, unit_span
from ._structure import may_lack_a_unit
from ._units import units_in_span


def residual_moment_start(rows, coordinates, k, activation, *, random_state):
    """Tensor initialization with residual moments.

    Parameters
    ----------
    rows : ArrayRows
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
    start = units_in_span(
        projected,
        activation,
        lambda rows, step: noise_stack(rows),
        worth_repair=lambda loss: may_lack_a_unit(rows, coordinates, k, loss),
        random_state=random_state,
    )
    return start._replace(W=V @ start.W)
