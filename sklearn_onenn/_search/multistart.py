"""Which starts to try, when to stop, and which one won.

The loss after the polish of a start is what counts. The first start is the tensor initialization.
Further ones are taken only while the fit does not look recovered.
"""

from dataclasses import replace
from itertools import chain, cycle

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.utils.parallel import Parallel, delayed

from .._data.floating_point import TINY
from .._data.gaussianity import rows_are_normal
from .._optimization.elimination import REFIT_TOL, fit_overparameterized
from .._optimization.single_precision import in_single_precision
from .._selection.residual_noise import residual_is_noise, residual_test_has_no_power
from .one_start import REQUIRED_RATIO, one_start
from .polish import minimize_to_tol, run_observed
from .progress import Trace
from .stages import is_exact

MAX_STARTS = 6

FURTHER_PATHS = "repaired", "pruned", "random"

DEPENDENT = "tensor", "repaired"

# Two starts end in the same optimum when their losses and directions agree so well.
SAME_LOSS = 1e-4

SAME_COSINE = 0.999


def search_starts(problem, k, options, random_state):
    """Try starts until one looks recovered, and polish the best to the end.

    Parameters
    ----------
    problem : SquaredLoss
        Its targets have unit variance.
    k : int
    plan : Plan
    random_state : numpy.random.RandomState

    Returns
    -------
    Fit
        With the work of all.
    """
    n_starts = allowed_starts(problem, k, options)
    # One seed a start: the result does not depend on how many run side by side.
    seeds = random_state.randint(np.iinfo(np.int32).max, size=n_starts)
    path = options.init if isinstance(options.init, str) else "given"
    first = one_start(problem, k, options, path, seeds[0], name=f"start 1 ({path})")
    fits = with_further_starts(first, problem, k, options, seeds[1:])
    best = best_of(fits)
    problem = problem.replace(problem.rows.with_own_counter())
    if options.polish and options.held_out is None and not options.progress.stopped:
        keep_alpha = options.alpha != "auto" or best is first
        best = finalize(best, problem, keep_alpha, options)
    rows_read = problem.rows.rows_read + sum(fit.rows_read for fit in fits)
    return replace(best, rows_read=rows_read, n_starts=len(fits))


def with_further_starts(first, problem, k, options, seeds):
    """The first start, and as many more as it takes, of those that have seeds."""
    fits = [first]
    if len(seeds) == 0 or finished(fits, problem, options):
        return fits
    if cannot_improve(first, problem, k, options):
        return [replace(first, polish=replace(first.polish, recoverable=False))]
    paths = further_paths(first, problem, k, options)
    starts = [
        delayed(one_start)(
            problem, k, options, path, seed, first.polish, name=f"start {number} ({path})"
        )
        for number, (seed, path) in enumerate(zip(seeds, paths, strict=False), start=2)
    ]
    with Parallel(n_jobs=options.n_jobs, prefer="threads") as parallel:
        batch = parallel._effective_n_jobs()
        for begin in range(0, len(starts), batch):
            for fit in parallel(starts[begin : begin + batch]):
                if options.progress.stopped or not finished(fits, problem, options):
                    fits.append(fit)
            if finished(fits, problem, options):
                break
    return fits


def finalize(fit, problem, keep_alpha, options):
    """The fit, polished to the end."""
    trace = Trace("best start", problem, options.progress, before=fit.trace)

    def follow():
        limits = {"max_iter": options.max_iter, "tol": options.tol}
        return minimize_to_tol(problem, fit.polish, keep_alpha, trace, **limits)

    polish = run_observed(follow, problem, trace, fit.polish.alpha)
    return replace(fit, polish=polish, trace=trace)


def allowed_starts(problem, k, options):
    """How many starts to try at most."""
    if not isinstance(options.init, str):
        return 1
    if options.n_init != "auto":
        return int(options.n_init)
    # With fewer rows than weights no network can be told from another: the first will do.
    # Without a polish descent decides how far a start gets, not where it would end.
    rank = problem.coordinates.rank
    enough = problem.rows.weight_sum > k * (rank + problem.rows.n_outputs)
    return MAX_STARTS if options.polish and rank and enough else 1


def further_paths(first, problem, k, options):
    """Names of the starts after the first, in order and without end.

    What misled the moments once would mislead them again, unless it was chance: where the residual
    cannot tell whether the first start was right, that half of the rows leads to the same network can.
    """
    again = (
        first.path == "tensor"
        and options.n_init == "auto"
        and k <= problem.coordinates.rank
        and first.polish.recoverable
        and rows_are_normal(problem.rows, problem.coordinates)
        and residual_test_has_no_power(problem, first.polish.network)
    )
    return chain(["half"] if again else [], cycle(FURTHER_PATHS))


def finished(fits, problem, options):
    """Whether a further start is of no use.

    The best fit is exact, or leaves mere noise, or was reached by independent starts. Or there is no
    network to recover, and a lower loss would say nothing of other rows.
    """
    if options.progress.stopped:
        return True
    if options.n_init != "auto" or problem.coordinates.rank == 0:
        return False
    best = best_of(fits)
    if is_exact(best.polish.loss, problem.rows.dtype):
        return True
    if not best.polish.recoverable or residual_is_noise(problem, best.polish.network):
        return True
    # A repaired fit and the one that it repairs are one witness.
    others = [fit for fit in fits if fit is not best]
    if best.path in DEPENDENT:
        others = [fit for fit in others if fit.path not in DEPENDENT]
    return any(same_optimum(fit.polish, best.polish) for fit in others)


def same_optimum(one, other, *, loss=SAME_LOSS, cosine=SAME_COSINE):
    """Whether two fits have the same loss and, matched, the same directions."""
    if abs(one.objective - other.objective) > loss * max(one.objective, other.objective):
        return False
    A, B = (W / np.maximum(np.linalg.norm(W, axis=0), TINY) for W in (one.network.W, other.network.W))
    cosines = np.abs(A.T @ B)
    return bool(cosines[linear_sum_assignment(-cosines)].min() > cosine)


def cannot_improve(first, problem, k, options):
    """Whether not even twice as many units come to the loss that a further start must have.

    So it is asked on rows that are not normal, where many optima are nearly as good as the first.
    """
    if options.n_init != "auto" or rows_are_normal(problem.rows, problem.coordinates):
        return False
    penalized = problem.replace(problem.rows, alpha=first.polish.alpha or 0.0)
    penalized = in_single_precision(penalized, REFIT_TOL, REQUIRED_RATIO * first.polish.loss)
    loss = fit_overparameterized(penalized, k, np.random.RandomState(0))[0]
    return not loss < REQUIRED_RATIO * first.polish.loss


def best_of(fits):
    """The fit of lowest loss."""
    return min(fits, key=lambda fit: fit.polish.objective)
