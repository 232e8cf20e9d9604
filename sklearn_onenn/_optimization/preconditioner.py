"""The preconditioner of the polish: the Gauss-Newton matrix of Gaussian rows.

Let u be the coordinates of a row on a subspace that contains span(W). Then the slopes depend on u
alone, the rest of the row is independent of it, and J^T J / n is exactly
    E[q q^T] on the weights along the subspace, biases and output weights,
    C (x) I  on the weights across it, C = E[(D V)^T (D V)],
with q the derivative of F by the former. The penalty is diagonal: with the eigenvectors of C it is a
number on each weight across, as C is. With the whole space for the subspace it is the matrix itself, for
any rows.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike
from scipy.linalg import eigh, eigvalsh, qr, solve_triangular
from scipy.linalg.lapack import dpotri, dpotrs, dtrtri

from .._data.blocks import Block, transposed_product, weighted
from .._data.floating_point import EPSILON, TINY, jittered_cholesky
from .._network.loss import Evaluation, SquaredLoss
from .._network.network import Linearization, Network, linearize
from .._typing import Array
from .curvature import Curvature

# Up to this many weights along span(W) the matrix is exact there, beyond that on biases and output
# weights alone.
SPAN_WEIGHTS = 600

# Conjugate gradients at most for a step, each at the cost of four products of the rows with all weights.
SOLVE_STEPS = 40

# Relative ridge that keeps a matrix summed in single precision definite.
SINGLE_JITTER = 1e-6

# Rows per column, at least, from which the matrix E[q q^T] is estimated.
ROWS_PER_COLUMN = 8

# Penalty, over the rows, from which the whole matrix of rows in single precision is summed in that:
# rounding moves no eigenvalue by as much.
SINGLE_STRENGTH = 1e-5


class Preconditioner(Curvature):
    """The Gauss-Newton matrix of Gaussian rows at a network; see the head of this file.

    Parameters
    ----------
    evaluation : Evaluation
        At the network, under the penalty.
    matrices : tuple of 3 arrays and bool, or None
        What :meth:`_data_matrices` returns, where it is known from another penalty.

    Attributes
    ----------
    basis : array of shape (r, s)
        Orthonormal basis of the subspace on which the matrix is exact.
    data_C : array of shape (k, k)
        C of the head of this file.
    ridges : array of shape (r,)
        The penalty of the weights along each coordinate.
    M : array of shape (p, p)
        That of the head of this file with the penalty; p = (s + 1) k + (k + 1) n_outputs.
    ridge_M : array of this shape, or 0.0
        The share of the penalty in it.
    exact : bool
        Whether it is the Gauss-Newton matrix itself.
    diagonal : array
        D of the Levenberg damping, packed like :meth:`Network.pack`.
    """

    def __init__(
        self, evaluation: Evaluation, matrices: tuple[Array, Array, Array, bool] | None = None
    ) -> None:
        problem, network = evaluation.problem, evaluation.network
        r, k = network.W.shape
        self.evaluation, self.shape = evaluation, network
        self._matrices = self._data_matrices() if matrices is None else matrices
        self.basis, self.data_C, M, self.exact = self._matrices
        s = self.basis.shape[1]
        self.strength = problem.alpha / problem.rows.weight_sum
        self.ridges = self.strength * problem.penalty
        self.ridge_M = self._ridge_along()
        self.M = M + self.ridge_M
        self.units = with_floor(self.data_C.diagonal() + self.ridges.sum() / max(r, 1))
        self.inside = Network(np.zeros((s, k)), network.b, network.V, network.c)
        self.outputs = with_floor(self.inside.unpack(self.M.diagonal()).V)
        self._ones = np.ones_like(network.c)
        self.diagonal = self._levenberg(r)

    def _data_matrices(self) -> tuple[Array, Array, Array, bool]:
        """Basis, C and M without penalty, and whether M is the whole matrix."""
        basis = subspace(self.shape.W)
        return basis, *normal_matrices(self.evaluation, basis)

    def under(self, evaluation: Evaluation) -> "Preconditioner":
        return Preconditioner(evaluation, self._matrices)

    def _ridge_along(self) -> Array | float:
        """The share of the penalty in M."""
        k, m = self.shape.V.shape
        if self.strength == 0:
            return 0.0
        s = self.basis.shape[1]
        ridge = np.zeros(((s + 1) * k + (k + 1) * m,) * 2)
        units = ridge[: s * k, : s * k].reshape(s, k, s, k)
        np.einsum("aibi->abi", units)[...] = ((self.basis.T * self.ridges) @ self.basis)[:, :, None]
        outputs = slice((s + 1) * k, (s + 1) * k + k * m)
        np.einsum("ii->i", ridge)[outputs] = self.strength
        return ridge

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.M).all())

    @property
    def covers_units(self) -> bool:
        """Whether the subspace contains span(W), so that the matrix is that of Gaussian rows."""
        return self.basis.shape[1] > 0 or len(self.basis) == 0

    def effective_dof(self) -> float:
        """That of Gaussian rows; across the subspace by each direction's own penalty."""
        (r, k), s = self.shape.W.shape, self.basis.shape[1]
        fixed = 0 if self.evaluation.problem.fit_intercept else k + len(self.shape.c)
        along = len(self.M) - fixed - trace_of_quotient(self.M, self.ridge_M)
        if s == r or not np.isfinite(self.data_C).all():
            return along
        determined = np.maximum(eigvalsh(self.data_C), TINY)
        shares = determined / (determined + self.ridges[:, None])
        return along + (1 - (self.basis**2).sum(axis=1)) @ shares.sum(axis=1)

    def left_out_error(self, counts: float, least_left: float) -> float:
        evaluation, rows = self.evaluation, self.evaluation.problem.rows
        dtype = type_of_sums(evaluation.problem)
        factor = jittered_cholesky(self.M, 0.0).astype(dtype)
        n, m = rows.weight_sum, rows.n_outputs
        # Of several outputs each has some of the weights: the inverse of the factor, once, is less work.
        inverse = np.tril(dtrtri(factor, lower=1)[0]) if m > 1 else None

        def squares(block: Block) -> np.float64:
            linearization = linearized(evaluation, block, True)
            z, total = evaluation.problem.coordinates.whiten(block.X).astype(dtype), 0.0
            for output in range(m):
                q = jacobian_rows(evaluation, linearization, z, output)[0]
                if inverse is None:
                    root = solve_triangular(factor, q.T, lower=True, check_finite=False)
                else:
                    root = inverse[:, own_columns(self.shape, z.shape[1], output)] @ q.T
                share = (root**2).sum(axis=0)
                left = np.maximum(1 - counts * weighted(share[:, None], block.weight) / n, least_left)
                total = total + weighted((linearization.R[:, [output]] / left) ** 2, block.weight).sum()
            return np.float64(total)

        return float(rows.sum(squares)) / n / m

    def _levenberg(self, n_rows: int) -> Array:
        """Diagonal D for W with ``n_rows`` rows: one scale per unit and per output weight."""
        units = self.units
        W = np.broadcast_to(units, (n_rows, len(units)))
        return Network(W, units, self.outputs, self._ones).pack()

    def solver(self, damping: float) -> Callable[[Array], Array]:
        basis, shape, inside = self.basis, self.shape, self.inside
        r, s = basis.shape
        along = jittered_solver(self.M, damping * self._levenberg(s))
        if s == r:  # the basis is the identity
            return along
        across = self._solver_across(damping)

        def solve(vector: Array) -> Array:
            right = shape.unpack(vector)
            W = basis.T @ right.W
            solved = inside.unpack(along(right._replace(W=W).pack()))
            outside = across(right.W - basis @ W)
            outside += basis @ (solved.W - basis.T @ outside)
            return solved._replace(W=outside).pack()

        return solve

    def _solver_across(self, damping: float) -> Callable[[Array], Array]:
        """Solver of C and the damping on weights (r, k), each direction with its own penalty."""
        if self.strength == 0:
            solve = jittered_solver(self.data_C, damping * self.units)
            return lambda right: solve(right.T).T
        matrix = self.data_C + np.diag(damping * self.units)
        if not np.isfinite(matrix).all():
            return lambda right: np.full_like(right, np.nan)
        values, vectors = eigh(matrix)
        values = np.maximum(values, EPSILON * values[-1] + TINY)
        inverse = 1 / (values + self.ridges[:, None])
        return lambda right: ((right @ vectors) * inverse) @ vectors.T


def with_floor(scale: Array) -> Array:
    """Scales with a floor relative to the largest: a dead unit must not make D singular."""
    return scale + 1e-6 * scale.max() + TINY


def jittered_solver(matrix: Array, diagonal: Array | float) -> Callable[[Array], Array]:
    """Solver of a semidefinite matrix plus a diagonal, lifted by as little as rounding demands."""
    if not np.isfinite(matrix).all():  # no lift will do: such a step is not taken
        return lambda right: np.full_like(right, np.nan)
    factor = jittered_cholesky(matrix, diagonal)
    return lambda right: dpotrs(factor, right, lower=1)[0]


def trace_of_quotient(matrix: Array, ridge: Array | float) -> float:
    """tr matrix^{-1} ridge of a semidefinite matrix and a symmetric one, or 0.0 for none."""
    if isinstance(ridge, float) or not np.any(ridge) or not np.isfinite(matrix).all():
        return 0.0
    inverse = dpotri(jittered_cholesky(matrix, 0.0), lower=1)[0]  # the lower half
    return 2 * np.vdot(np.tril(inverse, -1), ridge) + inverse.diagonal() @ ridge.diagonal()


def subspace(W: Array) -> Array:
    """Orthonormal basis (r, s) of the directions on which the preconditioner is exact, from W (r, k)."""
    r, k = W.shape
    whole, along = r * k, min(r, k) * k
    if along > SPAN_WEIGHTS:
        return np.zeros((r, 0))
    if whole**2 <= along**2 + 4 * SOLVE_STEPS * whole:
        return np.eye(r)
    return qr(W, mode="economic")[0]


def normal_matrices(evaluation: Evaluation, basis: Array) -> tuple[Array, Array, bool]:
    """C (k, k) and M = E[q q^T] of the head of this file, from some of the rows, without the penalty.

    The derivative q of an output is taken by the weights along ``basis``, biases and output
    weights, packed as a :class:`Network` whose W has s rows.

    Parameters
    ----------
    evaluation : Evaluation
    basis : array of shape (r, s)

    Returns
    -------
    C, M : arrays of shapes (k, k) and (p, p)
        With p = (s + 1) k + (k + 1) n_outputs.
    exact : bool
        Whether M is the Gauss-Newton matrix itself.
    """
    problem, network = evaluation.problem, evaluation.network
    k, m = network.V.shape
    s = basis.shape[1]
    n_columns = (s + 1) * k + (k + 1) * m
    # Of many rows as many as cost half as much as a product with all, which is 4 n times the weights.
    rows = problem.rows.subsample(max(ROWS_PER_COLUMN * n_columns, 2 * problem.rows.n_rows // n_columns))
    all_rows = rows is problem.rows
    project, shift = problem.coordinates.weights_to_inputs(basis, np.zeros(s))
    exact = all_rows and s == len(basis)
    # Single precision is enough for conjugate gradients, and half the work.
    dtype = type_of_sums(problem) if exact else np.float32

    def sums(block: Block) -> tuple[Array, Array]:
        linearization = linearized(evaluation, block, all_rows)
        u = (block.X @ project + shift).astype(dtype)
        of_sums = np.result_type(dtype, *([] if block.weight is None else [block.weight]))
        C, M = np.zeros((k, k), of_sums), np.zeros((n_columns, n_columns), of_sums)
        for output in range(m):
            q, slopes = (
                sqrt_weighted(part, block.weight)
                for part in jacobian_rows(evaluation, linearization, u, output)
            )
            own = own_columns(network, s, output)
            M[np.ix_(own, own)] += transposed_product(q, q)
            C += transposed_product(slopes, slopes)
        return C, M

    C, M = rows.sum(sums)
    if not exact:
        M.flat[:: n_columns + 1] *= 1 + SINGLE_JITTER
    return C.astype(float) / rows.weight_sum, M / rows.weight_sum, exact


def sqrt_weighted(array: Array, weight: Array | None) -> Array:
    """Rows of an array (m, j) times the roots of their weights (m, 1).

    For the product of a matrix and itself, of which BLAS computes one half.
    """
    return array if weight is None else array * np.sqrt(weight)


def type_of_sums(problem: SquaredLoss) -> DTypeLike:
    """Floating type in which a preconditioner that is the whole matrix is summed."""
    strength = problem.alpha / problem.rows.weight_sum
    return problem.rows.dtype if strength >= SINGLE_STRENGTH else np.dtype(np.float64)


def linearized(evaluation: Evaluation, block: Block, is_of_problem: bool) -> Linearization:
    """The linearization of a block; where it is one of the problem, the one that is kept."""
    if is_of_problem and evaluation.linearizations is not None:
        return evaluation.linearizations[block.index]
    return linearize(block, evaluation.input_weights, evaluation.problem.activation)


def jacobian_rows(
    evaluation: Evaluation, linearization: Linearization, u: Array, output: int
) -> tuple[Array, Array]:
    """q of an output (m, p) by its own weights and its slopes (m, k), from coordinates u (m, s).

    The m rows are those of a block, the weights those of :func:`own_columns`.
    """
    k, (n, s) = len(evaluation.network.b), u.shape
    W_end, V_start, V_end = s * k, (s + 1) * k, (s + 2) * k
    free = float(evaluation.problem.fit_intercept)
    slopes = linearization.D * evaluation.input_weights.V[:, output]
    slopes = slopes.astype(u.dtype, order="C")  # as q is
    q = np.empty((n, V_end + 1), u.dtype)
    np.multiply(u[:, :, None], slopes[:, None, :], out=q[:, :W_end].reshape(n, s, k))
    q[:, W_end:V_start] = free * slopes
    q[:, V_start:V_end] = linearization.Phi
    q[:, V_end] = free
    return q, slopes


def own_columns(network: Network, s: int, output: int) -> Array:
    """Places of the weights that an output depends on: W with s rows, b, and its column of V and c."""
    k, m = network.V.shape
    shared = (s + 1) * k
    own = shared + output + m * np.arange(k + 1)
    return np.concatenate([np.arange(shared), own])
