"""Activation functions, seen through their Gaussian moments.

All that the method needs to know about an activation phi, beside its value and derivative, is one
scalar function: the Hermite moment ``m_j(s, b) = E[phi(s z + b) He_j(z)]``, z ~ N(0, 1). Stein's
identity ``m_j = s^j E[phi^(j)(s z + b)]`` gives it in closed form for the piecewise polynomial and
the Gaussian-integral activations; a quadrature gives it for every other, so a new activation is a
class with ``value`` and ``derivative`` and nothing else.

References
----------
K. Zhong, Z. Song, P. Jain, P. L. Bartlett, I. S. Dhillon, "Recovery Guarantees for
One-hidden-layer Neural Networks", ICML 2017, arXiv:1706.03175 (Properties 3.1, 3.2, 3.3).
"""

import math
import numbers
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.special import erf, eval_hermitenorm, ndtr

_SQRT_2 = math.sqrt(2.0)
_SQRT_2_PI = math.sqrt(2.0 * math.pi)


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
    rho_terms: tuple
    rho_positive: bool
    smooth_or_piecewise_linear: str | None

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
        Name for messages and the registry; by default the class name in lower case.
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
    symmetry: str = "none"
    kinks: tuple[float, ...] = (0.0,)

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = cls.__name__.lower()

    @abstractmethod
    def value(self, z) -> np.ndarray:
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
    def derivative(self, z) -> np.ndarray:
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

    def value_and_derivative(self, z) -> tuple[np.ndarray, np.ndarray]:
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

    def hermite_coefficient(self, order, sigma=1.0, bias=0.0) -> float | np.ndarray:
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

    def _moment(self, order, sigma, bias):
        """The moment for validated float arrays sigma, bias of one shape."""
        z, weight = _gaussian_quadrature(sigma, bias, self.kinks)
        value = self.value(sigma[..., None] * z + bias[..., None])
        return np.sum(weight * value * eval_hermitenorm(order, z), axis=-1)

    def properties(self, sigma=1.0) -> ActivationProperties:
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
        sigma = _positive(sigma)
        if sigma.ndim:
            raise ValueError(f"sigma must be one number, got an array of shape {sigma.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            terms, scales = _rho_terms(self, sigma)
            bounded, kind = _homogeneously_bounded(self), _smooth_or_piecewise_linear(self)
        return ActivationProperties(
            sigma=float(sigma),
            homogeneously_bounded=bounded,
            rho=min(terms),
            rho_terms=terms,
            rho_positive=all(t > 1e-14 * s for t, s in zip(terms, scales, strict=True)),
            smooth_or_piecewise_linear=kind,
        )

    def __repr__(self):
        parameters = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({parameters})"

    def __eq__(self, other):
        return vars(self) == vars(other) if type(self) is type(other) else NotImplemented

    def __hash__(self):
        return hash((type(self), tuple(sorted(vars(self).items()))))


class ReLU(Activation):
    """Rectified linear unit max(z, 0).

    Examples
    --------
    >>> from sklearn_onenn.activations import ReLU
    >>> ReLU().hermite_coefficient(1, sigma=3.0)
    1.5
    """

    name = "relu"
    degree = 1

    def value(self, z):
        return np.maximum(_floats(z), 0)

    def derivative(self, z):
        z = _floats(z)
        return np.greater(z, 0).astype(z.dtype)

    def _moment(self, order, sigma, bias):
        return _relu_moment(order, sigma, bias)


class LeakyReLU(Activation):
    """Leaky rectified linear unit max(z, slope z).

    Parameters
    ----------
    slope : float, default=0.01
        Slope for z < 0; 0 <= slope < 1.

    Raises
    ------
    TypeError
        slope is not a real number.
    ValueError
        slope is out of range.

    Examples
    --------
    >>> from sklearn_onenn.activations import LeakyReLU
    >>> LeakyReLU(slope=0.2).value([-1.0, 1.0])
    array([-0.2,  1. ])
    """

    name = "leaky_relu"
    degree = 1

    def __init__(self, slope=0.01):
        if not isinstance(slope, numbers.Real) or isinstance(slope, bool):
            raise TypeError(f"slope must be a real number with 0 <= slope < 1, got {slope!r}")
        if not 0 <= slope < 1:
            raise ValueError(f"slope must satisfy 0 <= slope < 1, got {slope!r}")
        self.slope = float(slope)

    def value(self, z):
        z = _floats(z)
        scaled = np.asarray(self.slope * z)
        return np.maximum(scaled, z, out=scaled)

    def derivative(self, z):
        z = _floats(z)
        step = np.asarray(np.greater(z, 0).astype(z.dtype))
        return np.maximum(step, self.slope, out=step)

    def _moment(self, order, sigma, bias):
        relu, identity = _relu_moment(order, sigma, bias), _identity_moment(order, sigma, bias)
        return (1 - self.slope) * relu + self.slope * identity


class SquaredReLU(Activation):
    """Squared rectified linear unit max(z, 0)^2, the one of the experiments in arXiv:1706.03175.

    Examples
    --------
    >>> from sklearn_onenn.activations import SquaredReLU
    >>> SquaredReLU().hermite_coefficient(2, sigma=3.0)
    9.0
    """

    name = "squared_relu"
    degree = 2

    def value(self, z):
        positive = np.maximum(_floats(z), 0)
        positive *= positive
        return positive

    def derivative(self, z):
        positive = np.maximum(_floats(z), 0)
        positive *= 2
        return positive

    def value_and_derivative(self, z):
        positive = np.maximum(_floats(z), 0)
        value = positive * positive
        positive *= 2
        return value, positive

    def _moment(self, order, sigma, bias):
        if order == 0:
            t = bias / sigma
            return (bias**2 + sigma**2) * ndtr(t) + bias * sigma * _ndtr_derivative(1, t)
        return 2 * sigma * _relu_moment(order - 1, sigma, bias)


class Sigmoid(Activation):
    """Logistic sigmoid 1 / (1 + exp(-z)).

    Examples
    --------
    >>> from sklearn_onenn.activations import Sigmoid
    >>> Sigmoid().hermite_coefficient(0)
    0.5
    """

    name = "sigmoid"
    symmetry = "point"

    def value(self, z):
        return _sigmoid(_floats(z))

    def derivative(self, z):
        return self.value_and_derivative(z)[1]

    def value_and_derivative(self, z):
        value = self.value(z)
        derivative = 1 - value
        derivative *= value
        return value, derivative


class Tanh(Activation):
    """Hyperbolic tangent.

    Examples
    --------
    >>> from sklearn_onenn.activations import Tanh
    >>> round(Tanh().hermite_coefficient(3), 3)
    -0.364
    """

    name = "tanh"
    symmetry = "odd"

    def value(self, z):
        return np.tanh(_floats(z))

    def derivative(self, z):
        slope = np.asarray(self.value(z))
        slope *= slope
        return np.subtract(1, slope, out=slope)

    def value_and_derivative(self, z):
        value = self.value(z)
        derivative = np.asarray(value * value)
        return value, np.subtract(1, derivative, out=derivative)


class Erf(Activation):
    """Error function 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to z, as scipy has it.

    Examples
    --------
    >>> from sklearn_onenn.activations import Erf
    >>> round(Erf().hermite_coefficient(1), 3)
    0.651
    """

    name = "erf"
    symmetry = "odd"

    def value(self, z):
        return erf(_floats(z))

    def derivative(self, z):
        return _gaussian(_floats(z), -1.0, 2.0 / math.sqrt(math.pi))

    def _moment(self, order, sigma, bias):
        tau = np.hypot(1.0, _SQRT_2 * sigma)
        if order == 0:
            return erf(bias / tau)
        return 2 * (_SQRT_2 * sigma / tau) ** order * _ndtr_derivative(order, _SQRT_2 * bias / tau)


class GELU(Activation):
    """Gaussian error linear unit z Phi(z), Phi the normal distribution function (exact form).

    Its derivative is negative for z < -0.75, so Property 3.1 does not hold.

    Examples
    --------
    >>> from sklearn_onenn.activations import GELU
    >>> GELU().properties().violated
    ('3.1',)
    """

    name = "gelu"

    def value(self, z):
        z = _floats(z)
        value = ndtr(z)
        value *= z
        return value

    def derivative(self, z):
        z = _floats(z)
        derivative = _gaussian(z, -0.5, 1.0 / _SQRT_2_PI)
        derivative *= z
        derivative += ndtr(z)
        return derivative

    def value_and_derivative(self, z):
        z = _floats(z)
        value = ndtr(z)
        derivative = _gaussian(z, -0.5, 1.0 / _SQRT_2_PI)
        derivative *= z
        derivative += value
        value *= z
        return value, derivative

    def _moment(self, order, sigma, bias):
        tau = np.hypot(1.0, sigma)
        u, ratio = bias / tau, sigma / tau
        if order == 0:
            return bias * ndtr(u) + sigma * ratio * _ndtr_derivative(1, u)
        curvature = _ndtr_derivative(order + 1, u) / tau**2
        return tau * ratio**order * (_ndtr_derivative(order - 1, u) - curvature)


class Softplus(Activation):
    """Softplus log(1 + exp(z)), a smooth ReLU.

    Examples
    --------
    >>> from sklearn_onenn.activations import Softplus
    >>> Softplus().hermite_coefficient(1)
    0.5
    """

    name = "softplus"

    def value(self, z):
        z = _floats(z)  # max(z, 0) + log1p(exp(-|z|)): exact as logaddexp, 2 to 8 times faster
        value = np.asarray(np.abs(z))
        np.negative(value, out=value)
        np.exp(value, out=value)
        np.log1p(value, out=value)
        value += np.maximum(z, 0)
        return value

    def derivative(self, z):
        return _sigmoid(_floats(z))

    def _moment(self, order, sigma, bias):
        if order == 0:
            return super()._moment(order, sigma, bias)
        return sigma * Sigmoid().hermite_coefficient(order - 1, sigma, bias)


class Identity(Activation):
    """The linear unit z; it fails Property 3.2: nothing but the sum of the units is identified.

    Examples
    --------
    >>> from sklearn_onenn.activations import Identity
    >>> Identity().properties().violated
    ('3.2',)
    """

    name = "identity"
    degree = 1
    symmetry = "odd"

    def value(self, z):
        return np.array(_floats(z))

    def derivative(self, z):
        return np.ones_like(_floats(z))

    def _moment(self, order, sigma, bias):
        return _identity_moment(order, sigma, bias)


class Square(Activation):
    """The quadratic unit z^2; it fails Property 3.2: W is identified up to a rotation only.

    Examples
    --------
    >>> from sklearn_onenn.activations import Square
    >>> Square().hermite_coefficient(2, sigma=3.0)
    18.0
    """

    name = "square"
    degree = 2

    def value(self, z):
        z = _floats(z)
        return z * z

    def derivative(self, z):
        return 2 * _floats(z)

    def _moment(self, order, sigma, bias):
        moments = (sigma**2 + bias**2, 2 * sigma * bias, 2 * sigma**2)
        return moments[order] if order < 3 else np.zeros_like(sigma)


_CLASSES = (ReLU, LeakyReLU, SquaredReLU, Sigmoid, Tanh, Erf, GELU, Softplus, Identity, Square)
#: Registry: name -> class, aliases included.
ACTIVATIONS = {cls.name: cls for cls in _CLASSES} | {"logistic": Sigmoid}


def get_activation(activation) -> Activation:
    """The activation of a name, or the instance itself.

    Parameters
    ----------
    activation : str or Activation
        A key of `ACTIVATIONS`, or an instance.

    Returns
    -------
    Activation

    Raises
    ------
    ValueError
        The name is not registered.
    TypeError
        Neither a name nor an instance (a class, for example).

    Examples
    --------
    >>> from sklearn_onenn.activations import get_activation
    >>> get_activation("leaky_relu")
    LeakyReLU(slope=0.01)
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        if activation in ACTIVATIONS:
            return ACTIVATIONS[activation]()
        names = ", ".join(sorted(ACTIVATIONS))
        raise ValueError(f"activation must be one of {names}, or an instance; got {activation!r}")
    hint = ""
    if isinstance(activation, type) and issubclass(activation, Activation):
        hint = f": pass an instance, {activation.__name__}(), not the class"
    raise TypeError(
        f"activation must be a name such as 'relu' or an Activation instance, got {activation!r}" + hint
    )


def _floats(z):
    """z as an array of floats, without a copy if it is one."""
    z = np.asarray(z)
    return z if z.dtype.kind == "f" else z.astype(float)


def _sigmoid(z):
    """1 / (1 + exp(-z)) in one temporary; exp may overflow to inf, and 1 / inf = 0 is right."""
    value = np.asarray(np.negative(z))
    with np.errstate(over="ignore"):
        np.exp(value, out=value)
    value += 1
    return np.reciprocal(value, out=value)


def _gaussian(z, exponent, factor):
    """factor exp(exponent z^2) in one temporary."""
    value = np.asarray(z * z)
    value *= exponent
    np.exp(value, out=value)
    value *= factor
    return value


def _positive(sigma):
    """sigma as a float array, positive and finite."""
    sigma = np.asarray(sigma, dtype=float)
    if not (np.isfinite(sigma) & (sigma > 0)).all():
        raise ValueError(f"sigma must be positive and finite, got {sigma}")
    return sigma


def _ndtr_derivative(order, t):
    """The order-th derivative of the normal distribution function at t."""
    if order == 0:
        return ndtr(t)
    t = np.clip(t, -40.0, 40.0)  # beyond, the density is zero and He_j must not overflow
    hermite = eval_hermitenorm(order - 1, t)
    return (-1) ** (order - 1) * hermite * np.exp(-0.5 * t * t) / _SQRT_2_PI


def _relu_moment(order, sigma, bias):
    t = bias / sigma
    if order == 0:
        return sigma * _ndtr_derivative(1, t) + bias * ndtr(t)
    return sigma * _ndtr_derivative(order - 1, t)


def _identity_moment(order, sigma, bias):
    if order < 2:
        return (bias, sigma)[order]
    return np.zeros_like(sigma)


# Composite Gauss-Legendre rule on [-12, 12], where all but 4e-33 of the normal distribution lies:
# panels of width 1.5, and panels that halve towards every kink down to 1.5 / 2^30 = 1.4e-9.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_EDGES = np.linspace(-12.0, 12.0, 17)
_HALVINGS = 1.5 * 0.5 ** np.arange(31)
_OFFSETS = np.concatenate([-_HALVINGS, [0.0], _HALVINGS])


def _gaussian_quadrature(sigma, bias, kinks):
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


def _rho_terms(activation, sigma):
    """The three terms of rho, and beta_0, beta_2, |alpha_0 alpha_2|, which they are small against.

    The first two are residual variances, of phi' and of phi' z regressed on {1, z}: as means of
    squares they keep their digits where the differences of alpha and beta would cancel.
    """
    z, weight = _gaussian_quadrature(sigma, np.zeros_like(sigma), activation.kinks)
    slope = np.asarray(activation.derivative(sigma * z), dtype=float)
    if not np.isfinite(slope).all():
        raise ValueError(f"the derivative of {activation!r} is not finite at sigma = {sigma}")

    def mean(f):
        return float(np.sum(weight * f))

    alpha_0, alpha_1, alpha_2 = (mean(slope * z**q) for q in range(3))
    first = mean((slope - alpha_0 - alpha_1 * z) ** 2)
    second = mean((slope * z - alpha_1 - alpha_2 * z) ** 2)
    third = alpha_0 * alpha_2 - alpha_1**2
    scales = mean(slope**2), mean((slope * z) ** 2), abs(alpha_0 * alpha_2)
    return (first, second, third), scales


def _homogeneously_bounded(activation):
    """Property 3.1: phi' >= 0, and finite up to |z| = 1e6, where what outgrows powers overflows."""
    positive = np.concatenate([np.linspace(0.0, 20.0, 4001), np.geomspace(20.0, 1e6, 200)])
    slope = activation.derivative(np.stack([-positive, positive]))
    noise = 1e-10 * np.abs(slope[:, :4001]).max()
    return bool(np.isfinite(slope).all() and slope.min() >= -noise)


def _smooth_or_piecewise_linear(activation):
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
