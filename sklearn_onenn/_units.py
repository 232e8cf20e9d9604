"""From directions to units: signs, magnitudes and output weights; units that are missing."""

import numpy as np
from scipy.linalg import eigh

from ._blocks import transposed_product, weighted
from ._gauss_newton import gauss_newton
from ._joint_diagonalization import wedge_components
from ._network import Network, SquaredLoss, forward
from ._slices import leading_slices, noise_edge, noise_stack, singular_values
from ._whitening import identity_coordinates

# Scales |w_i| that are tried for units that are not homogeneous.
SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
REFIT_STEPS, ELIMINATION_STEPS, PRUNED_STEPS = 8, 4, 30
REFIT_TOL = 1e-3
# Rows for each weight in the span from which units are refitted there, and their least number.
ROWS_PER_WEIGHT = 10
LEAST_ROWS = 2000
# Directions that a repair adds at most, each in both orientations.
ADDED = 5
# A repair is tried when the residual shows this share of what a missing unit would show.
SUSPICIOUS = 0.4
# Largest condition of normal equations whose small directions are kept.
CONDITION = 1e10


def units_in_span(rows, activation, stack_of, *, worth_repair=lambda loss: True, random_state):
    """As many units as the span has dimensions, from slices there, refitted and repaired.

    Parameters
    ----------
    rows : ArrayRows
        Rows (n, k) in the span, white.
    activation : Activation
    stack_of : callable
        ``stack_of(rows, step)``: the slices of every ``step``-th of the rows, with the targets that
        ``rows`` has, and the noise; as :func:`_slices.noise_stack`.
    worth_repair : callable
        Whether a fit with this loss may lack a unit.
    random_state : numpy.random.RandomState

    Returns
    -------
    Network
    """
    k = rows.n_features
    stack, sd = stack_of(rows, 1)
    U = wedge_components(leading_slices(stack, k, k), random_state=random_state)
    span = identity_coordinates(k)
    network = oriented_units(SquaredLoss(rows, activation, span), U)

    n_rows = max(LEAST_ROWS, ROWS_PER_WEIGHT * (k + ADDED) * (k + 2))
    step = max(1, rows.n_rows // n_rows)
    few = rows if step == 1 else rows.take(slice(None, None, step))
    problem = SquaredLoss(few, activation, span)
    loss, network = refit(problem, network, REFIT_STEPS)
    if not worth_repair(loss):
        return network
    power = singular_values(stack)[k - 1] * sd * np.sqrt(few.weight_sum / rows.weight_sum)
    return repair(problem, network, loss, power, lambda rest: stack_of(rest, step))[1]


def oriented_units(problem, U):
    """Signs, magnitudes and output weights by regression on phi(s u_i . z) and phi(-s u_i . z).

    The orientation with the larger coefficient stays. Homogeneous units take the scale s = 1, which
    the output weight absorbs; for others the best of a few common scales is taken.
    """
    k = U.shape[1]
    best = None
    for scale in SCALES if problem.activation.degree is None else (1.0,):
        W = scale * np.concatenate([U, -U], axis=1)
        gram, cross = output_equations(problem, W, np.zeros(2 * k))
        v = solve_outputs(gram, cross, 100 * CONDITION)[0]
        size = np.linalg.norm(v, axis=1)
        stay = np.where(size[:k] >= size[k : 2 * k], 0, k) + np.arange(k)
        kept = np.r_[stay, 2 * k]
        v, _, gain = solve_outputs(gram[np.ix_(kept, kept)], cross[kept])
        if best is None or gain > best[0]:
            best = gain, Network(W[:, stay], np.zeros(k), v[:k], v[k])
    return best[1]


def with_fitted_outputs(problem, W, b):
    """The network with the hidden layer W, b and output weights in least squares."""
    v = solve_outputs(*output_equations(problem, W, b))[0]
    return Network(W, b, v[:-1], v[-1])


def output_equations(problem, W, b):
    """Normal equations of the targets on the units W, b and 1 (zeros without an intercept)."""
    k, activation = W.shape[1], problem.activation
    units = problem.to_rows(Network(W, b, np.eye(k), np.zeros(k)))
    free = float(problem.fit_intercept)

    def sums(block):
        Phi = forward(block.X, units, activation)
        F = np.concatenate([Phi, np.full((len(Phi), 1), free, dtype=Phi.dtype)], axis=1)
        wF = weighted(F, block.weight)
        return transposed_product(wF, F), transposed_product(wF, block.y)

    return problem.rows.sum(sums)


def solve_outputs(gram, cross, condition=CONDITION):
    """Solution for every output, diagonal of the inverse, and the explained part of the squared error.

    The solution leaves out directions that the features do not determine; in the inverse they are
    large, so that a unit which others can replace is seen to be of no use.
    """
    values, vectors = eigh(gram)
    least = max(values[-1] / condition, np.finfo(float).tiny)
    inverse = 1 / np.maximum(values, least)
    solution = vectors @ (np.where(values > least, inverse, 0.0)[:, None] * (vectors.T @ cross))
    diagonal = np.einsum("ij,j,ij->i", vectors, inverse, vectors)
    return solution, diagonal, float(np.vdot(solution, cross))


def refit(problem, network, steps):
    """A few Gauss-Newton steps: loss and network."""
    result = gauss_newton(problem, network, max_iter=steps, tol=REFIT_TOL)
    return result.losses[-1], result.network


def random_start(problem, k, random_state):
    """Random directions of length one, in both orientations, and output weights by least squares."""
    r = problem.coordinates.rank
    W = random_state.standard_normal((r, k))
    W /= np.linalg.norm(W, axis=0)
    b = random_state.standard_normal(k) if problem.fit_intercept else np.zeros(k)
    return with_fitted_outputs(problem, W, b)


def small_start(problem, k, random_state):
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


def twice_as_many(problem, k, random_state):
    """Twice as many random units as wanted, fitted: loss and network."""
    return refit(problem, random_start(problem, 2 * k, random_state), PRUNED_STEPS)


def residuals(problem, network):
    """The rows with y - F(x) for targets."""
    at_rows = problem.to_rows(network)
    rest = problem.rows.map(lambda block: block.y - forward(block.X, at_rows, problem.activation))
    return problem.rows.with_targets(np.concatenate(rest))


def repair(problem, network, loss, power, stack_of=noise_stack):
    """Replace units that a residual shows to be missing or merged; in the span of the units.

    Where the slices of the residual show what a missing unit would, or where they could not, the
    residual's leading directions are added, and as many units eliminated.

    Parameters
    ----------
    problem : SquaredLoss
        In the span: few columns, white.
    network : Network
    loss : float
        Its loss.
    power : float
        What the weakest unit shows in the slices of the targets, times the targets' noise.
    stack_of : callable
        Slices of the rows with other targets, and their noise.

    Returns
    -------
    loss : float
    network : Network
        The better of the one given and the one repaired.
    """
    k, rows = network.W.shape[1], problem.rows
    r, edge = rows.n_features, noise_edge(rows.n_features, rows.n_outputs)
    stack, sd = stack_of(residuals(problem, network))
    power = power / max(sd, np.finfo(float).tiny)
    if singular_values(stack)[0] < SUSPICIOUS * power and power > edge:
        return loss, network
    slices = leading_slices(stack, r, min(ADDED, k, len(stack[0])))
    larger = enlarged(network, leading_directions(slices))
    found, smaller = eliminated(problem, larger, k, k + len(slices))
    return (found, smaller) if found < loss else (loss, network)


def leading_directions(slices):
    """Eigenvector (m, L) of largest absolute eigenvalue of each slice (L, m, m)."""
    values, vectors = np.linalg.eigh(slices)
    column = np.abs(values).argmax(axis=1)
    return vectors[np.arange(len(slices)), :, column].T


def enlarged(network, directions):
    """The network with units along directions (r, j) of length one, in both orientations."""
    k, j = network.W.shape[1], directions.shape[1]
    directions = directions * np.median(np.linalg.norm(network.W, axis=0))
    return Network(
        np.concatenate([network.W, directions, -directions], axis=1),
        np.concatenate([network.b, np.zeros(2 * j)]),
        np.zeros((k + 2 * j, network.V.shape[1])),
        network.c,
    )


def eliminated(problem, network, k, first, *, goal=np.inf):
    """Backward elimination to k units, refitted after every few.

    Parameters
    ----------
    first : int
        Units that are kept at first, by their output weights alone.
    goal : float
        All go at once where the loss is not below this with more than k.

    Returns
    -------
    loss : float
    network : Network
    """
    loss, network = refit(problem, with_fewer_units(problem, network, first), REFIT_STEPS)
    while network.W.shape[1] > k:
        n_units = network.W.shape[1]
        n_left = max(k, n_units - max(1, (n_units - k) // 4)) if loss < goal else k
        network = with_fewer_units(problem, network, n_left)
        loss, network = refit(problem, network, ELIMINATION_STEPS)
    return loss, network


def with_fewer_units(problem, network, k):
    """Drop the unit that raises the squared error least, until k are left; refit output weights."""
    gram, cross = output_equations(problem, network.W, network.b)
    keep = np.arange(len(cross))
    while True:
        v, inverse, _ = solve_outputs(gram[np.ix_(keep, keep)], cross[keep])
        if len(keep) - 1 <= k:
            break
        keep = np.delete(keep, np.argmin(rises(v, inverse)))
    units = keep[:-1]
    return Network(network.W[:, units], network.b[units], v[:-1], v[-1])


def rises(v, inverse):
    """Rise of the squared error without each unit, from the answer of :func:`solve_outputs`."""
    return (v[:-1] ** 2).sum(axis=1) / np.maximum(inverse[:-1], np.finfo(float).tiny)
