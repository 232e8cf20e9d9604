"""Whether the residual of a fit still holds structure that units would explain, and rows are normal.

At the optimum of a network that generated the data the residual is noise, and its second moment a
random matrix whose largest eigenvalue is known. In a poor local minimum a missing or merged unit
leaves a share of its own second moment there.
"""

import numpy as np

from ._blocks import dense, weighted
from ._span import AffineFit, second_moment
from ._units import residuals

# A unit could not be missed when its second moment is so many times what noise alone shows.
VISIBLE = 3.0
# Standard errors that moments of the rows may be off.
NORMAL = 5.0
# Variance of a column, relative to its second moment, that is rounding.
CONSTANT = 1e-12
TINY = np.finfo(float).tiny
# With fewer rows for each weight the fit takes structure for noise, or noise for structure.
ROWS_PER_WEIGHT = 5
# Loss, times units and for each output of unit variance, above which a fit on rows that are not normal
# is no network with a unit missing (of five those left at most 0.084) but another function.
NEARLY_EXACT = 0.1


def residual_is_noise(problem, network):
    """Whether no unit is missing, as far as second moments tell.

    The rows are taken for N(0, I) in the coordinates of the problem: others have larger moments of
    noise and do not pass.

    Parameters
    ----------
    problem : SquaredLoss
    network : Network

    Returns
    -------
    bool
        False also where units as weak as the weakest of the network could not be seen.
    """
    if has_few_rows(problem, network):
        return False
    rows = residuals(problem, network)
    edges = noise_edges(rows, problem.coordinates.rank)
    if not are_seen(network, problem.activation, edges):
        return False
    affine = AffineFit(rows, problem.coordinates)
    found = [
        np.abs(np.linalg.eigvalsh(second_moment(affine, target[:, None])[0])).max()
        for target in affine(rows.y)[1].T
    ]
    return bool((found < edges).all())


def residual_tells_nothing(problem, network):
    """Whether a unit as weak as the weakest of the network could be missing, unseen in second moments.

    So it is with odd units without biases, which have none, and with much noise. With few rows it is not
    asked: parts of them would tell still less.
    """
    if has_few_rows(problem, network):
        return False
    edges = noise_edges(residuals(problem, network), problem.coordinates.rank)
    return not are_seen(network, problem.activation, edges)


def has_few_rows(problem, network):
    """Whether the fit may take structure for noise, or noise for structure."""
    return problem.rows.weight_sum < ROWS_PER_WEIGHT * network.pack().size


def are_seen(network, activation, edges):
    """Whether every unit stands out of the noise in some output."""
    return bool((second_moments(network, activation) >= VISIBLE * edges).any(axis=1).all())


def noise_edges(rows, r):
    """Largest eigenvalue that the second moment (r, r) of noise has in some 99 of 100 cases, by output.

    A symmetric matrix with entries of standard deviation s has 2 s sqrt(r), and a Tracy-Widom
    fluctuation of order s r^(-1/6) (C. A. Tracy, H. Widom, doi:10.1007/BF02099545).
    """
    squares = rows.sum(lambda block: (weighted(block.y, block.weight) * block.y).sum(axis=0))
    return 2 * np.sqrt(squares) / rows.weight_sum * (np.sqrt(r) + r ** (-1 / 6))


def second_moments(network, activation):
    """|V_io m_2(|w_i|, b_i)| of every unit and output: the eigenvalue that it alone would have."""
    sizes = np.maximum(np.linalg.norm(network.W, axis=0), np.finfo(float).tiny)
    m2 = activation.hermite_coefficient(2, sizes, network.b)
    return np.abs(network.V * m2[:, None])


def rows_are_normal(rows, coordinates):
    """Whether the rows pass for N(0, I) in these coordinates, but for a factor."""
    return distance_from_normal(rows, coordinates) <= NORMAL


def distance_from_normal(rows, coordinates):
    """Standard errors by which a moment of the rows differs at most from that of normal rows.

    It is that of |z|^4, the skewness of a column, or its kurtosis, where few levels or bounds lower it.
    (Long tails, which raise it, |z|^4 sees as well; of few normal rows kurtosis itself may be large.)
    """
    fourth, skewness, kurtosis = normality(rows, coordinates)
    return float(np.max([abs(fourth), *np.abs(skewness), *-kurtosis]))  # not finite: not normal


def normality(rows, coordinates):
    """Standard errors by which moments differ from those of normal rows.

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
        Of E |z|^4 from r (r + 2).
    skewness, kurtosis : arrays of shape (d,)
        Of the columns; zero for constant ones.
    """
    r, n = coordinates.rank, rows.weight_sum
    if r == 0:
        return 0.0, np.zeros(rows.n_features), np.zeros(rows.n_features)

    def powers(block):
        squares = (coordinates.rows(block.X) ** 2).sum(axis=1, keepdims=True)
        whole = [weighted(squares**power, block.weight).sum() for power in (1, 2)]
        u = (dense(block.X) - coordinates.mean) / coordinates.scale
        square = u * u
        columns = [
            weighted(power, block.weight).sum(axis=0) for power in (u, square, u * square, square**2)
        ]
        return np.array(whole), np.array(columns)

    whole, columns = (total / n for total in rows.sum(powers))
    # Shrunk coordinates are white but for a factor.
    fourth = whole[1] * (r / max(whole[0], TINY)) ** 2 - r * (r + 2)
    skewness, kurtosis = standardized_moments(*columns)
    return fourth / np.sqrt(8 * r * (r + 2) / n), skewness / np.sqrt(6 / n), kurtosis / np.sqrt(24 / n)


def standardized_moments(first, second, third, fourth):
    """Skewness, and kurtosis above a normal variable's, from means of powers; zero for a constant."""
    variance = second - first**2
    varies = variance > CONSTANT * second
    variance = np.where(varies, variance, 1.0)
    skewness = (third - 3 * first * second + 2 * first**3) / variance**1.5
    kurtosis = (fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4) / variance**2 - 3
    return np.where(varies, skewness, 0.0), np.where(varies, kurtosis, 0.0)


def may_lack_a_unit(rows, coordinates, k, loss):
    """Whether a fit of k units with this loss may lack a unit of a network, rather than be no network.

    Either the rows are such as the theorem wants them, or the fit is nearly exact.
    """
    return loss <= NEARLY_EXACT * rows.n_outputs / k or rows_are_normal(rows, coordinates)
