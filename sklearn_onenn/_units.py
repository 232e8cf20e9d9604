"""From directions to units: signs, magnitudes and output weights; units that are missing.

All of it works in the span of the units, on rows (n, m) with m about k.
"""

import numpy as np
from scipy.linalg import eigh

from ._blocks import weighted
from ._gauss_newton import gauss_newton
from ._network import Network, forward
from ._slices import leading_slices, noise_edge, noise_stack, singular_values

# Scales |w_i| that are tried for units that are not homogeneous.
SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
REFIT_STEPS, ELIMINATION_STEPS = 8, 4
REFIT_TOL = 1e-3
# Directions that a repair adds at most, each in both orientations.
ADDED = 5
# A repair is tried when the residual shows this share of what a missing unit would show.
SUSPICIOUS = 0.75
# Largest condition of normal equations whose small directions are kept.
CONDITION = 1e10


def oriented_units(rows, U, activation):
    """Signs, magnitudes and output weights by regression on phi(s u_i . z) and phi(-s u_i . z).

    The orientation with the larger coefficient stays. Homogeneous units take the scale s = 1, which
    the output weight absorbs; for others the best of a few common scales is taken.
    """
    m, k = U.shape
    best = None
    for scale in SCALES if activation.degree is None else (1.0,):
        W = scale * np.concatenate([U, -U], axis=1)
        gram, cross = output_equations(rows, Network(W, np.zeros(2 * k), None, None), activation)
        v = solve_outputs(gram, cross, 100 * CONDITION)[0]
        stay = np.where(np.abs(v[:k]) >= np.abs(v[k : 2 * k]), 0, k) + np.arange(k)
        kept = np.r_[stay, 2 * k]
        v, _, gain = solve_outputs(gram[np.ix_(kept, kept)], cross[kept])
        if best is None or gain > best[0]:
            best = gain, Network(W[:, stay], np.zeros(k), v[:k, None], v[k:])
    return best[1]


def output_equations(rows, hidden, activation):
    """Normal equations of the targets on the units and 1."""
    k = hidden.W.shape[1]
    units = Network(hidden.W, hidden.b, np.eye(k), np.zeros(k)).astype(rows.dtype)

    def sums(block):
        Phi = forward(block.X, units, activation)
        F = np.concatenate([Phi, np.ones((len(Phi), 1), dtype=Phi.dtype)], axis=1)
        wF = weighted(F, block.weight)
        return wF.T @ F, wF.T @ block.y[:, 0]

    return rows.sum(sums)


def solve_outputs(gram, cross, condition=CONDITION):
    """Solution, diagonal of the inverse, and the part of the squared error that is explained."""
    values, vectors = eigh(gram)
    inverse = np.where(
        values * condition > values[-1], 1 / np.maximum(values, np.finfo(float).tiny), 0.0
    )
    solution = vectors @ (inverse * (vectors.T @ cross))
    return solution, np.einsum("ij,j,ij->i", vectors, inverse, vectors), float(solution @ cross)


def refit(problem, network, steps):
    """A few Gauss-Newton steps: loss and network."""
    result = gauss_newton(problem, network, max_iter=steps, tol=REFIT_TOL)
    return result.losses[-1], result.network


def repair(problem, network, loss, power):
    """Replace units that a residual shows to be missing or merged.

    Where the slices of the residual show what a missing unit would, or where they could not, the
    residual's leading directions are added in both orientations, and units are eliminated until as
    many are left as before.

    Parameters
    ----------
    problem : SquaredLoss
        In the span.
    network : Network
    loss : float
        Its loss.
    power : float
        What the weakest unit shows in the slices of the targets, times the targets' noise.

    Returns
    -------
    loss : float
    network : Network
        The better of the one given and the one repaired.
    """
    rows, activation = problem.rows, problem.activation
    k, m = network.W.shape[1], rows.n_features

    def residual(block):
        return block.y - forward(block.X, network.astype(block.X.dtype), activation)

    stack, sd = noise_stack(rows.with_targets(np.concatenate(rows.map(residual))))
    power = power / max(sd, np.finfo(float).tiny)
    if singular_values(stack)[0] < SUSPICIOUS * power and power > noise_edge(m):
        return loss, network
    directions = leading_directions(leading_slices(stack, m, min(ADDED, k, len(stack[0]))))
    directions *= np.median(np.linalg.norm(network.W, axis=0))
    n_added = directions.shape[1]
    larger = Network(
        np.concatenate([network.W, directions, -directions], axis=1),
        np.concatenate([network.b, np.zeros(2 * n_added)]),
        np.zeros((k + 2 * n_added, 1)),
        network.c,
    )
    found, smaller = refit(
        problem, eliminate(rows, larger, activation, k + n_added), REFIT_STEPS
    )
    while smaller.W.shape[1] > k:
        smaller = eliminate(rows, smaller, activation, smaller.W.shape[1] - 1)
        found, smaller = refit(problem, smaller, ELIMINATION_STEPS)
    return (found, smaller) if found < loss else (loss, network)


def leading_directions(slices):
    """Eigenvector (m, L) of largest absolute eigenvalue of each slice (L, m, m)."""
    values, vectors = np.linalg.eigh(slices)
    column = np.abs(values).argmax(axis=1)
    return vectors[np.arange(len(slices)), :, column].T


def eliminate(rows, network, activation, k):
    """Drop the unit that raises the squared error least, until k are left; output weights refitted."""
    gram, cross = output_equations(rows, network, activation)
    constant = len(cross) - 1
    keep = np.arange(len(cross))
    while True:
        v, inverse, _ = solve_outputs(gram[np.ix_(keep, keep)], cross[keep])
        if len(keep) - 1 <= k:
            break
        rise = v[:-1] ** 2 / np.maximum(inverse[:-1], np.finfo(float).tiny)
        keep = np.delete(keep, np.argmin(rise))
    units = keep[keep != constant]
    return Network(network.W[:, units], network.b[units], v[:-1, None], v[-1:])
