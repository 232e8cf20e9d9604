"""Which starts to try, when to stop, and which one won.

A start is initialized, descended and polished; its loss after that is what counts. The first start is
the tensor initialization. Further ones are taken only while the fit does not look recovered.
"""

from dataclasses import dataclass, replace
from itertools import cycle, islice

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from ._canonical import with_output_size
from ._descent import ROWS_PER_WEIGHT, gradient_descent
from ._evidence import evidence_alpha
from ._gauss_newton import gauss_newton
from ._initialization import (
    pruned_start,
    random_start,
    repaired_start,
    tensor_start,
)
from ._smoothing import graduated_polish, has_kink
from ._structure import residual_is_noise
from ._units import with_fitted_outputs

MAX_STARTS = 6
FURTHER_PATHS = "repaired", "pruned", "random"
DEPENDENT = "tensor", "repaired"
# Starts are compared at this tolerance of the polish; the one that wins is polished to the end.
SCREENING_TOL = 1e-5
# A fit is exact when its loss is below this share of the variance of y: no further start.
EXACT = 1e-12
# Two starts end in the same optimum when their losses and directions agree so well.
SAME_LOSS = 1e-4
SAME_COSINE = 0.999
# Loss of a network that is constant, with targets of unit variance.
ZERO_LOSS = 0.5


@dataclass(frozen=True)
class Plan:
    """How to fit: the parameters of the estimator that the search over starts reads.

    Attributes are named as there; ``init`` may be a :class:`Network` in the coordinates of the problem.
    ``white`` are the coordinates in which the moments take rows for N(0, I).
    The learning rate is that of targets at unit variance, ``output_size`` the |v_i| that homogeneous
    units have in descent, where v stays.
    """

    init: object
    white: object
    moments: str
    resample: bool
    polish: bool
    learning_rate: object
    output_size: float
    max_iter: int
    tol: float
    n_init: object
    alpha: object
    n_jobs: object
    verbose: int


@dataclass(frozen=True)
class Fit:
    """One start, followed to its end.

    Attributes
    ----------
    start, network : Network
        Before and after descent and polish, in white coordinates.
    loss : float
        1/2 mean squared residual on all rows.
    losses : list of float
        Loss after every iteration of every stage.
    n_iter : int
    reason : str
    path : str
        "tensor", "random", "given", "repaired" or "pruned".
    rows_read : int
    n_starts : int
        Starts that were tried in all.
    """

    start: object
    network: object
    loss: float
    losses: list
    n_iter: int
    reason: str
    path: str
    rows_read: int
    n_starts: int = 1


def exact_loss(dtype):
    """Loss, relative to the variance of y, at which an exact fit has reached its rounding error."""
    return np.finfo(dtype).eps ** 1.5


def search(problem, k, plan, random_state):
    """Try starts until one looks recovered.

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
        The one of lowest loss.
    """
    paths = start_paths(problem, k, plan)
    # One seed a start: the result does not depend on how many run side by side.
    seeds = random_state.randint(np.iinfo(np.int32).max, size=len(paths))
    fits = [one_start(problem, k, plan, paths[0], seeds[0])]
    starts = [
        delayed(one_start)(problem, k, plan, path, seed, fits[0].network)
        for path, seed in zip(paths[1:], seeds[1:], strict=True)
    ]
    with Parallel(n_jobs=plan.n_jobs, prefer="threads") as parallel:
        batch = parallel._effective_n_jobs()
        for first in range(0, len(starts), batch):
            if finished(fits, problem, plan):
                break
            for fit in parallel(starts[first : first + batch]):
                if not finished(fits, problem, plan):
                    fits.append(fit)
    if plan.verbose:
        for number, fit in enumerate(fits, start=1):
            print(f"start {number} ({fit.path}): loss {fit.loss:.3e}, {fit.reason}")
    return best_of(fits)


def start_paths(problem, k, plan):
    """Names of the starts to try, in order."""
    if not isinstance(plan.init, str):
        return ["given"]
    n_starts = plan.n_init
    if n_starts == "auto":
        # With fewer rows than weights no network can be told from another: the first will do.
        # Without a polish descent decides how far a start gets, not where it would end.
        rank = problem.coordinates.rank
        enough = problem.rows.weight_sum > k * (rank + problem.rows.n_outputs)
        n_starts = MAX_STARTS if plan.polish and rank and enough else 1
    # What misled the moments once would mislead them again: the rest starts elsewhere.
    return [plan.init, *islice(cycle(FURTHER_PATHS), int(n_starts) - 1)]


def one_start(problem, k, plan, path, seed, first=None):
    """Initialize, descend, polish.

    Parameters
    ----------
    path : str
    seed : int
    first : Network
        Where the first start ended, for the path that repairs it.

    Returns
    -------
    Fit
    """
    random_state = check_random_state(seed)
    problem = problem.on(problem.rows.counted_anew())
    exact = exact_loss(problem.rows.dtype)
    limits = {"tol": plan.tol, "exact_loss": exact}
    fresh = problem
    if path == "given":
        start = plan.init
    elif path == "random":
        start = random_start(problem, k, random_state)
    elif path == "pruned":
        start = pruned_start(problem, k, random_state)
    elif path == "repaired":
        start = repaired_start(problem, first, random_state)
    else:
        own, fresh = own_rows(problem, k, plan, random_state)
        start = moment_start(own, k, plan, random_state, split=fresh is not own)
        if fresh is problem and not problem.data_loss(start) <= ZERO_LOSS:
            # Worse than nothing, as moments of rows far from N(0, I) may be.
            start = with_fitted_outputs(problem, start.W, start.b)
    start = with_output_size(start, plan.output_size, problem.activation.degree)
    descent = gradient_descent(
        fresh,
        start,
        resample=plan.resample,
        learning_rate=plan.learning_rate,
        # Before a polish descent reads the rows once: one step where it takes them all.
        max_iter=plan.max_iter,
        one_pass=plan.polish,
        random_state=random_state,
        **limits,
    )
    network, losses, n_iter, reason = (
        descent.network, descent.losses, len(descent.losses), descent.reason,
    )  # fmt: skip
    loss = problem.data_loss(network)
    if plan.polish:
        if not loss <= problem.data_loss(start):
            network = start
        polish = screened(problem, network, plan)
        network, loss, reason = polish.network, polish.losses[-1], polish.reason
        losses, n_iter = losses + polish.losses, n_iter + polish.n_iter
    return Fit(start, network, loss, losses, n_iter, reason, path, problem.rows.rows_read)


def screened(problem, network, plan):
    """Polish at the tolerance at which starts are compared; kinks are smoothed out where that is better.

    Returns
    -------
    PolishResult
    """
    limits = {"max_iter": plan.max_iter, "tol": max(plan.tol, SCREENING_TOL)}
    exact = exact_loss(problem.rows.dtype)
    polish = gauss_newton(problem, network, exact_loss=exact, **limits)
    if has_kink(problem.activation) and polish.losses[-1] > max(EXACT, exact):
        smoothed = graduated_polish(problem, polish.network, **limits)
        if smoothed.losses[-1] < polish.losses[-1]:
            return smoothed
    return polish


def own_rows(problem, k, plan, random_state):
    """The problem on a part for the initialization, and on the rest for descent.

    As in the theorem, with raw moments and fresh parts, where there are rows for that; otherwise both
    have all rows.
    """
    rows = problem.rows
    least = 2 * ROWS_PER_WEIGHT * k * problem.coordinates.rank
    n_own = rows.n_rows // 2
    if plan.moments != "raw" or not plan.resample or rows.n_rows - n_own < least:
        return problem, problem
    order = random_state.permutation(rows.n_rows)
    return tuple(problem.on(rows.take(np.sort(part))) for part in np.split(order, [n_own]))


def moment_start(problem, k, plan, random_state, *, split):
    """Tensor initialization, brought from the coordinates of the moments to those of the problem."""
    start = tensor_start(
        problem.rows, plan.white, k, problem.activation, plan.moments,
        split=split, random_state=random_state,
    )  # fmt: skip
    W, b = plan.white.weights_to_rows(start.W, start.b)
    if not problem.fit_intercept:
        b, start = np.zeros_like(b), start._replace(c=np.zeros_like(start.c))
    W, b = problem.coordinates.weights_from_rows(W, b)
    return start._replace(W=W, b=b)


def finished(fits, problem, plan):
    """Whether the best fit is exact, leaves mere noise, or was reached by independent starts."""
    if plan.n_init != "auto" or problem.coordinates.rank == 0:
        return False
    best = best_of(fits)
    if best.loss <= max(EXACT, exact_loss(problem.rows.dtype)):
        return True
    if residual_is_noise(problem, best.network):
        return True
    # A repaired fit and the one that it repairs are one witness.
    others = [fit for fit in fits if fit.network is not best.network]
    if best.path in DEPENDENT:
        others = [fit for fit in others if fit.path not in DEPENDENT]
    return any(same_optimum(fit, best) for fit in others)


def same_optimum(one, other):
    """Whether two fits have the same loss and, matched, the same directions."""
    if abs(one.loss - other.loss) > SAME_LOSS * max(one.loss, other.loss):
        return False
    A, B = (
        W / np.maximum(np.linalg.norm(W, axis=0), np.finfo(float).tiny)
        for W in (one.network.W, other.network.W)
    )
    cosine = np.abs(A.T @ B)
    return bool(cosine[linear_sum_assignment(-cosine)].min() > SAME_COSINE)


def best_of(fits):
    """The fit of lowest loss, with the work of all."""
    best = min(fits, key=lambda fit: fit.loss)
    return replace(best, rows_read=sum(fit.rows_read for fit in fits), n_starts=len(fits))


def finish(problem, fit, plan):
    """Polish the best start to the end, with the penalty that its residuals call for.

    Returns
    -------
    fit : Fit
    alpha : float
        An exact fit has none.
    """
    exact = fit.loss <= max(EXACT, exact_loss(problem.rows.dtype))
    alpha, network, losses, n_iter = plan.alpha, fit.network, [], 0
    problem = problem.on(problem.rows.counted_anew())
    if alpha == "auto":
        alpha = 0.0
        if plan.polish and not exact:
            alpha, network, losses, n_iter = evidence_alpha(problem, network, max_iter=plan.max_iter)
    if not plan.polish or exact:
        return fit, alpha
    polish = gauss_newton(
        problem.on(problem.rows, alpha=alpha), network, max_iter=plan.max_iter, tol=plan.tol
    )
    fit = replace(
        fit,
        network=polish.network,
        loss=polish.losses[-1],
        losses=fit.losses + losses + polish.losses,
        n_iter=fit.n_iter + n_iter + polish.n_iter,
        reason=polish.reason,
        rows_read=fit.rows_read + problem.rows.rows_read,
    )
    return fit, alpha
