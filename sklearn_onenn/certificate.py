"""Whether a fit recovered the network that generated the rows, and why one may believe so.

An exact fit is its own evidence: more equations than weights hold, and what is left to ask is whether
the weights are the only ones. Where the rows are noisy the residual must be noise: no further unit, no
other function of the units' inputs and no second moment may explain it, every unit must be needed, and
a fit from a fresh start on half of the rows must lead to the same optimum.
"""

from dataclasses import dataclass, field
from html import escape

import numpy as np

from ._inference.checks import (
    Check,
    contraction,
    determined,
    enough_rows,
    hidden_curvature,
    normal_rows,
    redundant_rows,
    usable_activation,
    visible_span,
)
from ._inference.refits import CertificateContext, exact_checks, noisy_checks
from ._network.loss import SquaredLoss
from ._network.network import Network
from ._network.symmetries import TangentBasis, with_output_norm
from ._search.one_start import FitOptions
from ._search.stages import EXACT, is_exact
from ._typing import Array
from .theory import HessianBounds, hessian_bounds, weight_condition

__all__ = ["Certificate", "Check"]

Check.__module__ = __name__  # it is known by its public path


@dataclass(frozen=True, repr=False)
class Certificate:
    """Whether the network that generated the rows was recovered, with the evidence.

    Attributes
    ----------
    verdict : {"recovered", "doubtful", "not recovered"}
        "not recovered" when a decisive check fails, "recovered" when all pass, otherwise "doubtful".
    checks : tuple of Check
        What the verdict rests on.
    assumptions : tuple of Check
        What the theorem assumes. Fits are often recovered where these do not hold: no verdict.
    trained_here : bool
        Whether the rows are those that the estimator was fitted on.
    exact : bool
        Whether the network fits the rows up to rounding.
    rows_per_weight : float
    kappa, lambda_ : float
        Of W, for columns of X that are white.
    curvature : tuple of 2 floats
        Smallest and largest eigenvalue of the Gauss-Newton matrix in W, for white columns of X and y at
        unit variance: the Hessian, where the residual vanishes.
    curvature_bounds : HessianBounds
        The paper's bounds on them, up to factors that it leaves open.
    contraction : float
        Factor by which an iteration of the fit brought the loss closer to where it ended, on average.

    Examples
    --------
    >>> from sklearn_onenn import OneHiddenLayerRegressor
    >>> from sklearn_onenn.datasets import make_one_hidden_layer
    >>> X, y, teacher = make_one_hidden_layer(2000, 10, 3, random_state=0)
    >>> model = OneHiddenLayerRegressor(k=3, activation="relu", random_state=0).fit(X, y)
    >>> model.certificate(X, y).verdict
    'recovered'
    """

    verdict: str = field(init=False)
    checks: tuple[Check, ...]
    assumptions: tuple[Check, ...]
    trained_here: bool
    exact: bool
    rows_per_weight: float
    kappa: float
    lambda_: float
    curvature: tuple[float, float]
    curvature_bounds: HessianBounds
    contraction: float

    def __post_init__(self) -> None:
        failed = [check for check in self.checks if not check.passed]
        decisive = any(check.decisive for check in failed)
        verdict = "not recovered" if decisive else "doubtful" if failed else "recovered"
        object.__setattr__(self, "verdict", verdict)

    @property
    def reason(self) -> str:
        """What the first check said that led to the verdict, and the names of the others.

        One advice at a time: to follow it may mend the others, too.
        """
        failed = [check for check in self.checks if not check.passed]
        led = [check for check in failed if check.decisive] or failed
        if not led:
            return "All checks pass."
        others = ", ".join(check.name for check in led[1:])
        return led[0].sentence + (f" These checks fail, too: {others}." if others else "")

    def __repr__(self) -> str:
        failed = ", ".join(check.name for check in self.checks if not check.passed)
        return f"<Certificate: {self.verdict}{f'; fails: {failed}' if failed else ''}>"

    def __str__(self) -> str:
        here = "the rows of the fit" if self.trained_here else "other rows than those of the fit"
        lower, upper = self.curvature_bounds
        smallest, largest = self.curvature
        lines = [
            f"{self.verdict.capitalize()}, judged on {here}. {self.reason}",
            "Checks",
            *(f"  {check.line('passes', 'fails')}" for check in self.checks),
            "Assumptions of the theorem",
            *(f"  {check.line('holds', 'does not hold')}" for check in self.assumptions),
            "Numbers",
            f"  rows for each weight {self.rows_per_weight:.3g}; of W: kappa {self.kappa:.3g}, "
            f"lambda {self.lambda_:.3g}",
            f"  curvature in W {smallest:.2e} to {largest:.2e}; the paper's orders {lower:.2e} to "
            f"{upper:.2e}",
            f"  an iteration of the fit left {self.contraction:.2g} of the loss that was to go",
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict and its reason, and the rest to unfold."""
        first, _, rest = str(self).partition("\n")
        color = {"recovered": "#2a7", "doubtful": "#c80"}.get(self.verdict, "#c33")
        return (
            f'<div style="border-left: 4px solid {color}; padding-left: 0.8em">'
            f"<p>{escape(first)}</p><details><summary>Checks, assumptions, numbers</summary>"
            f'<pre style="white-space: pre-wrap">{escape(rest)}</pre></details></div>'
        )


def certify(
    problem: SquaredLoss,
    network: Network,
    options: FitOptions,
    *,
    losses: list[float],
    trained_here: bool,
) -> Certificate:
    """The certificate of a network on rows: lists its checks, and what the theorem assumes.

    Parameters
    ----------
    problem : SquaredLoss
        With the penalty of the fit; its targets have unit variance.
    network : Network
    options : FitOptions
        How the network was fitted.
    losses : list of float
        Data losses of the steps of the fit, in any unit.
    trained_here : bool
        Whether it was fitted on these rows.

    Returns
    -------
    Certificate

    Examples
    --------
    :meth:`sklearn_onenn.OneHiddenLayerRegressor.certificate` calls it:

    >>> from sklearn_onenn import OneHiddenLayerRegressor
    >>> from sklearn_onenn.datasets import make_one_hidden_layer
    >>> X, y, teacher = make_one_hidden_layer(500, 5, 2, random_state=0)
    >>> model = OneHiddenLayerRegressor(k=1, activation="relu", random_state=0).fit(X, y)
    >>> print(model.certificate(X, y).verdict)
    not recovered
    """
    activation = problem.activation
    case, white = CertificateContext.of(problem, network, options), options.moment_coordinates
    network = with_output_norm(network, 1.0, activation.degree)
    free = TangentBasis(network, degree=activation.degree, fit_intercept=problem.fit_intercept)
    rows_per_weight = problem.rows.weight_sum * problem.rows.n_outputs / free.size
    evaluation = problem.replace(problem.rows, alpha=0.0).evaluate(network)
    exact = is_exact(evaluation.data_loss, problem.rows.dtype)
    condition = weight_condition(network.W)
    checks = [enough_rows(rows_per_weight)]
    if checks[0].passed:
        if exact:
            checks += [redundant_rows(evaluation), determined(evaluation, free), *exact_checks(case)]
        else:
            checks += noisy_checks(case, evaluation, free, rows_per_weight)
    return Certificate(
        checks=tuple(checks),
        assumptions=(
            normal_rows(case.problem.rows, white),
            usable_activation(evaluation),
            visible_span(case.problem.rows.in_memory(), white, len(network.b), case.random_state),
        ),
        trained_here=trained_here,
        exact=exact,
        rows_per_weight=rows_per_weight,
        kappa=condition.kappa,
        lambda_=condition.lambda_,
        curvature=hidden_curvature(evaluation),
        curvature_bounds=hessian_bounds(network.W, network.V, activation=activation),
        contraction=contraction(losses),
    )


def is_training_set(seen: Array, found: Array, loss: float, fit_loss: float) -> bool:
    """Whether sums over targets, and the loss, are those of the fit.

    Parameters
    ----------
    seen, found : arrays
        Sum of the weights, means and scales of the targets: of the fit, and of the rows now given.
    loss, fit_loss : float
        Data losses of targets of unit variance: on the rows now given, and of the fit.

    Returns
    -------
    bool

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_onenn.certificate import is_training_set
    >>> is_training_set(np.array([100, 0.0, 1.0]), np.array([90, 0.0, 1.0]), 0.1, 0.1)
    False
    """
    same = np.shape(seen) == np.shape(found) and np.allclose(seen, found, rtol=1e-9)
    # Exact fits are compared up to rounding.
    return bool(same and abs(loss - fit_loss) <= 1e-4 * fit_loss + EXACT)
