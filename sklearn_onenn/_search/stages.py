"""What the polish of a start is made of: its stages, and where it ended."""

from dataclasses import dataclass, replace

import numpy as np

from .._network.symmetries import min_norm_scaling
from .._optimization.gauss_newton import gauss_newton
from .._optimization.smoothing import WIDTHS, has_kink, minimize_smoothed
from .._selection.criteria import bic_prefers, predicted_error, statistical_tolerance
from .._selection.residual_noise import residual_is_noise

# A fit is exact when its loss is below this share of the variance of y.
EXACT = 1e-12

# Steps towards an exact fit lower the loss by far more than this share.
ROUGH_TOL = 2e-2

# With fewer targets for each weight a fit without penalty is mostly one of the noise, and a search for
# the penalty that begins there ends near it.
FEW_TARGETS = 3


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
    reason : str
        Why the last stage ended.
    """

    network: object
    loss: float
    objective: float
    alpha: object
    recoverable: bool
    reason: str


def exact_loss(dtype):
    """Loss, relative to the variance of y, at which an exact fit has reached its rounding error."""
    return np.finfo(dtype).eps ** 1.5


def is_exact(loss, dtype):
    """Whether a fit without penalty left nothing but rounding."""
    return loss <= max(EXACT, exact_loss(dtype))


def unpenalized_fit(problem, network, trace, *, tol, **limits):
    """Where steps to a loose tolerance end."""
    return gauss_newton(
        problem,
        network,
        tol=max(tol, ROUGH_TOL),
        exact_loss=exact_loss(problem.rows.dtype),
        callback=trace.stage("rough"),
        **limits,
    )


def minimize_past_kinks(problem, network, trace, *, tol, widths=WIDTHS, **limits):
    """Gauss-Newton; units with a kink are smoothed before, unless that leads to a higher loss.

    Near the minimum that is wanted those between kinks differ by less than the rows resolve. So where
    the residual is noise, smoothing is for smaller tolerances.
    """
    rough = tol >= statistical_tolerance(problem.rows, network.pack().size)
    if has_kink(problem.activation) and not (rough and residual_is_noise(problem, network)):
        before = problem.evaluate(network).loss
        smoothed = trace.stage("smoothed", smoothed=True)
        start = minimize_smoothed(problem, network, widths=widths, tol=tol, callback=smoothed, **limits)
        start = min_norm_scaling(start, problem.penalty, problem.activation.degree)
        callback = trace.stage("polish")
        last = gauss_newton(problem, start, tol=tol, callback=callback, **limits)
        if last.evaluation.loss <= before:
            return last
    callback = trace.stage("polish")
    return gauss_newton(problem, network, tol=tol, callback=callback, **limits)


def penalized(probable):
    """Problem, with its penalty, and network of a fit."""
    return probable.evaluation.problem, probable.network


def lost_units(fit, penalized):
    """Whether a penalty took units of a fit away that the rows call for."""
    rows, n_weights = fit.evaluation.problem.rows, fit.network.pack().size
    if bic_prefers(fit.losses[-1], penalized.losses[-1], rows, n_weights):
        return True
    few = is_small_sample(rows, n_weights)
    return few and predicted_error(fit.evaluation) < predicted_error(penalized.evaluation)


def is_small_sample(rows, n_weights):
    """Whether a fit without penalty is mostly one of the noise, where there is noise."""
    return rows.weight_sum * rows.n_outputs < FEW_TARGETS * n_weights


def best_on_validation(polish, problem, trace):
    """The polish at the network that was best on held-out rows, where there are any."""
    if trace.best is None:
        return polish
    objective, network = trace.best
    loss = problem.data_loss(network)
    reason = "held-out loss rises" if polish.reason == "callback" else polish.reason
    return replace(polish, network=network, loss=loss, objective=objective, reason=reason)


def on_all_rows(problem, last, alpha, recoverable):
    """The polish of a problem whose last stage, perhaps on its rows in single precision, this was.

    With the penalty that further starts take: None while no fit needed one.
    """
    evaluation = last.evaluation
    if evaluation.problem.rows is not problem.rows:
        evaluation = problem.replace(problem.rows, alpha=evaluation.problem.alpha).evaluate(last.network)
    return Polish(last.network, evaluation.data_loss, evaluation.loss, alpha, recoverable, last.reason)
