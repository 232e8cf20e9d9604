"""How many units the rows support.

1. Widths 1, 2, 4, ... are fitted, and units eliminated from each fit, one by one, as long as that lowers
   the Bayesian information criterion (G. Schwarz, 1978, doi:10.1214/aos/1176344136). The first width
   from which a unit goes, or whose residual is mere noise, is the last. A unit that is eliminated may be
   the wrong one: so a unit less than are left is fitted anew, as long as that lowers the criterion.
2. On rows that a network generated the width left is the network's. Other rows, whose residual never is
   mere noise, may deserve a wider network than the criterion allows: the one of these that predicts best
   in cross-validation (on normal rows by more than two standard errors).
"""

from dataclasses import replace

import numpy as np

from .._data.gaussianity import rows_are_normal
from .._network.loss import residuals
from .._optimization.elimination import backward_elimination
from .._selection.residual_noise import residual_is_noise
from .ensemble import MEMBER_UNITS
from .one_start import one_start
from .stages import EXACT, is_exact

MAX_WIDTH = 64

# Samples of many rows are made for it.
TYPICAL_WIDTH = 16

# A width is tried while the targets are so many times its weights: by the criterion, by predictions.
TARGETS_PER_WEIGHT, WIDEST = 2, 1

# Folds that are held out in turn.
FOLDS = 3

# Standard errors by which a wider network must predict better on normal rows.
GAIN = 2.0

# Doublings of the width without a gain after which wider ones are not tried.
PATIENCE = 1


def choose_width(problem, options, random_state):
    """The number of units.

    Parameters
    ----------
    problem : SquaredLoss
        On rows in memory.
    plan : Plan
    random_state : numpy.random.RandomState

    Returns
    -------
    k : int
    network : Network or None
        The fit at which an observer ended the search; None where it came to its end.
    """
    options = replace(options, n_init=1, held_out=None)
    seed = random_state.randint(np.iinfo(np.int32).max)
    lowest, failures = np.inf, 0
    for width in doubling_widths(problem):
        network = fitted(problem, width, options, seed, name=f"width {width}")
        if options.progress.stopped:
            return width, network
        k_left, value, network = after_elimination(problem, network)
        if value >= lowest:
            failures += 1
            if failures > PATIENCE:
                break
            continue
        k, lowest, failures, best = k_left, value, 0, network
        explained = is_noise(problem, network)
        if k < width or explained:
            break
    while k > 1:
        network = fitted(problem, k - 1, options, seed, name=f"width {k - 1}")
        if options.progress.stopped:
            return k - 1, network
        k_left, value, network = after_elimination(problem, network)
        if value >= lowest:
            break
        k, lowest, best, explained = k_left, value, network, is_noise(problem, network)
    if not explained:
        wider = cross_validated_width(problem, k, options, random_state)
        if options.progress.stopped:
            return k, best
        k = wider
    return k, None


def fitted(problem, k, options, seed, *, name):
    """The network of one start."""
    fit = one_start(problem, k, options, options.init, seed, name=name)
    problem.rows.count(fit.rows_read)
    return fit.polish.network


def doubling_widths(problem, targets_per_weight=TARGETS_PER_WEIGHT, *, in_parts=False):
    """Widths 1, 2, 4, ... that the rows can tell anything about, by themselves or in parts."""
    rows, rank = problem.rows, problem.coordinates.rank
    n_targets = rows.weight_sum * rows.n_outputs
    per_unit = targets_per_weight * (rank + rows.n_outputs + 1)
    largest = max(1, min(MAX_WIDTH, int(n_targets / per_unit)))
    if in_parts and largest >= MEMBER_UNITS:
        largest = MAX_WIDTH
    return [2**power for power in range(largest.bit_length())]


def is_noise(problem, network):
    """Whether a fit leaves nothing that a further unit would explain."""
    if is_exact(problem.data_loss(network), problem.rows.dtype):
        return True
    return rows_are_normal(problem.rows, problem.coordinates) and residual_is_noise(problem, network)


def criterion(problem, network, loss):
    """n m log(loss) + p log(n m); exact fits have equal losses."""
    n_targets = problem.rows.weight_sum * problem.rows.n_outputs
    n_weights = network.pack().size - (0 if problem.activation.degree is None else len(network.b))
    return n_targets * np.log(max(loss, EXACT)) + n_weights * np.log(n_targets)


def after_elimination(problem, network):
    """Width, criterion and network where backward elimination stops to lower the criterion."""
    best = None
    for k in range(network.W.shape[1], 0, -1):
        loss, network = backward_elimination(problem, network, k, k)
        value = criterion(problem, network, loss)
        if best is not None and value > best[1]:
            break
        best = k, value, network
    return best


def cross_validated_width(problem, k, options, random_state):
    """Of this width and wider ones the one that predicts best in cross-validation.

    On normal rows, which a network may have made, beyond what chance allows.
    """
    rows = problem.rows
    order = random_state.permutation(rows.n_rows)
    seed = random_state.randint(np.iinfo(np.int32).max)
    weight = np.ones(rows.n_rows) if rows.weight is None else rows.weight[order, 0]
    n_errors = GAIN if rows_are_normal(rows, problem.coordinates) else 0.0

    def squared_errors(width):
        """Of every row, in this order, from a fit without its fold."""
        parts = []
        for i, fold in enumerate(np.array_split(order, FOLDS)):
            if options.progress.stopped:
                return np.full(rows.n_rows, np.inf)
            kept = problem.replace(rows.take(np.setdiff1d(order, fold)))
            network = fitted(kept, width, options, seed, name=f"width {width}, without fold {i + 1}")
            parts.append((residuals(problem.replace(rows.take(fold)), network).y ** 2).sum(axis=1))
        return np.concatenate(parts)

    lowest, failures = squared_errors(k), 0
    for wider in [width for width in doubling_widths(problem, WIDEST, in_parts=True) if width > k]:
        errors = squared_errors(wider)
        if options.progress.stopped:
            break
        gain = weight * (lowest - errors)
        if gain.mean() > n_errors * gain.std() / np.sqrt(len(gain)):
            k, lowest, failures = wider, errors, 0
            continue
        failures += 1
        if failures > PATIENCE:
            break
    return k
