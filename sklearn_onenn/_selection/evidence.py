"""How much to penalize: the alpha that maximizes the evidence.

With noise of variance s^2 and weights that are a priori normal of variance t^2, the penalized loss is
minimal at the most probable weights when alpha = s^2 / t^2. Both are estimated from the fit itself:
    gamma = p - alpha tr(H^{-1} P)             the weights that the data determine,
    s^2 = n m RSS / (n m - 1.4 gamma)^2,       t^2 = |w|^2 / gamma,
with H the penalized Gauss-Newton matrix times n and P the penalty's (D. J. C. MacKay, 1992,
doi:10.1162/neco.1992.4.3.448; F. D. Foresee, M. T. Hagan, 1997, doi:10.1109/ICNN.1997.614194).
Both are estimated anew at every linearization, as Foresee and Hagan do.

MacKay has RSS / (n m - gamma) for s^2. With few rows that of a wide network ends in a fit of the noise:
where its units bend was fitted too. So s^2 is the error of prediction by generalized cross-validation,
in which a weight counts 1.4 times (Y.-J. Kim, C. Gu, 2004, doi:10.1046/j.1467-9868.2003.05316.x). With
many rows it makes no difference. Where the matrix is at hand the weights count for every row by its own
leverage, not by the mean: a unit that bends for a few rows far from the others has nearly all of theirs,
and predicts badly there.
"""

import numpy as np

from .._data.floating_point import EPSILON
from .._network.symmetries import min_norm_scaling
from .._optimization.gauss_newton import gauss_newton
from .._optimization.preconditioner import Preconditioner
from .criteria import (
    can_interpolate,
    effective_dof,
    noise_variance,
    statistical_tolerance,
    trace_is_exact,
)

# t^2 of the first penalty, where s^2 is the variance that the start leaves. The weights of a fit without
# penalty may have grown without bound, and with few rows several penalties repeat themselves: the larger
# predict better, but one that begins too large takes weak units away for good.
FIRST_WEIGHT_VARIANCE = 0.05

MAX_FIRST_ALPHA = 5.0

# alpha changes by at most this factor in a step: otherwise, with few rows, weights that grow to fit the
# noise and a penalty that falls with the residual would drive each other on.
MAX_CHANGE = 2.0

# No step is the last before alpha changes by less than this factor.
SETTLED = 1.3

# Steps for which an estimated gamma serves, while alpha stays within SETTLED of what it was.
GAMMA_STEPS = 5


def maximize_evidence(problem, network, *, first_alpha, max_iter, tol=0.0, **limits):
    """The weights that are most probable under the penalty of largest evidence.

    Parameters
    ----------
    problem : SquaredLoss
    network : Network
        Near a minimum without penalty.
    first_alpha : float
        The penalty to begin with.
    max_iter : int
    tol : float
        As of :func:`gauss_newton`, where it is above the :func:`statistical_tolerance`.
    **limits
        Others of :func:`gauss_newton`.

    Returns
    -------
    PolishResult
        Its evaluation's problem has the penalty.
    """
    return gauss_newton(
        problem.replace(problem.rows, alpha=first_alpha),
        min_norm_scaling(network, problem.penalty, problem.activation.degree),
        max_iter=max_iter,
        tol=max(tol, statistical_tolerance(problem.rows, network.pack().size)),
        penalty=EvidenceUpdate(),
        **limits,
    )


class EvidenceUpdate:
    """The penalty for a step, and whether it has settled: the ``penalty`` of :func:`gauss_newton`.

    Where gamma has to be estimated, which costs more than a step, the last estimate serves for a while.
    """

    def __init__(self):
        self.gamma, self.alpha, self.steps = None, 0.0, 0

    def __call__(self, preconditioner):
        previous = preconditioner.evaluation.problem.alpha
        alpha = updated_alpha(preconditioner, self._estimated)
        if alpha == 0 or are_close_alphas(alpha, previous):
            return alpha, True
        # gamma follows alpha at once, the residual later: whole steps would go to and fro.
        alpha = np.sqrt(previous * alpha)
        return min(max(alpha, previous / MAX_CHANGE), previous * MAX_CHANGE), False

    def _estimated(self, preconditioner):
        if trace_is_exact(preconditioner):
            return effective_dof(preconditioner)
        self.steps += 1
        alpha = preconditioner.evaluation.problem.alpha
        if self.steps > GAMMA_STEPS or not are_close_alphas(alpha, self.alpha):
            self.gamma, self.alpha, self.steps = effective_dof(preconditioner), alpha, 1
        return self.gamma


def are_close_alphas(alpha, other):
    """Whether two penalties are as good as the same."""
    return max(alpha, other) <= SETTLED * min(alpha, other)


def initial_alpha(loss, rows, n_weights):
    """The first penalty, from the data loss of a start and outputs of unit variance."""
    if can_interpolate(rows, n_weights):  # a low loss says nothing
        return MAX_FIRST_ALPHA
    return min(2 * loss / rows.n_outputs / FIRST_WEIGHT_VARIANCE, MAX_FIRST_ALPHA)


def alpha_from_fit(evaluation):
    """The penalty that a fit without one calls for."""
    problem, network = evaluation.problem, evaluation.network
    network = min_norm_scaling(network, problem.penalty, problem.activation.degree)
    return updated_alpha(Preconditioner(problem.evaluate(network)))


def updated_alpha(preconditioner, estimate=None):
    """alpha from the residuals and weights of a fit.

    Parameters
    ----------
    preconditioner : Preconditioner
        At the fit.
    estimate : callable or None
        gamma of a preconditioner; None for :func:`effective_dof`.
    """
    evaluation = preconditioner.evaluation
    problem, network = evaluation.problem, evaluation.network
    gamma = (estimate or effective_dof)(preconditioner)
    variance = noise_variance(preconditioner, gamma)
    square = np.vdot(network.W, problem.penalty @ network.W) + np.vdot(network.V, network.V)
    alpha = float(variance * gamma / square) if square > EPSILON else np.nan
    # Weights that vanished are penalized enough, and a matrix that is singular tells nothing.
    return alpha if np.isfinite(alpha) else problem.alpha
