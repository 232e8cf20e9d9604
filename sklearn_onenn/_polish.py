"""The polish of one start: is it exact; if not, what penalty; then past the kinks to the minimum.

1. Gauss-Newton steps without penalty, roughly. An exact fit converges here.
2. Otherwise the rows are noisy, or no network of this kind generated them: the penalty of largest
   evidence, found once and kept for further starts.
3. Units with a kink are smoothed and sharpened again; then steps on the units as they are. Where the
   rows determine too few of the weights there is no one optimum to look for: steps alone will do.
"""

from dataclasses import dataclass, replace

import numpy as np

from ._canonical import balanced
from ._evidence import alpha_of_start, determined_share, evidence_alpha
from ._gauss_newton import gauss_newton
from ._smoothing import graduated, has_kink

# A fit is exact when its loss is below this share of the variance of y.
EXACT = 1e-12
# Steps towards an exact fit lower the loss by far more than this share.
ROUGH_TOL = 2e-2
# Starts are compared at this tolerance; the one that wins is polished to the end.
SCREENING_TOL = 1e-5
# With a smaller share of the weights determined no network is recovered, and a lower loss does not
# predict better.
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
    determined : bool
        Whether the rows determine most of the weights.
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
    determined: bool
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


def polish_start(problem, network, alpha, *, max_iter, tol, watch=None):
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

    Returns
    -------
    Polish
    """
    dtype = problem.rows.dtype
    limits = {"max_iter": max_iter, "callback": watch}
    rough = gauss_newton(
        problem, network, tol=max(tol, ROUGH_TOL), exact_loss=exact_loss(dtype), **limits
    )
    losses, n_iter = rough.losses, rough.n_iter
    if is_exact(rough.losses[-1], dtype):
        return restored(ended(rough, alpha, True, losses, n_iter), problem, watch)
    network = rough.network
    if alpha is None:
        first_alpha = alpha_of_start(losses[0], problem.rows.n_outputs)
        alpha, network, more, n_more = evidence_alpha(
            problem, network, first_alpha=first_alpha, **limits
        )
        losses, n_iter = losses + more, n_iter + n_more
    penalized = problem.on(problem.rows, alpha=alpha)
    determined = determined_share(penalized, network) >= DETERMINED
    steps = past_kinks if determined else gauss_newton
    last = steps(penalized, network, tol=max(tol, SCREENING_TOL), **limits)
    polish = ended(last, alpha, determined, losses + last.losses, n_iter + last.n_iter)
    return restored(polish, problem, watch)


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
    if is_exact(polish.loss, problem.rows.dtype) or (own_alpha and tol >= SCREENING_TOL):
        return polish
    alpha, network, losses, n_iter = polish.alpha, polish.network, polish.losses, polish.n_iter
    if not own_alpha:
        alpha, network, more, n_more = evidence_alpha(
            problem, network, first_alpha=alpha, max_iter=max_iter
        )
        losses, n_iter = losses + more, n_iter + n_more
    last = gauss_newton(problem.on(problem.rows, alpha=alpha), network, max_iter=max_iter, tol=tol)
    return ended(last, alpha, polish.determined, losses + last.losses, n_iter + last.n_iter)


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
    losses, n_iter = polish.losses + last.losses, polish.n_iter + last.n_iter
    more = restored(ended(last, polish.alpha, polish.determined, losses, n_iter), problem, watch)
    if watch is None:
        return more
    return replace(more, held_out_losses=polish.held_out_losses + more.held_out_losses)


def ended(last, alpha, determined, losses, n_iter):
    """The polish whose last stage this was."""
    loss, objective = last.losses[-1], last.evaluation.loss
    return Polish(last.network, loss, objective, alpha, determined, losses, n_iter, last.reason)
