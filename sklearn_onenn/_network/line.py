"""A straight line as units, and what it leaves for other units to fit.

Of few targets random units find a line badly: each direction has its own price, and the penalty is that
of what bends. A line has one penalty, found by leaving each row out, and so are its errors: targets that
the rest of the network is fitted to. Where the rest leaves out a row too, that row counts nowhere, and
leverages of the rest alone say what is left.
"""

from dataclasses import dataclass

import numpy as np

from .._activation_base import Activation
from .._data.floating_point import EPSILON, TINY
from .._data.ridge import left_vectors, ridge, root_shares
from .._data.rows import ArrayRows
from .._typing import Array
from .loss import SquaredLoss
from .network import Network

# Steps of a unit from its middle within the rows: so far all activations are straight, to six digits.
STRAIGHT = 3e-3

# Equations of a line are solved for so many rows or columns at most.
MAX_SIZE = 2000


@dataclass(frozen=True)
class Line:
    """A line as a network, what it leaves, and how sure it is.

    Attributes
    ----------
    network : Network
        Of two units for each output.
    rest : SquaredLoss
        The problem with the errors of the line for targets, each row left out of it.
    weights, intercepts : arrays of shapes (r, n) and (1, n)
        Derivatives of the weights and of the intercept of a line by its targets.
    noise : array of shape (n, n_outputs)
        Of each target: the error of its row, left out (HC3), so that noise may depend on the row.
    scale : array of shape (n_outputs,)
        What the weights of the units are of those of the line.
    variance : array of shape (n, n_outputs)
        Of the value that the line has for a row of the fit which is left out of it.
    """

    network: Network
    rest: SquaredLoss
    weights: Array
    intercepts: Array
    noise: Array
    scale: Array
    variance: Array

    def joined(self, network: Network) -> Network:
        """The sum of the line and a network."""
        return joined(self.network, network)

    def left_out(self, rows: ArrayRows) -> ArrayRows:
        """The rows of the fit with its errors for targets."""
        return rows.with_targets(self.rest.array_rows.y)

    def factor(self) -> Network:
        """F, with F F^T the covariance of its weights: a network of n columns for each output.

        They are the last dimension of its arrays.
        """
        (r, n), m = self.weights.shape, len(self.scale)
        W, c = np.zeros((r, 2 * m, m, n)), np.zeros((m, m, n))
        for output in range(m):
            W[:, output, output] = self.scale[output] * self.weights * self.noise[:, output]
            c[output, output] = self.intercepts[0] * self.noise[:, output]
        W[:, m:] = -W[:, :m]
        size, none = m * n, np.zeros((2 * m, m, m * n))
        return Network(W.reshape(r, 2 * m, size), none[:, 0], none, c.reshape(m, size))


def joined(one: Network, other: Network) -> Network:
    """The sum of two networks, as one."""
    return Network(
        np.concatenate([one.W, other.W], axis=1),
        np.concatenate([one.b, other.b]),
        np.concatenate([one.V, other.V]),
        one.c + other.c,
    )


def fit_line(problem: SquaredLoss) -> Line | None:
    """The line of a problem; None where units are not straight, or rows and columns are too many."""
    rows, free = problem.array_rows, problem.fit_intercept
    if not 0 < min(rows.n_rows - 1, problem.coordinates.rank) <= MAX_SIZE:
        return None
    parts = rows.map(lambda block: problem.coordinates.whiten(block.X).astype(float))
    lengths = np.sqrt(problem.penalty)[:, None]
    Z, root = np.concatenate(parts) / lengths.T, root_shares(rows)
    mean = root.T @ (root * Z) if free else np.zeros((1, Z.shape[1]))
    C = root * (Z - mean)
    values, U = left_vectors(C)
    found = ridge(rows, values, U, center=free)
    w = C.T @ found.solution
    furthest = np.abs(Z @ w).max(axis=0)
    scale = STRAIGHT / np.where(furthest > 0, furthest, 1.0)
    network = straight_units(problem.activation, w / lengths, scale, fit_intercept=free)
    if network is None:
        return None
    network = network._replace(c=found.intercept - mean[0] @ w)
    # Derivatives of w by the targets, and of the values where the rows are.
    by_targets = C.T @ (U / (values + found.penalty) @ U.T * root.T)
    own = (root**2).T if free else 0.0
    H = C / np.where(root > 0, root, 1.0) @ by_targets + own
    errors = found.left_out
    noise = errors if rows.weight is None else errors / np.sqrt(np.maximum(rows.weight, TINY))
    left = np.maximum(1 - H.diagonal()[:, None], EPSILON)
    np.fill_diagonal(H, 0.0)
    variance = H**2 @ noise**2 / left**2
    rest = problem.replace(rows.with_targets(errors.astype(rows.dtype)))
    return Line(network, rest, by_targets / lengths, own - mean @ by_targets, noise, scale, variance)


def straight_units(
    activation: Activation, w: Array, scale: Array, *, fit_intercept: bool
) -> Network | None:
    """Pairs of units, a(b + z) - a(b - z), that are the lines w . x (r, m) up to rounding.

    Parameters
    ----------
    activation : Activation
    w : array of shape (r, m)
    scale : array of shape (m,)
        Of the weights of the units, by which no line is more than STRAIGHT on the rows.
    fit_intercept : bool
        Without, units have no b: even ones make no line.

    Returns
    -------
    Network or None
    """
    step = np.array([-STRAIGHT, STRAIGHT])
    for b in (0.0, 1.0) if fit_intercept else (0.0,):
        rise = float(np.diff(activation.value(b + step))[0])
        half = float(np.diff(activation.value(b + step / 2))[0])
        if np.isfinite(rise) and rise != 0 and abs(2 * half / rise - 1) < STRAIGHT:
            break
    else:
        return None
    W, V = w * scale, np.diag(STRAIGHT / (rise * scale))
    return Network(
        np.concatenate([W, -W], axis=1), np.full(2 * len(scale), b), np.concatenate([V, -V]),
        np.zeros(len(scale)),
    )  # fmt: skip
