"""Whether rows pass for normal ones."""

import numpy as np

from .._typing import Array
from .blocks import Block, dense, weighted
from .coordinates import Coordinates
from .floating_point import TINY
from .rows import Rows
from .rules import DATA, DataRules

# A column whose variance is a smaller share of its second moment is constant: that is rounding.
CONSTANT = 1e-12


def rows_are_normal(rows: Rows, coordinates: Coordinates, rules: DataRules = DATA) -> bool:
    """Whether the rows pass for N(0, I) in these coordinates, up to a common factor."""
    return distance_from_normal(rows, coordinates) <= rules.significant


def distance_from_normal(rows: Rows, coordinates: Coordinates) -> float:
    """Largest difference between a moment of the rows and that of normal rows, in standard errors.

    The moments are the mean of |z|^4, the skewness of every column, and its kurtosis where that is below
    a normal column's, as few levels or bounds make it. Long tails, which raise the kurtosis, show in
    |z|^4 as well, and the kurtosis of few normal rows may itself be large.
    """
    fourth, skewness, kurtosis = normality(rows, coordinates)
    return float(np.max([abs(fourth), *np.abs(skewness), *-kurtosis]))  # not finite: not normal


def normality(rows: Rows, coordinates: Coordinates) -> tuple[float, Array, Array]:
    """Differences between moments of the rows and those of normal rows, in standard errors.

    The sample means of |z|^4, and of the third and fourth powers of a column at unit variance, have the
    variances 8 r (r + 2) / n, 6 / n and 24 / n (K. V. Mardia, 1970, doi:10.1093/biomet/57.3.519).

    Parameters
    ----------
    rows : Rows
    coordinates : Coordinates
        White ones of these rows.

    Returns
    -------
    fourth : float
        The difference of the mean of |z|^4 from r (r + 2).
    skewness, kurtosis : arrays of shape (d,)
        The differences of the skewness and the kurtosis of every column; zero for constant columns.
    """
    r, n = coordinates.rank, rows.weight_sum
    if r == 0:
        return 0.0, np.zeros(rows.n_features), np.zeros(rows.n_features)

    def powers(block: Block) -> tuple[Array, Array]:
        squares = (coordinates.whiten(block.X) ** 2).sum(axis=1, keepdims=True)
        whole = [weighted(squares**power, block.weight).sum() for power in (1, 2)]
        u = (dense(block.X) - coordinates.mean) / coordinates.scale
        square = u * u
        columns = [
            weighted(power, block.weight).sum(axis=0) for power in (u, square, u * square, square**2)
        ]
        return np.array(whole), np.array(columns)

    whole, columns = (total / n for total in rows.sum(powers))
    # Shrunk coordinates are white up to a common factor.
    fourth = whole[1] * (r / max(whole[0], TINY)) ** 2 - r * (r + 2)
    skewness, kurtosis = standardized_moments(*columns)
    return fourth / np.sqrt(8 * r * (r + 2) / n), skewness / np.sqrt(6 / n), kurtosis / np.sqrt(24 / n)


def standardized_moments(
    first: Array, second: Array, third: Array, fourth: Array
) -> tuple[Array, Array]:
    """Skewness and excess kurtosis (d,) of columns, from the means (d,) of their first four powers.

    Both are zero for a constant column.
    """
    variance = second - first**2
    varies = variance > CONSTANT * second
    variance = np.where(varies, variance, 1.0)
    skewness = (third - 3 * first * second + 2 * first**3) / variance**1.5
    kurtosis = (fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4) / variance**2 - 3
    return np.where(varies, skewness, 0.0), np.where(varies, kurtosis, 0.0)
