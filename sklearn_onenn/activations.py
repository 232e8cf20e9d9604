"""Activation functions, seen through their Gaussian moments.

All that the method needs to know about an activation phi, beside its value and derivative, is one
scalar function: the Hermite moment ``m_j(s, b) = E[phi(s z + b) He_j(z)]``, z ~ N(0, 1). Stein's
identity ``m_j = s^j E[phi^(j)(s z + b)]`` gives it in closed form for the piecewise polynomial and
the Gaussian-integral activations; a quadrature gives it for every other. So an activation of your
own is an instance of a subclass of :class:`Activation` with ``value`` and ``derivative``; set
``symmetry``, ``degree`` and ``kinks`` where their defaults are wrong. The estimator takes the instance.
To offer it by ``name`` as well, add its class to ``_CLASSES``, from which ``ACTIVATIONS`` is made, and
to ``__all__``; ``onnx.py`` and ``_conversion.py`` list those that they can write.

References
----------
K. Zhong, Z. Song, P. Jain, P. L. Bartlett, I. S. Dhillon, "Recovery Guarantees for
One-hidden-layer Neural Networks", ICML 2017, arXiv:1706.03175 (Properties 3.1, 3.2, 3.3).
"""

import math
import numbers

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erf, eval_hermitenorm, ndtr

from ._activation_base import Activation
from ._activation_properties import ActivationProperties
from ._typing import Array

__all__ = [
    "ACTIVATIONS",
    "GELU",
    "Activation",
    "ActivationProperties",
    "Erf",
    "Identity",
    "LeakyReLU",
    "ReLU",
    "Sigmoid",
    "Softplus",
    "Square",
    "SquaredReLU",
    "Tanh",
    "get_activation",
]

_SQRT_2 = math.sqrt(2.0)
_SQRT_2_PI = math.sqrt(2.0 * math.pi)


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

    def value(self, z: Array) -> Array:
        return np.maximum(_floats(z), 0)

    def derivative(self, z: Array) -> Array:
        z = _floats(z)
        return np.greater(z, 0).astype(z.dtype)

    def _moment(self, order: int, sigma: Array, bias: Array) -> Array:
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

    def __init__(self, slope: float = 0.01) -> None:
        if not isinstance(slope, numbers.Real) or isinstance(slope, bool):
            raise TypeError(f"slope must be a real number with 0 <= slope < 1, got {slope!r}")
        if not 0 <= slope < 1:
            raise ValueError(f"slope must satisfy 0 <= slope < 1, got {slope!r}")
        self.slope: float = float(slope)

    def value(self, z: Array) -> Array:
        z = _floats(z)
        scaled = np.asarray(self.slope * z)
        return np.maximum(scaled, z, out=scaled)

    def derivative(self, z: Array) -> Array:
        z = _floats(z)
        step = np.asarray(np.greater(z, 0).astype(z.dtype))
        return np.maximum(step, self.slope, out=step)

    def _moment(self, order: int, sigma: Array, bias: Array) -> Array:
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

    def value(self, z: Array) -> Array:
        positive = np.maximum(_floats(z), 0)
        positive *= positive
        return positive

    def derivative(self, z: Array) -> Array:
        positive = np.maximum(_floats(z), 0)
        positive *= 2
        return positive

    def value_and_derivative(self, z: Array) -> tuple[Array, Array]:
        positive = np.maximum(_floats(z), 0)
        value = positive * positive
        positive *= 2
        return value, positive

    def _moment(self, order: int, sigma: Array, bias: Array) -> Array:
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

    def value(self, z: Array) -> Array:
        return _sigmoid(_floats(z))

    def derivative(self, z: Array) -> Array:
        return self.value_and_derivative(z)[1]

    def value_and_derivative(self, z: Array) -> tuple[Array, Array]:
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

    def value(self, z: Array) -> Array:
        return np.tanh(_floats(z))

    def derivative(self, z: Array) -> Array:
        slope = np.asarray(self.value(z))
        slope *= slope
        return np.subtract(1, slope, out=slope)

    def value_and_derivative(self, z: Array) -> tuple[Array, Array]:
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

    def value(self, z: Array) -> Array:
        return erf(_floats(z))

    def derivative(self, z: Array) -> Array:
        return _gaussian(_floats(z), -1.0, 2.0 / math.sqrt(math.pi))

    def _moment(self, order: int, sigma: Array, bias: Array) -> Array:
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

    def value(self, z: Array) -> Array:
        z = _floats(z)
        value = ndtr(z)
        value *= z
        return value

    def derivative(self, z: Array) -> Array:
        z = _floats(z)
        derivative = _gaussian(z, -0.5, 1.0 / _SQRT_2_PI)
        derivative *= z
        derivative += ndtr(z)
        return derivative

    def value_and_derivative(self, z: Array) -> tuple[Array, Array]:
        z = _floats(z)
        value = ndtr(z)
        derivative = _gaussian(z, -0.5, 1.0 / _SQRT_2_PI)
        derivative *= z
        derivative += value
        value *= z
        return value, derivative

    def _moment(self, order: int, sigma: Array, bias: Array) -> Array:
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

    def value(self, z: Array) -> Array:
        z = _floats(z)  # max(z, 0) + log1p(exp(-|z|)): exact as logaddexp, 2 to 8 times faster
        value = np.asarray(np.abs(z))
        np.negative(value, out=value)
        np.exp(value, out=value)
        np.log1p(value, out=value)
        value += np.maximum(z, 0)
        return value

    def derivative(self, z: Array) -> Array:
        return _sigmoid(_floats(z))

    def _moment(self, order: int, sigma: Array, bias: Array) -> Array:
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

    def value(self, z: Array) -> Array:
        return np.array(_floats(z))

    def derivative(self, z: Array) -> Array:
        return np.ones_like(_floats(z))

    def _moment(self, order: int, sigma: Array, bias: Array) -> Array:
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

    def value(self, z: Array) -> Array:
        z = _floats(z)
        return z * z

    def derivative(self, z: Array) -> Array:
        return 2 * _floats(z)

    def _moment(self, order: int, sigma: Array, bias: Array) -> Array:
        moments = (sigma**2 + bias**2, 2 * sigma * bias, 2 * sigma**2)
        return moments[order] if order < 3 else np.zeros_like(sigma)


_CLASSES: tuple[type[Activation], ...] = (
    ReLU,
    LeakyReLU,
    SquaredReLU,
    Sigmoid,
    Tanh,
    Erf,
    GELU,
    Softplus,
    Identity,
    Square,
)
#: Registry: name -> class, aliases included.
ACTIVATIONS = {cls.name: cls for cls in _CLASSES} | {"logistic": Sigmoid}


def get_activation(activation: str | Activation) -> Activation:
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
        hint = f": pass an instance, {activation.__module__}.{activation.__name__}(), not the class"
    raise TypeError(
        f"activation must be a name such as 'relu' or an Activation instance, got {activation!r}" + hint
    )


def _floats(z: ArrayLike) -> Array:
    """z as an array of floats, without a copy if it is one."""
    z = np.asarray(z)
    return z if z.dtype.kind == "f" else z.astype(float)


def _sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)) in one temporary; exp may overflow to inf, and 1 / inf = 0 is right."""
    value = np.asarray(np.negative(z))
    with np.errstate(over="ignore"):
        np.exp(value, out=value)
    value += 1
    return np.reciprocal(value, out=value)


def _gaussian(z: Array, exponent: float, factor: float) -> Array:
    """factor exp(exponent z^2) in one temporary."""
    value = np.asarray(z * z)
    value *= exponent
    np.exp(value, out=value)
    value *= factor
    return value


def _ndtr_derivative(order: int, t: Array) -> Array:
    """The order-th derivative of the normal distribution function at t."""
    if order == 0:
        return ndtr(t)
    t = np.clip(t, -40.0, 40.0)  # beyond, the density is zero and He_j must not overflow
    hermite = eval_hermitenorm(order - 1, t)
    return (-1) ** (order - 1) * hermite * np.exp(-0.5 * t * t) / _SQRT_2_PI


def _relu_moment(order: int, sigma: Array, bias: Array) -> Array:
    """Hermite moment of max(z, 0)."""
    t = bias / sigma
    if order == 0:
        return sigma * _ndtr_derivative(1, t) + bias * ndtr(t)
    return sigma * _ndtr_derivative(order - 1, t)


def _identity_moment(order: int, sigma: Array, bias: Array) -> Array:
    """Hermite moment of z."""
    if order < 2:
        return (bias, sigma)[order]
    return np.zeros_like(sigma)
