"""What a fit promises on other rows: weights that the rows determine, prediction error, BIC.

The effective degrees of freedom gamma are the weights that the rows determine, against the penalty. The
error of prediction is that of generalized cross-validation, in which one of them counts more than once
(Y.-J. Kim, C. Gu, 2004, doi:10.1046/j.1467-9868.2003.05316.x).
"""

from dataclasses import dataclass

import numpy as np

from .._data.floating_point import TINY
from .._network.loss import Evaluation, SquaredLoss
from .._network.network import Network
from .._optimization.conjugate_gradients import conjugate_gradients
from .._optimization.curvature import Curvature
from .._optimization.dual import curvature_at
from .._typing import Array


@dataclass(frozen=True)
class CriteriaRules:
    """The numbers of the criteria, measured in ``doc/benchmarks/real_data.md``.

    Attributes
    ----------
    dof_cost : float
        How often an effective degree of freedom counts. 1 overfits noisy rows.
    min_residual_dof : float
        Share of the targets that is left at least to estimate the noise from.
    min_one_minus_leverage : float
        Share of a single target that is left at least to tell of the noise, beside its leverage. With a
        tenth left one residual would count a hundred times.
    many_targets : float
        Targets for each weight from which the Gauss-Newton matrix of Gaussian rows determines as many
        weights as that of the rows, within 2 %; and with fewer rows for each weight a fit may take
        structure for noise, or noise for structure.
    detectable : float
        A unit could not be missed when its second moment is so many times what noise alone shows.
    resolved_share : float
        A fit takes a share p / n of the residual variance away from the noise. Steps that gain less than
        this part of it predict no better.
    probe_signs, probe_tol, probe_steps : int, float, int
        About how many random signs are drawn, one for a target, where a trace is estimated from them,
        with the tolerance and the bound of their conjugate gradients. The relative error of one draw for
        all targets is about sqrt(2 / gamma).
    """

    dof_cost: float = 1.4
    min_residual_dof: float = 0.1
    min_one_minus_leverage: float = 0.3
    many_targets: float = 5.0
    detectable: float = 3.0
    resolved_share: float = 0.01
    probe_signs: int = 1000
    probe_tol: float = 0.03
    probe_steps: int = 200


CRITERIA = CriteriaRules()


def statistical_tolerance(problem: SquaredLoss, k: int, rules: CriteriaRules = CRITERIA) -> float:
    """Share of the loss of k units: steps that lower it by less say nothing of other rows."""
    return rules.resolved_share * min(problem.n_weights(k) / problem.n_targets, 1.0)


def can_interpolate(problem: SquaredLoss, k: int) -> bool:
    """Whether k units fit any targets exactly."""
    return problem.targets_per_weight(k) <= 1


def bic_prefers(loss: float, other: float, problem: SquaredLoss, k: int) -> bool:
    """Whether a data loss is so much lower than another that all weights of k units are worth it.

    By the Bayesian information criterion (G. Schwarz, 1978, doi:10.1214/aos/1176344136), even if the
    other network had no weights at all; corrected for few rows as Akaike's is (C. M. Hurvich,
    C.-L. Tsai, 1989, doi:10.1093/biomet/76.2.297).
    """
    n, n_weights = problem.n_targets, problem.n_weights(k)
    if n <= n_weights or not loss > 0:
        return False
    return bool(n * np.log(other / loss) > n_weights * np.log(n) * n / (n - n_weights))


def noise_variance(preconditioner: Curvature, gamma: float, rules: CriteriaRules = CRITERIA) -> float:
    """Estimate the variance of the noise of an output, by a fit of gamma degrees of freedom."""
    evaluation = preconditioner.evaluation
    share = residual_dof_share(evaluation.problem, gamma, rules)
    return mean_square(evaluation) / max(share, rules.min_residual_dof)


def squared_error_of_prediction(
    preconditioner: Curvature, gamma: float, rules: CriteriaRules = CRITERIA
) -> float:
    """Estimate the mean squared error of an output on other rows.

    With the whole matrix every target is left out by its own leverage; otherwise it is generalized
    cross-validation, whose divisor has a floor. (:func:`predicted_error` has none: it compares fits, and
    is infinite where nothing can be said.)
    """
    if preconditioner.exact and preconditioner.is_finite:
        return preconditioner.left_out_error(rules.dof_cost, rules.min_one_minus_leverage)
    evaluation = preconditioner.evaluation
    share = residual_dof_share(evaluation.problem, gamma, rules)
    return mean_square(evaluation) / max(share, rules.min_residual_dof) ** 2


def mean_square(evaluation: Evaluation) -> float:
    """Mean squared residual of an output, in units of the scaled targets."""
    return 2 * evaluation.data_loss / evaluation.problem.rows.n_outputs


def residual_dof_share(problem: SquaredLoss, gamma: float, rules: CriteriaRules = CRITERIA) -> float:
    """Share of the targets that is left to tell of the noise by a fit of gamma degrees of freedom."""
    return 1 - rules.dof_cost * gamma / problem.n_targets


def predicted_error(evaluation: Evaluation, rules: CriteriaRules = CRITERIA) -> float:
    """Mean squared error of an output on other rows, by generalized cross-validation.

    It is in units of the scaled targets, and infinite where too few targets are left to tell.
    """
    gamma = effective_dof(curvature_at(evaluation), rules)
    left = residual_dof_share(evaluation.problem, gamma, rules)
    return mean_square(evaluation) / left**2 if left > rules.min_residual_dof else np.inf


def effective_dof(preconditioner: Curvature, rules: CriteriaRules = CRITERIA) -> float:
    """Weights that the rows determine, against the penalty: gamma = tr H^{-1} J^T J.

    Where the preconditioner does not stand for H gamma is the mean of |J^T e|^2 in the norm of H^{-1}
    over random signs e (M. F. Hutchinson, 1990, doi:10.1080/03610919008812866), by conjugate gradients.
    The signs are the same at every call, so that alpha settles.
    """
    if trace_is_exact(preconditioner, rules):
        # Rounding can make the trace slightly negative.
        return max(preconditioner.effective_dof(), 0.0)
    evaluation = preconditioner.evaluation
    network, rows = evaluation.network, evaluation.problem.array_rows
    random_state, solve = np.random.RandomState(0), preconditioner.solver(0.0)

    def product(vector: Array) -> Array:
        return evaluation.gauss_newton_product(network.unpack(vector)).pack()

    gammas = []
    for _ in range(max(1, round(rules.probe_signs / (rows.n_rows * rows.n_outputs)))):
        signs = random_state.choice([-1.0, 1.0], (rows.n_rows, rows.n_outputs))
        if rows.weight is not None:
            signs = np.where(rows.weight > 0, signs / np.sqrt(np.maximum(rows.weight, TINY)), 0.0)
        right = evaluation.transposed_jacobian(signs).pack()
        solution, _ = conjugate_gradients(
            product, right, solve, rtol=rules.probe_tol, max_iter=rules.probe_steps
        )
        gammas.append(rows.weight_sum * (right @ solution))
    return float(np.mean(gammas))


def trace_is_exact(preconditioner: Curvature, rules: CriteriaRules = CRITERIA) -> bool:
    """Whether the preconditioner stands for H: it is H, or there are many rows, or no penalty."""
    problem, k = preconditioner.evaluation.problem, len(preconditioner.evaluation.network.b)
    if preconditioner.exact or problem.alpha == 0:
        return True
    return preconditioner.covers_units and problem.targets_per_weight(k) >= rules.many_targets


def effective_dof_share(
    problem: SquaredLoss, network: Network, rules: CriteriaRules = CRITERIA
) -> float:
    """Share of the weights that the rows determine, against the penalty, at a minimum: gamma / p.

    The scale that a homogeneous unit shares with its output weights is no weight to determine.
    """
    n_weights = problem.n_identifiable_weights(len(network.b))
    if problem.alpha == 0 or n_weights == 0:
        return 1.0
    return effective_dof(curvature_at(problem.evaluate(network)), rules) / n_weights
