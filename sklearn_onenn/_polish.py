"""The polish of one start: is it exact; if not, what penalty; then past the kinks to the minimum.

1. Gauss-Newton steps without penalty, roughly. An exact fit converges here.
2. Otherwise the rows are noisy, or no network of this kind generated them: the penalty of largest
   evidence, found once and kept for further starts.
3. Where there may be a network to recover: units with a kink are smoothed and sharpened again; then
   steps on the units as they are, to the minimum. Elsewhere there is no one optimum to look for, and
   steps end where a lower loss does not predict better.
"""

from dataclasses import dataclass, replace

import numpy as np

from ._canonical import balanced
from ._evidence import alpha_of_start, determined_share, most_probable, resolution
from ._gauss_newton import gauss_newton
from ._smoothing import graduated, has_kink
from ._structure import may_lack_a_unit

# A fit is exact when its loss is below this share of the variance of y.
EXACT = 1e-12
# Steps towards an exact fit lower the loss by far more than this share.
ROUGH_TOL = 2e-2
# Starts are compared at this tolerance; the one that wins is polished to the end.
SCREENING_TOL = 1e-5
# With a smaller share of the weights determined no network is recovered.
DETERMINED = 0.75


@dataclass(frozen=True)
class Polish:
    """Where the polish of a start ended.

    Attributes
    ----------
    network : Network
    loss : float
        1/2 mean squared residual on all rows.
    objective : float
        With the penalty, or on held-out rows: starts are compared by it.
    alpha : float or None
        The penalty; None while it is not known, since no fit needed it.
    recoverable : bool
        Whether it may be a recovered network, or lack little to be one.
    losses : list of float
        Loss after every iteration.
    n_iter : int
    reason : str
    held_out_losses : list of float or None
        Loss on held-out rows after every iteration.
    """

    network: object
    loss: float
    objective: float
    alpha: object
    recoverable: bool
    losses: list
    n_iter: int
    reason: str
    held_out_losses: object = None


def exact_loss(dtype):
    """Loss, relative to the variance of y, at which an exact fit has reached its rounding error."""
    return np.finfo(dtype).eps ** 1.5


def is_exact(loss, dtype):
    """Whether a fit without penalty left nothing but rounding."""
    return loss <= max(EXACT, exact_loss(dtype))


def polish_start(problem, network, alpha, *, max_iter, tol, watch=None, goal=np.inf):
    """Polish a start to the tolerance at which starts are compared.

    Parameters
    ----------
    problem : SquaredLoss
    network : Network
    alpha : float or None
        The penalty; None to find it where the fit is not exact.
    max_iter : int
    tol : float
    watch : Watch or None
        Held-out rows: stages end when the loss there rises, and the best network there is returned.
    goal : float
        A start whose loss is not below this after the rough steps is given up, with an infinite
        objective.

    Returns
    -------
    Polish
    """
    dtype = problem.rows.dtype
    limits = {"max_iter": max_iter, "callback": watch}
    rough = gauss_newton(
        problem, network, tol=max(tol, ROUGH_TOL), exact_loss=exact_loss(dtype), **limits
    )
    stages = [rough]
    if is_exact(rough.losses[-1], dtype):
        return restored(ended(stages, alpha, True), problem, watch)
    if not rough.losses[-1] < goal:
        return replace(ended(stages, alpha, False), objective=np.inf)
    if alpha is None:
        first_alpha = alpha_of_start(rough.losses[0], problem.rows.n_outputs)
        stages.append(most_probable(problem, rough.network, first_alpha=first_alpha, **limits))
        alpha = stages[-1].evaluation.problem.alpha
    network = stages[-1].network
    penalized = problem.on(problem.rows, alpha=alpha)
    recoverable = is_recoverable(penalized, network)
    if recoverable:
        last = past_kinks(penalized, network, tol=max(tol, SCREENING_TOL), **limits)
    else:
        last = gauss_newton(penalized, network, tol=max(tol, resolution(problem, network)), **limits)
    return restored(ended([*stages, last], alpha, recoverable), problem, watch)


def is_recoverable(problem, network):
    """Whether there may be a network to recover, near a minimum of the penalized loss.

    The rows must determine most of the weights.
    """
    if determined_share(problem, network) < DETERMINED:
        return False
    loss, k = problem.data_loss(network), len(network.b)
    return may_lack_a_unit(problem.rows, k, loss)


def restored(polish, problem, watch):
    """The polish at the network that was best on held-out rows, where there are any."""
    if watch is None:
        return polish
    objective, network = watch.best
    loss = problem.data_loss(network)
    reason = "held-out loss rises" if polish.reason == "callback" else polish.reason
    return replace(
        polish,
        network=network,
        loss=loss,
        objective=objective,
        reason=reason,
        held_out_losses=watch.losses,
    )


def past_kinks(problem, network, *, max_iter, tol, callback=None):
    """Gauss-Newton; units with a kink are smoothed before, unless that leads to a higher loss."""
    if has_kink(problem.activation):
        before = problem.evaluate(network).loss
        start = balanced(graduated(problem, network), problem.penalty, problem.activation.degree)
        last = gauss_newton(problem, start, max_iter=max_iter, tol=tol, callback=callback)
        if last.evaluation.loss <= before:
            return last
    return gauss_newton(problem, network, max_iter=max_iter, tol=tol, callback=callback)


def polish_to_end(problem, polish, own_alpha, *, max_iter, tol):
    """Polish the start that won to the end, with the penalty that its own residuals call for.

    Parameters
    ----------
    problem : SquaredLoss
    polish : Polish
    own_alpha : bool
        Whether its penalty is to stay: given, or found from its own residuals.
    max_iter : int
    tol : float

    Returns
    -------
    Polish
    """
    if is_exact(polish.loss, problem.rows.dtype) or not polish.recoverable:
        return polish
    if own_alpha and tol >= SCREENING_TOL:
        return polish
    alpha, network, stages = polish.alpha, polish.network, []
    if not own_alpha:
        stages = [most_probable(problem, network, first_alpha=alpha, max_iter=max_iter)]
        alpha, network = stages[0].evaluation.problem.alpha, stages[0].network
    last = gauss_newton(problem.on(problem.rows, alpha=alpha), network, max_iter=max_iter, tol=tol)
    end = ended([*stages, last], alpha, True)
    return replace(end, losses=polish.losses + end.losses, n_iter=polish.n_iter + end.n_iter)


def polish_on_more(problem, polish, *, max_iter, tol, watch=None):
    """Polish on more rows what was polished on some of them, with the penalty found there.

    Parameters
    ----------
    problem : SquaredLoss
        On the larger sample, or on all rows.
    polish : Polish
    max_iter, tol, watch
        As of :func:`polish_start`.

    Returns
    -------
    Polish
        With the losses of all stages.
    """
    penalized = problem.on(problem.rows, alpha=polish.alpha or 0.0)
    exact = exact_loss(problem.rows.dtype) if penalized.alpha == 0 else 0.0
    limits = {"max_iter": max_iter, "tol": tol, "callback": watch}
    last = gauss_newton(penalized, polish.network, exact_loss=exact, **limits)
    more = restored(ended([last], polish.alpha, polish.recoverable), problem, watch)
    held_out = None if watch is None else polish.held_out_losses + more.held_out_losses
    losses, n_iter = polish.losses + more.losses, polish.n_iter + more.n_iter
    return replace(more, losses=losses, n_iter=n_iter, held_out_losses=held_out)


def ended(stages, alpha, recoverable):
    """The polish that took these stages."""
    last = stages[-1]
    return Polish(
        network=last.network,
        loss=last.losses[-1],
        objective=last.evaluation.loss,
        alpha=alpha,
        recoverable=recoverable,
        losses=[loss for stage in stages for loss in stage.losses],
        n_iter=sum(stage.n_iter for stage in stages),
        reason=last.reason,
    )
