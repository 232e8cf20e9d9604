"""Samples of the rows, each several times larger than the last, and the fit that grows with them.

The optimum on n rows is off from that on all rows by a share of about p / n of the loss, p the number of
weights. The search over starts therefore takes a sample that is large for p alone; its optimum is the
start of a few steps on a larger sample, and only the last ones read all rows.
"""

from dataclasses import replace

from .._selection.criteria import statistical_tolerance
from .multistart import search_starts
from .polish import STOPPED, continue_on, run_observed
from .progress import Trace

# Rows for each weight, and their least number, from which the search over starts is done.
ROWS_PER_WEIGHT = 64

LEAST_ROWS = 20_000

# Factor from one sample to the next, and the bytes of X that a sample beyond the first may copy.
GROWTH = 8

# Tolerance, against that of the last steps, of those on a sample that a larger one follows.
SAMPLE_TOL_FACTOR = 10.0

SAMPLE_BYTES = 2**28


def fit_on_nested_samples(problem, samples, k, options, random_state):
    """Search over starts on the first sample, then polish on the larger ones.

    Parameters
    ----------
    problem : SquaredLoss
    samples : list of Rows
        As of :func:`growing_samples`.
    k : int
    plan : Plan
    random_state : numpy.random.RandomState

    Returns
    -------
    Fit
        Its ``rows_read`` counts those of the search alone.
    """
    first, *larger = samples
    # Where larger samples follow, steps end where they would say nothing of those.
    on_first = (
        replace(options, tol=SAMPLE_TOL_FACTOR * tolerance(first, k, options)) if larger else options
    )
    fit = search_starts(problem.replace(first), k, on_first, random_state)
    for sample in larger:
        if not options.progress.stopped:
            is_last = sample is larger[-1]
            fit = refine_on(
                problem.replace(sample), fit, options, tol_factor=1.0 if is_last else SAMPLE_TOL_FACTOR
            )
    if options.progress.stopped:
        fit = replace(fit, polish=replace(fit.polish, reason=STOPPED))
    return fit


def refine_on(problem, fit, options, *, tol_factor):
    """A fit, polished on a larger sample, up to so many times the tolerance of steps there."""
    rows = problem.rows
    tol = tol_factor * tolerance(rows, len(fit.start.b), options)
    trace = Trace(f"{rows.n_rows} rows", problem, options.progress, options.held_out, before=fit.trace)

    def follow():
        return continue_on(problem, fit.polish, trace, max_iter=options.max_iter, tol=tol)

    polish = run_observed(follow, problem, trace, fit.polish.alpha)
    return replace(fit, polish=polish, trace=trace)


def tolerance(rows, k, options):
    """Tolerance of steps on some of the rows."""
    return max(options.tol, statistical_tolerance(rows, count_weights(rows, k)))


def count_weights(rows, k):
    """Weights of a network of k units."""
    return k * (rows.n_features + rows.n_outputs + 1) + rows.n_outputs


def growing_samples(rows, k, random_state):
    """Rows for the search over starts, larger samples of them, and last all rows.

    Where the rows are few for that all of them, in memory, are the only sample.
    """
    size = max(ROWS_PER_WEIGHT * count_weights(rows, k), LEAST_ROWS)
    if 2 * size >= rows.n_rows:
        return [rows.in_memory()]
    largest = max(size, SAMPLE_BYTES // (max(rows.n_features, 1) * rows.dtype.itemsize))
    sizes = []
    while size <= largest and 2 * size <= rows.n_rows:
        sizes.append(size)
        size *= GROWTH
    return [*rows.samples(sizes, random_state), rows]
