"""One start, followed to its end: initialized, descended, polished."""

from dataclasses import dataclass, field

import numpy as np
from sklearn.utils import check_random_state

from .._data.gaussianity import rows_are_normal
from .._data.whitening import Coordinates
from .._network.output_layer import with_fitted_outputs
from .._network.symmetries import with_output_norm
from .._optimization.elimination import random_start
from .._optimization.gradient_descent import ROWS_PER_WEIGHT, gradient_descent
from .._tensor.initialization import tensor_start
from .polish import moments_are_uninformative, polish_start, run_observed
from .progress import Observers, Trace
from .stages import Polish, exact_loss
from .starts import overparameterized_start, residual_directions_start

# On rows that are not normal many optima are nearly as good as the first: a further start must lower the
# loss to this share of it.
REQUIRED_RATIO = 0.5

# Loss of a network that is constant, for each output of unit variance.
ZERO_LOSS = 0.5


@dataclass(frozen=True)
class FitOptions:
    """How to fit: the parameters of the estimator that the search over starts reads.

    Attributes are named as there; ``init`` may be a :class:`Network` in the coordinates of the problem.
    ``moment_coordinates`` are those in which the moments take rows for N(0, I).
    The learning rate is that of targets at unit variance, ``output_norm`` the |v_i| that homogeneous
    units have in descent, where v stays. ``held_out`` are rows that stop the polish, or None;
    ``progress`` is told of every step.
    """

    init: object
    moment_coordinates: Coordinates
    moments: str
    resample: bool
    polish: bool
    learning_rate: object
    output_norm: float
    max_iter: int
    tol: float
    n_init: object
    alpha: object
    n_jobs: object
    held_out: object = None
    score_function: object = None
    progress: Observers = field(default_factory=Observers)


@dataclass(frozen=True)
class StartResult:
    """One start, followed to its end.

    Attributes
    ----------
    start : Network
        In white coordinates, as all networks here.
    polish : Polish
        Where it ended; without polish, where descent ended.
    course : Course
        The losses of all stages.
    path : str
        "tensor", "half", "random", "given", "repaired" or "pruned".
    rows_read : int
    n_starts : int
        Starts that were tried in all.
    """

    start: object
    polish: object
    trace: Trace
    path: str
    rows_read: int
    n_starts: int = 1


def one_start(problem, k, options, path, seed, first=None, *, name=""):
    """Initialize, descend, polish.

    Parameters
    ----------
    path : str
    seed : int
    first : Polish
        Where the first start ended, for the path that repairs it, and for its penalty.
    name : str
        For those who watch.

    Returns
    -------
    Fit
    """
    random_state = check_random_state(seed)
    problem = problem.replace(problem.rows.with_own_counter())
    fresh, loss_target = problem, np.inf
    if first and options.n_init == "auto" and not rows_are_normal(problem.rows, problem.coordinates):
        loss_target = REQUIRED_RATIO * first.loss
    if path in ("tensor", "half") and skips_moments(problem, k, options):
        path = "random"
    if path == "given":
        start = options.init
    elif path == "random":
        start = random_start(problem, k, random_state)
    elif path == "pruned":
        start = overparameterized_start(problem, k, random_state, loss_target=loss_target)
    elif path == "repaired":
        start = residual_directions_start(problem, first.network, random_state, loss_target=loss_target)
    elif path == "half":
        subsample = random_state.permutation(problem.rows.n_rows)[: problem.rows.n_rows // 2]
        half = problem.replace(problem.rows.take(np.sort(subsample)))
        start = moment_start(half, k, options, random_state, split=False)
    else:
        own, fresh = initialization_split(problem, k, options, random_state)
        start = moment_start(own, k, options, random_state, split=fresh is not own)
        if fresh is problem and not problem.data_loss(start) <= ZERO_LOSS * start.V.shape[1]:
            # Worse than nothing, as moments of rows far from N(0, I) may be.
            start = with_fitted_outputs(problem, start.W, start.b)
    start = with_output_norm(start, options.output_norm, problem.activation.degree)
    alpha = options.alpha if options.alpha != "auto" else first.alpha if first else None
    trace = Trace(name, problem, options.progress, options.held_out)

    def follow():
        descent = descend_from(start, fresh, options, trace, random_state)
        loss = problem.data_loss(descent.network)
        if not options.polish:
            return Polish(descent.network, loss, loss, 0.0, True, descent.reason)
        network = descent.network if loss <= problem.data_loss(start) else start
        limits = {"max_iter": options.max_iter, "tol": options.tol, "loss_target": loss_target}
        return polish_start(problem, network, alpha, trace, random_state=random_state, **limits)

    polish = run_observed(follow, problem, trace, alpha)
    return StartResult(start, polish, trace, path, problem.rows.rows_read)


def skips_moments(problem, k, options):
    """Whether the polish makes of random units what it would make of moments.

    A score that the user brings is used all the same.
    """
    if not options.polish or options.alpha == 0 or options.score_function is not None:
        return False
    return moments_are_uninformative(problem, k)


def descend_from(start, problem, options, trace, random_state):
    """Descent from a start, as far as the plan has it."""
    return gradient_descent(
        problem,
        start,
        resample=options.resample,
        learning_rate=options.learning_rate,
        # Before a polish descent reads the rows once: one step where it takes them all.
        max_iter=options.max_iter,
        one_pass=options.polish,
        random_state=random_state,
        tol=options.tol,
        exact_loss=exact_loss(problem.rows.dtype),
        callback=trace.stage("descent", watched=False),
    )


def initialization_split(problem, k, options, random_state):
    """The problem on a part for the initialization, and on the rest for descent.

    As in the theorem, with raw moments and fresh parts, where there are rows for that; otherwise both
    have all rows.
    """
    rows = problem.rows
    least = 2 * ROWS_PER_WEIGHT * k * problem.coordinates.rank
    n_own = rows.n_rows // 2
    if options.moments != "raw" or not options.resample or rows.n_rows - n_own < least:
        return problem, problem
    order = random_state.permutation(rows.n_rows)
    return tuple(problem.replace(rows.take(np.sort(part))) for part in np.split(order, [n_own]))


def moment_start(problem, k, options, random_state, *, split):
    """Tensor initialization, brought from the coordinates of the moments to those of the problem."""
    start = tensor_start(
        problem.rows, options.moment_coordinates, k, problem.activation, options.moments,
        split=split, score_function=options.score_function, random_state=random_state,
    )  # fmt: skip
    W, b = options.moment_coordinates.weights_to_inputs(start.W, start.b)
    if not problem.fit_intercept:
        b, start = np.zeros_like(b), start._replace(c=np.zeros_like(start.c))
    W, b = problem.coordinates.weights_from_inputs(W, b)
    if k > problem.coordinates.rank > 0:
        # Steps that begin with the random units at zero may end before those count.
        return with_fitted_outputs(problem, W, b)
    return start._replace(W=W, b=b)
