"""How sure the value of a network is: on new rows, and on rows of the fit that are left out of it.

The variance of the value at a row is |J F|^2, with J its derivative by the weights and F F^T their
covariance. Of a row of the fit that is left out, with h its leverage and r its residual,
    (|J F|^2 - (h r / (1 - h))^2) / (1 - h)^2
is that variance, without the row's own noise, to first order. The residual is r / (1 - h) of a network
that is fitted again from where it is: exact refits agree within some percent. A member of a mean begins
at random units and ends elsewhere without the row: r exp(1.7 h) foretells it better, with
``PredictiveRules.refit_growth`` for 1.7.

Members of a mean follow the same noise, so that the standard error of the mean is taken for the mean of
theirs; about it they differ, as they would if they were fitted again.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import get_blas_funcs

from .._data.blocks import Block
from .._data.coordinates import identity_coordinates
from .._data.rows import ArrayRows
from .._network.jacobian import chunks, jacobian
from .._network.loss import SquaredLoss
from .._network.network import Network
from .._network.symmetries import TangentBasis
from .._typing import Array
from ..activations import Activation
from .covariance import MAX_LEVERAGE, WeightCovariance, leverages, without_own_share
from .rules import PredictiveRules


class Values(NamedTuple):
    """Values of a network, or of the mean of several.

    Attributes
    ----------
    mean : array of shape (n_rows, n_outputs)
    within : array of shape (n_rows, n_outputs)
        Variance of the mean.
    between : array of shape (n_rows, n_outputs)
        Variance of a member about the mean; zero for a single network.
    """

    mean: Array
    within: Array
    between: Array

    @property
    def variance(self) -> Array:
        """Of the value of a network that is fitted anew."""
        return self.within + self.between


def of_members(means: Sequence[Array], variances: Sequence[Array], shares: Array) -> Values:
    """Values of the mean of members, from those of the members."""
    mean = np.tensordot(shares, np.asarray(means), 1)
    between = np.tensordot(shares, (np.asarray(means) - mean) ** 2, 1)
    return Values(mean, np.tensordot(shares, np.sqrt(np.asarray(variances)), 1) ** 2, between)


def values_on(
    rows: ArrayRows,
    networks: Sequence[Network],
    factors: Sequence[Array],
    shares: Array,
    phi: Activation,
) -> Values:
    """Values on new rows.

    Parameters
    ----------
    rows : ArrayRows
        Their targets are not read.
    networks : list of Network
        The members, as reported.
    factors : list of array of shape (n_weights, n_free_weights)
        F of each.
    shares : array of shape (n_members,)
    phi : Activation

    Returns
    -------
    Values
    """
    problem = SquaredLoss(rows, phi, identity_coordinates(rows.n_features))
    bases = [TangentBasis(network, degree=None, fit_intercept=True) for network in networks]

    def of_block(block: Block) -> Values:
        means, variances = [], []
        for network, factor, every in zip(networks, factors, bases, strict=True):
            parts = []
            for chunk in chunks(block, every.size * network.V.shape[1]):
                J, R = jacobian(chunk, problem, network, every, dtype=factor.dtype)
                variances_of_chunk = [squared_norms(Q, factor) for Q in J]
                parts.append((R + chunk.y, np.stack(variances_of_chunk, axis=1)))
            mean, variance = (np.concatenate(found) for found in zip(*parts, strict=True))
            means.append(mean)
            variances.append(variance)
        return of_members(means, variances, shares)

    return Values(*(np.concatenate(part) for part in zip(*rows.map(of_block), strict=True)))


def squared_norms(Q: Array, factor: Array) -> Array:
    """Squared norms (rows,) of the rows of Q F, with F lower triangular; Q is overwritten."""
    if factor.shape[0] != factor.shape[1]:
        return ((Q @ factor) ** 2).sum(axis=1)
    (multiply,) = get_blas_funcs(("trmm",), (Q, factor))
    product = multiply(1.0, factor, Q.T, lower=1, trans_a=1, overwrite_b=1)
    return np.einsum("ij,ij->j", product, product)


def values_left_out(
    rows: ArrayRows, covariances: Sequence[WeightCovariance], shares: Array, rules: PredictiveRules
) -> Values:
    """What is left of the targets of rows of the fit, each left out of it.

    Parameters
    ----------
    rows : ArrayRows
        Rows of the fit, or some of them, with scaled targets and the weights that they had in it.
    covariances : list of WeightCovariance
        Of the members.
    shares : array of shape (n_members,)
    rules : PredictiveRules

    Returns
    -------
    Values
        Their mean is the target less the value; all of scaled targets.
    """

    growth = rules.refit_growth if len(covariances) > 1 else None

    def of_block(block: Block) -> Values:
        members = [left_out_of_member(block, covariance, growth) for covariance in covariances]
        residuals, variances = zip(*members, strict=True)
        return of_members(residuals, variances, shares)

    return Values(*(np.concatenate(part) for part in zip(*rows.map(of_block), strict=True)))


def left_out_of_member(
    block: Block, covariance: WeightCovariance, growth: float | None
) -> tuple[Array, Array]:
    """Residuals and variances of the values (rows, n_outputs) of one network.

    The residuals grow by exp(growth h); None is for 1 / (1 - h).
    """
    problem, network, free = covariance.problem, covariance.network, covariance.free
    input_weights, n = problem.to_inputs(network), problem.rows.weight_sum
    residuals, variances = [], []
    for chunk in chunks(block, free.size * network.V.shape[1]):
        J, R = jacobian(chunk, problem, input_weights, free)
        h = np.stack([leverages(Q, covariance.inverse_root, n, chunk.weight) for Q in J], axis=1)
        own = (h * without_own_share(R, h)) ** 2
        variance = ((J @ covariance.factor) ** 2).sum(axis=2).T
        left = 1 - np.minimum(h, MAX_LEVERAGE)
        residuals.append(-R / left if growth is None else -R * np.exp(growth * h))
        variances.append(np.maximum(variance - own, 0.0) / left**2)
    return np.concatenate(residuals), np.concatenate(variances)
