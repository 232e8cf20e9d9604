"""Symmetric slices with one common diagonalizer, and the components of a symmetric tensor.

The model is ``S_l ~ U diag(lambda_l) U^T`` with U invertible but not orthogonal, and weights lambda_l
of both signs. Generalized eigenvectors of two slices are exact without noise and poor with it.
U-WEDGE sweeps [1]_ go from there, or from a rotation, to the right basin, but do not minimize the
misfit. Gauss-Newton steps do; they follow a few sweeps where the slices are those of a tensor.

References
----------
.. [1] P. Tichavsky, A. Yeredor, IEEE Trans. Signal Process. 2009, doi:10.1109/TSP.2008.2009271.
.. [2] V. Kuleshov, A. Chaganty, P. Liang, AISTATS 2015, arXiv:1501.07320.
"""

from contextlib import suppress
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from .._data.floating_point import TINY
from .._optimization.conjugate_gradients import conjugate_gradients
from .._typing import Array

Generator = np.random.RandomState | np.random.Generator
Seed = int | Generator | None

# Starts whose misfits differ by a smaller share of them ended in the same place.
SAME_MISFIT = 1e-5

# Ridge on the weights; columns of U have unit length, so they have no scale. It is rounding and only
# keeps the normal equations solvable when columns are parallel.
_RIDGE = 1e-13

# Sweeps end when one mixes rows by less: far below the noise of any slices that are worth a start.
_SWEEP_TOL = 1e-4


def wedge_components(
    slices: ArrayLike,
    *,
    n_starts: int = 4,
    n_sweeps: int = 60,
    random_state: Seed = None,
) -> Array:
    """Components by U-WEDGE alone, for slices that are moments of data.

    Least squares is the better fit to slices of equal and independent noise. The noise of slices that
    are estimated from rows is neither, and there U-WEDGE comes closer to the units.

    Parameters
    ----------
    slices : array of shape (L, k, k)
        Symmetric matrices.
    n_starts : int, default=4
        Slices as they are, then random pencils, until the least misfit has been reached twice.
    n_sweeps : int, default=60
    random_state : int, RandomState, Generator or None, default=None

    Returns
    -------
    U : array of shape (k, k)
        Unit columns.
    """
    given, _ = _checked("slices", slices, "L, k, k")
    rng = _generator(random_state)
    found: list[tuple[float, Array]] = []
    for start in range(n_starts):
        B = _draw_start(given, rng, pencil=True) if start else np.eye(given.shape[1])
        U = _u_wedge(given, B, n_sweeps)
        found.append((_fit(given, U)[0], U))
        best, *others = sorted(misfit for misfit, _ in found)
        if others and others[0] <= (1 + SAME_MISFIT) * best:
            break
    return min(found, key=lambda pair: pair[0])[1]


def tensor_components(
    tensor: ArrayLike, *, n_projections: int = 100, random_state: Seed = None
) -> tuple[Array, Array]:
    """Components of a symmetric tensor ``T ~ sum_i weights_i u_i (x) u_i (x) u_i``.

    Joint diagonalization of projections ``T(I, I, a)``, first on random unit vectors a [2]_, then
    from there on an orthonormal basis, where the misfit is that of T. The second stage of [2]_ has
    the dual vectors of the components instead: these multiply the noise by the condition number of
    U, and least squares on them is worse, much so from condition 10 on.

    Parameters
    ----------
    tensor : array of shape (k, k, k)
        Symmetric (the symmetric part is taken), finite.
    n_projections : int, default=100
    random_state : int, RandomState, Generator or None, default=None

    Returns
    -------
    U : array of shape (k, k)
        Unit columns, the largest entry of each positive, largest absolute weight first.
    weights : array of shape (k,)
        Least-squares weights, of both signs.
    """
    given, scale = _checked("tensor", tensor, "k, k, k")
    T = sum((given.transpose(axes) for axes in permutations(range(3))), np.zeros_like(given)) / 6
    rng = _generator(random_state)
    directions = _unit_columns(rng.standard_normal((len(T), n_projections))).T
    U, _ = _polish(T, _components(np.tensordot(directions, T, 1), rng))
    U = U * _signs(U)
    values = np.einsum("ipq,pi,qi->i", np.tensordot(U.T, T, 1), U, U)
    weights = np.linalg.pinv((U.T @ U) ** 3, hermitian=True) @ values
    order = np.argsort(-np.abs(weights), kind="stable")
    return U[:, order], scale * weights[order]


def _components(slices: Array, rng: Generator) -> Array:
    """U (k, k) with unit columns that fits the slices: found in their range, completed outside."""
    energy, basis = np.linalg.eigh(np.tensordot(slices, slices, ((0, 2), (0, 2))))
    reached = energy >= 1e-14 * energy[-1]  # less is rounding
    slices = basis[:, reached].T @ slices @ basis[:, reached]
    U, _ = _polish(slices, _best_start(slices, rng))
    return np.hstack([basis[:, reached] @ U, basis[:, ~reached]])


def _best_start(slices: Array, rng: Generator, n_starts: int = 6, start_ridge: float = 0.1) -> Array:
    """U (k, k) of least misfit over starts of two kinds, made until it has been reached twice.

    Wrong optima have nearly parallel columns with huge weights that cancel: the ridge of starts makes
    them expensive.
    """
    # The k orthogonal mixes of most energy are all that slices without noise span: on them starts
    # cost less, whatever L, and see less noise. Two power steps from a random mix are enough.
    flat, mix = slices.reshape(len(slices), -1), rng.standard_normal(slices.shape[:2])
    for _ in range(2):
        mix = np.linalg.qr(flat @ (flat.T @ mix))[0]
    slices = np.tensordot(mix.T, slices, 1)
    found: list[tuple[Array, float]] = []
    for start in range(n_starts):
        pencil = start % 2 == 0
        # Many sweeps lead all starts to the same place, right or wrong; few keep them different.
        U = _u_wedge(slices, _draw_start(slices, rng, pencil), n_sweeps=5 if pencil else 2)
        V, _ = _polish(slices, U, max_iter=15, tol=1e-2, ridge=start_ridge)
        # Without noise U is exact already, and a ridge would lose components of small weight.
        found.append(_polish(slices, _better(slices, U, V), max_iter=30, tol=1e-4))
        best, *others = sorted(misfit for _, misfit in found)
        if others and others[0] <= (1 + SAME_MISFIT) * best + 1e-12 * np.sum(slices**2):
            break
    return min(found, key=lambda pair: pair[1])[0]


def _draw_start(slices: Array, rng: Generator, pencil: bool) -> Array:
    """Rows B (k, k) that diagonalize two random combinations of the slices, or one by rotation."""
    A, C = np.tensordot(rng.standard_normal((2, len(slices))), slices, 1)
    B = np.linalg.eigh(A)[1].T
    if pencil:
        with suppress(np.linalg.LinAlgError):
            # A v = w C v with A, C = U diag U^T: v are the columns of inv(U)^T. A complex pair
            # spans a real plane, the real part stands for one and the imaginary for the other.
            values, vectors = np.linalg.eig(np.linalg.solve(C, A))
            B = _unit_columns(np.where(values.imag < 0, vectors.imag, vectors.real)).T
    return B


def _u_wedge(slices: Array, B: Array, n_sweeps: int) -> Array:
    """U (k, k) after sweeps of U-WEDGE [1]_ from B ~ inv(U), or at B where they did harm.

    With T_l = B S_l B^T ~ A diag A^T and A = I + a small, entry (i, j) is
    T_l[i, j] ~ a_ij T_l[j, j] + a_ji T_l[i, i]: a 2 x 2 least-squares problem for each pair.
    """
    start = B
    for _ in range(n_sweeps):
        T = B @ slices @ B.T
        diagonals = np.diagonal(T, axis1=1, axis2=2)
        gram, right = diagonals.T @ diagonals, np.einsum("lij,lj->ij", T, diagonals)
        own = np.diag(gram)[:, None]
        # Two components with proportional weights have no determinate 2 x 2 system.
        determinant = np.maximum(own * own.T - gram**2, 1e-10 * own * own.T) + TINY
        A = (right * own - right.T * gram) / determinant
        np.fill_diagonal(A, 0.0)
        step = np.abs(A).max()
        np.fill_diagonal(A, 1.0)
        with suppress(np.linalg.LinAlgError):
            B = _unit_columns(np.linalg.solve(A, B).T).T
        if step < _SWEEP_TOL:
            break
    ends = [_unit_columns(np.linalg.pinv(end)) for end in (start, B) if np.isfinite(end).all()]
    return _better(slices, *ends)


def _polish(
    slices: Array, U: Array, max_iter: int = 100, tol: float = 1e-6, ridge: float = _RIDGE
) -> tuple[Array, float]:
    """Levenberg-damped Gauss-Newton steps from U: the unit columns reached, and their misfit."""
    fit, damping = _fit(slices, U, ridge), 1e-3
    for _ in range(max_iter):
        U_new = _unit_columns(U + _gauss_newton_step(U, *fit[1:], damping))
        fit_new = _fit(slices, U_new, ridge)
        change, gain = np.abs(U_new - U).max(), fit[0] - fit_new[0]
        damping = max(damping / 5, 1e-10) if gain > 0 else damping * 4
        if gain > 0:
            U, fit = U_new, fit_new
        if change <= tol or 0 < gain <= 1e-2 * tol * fit[0]:
            break
    return U, fit[0]


def _gauss_newton_step(
    U: Array, weights: Array, residuals: Array, K_inverse: Array, damping: float
) -> Array:
    """Change of U (k, k), the weights being eliminated (variable projection).

    With G = U^T U, P = sum_l lambda_l lambda_l^T and the Gram matrix K = G * G of the u_i u_i^T,
    the reduced Gauss-Newton matrix takes a change D of U, by k x k products only, to twice
    ``D (P * G) + U (P * (D^T U)) - 2 U (G * (inv(K) (G * (U^T D)) P))``.
    """
    G, P = U.T @ U, weights.T @ weights
    pulled = np.einsum("ipq,qi->pi", np.tensordot(weights.T, residuals, 1), U)
    scale = np.diag(P) + 1e-14 * P.max() + TINY  # positive without weights, too

    def curvature(D: Array) -> Array:
        C = U.T @ D
        coupling = P * C.T - 2 * (G * (K_inverse @ (G * C) @ P))
        return D @ (P * G) + U @ coupling + damping * scale * D

    # The first term alone is what nearly parallel columns make singular: it preconditions.
    inverse = np.linalg.inv(P * G + np.diag(damping * scale))
    return conjugate_gradients(
        curvature, pulled, lambda r: r @ inverse, rtol=1e-2, max_iter=50, plain_norm=True
    )[0]


def _fit(slices: Array, U: Array, ridge: float = _RIDGE) -> tuple[float, Array, Array, Array]:
    """Ridge regression of the slices (L, k, k) on the products u_i u_i^T.

    Returns the misfit with the ridge, weights (L, k), residuals (L, k, k), and the inverse (k, k) of the
    Gram matrix of the products.
    """
    products = (U[:, None, :] * U).reshape(-1, U.shape[1])
    K_inverse = np.linalg.inv((U.T @ U) ** 2 + ridge * np.eye(len(U)))
    weights = slices.reshape(len(slices), -1) @ products @ K_inverse
    residuals = slices - (weights @ products.T).reshape(slices.shape)
    return np.sum(residuals**2) + ridge * np.sum(weights**2), weights, residuals, K_inverse


def _better(slices: Array, *candidates: Array) -> Array:
    """The candidate for U whose fit to the slices has the least misfit."""
    return min(candidates, key=lambda U: _fit(slices, U)[0])


def _unit_columns(U: Array) -> Array:
    """Columns scaled to length one."""
    return U / (np.linalg.norm(U, axis=0) + TINY)


def _signs(U: Array) -> Array:
    """Signs, one for each column, that make its largest entry positive."""
    return np.where(U.max(axis=0) < -U.min(axis=0), -1.0, 1.0)


def _generator(seed: Seed) -> Generator:
    """The generator itself, or one that the seed starts."""
    return seed if isinstance(seed, np.random.Generator) else check_random_state(seed)


def _checked(name: str, array: ArrayLike, shape: str) -> tuple[Array, float]:
    """The array divided by its largest absolute entry, and that entry (1 if all are zero)."""
    entries = np.asarray(array, dtype=float)
    equal = entries.shape[-shape.count("k") :]
    if entries.ndim != 3 or len(set(equal)) > 1 or entries.size == 0:
        raise ValueError(f"{name} must have shape ({shape}), not empty; got {entries.shape}.")
    if not np.isfinite(entries).all():
        raise ValueError(f"{name} must be finite; it has NaN or infinite entries.")
    scale = np.abs(entries).max() or 1.0
    return entries / scale, scale
