"""Linear equations of a symmetric positive definite matrix that is given by its products."""

from collections.abc import Callable

import numpy as np

from .._typing import Array


def conjugate_gradients(
    product: Callable[[Array], Array],
    right: Array,
    solve: Callable[[Array], Array],
    *,
    rtol: float,
    max_iter: int,
    plain_norm: bool = False,
) -> tuple[Array, Array]:
    """Preconditioned conjugate gradients from zero.

    Stops when the residual is ``rtol`` of the right-hand side, at a direction in which the curvature is
    not positive, or after ``max_iter`` products.

    Parameters
    ----------
    product : callable
        Takes an array like ``right``, returns the matrix times that in new memory.
    right : array of any shape
    solve : callable
        The preconditioner: takes a residual, returns an approximate solution in new memory.
    rtol : float
    max_iter : int
    plain_norm : bool
        Measure residuals by their Euclidean norm, rather than in the norm of the preconditioner.

    Returns
    -------
    solution, residual : arrays of the shape of ``right``
    """
    x, r = np.zeros_like(right), right.copy()
    z = solve(r)
    p, rho = z, np.vdot(r, z)
    square = np.vdot(r, r) if plain_norm else rho
    target = rtol**2 * square
    for _ in range(max_iter):
        if not square > target:
            break
        q = product(p)
        curvature = np.vdot(p, q)
        if not curvature > 0:
            break
        length = rho / curvature
        x += length * p
        r -= length * q
        z = solve(r)
        rho, previous = np.vdot(r, z), rho
        square = np.vdot(r, r) if plain_norm else rho
        p = z + (rho / previous) * p
    return x, r
