"""What the method asks of an activation: the base class, its moments and its properties."""

import numbers
from abc import ABC, abstractmethod
from typing import Any, Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import eval_hermitenorm

from ._activation_properties import (
    ActivationProperties,
    gaussian_quadrature,
    homogeneously_bounded,
    rho_terms,
    smooth_or_piecewise_linear,
)
from ._typing import Array


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
        z, weight = gaussian_quadrature(sigma, bias, self.kinks)
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
            terms, sizes = rho_terms(self, scale)
            bounded, kind = homogeneously_bounded(self), smooth_or_piecewise_linear(self)
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
