"""How much to penalize: the alpha that maximizes the evidence.

With noise of variance s^2 and weights that are a priori normal of variance t^2, the penalized loss is
minimal at the most probable weights when alpha = s^2 / t^2. Both are estimated from the fit itself:
    gamma = p - alpha tr(H^{-1} P)             the weights that the data determine,
    s^2 = n m RSS / (n m - a gamma)^2,       t^2 = |w|^2 / gamma,
with H the penalized Gauss-Newton matrix times n and P the penalty's (D. J. C. MacKay, 1992,
doi:10.1162/neco.1992.4.3.448; F. D. Foresee, M. T. Hagan, 1997, doi:10.1109/ICNN.1997.614194).
Both are estimated anew at every linearization, as Foresee and Hagan do.

``alpha_from`` is this formula; s^2 is ``squared_error_of_prediction`` of ``criteria``, which for small
networks is the mean over left-out targets, or, for a member of a mean, ``noise_variance``.
``EvidenceUpdate`` damps the changes from step to step. The search begins at ``first_alpha``, or at
``alpha_from_fit`` where it begins anew, at a fit without penalty; the regimes of ``_search`` say when.
Where the targets are too few to tell of their noise the penalty is not searched for but given, by
``penalty_of_noise`` of ``one_start.py`` and ``cross_validated_penalty`` of ``ensemble.py``; that of a
member of a mean is found by ``with_probable_penalty`` there, with these functions.

MacKay has RSS / (n m - gamma) for s^2. With few rows that of a wide network ends in a fit of the
noise: where its units bend was fitted too. So s^2 is the error of prediction by generalized
cross-validation, in which a weight counts a times, a = 1.4 (``CriteriaRules.dof_cost``; Y.-J. Kim,
C. Gu, 2004, doi:10.1046/j.1467-9868.2003.05316.x). With many rows it makes no difference. Where the
matrix is at hand the weights count for every row by its own leverage, not by the mean: a unit that
bends for a few rows far from the others has nearly all of theirs, and predicts badly there.
"""

from dataclasses import dataclass, replace

import numpy as np

from .._data.floating_point import EPSILON
from .._network.loss import Evaluation, SquaredLoss
from .._network.network import Network
from .._network.symmetries import min_norm_scaling
from .._optimization.curvature import Curvature
from .._optimization.dual import curvature_at
from .._optimization.gauss_newton import Callback, Solution, Stopping, gauss_newton
from .criteria import (
    CriteriaRules,
    effective_dof,
    noise_variance,
    squared_error_of_prediction,
    statistical_tolerance,
    trace_is_exact,
)


@dataclass(frozen=True)
class EvidenceRules:
    """The numbers of the search for the penalty, measured in ``doc/benchmarks/real_data.md``.

    Attributes
    ----------
    first_alpha : float
        The penalty to begin with: noise and weights of unit variance. The weights of a fit without
        penalty may have grown without bound, and with few rows several penalties repeat themselves: the
        larger predict better. But one that begins too large takes weak units away for good.
    max_change : float
        alpha changes by at most this factor in a step: otherwise, with few rows, weights that grow to
        fit the noise and a penalty that falls with the residual would drive each other on.
    settled : float
        No step is the last before alpha changes by less than this factor.
    by_prediction : bool
        Whether s^2 is the error of prediction, which keeps a single network from a fit of the noise; or
        the variance of the noise alone, for a member of a mean.
    dof_steps : int
        Steps for which an estimated gamma serves, while alpha stays within ``settled`` of what it was.
    criteria : CriteriaRules
    """

    first_alpha: float = 1.0
    max_change: float = 2.0
    settled: float = 1.3
    by_prediction: bool = True
    dof_steps: int = 5
    criteria: CriteriaRules = CriteriaRules()


EVIDENCE = EvidenceRules()


def maximize_evidence(
    problem: SquaredLoss,
    network: Network,
    first_alpha: float,
    stopping: Stopping,
    *,
    callback: Callback | None = None,
    rules: EvidenceRules = EVIDENCE,
) -> Solution:
    """The weights that are most probable under the penalty of largest evidence.

    Parameters
    ----------
    problem : SquaredLoss
    network : Network
        Near a minimum without penalty.
    first_alpha : float
        The penalty to begin with.
    stopping : Stopping
        Its tolerance where that is above the :func:`statistical_tolerance`.
    callback : callable or None
        As of :func:`gauss_newton`.
    rules : EvidenceRules

    Returns
    -------
    Solution
        Its problem has the penalty.
    """
    resolved = statistical_tolerance(problem, len(network.b), rules.criteria)
    return gauss_newton(
        problem.replace(problem.rows, alpha=first_alpha),
        min_norm_scaling(network, problem.penalty, problem.activation.degree),
        replace(stopping, tol=max(stopping.tol, resolved), exact_loss=0.0),
        callback=callback,
        penalty=EvidenceUpdate(rules),
    )


class EvidenceUpdate:
    """The penalty for a step, and whether it has settled: the ``penalty`` of :func:`gauss_newton`.

    Where gamma has to be estimated, which costs more than a step, the last estimate serves for a while.
    """

    def __init__(self, rules: EvidenceRules = EVIDENCE) -> None:
        self.rules = rules
        self.gamma, self.alpha, self.steps = 0.0, 0.0, 0

    def __call__(self, preconditioner: Curvature) -> tuple[float, bool]:
        """The penalty of the next step, half way on a logarithmic scale; and whether it has settled."""
        previous, max_change = preconditioner.evaluation.problem.alpha, self.rules.max_change
        alpha = alpha_from(preconditioner, self._dof(preconditioner), self.rules)
        if alpha == 0 or self._is_settled(alpha, previous):
            return alpha, True
        # gamma follows alpha at once, the residual later: whole steps would go to and fro.
        alpha = np.sqrt(previous * alpha)
        return min(max(alpha, previous / max_change), previous * max_change), False

    def _is_settled(self, alpha: float, other: float) -> bool:
        """Whether two penalties are as good as the same."""
        return max(alpha, other) <= self.rules.settled * min(alpha, other)

    def _dof(self, preconditioner: Curvature) -> float:
        """The effective degrees of freedom gamma, or their last estimate."""
        criteria = self.rules.criteria
        if trace_is_exact(preconditioner, criteria):
            return effective_dof(preconditioner, criteria)
        self.steps += 1
        alpha = preconditioner.evaluation.problem.alpha
        if self.steps > self.rules.dof_steps or not self._is_settled(alpha, self.alpha):
            self.gamma, self.alpha, self.steps = effective_dof(preconditioner, criteria), alpha, 1
        return self.gamma


def alpha_from_fit(evaluation: Evaluation, rules: EvidenceRules = EVIDENCE) -> float:
    """The penalty alpha that the residuals and weights of a fit without one call for."""
    problem, network = evaluation.problem, evaluation.network
    network = min_norm_scaling(network, problem.penalty, problem.activation.degree)
    preconditioner = curvature_at(problem.evaluate(network))
    return alpha_from(preconditioner, effective_dof(preconditioner, rules.criteria), rules)


def alpha_from(preconditioner: Curvature, gamma: float, rules: EvidenceRules) -> float:
    """alpha = s^2 / t^2 from the residuals and weights of a fit of gamma degrees of freedom."""
    problem, network = preconditioner.evaluation.problem, preconditioner.evaluation.network
    variance_of = squared_error_of_prediction if rules.by_prediction else noise_variance
    variance = variance_of(preconditioner, gamma, rules.criteria)
    square = problem.penalty @ (network.W**2).sum(axis=1) + np.vdot(network.V, network.V)
    alpha = float(variance * gamma / square) if square > EPSILON else np.nan
    # Weights that vanished are penalized enough, and a matrix that is singular tells nothing.
    return alpha if np.isfinite(alpha) else problem.alpha
