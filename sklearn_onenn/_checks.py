"""The questions of a certificate, each answered by a value, its limit and a sentence."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import eigvalsh

from ._blocks import weighted
from ._canonical import balanced
from ._gauss_newton import gauss_newton
from ._initialization import repaired_start
from ._jacobian import gauss_newton_matrix
from ._polish import exact_loss, polish_on_more
from ._residual_tests import (
    MATRIX_SIZE,
    explained,
    spectrum_against_signs,
    unexplained_by_inputs,
    unexplained_second_moment,
)
from ._samples import grown_fit, growing_samples
from ._starts import SAME_LOSS, same_optimum
from ._structure import NORMAL, fourth_moment_score
from ._units import output_equations, rises, solve_outputs, with_fitted_outputs
from ._whitening import whitening
from .theory import extreme_eigenvalues

# Rows and outputs for each free weight, and the same times the signal over the noise.
LEAST_ROWS, LEAST_SIGNAL = 1.1, 100.0
# Rows on which a unit bends, for each of its weights.
LEAST_BENT = 0.5
# Smallest over largest eigenvalue of the Gauss-Newton matrix below which weights are not determined.
SINGULAR = 1e-9
LANCZOS_TOL = 1e-6
# Standard error, over the smallest weight vector, at which weights say little.
IMPRECISE = 0.7
# Loss, over the variance of y, below which a network with a unit less fits exactly as well.
AS_EXACT = 1e-8
# Standard errors above which a score is no chance, of some that are tried.
CHANCE = 3.5
TOGETHER = 2.0
# Standard errors that every unit must have.
NEEDED = 3.5
# Units that are tried for being left out: those whose output weights alone matter least.
LEFT_OUT = 3
REFIT_STEPS, REFIT_TOL = 30, 1e-4
# Optima are the same when losses differ by this share of p / n and directions by these cosines.
SAME_SHARE, SAME_COSINE = 0.02, 0.99
# Iterations and tolerance with which a start from half of the rows is polished on all.
POLISH_STEPS, POLISH_TOL = 100, 1e-6


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

    def line(self, yes, no):
        """One line of a certificate: a word for the answer, the name, the sentence.

        Parameters
        ----------
        yes, no : str

        Returns
        -------
        str
        """
        return f"[{yes if self.passed else no}] {self.name}: {self.sentence}"

    def __str__(self):
        return self.line("passes", "fails")


@dataclass(frozen=True)
class Case:
    """A network and the rows that it is judged on.

    Attributes
    ----------
    problem : SquaredLoss
        With the penalty of the fit; its targets have unit variance.
    network : Network
    plan : Plan
        How a fresh start would be fitted, with the white coordinates of the rows.
    random_state : numpy.random.RandomState
    """

    problem: object
    network: object
    plan: object
    random_state: object

    @classmethod
    def of(cls, problem, network, plan):
        """The case of a fit; fresh starts have its settings, but not its start."""
        init = plan.init
        if not isinstance(init, str):
            init = "tensor" if problem.activation.properties().rho_positive else "random"
        plan = replace(
            plan, init=init, polish=True, n_init="auto", alpha=problem.alpha, n_jobs=None, verbose=0
        )
        network = balanced(network, problem.penalty, problem.activation.degree)
        return cls(problem, network, plan, np.random.RandomState(0))

    def halves(self):
        """The problem on two random halves of the rows."""
        rows = self.problem.rows
        order = self.random_state.permutation(rows.n_rows)
        return [self.problem.on(rows.take(np.sort(half))) for half in np.array_split(order, 2)]


def enough_rows(rows_per_weight):
    """Whether there are more equations than weights."""
    passed = rows_per_weight >= LEAST_ROWS
    sentence = f"{rows_per_weight:.3g} rows for each weight."
    if not passed:
        sentence = (
            f"{rows_per_weight:.3g} rows for each weight, and {LEAST_ROWS:g} are needed to tell a network "
            f"from an interpolation: take more rows or fewer units."
        )
    return Check("rows", rows_per_weight, LEAST_ROWS, passed, True, sentence)


def bending_units(here):
    """Whether every unit is bent on as many rows as determine it.

    A unit that is linear on all rows but a few can be exchanged for others with the same outputs there. The
    rows on which a unit with slopes t is bent number (sum t^2)^2 / sum t^4, with t about their mean.
    """
    problem, at_rows = here.problem, here.at_rows

    def sums(block):
        slopes = problem.activation.derivative(block.X @ at_rows.W + at_rows.b)
        powers = np.stack([slopes, slopes**2, slopes**3, slopes**4], axis=1)
        return weighted(powers, None if block.weight is None else block.weight[:, :, None]).sum(axis=0)

    n = problem.rows.weight_sum
    a, b, c, d = problem.rows.sum(sums) / n
    square = np.maximum(b - a**2, 0.0)
    fourth = np.maximum(d - 4 * a * c + 6 * a**2 * b - 3 * a**4, np.finfo(float).tiny)
    per_weight = float((n * square**2 / fourth).min()) / (problem.coordinates.rank + 1)
    passed = per_weight > LEAST_BENT
    sentence = f"Every unit bends on {per_weight:.3g} rows for each of its weights, or more."
    if not passed:
        sentence = (
            f"A unit bends on {per_weight:.2g} rows for each of its weights only; on the others it is linear: "
            f"use fewer units, or rows on which it bends."
        )
    return Check("bending units", per_weight, LEAST_BENT, passed, True, sentence)


def enough_signal(here, rows_per_weight):
    """Whether a unit that is missing, or one too many, would stand out of the noise."""
    noise = 2 * here.data_loss / here.problem.rows.n_outputs
    signal = rows_per_weight * max(1 - noise, 0.0) / noise
    passed = signal >= LEAST_SIGNAL
    sentence = f"{signal:.3g} rows for each weight, times the variance explained over that left."
    if not passed:
        sentence = (
            f"{signal:.3g} rows for each weight, times the variance explained over that left, and "
            f"{LEAST_SIGNAL:g} are needed to see a wrong unit through the noise: take more rows, or fit a "
            f"model that explains more."
        )
    return Check("signal", signal, LEAST_SIGNAL, passed, False, sentence)


def free_curvature(here, free):
    """Smallest and largest eigenvalue of the Gauss-Newton matrix in the free weights.

    A small matrix is written out; Lanczos steps find the smallest eigenvalue of a larger one up to some
    1e-6 of the largest.
    """
    if free.size <= MATRIX_SIZE:
        values = eigvalsh(gauss_newton_matrix(here.problem, here.network, free))
        return max(values[0], 0.0), values[-1]

    def product(vector):
        return free.reduce(here.gauss_newton_product(free.expand(vector)))

    smallest, largest = extreme_eigenvalues(product, free.size, tol=LANCZOS_TOL)
    return max(smallest, LANCZOS_TOL * largest), largest


def determined(here, free):
    """Whether the rows determine every weight, to first order, as an exact fit needs it."""
    smallest, largest = free_curvature(here, free)
    share = smallest / max(largest, np.finfo(float).tiny)
    passed = share > SINGULAR
    sentence = f"The rows determine every weight (inverse condition {share:.1e})."
    if not passed:
        sentence = (
            f"Some weights are not determined (inverse condition {share:.1e}): a unit is dead, doubled or "
            f"linear on these rows; use fewer units or other rows."
        )
    return Check("determined weights", share, SINGULAR, passed, True, sentence)


def precise(here, free):
    """Whether noise leaves the weights determined: the largest error in any direction of theirs."""
    smallest, largest = free_curvature(here, free)
    floor = np.finfo(float).eps * max(largest, np.finfo(float).tiny)
    error = np.sqrt(2 * here.data_loss / here.problem.rows.weight_sum / max(smallest, floor))
    error /= max(np.linalg.norm(here.network.W, axis=0).min(), np.sqrt(floor))
    passed = error < IMPRECISE
    sentence = f"The standard error of the weights is at most {error:.2g} of the smallest weight vector."
    if not passed:
        sentence = (
            f"Along some direction the standard error of the weights is {error:.2g} of the smallest weight "
            f"vector: take more rows, fewer units, or another activation."
        )
    return Check("precise weights", error, IMPRECISE, passed, False, sentence)


def units_needed_exactly(case):
    """Whether an exact fit needs every unit."""
    problem, network = case.problem, case.network
    loss = min(
        problem.data_loss(without(problem, network, unit)) for unit in least_units(problem, network)
    )
    passed = loss > AS_EXACT
    sentence = f"The fit is exact, and without its least unit the loss rises to {loss:.1e} of var(y)."
    if not passed:
        sentence = f"The fit is exact with a unit less as well: use k={len(case.network.b) - 1}."
    return Check("every unit needed", loss, AS_EXACT, passed, True, sentence)


def noisy_checks(case, here, free, rows_per_weight):
    """The checks of a fit that is not exact, most of them on halves of the rows."""
    halves = case.halves()
    fitted = [steps(half, case.network) for half in halves]
    found = [
        enough_signal(here, rows_per_weight),
        precise(here, free),
        every_unit(case, halves, fitted),
    ]
    residual = [
        no_further_unit(case, halves, fitted),
        right_activation(case, free),
        no_second_moment(case),
    ]
    found += [*residual, nothing_together(residual)]
    if all(check.passed or not check.decisive for check in found):
        found.append(same_from_halves(case, halves))
    return found


def on_other_half(halves, smaller, larger):
    """Score of the larger networks, fitted on one half each, on the other halves, of both together."""
    pairs = zip(halves[::-1], smaller, larger, strict=True)
    return sum(explained(half, one, other) for half, one, other in pairs) / np.sqrt(2)


def no_further_unit(case, halves, fitted):
    """Whether a further unit, found on one half, explains nothing on the other."""
    more = [
        repaired_start(half, network, case.random_state, n_more=1)
        for half, network in zip(halves, fitted, strict=True)
    ]
    score = on_other_half(halves, fitted, more)
    passed = score < CHANCE
    sentence = f"A further unit explains nothing that noise would not ({score:.1f} standard errors)."
    if not passed:
        sentence = (
            f"A further unit, found on half of the rows, explains the residual of the others ({score:.1f} "
            f"standard errors): use more units, more starts (n_init) or another activation."
        )
    return Check("no further unit", score, CHANCE, passed, True, sentence)


def every_unit(case, halves, fitted):
    """Whether every unit explains something on rows that it was not fitted on."""
    score = min(
        on_other_half(halves, [without(half, network, unit) for half, network in both], fitted)
        for unit in least_units(case.problem, case.network)
        for both in [list(zip(halves, fitted, strict=True))]
    )
    passed = score > NEEDED
    sentence = f"Every unit is needed (at least {score:.1f} standard errors)."
    if not passed:
        sentence = (
            f"A unit is not needed ({score:.1f} standard errors on held-out rows): use "
            f"k={len(case.network.b) - 1}, or more rows."
        )
    return Check("every unit needed", score, NEEDED, passed, True, sentence)


def right_activation(case, free):
    """Whether no other function of the units' inputs explains the residual."""
    score = unexplained_by_inputs(case.problem, case.network, free)
    passed = score < CHANCE
    sentence = f"No other function of the units' inputs explains the residual ({score:.1f} standard errors)."
    if not passed:
        sentence = (
            f"Other functions of the units' inputs explain part of the residual ({score:.1f} standard "
            f"errors): try another activation, more units or more starts (n_init)."
        )
    return Check("activation", score, CHANCE, passed, True, sentence)


def no_second_moment(case):
    """Whether the second moment of the residual is that of noise."""
    score = unexplained_second_moment(
        case.problem, case.network, case.plan.white, case.random_state
    )
    passed = score < CHANCE
    sentence = f"The residual's second moment is that of noise ({score:.1f} standard errors)."
    if not passed:
        sentence = (
            f"The residual's second moment is not that of noise ({score:.1f} standard errors): use more "
            f"units or more starts (n_init)."
        )
    return Check("residual spectrum", score, CHANCE, passed, True, sentence)


def nothing_together(checks):
    """Whether what the tests of the residual saw together is noise, though each may be."""
    score = sum(check.value for check in checks) / np.sqrt(len(checks))
    passed = score < TOGETHER
    sentence = f"Together these show nothing in the residual ({score:.1f} standard errors)."
    if not passed:
        sentence = (
            f"Together these show structure in the residual ({score:.1f} standard errors): take more rows to "
            f"see which of units, activation or start is wrong."
        )
    return Check("residual", score, TOGETHER, passed, False, sentence)


def same_from_halves(case, halves):
    """Whether fresh starts on two halves, polished on all rows, end where the fit did."""
    fits = [fresh_fit(case, half) for half in halves]
    here = case.problem.evaluate(case.network)
    own = replace(fits[0], network=case.network, objective=here.loss)
    n_weights = case.network.pack().size
    limits = {
        "loss": max(SAME_LOSS, SAME_SHARE * n_weights / case.problem.rows.weight_sum),
        "cosine": SAME_COSINE,
    }
    n_same = sum(same_optimum(fit, own, **limits) for fit in fits)
    lower = 1 - min(fit.objective for fit in fits) / here.loss
    found_lower = lower > limits["loss"]
    passed = n_same > 0 and not found_lower
    sentence = f"Fresh starts on {n_same} of 2 halves of the rows lead to the same optimum."
    if found_lower:
        sentence = (
            f"A fresh start on half of the rows leads to a loss that is lower by {lower:.1e} of it: fit "
            f"again with more starts (n_init) or another random_state."
        )
    elif not passed:
        sentence = (
            "Fresh starts on two halves of the rows lead to other optima: take more rows, or fit again "
            "with more starts (n_init)."
        )
    return Check("independent starts", n_same, 1, passed, found_lower, sentence)


def fresh_fit(case, half):
    """A fit on half of the rows from a start of its own, polished on all rows."""
    rows, plan = half.rows.counted_anew(), case.plan
    plan = replace(plan, white=whitening(rows), alpha=case.problem.alpha)
    problem = half.on(rows)
    samples = growing_samples(rows, len(case.network.b), case.random_state)
    fit = grown_fit(problem, samples, len(case.network.b), plan, case.random_state)
    polish = replace(fit.polish, alpha=case.problem.alpha)
    return polish_on_more(case.problem, polish, max_iter=POLISH_STEPS, tol=POLISH_TOL)


def steps(problem, network):
    """The network after a few Gauss-Newton steps on the rows of the problem."""
    network = balanced(network, problem.penalty, problem.activation.degree)
    exact = exact_loss(problem.rows.dtype) if problem.alpha == 0 else 0.0
    return gauss_newton(
        problem, network, max_iter=REFIT_STEPS, tol=REFIT_TOL, exact_loss=exact
    ).network


def least_units(problem, network):
    """The units without which the loss rises least, as far as output weights alone can tell."""
    solution = solve_outputs(*output_equations(problem, network.W, network.b))
    return np.argsort(rises(*solution[:2]))[:LEFT_OUT]


def without(problem, network, unit):
    """The network without a unit, fitted again."""
    W, b = np.delete(network.W, unit, axis=1), np.delete(network.b, unit)
    fewer = with_fitted_outputs(problem, W, b)
    # Gauss-Newton steps need a unit to move.
    return steps(problem, fewer) if len(b) else fewer


def normal_rows(case):
    """How far the inputs are from normal ones."""
    score = fourth_moment_score(case.problem.rows, case.plan.white)
    passed = abs(score) <= NORMAL
    sentence = f"The fourth moment of the inputs is {score:+.1f} standard errors from that of normal ones."
    return Check("normal inputs", score, NORMAL, passed, False, sentence)


def usable_activation(here):
    """Properties 3.1 to 3.3 at the smallest and the largest weight vector."""
    sizes = np.linalg.norm(here.network.W, axis=0)
    sizes = np.clip([sizes.min(), sizes.max()], 1e-6, 1e6)
    found = [here.problem.activation.properties(size) for size in sizes]
    rho = min(properties.rho for properties in found)
    violated = sorted({number for properties in found for number in properties.violated})
    sentence = f"Rho is {rho:.2e} at the units' scale; the activation has all properties."
    if violated:
        sentence = f"Rho is {rho:.2e} at the units' scale; Property {' and '.join(violated)} fails."
    return Check("activation properties", rho, 0.0, not violated, False, sentence)


def visible_span(case):
    """Whether the second moment shows a direction for every unit, above that of random signs."""
    k = min(len(case.network.b), case.plan.white.rank)
    values, null = spectrum_against_signs(case.problem.rows, case.plan.white, case.random_state)
    ratio = float((values[:, k - 1] / np.maximum(null.max(axis=1), np.finfo(float).tiny)).max())
    sentence = f"Eigenvalue {k} of the second moment of y is {ratio:.2g} times what random signs show."
    return Check("visible span", ratio, 1.0, ratio > 1, False, sentence)


def hidden_curvature(here):
    """Smallest and largest eigenvalue of the Gauss-Newton matrix in W."""
    network = here.network
    zero = network.unpack(np.zeros(network.pack().size))

    def product(vector):
        return here.gauss_newton_product(zero._replace(W=vector.reshape(network.W.shape))).W.ravel()

    return extreme_eigenvalues(product, network.W.size)


def contraction(losses):
    """Average factor by which an iteration brings the loss closer to the last one."""
    if len(losses) < 3 or not losses[0] > losses[-1]:
        return 1.0
    # The last step but one: the last ends at zero.
    left = (losses[-2] - losses[-1]) / (losses[0] - losses[-1])
    return float(max(left, np.finfo(float).eps ** 2) ** (1 / (len(losses) - 2)))
