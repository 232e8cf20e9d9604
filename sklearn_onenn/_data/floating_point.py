"""Limits of double precision, and factors of matrices that are semidefinite but for rounding."""

import numpy as np
from scipy.linalg import LinAlgError
from scipy.linalg.lapack import dpotrf

from .._typing import Array

EPSILON = np.finfo(float).eps
TINY = np.finfo(float).tiny


def jittered_cholesky(matrix: Array, diagonal: Array | float = 0.0, *, lower: bool = True) -> Array:
    """Factor of a semidefinite matrix plus a diagonal, lifted by as little as rounding demands.

    LAPACK is called directly: for small networks the checks around it cost more than the work.

    Raises
    ------
    LinAlgError
        The matrix is not finite.
    """
    jitter = 0.0
    scale = EPSILON * max(matrix.trace(), TINY)
    if not np.isfinite(scale):
        raise LinAlgError(f"a matrix has no finite trace, but {matrix.trace()}")
    while True:
        lifted = matrix.copy()
        lifted.flat[:: len(matrix) + 1] += diagonal + jitter
        factor, failed = dpotrf(lifted, lower=lower, overwrite_a=1)
        if not failed:
            return factor
        jitter = max(10 * jitter, scale)
        if not np.isfinite(jitter):
            raise LinAlgError("a matrix is not finite")
