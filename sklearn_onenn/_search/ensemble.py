"""The polish of few rows that have no network to recover: begun anew, in parts that are averaged.

Nothing tells one optimum there from another: neither the loss, nor the penalized loss, nor the penalty.
The mean of several predicts better than any one, and a network of k units can hold it: parts of at
least ten units, as many as the rows determine well, are fitted to the targets one by one, each from
small weights of its own, and share the outputs. (Ensembles of networks that differ by their first
weights alone: L. K. Hansen, P. Salamon, 1990, doi:10.1109/34.58871.)
"""

import numpy as np

from .._network.network import Network
from .._optimization.single_precision import in_single_precision
from .._optimization.smoothing import WIDTHS
from .._selection.criteria import predicted_error, statistical_tolerance
from .._selection.evidence import maximize_evidence
from .progress import StopFit
from .stages import (
    Polish,
    best_on_validation,
    lost_units,
    minimize_past_kinks,
    on_all_rows,
    penalized,
    unpenalized_fit,
)
from .starts import small_start

# A part has at least so many units, and more while it has so many targets for each weight.
MEMBER_UNITS, MEMBER_TARGETS = 10, 12

# The penalty while small weights grow to units: one from the residual, large at first, would not let
# them. (.03, .1 and .3 are alike with 20 and 50 units on three tables; with 5 to 20 units on 20 to 150
# rows of a curve .3 is worse than either.)
SMALL_ALPHA = 0.1

# Where there is no one optimum to look for, small weights need grow no further than to this tolerance,
# and steps need not go exactly where their linear model is minimal. (Tables of 10 to 104 columns are
# predicted as well as with .02 and .03, or better.)
GROWTH_TOL, ROUGH_SOLVE_TOL = 0.1, 0.1


def fit_ensemble(problem, k, alpha, trace, *, rival=np.inf, random_state, **limits):
    """The polish of few rows that have no network to recover.

    Parameters
    ----------
    problem : SquaredLoss
    k : int
    alpha : float or None
        The penalty; None to find it in the first part.
    course : Course
    rival : float
        Mean squared error on other rows that another fit promises.
    random_state : numpy.random.RandomState
        Draws the small weights.
    **limits
        ``max_iter`` and ``tol`` of :func:`sklearn_onenn._optimization.gauss_newton.gauss_newton`.

    Returns
    -------
    Polish or None
        None where the first part promises no less error than the rival.
    """
    widths, parts, best_before = member_widths(problem, k), [], trace.best
    limits |= {"random_state": random_state}
    if len(widths) == 1:
        return fit_from_small_weights(problem, k, alpha, trace, **limits)[0]
    try:
        for width in widths:
            trace.best = None  # on held-out rows, of this part
            part, last = fit_from_small_weights(problem, width, alpha, trace, **limits)
            if not parts and np.isfinite(rival) and not predicted_error(last.evaluation) < rival:
                trace.best = best_before
                return None
            parts.append(part)
            alpha = part.alpha
        ends = [(part.network, part.loss) for part in parts]
    except StopFit:  # the average has to tell of itself, and ends there
        ends = [(part.network, part.loss) for part in parts] or [(trace.last_of_problem, 1.0)]
    rest = [small_start(problem, width, random_state) for width in widths[len(ends) :]]
    network = ensemble_mean(*zip(*ends, strict=True), rest)
    evaluation, trace.best = (
        problem.replace(problem.rows, alpha=alpha or 0.0).evaluate(network),
        best_before,
    )
    trace.stage("average")(evaluation)
    reason = "max_iter" if any(part.reason == "max_iter" for part in parts) else parts[-1].reason
    average = Polish(network, evaluation.data_loss, evaluation.loss, alpha, False, reason)
    return best_on_validation(average, problem, trace)


def member_widths(problem, k):
    """Units of each part of a network of k units."""
    rows = problem.rows
    weights_of_a_unit = problem.coordinates.rank + rows.n_outputs + 1
    n_targets = rows.weight_sum * rows.n_outputs
    width = max(MEMBER_UNITS, n_targets / (MEMBER_TARGETS * weights_of_a_unit))
    return [len(part) for part in np.array_split(np.arange(k), max(1, int(k / width)))]


def ensemble_mean(networks, losses, rest=()):
    """One network that is the mean of several, with the units of others, which have no outputs.

    They count by the inverse square of their losses: alike, unless one was caught in a poor optimum.
    """
    shares = (np.min(losses) / np.asarray(losses)) ** 2 if np.min(losses) > 0 else np.equal(losses, 0)
    parts = [
        network._replace(V=share * network.V, c=share * network.c)
        for network, share in zip(networks, shares / np.sum(shares), strict=True)
    ]
    parts += [network._replace(V=0.0 * network.V, c=0.0 * network.c) for network in rest]
    W, b, V, c = zip(*parts, strict=True)
    return Network(np.concatenate(W, axis=1), np.concatenate(b), np.concatenate(V), np.sum(c, axis=0))


def fit_from_small_weights(problem, k, alpha, trace, *, tol, random_state, **limits):
    """The same of all units at once: the polish, and the last stage of it."""
    small = small_start(problem, k, random_state)
    limits |= {
        "solve_tol": ROUGH_SOLVE_TOL,
        "tol": max(tol, statistical_tolerance(problem.rows, small.pack().size)),
    }
    single = in_single_precision(problem, limits["tol"])
    held, network = grow(single, small, alpha, trace, **limits)
    last = minimize_past_kinks(held, network, trace, widths=WIDTHS[:1], **limits)
    return best_on_validation(on_all_rows(problem, last, held.alpha, False), problem, trace), last


def grow(problem, small, alpha, trace, **limits):
    """The problem with its penalty, and weights that were never fitted without one: from small ones."""
    first_alpha = SMALL_ALPHA if alpha is None else min(alpha, SMALL_ALPHA)
    held = problem.replace(problem.rows, alpha=first_alpha)
    start = unpenalized_fit(held, small, trace, **limits | {"tol": GROWTH_TOL})
    if alpha is not None:
        return problem.replace(problem.rows, alpha=alpha), start.network
    limits["callback"] = trace.stage("evidence")
    probable = maximize_evidence(problem, start.network, first_alpha=first_alpha, **limits)
    return penalized(start if lost_units(start, probable) else probable)
