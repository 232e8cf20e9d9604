"""Which starts to try, when to stop, and which one won.

The loss after the polish of a start is what counts. The first start is the tensor initialization.
Further ones are taken only while the fit does not look recovered.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, cycle

import numpy as np
from numpy.random import RandomState
from scipy.optimize import linear_sum_assignment
from sklearn.utils.parallel import Parallel, delayed

from .._data.floating_point import TINY
from .._data.gaussianity import rows_are_normal
from .._network.loss import SquaredLoss
from .._optimization.gauss_newton import Solution
from .._selection.criteria import can_interpolate
from .._selection.missing_units import residual_is_noise, residual_test_has_no_power
from .._typing import Array
from .one_start import FitOptions, StartResult, one_start
from .polish import minimize_to_tol, run_observed
from .progress import Trace
from .reference import reference_error
from .rules import SearchRules, StartRules
from .stages import is_exact

FURTHER_PATHS = "residual directions", "overparameterized", "random"
# These do not count as independent confirmations of one another.
DEPENDENT = "tensor", "residual directions"


def search_starts(
    problem: SquaredLoss, k: int, options: FitOptions, random_state: RandomState
) -> StartResult:
    """Try starts until one looks recovered, and polish the best to the end.

    Parameters
    ----------
    problem : SquaredLoss
        Its targets have unit variance.
    k : int
    options : FitOptions
    random_state : numpy.random.RandomState

    Returns
    -------
    StartResult
        With the work of all.
    """
    n_starts = allowed_starts(problem, k, options)
    # One seed a start: the result does not depend on how many run side by side.
    seeds = random_state.randint(np.iinfo(np.int32).max, size=n_starts)
    path = options.init if isinstance(options.init, str) else "given"
    first = one_start(problem, k, options, path, seeds[0], name=f"start 1 ({path})")
    fits = with_further_starts(first, problem, k, options, seeds[1:])
    best = best_of(fits)
    if misses_may_be_mended(options):
        best, more = with_steeper_units(best, problem, k, options, seeds[0])
        fits += more
    problem = problem.replace(problem.array_rows.with_own_counter())
    if options.polish and options.held_out is None and not options.observers.stopped:
        keep_alpha = options.alpha != "auto" or best is fits[0]
        best = finalize(best, problem, options, keep_alpha=keep_alpha)
    rows_read = problem.rows.rows_read + sum(fit.rows_read for fit in fits)
    return replace(best, rows_read=rows_read, n_starts=len(fits))


def with_further_starts(
    first: StartResult, problem: SquaredLoss, k: int, options: FitOptions, seeds: Array
) -> list[StartResult]:
    """The first start and as many more as it takes, at most one for each of the seeds (n,)."""
    fits = [first]
    if len(seeds) == 0 or finished(fits, problem, options):
        return fits
    paths = further_paths(first, problem, k, options)
    starts = [
        delayed(one_start)(
            problem, k, options, path, seed, first.solution, name=f"start {number} ({path})"
        )
        for number, (seed, path) in enumerate(zip(seeds, paths, strict=False), start=2)
    ]
    with Parallel(n_jobs=options.n_jobs, require="sharedmem") as parallel:
        batch = parallel._effective_n_jobs()
        for begin in range(0, len(starts), batch):
            for fit in parallel(starts[begin : begin + batch]):
                if options.observers.stopped or not finished(fits, problem, options):
                    fits.append(fit)
            if finished(fits, problem, options):
                break
    return fits


def misses_may_be_mended(options: FitOptions) -> bool:
    """Whether start and penalty are ours to choose, so that a fit may be begun anew."""
    is_free = options.alpha == "auto" and options.n_init == "auto" and isinstance(options.init, str)
    return is_free and options.polish and options.held_out is None and not options.observers.stopped


def with_steeper_units(
    best: StartResult, problem: SquaredLoss, k: int, options: FitOptions, seed: int
) -> tuple[StartResult, list[StartResult]]:
    """The fit, or one from random units of several slopes where it leaves more than rows alone predict.

    Returns
    -------
    best : StartResult
        With the error that it still has beyond that of :func:`reference_error`.
    tried : list of StartResult
        The further fits.
    """
    if is_exact(best.solution.data_loss, problem.rows.dtype):
        return best, []
    rules, tried = options.rules.starts, []
    reference = reference_error(problem)
    noise = rules.noise_factor * reference
    starts = [
        partial(
            one_start, path="steep", name=f"random units of slope {slope:g}", slope=slope, noise=noise
        )
        for slope in rules.slopes
    ]
    # L-BFGS leads lowest; but where it can interpolate the targets that is no sign of a good fit.
    lowest = partial(one_start, path="quasi-Newton", name="start of L-BFGS")
    starts = [*starts, lowest] if can_interpolate(problem, k) else [lowest, *starts]
    for start in starts:
        if error_left(best, problem) <= reference or options.observers.stopped:
            break
        tried.append(start(problem, k, options, seed=seed))
        best = min(best, tried[-1], key=lambda fit: fit.solution.data_loss)
    return replace(best, missed=max(error_left(best, problem) - reference, 0.0)), tried


def error_left(fit: StartResult, problem: SquaredLoss) -> float:
    """Mean squared error of a scaled output that no prediction by the fit is below.

    It is the squared residual that the mean of the targets, if that is the fit, has where each target is
    left out.
    """
    n = problem.rows.weight_sum
    return 2 * fit.solution.data_loss / problem.rows.n_outputs * (n / (n - 1)) ** 2 if n > 1 else 0.0


def finalize(
    fit: StartResult, problem: SquaredLoss, options: FitOptions, *, keep_alpha: bool
) -> StartResult:
    """The fit of the start that won, polished to the end."""
    trace = Trace("best start", problem, options.observers, before=fit.trace)

    def follow() -> Solution:
        return minimize_to_tol(
            problem, fit.solution, trace, options.stopping, options.rules.polish, keep_alpha=keep_alpha
        )

    solution = run_observed(follow, problem, trace, fit.solution.alpha)
    return replace(fit, solution=solution, trace=trace)


def allowed_starts(problem: SquaredLoss, k: int, options: FitOptions) -> int:
    """How many starts to try at most."""
    if not isinstance(options.init, str):
        return 1
    if options.n_init != "auto":
        return int(options.n_init)
    # With fewer rows than weights no network can be told from another: the first will do.
    # Without a polish descent decides how far a start gets, not where it would end.
    rank = problem.coordinates.rank
    enough = problem.rows.weight_sum > k * (rank + problem.rows.n_outputs)
    return options.rules.starts.max_starts if options.polish and rank and enough else 1


def further_paths(
    first: StartResult, problem: SquaredLoss, k: int, options: FitOptions
) -> Iterator[str]:
    """Names of the starts after the first, in order and without end.

    Another tensor start of all rows would be no new evidence. But where the residual cannot tell whether
    the first start was right, one from half of the rows can: it leads to the same network if it was.
    """
    half_sample_helps = (
        first.path == "tensor"
        and options.n_init == "auto"
        and k <= problem.coordinates.rank
        and first.solution.may_be_identified
        and rows_are_normal(problem.rows, problem.coordinates, options.rules.data)
        and residual_test_has_no_power(problem, first.solution.network, options.criteria)
    )
    return chain(["half sample"] if half_sample_helps else [], cycle(FURTHER_PATHS))


def finished(fits: list[StartResult], problem: SquaredLoss, options: FitOptions) -> bool:
    """Whether a start beyond these fits is of no use.

    The best fit is exact, or leaves mere noise, or was reached by independent starts. Or there is no
    network to recover, and a lower loss would say nothing of other rows.
    """
    if options.observers.stopped or not problem.array_rows.y.any():  # all targets are constant
        return True
    if options.n_init != "auto" or problem.coordinates.rank == 0:
        return False
    best = best_of(fits)
    if is_exact(best.solution.data_loss, problem.rows.dtype) or not best.solution.may_be_identified:
        return True
    is_normal = rows_are_normal(problem.rows, problem.coordinates, options.rules.data)
    if is_normal and residual_is_noise(problem, best.solution.network, options.criteria):
        return True
    others = [fit for fit in fits if fit is not best]
    if best.path in DEPENDENT:
        others = [fit for fit in others if fit.path not in DEPENDENT]
    return any(same_optimum(fit.solution, best.solution, options.rules) for fit in others)


def same_optimum(one: Solution, other: Solution, rules: SearchRules) -> bool:
    """Whether two solutions have the same objective, as far as starts are compared, and directions."""
    share = 10 * rules.polish.screening_tol  # of ten last steps
    if abs(one.objective - other.objective) > share * max(one.objective, other.objective):
        return False
    return same_directions(one, other, rules.starts)


def same_directions(one: Solution, other: Solution, rules: StartRules) -> bool:
    """Whether two solutions have, matched, the same directions."""
    A, B = (W / np.maximum(np.linalg.norm(W, axis=0), TINY) for W in (one.network.W, other.network.W))
    cosines = np.abs(A.T @ B)
    return bool(cosines[linear_sum_assignment(-cosines)].min() > rules.same_cosine)


def best_of(fits: list[StartResult]) -> StartResult:
    """The fit of lowest objective."""
    return min(fits, key=lambda fit: fit.solution.objective)
