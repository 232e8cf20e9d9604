"""The distribution of a new target: where the network is, how sure that is, and the noise about it.

The error of a new target, over v(x)^(1/2) of ``noise.py``, is distributed as those of the rows of the
fit, each left out of it, or as those of held-out rows. An interval takes quantiles of these scores, with
the one of the new row counted among them (jackknife+ without refits: R. F. Barber, E. J. Candes,
A. Ramdas, R. J. Tibshirani, 2021, doi:10.1214/20-AOS1965; by Gauss-Newton matrices, arXiv:2507.20272). A
density takes the t distribution that is nearest to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from .._data.blocks import Block
from .._data.rows import ArrayRows, Rows
from .._data.targets import TargetScale
from .._network.line import Line, joined
from .._network.loss import SquaredLoss
from .._network.network import Network
from .._network.symmetries import caller_network, of_inputs
from .._optimization.gauss_newton import Solution
from .._typing import Array
from ..activations import Activation
from .covariance import WeightCovariance
from .noise import NoiseModel, fit_noise
from .rules import PREDICTIVE, PredictiveRules
from .student_t import t_distribution
from .values import Values, values_left_out, values_on

# Powers of ten up to which weights and their errors may differ from one in single precision.
SINGLE_DIGITS = 12


@dataclass(frozen=True)
class Predictive:
    """What the distribution of a new target needs beside the reported network.

    Attributes
    ----------
    networks : list of Network
        The members of the mean, as reported; the network itself where it is none.
    factors : list of array of shape (n_weights, n_free_weights)
        F of each, with F F^T the covariance of its weights.
    shares : array of shape (n_members,)
    noise : list of NoiseModel
        One for each output.
    scores : list of array
        Errors over their standard deviations, in increasing order, one array for each output.
    shares_below : list of array
        Weights of the rows up to each score, in rows.
    df, scale, rms : arrays of shape (n_outputs,)
        Degrees of freedom and scale of the t distribution of the scores, and their root mean square.
    noise_std : array of shape (n_outputs,)
        Root of the mean square of the errors less the variance of the value.
    """

    networks: list[Network]
    factors: list[Array]
    shares: Array
    noise: list[NoiseModel]
    scores: list[Array]
    shares_below: list[Array]
    df: Array
    scale: Array
    rms: Array
    noise_std: Array

    def state(self) -> dict[str, Any]:
        """Arrays, lists and dictionaries alone, to be saved."""
        return vars(self) | {
            "networks": [list(network) for network in self.networks],
            "noise": [dict(vars(model)) for model in self.noise],
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> "Predictive":
        """What :meth:`state` is of."""
        networks = [Network(*weights) for weights in state["networks"]]
        return cls(**state | {"networks": networks, "noise": [NoiseModel(**m) for m in state["noise"]]})

    def values(self, rows: ArrayRows, activation: Activation) -> Values:
        """The network's values on rows, and how sure they are."""
        return values_on(rows, self.networks, self.factors, self.shares, activation)

    def variances(self, rows: ArrayRows, activation: Activation) -> Array:
        """Those of the values, up to parts in a million: in single precision, where that holds them.

        Targets of extreme units make weights whose squares are too large, or too small; so may be rows.
        """
        weights = (
            float(np.abs(array).max(initial=0.0)) for array in chain(*self.networks, self.factors)
        )
        digits = [
            abs(np.log10(largest)) for largest in weights if largest > 0
        ]  # without intercepts zero
        largest = max(rows.map(lambda block: float(abs(block.X).max())))
        fits = max(digits, default=0.0) < SINGLE_DIGITS and largest < 10.0**SINGLE_DIGITS
        dtype = np.float32 if fits else np.float64
        networks = [network.astype(dtype) for network in self.networks]
        factors = [factor.astype(dtype, copy=False) for factor in self.factors]
        found = values_on(rows, networks, factors, self.shares, activation).variance
        return found.astype(np.float64)

    def spread(self, rows: ArrayRows, network: Network, activation: Activation) -> Array:
        """v(x)^(1/2) of each output (n_rows, n_outputs); the network is the one reported."""
        variances = self.variances(rows, activation)
        if all(model.lowest == model.highest for model in self.noise):
            logs = np.broadcast_to([model.lowest for model in self.noise], variances.shape)
        else:
            logs = log_factors(rows, network, activation, self.noise)
        outputs = zip(self.noise, variances.T, logs.T, strict=True)
        spread: Array = np.sqrt(np.stack([model.variance(u, log) for model, u, log in outputs], axis=1))
        return spread

    def quantiles_of_scores(self, levels: Sequence[float]) -> Array:
        """Quantiles (n_outputs, n_levels) of the scores, that of the new row among them.

        Those beyond the scores are infinite.
        """
        return np.array([
            [quantile(scores, below, level) for level in levels]
            for scores, below in zip(self.scores, self.shares_below, strict=True)
        ])  # fmt: skip

    @property
    def n_scores(self) -> float:
        """Rows by which intervals are found."""
        return min(float(below[-1]) for below in self.shares_below)


def quantile(scores: Array, below: Array, level: float) -> float:
    """The score up to which there is at least the share ``level`` of all scores and a further one.

    Below the median the other way round, so that the interval between two such is no smaller than the
    levels say.

    Parameters
    ----------
    scores : array of shape (n_scores,)
        In increasing order.
    below : array of shape (n_scores,)
        Weights up to each, it included.
    level : float
    """
    if level < 0.5:
        weights = np.diff(below, prepend=0.0)
        return -quantile(-scores[::-1], np.cumsum(weights[::-1]), 1 - level)
    needed = level * (below[-1] + 1)
    # Rounding of the sums must not ask for a further score.
    place = int(np.searchsorted(below, needed * (1 - 1e-12)))
    return float(scores[place]) if place < len(scores) else np.inf


def log_factors(
    rows: ArrayRows, network: Network, activation: Activation, noise: Sequence[NoiseModel]
) -> Array:
    """Log g (n_rows, n_outputs)."""

    def of_block(block: Block) -> Array:
        units = activation.value(np.asarray(block.X @ network.W + network.b))
        return np.stack([model.log_factor(block.X, units) for model in noise], axis=1)

    return np.concatenate(rows.map(of_block))


def reported_members(
    solution: Solution, network: Network, problem: SquaredLoss, targets: TargetScale
) -> tuple[list[Network], Array]:
    """The members of a mean as they are reported, or the network alone, and their shares."""
    if not solution.members:
        return [network], np.ones(1)
    members = [caller_network(member.network, problem, targets) for member in solution.members]
    return members, np.array([member.share for member in solution.members])


def fit_predictive(
    rows: Rows,
    covariances: Sequence[WeightCovariance],
    members: Sequence[Network],
    shares: Array,
    network: Network,
    targets: TargetScale,
    *,
    line: Line | None = None,
    held_out: ArrayRows | None,
    rules: PredictiveRules = PREDICTIVE,
) -> Predictive:
    """The distribution of a new target.

    Parameters
    ----------
    rows : Rows
        Those of the fit, with scaled targets, each as often as it is there. Of many, or where they are
        not in memory, some count.
    covariances : list of WeightCovariance
        Of the members.
    members : list of Network
        As reported.
    shares : array of shape (n_members,)
    network : Network
        The mean of the members, as reported.
    targets : TargetScale
    line : Line or None
        What the network has beside the members, whose problem has errors of rows left out of the line.
    held_out : ArrayRows or None
        Rows with scaled targets that took no part in the fit: their errors count for the scores.
    rules : PredictiveRules

    Returns
    -------
    Predictive
    """
    activation = covariances[0].problem.activation
    size = rows.n_features + len(network.b)
    sample = rows.subsample(max(rules.sample_entries // size, 2))
    as_fitted = covariances[0].problem.rows.subsample(max(rules.sample_entries // size, 2))
    left_out = values_left_out(as_fitted, covariances, shares, rules)
    X = sample.X if isinstance(sample.X, np.ndarray) else sample.X.toarray()
    units = activation.value(np.asarray(sample.X @ network.W + network.b))
    weight = np.ones(sample.n_rows) if sample.weight is None else sample.weight[:, 0]
    errors, variances = left_out.mean * targets.scale, left_out.variance * targets.scale**2
    if line is not None:
        own = covariances[0].problem.array_rows.with_targets(line.variance)
        variances = variances + own.subsample(max(rules.sample_entries // size, 2)).y * targets.scale**2
    outputs = zip(errors.T, variances.T, strict=True)
    fits = [fit_noise(*of_output, X, units, weight, rules) for of_output in outputs]
    noise, scores = [model for model, _ in fits], [found for _, found in fits]
    factors = [covariance.of_all_weights(targets) for covariance in covariances]
    noise_variance = np.average(errors**2 - variances, axis=0, weights=weight)
    networks = list(members)
    if line is not None:
        factors = [
            beside_line(line, covariance.problem, targets, factor, member)
            for covariance, factor, member in zip(covariances, factors, members, strict=True)
        ]
        head = of_inputs(line.network, covariances[0].problem, targets)
        networks = [joined(head, member) for member in members]
    bare = Predictive(
        networks, factors, shares, noise, scores, [], *np.ones((4, len(noise)))
    )  # fmt: skip
    if held_out is not None:
        y = held_out.y * targets.scale + targets.mean
        spread = bare.spread(held_out, network, activation)
        scores = list(((y - bare.values(held_out, activation).mean) / spread).T)
        weight = np.ones(held_out.n_rows) if held_out.weight is None else held_out.weight[:, 0]
    found = with_scores(bare, scores, weight)
    return replace(found, noise_std=np.sqrt(np.maximum(noise_variance, 0.0)))


def beside_line(
    line: Line, problem: SquaredLoss, targets: TargetScale, factor: Array, member: Network
) -> Array:
    """The factor F of a line and a member beside it, as of :func:`joined`; their errors are not related.

    Parameters
    ----------
    line : Line
    problem : SquaredLoss
        In whose coordinates the line is.
    targets : TargetScale
    factor : array of shape (n_weights, n_free_weights)
        That of the member.
    member : Network
        As reported.
    """
    head, size = line.factor(), factor.shape[1]
    n, flat = head.c.shape[1], head.W.reshape(len(head.W), -1)
    W, b = problem.coordinates.weights_to_inputs(flat, np.zeros(flat.shape[1]))
    c = head.c * targets.scale[:, None]
    head = head._replace(W=W.reshape(len(W), -1, n), b=b.reshape(-1, n), c=c)
    parts = np.split(factor, np.cumsum([part.size for part in member])[:-1])
    own = [part.reshape(*weights.shape, size) for part, weights in zip(parts, member, strict=True)]

    def side_by_side(one: Array, other: Array, axis: int) -> Array:
        """One above the other, each with columns of its own."""
        none = [(0, 0)] * (one.ndim - 1)
        both = np.pad(one, [*none, (0, size)]), np.pad(other, [*none, (n, 0)])
        return np.concatenate(both, axis=axis).reshape(-1, n + size)

    stacked = [
        side_by_side(one, other, axis) for one, other, axis in zip(head, own, (1, 0, 0), strict=False)
    ]
    return np.concatenate([*stacked, np.concatenate([head.c, own[3]], axis=1)])


def with_scores(bare: Predictive, scores: Sequence[Array], weight: Array) -> Predictive:
    """The distribution whose scores are these."""
    orders = [np.argsort(found, kind="stable") for found in scores]
    df, scale = np.array([t_distribution(found, weight) for found in scores]).T
    rms = np.array([np.sqrt(np.average(found**2, weights=weight)) for found in scores])
    return replace(
        bare,
        scores=[found[order] for found, order in zip(scores, orders, strict=True)],
        shares_below=[np.cumsum(weight[order]) for order in orders],
        df=df, scale=scale, rms=rms,
    )  # fmt: skip
