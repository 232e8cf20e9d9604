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
from .._optimization.elimination import REFIT_TOL, twice_as_many
from .._optimization.single_precision import in_single_precision
from .._selection.residual_noise import residual_is_noise, residual_tells_nothing
from .one_start import DECISIVE, one_start
from .polish import polish_to_end, until_stopped
from .progress import Course
from .stages import is_exact

MAX_STARTS = 6

FURTHER_PATHS = "repaired", "pruned", "random"

DEPENDENT = "tensor", "repaired"

# Two starts end in the same optimum when their losses and directions agree so well.
SAME_LOSS = 1e-4

SAME_COSINE = 0.999


def search(problem, k, plan, random_state):
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
    n_starts = allowed_starts(problem, k, plan)
    # One seed a start: the result does not depend on how many run side by side.
    seeds = random_state.randint(np.iinfo(np.int32).max, size=n_starts)
    path = plan.init if isinstance(plan.init, str) else "given"
    first = one_start(problem, k, plan, path, seeds[0], name=f"start 1 ({path})")
    fits = with_further_starts(first, problem, k, plan, seeds[1:])
    best = best_of(fits)
    problem = problem.on(problem.rows.counted_anew())
    if plan.polish and plan.held_out is None and not plan.progress.stopped:
        own_alpha = plan.alpha != "auto" or best is first
        best = to_end(best, problem, own_alpha, plan)
    rows_read = problem.rows.rows_read + sum(fit.rows_read for fit in fits)
    return replace(best, rows_read=rows_read, n_starts=len(fits))


def with_further_starts(first, problem, k, plan, seeds):
    """The first start, and as many more as it takes, of those that have seeds."""
    fits = [first]
    if len(seeds) == 0 or finished(fits, problem, plan):
        return fits
    if out_of_reach(first, problem, k, plan):
        return [replace(first, polish=replace(first.polish, recoverable=False))]
    paths = further_paths(first, problem, k, plan)
    starts = [
        delayed(one_start)(problem, k, plan, path, seed, first.polish, name=f"start {number} ({path})")
        for number, (seed, path) in enumerate(zip(seeds, paths, strict=False), start=2)
    ]
    with Parallel(n_jobs=plan.n_jobs, prefer="threads") as parallel:
        batch = parallel._effective_n_jobs()
        for begin in range(0, len(starts), batch):
            for fit in parallel(starts[begin : begin + batch]):
                if plan.progress.stopped or not finished(fits, problem, plan):
                    fits.append(fit)
            if finished(fits, problem, plan):
                break
    return fits


def to_end(fit, problem, own_alpha, plan):
    """The fit, polished to the end."""
    course = Course("best start", problem, plan.progress, before=fit.course)

    def follow():
        limits = {"max_iter": plan.max_iter, "tol": plan.tol}
        return polish_to_end(problem, fit.polish, own_alpha, course, **limits)

    polish = until_stopped(follow, problem, course, fit.polish.alpha)
    return replace(fit, polish=polish, course=course)


def allowed_starts(problem, k, plan):
    """How many starts to try at most."""
    if not isinstance(plan.init, str):
        return 1
    if plan.n_init != "auto":
        return int(plan.n_init)
    # With fewer rows than weights no network can be told from another: the first will do.
    # Without a polish descent decides how far a start gets, not where it would end.
    rank = problem.coordinates.rank
    enough = problem.rows.weight_sum > k * (rank + problem.rows.n_outputs)
    return MAX_STARTS if plan.polish and rank and enough else 1


def further_paths(first, problem, k, plan):
    """Names of the starts after the first, in order and without end.

    What misled the moments once would mislead them again, unless it was chance: where the residual
    cannot tell whether the first start was right, that half of the rows leads to the same network can.
    """
    again = (
        first.path == "tensor"
        and plan.n_init == "auto"
        and k <= problem.coordinates.rank
        and first.polish.recoverable
        and rows_are_normal(problem.rows, problem.coordinates)
        and residual_tells_nothing(problem, first.polish.network)
    )
    return chain(["half"] if again else [], cycle(FURTHER_PATHS))


def finished(fits, problem, plan):
    """Whether a further start is of no use.

    The best fit is exact, or leaves mere noise, or was reached by independent starts. Or there is no
    network to recover, and a lower loss would say nothing of other rows.
    """
    if plan.progress.stopped:
        return True
    if plan.n_init != "auto" or problem.coordinates.rank == 0:
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


def out_of_reach(first, problem, k, plan):
    """Whether not even twice as many units come to the loss that a further start must have.

    So it is asked on rows that are not normal, where many optima are nearly as good as the first.
    """
    if plan.n_init != "auto" or rows_are_normal(problem.rows, problem.coordinates):
        return False
    penalized = problem.on(problem.rows, alpha=first.polish.alpha or 0.0)
    penalized = in_single_precision(penalized, REFIT_TOL, DECISIVE * first.polish.loss)
    loss = twice_as_many(penalized, k, np.random.RandomState(0))[0]
    return not loss < DECISIVE * first.polish.loss


def best_of(fits):
    """The fit of lowest loss."""
    return min(fits, key=lambda fit: fit.polish.objective)
