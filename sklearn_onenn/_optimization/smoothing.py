"""Polish of units with a kink: first on smoothed units, whose loss has fewer local minima.

With noise the squared loss of ReLU units has a kink wherever a unit's boundary passes a row, and a
local minimum in many of the cells between them. Averaged over a Gaussian shift of the boundary the
units are smooth; their minimum is followed while the width of the Gaussian falls, and the last
steps are taken on the units as they are. (Graduated optimization: A. Blake, A. Zisserman, 1987,
Visual Reconstruction, MIT Press, chapter 7; for ReLU H. Mobahi, arXiv:1601.04114.)
"""

import numpy as np
from scipy.special import ndtr

from .._network.symmetries import with_unit_directions
from ..activations import Activation, LeakyReLU, ReLU
from .gauss_newton import gauss_newton

# Widths in standard deviations of w_i . x.
WIDTHS = (0.1, 0.03, 0.01, 0.003)

# Each width is only a start for the next. (Left to itself a unit would grow to make its width small.)
STEPS, TOL = 8, 1e-5


class SmoothedKink(Activation):
    """E phi(z + width g), g ~ N(0, 1), for phi(z) = max(z, slope z).

    Parameters
    ----------
    slope : float
    width : float
    """

    def __init__(self, slope, width):
        self.slope, self.width = slope, width

    def value(self, z):
        return self.value_and_derivative(z)[0]

    def derivative(self, z):
        return self.value_and_derivative(z)[1]

    def value_and_derivative(self, z):
        slope, width = z.dtype.type(self.slope), z.dtype.type(self.width)
        t = z / width
        step = ndtr(t)
        with np.errstate(over="ignore"):  # far from the kink the bump is zero
            t *= t
        t *= -0.5
        bump = np.exp(t, out=t)
        bump *= width / np.sqrt(2 * np.pi).astype(z.dtype)
        value = step * z
        value += bump
        if slope == 0:
            return value, step
        return slope * z + (1 - slope) * value, slope + (1 - slope) * step


def has_kink(activation):
    """Whether the activation is ReLU or leaky ReLU."""
    return isinstance(activation, (ReLU, LeakyReLU))


def minimize_smoothed(problem, network, *, widths=WIDTHS, tol=TOL, callback=None, **limits):
    """Minimize on units of falling width, each from the last.

    Parameters
    ----------
    problem : SquaredLoss
        Of ReLU or leaky ReLU units.
    network : Network
    widths : tuple of float
        Falling.
    tol : float
        Of the polish that follows; steps at a width end at no less.
    callback : callable or None
        As of :func:`gauss_newton`, with evaluations of the smoothed units.
    **limits
        Others of :func:`gauss_newton`; a width takes few steps whatever ``max_iter`` is.

    Returns
    -------
    Network
        Near a minimum of the loss of the units themselves.
    """
    slope = getattr(problem.activation, "slope", 0.0)
    for width in widths:
        network = with_unit_directions(network)
        smooth = problem.replace(problem.rows, activation=SmoothedKink(slope, width))
        limits |= {"max_iter": STEPS, "tol": max(TOL, tol), "callback": callback}
        network = gauss_newton(smooth, network, **limits).network
    return network
