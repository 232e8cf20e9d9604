"""What the method asks of an activation: the base class, its moments and its properties."""

import math
import numbers
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import eval_hermitenorm

from ._typing import Array

_SQRT_2_PI = math.sqrt(2.0 * math.pi)

Smoothness = Literal["bounded second derivative", "piecewise linear"]


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


class Activation(ABC):
    """Base class of activations; a subclass defines `value` and `derivative`.

    Instances are compared and hashed by type and parameters (their instance attributes).

    Attributes
    ----------
    name : str
        Name for messages, and in ``ACTIVATIONS`` where it is listed there; by default the class name in
        lower case.
    degree : int or None
        Degree of homogeneity, phi(c z) = c^degree phi(z) for c > 0; None if not homogeneous.
    symmetry : {"none", "odd", "point"}
        "odd": phi(-z) = -phi(z). "point": phi(-z) = 2 phi(0) - phi(z), like the sigmoid.
    kinks : tuple of float
        Points where phi or phi' is not smooth, or changes fastest; the quadrature is refined there.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_onenn.activations import Activation
    >>> class Arctan(Activation):
    ...     symmetry = "odd"
    ...     def value(self, z):
    ...         return np.arctan(z)
    ...     def derivative(self, z):
    ...         return 1 / (1 + z * z)
    >>> round(Arctan().hermite_coefficient(1), 6)
    0.65568
    >>> Arctan().properties().violated
    ()
    """

    name: str
    degree: int | None = None
    symmetry: Literal["none", "odd", "point"] = "none"
    kinks: tuple[float, ...] = (0.0,)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = cls.__name__.lower()

    @abstractmethod
    def value(self, z: Array) -> Array:
        """phi(z), elementwise.

        Parameters
        ----------
        z : ndarray of float, any shape
            Not changed.

        Returns
        -------
        ndarray of the shape and dtype of z
            Always new memory.
        """

    @abstractmethod
    def derivative(self, z: Array) -> Array:
        """phi'(z), elementwise; at a kink either one-sided limit.

        Parameters
        ----------
        z : ndarray of float, any shape
            Not changed.

        Returns
        -------
        ndarray of the shape and dtype of z
            Always new memory.
        """

    def value_and_derivative(self, z: Array) -> tuple[Array, Array]:
        """phi(z) and phi'(z); overridden where the two share work.

        Parameters
        ----------
        z : ndarray of float, any shape
            Not changed.

        Returns
        -------
        value, derivative : ndarrays of the shape and dtype of z
        """
        return self.value(z), self.derivative(z)

    @overload
    def hermite_coefficient(self, order: int, sigma: float = 1.0, bias: float = 0.0) -> float: ...

    @overload
    def hermite_coefficient(
        self, order: int, sigma: ArrayLike = 1.0, bias: ArrayLike = 0.0
    ) -> float | Array: ...

    def hermite_coefficient(
        self, order: int, sigma: ArrayLike = 1.0, bias: ArrayLike = 0.0
    ) -> float | Array:
        """Hermite moment m_j(sigma, bias) = E[phi(sigma z + bias) He_j(z)], z ~ N(0, 1).

        He_j is the probabilists' Hermite polynomial. Closed form where one exists, else quadrature
        with an error of some 1e-15 times the root mean square of the integrand.

        Parameters
        ----------
        order : int >= 0
            j.
        sigma : float or array-like
            Norm of the weight vector; positive and finite.
        bias : float or array-like
            Finite; broadcast against sigma.

        Returns
        -------
        float, or ndarray of the broadcast shape of sigma and bias

        Raises
        ------
        ValueError
            An argument is out of range, or the moment is not finite.
        """
        if not isinstance(order, numbers.Integral) or order < 0:
            raise ValueError(f"order must be an int >= 0, got {order!r}")
        sigma, bias = np.broadcast_arrays(_positive(sigma), np.asarray(bias, dtype=float))
        if not np.isfinite(bias).all():
            raise ValueError(f"bias must be finite, got {bias}")
        with np.errstate(over="ignore", invalid="ignore"):
            moment = self._moment(int(order), sigma, bias) + 0.0  # a copy, and no negative zeros
        if self.symmetry != "none" and order % 2 == 0:  # then exact, so that "== 0" can be asked
            center = self.value(np.zeros(1))[0] if order == 0 else 0.0
            moment = np.where(bias == 0, center, moment)
        if not np.isfinite(moment).all():
            raise ValueError(f"the Hermite moment of order {order} of {self!r} is not finite")
        return moment if moment.ndim else float(moment)

    def _moment(self, order: int, sigma: Array, bias: Array) -> Array:
        """The moment for validated float arrays sigma, bias of one shape."""
        z, weight = _gaussian_quadrature(sigma, bias, self.kinks)
        value = self.value(sigma[..., None] * z + bias[..., None])
        return np.sum(weight * value * eval_hermitenorm(order, z), axis=-1)

    def check_contract(self) -> Self:
        """Check that `value` and `derivative` are what a fit takes them for.

        That is: finite arrays of the shape of z, the second the derivative of the first. It is tried for
        some z between -3 and 3, the derivative by central differences.

        Returns
        -------
        self : Activation

        Raises
        ------
        ValueError
            Naming the method, and what it returned.

        Examples
        --------
        >>> from sklearn_onenn.activations import Tanh
        >>> Tanh().check_contract()
        Tanh()
        """
        z = np.linspace(-3.0, 3.0, 60).reshape(12, 5) + 0.0123456789
        step = 1e-6
        for name in ("value", "derivative"):
            _check_returned(self, name, z, getattr(self, name)(z.copy()))
        found = self.derivative(z.copy())
        expected = (self.value(z + step) - self.value(z - step)) / (2 * step)
        wrong = np.abs(found - expected) > 1e-4 * (1 + np.abs(expected))
        if wrong.any():
            at = int(np.argmax(wrong))
            raise ValueError(
                f"activation {self!r}: derivative(z) must be that of value(z), got "
                f"{found.ravel()[at]:.6g} at z = {z.ravel()[at]:.4g}, where differences of value say "
                f"{expected.ravel()[at]:.6g}."
            )
        return self

    def properties(self, sigma: float = 1.0) -> ActivationProperties:
        """Check Properties 3.1 to 3.3 of arXiv:1706.03175 numerically.

        Parameters
        ----------
        sigma : float
            Scale at which rho of Property 3.2 is evaluated; positive and finite.

        Returns
        -------
        ActivationProperties

        Raises
        ------
        ValueError
            sigma is out of range, or phi' is not finite on [-12 sigma, 12 sigma].
        """
        scale = _positive(sigma)
        if scale.ndim:
            raise ValueError(f"sigma must be one number, got an array of shape {scale.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            terms, sizes = _rho_terms(self, scale)
            bounded, kind = _homogeneously_bounded(self), _smooth_or_piecewise_linear(self)
        return ActivationProperties(
            sigma=float(scale),
            homogeneously_bounded=bounded,
            rho=min(terms),
            rho_terms=terms,
            rho_positive=all(t > 1e-14 * s for t, s in zip(terms, sizes, strict=True)),
            smooth_or_piecewise_linear=kind,
        )

    def __repr__(self) -> str:
        parameters = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({parameters})"

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(self) is type(other) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), tuple(sorted(vars(self).items()))))


def _check_returned(activation: Activation, name: str, z: Array, found: Any) -> None:
    """Refuse what is no finite array of the shape of z."""
    if np.shape(found) != z.shape or not np.issubdtype(np.asarray(found).dtype, np.floating):
        raise ValueError(
            f"activation {activation!r}: {name}(z) must return an array of floats of the shape of z, "
            f"{z.shape}, got {type(found).__name__} of shape {np.shape(found)}."
        )
    wrong = ~np.isfinite(found)
    if wrong.any():
        raise ValueError(
            f"activation {activation!r}: {name}(z) must be finite, got {found[wrong][0]} at "
            f"z = {z[wrong][0]:.4g}."
        )


def _positive(sigma: ArrayLike) -> Array:
    """sigma as a float array, positive and finite."""
    sigma = np.asarray(sigma, dtype=float)
    if not (np.isfinite(sigma) & (sigma > 0)).all():
        raise ValueError(f"sigma must be positive and finite, got {sigma}")
    return sigma


# Composite Gauss-Legendre rule on [-12, 12], where all but 4e-33 of the normal distribution lies:
# panels of width 1.5, and panels that halve towards every kink down to 1.5 / 2^30 = 1.4e-9.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)

_EDGES = np.linspace(-12.0, 12.0, 17)

_HALVINGS = 1.5 * 0.5 ** np.arange(31)

_OFFSETS = np.concatenate([-_HALVINGS, [0.0], _HALVINGS])


def _gaussian_quadrature(sigma: Array, bias: Array, kinks: tuple[float, ...]) -> tuple[Array, Array]:
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


def _rho_terms(
    activation: Activation, sigma: Array
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """The three terms of rho, and the sizes beta_0, beta_2, |alpha_0 alpha_2| to compare them with.

    The first two terms are residual variances, of phi' and of phi' z regressed on {1, z}: computed as
    means of squares they keep the digits that differences of alpha and beta would lose.
    """
    z, weight = _gaussian_quadrature(sigma, np.zeros_like(sigma), activation.kinks)
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


def _homogeneously_bounded(activation: Activation) -> bool:
    """Property 3.1: phi' >= 0, and finite up to |z| = 1e6, where what outgrows powers overflows."""
    positive = np.concatenate([np.linspace(0.0, 20.0, 4001), np.geomspace(20.0, 1e6, 200)])
    slope = activation.derivative(np.stack([-positive, positive]))
    noise = 1e-10 * np.abs(slope[:, :4001]).max()
    return bool(np.isfinite(slope).all() and slope.min() >= -noise)


def _smooth_or_piecewise_linear(activation: Activation) -> Smoothness | None:
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
