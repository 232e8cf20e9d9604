"""Fewer rows than columns: the search on white rows, which have no more columns than there are rows.

Networks are those of white coordinates as before, so that nothing but the rows changes.
"""

from dataclasses import replace

import numpy as np

from .._data.coordinates import of_white_rows
from .._data.rows import ArrayRows
from .._data.whitening import at_unit_variance, whitening
from .._network.loss import SquaredLoss
from .one_start import FitOptions


def has_few_rows(problem: SquaredLoss) -> bool:
    """Whether white rows have fewer numbers than the rows of a problem, which are in memory."""
    rows = problem.rows
    return isinstance(rows, ArrayRows) and 0 < problem.coordinates.rank <= rows.n_rows < rows.n_features


def on_white_rows(problem: SquaredLoss, options: FitOptions) -> tuple[SquaredLoss, FitOptions]:
    """The same problem and options on white rows.

    Parameters
    ----------
    problem : SquaredLoss
    options : FitOptions

    Returns
    -------
    problem : SquaredLoss
    options : FitOptions
        With their held-out rows, and coordinates for moments.
    """
    held_out = None if options.held_out is None else white(options.held_out.in_memory(), problem)
    rows, coordinates = white(problem.array_rows, problem), of_white_rows(problem.coordinates)
    problem = SquaredLoss(
        rows, problem.activation, coordinates, fit_intercept=problem.fit_intercept, alpha=problem.alpha
    )
    if problem.fit_intercept:  # rows are white about their mean
        moment_coordinates = at_unit_variance(rows)
    else:
        moment_coordinates = whitening(rows, rules=options.rules.data)
    return problem, replace(options, held_out=held_out, moment_coordinates=moment_coordinates)


def white(rows: ArrayRows, problem: SquaredLoss) -> ArrayRows:
    """Rows in the white coordinates of a problem."""
    whiten, dtype = problem.coordinates.whiten, rows.dtype
    parts = rows.map(lambda block: whiten(block.X).astype(dtype, copy=False))
    return rows.with_rows(np.concatenate(parts), rows.y)
