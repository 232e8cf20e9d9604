"""How much to penalize: the alpha that maximizes the evidence.

With noise of variance s^2 and weights that are a priori normal of variance t^2, the penalized loss is
minimal at the most probable weights when alpha = s^2 / t^2. Both are estimated from the fit itself:
    gamma = p - alpha tr(H^{-1} P)             the weights that the data determine,
    s^2 = RSS / (n m - gamma),   t^2 = |w|^2 / gamma,
with H the penalized Gauss-Newton matrix times n and P the penalty's (D. J. C. MacKay, 1992,
doi:10.1162/neco.1992.4.3.448; F. D. Foresee, M. T. Hagan, 1997, doi:10.1109/ICNN.1997.614194).
Fit and estimate alternate.
"""

import numpy as np

from ._canonical import balanced
from ._gauss_newton import Preconditioner, gauss_newton

# t^2 in the first round, where s^2 is the variance that the start leaves. The weights of a fit without
# penalty may have grown without bound, and with few rows several penalties repeat themselves: the larger
# predict better, but one that begins too large takes weak units away for good.
FIRST_WEIGHT_VARIANCE = 0.05
MAX_FIRST_ALPHA = 5.0
MAX_ROUNDS = 8
# Rounds end when alpha changes by less than this factor.
SETTLED = 1.3
# Rounds that go on to the minimum predict no better.
ROUND_TOL = 1e-3


def evidence_alpha(problem, network, *, first_alpha, max_iter, callback=None):
    """The penalty of largest evidence, and the weights most probable under it.

    Parameters
    ----------
    problem : SquaredLoss
        Without penalty.
    network : Network
        Near a minimum of it.
    first_alpha : float
        The penalty of the first round.
    max_iter : int
        Bound on the linearizations of each round.
    callback : callable or None
        As of :func:`gauss_newton`; one that stops ends its round.

    Returns
    -------
    alpha : float
    network : Network
    """
    alpha = first_alpha
    network = balanced(network, problem.penalty, problem.activation.degree)
    for _ in range(MAX_ROUNDS):
        polish = gauss_newton(
            problem.on(problem.rows, alpha=alpha),
            network,
            max_iter=max_iter,
            tol=ROUND_TOL,
            callback=callback,
        )
        network = polish.network
        previous, alpha = alpha, updated_alpha(polish.evaluation)
        if alpha == 0 or max(alpha, previous) < SETTLED * min(alpha, previous):
            break
    return alpha, network


def alpha_of_start(loss, n_outputs):
    """The first penalty, from the data loss of a start and outputs of unit variance."""
    return min(2 * loss / n_outputs / FIRST_WEIGHT_VARIANCE, MAX_FIRST_ALPHA)


def updated_alpha(here):
    """alpha from the residuals and weights of a fit."""
    problem, network = here.problem, here.network
    n, p = problem.rows.weight_sum, network.pack().size
    gamma = Preconditioner(here).determined_weights()
    # With fewer targets than weights the fit says nothing of the noise: some must be left.
    n_targets = n * problem.rows.n_outputs
    left = max(n_targets - gamma, n_targets**2 / (n_targets + p))
    variance = 2 * here.data_loss * n / left
    square = np.vdot(network.W, problem.penalty @ network.W) + np.vdot(network.V, network.V)
    # Weights that vanished are penalized enough.
    return float(variance * gamma / square) if square > np.finfo(float).eps else 0.0


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
    gamma = Preconditioner(problem.evaluate(network)).determined_weights()
    free = 0 if problem.activation.degree is None else len(network.b)
    return gamma / (network.pack().size - free)
