"""A straight line as units, and what it leaves for other units to fit.

Of few targets random units find a line badly: each direction has its own price, and the penalty is that
of what bends. A line has one penalty, found by leaving each row out, and so are its errors: targets that
the rest of the network is fitted to. Where the rest leaves out a row too, that row counts nowhere, and
leverages of the rest alone say what is left.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from .._activation_base import Activation
from .._data.ridge import ridge, root_shares
from .._data.rows import ArrayRows
from .._typing import Array
from .loss import SquaredLoss
from .network import Network

# Steps of a unit from its middle within the rows: so far all activations are straight, to six digits.
STRAIGHT = 3e-3

# Equations of a line are solved for so many rows or columns at most.
MAX_SIZE = 2000

# Eigenvalues below this share of the largest say nothing.
SMALLEST = 1e-12


@dataclass(frozen=True)
class Line:
    """A line as a network, and what it leaves.

    Attributes
    ----------
    network : Network
        Of two units for each output.
    rest : SquaredLoss
        The problem with the errors of the line for targets, each row left out of it.
    """

    network: Network
    rest: SquaredLoss

    def joined(self, network: Network) -> Network:
        """The sum of the line and a network."""
        return joined(self.network, network)

    def left_out(self, rows: ArrayRows) -> ArrayRows:
        """The rows of the fit with its errors for targets."""
        return rows.with_targets(self.rest.array_rows.y)


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
    rows = problem.array_rows
    if not 0 < min(rows.n_rows - 1, problem.coordinates.rank) <= MAX_SIZE:
        return None
    parts = rows.map(lambda block: problem.coordinates.whiten(block.X).astype(float))
    Z = np.concatenate(parts) / np.sqrt(problem.penalty)
    root = root_shares(rows)
    mean = root.T @ (root * Z) if problem.fit_intercept else np.zeros((1, Z.shape[1]))
    C = root * (Z - mean)
    found = ridge(rows, *left_vectors(C), center=problem.fit_intercept)
    w = C.T @ found.solution
    network = straight_units(
        problem.activation, w / np.sqrt(problem.penalty)[:, None], np.abs(Z @ w).max(axis=0),
        fit_intercept=problem.fit_intercept,
    )  # fmt: skip
    if network is None:
        return None
    network = network._replace(c=found.intercept - mean[0] @ w)
    return Line(network, problem.replace(rows.with_targets(found.left_out.astype(rows.dtype))))


def left_vectors(C: Array) -> tuple[Array, Array]:
    """Eigenvalues (r,) and eigenvectors (n, r) of C C^T, without those that vanish."""
    n, r = C.shape
    values, vectors = eigh(C @ C.T if n <= r else C.T @ C)
    keep = values > SMALLEST * max(values[-1], 0.0)
    values, vectors = values[keep], vectors[:, keep]
    return values, vectors if n <= r else C @ vectors / np.sqrt(values)


def straight_units(
    activation: Activation, w: Array, furthest: Array, *, fit_intercept: bool
) -> Network | None:
    """Pairs of units, a(b + z) - a(b - z), that are the lines w . x (r, m) up to rounding.

    Parameters
    ----------
    activation : Activation
    w : array of shape (r, m)
    furthest : array of shape (m,)
        Largest absolute values of the lines.
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
    scale = STRAIGHT / np.where(furthest > 0, furthest, 1.0)
    W, V = w * scale, np.diag(STRAIGHT / (rise * scale))
    return Network(
        np.concatenate([W, -W], axis=1), np.full(2 * len(scale), b), np.concatenate([V, -V]),
        np.zeros(len(scale)),
    )  # fmt: skip
