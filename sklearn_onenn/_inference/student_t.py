"""The t distribution of largest likelihood, of errors whose scale may depend on the row.

Its few degrees of freedom stand for a few gross errors, which then count little (K. L. Lange,
R. J. A. Little, J. M. G. Taylor, 1989, doi:10.1080/01621459.1989.10478852).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from .._data.floating_point import TINY
from .._typing import Array
from .rules import REWEIGHTING, ReweightingRules

# Variances, over the squares of the order of the errors, that a logarithm may have.
RANGE = np.log([1e-10, 1e10])

# The median square, over the largest, that is told from zero.
SMALLEST = 1e-60


@dataclass(frozen=True)
class StudentNoise:
    """Independent errors of several outputs, which a row has together: gross for all or for none.

    Attributes
    ----------
    df : float
        Degrees of freedom.
    scale : array of shape (n_outputs,)
    """

    df: float
    scale: Array

    @classmethod
    def of(
        cls, errors: Array, weight: Array | None, rules: ReweightingRules = REWEIGHTING
    ) -> "StudentNoise":
        """The distribution of largest likelihood of errors (n_rows, n_outputs)."""
        counts = np.ones(len(errors)) if weight is None else weight
        fits = [t_distribution(of_output, counts, rules.least_df) for of_output in errors.T]
        return cls(min(df for df, _ in fits), np.array([scale for _, scale in fits]))

    def weights(self, errors: Array, weight: Array | None) -> Array:
        """Weights (n_rows,) times the precisions that the errors let expect; they keep their sum."""
        squares = ((errors / self.scale) ** 2).sum(axis=1)
        counts = np.ones(len(errors)) if weight is None else weight
        found = counts * (self.df + errors.shape[1]) / (self.df + squares)
        weights: Array = found * (counts.sum() / found.sum())
        return weights


def additive_variance(
    squares: Array, variances: Array, weight: Array, least_df: float = 2.0
) -> tuple[float, float, float]:
    """a, b and the degrees of freedom, from squared errors of the order of one."""

    def loss(logs: Array) -> tuple[float, Array]:
        (a, b, df), share = np.exp(logs) + [0.0, 0.0, 2.0], np.exp(logs)
        v = a + b * variances
        value, by_log_v, by_df = t_likelihood(squares / v, df)
        value, by_v = value - np.log(v) / 2, by_log_v / v
        gradient = np.array([by_v, by_v * variances, by_df]) * share[:, None]
        return -np.average(value, weights=weight), -np.average(gradient, axis=1, weights=weight)

    start = np.log([0.5, 1.0, 5.0])
    least = max(float(np.log(max(least_df - 2.0, TINY))), -5.0)
    end = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[RANGE, RANGE, (least, 10.0)]).x
    a, b, df = np.exp(end) + [0.0, 0.0, 2.0]
    return float(a), float(b), float(df)


def t_likelihood(squares: Array, df: float) -> tuple[Array, Array, Array]:
    """Log density of a t variable, from its squares; and its derivatives by log v, and by the degrees.

    v is the squared scale, of which the density is without the factor v^(-1/2).
    """
    constant = gammaln((df + 1) / 2) - gammaln(df / 2) - np.log(np.pi * df) / 2
    logs = np.log1p(squares / df)
    value = constant - (df + 1) / 2 * logs
    share = (df + 1) * squares / (df + squares)
    by_df = digamma((df + 1) / 2) - digamma(df / 2) - 1 / df - logs + share / df
    return value, (share - 1) / 2, by_df / 2


def t_distribution(scores: Array, weight: Array, least_df: float = 2.0) -> tuple[float, float]:
    """Degrees of freedom and scale of the t distribution of largest likelihood about zero.

    The scale is looked for about the median, which gross errors do not move.
    """
    squares = scores**2
    # Where most are zero, or nearly: quotients must not overflow.
    unit = max(median(squares, weight), SMALLEST * squares.max(), TINY)
    a, _, df = additive_variance(squares / unit, np.zeros(len(scores)), weight, least_df)
    return df, float(np.sqrt(a * unit))


def median(values: Array, weight: Array) -> float:
    """The median of positive values, each as often as its weight says."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weight[order])
    return max(float(values[order[np.searchsorted(below, below[-1] / 2)]]), TINY)
