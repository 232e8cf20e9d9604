"""Algorithm 2: gradient descent over fresh parts of the rows.

v is the start's and stays. The rows are split into disjoint parts, drawn at random; every step takes
W <- W - eta grad f_S(W) on a part S that no step has seen, so that the part is independent
of W (K. Zhong et al., arXiv:1706.03175, Algorithm 2 and Theorem 4.4). All steps together read the
rows once. With too few rows for two parts every step takes all of them.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import RandomState

from .._data.floating_point import TINY
from .._network.loss import Evaluation, SquaredLoss
from .._network.network import Network
from .._typing import Array
from .gauss_newton import Callback

POWER_STEPS = 12


@dataclass(frozen=True)
class DescentResult:
    """Where descent ended.

    Attributes
    ----------
    network : Network
    losses : list of float
        Data loss of scaled targets on the part of each step, before the step.
    parts : list of arrays or None
        Row numbers of the parts that steps were taken on; None when every step took all rows.
    learning_rate : float
    reason : str
        "rows used up", "converged", "exact fit", "diverged" or "max_iter".
    """

    network: Network
    losses: list[float]
    parts: list[Array] | None
    learning_rate: float
    reason: str


def gradient_descent(
    problem: SquaredLoss,
    network: Network,
    *,
    resample: bool,
    learning_rate: float | Literal["auto"],
    max_iter: int,
    tol: float,
    random_state: RandomState,
    rows_per_weight: int = 4,
    one_pass: bool = False,
    exact_loss: float = 0.0,
    callback: Callback | None = None,
) -> DescentResult:
    """Gradient descent on W (and on b and c where the model has them), v fixed.

    Parameters
    ----------
    problem : SquaredLoss
    network : Network
        Start, in white coordinates.
    resample : bool
        Take fresh parts; False takes all rows at every step.
    learning_rate : float or "auto"
        eta; "auto" is the inverse of the largest curvature at the start, found on a part of its own.
    max_iter : int
    tol : float
        Stop steps on all rows when one lowers the loss by less than this share of it.
    rows_per_weight : int
        Rows of a part for each weight in W, so that it still sees every one.
    one_pass : bool
        Read the rows once and no more, also where every step takes all of them.
    exact_loss : float
        Stop when the data loss of scaled targets is not above this.
    random_state : numpy.random.RandomState
        Draws the parts.
    callback : callable or None
        Called with the :class:`Evaluation` of every step; a true answer stops.

    Returns
    -------
    DescentResult
    """
    parts, n_weights = None, network.W.size
    if resample:
        parts = disjoint_parts(problem.rows.n_rows, n_weights, random_state, rows_per_weight)
    if learning_rate == "auto":
        sample = problem.rows if parts is None else problem.array_rows.take(parts.pop())
        learning_rate = 1 / largest_curvature(problem.replace(sample).evaluate(network), random_state)
    start, losses, reason = network, [], "max_iter"
    n_steps = len(parts) if parts is not None else 1 if one_pass else max_iter
    for step in range(max_iter):
        if step == n_steps:
            reason = "rows used up"
            break
        on_part = problem if parts is None else problem.replace(problem.array_rows.take(parts[step]))
        evaluation = on_part.evaluate(network)
        if not np.isfinite(evaluation.data_loss):
            reason = "diverged"
            break
        losses.append(evaluation.data_loss)
        stop = stopping_reason(losses, parts is None, tol, exact_loss)
        ends = callback is not None and callback(evaluation)
        if stop or ends:
            reason = stop or "callback"
            break
        network = descend(network, evaluation.gradient, learning_rate)
    if reason == "diverged":
        network = start
    used = None if parts is None else parts[: len(losses)]
    return DescentResult(network, losses, used, learning_rate, reason)


def disjoint_parts(
    n_rows: int, n_weights: int, random_state: RandomState, rows_per_weight: int
) -> list[Array] | None:
    """Random disjoint parts of at least ``rows_per_weight`` rows for each weight.

    Returns
    -------
    parts : list of index arrays, or None when there are too few rows for two
    """
    n_parts = n_rows // (rows_per_weight * max(n_weights, 1))  # none where rows do not vary
    if n_parts < 2:
        return None
    # Sorted within a part: rows are then read in the order in which they lie in memory.
    return [np.sort(part) for part in np.array_split(random_state.permutation(n_rows), n_parts)]


def descend(network: Network, gradient: Network, learning_rate: float) -> Network:
    """One step on everything but v."""
    return network._replace(
        W=network.W - learning_rate * gradient.W,
        b=network.b - learning_rate * gradient.b,
        c=network.c - learning_rate * gradient.c,
    )


def stopping_reason(losses: list[float], full_sample: bool, tol: float, exact_loss: float) -> str | None:
    """Why descent should stop at the last of these data losses, or None."""
    loss = losses[-1]
    if loss > 1e6 * (losses[0] + TINY):
        return "diverged"
    if loss <= exact_loss:
        return "exact fit"
    if full_sample and len(losses) > 1 and 0 <= losses[-2] - loss <= tol * losses[-2]:
        return "converged"
    return None


def largest_curvature(evaluation: Evaluation, random_state: RandomState) -> float:
    """Largest eigenvalue of the Gauss-Newton matrix in W, b and c, by power iteration."""
    network, curvature = evaluation.network, 1.0
    direction = network.unpack(random_state.standard_normal(network.pack().shape))
    for _ in range(POWER_STEPS):
        direction = direction._replace(V=np.zeros_like(network.V))
        length = np.linalg.norm(direction.pack())
        if length == 0:
            return 1.0
        direction = evaluation.gauss_newton_product(network.unpack(direction.pack() / length))
        curvature = float(np.linalg.norm(direction._replace(V=np.zeros_like(network.V)).pack()))
    return curvature or 1.0
