"""Polish of units with a kink: first on smoothed units, whose loss has fewer local minima.

With noise the squared loss of ReLU units has a kink wherever a unit's boundary passes a row, and a
local minimum in many of the cells between them. Averaged over a Gaussian shift of the boundary the
units are smooth; their minimum is followed while the width of the Gaussian falls, and the last
steps are taken on the units as they are. (Graduated optimization: A. Blake, A. Zisserman, 1987,
Visual Reconstruction, MIT Press, chapter 7; for ReLU H. Mobahi, arXiv:1601.04114.)
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from .._network.loss import SquaredLoss
from .._network.network import Network
from .._network.symmetries import with_unit_directions
from .._typing import Array
from ..activations import Activation, LeakyReLU, ReLU
from .gauss_newton import Callback, Stopping, gauss_newton


@dataclass(frozen=True)
class Smoothing:
    """How units with a kink are smoothed, and sharpened again.

    The widths were chosen on noisy planted networks: ``doc/benchmarks/noise.md``.

    Attributes
    ----------
    widths : tuple of float
        Widths of the Gaussian, in standard deviations of w_i . x, falling.
    max_iter, tol : int, float
        As of :class:`Stopping`, at every width: each is only a start for the next. (Left to itself a
        unit would grow to make its width small.)
    """

    widths: tuple[float, ...] = (0.1, 0.03, 0.01, 0.003)
    max_iter: int = 8
    tol: float = 1e-5

    def first_width(self) -> "Smoothing":
        """The widest Gaussian alone, where there is no one optimum to look for."""
        return replace(self, widths=self.widths[:1])


class SmoothedKink(Activation):
    """E phi(z + width g), g ~ N(0, 1), for phi(z) = max(z, slope z).

    Parameters
    ----------
    slope : float
    width : float
    """

    def __init__(self, slope: float, width: float) -> None:
        self.slope, self.width = slope, width

    def value(self, z: Array) -> Array:
        return self.value_and_derivative(z)[0]

    def derivative(self, z: Array) -> Array:
        return self.value_and_derivative(z)[1]

    def value_and_derivative(self, z: Array) -> tuple[Array, Array]:
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


def has_kink(activation: Activation) -> bool:
    """Whether the activation is ReLU or leaky ReLU."""
    return isinstance(activation, (ReLU, LeakyReLU))


def minimize_smoothed(
    problem: SquaredLoss,
    network: Network,
    smoothing: Smoothing,
    stopping: Stopping,
    *,
    callback: Callback | None = None,
) -> Network:
    """Minimize on units of falling width, each from the last.

    Parameters
    ----------
    problem : SquaredLoss
        Of ReLU or leaky ReLU units.
    network : Network
    smoothing : Smoothing
    stopping : Stopping
        Of the steps that follow, whose tolerance is a bound on that at every width.
    callback : callable or None
        As of :func:`gauss_newton`, with evaluations of the smoothed units.

    Returns
    -------
    Network
        Near a minimum of the loss of the units themselves.
    """
    slope = getattr(problem.activation, "slope", 0.0)
    at_width = replace(
        stopping, max_iter=smoothing.max_iter, tol=max(smoothing.tol, stopping.tol), exact_loss=0.0
    )
    for width in smoothing.widths:
        network = with_unit_directions(network)
        smooth = problem.replace(problem.rows, activation=SmoothedKink(slope, width))
        network = gauss_newton(smooth, network, at_width, callback=callback).network
    return network
