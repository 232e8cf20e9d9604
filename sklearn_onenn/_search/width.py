"""How many units the rows support.

1. Widths 1, 2, 4, ... are fitted, and units eliminated from each fit, one by one, as long as that lowers
   the Bayesian information criterion (G. Schwarz, 1978, doi:10.1214/aos/1176344136). The first width
   from which a unit goes, or whose residual is mere noise, is the last. A unit that is eliminated may be
   the wrong one: so a unit less than are left is fitted anew, as long as that lowers the criterion.
2. On rows that a network generated the width left is the network's: nothing that the rows tell explains
   its residual. Other rows may deserve a wider network than the criterion allows: the widest, if it
   predicts better in cross-validation.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import RandomState

from .._data.gaussianity import rows_are_normal
from .._network.loss import SquaredLoss, residuals
from .._network.network import Network
from .._network.symmetries import TangentBasis
from .._optimization.elimination import backward_elimination
from .._selection.lack_of_fit import unexplained_by_rows
from .._selection.missing_units import residual_is_noise
from .._typing import Array
from .one_start import FitOptions, one_start
from .rules import SearchRules
from .stages import EXACT, is_exact


class SearchStopped(Exception):
    """An observer ended the search for the width.

    Parameters
    ----------
    network : Network
        The last fit.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network


@dataclass(frozen=True)
class WidthFit:
    """A network of which no further unit was eliminated, since that would not lower the criterion.

    Attributes
    ----------
    network : Network
    criterion : float
        The Bayesian information criterion; infinite where no loss was finite.
    leaves_noise : bool
        Whether no further unit would explain anything, where that was asked.
    """

    network: Network
    criterion: float
    leaves_noise: bool = False

    @property
    def k(self) -> int:
        """Units that are left."""
        return len(self.network.b)


def choose_width(
    problem: SquaredLoss, options: FitOptions, random_state: RandomState
) -> tuple[int, Network | None]:
    """The number of units.

    Parameters
    ----------
    problem : SquaredLoss
        On rows in memory.
    options : FitOptions
    random_state : numpy.random.RandomState

    Returns
    -------
    k : int
    network : Network or None
        The fit at which an observer ended the search; None where it came to its end.
    """
    options = replace(options, n_init=1, held_out=None)
    seed = random_state.randint(np.iinfo(np.int32).max)
    best = None
    try:
        best = narrowed(problem, widened(problem, options, seed), options, seed)
        if best.leaves_noise or nothing_is_left(problem, best.network, options):
            return best.k, None
        return cross_validated_width(problem, best.k, options, random_state), None
    except SearchStopped as stopped:
        network = stopped.network if best is None else best.network
        return len(network.b), network


def widened(problem: SquaredLoss, options: FitOptions, seed: int) -> WidthFit:
    """The fit of lowest criterion among those of widths 1, 2, 4, ..., each less the units it can spare.

    A width from which a unit goes, or whose residual is mere noise, is the last.
    """
    rules = options.rules.width
    best, n_failures = None, 0
    for width in doubling_widths(problem, options.rules):
        network = fit_width(problem, width, options, seed, name=f"width {width}")
        fit = eliminate_units(problem, network)
        if best is None or fit.criterion < best.criterion:
            best = replace(fit, leaves_noise=is_noise(problem, fit.network, options))
            n_failures = 0
            if fit.k < width or best.leaves_noise:
                break
            continue
        n_failures += 1
        if n_failures > rules.patience:
            break
    assert best is not None  # there is a width 1
    return best


def narrowed(problem: SquaredLoss, best: WidthFit, options: FitOptions, seed: int) -> WidthFit:
    """The fit with a unit less, fitted anew, as long as that lowers the criterion.

    A unit that is eliminated may be the wrong one.
    """
    while best.k > 1:
        k = best.k - 1
        network = fit_width(problem, k, options, seed, name=f"width {k}")
        fit = eliminate_units(problem, network)
        if not fit.criterion < best.criterion:
            break
        best = replace(fit, leaves_noise=is_noise(problem, fit.network, options))
    return best


def fit_width(problem: SquaredLoss, k: int, options: FitOptions, seed: int, *, name: str) -> Network:
    """The network of k units that one start leads to.

    Raises
    ------
    SearchStopped
        Where an observer asked for the end.
    """
    assert isinstance(options.init, str)  # weights that are given have a width
    fit = one_start(problem, k, options, options.init, seed, name=name)
    problem.rows.count(fit.rows_read)
    if options.observers.stopped:
        raise SearchStopped(fit.solution.network)
    return fit.solution.network


def doubling_widths(problem: SquaredLoss, rules: SearchRules) -> list[int]:
    """Widths 1, 2, 4, ... that the rows can tell anything about."""
    largest = supported_width(problem, rules, rules.data.small_sample)
    return [2**power for power in range(largest.bit_length())]


def widest_by_predictions(problem: SquaredLoss, rules: SearchRules) -> int:
    """The widest network of no more weights than targets; where a member has room, an ensemble."""
    largest = supported_width(problem, rules, 1.0)
    return rules.width.max_width if largest >= rules.ensemble.member_units else largest


def supported_width(problem: SquaredLoss, rules: SearchRules, targets_per_weight: float) -> int:
    """Units, of one and the most that are tried, for which there are so many targets for each weight."""
    units = int(problem.n_targets / (targets_per_weight * problem.weights_of_a_unit))
    return max(1, min(rules.width.max_width, units))


def is_noise(problem: SquaredLoss, network: Network, options: FitOptions) -> bool:
    """Whether a fit leaves nothing that a further unit would explain."""
    if is_exact(problem.data_loss(network), problem.rows.dtype):
        return True
    if problem.coordinates.rank == 0:  # no unit explains anything
        return True
    if not rows_are_normal(problem.rows, problem.coordinates, options.rules.data):
        return False
    seems_noise = residual_is_noise(problem, network, options.criteria)
    return seems_noise and nothing_is_left(problem, network, options)


def nothing_is_left(problem: SquaredLoss, network: Network, options: FitOptions) -> bool:
    """Whether nothing that the rows tell, of whatever distribution they are, explains the residual."""
    free = TangentBasis(network, degree=problem.activation.degree, fit_intercept=problem.fit_intercept)
    score = unexplained_by_rows(problem, network, free, RandomState(0))
    return score < options.rules.width.unexplained


def criterion(problem: SquaredLoss, network: Network, loss: float) -> float:
    """Bayesian information criterion of a network with this data loss: n m log(loss) + p log(n m).

    Exact fits count as fits of equal loss.
    """
    n_weights = problem.n_identifiable_weights(len(network.b))
    n_targets = problem.n_targets
    return float(n_targets * np.log(max(loss, EXACT)) + n_weights * np.log(n_targets))


def eliminate_units(problem: SquaredLoss, network: Network) -> WidthFit:
    """The fit that backward elimination comes to as long as it lowers the criterion."""
    best = None
    for k in range(network.W.shape[1], 0, -1):
        loss, network = backward_elimination(problem, network, k, k)
        fit = WidthFit(network, criterion(problem, network, loss))
        if best is not None and fit.criterion > best.criterion:
            break
        best = fit
    assert best is not None
    return best if np.isfinite(best.criterion) else replace(best, criterion=np.inf)


def cross_validated_width(
    problem: SquaredLoss, k: int, options: FitOptions, random_state: RandomState
) -> int:
    """The width, of k and the widest, that predicts better in cross-validation.

    On normal rows, which a network may have made, the widest must do so by more than a standard error
    (L. Breiman, J. Friedman, R. Olshen, C. Stone, 1984, section 3.4.3). Where no network generated the
    rows many units under one penalty predict about as well as the best number of them: widths between
    are not tried.
    """
    wider = widest_by_predictions(problem, options.rules)
    if wider <= k or problem.array_rows.n_rows < 2 * options.rules.width.n_folds:
        return k
    squared_errors, weight = cross_validation(problem, options, random_state)
    is_normal = rows_are_normal(problem.rows, problem.coordinates, options.rules.data)
    gain = weight * (squared_errors(k) - squared_errors(wider))
    chance = gain.std() / np.sqrt(len(gain)) if is_normal else 0.0
    return wider if gain.mean() > chance else k


def cross_validation(
    problem: SquaredLoss, options: FitOptions, random_state: RandomState
) -> tuple[Callable[[int], Array], Array]:
    """Squared errors of cross-validation, and the weights of the rows that have them.

    Returns
    -------
    squared_errors : callable
        From a width to the squared error (n_rows,) of every row, summed over scaled outputs, from a fit
        without the fold of that row.
    weight : array of shape (n_rows,)
    """
    rows = problem.array_rows
    order = random_state.permutation(rows.n_rows)
    seed = random_state.randint(np.iinfo(np.int32).max)
    weight = np.ones(rows.n_rows) if rows.weight is None else rows.weight[order, 0]

    def squared_errors(width: int) -> Array:
        parts = []
        for i, fold in enumerate(np.array_split(order, options.rules.width.n_folds)):
            kept = problem.replace(rows.take(np.setdiff1d(order, fold)))
            name = f"width {width}, without fold {i + 1}"
            network = fit_width(kept, width, options, seed, name=name)
            on_fold = problem.replace(rows.take(fold))
            parts.append((residuals(on_fold, network).y ** 2).sum(axis=1))
        return np.concatenate(parts)

    return squared_errors, weight
