"""Data whose generating network is known."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_random_state

from ._network.network import Network, forward
from ._typing import Array
from .activations import Activation, get_activation

__all__ = ["OneHiddenLayerTeacher", "make_one_hidden_layer"]


@dataclass(frozen=True, eq=False)
class OneHiddenLayerTeacher:
    """A one-hidden-layer network that generates data.

    Parameters
    ----------
    coefs_ : list of [ndarray of shape (n_features, k), ndarray of shape (k, 1)]
        Hidden weights W, one column per unit, and output weights V.
    intercepts_ : list of [ndarray of shape (k,), ndarray of shape (1,)]
        Hidden biases b and output intercept c.
    activation : Activation
        The function phi.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_onenn.activations import get_activation
    >>> from sklearn_onenn.datasets import OneHiddenLayerTeacher
    >>> teacher = OneHiddenLayerTeacher(
    ...     coefs_=[np.array([[1.0, -1.0]]), np.array([[1.0], [1.0]])],
    ...     intercepts_=[np.zeros(2), np.zeros(1)],
    ...     activation=get_activation("relu"),
    ... )
    >>> teacher.predict([[-3.0], [2.0]]).tolist()  # relu(x) + relu(-x)
    [3.0, 2.0]
    """

    coefs_: list[Array]
    intercepts_: list[Array]
    activation: Activation

    def predict(self, X: ArrayLike) -> Array:
        """Compute sum_i v_i phi(w_i . x + b_i) + c, without noise.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)

        Raises
        ------
        ValueError
            If X is not a finite matrix with n_features columns.
        """
        (W, V), (b, c) = self.coefs_, self.intercepts_
        rows: Array = check_array(X, dtype=np.float64)
        if rows.shape[1] != len(W):
            raise ValueError(f"X has {rows.shape[1]} features, but the teacher has {len(W)}.")
        return forward(rows, Network(W, b, V, c), self.activation).ravel()


def make_one_hidden_layer(
    n_samples: int,
    n_features: int,
    k: int,
    *,
    activation: str | Activation = "relu",
    kappa: float = 2.0,
    bias: float = 0.0,
    noise: float = 0.0,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[Array, Array, OneHiddenLayerTeacher]:
    """Gaussian inputs and the outputs of a random network, as in the experiments of the paper.

    The hidden weights are W = U diag(linspace(1, kappa, r)) Q^T, r = min(n_features, k), with
    random orthonormal columns in U (n_features x r) and Q (k x r). With more units than features W
    has rank n_features, the same singular values, and columns in k random directions, whose norms
    are smaller (the root of their mean square is that of the singular values times sqrt(r / k)).
    The output weights are -1 or +1 with equal chance, the rows of X are drawn from N(0, I), and the
    output intercept is zero.

    The teacher is drawn first, then row after row: so the teacher does not depend on `n_samples`,
    and of two data sets the larger one starts with the inputs of the smaller one.

    Parameters
    ----------
    n_samples : int
        Number of rows, at least 1.
    n_features : int
        Number of inputs d, at least 1.
    k : int
        Number of hidden units, at least 1.
    activation : str or Activation, default="relu"
        The function phi.
    kappa : float, default=2.0
        Largest singular value of W, at least 1. The smallest is 1, so that this is the condition
        number of W (when k = 1 or n_features = 1 the only singular value is 1).
    bias : float, default=0.0
        Standard deviation of the hidden biases, drawn from a normal distribution.
    noise : float, default=0.0
        Standard deviation of the normal noise added to the outputs, in units of the sample standard
        deviation of the outputs without noise.
    random_state : int, RandomState instance or None, default=None
        Source of all draws. Pass an int for reproducible output.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
    teacher : OneHiddenLayerTeacher
        The network, with `coefs_`, `intercepts_` and `predict`.

    Raises
    ------
    ValueError
        If a parameter is outside its range or the name of the activation is unknown.
    TypeError
        If the activation is neither a name nor an instance.

    References
    ----------
    K. Zhong, Z. Song, P. Jain, P. L. Bartlett, I. S. Dhillon, "Recovery Guarantees for
    One-hidden-layer Neural Networks", ICML 2017, arXiv:1706.03175, section 7.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_onenn.datasets import make_one_hidden_layer
    >>> X, y, teacher = make_one_hidden_layer(100, 8, k=3, random_state=0)
    >>> X.shape, y.shape
    ((100, 8), (100,))
    >>> np.linalg.svd(teacher.coefs_[0], compute_uv=False).round(6).tolist()
    [2.0, 1.5, 1.0]
    >>> bool(np.array_equal(teacher.predict(X), y))
    True
    """
    for name, count in {"n_samples": n_samples, "n_features": n_features, "k": k}.items():
        _check_number(name, count, Integral, low=1)
    for name, value, low in [("kappa", kappa, 1.0), ("bias", bias, 0.0), ("noise", noise, 0.0)]:
        _check_number(name, value, Real, low=low)
    rng = check_random_state(random_state)

    rank = min(n_features, k)
    U, Q = _orthonormal_columns(rng, n_features, rank), _orthonormal_columns(rng, k, rank)
    W = (U * np.linspace(1.0, kappa, rank)) @ Q.T
    V = rng.choice([-1.0, 1.0], size=(k, 1))
    b = bias * rng.standard_normal(k)
    teacher = OneHiddenLayerTeacher([W, V], [b, np.zeros(1)], get_activation(activation))

    X = rng.standard_normal((n_samples, n_features))
    y = teacher.predict(X)
    if noise > 0:
        y += noise * y.std() * rng.standard_normal(n_samples)
    return X, y, teacher


def _orthonormal_columns(rng: np.random.RandomState, n_rows: int, n_columns: int) -> Array:
    """Uniformly distributed orthonormal columns: QR of a Gaussian matrix, signs of R removed."""
    Q, R = np.linalg.qr(rng.standard_normal((n_rows, n_columns)))
    return Q * np.sign(np.diag(R))


def _check_number(name: str, value: Any, kind: type, *, low: float) -> None:
    """Raise unless `value` is a finite number of this kind, not below `low`."""
    is_of_kind = isinstance(value, kind) and not isinstance(value, bool)
    if not is_of_kind or not low <= value < np.inf:
        required = "an int" if kind is Integral else "a float"
        raise ValueError(
            f"The {name!r} parameter of make_one_hidden_layer must be {required} in the range "
            f"[{low}, inf). Got {value!r} instead."
        )
