"""Limits of double precision, and factors of matrices that are semidefinite but for rounding."""

import numpy as np
from scipy.linalg import LinAlgError, cholesky

from .._typing import Array

EPSILON = np.finfo(float).eps
TINY = np.finfo(float).tiny

# Ridges that are tried, as shares of the mean eigenvalue.
RIDGES = 0.0, *10.0 ** np.arange(-16, 1)


def semidefinite_cholesky(matrix: Array, *, lower: bool = True) -> Array:
    """Cholesky factor of a positive semidefinite matrix (n, n), which rounding may have made less.

    The smallest ridge with which it has one is added.
    """
    size = max(np.trace(matrix) / len(matrix), TINY)
    for ridge in RIDGES:
        try:
            ridged = matrix + ridge * size * np.eye(len(matrix)) if ridge else matrix
            factor: Array = cholesky(ridged, lower=lower)
            return factor
        except LinAlgError:
            continue
    raise LinAlgError(f"a matrix is far from positive semidefinite, with trace {np.trace(matrix):.3g}")
