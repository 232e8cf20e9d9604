"""Units added and eliminated, with a few Gauss-Newton steps between."""

import numpy as np
from numpy.random import RandomState

from .._network.loss import SquaredLoss
from .._network.network import Network
from .._network.output_layer import (
    elimination_costs,
    output_equations,
    solve_outputs,
    with_fitted_outputs,
)
from .._typing import Array
from .gauss_newton import Stopping, gauss_newton

# Steps after units were taken away from many, from a few, and of an overparameterized network.
REFIT = Stopping(max_iter=8, tol=1e-3)
ELIMINATION = Stopping(max_iter=4, tol=1e-3)
OVERPARAMETERIZED = Stopping(max_iter=30, tol=1e-3)


def refit(problem: SquaredLoss, network: Network, stopping: Stopping = REFIT) -> tuple[float, Network]:
    """Data loss of scaled targets, and network, after a few Gauss-Newton steps."""
    solution = gauss_newton(problem, network, stopping)
    return solution.data_loss, solution.network


def random_start(problem: SquaredLoss, k: int, random_state: RandomState) -> Network:
    """Random directions of length one, in both orientations, and output weights by least squares."""
    r = problem.coordinates.rank
    W = random_state.standard_normal((r, k))
    W /= np.linalg.norm(W, axis=0)
    b = random_state.standard_normal(k) if problem.fit_intercept else np.zeros(k)
    return with_fitted_outputs(problem, W, b)


def fit_overparameterized(
    problem: SquaredLoss, k: int, random_state: RandomState
) -> tuple[float, Network]:
    """Data loss of scaled targets, and network, of twice k units fitted from random ones."""
    return refit(problem, random_start(problem, 2 * k, random_state), OVERPARAMETERIZED)


def leading_directions(slices: Array) -> Array:
    """Eigenvector (m, L) of largest absolute eigenvalue of each slice (L, m, m)."""
    values, vectors = np.linalg.eigh(slices)
    column = np.abs(values).argmax(axis=1)
    return vectors[np.arange(len(slices)), :, column].T


def with_directions(network: Network, directions: Array) -> Network:
    """The network with units along directions (r, j) of length one, in both orientations."""
    k, j = network.W.shape[1], directions.shape[1]
    directions = directions * np.median(np.linalg.norm(network.W, axis=0))
    return Network(
        np.concatenate([network.W, directions, -directions], axis=1),
        np.concatenate([network.b, np.zeros(2 * j)]),
        np.zeros((k + 2 * j, network.V.shape[1])),
        network.c,
    )


def backward_elimination(
    problem: SquaredLoss, network: Network, k: int, first: int, *, loss_target: float = np.inf
) -> tuple[float, Network]:
    """Eliminate units until k are left, and refit after every few.

    Parameters
    ----------
    problem : SquaredLoss
    network : Network
    k : int
    first : int
        Units that are kept at first, by their output weights alone.
    loss_target : float
        All go at once where the data loss is not below this with more than k.

    Returns
    -------
    loss : float
        Data loss of scaled targets.
    network : Network
    """
    loss, network = refit(problem, with_fewer_units(problem, network, first))
    while network.W.shape[1] > k:
        n_units = network.W.shape[1]
        n_left = max(k, n_units - max(1, (n_units - k) // 4)) if loss < loss_target else k
        network = with_fewer_units(problem, network, n_left)
        loss, network = refit(problem, network, ELIMINATION)
    return loss, network


def with_fewer_units(problem: SquaredLoss, network: Network, k: int) -> Network:
    """Drop the unit that raises the squared error least, until k are left; refit output weights."""
    gram, cross = output_equations(problem, network.W, network.b)
    keep = np.arange(len(cross))
    while True:
        v, inverse, _ = solve_outputs(gram[np.ix_(keep, keep)], cross[keep])
        if len(keep) - 1 <= k:
            break
        keep = np.delete(keep, np.argmin(elimination_costs(v, inverse)))
    units = keep[:-1]
    return Network(network.W[:, units], network.b[units], v[:-1], v[-1])
