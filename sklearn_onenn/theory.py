"""What the theorems say at given weights: condition of W, bounds on the Hessian, extreme curvature."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigvalsh
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from ._data.floating_point import EPSILON
from ._typing import Array
from .activations import Activation, get_activation

__all__ = [
    "HessianBounds",
    "WeightCondition",
    "derivative_growth",
    "extreme_eigenvalues",
    "hessian_bounds",
    "weight_condition",
]

# Up to this size a symmetric operator is written out as a matrix.
DENSE_SIZE = 64
LANCZOS_STEPS = 40


class WeightCondition(NamedTuple):
    """How far the hidden weights are from orthogonal ones of equal length.

    Attributes
    ----------
    singular_values : ndarray of shape (min(n_features, k),)
        sigma_1 >= sigma_2 >= ... of W.
    kappa : float
        sigma_1 / sigma_k; inf where the columns are linearly dependent.
    lambda_ : float
        prod_i sigma_i / sigma_k^k; inf likewise.

    Examples
    --------
    >>> from sklearn_onenn.theory import weight_condition
    >>> weight_condition([[2.0, 0.0], [0.0, 1.0]]).lambda_
    2.0
    """

    singular_values: Array
    kappa: float
    lambda_: float


class HessianBounds(NamedTuple):
    """Orders of the smallest and the largest eigenvalue of the Hessian near the planted weights.

    Attributes
    ----------
    lower, upper : float

    Examples
    --------
    >>> from sklearn_onenn.theory import HessianBounds
    >>> HessianBounds(lower=0.5, upper=2.0).upper
    2.0
    """

    lower: float
    upper: float


def weight_condition(W: ArrayLike) -> WeightCondition:
    """Singular values of W, kappa and lambda.

    Parameters
    ----------
    W : array-like of shape (n_features, k)

    Returns
    -------
    WeightCondition

    Raises
    ------
    ValueError
        W is not a finite matrix with at least one column.

    References
    ----------
    K. Zhong, Z. Song, P. Jain, P. L. Bartlett, I. S. Dhillon, "Recovery Guarantees for
    One-hidden-layer Neural Networks", ICML 2017, arXiv:1706.03175, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_onenn.theory import weight_condition
    >>> round(weight_condition(np.diag([3.0, 2.0, 1.0])).kappa, 6)
    3.0
    """
    W = np.asarray(W, dtype=float)
    if W.ndim != 2 or W.size == 0 or not np.isfinite(W).all():
        raise ValueError(f"W must be a finite array of shape (n_features, k), got shape {W.shape}.")
    d, k = W.shape
    sigma = np.linalg.svd(W, compute_uv=False)
    if k > d or sigma[-1] <= EPSILON * max(d, k) * sigma[0]:
        return WeightCondition(sigma, np.inf, np.inf)
    with np.errstate(over="ignore"):
        lambda_ = np.exp(np.log(sigma / sigma[-1]).sum())
    return WeightCondition(sigma, float(sigma[0] / sigma[-1]), float(lambda_))


def hessian_bounds(W: ArrayLike, v: ArrayLike, *, activation: str | Activation) -> HessianBounds:
    """The paper's bounds on the Hessian of the squared loss in W near the planted weights.

    For rows from N(0, I) and v fixed the eigenvalues lie between multiples, which the theorem leaves
    open, of

        lower = v_min^2 rho(sigma_k) / (kappa^2 lambda),    upper = k v_max^2 sigma_1^(2 p),

    with p the growth of phi' in Property 3.1.

    Parameters
    ----------
    W : array-like of shape (n_features, k)
    v : array-like of shape (k,) or (k, n_outputs)
        Of several outputs the length of each row counts.
    activation : str or Activation

    Returns
    -------
    HessianBounds
        The lower one is 0 where the theorem promises nothing: columns of W that are linearly dependent,
        or an activation with rho <= 0.

    Raises
    ------
    ValueError
        W or v is not finite or not of the shape required.

    References
    ----------
    K. Zhong, Z. Song, P. Jain, P. L. Bartlett, I. S. Dhillon, "Recovery Guarantees for
    One-hidden-layer Neural Networks", ICML 2017, arXiv:1706.03175, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_onenn.theory import hessian_bounds
    >>> bounds = hessian_bounds(np.eye(4, 2), [1.0, -1.0], activation="relu")
    >>> round(bounds.lower, 4), bounds.upper
    (0.0908, 2.0)
    """
    activation = get_activation(activation)
    sigma, kappa, lambda_ = weight_condition(W)
    k = np.shape(W)[1]
    v = np.asarray(v, dtype=float)
    if v.shape[:1] != (k,) or v.ndim > 2 or not np.isfinite(v).all():
        raise ValueError(f"v must be finite with {k} rows, one for each column of W, got {v.shape}.")
    size = np.linalg.norm(v.reshape(k, -1), axis=1)
    lower = 0.0
    if np.isfinite(lambda_):
        rho = max(activation.properties(sigma[-1]).rho, 0.0)
        lower = float(size.min() ** 2 * rho / (kappa**2 * lambda_))
    upper = float(k * size.max() ** 2 * sigma[0] ** (2 * derivative_growth(activation)))
    return HessianBounds(lower, upper)


def derivative_growth(activation: str | Activation) -> float:
    """The power p with which phi' grows, seen between ``|z|`` = 1e3 and 1e4 unless phi is homogeneous.

    Parameters
    ----------
    activation : str or Activation

    Returns
    -------
    float

    Examples
    --------
    >>> from sklearn_onenn.theory import derivative_growth
    >>> derivative_growth("squared_relu"), derivative_growth("tanh")
    (1.0, 0.0)
    """
    activation = get_activation(activation)
    if activation.degree is not None:
        return float(activation.degree - 1)
    near, far = np.abs(activation.derivative(np.array([[-1e3, 1e3], [-1e4, 1e4]]))).max(axis=1)
    return max(0.0, float(np.round(np.log10(far / near), 2))) if near > 0 and far > 0 else 0.0


def extreme_eigenvalues(
    product: Callable[[Array], Array], size: int, *, tol: float = 1e-3
) -> tuple[float, float]:
    """Smallest and largest eigenvalue of a symmetric operator, by Lanczos steps.

    The smallest is found as the far end of the operator shifted by the largest, so that zero is found
    as well as any other value.

    Parameters
    ----------
    product : callable
        Takes a vector of shape (size,), returns the operator's product with it.
    size : int
    tol : float, default=1e-3
        Error that is allowed, relative to the size of the largest eigenvalue.

    Returns
    -------
    smallest, largest : float

    References
    ----------
    R. B. Lehoucq, D. C. Sorensen, C. Yang, ARPACK Users' Guide, 1998, doi:10.1137/1.9780898719628.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_onenn.theory import extreme_eigenvalues
    >>> smallest, largest = extreme_eigenvalues(lambda x: np.arange(1, 201) * x, 200, tol=1e-6)
    >>> round(smallest, 2), round(largest, 2)
    (1.0, 200.0)
    """
    if size <= DENSE_SIZE:
        matrix = np.array([product(e) for e in np.eye(size)])
        values = eigvalsh((matrix + matrix.T) / 2)
        return float(values[0]), float(values[-1])
    largest = _far_end(product, size, tol)
    if largest == 0:  # of a zero operator Lanczos steps find nothing
        return min(0.0, -_far_end(lambda x: -product(x), size, tol)), 0.0
    # Beyond the largest eigenvalue, so that the shifted operator is positive.
    shift = (1 + 10 * tol) * abs(largest)
    return shift - _far_end(lambda x: shift * x - product(x), size, tol), largest


def _far_end(product: Callable[[Array], Array], size: int, tol: float) -> float:
    """The algebraically largest eigenvalue of a symmetric operator on vectors (size,)."""
    operator = LinearOperator((size, size), matvec=product, dtype=float)
    start = np.random.RandomState(0).standard_normal(size)
    if not np.any(product(start)):
        return 0.0
    settings = {"k": 1, "which": "LA", "v0": start, "return_eigenvectors": False}
    try:
        values = eigsh(operator, tol=tol, ncv=min(size, LANCZOS_STEPS), maxiter=20, **settings)
    except ArpackNoConvergence:  # within 800 products: what one long run of Lanczos steps reaches
        values = eigsh(operator, tol=10 * tol, ncv=min(size, 4 * LANCZOS_STEPS), maxiter=100, **settings)
    return float(values[0])
