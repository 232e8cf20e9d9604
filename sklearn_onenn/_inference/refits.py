"""Checks that exact or noisy fits alone have, most by fits with a unit less or more, or fresh starts.

An exact fit must not be exact without one of its units. Of a noisy one the residual must be noise,
every unit must explain more than it would of noise, and a fresh start on half of the rows must lead to
the same optimum. To add a check like them, list it in :func:`exact_checks` or :func:`noisy_checks`.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import RandomState

from .._data.floating_point import EPSILON, TINY
from .._data.whitening import whitening
from .._network.loss import Evaluation, SquaredLoss
from .._network.network import Network
from .._network.output_layer import (
    elimination_costs,
    output_equations,
    solve_outputs,
    with_fitted_outputs,
)
from .._network.symmetries import TangentBasis, min_norm_scaling
from .._optimization.gauss_newton import Solution, gauss_newton
from .._search.growing_samples import fit_on_nested_samples, growing_samples
from .._search.multistart import same_directions
from .._search.one_start import FitOptions, start_from_moments
from .._search.polish import continue_on
from .._search.progress import Trace
from .._search.stages import exact_loss
from .._search.starts import residual_directions_start
from .._selection.criteria import statistical_tolerance
from .._selection.lack_of_fit import unexplained_by_rows
from .._typing import Array
from ..activations import ACTIVATIONS
from .checks import Check, answer, free_curvature
from .residual_tests import gained, unexplained_by_inputs, unexplained_second_moment
from .rules import BUDGET, RULES, CertificateRules


@dataclass(frozen=True)
class CertificateContext:
    """A network and the rows that it is judged on.

    Attributes
    ----------
    problem : SquaredLoss
        With the penalty of the fit; its targets have unit variance.
    network : Network
    options : FitOptions
        How a fresh start would be fitted, with the white coordinates of the rows.
    random_state : numpy.random.RandomState
    rules : CertificateRules
    """

    problem: SquaredLoss
    network: Network
    options: FitOptions
    random_state: RandomState
    rules: CertificateRules = RULES

    @classmethod
    def of(cls, problem: SquaredLoss, network: Network, options: FitOptions) -> "CertificateContext":
        """The context of a fit; fresh starts have its settings, but not its start."""
        init = options.init
        if not isinstance(init, str):
            init = "tensor" if problem.activation.properties().rho_positive else "random"
        options = replace(
            options, init=init, polish=True, n_init="auto", alpha=problem.alpha, n_jobs=None
        )
        network = min_norm_scaling(network, problem.penalty, problem.activation.degree)
        return cls(problem, network, options, np.random.RandomState(0))

    def parts(self) -> list[SquaredLoss]:
        """The problem on random parts of the rows."""
        rows, size = self.problem.array_rows, BUDGET.fresh_share
        orders = [self.random_state.permutation(rows.n_rows) for _ in range(BUDGET.n_fresh)]
        return [
            self.problem.replace(rows.take(np.sort(order[: round(size * rows.n_rows)])))
            for order in orders
        ]


def exact_checks(case: CertificateContext) -> list[Check]:
    """The checks of an exact fit."""
    problem, network, rules = case.problem, case.network, case.rules
    loss = min(
        problem.data_loss(without(problem, network, unit)) for unit in least_units(problem, network)
    )
    k = len(network.b)
    fewer = f"k={k - 1}" if k > 1 else "a constant or a line"
    return [
        answer(
            "every unit needed", loss, rules.singular, loss > rules.singular,
            f"The fit is exact, and without its least unit the loss rises to {loss:.1e} of var(y).",
            f"The fit is exact with a unit less as well: use {fewer}.",
        )
    ]  # fmt: skip


def noisy_checks(
    case: CertificateContext, evaluation: Evaluation, free: TangentBasis, rows_per_weight: float
) -> list[Check]:
    """The checks of a fit that is not exact; those that cost most only where all others pass."""
    found = [
        enough_signal(evaluation, rows_per_weight, case.rules),
        precise(evaluation, free),
        no_further_unit(case),
        every_unit(case),
        right_activation(case, free),
        no_second_moment(case),
        nothing_else(case, free),
    ]
    for costly in (no_rival, same_from_parts):
        if all(check.passed for check in found):
            found.append(costly(case))
    return found


def enough_signal(evaluation: Evaluation, rows_per_weight: float, rules: CertificateRules) -> Check:
    """Whether a unit that is missing, or one too many, would stand out of the noise."""
    noise = 2 * evaluation.data_loss / evaluation.problem.rows.n_outputs
    signal = rows_per_weight * max(1 - noise, 0.0) / max(noise, TINY)
    seen = f"{signal:.3g} rows for each weight, times the variance explained over that left"
    return answer(
        "signal", signal, rules.least_signal, signal >= rules.least_signal,
        f"{seen}.",
        f"{seen}, and {rules.least_signal:g} are needed to see a wrong unit through the noise: take "
        f"more rows, or fit a model that explains more.",
        decisive=False,
    )  # fmt: skip


def precise(evaluation: Evaluation, free: TangentBasis) -> Check:
    """Whether the largest error of the weights, in any direction, is below the smallest vector w_i."""
    smallest, largest = free_curvature(evaluation, free)
    floor = EPSILON * max(largest, TINY)
    error = np.sqrt(2 * evaluation.data_loss / evaluation.problem.rows.weight_sum / max(smallest, floor))
    error /= max(np.linalg.norm(evaluation.network.W, axis=0).min(), np.sqrt(floor))
    return answer(
        "precise weights", error, 1.0, error < 1,
        f"The standard error of the weights is at most {error:.2g} of the smallest weight vector.",
        f"Along some direction the standard error of the weights is {error:.2g} of the smallest weight "
        f"vector: take more rows, fewer units, or another activation.",
        decisive=False,
    )  # fmt: skip


def every_unit(case: CertificateContext) -> Check:
    """Whether every unit explains more than one would that fits noise."""
    problem, network, rules = case.problem, case.network, case.rules
    gains = [
        gained(problem, without(problem, network, unit), network)
        for unit in least_units(problem, network)
    ]
    gain, fewer = min(gains) / problem.weights_of_a_unit, len(network.b) - 1
    seen = f"twice its log-likelihood is {gain:.1f} for each of its weights"
    advice = f"use k={fewer}, or more rows" if fewer else "take a constant or a line, or more rows"
    return answer(
        "every unit needed", gain, rules.mere_noise, gain > rules.mere_noise,
        f"Every unit is needed ({seen}).",
        f"A unit is not needed ({seen}, and noise alone gives up to {rules.mere_noise:g}): {advice}.",
    )  # fmt: skip


def no_further_unit(case: CertificateContext) -> Check:
    """Whether a further unit explains no more than one that fits noise."""
    problem, network, rules = case.problem, case.network, case.rules
    gains = [gained(problem, network, more) for more in with_a_further_unit(case)]
    gain = max(gains) / problem.weights_of_a_unit
    seen = f"twice its log-likelihood is {gain:.1f} for each of its weights"
    return answer(
        "no further unit", gain, rules.mere_noise, gain < rules.mere_noise,
        f"A further unit explains nothing that noise would not ({seen}).",
        f"A further unit explains part of the residual ({seen}, and noise alone seldom has more than "
        f"{rules.mere_noise:g}): use more units, more starts (n_init) or another activation.",
        decisive=gain > rules.called_for,
    )  # fmt: skip


def with_a_further_unit(case: CertificateContext) -> list[Network]:
    """Networks with a unit more, fitted: from the residual of this one, and from moments."""
    problem, network, random_state = case.problem, case.network, case.random_state
    starts = [residual_directions_start(problem, network, random_state, n_more=1)]
    if case.options.init == "tensor":
        starts.append(
            start_from_moments(problem, len(network.b) + 1, case.options, random_state, split=False)
        )
    return [steps(problem, start) for start in starts]


def right_activation(case: CertificateContext, free: TangentBasis) -> Check:
    """Whether no other function of the units' inputs explains the residual."""
    rules = case.rules
    score = unexplained_by_inputs(case.problem, case.network, free)
    return answer(
        "activation", score, rules.chance, score < rules.chance,
        f"No other function of the units' inputs explains the residual ({score:.1f} standard errors).",
        f"Other functions of the units' inputs explain part of the residual ({score:.1f} standard "
        f"errors): try another activation, more units or more starts (n_init).",
    )  # fmt: skip


def no_second_moment(case: CertificateContext) -> Check:
    """Whether the second moment of the residual is that of noise."""
    rules = case.rules
    score = unexplained_second_moment(
        case.problem, case.network, case.options.moment_coordinates, case.random_state
    )
    return answer(
        "residual spectrum", score, rules.chance, score < rules.chance,
        f"The residual's second moment is that of noise ({score:.1f} standard errors).",
        f"The residual's second moment is not that of noise ({score:.1f} standard errors): use more "
        f"units or more starts (n_init).",
    )  # fmt: skip


def nothing_else(case: CertificateContext, free: TangentBasis) -> Check:
    """Whether nothing else that the rows tell explains the residual."""
    rules = case.rules
    score = unexplained_by_rows(case.problem, case.network, free, case.random_state)
    return answer(
        "nothing else", score, rules.chance, score < rules.chance,
        f"Rows that are alike have residuals that are not ({score:.1f} standard errors).",
        f"Rows that are alike have residuals that are alike ({score:.1f} standard errors), so the "
        f"targets are no network of this kind and noise: use more units, or take the fit for a "
        f"regression.",
    )  # fmt: skip


def no_rival(case: CertificateContext) -> Check:
    """Whether no other activation, fitted from the same hidden units, has the higher likelihood."""
    problem, network, rules = case.problem, case.network, case.rules
    gains: dict[str, float] = {}
    for rival in dict.fromkeys(ACTIVATIONS.values()):
        if isinstance(problem.activation, rival) or not rival().properties().rho_positive:
            continue
        other = problem.replace(problem.rows, activation=rival())
        fit = steps(other, with_fitted_outputs(other, network.W, network.b))
        gains[rival.name] = gained(problem, network, fit, rival())
    best = max(gains, key=lambda name: gains[name])
    gain = gains[best]
    seen = f"({best}: twice its log-likelihood is {gain:+.1f})"
    return answer(
        "no rival activation", gain, rules.mere_noise, gain < rules.mere_noise,
        f"No other activation explains more of the targets {seen}.",
        f"Another activation explains more of the targets {seen}: try activation={best!r}, or take more "
        f"rows.",
        decisive=False,
    )  # fmt: skip


def same_from_parts(case: CertificateContext) -> Check:
    """Whether a fresh start on a part of the rows, polished on all, ends where the fit did."""
    evaluation = case.problem.evaluate(case.network)
    share = 2 * statistical_tolerance(case.problem, len(case.network.b))
    limit, n_same, lower = max(BUDGET.refit.tol, share), 0, -np.inf
    for part in case.parts():
        fit = fresh_fit(case, part)
        own = replace(fit, network=case.network)
        gain = 1 - fit.objective / evaluation.loss
        n_same += abs(gain) <= limit and same_directions(fit, own, case.options.rules.starts)
        lower = max(lower, gain)
        if n_same > 0 or lower > BUDGET.refit.tol:
            break
    no = (
        "Fresh starts on random parts of the rows lead to other optima: take more rows, or fit again "
        "with more starts (n_init)."
    )
    if lower > BUDGET.refit.tol:
        no = (
            f"A fresh start on a part of the rows leads to a loss that is lower by {lower:.1e} of it: "
            f"fit again with more starts (n_init) or another random_state."
        )
    return answer(
        "independent starts", n_same, 1, n_same > 0 and lower <= BUDGET.refit.tol,
        "A fresh start on a part of the rows leads to the same optimum.",
        no,
        decisive=lower > limit,
    )  # fmt: skip


def fresh_fit(case: CertificateContext, part: SquaredLoss) -> Solution:
    """A fit on a part of the rows from a start of its own, polished on all rows."""
    rows, options = part.array_rows.with_own_counter(), case.options
    options = replace(options, moment_coordinates=whitening(rows), alpha=case.problem.alpha)
    problem = part.replace(rows)
    k = len(case.network.b)
    samples = growing_samples(
        rows, k, options.rules.samples, case.random_state, fit_intercept=problem.fit_intercept
    )
    fit = fit_on_nested_samples(problem, samples, k, options, case.random_state)
    solution = replace(fit.solution, alpha=case.problem.alpha)
    return continue_on(case.problem, solution, Trace(), options.stopping)


def steps(problem: SquaredLoss, network: Network) -> Network:
    """The network after a few Gauss-Newton steps on the rows of the problem."""
    network = min_norm_scaling(network, problem.penalty, problem.activation.degree)
    exact = exact_loss(problem.rows.dtype) if problem.alpha == 0 else 0.0
    return gauss_newton(problem, network, replace(BUDGET.refit, exact_loss=exact)).network


def least_units(problem: SquaredLoss, network: Network) -> Array:
    """The units without which the loss rises least, as far as output weights alone can tell."""
    solution = solve_outputs(*output_equations(problem, network.W, network.b))
    return np.argsort(elimination_costs(*solution[:2]))[: BUDGET.n_left_out]


def without(problem: SquaredLoss, network: Network, unit: int) -> Network:
    """The network without a unit, fitted again."""
    W, b = np.delete(network.W, unit, axis=1), np.delete(network.b, unit)
    fewer = with_fitted_outputs(problem, W, b)
    # Gauss-Newton steps need a unit to move.
    return steps(problem, fewer) if len(b) else fewer
