"""One start, followed to its end: initialized, descended, polished."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.random import RandomState
from sklearn.utils import check_random_state

from .._data.coordinates import Coordinates
from .._data.gaussianity import rows_are_normal
from .._data.rows import Rows
from .._network.loss import SquaredLoss
from .._network.network import Network
from .._network.output_layer import with_fitted_outputs
from .._network.symmetries import with_output_norm
from .._optimization.elimination import random_start
from .._optimization.gauss_newton import Solution, Stopping
from .._optimization.gradient_descent import DescentResult, gradient_descent
from .._selection.criteria import CriteriaRules
from .._tensor.initialization import tensor_start
from .members import fit_from_start
from .polish import polish_start, run_observed
from .progress import Observers, Trace
from .regimes import moments_are_uninformative
from .rules import SearchRules, StartRules
from .stages import PolishTask, exact_loss
from .starts import (
    RANDOM_SLOPE,
    overparameterized_start,
    quasi_newton,
    random_units,
    residual_directions_start,
)

# Steps of L-BFGS at most, for each that Gauss-Newton may take.
QUASI_NEWTON_STEPS = 10

# Loss of a network that is constant, for each output of unit variance.
ZERO_LOSS = 0.5


@dataclass(frozen=True)
class FitOptions:
    """How to fit: the parameters of the estimator that the search over starts reads.

    Attributes are named as there, but for these.

    Attributes
    ----------
    init : str or Network
        A network in the coordinates of the problem.
    moment_coordinates : Coordinates
        In which the moments take rows for N(0, I).
    learning_rate : float or "auto"
        For targets at unit variance.
    output_norm : float
        The |v_i| that homogeneous units have in descent, where v stays.
    held_out : Rows or None
        Rows that stop the polish.
    observers : Observers
        Told of every step.
    rules : SearchRules
    """

    init: str | Network
    moment_coordinates: Coordinates
    moments: str
    resample: bool
    polish: bool
    learning_rate: float | Literal["auto"]
    output_norm: float
    max_iter: int
    tol: float
    n_init: int | Literal["auto"]
    alpha: float | Literal["auto"]
    n_jobs: int | None
    held_out: Rows | None = None
    score_function: Any = None
    observers: Observers = field(default_factory=Observers)
    rules: SearchRules = SearchRules()

    @property
    def criteria(self) -> CriteriaRules:
        """The numbers of the criteria."""
        return self.rules.polish.evidence.criteria

    def trace(self, name: str, problem: SquaredLoss, before: Trace | None = None) -> Trace:
        """The record of the steps to come, with the held-out rows."""
        patience = self.rules.polish.patience
        return Trace(name, problem, self.observers, self.held_out, before, patience)

    @property
    def stopping(self) -> Stopping:
        """When a stage on all rows ends."""
        return Stopping(max_iter=self.max_iter, tol=self.tol)


@dataclass(frozen=True)
class StartResult:
    """One start, followed to its end.

    Attributes
    ----------
    start : Network
        In white coordinates, as all networks here.
    solution : Solution
        Where it ended: the polish or, without one, descent.
    trace : Trace
        The losses of all stages.
    path : str
        "tensor", "half sample", "random", "given", "residual directions", "overparameterized", "steep",
        "quasi-Newton".
    rows_read : int
    n_starts : int
        Starts that were tried in all.
    missed : float
        Mean squared error of a scaled output beyond that of :func:`reference_error`.
    """

    start: Network
    solution: Solution
    trace: Trace
    path: str
    rows_read: int
    n_starts: int = 1
    missed: float = 0.0


@np.errstate(all="ignore")  # starts may have threads of their own
def one_start(
    problem: SquaredLoss,
    k: int,
    options: FitOptions,
    path: str,
    seed: int,
    first: Solution | None = None,
    *,
    name: str = "",
    slope: float = RANDOM_SLOPE,
    noise: float | None = None,
) -> StartResult:
    """Initialize, descend, polish.

    Parameters
    ----------
    problem : SquaredLoss
    k : int
    options : FitOptions
    path : str
        As of :class:`StartResult`.
    seed : int
    first : Solution or None
        Where the first start ended, for the path along its residual, and for its penalty.
    name : str
        Shown by ``verbose`` and by callbacks.
    slope : float
        Of the random units of the path "steep", and of all that a polish begins with.
    noise : float or None
        The penalty of weights of order one; None where the targets tell of their noise, or are few.

    Returns
    -------
    StartResult
    """
    random_state = check_random_state(seed)
    problem = problem.replace(problem.array_rows.with_own_counter())
    target = loss_target(problem, first, options)
    if path in ("tensor", "half sample") and skips_moments(problem, k, options):
        path = "random"
    if path == "quasi-Newton":
        lightly = problem.replace(problem.rows, alpha=options.rules.starts.few_noise)
        units, fresh = random_units(problem, k, random_state), problem
        start = quasi_newton(lightly, units, QUASI_NEWTON_STEPS * options.max_iter)
    elif path == "steep":
        units = random_units(problem, k, random_state, slope)
        start, fresh = with_fitted_outputs(problem, units.W, units.b), problem
    else:
        start, fresh = initialize(problem, k, options, path, first, target, random_state)
    start = with_output_norm(start, options.output_norm, problem.activation.degree)
    alpha = None if options.alpha == "auto" else options.alpha
    if options.alpha == "auto" and first is not None:
        alpha = first.alpha
    elif options.alpha == "auto":
        alpha = penalty_of_noise(problem, noise, slope, options.rules.starts)
    trace = options.trace(name, problem)

    def follow() -> Solution:
        descent = descend_from(start, fresh, options, trace, random_state)
        loss = problem.data_loss(descent.network)
        if not options.polish:
            return Solution(descent.network, loss, loss, 0.0, descent.reason)
        # On few rows a step may have raised the loss.
        network = descent.network if loss <= problem.data_loss(start) else start
        task = PolishTask(
            problem, network, alpha, trace, random_state,
            options.stopping, loss_target=target, rules=options.rules, slope=slope,
            is_given=path == "given",
        )  # fmt: skip
        return fit_from_start(task) if path == "quasi-Newton" else polish_start(task)

    solution = run_observed(follow, problem, trace, alpha)
    return StartResult(start, solution, trace, path, problem.rows.rows_read)


def penalty_of_noise(
    problem: SquaredLoss, noise: float | None, slope: float, rules: StartRules
) -> float | None:
    """The penalty of units of a slope under this noise; None where the targets tell of it.

    Fewer than ten do not tell noise from a function of rows that differ.
    """
    if noise is None and problem.n_targets < rules.few_targets and problem.coordinates.rank > 0:
        noise = rules.few_noise
    return None if noise is None else noise * (RANDOM_SLOPE / slope) ** 2


def loss_target(problem: SquaredLoss, first: Solution | None, options: FitOptions) -> float:
    """The data loss of scaled targets below which a further start is worth its polish.

    It is that of the first, with its penalty: without one the further start has less where it is better.
    """
    if (
        first is None
        or options.n_init != "auto"
        or rows_are_normal(problem.rows, problem.coordinates, options.rules.data)
    ):
        return np.inf
    return first.data_loss


def initialize(
    problem: SquaredLoss,
    k: int,
    options: FitOptions,
    path: str,
    first: Solution | None,
    target: float,
    random_state: RandomState,
) -> tuple[Network, SquaredLoss]:
    """The start of a path, and the problem on the rows that descent may take.

    Parameters
    ----------
    problem, k, options, path, first
        As of :func:`one_start`.
    target : float
        A start whose data loss is not below this need not be made with care.
    random_state : numpy.random.RandomState

    Returns
    -------
    start : Network
    fresh : SquaredLoss
    """
    if path == "given":
        assert isinstance(options.init, Network)
        return options.init, problem
    if path == "random":
        return random_start(problem, k, random_state), problem
    if path == "overparameterized":
        return overparameterized_start(problem, k, random_state, loss_target=target), problem
    if path == "residual directions":
        assert first is not None
        start = residual_directions_start(problem, first.network, random_state, loss_target=target)
        return start, problem
    if path == "half sample":
        chosen = random_state.permutation(problem.rows.n_rows)[: problem.rows.n_rows // 2]
        half = problem.replace(problem.array_rows.take(np.sort(chosen)))
        return start_from_moments(half, k, options, random_state, split=False), problem
    own, fresh = initialization_split(problem, k, options, random_state)
    start = start_from_moments(own, k, options, random_state, split=fresh is not own)
    if fresh is problem and not problem.data_loss(start) <= ZERO_LOSS * start.V.shape[1]:
        # Worse than nothing, as moments of rows far from N(0, I) may be.
        start = with_fitted_outputs(problem, start.W, start.b)
    return start, fresh


def skips_moments(problem: SquaredLoss, k: int, options: FitOptions) -> bool:
    """Whether the polish makes of random units what it would make of moments.

    A score that the user brings is used all the same.
    """
    if problem.coordinates.rank == 0:
        return True
    if options.score_function is not None:
        return False
    if problem.rows.n_rows < problem.coordinates.rank:  # as they are not when they are white
        return True
    if not options.polish or options.alpha == 0:
        return False
    return moments_are_uninformative(problem, k, options.rules)


def descend_from(
    start: Network, problem: SquaredLoss, options: FitOptions, trace: Trace, random_state: RandomState
) -> DescentResult:
    """Descent from a start, as far as the options have it."""
    return gradient_descent(
        problem,
        start,
        resample=options.resample,
        rows_per_weight=int(options.criteria.many_targets),
        learning_rate=options.learning_rate,
        # Before a polish descent reads the rows once: one step where it takes them all.
        max_iter=options.max_iter,
        one_pass=options.polish,
        random_state=random_state,
        tol=options.tol,
        exact_loss=exact_loss(problem.rows.dtype),
        callback=trace.stage("descent", watched=False),
    )


def initialization_split(
    problem: SquaredLoss, k: int, options: FitOptions, random_state: RandomState
) -> tuple[SquaredLoss, SquaredLoss]:
    """The problem on a part for the initialization, and on the rest for descent.

    As in the theorem, with raw moments and fresh parts, where there are rows for that; otherwise both
    have all rows.
    """
    rows = problem.array_rows
    least = 2 * options.criteria.many_targets * k * problem.coordinates.rank
    n_own = rows.n_rows // 2
    if options.moments != "raw" or not options.resample or rows.n_rows - n_own < least:
        return problem, problem
    order = random_state.permutation(rows.n_rows)
    own, fresh = (problem.replace(rows.take(np.sort(part))) for part in np.split(order, [n_own]))
    return own, fresh


def start_from_moments(
    problem: SquaredLoss, k: int, options: FitOptions, random_state: RandomState, *, split: bool
) -> Network:
    """Tensor initialization, brought from the coordinates of the moments to those of the problem."""
    white = options.moment_coordinates
    start = tensor_start(
        problem.array_rows, white, k, problem.activation, options.moments,
        split=split, score_function=options.score_function, random_state=random_state,
    )  # fmt: skip
    W, b = white.weights_to_inputs(start.W, start.b)
    if not problem.fit_intercept:
        b, start = np.zeros_like(b), start._replace(c=np.zeros_like(start.c))
    W, b = problem.coordinates.weights_from_inputs(W, b)
    if k > problem.coordinates.rank > 0:
        # Steps that begin with the random units at zero may end before those count.
        return with_fitted_outputs(problem, W, b)
    return start._replace(W=W, b=b)
