"""Starts of a fit beside those from moments."""

import numpy as np
from numpy.random import RandomState

from .._network.loss import SquaredLoss, residuals
from .._network.network import Network
from .._optimization.elimination import backward_elimination, fit_overparameterized, with_directions
from .._tensor.rules import TENSOR
from .._tensor.span import AffineFit, unit_span


def overparameterized_start(
    problem: SquaredLoss, k: int, random_state: RandomState, *, loss_target: float = np.inf
) -> Network:
    """Twice as many random units as wanted, fitted, then eliminated until k are left.

    Parameters
    ----------
    problem : SquaredLoss
    k : int
    random_state : numpy.random.RandomState
    loss_target : float
        Units are eliminated all at once, with less care, where the data loss of more than k is not below
        this.

    Returns
    -------
    Network
    """
    larger = fit_overparameterized(problem, k, random_state)[1]
    return backward_elimination(problem, larger, k, 2 * k, loss_target=loss_target)[1]


def residual_directions_start(
    problem: SquaredLoss,
    network: Network,
    random_state: RandomState,
    *,
    n_more: int = 0,
    loss_target: float = np.inf,
) -> Network:
    """A fit with units along the leading directions of its residual, less those of least use.

    Parameters
    ----------
    problem : SquaredLoss
    network : Network
        The fit.
    random_state : numpy.random.RandomState
    n_more : int
        The start has so many units more than the fit.
    loss_target : float
        As of :func:`overparameterized_start`.

    Returns
    -------
    Network
    """
    k = network.W.shape[1]
    rows = residuals(problem, network)
    affine = AffineFit(rows, problem.coordinates)
    slopes, targets = affine(rows.y)
    most = TENSOR.n_directions
    n_added = min(most if n_more else k, most, problem.coordinates.rank)
    if n_added == problem.coordinates.rank:
        directions = np.eye(n_added)
    else:
        directions = unit_span(affine, targets, slopes, n_added, random_state)
    first = max(k + n_added, k + n_more)
    return backward_elimination(
        problem, with_directions(network, directions), k + n_more, first, loss_target=loss_target
    )[1]


def small_start(problem: SquaredLoss, k: int, random_state: RandomState) -> Network:
    """Small weights as perceptrons begin with, for columns of unit variance.

    X. Glorot, Y. Bengio, 2010, Understanding the difficulty of training deep feedforward neural
    networks, eq. 16. Directions of little variance stay small, unlike in white coordinates.
    """
    coordinates, m = problem.coordinates, problem.rows.n_outputs
    d = len(coordinates.scale)
    inner, outer = np.sqrt(6 / (d + k)), np.sqrt(6 / (k + m))
    W = random_state.uniform(-inner, inner, (d, k))
    b = random_state.uniform(-inner, inner, k) if problem.fit_intercept else np.zeros(k)
    V = random_state.uniform(-outer, outer, (k, m))
    return Network(coordinates.inverse @ (W / coordinates.scale[:, None]), b, V, np.zeros(m))
