"""Checks of a certificate that every fit has, each by a value, its limit and a sentence.

``certify`` in ``certificate.py`` lists them: those that the verdict rests on, and those of what the
theorem assumes. To add one, return :func:`answer` from a function of its own; its limit is a field of
``CertificateRules``, described in the docstring of that class, in ``rules.py``. Checks that exact or
noisy fits alone have are in ``refits.py``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState
from scipy.linalg import eigvalsh, solve_triangular

from .._data.blocks import Block, transposed_product, weighted
from .._data.coordinates import Coordinates
from .._data.floating_point import EPSILON, TINY, jittered_cholesky
from .._data.gaussianity import distance_from_normal
from .._data.rows import ArrayRows, Rows
from .._data.rules import DATA
from .._network.jacobian import gauss_newton_matrix
from .._network.loss import Evaluation
from .._network.symmetries import TangentBasis
from .._selection.lack_of_fit import MATRIX_SIZE
from .._typing import Array
from ..theory import extreme_eigenvalues
from .covariance import leverages
from .residual_tests import spectrum_against_signs
from .rules import BUDGET, RULES, CertificateRules


@dataclass(frozen=True)
class Check:
    """One question that a certificate asks.

    Attributes
    ----------
    name : str
    value : float
    limit : float
    passed : bool
    decisive : bool
        Whether failing it means that the network was not recovered; otherwise it leaves a doubt.
    sentence : str
        What was seen and, where the check failed, what to do.

    Examples
    --------
    >>> from sklearn_onenn.certificate import Check
    >>> print(Check("rows", 0.5, 1.1, False, True, "0.5 rows for each weight: take more rows."))
    [fails] rows: 0.5 rows for each weight: take more rows.
    """

    name: str
    value: float
    limit: float
    passed: bool
    decisive: bool
    sentence: str

    def line(self, yes: str, no: str) -> str:
        """One line of a certificate: a word for the answer, the name, the sentence.

        Parameters
        ----------
        yes, no : str

        Returns
        -------
        str
        """
        return f"[{yes if self.passed else no}] {self.name}: {self.sentence}"

    def __str__(self) -> str:
        return self.line("passes", "fails")


def answer(
    name: str, value: float, limit: float, passed: bool, yes: str, no: str, *, decisive: bool = True
) -> Check:
    """The check with one of two sentences; not decisive where failing it only leaves a doubt."""
    return Check(name, float(value), float(limit), bool(passed), decisive, yes if passed else no)


def enough_rows(rows_per_weight: float) -> Check:
    """Whether there are more equations than weights."""
    seen = f"{rows_per_weight:.3g} rows for each weight"
    return answer(
        "rows", rows_per_weight, 1.0, rows_per_weight > 1,
        f"{seen}.",
        f"{seen}, and more than one is needed to tell a network from an interpolation: take more rows "
        f"or fewer units.",
    )  # fmt: skip


def redundant_rows(evaluation: Evaluation, rules: CertificateRules = RULES) -> Check:
    """Whether an exact fit is more than an interpolation, for every unit by itself.

    A unit that is active on as many rows as it has weights fits any targets there. Its leverages h, in
    the equations of its own weights, tell: where its weights hang in some direction on rows of leverage
    one alone, nothing is left over that could have contradicted them (W. Baarda's redundancy numbers,
    1968). The value is the smallest mean of 1 - h over directions, weighted by what rows say of them.
    """
    units = range(len(evaluation.network.b))
    left = min(unit_redundancy(evaluation, unit) for unit in units)
    return answer(
        "redundant rows", left, rules.least_redundancy, left > rules.least_redundancy,
        f"At least {left:.0%} of what the rows say of the weights of a unit is a check of the rest.",
        f"A unit hangs on so few rows that it fits any targets there ({left:.1%} is left as a check): "
        f"take rows on which it is active, or use fewer units.",
    )  # fmt: skip


def unit_redundancy(evaluation: Evaluation, unit: int) -> float:
    """Share of the equations for the weights of a unit that is left in the worst direction."""
    problem, input_weights = evaluation.problem, evaluation.input_weights

    def slopes(block: Block) -> Array:
        """Derivative of the unit by its weights and its bias."""
        z = problem.coordinates.whiten(block.X).astype(np.float64)
        inputs = block.X @ input_weights.W[:, unit] + input_weights.b[unit]
        ones = np.ones((len(z), int(problem.fit_intercept)))
        return np.hstack([z, ones]) * problem.activation.derivative(inputs)[:, None]

    def squares(block: Block) -> Array:
        J = slopes(block)
        return transposed_product(J, weighted(J, block.weight))

    root = jittered_cholesky(problem.rows.sum(squares))
    inverse_root = solve_triangular(root, np.eye(len(root)), lower=True).T

    def leverage_squares(block: Block) -> Array:
        J = slopes(block)
        h, Q = leverages(J, inverse_root, 1.0, block.weight), J @ inverse_root
        return transposed_product(Q, weighted(Q * h[:, None], block.weight))

    return float(1 - eigvalsh(problem.rows.sum(leverage_squares))[-1])


def free_curvature(evaluation: Evaluation, free: TangentBasis) -> tuple[float, float]:
    """Smallest and largest eigenvalue of the Gauss-Newton matrix in the free weights.

    A small matrix is written out; of a larger one Lanczos steps find the smallest eigenvalue up to
    some share of the largest.
    """
    if free.size <= MATRIX_SIZE:
        values = eigvalsh(gauss_newton_matrix(evaluation.problem, evaluation.network, free))
        return max(values[0], 0.0), values[-1]

    def product(vector: Array) -> Array:
        return free.reduce(evaluation.gauss_newton_product(free.expand(vector)))

    smallest, largest = extreme_eigenvalues(product, free.size, tol=BUDGET.lanczos_tol)
    return max(smallest, BUDGET.lanczos_tol * largest), largest


def determined(evaluation: Evaluation, free: TangentBasis, rules: CertificateRules = RULES) -> Check:
    """Whether the rows determine every weight, to first order, as an exact fit needs it."""
    smallest, largest = free_curvature(evaluation, free)
    share = smallest / max(largest, TINY)
    return answer(
        "determined weights", share, rules.singular, share > rules.singular,
        f"The rows determine every weight (inverse condition {share:.1e}).",
        f"Some weights are not determined (inverse condition {share:.1e}), since a unit is dead, "
        f"doubled or linear on these rows: use fewer units or other rows.",
    )  # fmt: skip


def normal_rows(rows: Rows, white: Coordinates) -> Check:
    """How far the inputs are from normal ones."""
    distance = distance_from_normal(rows, white)
    seen = f"Moments of the inputs are within {distance:.1f} standard errors of those of normal ones."
    far = f"A moment of the inputs is {distance:.1f} standard errors from that of normal ones."
    return answer(
        "normal inputs", distance, DATA.significant, distance <= DATA.significant, seen, far,
        decisive=False,
    )  # fmt: skip


def usable_activation(evaluation: Evaluation) -> Check:
    """Properties 3.1 to 3.3 at the smallest and the largest weight vector."""
    sizes = np.linalg.norm(evaluation.network.W, axis=0)
    sizes = np.clip([sizes.min(), sizes.max()], 1e-6, 1e6)
    found = [evaluation.problem.activation.properties(size) for size in sizes]
    rho = min(properties.rho for properties in found)
    violated = sorted({number for properties in found for number in properties.violated})
    seen = f"rho is {rho:.2e} at the scale of the units"
    return answer(
        "activation properties", rho, 0.0, not violated,
        f"{seen}; the activation has all properties.",
        f"{seen}; Property {' and '.join(violated)} fails.",
        decisive=False,
    )  # fmt: skip


def visible_span(rows: ArrayRows, white: Coordinates, k: int, random_state: RandomState) -> Check:
    """Whether the second moment shows a direction for every unit, above that of random signs."""
    k = min(k, white.rank)
    values, null = spectrum_against_signs(rows, white, random_state)
    ratio = (values[:, k - 1] / np.maximum(null.max(axis=1), TINY)).max()
    seen = f"Eigenvalue {k} of the second moment of y is {ratio:.2g} times what random signs show."
    return answer("visible span", ratio, 1.0, ratio > 1, seen, seen, decisive=False)


def hidden_curvature(evaluation: Evaluation) -> tuple[float, float]:
    """Smallest and largest eigenvalue of the Gauss-Newton matrix in W."""
    network = evaluation.network
    zero = network.unpack(np.zeros(network.pack().size))

    def product(vector: Array) -> Array:
        return evaluation.gauss_newton_product(
            zero._replace(W=vector.reshape(network.W.shape))
        ).W.ravel()

    return extreme_eigenvalues(product, network.W.size)


def contraction(losses: list[float]) -> float:
    """Average factor by which an iteration brings the loss closer to the last one."""
    if len(losses) < 3 or not losses[0] > losses[-1]:
        return 1.0
    # The last step but one: the last ends at zero.
    left = (losses[-2] - losses[-1]) / (losses[0] - losses[-1])
    return float(max(left, EPSILON**2) ** (1 / (len(losses) - 2)))
