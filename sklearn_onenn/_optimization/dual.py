"""The Gauss-Newton matrix with a penalty, of fewer targets than weights: by products of its rows.

With B the penalty and the damping on W and V, J their part of the derivatives of all targets, and U
that of the intercepts, which have no penalty, the equations of a step are
    [J^T J / n + B   J^T U / n    ] [s]   [g]
    [U^T J / n       U^T U / n + E] [t] = [h].
Their matrix is as large as there are weights; K = n I + J B^{-1} J^T only as there are targets, and
    (U^T K^{-1} U + E) t = h - U^T K^{-1} J B^{-1} g,     s = B^{-1} (g - J^T K^{-1} (J B^{-1} g + U t))
(M. A. Woodbury, 1950). J B^{-1} J^T needs no J: the derivatives of unit i by w_i are a slope times the
row, so that it is the products of the rows times those of the slopes, entry by entry, and the products
of the units. The damping of w_i is in proportion to the penalty, and alike for all units: then B^{-1}
is a number on each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpotrs, dtrtri

from .._data.blocks import weighted
from .._data.floating_point import TINY, jittered_cholesky
from .._data.rows import ArrayRows
from .._network.loss import Evaluation
from .._network.network import Network, jacobian_product
from .._typing import Array
from .curvature import Curvature
from .preconditioner import SOLVE_STEPS, Preconditioner


def curvature_at(evaluation: Evaluation) -> Curvature:
    """The matrix of a step: by targets where these are few, by weights otherwise."""
    return DualMatrix(evaluation) if pays_by_targets(evaluation) else Preconditioner(evaluation)


def pays_by_targets(evaluation: Evaluation) -> bool:
    """Whether the matrix by targets costs less than the conjugate gradients that it replaces."""
    problem, W = evaluation.problem, evaluation.network.W
    if problem.alpha == 0 or not isinstance(problem.rows, ArrayRows):
        return False
    size = problem.rows.n_rows * problem.rows.n_outputs
    if size >= len(evaluation.network.pack()) or len(W) == 0:
        return False
    return size**2 <= 8 * SOLVE_STEPS * W.size


@dataclass(frozen=True)
class TargetProducts:
    """What the derivatives of all targets give, whatever the penalty.

    Targets are in order of outputs, then of rows, each times the root of its weight.

    Attributes
    ----------
    by_W : array of shape (n m, n m)
        Products of the derivatives by W, with the inverse of the penalty between.
    by_V : array of shape (n, n)
        Those by the output weights of one output; between two outputs there are none.
    intercepts : array of shape (n m, j)
        Derivatives by b and c, which has no columns where those are fixed.
    units : array of shape (k,)
        Mean squares of the slopes.
    output_square : float
        Mean square of the units.
    """

    by_W: Array
    by_V: Array
    intercepts: Array
    units: Array
    output_square: float

    @classmethod
    def at(cls, evaluation: Evaluation) -> "TargetProducts":
        """The products at a network."""
        problem, rows = evaluation.problem, evaluation.problem.array_rows
        parts = rows.map(evaluation.linearizer())
        root = root_weights(rows)
        Phi = root * np.concatenate([part.Phi for part in parts]).astype(float)
        D = root * np.concatenate([part.D for part in parts]).astype(float)
        V = evaluation.network.V
        (n, k), m = Phi.shape, V.shape[1]
        slopes = (V.T[:, None, :] * D).reshape(m * n, k)
        by_W = slopes @ slopes.T
        by_W.reshape(m, n, m, n)[...] *= problem.row_products[:, None, :]
        intercepts = np.zeros((m * n, 0))
        if problem.fit_intercept:
            intercepts = np.concatenate([slopes, np.kron(np.eye(m), root)], axis=1)
        units = (slopes**2).sum(axis=0) / rows.weight_sum
        return cls(by_W, Phi @ Phi.T, intercepts, units, np.vdot(Phi, Phi) / rows.weight_sum / k)


def root_weights(rows: ArrayRows) -> Array:
    """Roots of the weights (n, 1) of rows."""
    return np.sqrt(weighted(np.ones((rows.n_rows, 1)), rows.weight))


class DualMatrix(Curvature):
    """The Gauss-Newton matrix at a network by its targets: see the head of this file.

    Parameters
    ----------
    evaluation : Evaluation
        At the network, under a penalty that is not zero.
    products : TargetProducts or None
        Where they are known from another penalty.
    """

    exact = covers_units = True

    def __init__(self, evaluation: Evaluation, products: TargetProducts | None = None) -> None:
        problem, network = evaluation.problem, evaluation.network
        self.evaluation, self.shape = evaluation, network
        self.products = TargetProducts.at(evaluation) if products is None else products
        self.strength = problem.alpha / problem.rows.weight_sum
        self.root = root_weights(problem.array_rows)
        units, V = self.products.units, self.products.output_square
        self.damped_W, self.damped_V = units.mean() + TINY, V + TINY
        W = np.broadcast_to((self.damped_W * problem.penalty)[:, None], network.W.shape)
        b, c = units + 1e-6 * units.max() + TINY, np.ones_like(network.c)
        self.diagonal = Network(W, b, np.full_like(network.V, self.damped_V), c).pack()

    def under(self, evaluation: Evaluation) -> "DualMatrix":
        return DualMatrix(evaluation, self.products)

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.products.by_W).all() and np.isfinite(self.products.by_V).all())

    def _strengths(self, damping: float) -> tuple[float, float]:
        """Penalty and damping of W, in units of its penalty, and of V."""
        return self.strength + damping * self.damped_W, self.strength + damping * self.damped_V

    def _factor(self, damping: float) -> "TargetFactor":
        """K and the equations of the intercepts, factorized."""
        products, (n, m) = self.products, (len(self.root), len(self.shape.c))
        of_W, of_V = self._strengths(damping)
        K = products.by_W / of_W
        np.einsum("oiop->oip", K.reshape(m, n, m, n))[...] += products.by_V / of_V
        factor = jittered_cholesky(K, self.evaluation.problem.rows.weight_sum)
        own = self.shape.unpack(damping * self.diagonal)
        return TargetFactor.of(factor, products.intercepts, np.concatenate([own.b, own.c]))

    def _times(self, direction: Array) -> Array:
        """J times a packed direction, with the roots of the weights: (n m,)."""
        evaluation, rows = self.evaluation, self.evaluation.problem.array_rows
        at, V = evaluation.linearizer(), evaluation.input_weights.V
        step = evaluation.problem.to_inputs(self.shape.unpack(direction))
        parts = rows.map(lambda block: jacobian_product(block, at(block), V, step))
        change: Array = (self.root * np.concatenate(parts)).T.ravel()
        return change

    def _transposed(self, targets: Array) -> Array:
        """J^T times numbers (n m,) of the targets, with the roots of the weights, packed."""
        R = targets.reshape(len(self.shape.c), -1).T / np.maximum(self.root, TINY)
        return self.evaluation.problem.rows.weight_sum * self.evaluation.transposed_jacobian(R).pack()

    def solver(self, damping: float) -> Callable[[Array], Array]:
        if not self.is_finite:
            return lambda right: np.full_like(right, np.nan)
        shape, factor, (of_W, of_V) = self.shape, self._factor(damping), self._strengths(damping)
        W = np.broadcast_to(1 / (of_W * self.evaluation.problem.penalty)[:, None], shape.W.shape)
        none = [np.zeros_like(part) for part in (shape.b, shape.c)]
        inverse = Network(W, none[0], np.full_like(shape.V, 1 / of_V), none[1]).pack()

        def solve(right: Array) -> Array:
            free, given = inverse * right, shape.unpack(right)
            targets, intercepts = factor.solve(self._times(free), np.concatenate([given.b, given.c]))
            step = shape.unpack(free - inverse * self._transposed(targets))
            b, c = np.split(intercepts, [len(shape.b)]) if len(intercepts) else none
            return step._replace(b=b, c=c).pack()

        return solve

    @cached_property
    def leverages(self) -> Array:
        """The share that each target has in its own prediction: (n m,)."""
        return 1 - self.evaluation.problem.rows.weight_sum * self._factor(0.0).inverse_diagonal()

    def effective_dof(self) -> float:
        return float(self.leverages.sum()) if self.is_finite else np.nan

    def left_out_error(self, counts: float, least_left: float) -> float:
        evaluation, rows = self.evaluation, self.evaluation.problem.array_rows
        R = np.concatenate([part.R for part in rows.map(evaluation.linearizer())])
        left = np.maximum(1 - counts * self.leverages, least_left).reshape(R.shape[::-1]).T
        return float(weighted((R / left) ** 2, rows.weight).sum()) / rows.weight_sum / rows.n_outputs


@dataclass(frozen=True)
class TargetFactor:
    """The equations of a step on the targets, factorized.

    Attributes
    ----------
    factor : array of shape (n m, n m)
        Lower Cholesky factor of K.
    U, solved : arrays of shape (n m, j)
        Derivatives by the intercepts, and K^{-1} times these.
    eliminated : array of shape (j, j)
        Lower Cholesky factor of U^T K^{-1} U + E.
    """

    factor: Array
    U: Array
    solved: Array
    eliminated: Array

    @classmethod
    def of(cls, factor: Array, U: Array, damping: Array) -> "TargetFactor":
        """From the factor of K and the damping E of the intercepts, a diagonal."""
        if U.shape[1] == 0:
            return cls(factor, U, U, np.zeros((0, 0)))
        solved = dpotrs(factor, U, lower=1)[0]
        # Biases of dead units have no derivatives: a pivot that is not zero, and moves no other.
        return cls(factor, U, solved, jittered_cholesky(U.T @ solved, damping + np.sqrt(TINY)))

    def solve(self, targets: Array, intercepts: Array) -> tuple[Array, Array]:
        """K^{-1} (J B^{-1} g + U t) and t, from J B^{-1} g and h of the head of this file."""
        if self.U.shape[1] == 0:
            return dpotrs(self.factor, targets, lower=1)[0], np.zeros(0)
        t = dpotrs(self.eliminated, intercepts - self.solved.T @ targets, lower=1)[0]
        return dpotrs(self.factor, targets + self.U @ t, lower=1)[0], t

    def inverse_diagonal(self) -> Array:
        """Diagonal (n m,) of K^{-1} less what the intercepts, which are free, take of it."""
        inverse = np.tril(dtrtri(self.factor, lower=1)[0])
        diagonal: Array = np.einsum("ij,ij->j", inverse, inverse)
        if self.U.shape[1] == 0:
            return diagonal
        taken = solve_triangular(self.eliminated, self.solved.T, lower=True, check_finite=False)
        return diagonal - np.einsum("ij,ij->j", taken, taken)
