"""How far an estimated network is from the planted one, and how good predicted distributions are."""

from bisect import bisect_left

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial.distance import cdist
from sklearn.utils import check_array

from ._probabilistic_metrics import (
    continuous_ranked_probability_score,
    interval_coverage,
    mean_interval_width,
    mean_log_likelihood,
)
from ._typing import Array
from .activations import Activation, get_activation

__all__ = [
    "continuous_ranked_probability_score",
    "interval_coverage",
    "match_units",
    "mean_interval_width",
    "mean_log_likelihood",
    "recovery_error",
]


def recovery_error(
    W: ArrayLike,
    v: ArrayLike,
    W_true: ArrayLike,
    v_true: ArrayLike,
    *,
    activation: str | Activation,
) -> float:
    """Largest relative error of a hidden unit, under the best matching of the units.

    The paper's criterion: with w* and v* the planted weights, the minimum of
    ``max_j |w*_j - w_pi(j)| / |w*_j|`` over the permutations pi with v_pi(j) = v*_j in sign. It counts
    networks as equal when they are the same function:

    - homogeneous activation of degree q: a unit (w, v) is replaced by ``(w |v|^(1/q), sign v)``;
    - odd activation, and point-symmetric ones up to a constant: (w, v) is also (-w, -v);
    - not homogeneous: ``|v*_j - v_pi(j)| / |v*_j|`` enters the maximum too.

    Hidden biases are compared as well when they are given as one more row of `W` and `W_true`.

    Parameters
    ----------
    W : array-like of shape (n_features, k)
        Estimated hidden weights, one column per unit.
    v : array-like of shape (k,) or (k, 1)
        Estimated output weights.
    W_true : array-like of shape (n_features, k)
        Planted hidden weights w*; no column may be zero.
    v_true : array-like of shape (k,) or (k, 1)
        Planted output weights v*; none may be zero.
    activation : str or Activation
        The function phi of both networks.

    Returns
    -------
    error : float
        0 for equal networks, inf when no permutation matches the signs of the output weights (an
        estimated unit with output weight 0 matches none). The paper calls a network recovered when
        this is at most 0.01.

    Raises
    ------
    ValueError
        If the shapes differ, a value is not finite, a planted unit is zero, or the name of the
        activation is unknown.
    TypeError
        If the activation is neither a name nor an instance.

    References
    ----------
    K. Zhong, Z. Song, P. Jain, P. L. Bartlett, I. S. Dhillon, "Recovery Guarantees for
    One-hidden-layer Neural Networks", ICML 2017, arXiv:1706.03175, section 7.

    Examples
    --------
    The same network with its units swapped and one of them rescaled, then 1 % off:

    >>> import numpy as np
    >>> from sklearn_onenn.metrics import recovery_error
    >>> W_true, v_true = np.array([[3.0, 0.0], [4.0, 1.0]]), np.array([1.0, -1.0])
    >>> W, v = np.array([[0.0, 6.0], [1.0, 8.0]]), np.array([-1.0, 0.5])
    >>> recovery_error(W, v, W_true, v_true, activation="relu")
    0.0
    >>> round(recovery_error(1.01 * W, v, W_true, v_true, activation="relu"), 6)
    0.01
    >>> recovery_error(W, abs(v), W_true, v_true, activation="relu")
    inf
    """
    activation = get_activation(activation)
    W, W_true = _check_same_shape(W, W_true)
    v = _check_output_weights("v", v, W.shape[1])
    v_true = _check_output_weights("v_true", v_true, W.shape[1])
    W, v = _canonical(W, v, activation)
    W_true, v_true = _canonical(W_true, v_true, activation)
    norms = np.linalg.norm(W_true, axis=0)
    if not (norms.all() and v_true.all()):
        raise ValueError("W_true and v_true must hold no zero unit: relative errors divide by it.")
    # Entry (j, i): planted unit j against estimated unit i. Homogeneous units have |v| = 1 here.
    error_W = cdist(W_true.T, W.T) / norms[:, None]
    error_v = np.abs(v_true[:, None] - v) / np.abs(v_true)[:, None]
    same_sign = np.sign(v_true)[:, None] == np.sign(v)
    return _bottleneck(np.where(same_sign, np.maximum(error_W, error_v), np.inf))


def match_units(W: ArrayLike, W_true: ArrayLike) -> tuple[Array, Array]:
    """Match hidden units by direction.

    Maximizes the sum of absolute cosines over all ways to assign the units of two networks to each
    other. Signs and norms do not matter.

    Parameters
    ----------
    W : array-like of shape (n_features, k)
        Hidden weights, one column per unit.
    W_true : array-like of shape (n_features, k)
        Hidden weights to match with.

    Returns
    -------
    permutation : ndarray of shape (k,)
        Unit `permutation[j]` of W belongs to unit j of W_true.
    cosines : ndarray of shape (k,)
        Signed cosines between the matched units: ``W[:, permutation] * np.sign(cosines)`` points
        the same way as W_true. A zero unit has cosine 0.

    Raises
    ------
    ValueError
        If the shapes differ or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_onenn.metrics import match_units
    >>> permutation, cosines = match_units([[0.0, -2.0], [3.0, 0.0]], np.eye(2))
    >>> permutation.tolist(), cosines.tolist()
    ([1, 0], [-1.0, 1.0])
    """
    W, W_true = _check_same_shape(W, W_true)
    cosines = _unit_columns(W_true).T @ _unit_columns(W)
    rows, permutation = linear_sum_assignment(np.abs(cosines), maximize=True)
    return permutation, cosines[rows, permutation]


def _canonical(W: Array, v: Array, activation: Activation) -> tuple[Array, Array]:
    """The representative (W, v) of all the weights that give the same units."""
    if activation.degree is not None:
        W, v = W * np.abs(v) ** (1.0 / activation.degree), np.sign(v)
    if activation.symmetry in ("odd", "point"):
        W, v = W * np.where(v < 0, -1.0, 1.0), np.abs(v)
    return W, v


def _bottleneck(cost: Array) -> float:
    """Smallest t such that rows and columns can be matched using entries <= t; inf if none."""
    thresholds = np.unique(cost[np.isfinite(cost)])

    def matches_all(threshold: float) -> bool:
        graph = csr_matrix(cost <= threshold)
        return bool((maximum_bipartite_matching(graph, perm_type="column") >= 0).all())

    position = bisect_left(thresholds, True, key=matches_all)
    return float(thresholds[position]) if position < len(thresholds) else np.inf


def _unit_columns(W: Array) -> Array:
    """Columns scaled to norm 1; zero columns stay zero."""
    norms = np.linalg.norm(W, axis=0)
    return W / np.where(norms > 0, norms, 1.0)


def _check_same_shape(W: ArrayLike, W_true: ArrayLike) -> tuple[Array, Array]:
    """Both weight matrices as finite float arrays of one shape (d, k)."""
    found: Array = check_array(W, dtype=np.float64, input_name="W")
    planted: Array = check_array(W_true, dtype=np.float64, input_name="W_true")
    if found.shape != planted.shape:
        raise ValueError(f"W and W_true must have one shape. Got {found.shape} and {planted.shape}.")
    return found, planted


def _check_output_weights(name: str, v: ArrayLike, k: int) -> Array:
    """Output weights as a finite float array of shape (k,)."""
    weights: Array = check_array(v, dtype=np.float64, ensure_2d=False, input_name=name)
    if weights.shape not in [(k,), (k, 1)]:
        raise ValueError(f"{name} must have shape ({k},) or ({k}, 1). Got {weights.shape}.")
    return weights.ravel()
