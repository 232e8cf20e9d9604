"""Samples of the rows, each several times larger than the last, and the fit that grows with them.

The optimum on n rows is off from that on all rows by a share of about p / n of the loss, p the number of
weights. The search over starts therefore takes a sample that is large for p alone; its optimum is the
start of a few steps on a larger sample, and only the last ones read all rows.
"""

from dataclasses import replace

import numpy as np
from numpy.random import RandomState

from .._data.rows import Rows
from .._network.loss import SquaredLoss
from .._network.network import count_weights
from .._optimization.gauss_newton import Solution, Stopping
from .._selection.criteria import statistical_tolerance
from .multistart import search_starts
from .one_start import ZERO_LOSS, FitOptions, StartResult
from .polish import STOPPED, continue_on, run_observed
from .rules import SampleRules


def fit_on_nested_samples(
    problem: SquaredLoss, samples: list[Rows], k: int, options: FitOptions, random_state: RandomState
) -> StartResult:
    """Search over starts on the first sample, then polish on the larger ones.

    Parameters
    ----------
    problem : SquaredLoss
    samples : list of Rows
        As of :func:`growing_samples`.
    k : int
    options : FitOptions
    random_state : numpy.random.RandomState

    Returns
    -------
    StartResult
        Its ``rows_read`` counts those of the search alone.
    """
    first, *larger = (problem.replace(sample) for sample in samples)
    # Where larger samples follow, steps end where they would say nothing of those.
    factor = options.rules.samples.tol_factor
    on_first = replace(options, tol=factor * tolerance(first, k, options)) if larger else options
    fit = search_starts(first, k, on_first, random_state)
    for sample in larger:
        if not options.observers.stopped:
            is_last = sample is larger[-1]
            fit = refine_on(sample, fit, options, tol_factor=1.0 if is_last else factor)
    if options.observers.stopped:
        fit = replace(fit, solution=replace(fit.solution, reason=STOPPED))
    return no_worse_than_constant(problem, fit)


def no_worse_than_constant(problem: SquaredLoss, fit: StartResult) -> StartResult:
    """The fit, or one whose units have no outputs where that is nearer to the targets.

    Steps that end early, or on other rows, may leave more than the mean does.
    """
    network = fit.solution.network
    if fit.solution.data_loss <= ZERO_LOSS:  # of one output; there may be others, some constant
        return fit
    constant = network._replace(V=np.zeros_like(network.V), c=np.zeros_like(network.c))
    evaluation = problem.replace(problem.rows, alpha=fit.solution.alpha or 0.0).evaluate(constant)
    if not evaluation.data_loss < fit.solution.data_loss:
        return fit
    trace, objective = fit.trace, evaluation.loss
    trace.stages.append(("constant", 1))
    trace.losses.append(evaluation.data_loss)
    if trace.held_out is not None:
        objective = trace.held_out.data_loss(constant)
        trace.held_out_losses.append(objective)
    solution = replace(
        fit.solution,
        network=constant,
        data_loss=evaluation.data_loss,
        objective=objective,
        members=(),
        line=None,
    )
    return replace(fit, solution=solution)


def refine_on(
    problem: SquaredLoss,
    fit: StartResult,
    options: FitOptions,
    *,
    tol_factor: float = 1.0,
    stage: str = "larger sample",
) -> StartResult:
    """A fit, polished on other rows, up to so many times the tolerance of steps there."""
    stopping = Stopping(
        max_iter=options.max_iter, tol=tol_factor * tolerance(problem, len(fit.start.b), options)
    )
    name = f"{problem.rows.n_rows} rows"
    trace = options.trace(name, problem, fit.trace)

    def follow() -> Solution:
        return continue_on(problem, fit.solution, trace, stopping, stage)

    solution = run_observed(follow, problem, trace, fit.solution.alpha)
    return replace(fit, solution=solution, trace=trace)


def tolerance(problem: SquaredLoss, k: int, options: FitOptions) -> float:
    """Tolerance of the steps of k units on a sample: at least the share of the loss that it resolves."""
    criteria = options.rules.polish.evidence.criteria
    return max(options.tol, statistical_tolerance(problem, k, criteria))


def growing_samples(
    rows: Rows, k: int, rules: SampleRules, random_state: RandomState, *, fit_intercept: bool = True
) -> list[Rows]:
    """Rows for the search over starts, larger samples of them, and last all rows.

    Where the rows are few for that all of them, in memory, are the only sample.
    """
    n_weights = count_weights(rows.n_features, k, rows.n_outputs, fit_intercept=fit_intercept)
    size = max(int(rules.rows_per_weight * n_weights), rules.least_rows)
    if 2 * size >= rows.n_rows:
        return [rows.in_memory()]
    largest = max(size, rules.sample_bytes // (max(rows.n_features, 1) * rows.dtype.itemsize))
    sizes = []
    while size <= largest and 2 * size <= rows.n_rows:
        sizes.append(size)
        size *= rules.growth
    return [*rows.samples(sizes, random_state), rows]
