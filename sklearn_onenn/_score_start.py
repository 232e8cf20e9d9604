"""A start for rows of known density: as the default one, with the score in the place of Hermite moments.

1. Residual of y on {1, z}; a first span of the units V from its Hermite moments.
2. A better V from Hessian slices by Stein's identity, which holds for any density.
3. In the span u = V^T z: slices for the weights u_a u_b, u_a and 1, joined by signal over noise.
4. From there on as the default start.
"""

import numpy as np
from scipy.sparse import issparse

from ._score_slices import SteinScores, score_stack
from ._score_span import score_span
from ._span import AffineFit, rows_in_span, unit_span
from ._units import units_in_span


def check_score_function(score_function, X, moments):
    """Raise where a score function is given and cannot be used."""
    if score_function is None:
        return
    has_methods = callable(score_function) and callable(getattr(score_function, "contract", None))
    if not has_methods or isinstance(score_function, type):
        raise ValueError(
            "score_function must be None or an object with the methods __call__(X) and contract(X, U), "
            f"such as a sklearn_onenn.scores.GaussianMixtureScore, got {score_function!r}."
        )
    if moments != "residual":
        raise ValueError(
            f"score_function needs moments='residual', got moments={moments!r}: raw moments are those "
            "of N(0, I). Leave out one of the two."
        )
    if issparse(X):
        raise ValueError(
            "score_function needs dense rows: a density has no mass on zeros. "
            "Use X.toarray(), or score_function=None."
        )


def score_start(rows, coordinates, k, activation, score_function, *, random_state):
    """Tensor initialization with moments of the score.

    Parameters
    ----------
    rows : ArrayRows
        Dense.
    coordinates : Coordinates
        White or of similar scale.
    k : int
        At most the rank r of the coordinates.
    activation : Activation
    score_function : object
        Score of the rows as they are, see :mod:`sklearn_onenn.scores`.
    random_state : numpy.random.RandomState

    Returns
    -------
    Network
        In the coordinates.
    """
    r = coordinates.rank
    affine = AffineFit(rows, coordinates)
    slopes, residuals = affine(rows.y)
    V = np.eye(r)
    if k < r:
        V = unit_span(affine, residuals, slopes, k, random_state)
        V = score_span(score_function, rows, coordinates, slopes, V, random_state)
    scores = SteinScores(score_function, coordinates.inverse.T @ V)

    def stack_of(projected, step):
        return score_stack(projected, rows.take(slice(None, None, step)), coordinates, V, scores)

    projected = rows_in_span(rows, coordinates, V, slopes)
    start = units_in_span(projected, activation, stack_of, random_state=random_state)
    return start._replace(W=V @ start.W)
