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

from ._canonical import balanced
from ._gauss_newton import conjugate_gradients, gauss_newton
from ._preconditioner import Preconditioner

EPSILON, TINY = np.finfo(float).eps, np.finfo(float).tiny
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
# How often a determined weight counts, and the share of the targets that are left at least: in the mean,
# and of a single one. (With a tenth of it left, one residual would count a hundred times.)
COUNTS, LEAST_LEFT, LEAST_OF_ONE = 1.4, 0.1, 0.3
# Targets for each weight from which the Gauss-Newton matrix of Gaussian rows determines as many weights
# as that of the rows (within 2 %; with half a target for each weight it is twice as many).
MANY_ROWS = 5
# About how many random signs are drawn, one for a target, where a trace is estimated from them: of one
# draw for all targets its relative error is about sqrt(2 / gamma). Conjugate gradients from zero find
# less than all of it, by a share of the square of the tolerance; .1 was seen to cost .01 of R2 where
# weights are many.
PROBE_SIGNS, PROBE_TOL, PROBE_STEPS = 1000, 0.03, 200
# Steps for which an estimated gamma serves, while alpha stays within SETTLED of what it was.
GAMMA_STEPS = 5
# A fit takes a share p / n of the residual variance away from the noise. Steps that gain less than this
# part of it predict no better: weights are off by a seventh of their standard error, before the last.
RESOLVED = 0.01


def most_probable(problem, network, *, first_alpha, max_iter, tol=0.0, **limits):
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
        As of :func:`gauss_newton`, where it is above the :func:`resolution`.
    **limits
        Others of :func:`gauss_newton`.

    Returns
    -------
    PolishResult
        Its evaluation's problem has the penalty.
    """
    return gauss_newton(
        problem.on(problem.rows, alpha=first_alpha),
        balanced(network, problem.penalty, problem.activation.degree),
        max_iter=max_iter,
        tol=max(tol, resolution(problem.rows, network.pack().size)),
        penalty=NextAlpha(),
        **limits,
    )


def resolution(rows, n_weights):
    """Share of the loss below which a lower one says nothing of other rows."""
    return RESOLVED * min(n_weights / (rows.weight_sum * rows.n_outputs), 1.0)


class NextAlpha:
    """The penalty for a step, and whether it has settled: the ``penalty`` of :func:`gauss_newton`.

    Where gamma has to be estimated, which costs more than a step, the last estimate serves for a while.
    """

    def __init__(self):
        self.gamma, self.alpha, self.steps = None, 0.0, 0

    def __call__(self, preconditioner):
        previous = preconditioner.here.problem.alpha
        alpha = updated_alpha(preconditioner, self._estimated)
        if alpha == 0 or is_near(alpha, previous):
            return alpha, True
        # gamma follows alpha at once, the residual later: whole steps would go to and fro.
        alpha = np.sqrt(previous * alpha)
        return min(max(alpha, previous / MAX_CHANGE), previous * MAX_CHANGE), False

    def _estimated(self, preconditioner):
        if has_trace(preconditioner):
            return determined_weights(preconditioner)
        self.steps += 1
        alpha = preconditioner.here.problem.alpha
        if self.steps > GAMMA_STEPS or not is_near(alpha, self.alpha):
            self.gamma, self.alpha, self.steps = determined_weights(preconditioner), alpha, 1
        return self.gamma


def is_near(alpha, other):
    """Whether two penalties are as good as the same."""
    return max(alpha, other) <= SETTLED * min(alpha, other)


def too_few_targets(rows, n_weights):
    """Whether a network of so many weights fits any targets exactly."""
    return rows.weight_sum * rows.n_outputs <= n_weights


def alpha_of_start(loss, rows, n_weights):
    """The first penalty, from the data loss of a start and outputs of unit variance."""
    if too_few_targets(rows, n_weights):  # a low loss says nothing
        return MAX_FIRST_ALPHA
    return min(2 * loss / rows.n_outputs / FIRST_WEIGHT_VARIANCE, MAX_FIRST_ALPHA)


def alpha_of_fit(evaluation):
    """The penalty that a fit without one calls for."""
    problem, network = evaluation.problem, evaluation.network
    network = balanced(network, problem.penalty, problem.activation.degree)
    return updated_alpha(Preconditioner(problem.evaluate(network)))


def explains_more(loss, other, rows, n_weights):
    """Whether a loss is so much lower than another that all weights of the network are worth it.

    By the Bayesian information criterion (G. Schwarz, 1978, doi:10.1214/aos/1176344136), even if the
    other network had no weights at all; corrected for few rows as Akaike's is (C. M. Hurvich,
    C.-L. Tsai, 1989, doi:10.1093/biomet/76.2.297).
    """
    n = rows.weight_sum * rows.n_outputs
    if n <= n_weights or not loss > 0:
        return False
    return n * np.log(other / loss) > n_weights * np.log(n) * n / (n - n_weights)


def updated_alpha(preconditioner, estimate=None):
    """alpha from the residuals and weights of a fit.

    Parameters
    ----------
    preconditioner : Preconditioner
        At the fit.
    estimate : callable or None
        gamma of a preconditioner; None for :func:`determined_weights`.
    """
    here = preconditioner.here
    problem, network = here.problem, here.network
    gamma = (estimate or determined_weights)(preconditioner)
    variance = noise_variance(preconditioner, gamma)
    square = np.vdot(network.W, problem.penalty @ network.W) + np.vdot(network.V, network.V)
    alpha = float(variance * gamma / square) if square > EPSILON else np.nan
    # Weights that vanished are penalized enough, and a matrix that is singular tells nothing.
    return alpha if np.isfinite(alpha) else problem.alpha


def noise_variance(preconditioner, gamma):
    """The error of prediction, of every target by its own leverage where the matrix is exact."""
    if preconditioner.exact and np.isfinite(preconditioner.M).all():
        return preconditioner.left_out_error(COUNTS, LEAST_OF_ONE)
    here = preconditioner.here
    return mean_square(here) / max(share_left(here.problem.rows, gamma), LEAST_LEFT) ** 2


def mean_square(evaluation):
    """Mean squared residual of an output."""
    return 2 * evaluation.data_loss / evaluation.problem.rows.n_outputs


def share_left(rows, gamma):
    """Share of the targets that is left to tell of the noise, where so many weights are determined."""
    return 1 - COUNTS * gamma / (rows.weight_sum * rows.n_outputs)


def predicted_error(evaluation):
    """Mean squared error on other rows, by the generalized cross-validation of the head of this file.

    Infinite where too few targets are left to tell.
    """
    left = share_left(evaluation.problem.rows, determined_weights(Preconditioner(evaluation)))
    return mean_square(evaluation) / left**2 if left > LEAST_LEFT else np.inf


def determined_weights(preconditioner):
    """Weights that the rows determine, against the penalty: gamma = tr H^{-1} J^T J.

    Where the preconditioner does not stand for H gamma is the mean of |J^T e|^2 in the norm of H^{-1}
    over random signs e (M. F. Hutchinson, 1990, doi:10.1080/03610919008812866), by conjugate gradients.
    The signs are the same at every call, so that alpha settles.
    """
    if has_trace(preconditioner):
        # A matrix that is singular but for rounding may leave less than nothing.
        return max(preconditioner.determined_weights(), 0.0)
    here = preconditioner.here
    network, rows = here.network, here.problem.rows
    random_state, solve = np.random.RandomState(0), preconditioner.solver(0.0)

    def product(vector):
        return here.gauss_newton_product(network.unpack(vector)).pack()

    gammas = []
    for _ in range(max(1, round(PROBE_SIGNS / (rows.n_rows * rows.n_outputs)))):
        signs = random_state.choice([-1.0, 1.0], (rows.n_rows, rows.n_outputs))
        if rows.weight is not None:
            signs = np.where(rows.weight > 0, signs / np.sqrt(np.maximum(rows.weight, TINY)), 0.0)
        right = here.transposed_jacobian(signs).pack()
        solution = conjugate_gradients(product, right, solve, rtol=PROBE_TOL, max_iter=PROBE_STEPS)[0]
        gammas.append(rows.weight_sum * (right @ solution))
    return float(np.mean(gammas))


def has_trace(preconditioner):
    """Whether the preconditioner stands for H: it is H, or there are many rows, or no penalty."""
    here = preconditioner.here
    rows, n_weights = here.problem.rows, here.network.pack().size
    many_rows = rows.weight_sum * rows.n_outputs >= MANY_ROWS * n_weights
    return preconditioner.exact or here.problem.alpha == 0 or preconditioner.covers_units and many_rows


def determined_share(problem, network):
    """Share of the weights that the rows determine, against the penalty: gamma / p.

    The scale that a homogeneous unit shares with its output weights is no weight to determine.

    Parameters
    ----------
    problem : SquaredLoss
    network : Network
        At a minimum.

    Returns
    -------
    float
    """
    if problem.alpha == 0:
        return 1.0
    gamma = determined_weights(Preconditioner(problem.evaluate(network)))
    free = 0 if problem.activation.degree is None else len(network.b)
    return gamma / (network.pack().size - free)
