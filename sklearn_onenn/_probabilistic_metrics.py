"""How good predicted distributions and intervals are; public as part of ``metrics``."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import beta
from sklearn.utils import check_array

from ._typing import Array


def mean_log_likelihood(
    y_true: ArrayLike, distribution: Any, *, sample_weight: ArrayLike | None = None
) -> float:
    """Mean of the log density that a predicted distribution has at the targets. The larger the better.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_outputs)
    distribution : frozen distribution of :mod:`scipy.stats`
        One for each target, such as ``predict_distribution`` returns.
    sample_weight : array-like of shape (n_samples,), default=None

    Returns
    -------
    score : float
        In natural units of information; of several outputs the mean. It falls by log(a) where targets
        and distribution are multiplied by a.

    Raises
    ------
    ValueError
        If a target is not finite, or the shapes differ.

    Examples
    --------
    >>> from scipy import stats
    >>> from sklearn_onenn.metrics import mean_log_likelihood
    >>> round(mean_log_likelihood([0.0, 1.0], stats.norm([0.0, 0.0], 1.0)), 4)
    -1.1689
    """
    y = _check_targets("y_true", y_true)
    return _mean(_same_shape(y, distribution.logpdf(y), "distribution"), sample_weight)


def continuous_ranked_probability_score(
    y_true: ArrayLike, distribution: Any, *, sample_weight: ArrayLike | None = None
) -> float:
    """Mean of the integral of (F(z) - [y <= z])^2 over z, with F a predicted distribution function.

    In units of y; for a distribution that is a single value it is the mean absolute error. The smaller
    the better.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_outputs)
    distribution : frozen :data:`scipy.stats.norm` or :data:`scipy.stats.t`
        One for each target, such as ``predict_distribution`` returns. Of a t distribution the degrees of
        freedom must be more than one.
    sample_weight : array-like of shape (n_samples,), default=None

    Returns
    -------
    score : float
        Of several outputs the mean.

    Raises
    ------
    TypeError
        If the distribution is of another family.
    ValueError
        If a target is not finite, or the shapes differ.

    References
    ----------
    A. Jordan, F. Krueger, S. Lerch, "Evaluating Probabilistic Forecasts with scoringRules", Journal of
    Statistical Software, 2019, doi:10.18637/jss.v090.i12.

    Examples
    --------
    >>> from scipy import stats
    >>> from sklearn_onenn.metrics import continuous_ranked_probability_score
    >>> round(continuous_ranked_probability_score([0.0, 1.0], stats.norm([0.0, 0.0], 1.0)), 4)
    0.4181
    """
    y = _check_targets("y_true", y_true)
    family = getattr(getattr(distribution, "dist", None), "name", type(distribution).__name__)
    if family not in {"norm", "t"}:
        raise TypeError(f"distribution must be a frozen scipy.stats.norm or t, got {family}.")
    location = np.asarray(distribution.median())
    scale = np.asarray(distribution.ppf(stats.norm.cdf(1.0))) - location
    if family == "norm":
        z = (y - location) / scale
        scores = z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi)
        return _mean(_same_shape(y, scale * scores, "distribution"), sample_weight)
    df = np.asarray(distribution.args[0] if distribution.args else distribution.kwds["df"])
    if not (df > 1).all():
        raise ValueError(f"The t distribution must have more than one degree of freedom, got {df}.")
    scale = scale / stats.t.ppf(stats.norm.cdf(1.0), df)
    z = (y - location) / scale
    spread = 2 * np.sqrt(df) / (df - 1) * beta(0.5, df - 0.5) / beta(0.5, df / 2) ** 2
    scores = z * (2 * stats.t.cdf(z, df) - 1) + 2 * stats.t.pdf(z, df) * (df + z**2) / (df - 1) - spread
    return _mean(_same_shape(y, scale * scores, "distribution"), sample_weight)


def interval_coverage(
    y_true: ArrayLike, lower: ArrayLike, upper: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Share of the targets within their intervals, ends included.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_outputs)
    lower, upper : array-likes of the shape of y_true
        Ends of the intervals, which may be infinite.
    sample_weight : array-like of shape (n_samples,), default=None

    Returns
    -------
    coverage : float
        Between 0 and 1; of several outputs the mean.

    Raises
    ------
    ValueError
        If a target is not finite, an end is not a number, or the shapes differ.

    Examples
    --------
    >>> from sklearn_onenn.metrics import interval_coverage
    >>> interval_coverage([1.0, 2.0, 3.0, 4.0], [0, 0, 0, 0], [3, 3, 3, 3])
    0.75
    """
    y = _check_targets("y_true", y_true)
    low, high = _check_ends(lower, upper, y.shape)
    return _mean(((low <= y) & (y <= high)).astype(float), sample_weight)


def mean_interval_width(
    lower: ArrayLike, upper: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Mean width of intervals, in units of their ends. Of two that cover alike the narrower is better.

    Parameters
    ----------
    lower, upper : array-likes of shape (n_samples,) or (n_samples, n_outputs)
    sample_weight : array-like of shape (n_samples,), default=None

    Returns
    -------
    width : float
        Infinite where one of them is; of several outputs the mean.

    Raises
    ------
    ValueError
        If an end is not a number, or the shapes differ.

    Examples
    --------
    >>> from sklearn_onenn.metrics import mean_interval_width
    >>> mean_interval_width([0.0, 1.0], [1.0, 4.0])
    2.0
    """
    low, high = _check_ends(lower, upper, np.shape(lower))
    return _mean(high - low, sample_weight)


def _check_targets(name: str, y: ArrayLike) -> Array:
    """Finite float targets of one or two axes."""
    array: Array = check_array(y, dtype=np.float64, ensure_2d=False, allow_nd=False, input_name=name)
    return array


def _check_ends(lower: ArrayLike, upper: ArrayLike, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Both ends of intervals as float arrays of this shape."""
    ends = []
    for name, end in (("lower", lower), ("upper", upper)):
        array = np.asarray(end, dtype=np.float64)
        if array.shape != shape or np.isnan(array).any():
            raise ValueError(f"{name} must hold numbers in the shape {shape}, got {array.shape}.")
        ends.append(array)
    return ends[0], ends[1]


def _same_shape(y: Array, scores: Array, name: str) -> Array:
    """Scores of the targets, refused where broadcasting made another shape of them."""
    if np.shape(scores) != y.shape:
        raise ValueError(f"{name} must be one for each target: {y.shape}, got {np.shape(scores)}.")
    return scores


def _mean(scores: Array, sample_weight: ArrayLike | None) -> float:
    """Weighted mean over the samples, and mean over the outputs."""
    weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    return float(np.mean(np.average(scores, axis=0, weights=weight)))
