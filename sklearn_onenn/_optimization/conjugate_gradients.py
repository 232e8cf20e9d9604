"""Conjugate gradients: the solution of H x = g from products with H alone."""

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
) -> tuple[Array, Array]:
    """Preconditioned conjugate gradients from zero.

    Parameters
    ----------
    product : callable
        The vector H p of a vector p, with H symmetric and positive semidefinite.
    right : array
        The right-hand side g.
    solve : callable
        The preconditioner: an approximation of H^{-1} r.
    rtol : float
        Stop when the residual is this share of g, in the norm of the preconditioner.
    max_iter : int

    Returns
    -------
    solution, residual : arrays
        x, and g - H x.
    """
    x, r = np.zeros_like(right), right.copy()
    z = solve(r)
    p, rho = z, r @ z
    smallest = rtol**2 * rho
    for _ in range(max_iter):
        if not rho > smallest:
            break
        q = product(p)
        curvature = p @ q
        if not curvature > 0:
            break
        length = rho / curvature
        x += length * p
        r -= length * q
        z = solve(r)
        rho, previous = r @ z, rho
        p = z + (rho / previous) * p
    return x, r
