"""Starts of a fit beside those from moments."""

import numpy as np
from numpy.random import RandomState
from scipy.optimize import minimize

from .._network.loss import SquaredLoss, residuals
from .._network.network import Network
from .._optimization.elimination import backward_elimination, fit_overparameterized, with_directions
from .._optimization.gauss_newton import Callback
from .._tensor.rules import TENSOR
from .._tensor.span import AffineFit, unit_span
from .._typing import Array
from .rules import StartRules

# Slope of random units.
RANDOM_SLOPE = StartRules().slopes[0]


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


def quasi_newton(
    problem: SquaredLoss, start: Network, max_iter: int, *, callback: Callback | None = None
) -> Network:
    """Where steps of L-BFGS lead, which go on where those of Gauss-Newton come to rest.

    Many units with kinks, of columns of which few count, leave Gauss-Newton steps no room. (D. C. Liu,
    J. Nocedal, 1989, doi:10.1007/BF01589116.)

    Parameters
    ----------
    problem : SquaredLoss
        With a penalty, under which weights stay of order one.
    start : Network
    max_iter : int
    callback : callable or None
        Called with the :class:`Evaluation` after every step; a true answer stops.

    Returns
    -------
    Network
    """
    last = None

    def loss_and_gradient(weights: Array) -> tuple[float, Array]:
        nonlocal last
        last = problem.evaluate(start.unpack(weights))
        return last.loss, last.gradient.pack()

    def observe(_: Array) -> None:
        if callback is not None and last is not None and callback(last):
            raise StopIteration

    end = minimize(
        loss_and_gradient, start.pack(), jac=True, method="L-BFGS-B", callback=observe,
        options={"maxiter": max_iter},
    )  # fmt: skip
    return start.unpack(end.x)


def random_units(
    problem: SquaredLoss, k: int, random_state: RandomState, slope: float = RANDOM_SLOPE
) -> Network:
    """Units of all directions that bend within the rows, for columns and targets of unit variance.

    Directions of little variance stay small, unlike in white coordinates.

    Parameters
    ----------
    problem : SquaredLoss
    k : int
    random_state : numpy.random.RandomState
    slope : float
        Standard deviation of w_i . x over the rows. Steeper units bend each near a row of its own.
    """
    coordinates, m = problem.coordinates, problem.rows.n_outputs
    W = random_state.standard_normal((len(coordinates.scale), k)) * slope
    W = W / np.sqrt(max(coordinates.n_varying, 1))
    W = coordinates.weights_from_inputs(W / coordinates.scale[:, None], np.zeros(k))[0]
    b = random_state.standard_normal(k) if problem.fit_intercept else np.zeros(k)
    V = random_state.standard_normal((k, m)) / np.sqrt(k)
    if slope > RANDOM_SLOPE and problem.fit_intercept:
        rows = problem.array_rows
        chosen = rows.take(np.sort(random_state.randint(rows.n_rows, size=k)))
        b = b - (problem.coordinates.whiten(chosen.X) * W.T).sum(axis=1)
    return Network(W, b, V, np.zeros(m))
