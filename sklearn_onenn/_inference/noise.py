"""The noise of a target: its variance, whether that depends on the row, and its quantiles.

The error e of a row that is left out has the variance
    v(x) = g(x) (a + b m log(1 + u(x) / m)),
u that of the network's value, m its median over the rows, and log g linear in the inputs and in the
network's units; g = 1 where a score test finds no dependence. For most rows the logarithm is u itself;
the largest u are those of rows far from others, of which linearized networks are less sure than networks
that are fitted again. No row tells of u beyond the largest seen: what is beyond counts in full. All is
estimated by maximum likelihood, as if e / v^(1/2)
had a t distribution, whose degrees of freedom are estimated too: so a few gross errors count little
(K. L. Lange, R. J. A. Little, J. M. G. Taylor, 1989, doi:10.1080/01621459.1989.10478852). The
coefficients of g have a normal prior, whose variance is that of largest evidence, and for the error of a
row its own share in g is taken out.

The test asks for all coefficients at once whether their variance is zero: by the squared norm of the
score, whose distribution is near that of a multiple of chi^2 (X. Lin, 1997,
doi:10.1093/biomet/84.2.309).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from .._data.floating_point import EPSILON, TINY
from .._typing import Array
from .rules import PREDICTIVE, PredictiveRules
from .student_t import additive_variance, median, t_likelihood

# Steps towards the penalty of largest evidence.
STEPS = 50

# Logarithm of a factor by which no variance differs from row to row.
LARGEST_LOG = 100.0


@dataclass(frozen=True)
class NoiseModel:
    """The variance of the error of one output at a row.

    Attributes
    ----------
    constant, value_factor : float
        a and b.
    value_unit, value_limit : float
        m, and the largest u of the rows of the fit.
    p_value : float
        Of the test that the variance is the same on all rows.
    by_inputs, by_units : arrays of shapes (n_features,) and (k,)
        Coefficients of log g.
    intercept : float
    lowest, highest : float
        Of log g on the rows of the fit: it is not extrapolated.
    """

    constant: float
    value_factor: float
    value_unit: float
    value_limit: float
    p_value: float
    by_inputs: Array
    by_units: Array
    intercept: float
    lowest: float
    highest: float

    def variance(self, of_value: Array, log_factor: Array) -> Array:
        """v (n_rows,) from u and log g."""
        within = damped(of_value, self.value_unit, self.value_limit)
        beyond = np.maximum(of_value - self.value_limit, 0.0)
        v: Array = (self.constant + self.value_factor * within) * np.exp(log_factor) + beyond
        return v

    def log_factor(self, X: Array, units: Array) -> Array:
        """Log g (n_rows,), from the rows and the values (n_rows, k) of the units."""
        linear = X @ self.by_inputs + units @ self.by_units + self.intercept
        return np.clip(linear, self.lowest, self.highest)


def fit_noise(
    errors: Array, variances: Array, X: Array, units: Array, weight: Array,
    rules: PredictiveRules = PREDICTIVE,
) -> tuple[NoiseModel, Array]:  # fmt: skip
    """The noise of one output, and the errors in units of their standard deviations.

    Parameters
    ----------
    errors : array of shape (n_rows,)
        Of rows that are left out.
    variances : array of shape (n_rows,)
        Of the network's value there.
    X : array of shape (n_rows, n_features)
    units : array of shape (n_rows, k)
        Values of the units.
    weight : array of shape (n_rows,)
    rules : PredictiveRules

    Returns
    -------
    model : NoiseModel
    scores : array of shape (n_rows,)
        e / v^(1/2).
    """
    unit = max(np.average(errors**2, weights=weight), TINY)
    value_limit = float(variances.max())
    value_unit = max(median(variances, weight), EPSILON * value_limit)
    values = damped(variances, value_unit, value_limit)
    a, b, df = additive_variance(errors**2 / unit, values / unit, weight)
    constant = max(a * unit, TINY)
    v = constant + b * values
    features, expand = standardized_features(X, units, weight)
    squares = errors**2 / v
    p_value = score_test(features, squares, df, weight)
    coefficients, level, logs = np.zeros(features.shape[1]), 0.0, np.zeros(len(errors))
    if p_value < rules.significance:
        found = log_variance(features, squares, df, weight)
        if np.abs(found[2]).max() < LARGEST_LOG:  # steps run away where weights are of all sizes
            coefficients, level, logs = found
    fitted = features @ coefficients + level
    by_inputs, by_units, intercept = expand(coefficients, level)
    model = NoiseModel(
        constant, b, value_unit, value_limit, p_value, by_inputs, by_units, intercept,
        float(fitted.min()), float(fitted.max()),
    )  # fmt: skip
    return model, errors / np.sqrt(v * np.exp(logs))


def damped(variances: Array, unit: float, limit: float) -> Array:
    """Variances up to a limit, those far above the unit brought down to its order."""
    return unit * np.log1p(np.minimum(variances, limit) / unit)


def standardized_features(X: Array, units: Array, weight: Array) -> tuple[Array, "Expansion"]:
    """Inputs and units, centred; each kind has a mean square of one in all."""
    parts = np.concatenate([X, units], axis=1, dtype=np.float64)
    mean = np.average(parts, axis=0, weights=weight)
    parts -= mean
    scale = np.sqrt(np.average(parts**2, axis=0, weights=weight))
    # A column that hardly varies is no column.
    varies = scale > 1e-6 * np.maximum(np.abs(mean), TINY)
    d = X.shape[1]
    scale[:d] *= np.sqrt(max(varies[:d].sum(), 1))
    scale[d:] *= np.sqrt(max(varies[d:].sum(), 1))
    parts *= np.divide(1.0, scale, out=np.zeros_like(scale), where=varies)
    return parts, Expansion(mean, np.where(varies, scale, np.inf), d)


@dataclass(frozen=True)
class Expansion:
    """From coefficients of standardized features to those of inputs and units."""

    mean: Array
    scale: Array
    d: int

    def __call__(self, coefficients: Array, level: float) -> tuple[Array, Array, float]:
        """Coefficients of the inputs and of the units, and the intercept."""
        by_parts = coefficients / self.scale
        return by_parts[: self.d], by_parts[self.d :], float(level - self.mean @ by_parts)


def score_test(features: Array, squares: Array, df: float, weight: Array) -> float:
    """Probability of so large a score where the variance is the same on all rows."""
    score = t_likelihood(squares, df)[1]
    score = score - np.average(score, weights=weight)
    norm = (((weight * score) @ features) ** 2).sum()
    variance = np.average(score**2, weights=weight)
    eigenvalues = np.linalg.eigvalsh(features.T @ (features * weight[:, None]))
    total, squared = eigenvalues.sum(), (eigenvalues**2).sum()
    if not (variance > 0 and total > 0):
        return 1.0
    return float(chi2.sf(norm / variance * total / squared, total**2 / squared))


def log_variance(
    features: Array, squares: Array, df: float, weight: Array
) -> tuple[Array, float, Array]:
    """Coefficients of log g under the penalty of largest evidence, its level, and its values.

    The values are those of rows whose own errors do not count, to first order.
    """
    information = df / (2 * (df + 3))
    eigenvalues, basis = np.linalg.eigh(information * features.T @ (features * weight[:, None]))
    eigenvalues = np.maximum(eigenvalues, 0.0)
    coefficients, level, penalty = np.zeros(features.shape[1]), 0.0, 1.0

    def score_at(logs: Array) -> Array:
        return t_likelihood(squares * np.exp(-logs), df)[1]

    for _ in range(STEPS):
        linear = features @ coefficients
        score = score_at(linear + level)
        level += np.average(score, weights=weight) / information
        right = features.T @ (weight * (information * linear + score))
        step = basis @ ((basis.T @ right) / (eigenvalues + penalty))
        coefficients = (coefficients + step) / 2
        determined = (eigenvalues / (eigenvalues + penalty)).sum()
        penalty = determined / max(coefficients @ coefficients, TINY)
    own = information * (((features @ basis) ** 2) / (eigenvalues + penalty)).sum(axis=1)
    logs = features @ coefficients + level
    return coefficients, level, logs - own * score_at(logs) / information / (1 - np.minimum(own, 0.9))
