"""Numerical checks of Properties 3.1 to 3.3 of arXiv:1706.03175, and the quadrature for moments."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from ._typing import Array

_SQRT_2_PI = math.sqrt(2.0 * math.pi)

Smoothness = Literal["bounded second derivative", "piecewise linear"]


class Differentiable(Protocol):
    """What is asked here of an activation."""

    kinks: tuple[float, ...]

    def derivative(self, z: Array) -> Array:
        """phi'(z), elementwise."""


@dataclass(frozen=True)
class ActivationProperties:
    """What Properties 3.1 to 3.3 of arXiv:1706.03175 say about an activation, numerically.

    Attributes
    ----------
    sigma : float
        Scale at which rho was evaluated.
    homogeneously_bounded : bool
        Property 3.1: phi' is never negative and grows at most like a power.
    rho : float
        The smallest of `rho_terms`; the loss is strongly convex near the truth in proportion to it.
    rho_terms : tuple of 3 floats
        With alpha_q = E[phi'(sigma z) z^q] and beta_q = E[phi'(sigma z)^2 z^q]:
        beta_0 - alpha_0^2 - alpha_1^2, beta_2 - alpha_1^2 - alpha_2^2, alpha_0 alpha_2 - alpha_1^2.
    rho_positive : bool
        Property 3.2 at this sigma: every term exceeds 1e-14 of what it is subtracted from, so that
        rounding is not taken for curvature.
    smooth_or_piecewise_linear : {"bounded second derivative", "piecewise linear", None}
        Which case of Property 3.3 holds, seen at a resolution of about 0.01; None: neither.
    violated : tuple of str
        The numbers of the properties that fail, for example ``("3.2",)``; empty when all hold.

    Examples
    --------
    >>> from sklearn_onenn.activations import Square
    >>> Square().properties().violated
    ('3.1', '3.2')
    """

    sigma: float
    homogeneously_bounded: bool
    rho: float
    rho_terms: tuple[float, float, float]
    rho_positive: bool
    smooth_or_piecewise_linear: Smoothness | None

    @property
    def violated(self) -> tuple[str, ...]:
        """The numbers of the properties that fail."""
        holds = {
            "3.1": self.homogeneously_bounded,
            "3.2": self.rho_positive,
            "3.3": self.smooth_or_piecewise_linear is not None,
        }
        return tuple(number for number, held in holds.items() if not held)


# Composite Gauss-Legendre rule on [-12, 12], where all but 4e-33 of the normal distribution lies:
# panels of width 1.5, and panels that halve towards every kink down to 1.5 / 2^30 = 1.4e-9.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)

_EDGES = np.linspace(-12.0, 12.0, 17)

_HALVINGS = 1.5 * 0.5 ** np.arange(31)

_OFFSETS = np.concatenate([-_HALVINGS, [0.0], _HALVINGS])


def gaussian_quadrature(sigma: Array, bias: Array, kinks: tuple[float, ...]) -> tuple[Array, Array]:
    """Nodes z and weights such that sum(weights * f(sigma z + bias, z)) is its Gaussian mean.

    sigma and bias share one shape; the nodes are a last axis added to it. The halving panels keep
    the rule accurate for large sigma, where phi(sigma z + bias) varies on a length of 1 / sigma.
    """
    shape = np.shape(sigma)
    images = (np.asarray(kinks, dtype=float) - bias[..., None]) / sigma[..., None]
    refined = (images[..., None] + _OFFSETS).reshape(*shape, -1)
    edges = np.concatenate([np.broadcast_to(_EDGES, (*shape, _EDGES.size)), refined], axis=-1)
    edges = np.sort(np.clip(edges, -12.0, 12.0), axis=-1)[..., None]
    half = np.diff(edges, axis=-2) / 2
    z = edges[..., :-1, :] + half * (1 + _NODES)
    weight = half * _WEIGHTS * np.exp(-0.5 * z * z) / _SQRT_2_PI
    return z.reshape(*shape, -1), weight.reshape(*shape, -1)


def rho_terms(
    activation: Differentiable, sigma: Array
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """The three terms of rho, and the sizes beta_0, beta_2, |alpha_0 alpha_2| to compare them with.

    The first two terms are residual variances, of phi' and of phi' z regressed on {1, z}: computed as
    means of squares they keep the digits that differences of alpha and beta would lose.
    """
    z, weight = gaussian_quadrature(sigma, np.zeros_like(sigma), activation.kinks)
    slope = np.asarray(activation.derivative(sigma * z), dtype=float)
    if not np.isfinite(slope).all():
        raise ValueError(f"the derivative of {activation!r} is not finite at sigma = {sigma}")

    def mean(f: Array) -> float:
        return float(np.sum(weight * f))

    alpha_0, alpha_1, alpha_2 = (mean(slope * z**q) for q in range(3))
    first = mean((slope - alpha_0 - alpha_1 * z) ** 2)
    second = mean((slope * z - alpha_1 - alpha_2 * z) ** 2)
    third = alpha_0 * alpha_2 - alpha_1**2
    scales = mean(slope**2), mean((slope * z) ** 2), abs(alpha_0 * alpha_2)
    return (first, second, third), scales


def homogeneously_bounded(activation: Differentiable) -> bool:
    """Property 3.1: phi' >= 0, and finite up to |z| = 1e6, where what outgrows powers overflows."""
    positive = np.concatenate([np.linspace(0.0, 20.0, 4001), np.geomspace(20.0, 1e6, 200)])
    slope = activation.derivative(np.stack([-positive, positive]))
    noise = 1e-10 * np.abs(slope[:, :4001]).max()
    return bool(np.isfinite(slope).all() and slope.min() >= -noise)


def smooth_or_piecewise_linear(activation: Differentiable) -> Smoothness | None:
    """Property 3.3, from differences of phi' on a grid, on one 8 times finer, and far out.

    Where phi'' is bounded, the differences shrink 8 times on the finer grid; where phi is piecewise
    linear they keep their size but stay as few as they were.
    """
    radius = 20.0 + np.max(np.abs(activation.kinks), initial=0.0)
    far = radius * np.geomspace(1.0, 1e3, 200)
    far = np.concatenate([-far, far])
    slope = activation.derivative(np.linspace(-radius, radius, 32001))
    distant = activation.derivative(1.001 * far) - activation.derivative(far)
    if not (np.isfinite(slope).all() and np.isfinite(distant).all()):
        return None
    step = radius / 2000
    coarse, fine = np.abs(np.diff(slope[::8])), np.abs(np.diff(slope))
    largest, noise = coarse.max() / step, 1e-6 * np.abs(slope).max()
    if np.max(np.abs(distant / (0.001 * far))) > 2 * largest + noise:
        return None
    if fine.max() / (step / 8) <= 2 * largest + noise:
        return "bounded second derivative"
    jump = 1e-9 * np.abs(slope).max()
    if np.count_nonzero(fine > jump) < 4 * np.count_nonzero(coarse > jump):
        return "piecewise linear"
    return None
