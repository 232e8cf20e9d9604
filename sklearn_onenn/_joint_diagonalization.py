"""Symmetric slices with one common diagonalizer, and the components of a symmetric tensor.

The model is ``S_l ~ U diag(lambda_l) U^T`` for ``l = 1 .. L`` with ``U`` (k, k) invertible but
not orthogonal and weights ``lambda_l`` of both signs, fitted by least squares. Three steps,
each for what it is good at: generalized eigenvectors are exact without noise and poor with it;
U-WEDGE sweeps [1]_ walk from almost any start into the right basin within a few sweeps, but do
not minimize the misfit; Gauss-Newton on the misfit is the accurate end of it.

Slices whose noise differs are to be divided by the standard deviation of their noise first:
then the least-squares fit is the maximum likelihood fit, and nothing else has to change.

References
----------
.. [1] P. Tichavsky, A. Yeredor, "Fast approximate joint diagonalization incorporating weight
   matrices", IEEE Transactions on Signal Processing 57(3), 2009, doi:10.1109/TSP.2008.2009271.
.. [2] V. Kuleshov, A. Chaganty, P. Liang, "Tensor factorization via matrix factorization",
   AISTATS 2015, arXiv:1501.07320.
"""

import itertools

import numpy as np
from scipy import linalg
from sklearn.utils import check_random_state

# Sweeps a start gets before Gauss-Newton takes over: more were measured to change nothing.
_SWEEPS = 20
# Accuracy (largest change of an entry of U) at which starts are compared with each other.
_COMPARE_TOL = 1e-4
# Directions of R^k whose root mean square over the slices is below this share of the largest
# are empty up to rounding (the share is squared in the Gram matrix it is read from).
_EMPTY = 1e-7


def joint_components(slices, *, n_starts=8, random_state=None, max_iter=100, tol=1e-8):
    """Common non-orthogonal components of symmetric matrices, by least squares.

    Minimizes ``sum_l |S_l - U diag(lambda_l) U^T|_F^2`` over U and the weights lambda.

    Parameters
    ----------
    slices : array of shape (L, k, k)
        Symmetric matrices (the symmetric part is taken). For slices of unequal noise, divide
        each by its noise level first (and multiply its weights afterwards).
    n_starts : int, default=8
        Most starts to try. No further start is made once two have ended in the best optimum.
    random_state : int, RandomState or None, default=None
        Draws the linear combinations of slices that the starts come from.
    max_iter : int, default=100
        Most Gauss-Newton steps, for each start and for the end.
    tol : float, default=1e-8
        Stop when no entry of U (unit columns) changes by more than this.

    Returns
    -------
    U : array of shape (k, k)
        Components: unit columns, the largest entry of each positive, sorted by the norm of
        their weights, largest first. Directions that no slice has are filled up orthogonally.
    weights : array of shape (L, k)
        Least-squares weights ``lambda_l`` given U.
    residual : float
        ``|S - fit|_F / |S|_F`` over all slices; 0 when all slices are zero.
    """
    slices = _as_symmetric(_checked("slices", slices))
    rng = _generator(random_state)
    scale = np.abs(slices).max()
    if scale == 0:
        return np.eye(slices.shape[1]), np.zeros(slices.shape[:2]), 0.0
    U = _components(slices / scale, n_starts, rng, max_iter, tol)
    U, weights, residual = _ordered_fit(slices / scale, U)
    return U, scale * weights, residual


def tensor_components(tensor, *, n_projections=100, random_state=None):
    """Components of a symmetric tensor ``T ~ sum_i weights_i u_i (x) u_i (x) u_i``.

    Joint diagonalization of projections ``T(I, I, a)`` in two stages [2]_: random unit vectors
    a first, then the dual vectors of the components found, so that each slice of the second
    stage is mostly one component.

    Parameters
    ----------
    tensor : array of shape (k, k, k)
        Symmetric in its three axes.
    n_projections : int, default=100
        Random projections of the first stage; at least k of them see the whole tensor.
    random_state : int, RandomState or None, default=None

    Returns
    -------
    U : array of shape (k, k)
        Unit columns, the largest entry of each positive, largest absolute weight first.
    weights : array of shape (k,)
        Least-squares weights, of both signs.
    """
    tensor = _checked("tensor", tensor)
    k = len(tensor)
    if tensor.shape != (k, k, k):
        raise ValueError(f"tensor must have shape (k, k, k); got {tensor.shape}.")
    rng = _generator(random_state)
    scale = np.abs(tensor).max()
    if scale == 0:
        return np.eye(k), np.zeros(k)
    tensor = tensor / scale
    tensor = sum(tensor.transpose(axes) for axes in itertools.permutations(range(3))) / 6
    directions = rng.standard_normal((n_projections, k))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    U = _components(np.tensordot(directions, tensor, 1), 8, rng, 100, 1e-8)
    duals = linalg.pinv(U)
    duals /= np.linalg.norm(duals, axis=1, keepdims=True)
    U = _polish(np.tensordot(duals, tensor, 1), U, 100, 1e-8)[0]
    cubes = (U[:, None, None] * U[None, :, None] * U[None, None, :]).reshape(k**3, k)
    weights = linalg.lstsq(cubes, tensor.ravel())[0]
    order = np.argsort(-np.abs(weights), kind="stable")
    sign = _signs(U)
    return (U * sign)[:, order], scale * (weights * sign)[order]


def _components(slices, n_starts, rng, max_iter, tol):
    """U (k, k) with unit columns that fits slices of largest entry 1."""
    basis, empty = _range(slices)
    slices = _without_redundancy(basis.T @ slices @ basis)
    U = _best_start(_principal(slices), n_starts, rng, max_iter)
    U, _ = _polish(slices, U, max_iter, tol)
    return np.hstack([basis @ U, empty])


def _best_start(slices, n_starts, rng, max_iter):
    """Optimum of least misfit over the starts, stopping once it has been reached twice."""
    found = []
    for start in range(n_starts):
        U = _u_wedge(slices, _draw_start(slices, rng, orthogonal=start % 2 == 1))
        found.append(_polish(slices, U, max_iter, _COMPARE_TOL))
        best, *others = sorted(misfit for _, misfit in found)
        if others and others[0] <= best * (1 + 1e-6) + 1e-12 * np.sum(slices**2):
            break
    return min(found, key=lambda pair: pair[1])[0]


def _draw_start(slices, rng, orthogonal):
    """Rows B (k, k) that diagonalize random combinations of the slices: one (orthogonal) or two.

    ``A v = w C v`` with A, C = U diag U^T has the columns of inv(U)^T as eigenvectors; the
    orthogonal alternative cannot be ill-conditioned, however bad the pencil is.
    """
    A, C = np.tensordot(rng.standard_normal((2, len(slices))), slices, 1)
    if orthogonal:
        return np.linalg.eigh(A)[1].T
    try:
        values, vectors = np.linalg.eig(np.linalg.solve(C, A))
    except np.linalg.LinAlgError:
        return np.eye(len(A))
    # A complex pair spans a real plane: the real part for one, the imaginary for the other.
    B = np.where(values.imag < 0, vectors.imag, vectors.real).T
    return B / np.linalg.norm(B, axis=1, keepdims=True)


def _u_wedge(slices, B):
    """U (k, k) after sweeps of U-WEDGE [1]_ from B ~ inv(U); the start's where they did harm.

    With T_l = B S_l B^T ~ A diag A^T and A = I + a small, entry (i, j) is
    T_l[i, j] ~ a_ij T_l[j, j] + a_ji T_l[i, i]: a 2 x 2 least-squares problem for each pair.
    """
    start = B
    for _ in range(_SWEEPS):
        T = B @ slices @ B.T
        diagonals = np.diagonal(T, axis1=1, axis2=2)
        energy = diagonals.T @ diagonals
        right = np.einsum("lij,lj->ij", T, diagonals)
        own = np.diag(energy)
        both = own[:, None] * own
        # Two components with proportional weights have no determinate 2 x 2 system.
        determinant = np.maximum(both - energy**2, 1e-10 * both) + np.finfo(float).tiny
        A = (right * own[:, None] - right.T * energy) / determinant
        np.fill_diagonal(A, 1.0)
        try:
            B = np.linalg.solve(A, B)
        except np.linalg.LinAlgError:
            break
        B /= np.linalg.norm(B, axis=1, keepdims=True)
    candidates = [
        _unit_columns(linalg.pinv(rows)) for rows in (B, start) if np.isfinite(rows).all()
    ]
    return min(candidates, key=lambda U: np.sum(_fit_weights(slices, U)[1] ** 2))


def _polish(slices, U, max_iter, tol):
    """Levenberg-damped Gauss-Newton for ``sum_l |S_l - U diag(lambda_l) U^T|^2 / 2``.

    The weights are eliminated (variable projection). With G = U^T U, P = sum_l lambda_l
    lambda_l^T and K = G * G the reduced Gauss-Newton matrix acts on a change D of U as

        2 D (P * G) + 2 U (P * (D^T U)) - 4 U (G * (inv(K) (G * (U^T D)) P)),

    k x k products only, so conjugate gradients never form the k^2 x k^2 matrix.

    Returns
    -------
    U : array of shape (k, k)
    misfit : float
        The sum of squares.
    """
    k = U.shape[0]
    weights, residuals, K_inverse = _fit_weights(slices, U)
    misfit, damping = np.sum(residuals**2), 1e-3
    for _ in range(max_iter):
        G, P = U.T @ U, weights.T @ weights
        PG = P * G
        pulled = (weights.T @ residuals.reshape(len(slices), -1)).reshape(k, k, k)
        descent = 2 * np.einsum("ipq,qi->pi", pulled, U)
        scale = 2 * np.diag(P) + np.finfo(float).tiny
        while True:

            def curvature(D):
                C = U.T @ D
                schur = U @ (P * C.T - 2 * (G * (K_inverse @ (G * C) @ P)))
                return 2 * (D @ PG + schur) + damping * scale * D

            step = _conjugate_gradients(curvature, descent, (1 + damping) * scale)
            U_new = _unit_columns(U + step)
            new = _fit_weights(slices, U_new)
            misfit_new = np.sum(new[1] ** 2)
            change = np.abs(U_new - U).max()
            if misfit_new < misfit or change <= tol or damping > 1e8:
                break
            damping *= 4
        if not misfit_new < misfit:
            break
        U, misfit, (weights, residuals, K_inverse) = U_new, misfit_new, new
        damping = max(damping / 5, 1e-10)
        if change <= tol:
            break
    return U, misfit


def _conjugate_gradients(operator, right, diagonal, rtol=1e-2, max_iter=200):
    """Solve ``operator(x) = right`` (all k x k), preconditioned by a diagonal."""
    x, r = np.zeros_like(right), right
    p = z = r / diagonal
    rz, enough = np.vdot(r, z), rtol * np.linalg.norm(right)
    for _ in range(max_iter):
        if not np.linalg.norm(r) > enough:
            break
        Ap = operator(p)
        length = rz / np.vdot(p, Ap)
        x, r = x + length * p, r - length * Ap
        z = r / diagonal
        rz, rz_old = np.vdot(r, z), rz
        p = z + rz / rz_old * p
    return x


def _fit_weights(slices, U):
    """Least-squares weights (L, k), residual slices (L, k, k) and the inverse of K = (U^T U)^2."""
    L, k, _ = slices.shape
    products = (U[:, None, :] * U).reshape(k * k, U.shape[1])
    # Parallel columns make K singular: a ridge at rounding level, seen by no other fit.
    K_inverse = np.linalg.inv((U.T @ U) ** 2 + 1e-13 * np.eye(U.shape[1]))
    weights = slices.reshape(L, -1) @ products @ K_inverse
    residuals = slices - (weights @ products.T).reshape(slices.shape)
    return weights, residuals, K_inverse


def _ordered_fit(slices, U):
    """U in canonical order and sign, its least-squares weights and the relative misfit."""
    L, k, _ = slices.shape
    U = U * _signs(U)
    flat = slices.reshape(L, -1)
    products = (U[:, None, :] * U).reshape(k * k, k)
    weights = linalg.lstsq(products, flat.T)[0].T
    residual = np.linalg.norm(flat - weights @ products.T) / np.linalg.norm(flat)
    order = np.argsort(-np.linalg.norm(weights, axis=0), kind="stable")
    return U[:, order], weights[:, order], float(residual)


def _range(slices):
    """Orthonormal bases (k, r) of what the slices reach, and (k, k - r) of what none reaches."""
    side = np.concatenate(slices, axis=1)
    energy, vectors = np.linalg.eigh(side @ side.T)
    reached = energy > _EMPTY**2 * energy[-1]
    return vectors[:, reached], vectors[:, ~reached]


def _without_redundancy(slices):
    """At most k (k + 1) / 2 slices with the same least-squares problem: an orthogonal mix."""
    L, k, _ = slices.shape
    if 2 * L <= k * (k + 1):
        return slices
    rows, columns = np.triu_indices(k)
    factor = np.where(rows == columns, 1.0, np.sqrt(2.0))
    mixed = np.linalg.qr(slices[:, rows, columns] * factor, mode="r") / factor
    result = np.empty((len(mixed), k, k))
    result[:, rows, columns] = result[:, columns, rows] = mixed
    return result


def _principal(slices):
    """The k orthogonal mixes of the slices with most energy: noise-free slices span no more."""
    L, k, _ = slices.shape
    if L <= k:
        return slices
    flat = slices.reshape(L, -1)
    _, mix = linalg.eigh(flat @ flat.T, subset_by_index=[L - k, L - 1])
    return np.tensordot(mix.T, slices, 1)


def _unit_columns(U):
    return U / (np.linalg.norm(U, axis=0) + np.finfo(float).tiny)


def _signs(U):
    largest = np.abs(U).argmax(axis=0)
    return np.where(U[largest, np.arange(U.shape[1])] < 0, -1.0, 1.0)


def _generator(random_state):
    if isinstance(random_state, np.random.Generator):
        return random_state
    return check_random_state(random_state)


def _checked(name, array):
    array = np.asarray(array, dtype=float)
    if array.ndim != 3 or array.shape[1] != array.shape[2] or 0 in array.shape:
        raise ValueError(f"{name} must have three axes, the last two equal; got {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite; it holds NaN or infinity.")
    return array


def _as_symmetric(slices):
    return (slices + slices.transpose(0, 2, 1)) / 2
