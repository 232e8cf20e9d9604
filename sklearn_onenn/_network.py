"""The network and its squared loss on rows: value, gradient and Gauss-Newton products.

The network is F(x) = V^T phi(W^T x + b) + c with W (d, k), b (k,), V (k, m), c (m,). Each function of
a block costs two products with the rows: X W on the way in, X^T G on the way out.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ._blocks import by_columns, transposed_product, weighted


class Network(NamedTuple):
    """Weights of a one-hidden-layer network, or a direction in their space.

    Attributes
    ----------
    W : array of shape (d, k)
    b : array of shape (k,)
    V : array of shape (k, n_outputs)
    c : array of shape (n_outputs,)
    """

    W: np.ndarray
    b: np.ndarray
    V: np.ndarray
    c: np.ndarray

    def pack(self):
        """All weights as one vector."""
        return np.concatenate([self.W.ravel(), self.b, self.V.ravel(), self.c])

    def unpack(self, vector):
        """The network of this shape whose weights are ``vector``."""
        W_end = self.W.size
        b_end = W_end + len(self.b)
        V_end = b_end + self.V.size
        return Network(
            vector[:W_end].reshape(self.W.shape),
            vector[W_end:b_end],
            vector[b_end:V_end].reshape(self.V.shape),
            vector[V_end:],
        )

    def astype(self, dtype):
        """Weights in another floating type (no copy where it is the same)."""
        return Network(*(weights.astype(dtype, copy=False) for weights in self))


def forward(X, network, activation):
    """Predictions (rows, n_outputs) of one block of rows."""
    P = by_columns(X, network.W)
    P += network.b
    return by_columns(activation.value(P), network.V) + network.c


@dataclass(frozen=True)
class Linearization:
    """One block at one network: units Phi and slopes D (rows, k), residual R (rows, n_outputs)."""

    Phi: np.ndarray
    D: np.ndarray
    R: np.ndarray


def overflow_allowed():
    """No warning for a step that is only tried: a loss that is not finite is no descent."""
    return np.errstate(over="ignore", invalid="ignore")


def linearize(block, network, activation):
    """Units, slopes and residual F(x) - y of one block."""
    P = by_columns(block.X, network.W)
    P += network.b
    Phi, D = activation.value_and_derivative(P)
    R = by_columns(Phi, network.V)
    R += network.c
    R -= block.y
    return Linearization(Phi, D, R)


def adjoint(block, linear, V, R):
    """Transposed Jacobian of one block on R (rows, n_outputs): the parts of a gradient."""
    R = weighted(R, block.weight)
    G = times_transposed(R, V)
    G *= linear.D
    by_inputs = transposed_product(G, block.X).T
    return by_inputs, G.sum(axis=0), transposed_product(linear.Phi, R), R.sum(axis=0)


def jacobian_product(block, linear, V, direction):
    """Change (rows, n_outputs) of the predictions of one block along a direction."""
    Q = by_columns(block.X, direction.W)
    Q += direction.b
    Q *= linear.D
    F = by_columns(Q, V)
    F += by_columns(linear.Phi, direction.V)
    F += direction.c
    return F


def times_transposed(R, V):
    """R V^T for R (rows, n_outputs), V (k, n_outputs)."""
    # Of one column NumPy has no fast product.
    return (V * R.T).T if R.shape[1] == 1 else by_columns(R, V.T)


class SquaredLoss:
    """f(W, b, V, c) = 1/2 mean |F(x) - y|^2 + alpha / (2 n) (tr W^T P W + |V|^2) over rows.

    Weights are given in white coordinates, rows are read as they are.

    Parameters
    ----------
    rows : ArrayRows
    activation : Activation
    coordinates : Coordinates
    fit_intercept : bool
        False keeps b and c at zero.
    alpha : float
        Penalty. P is the squared length of a weight vector with the columns at unit scale.
    """

    def __init__(self, rows, activation, coordinates, *, fit_intercept=True, alpha=0.0):
        self.rows, self.activation, self.coordinates = rows, activation, coordinates
        self.fit_intercept, self.alpha = fit_intercept, alpha
        self.penalty = coordinates.penalty

    def on(self, rows, *, alpha=None, activation=None):
        """The same loss on other rows, or with another penalty or activation."""
        return SquaredLoss(
            rows, self.activation if activation is None else activation, self.coordinates,
            fit_intercept=self.fit_intercept, alpha=self.alpha if alpha is None else alpha,
        )  # fmt: skip

    def to_rows(self, network):
        """Weights of the white coordinates as weights of the rows, in the type of the rows."""
        W, b = self.coordinates.weights_to_rows(network.W, network.b)
        with overflow_allowed():
            return network._replace(W=W, b=b).astype(self.rows.dtype)

    def _gradient_from_rows(self, W, b, V, c):
        """Sums over rows as the gradient in white coordinates."""
        n = self.rows.weight_sum
        W = self.coordinates.transform.T @ (W - self.coordinates.mean[:, None] * b)
        if not self.fit_intercept:
            b, c = np.zeros_like(b), np.zeros_like(c)
        return Network(W / n, b / n, V / n, c / n)

    def _penalized_gradient(self, parts, network, at_rows):
        """Sums over rows and the penalty as the gradient in white coordinates.

        P w is T^T (scale^2 T w), and the weights of the rows, T w, are at hand: P need not be read.
        """
        if self.alpha == 0:
            return self._gradient_from_rows(*parts)
        W, b, V, c = parts
        W = W + self.alpha * self.coordinates.scale[:, None] ** 2 * at_rows.W
        return self._gradient_from_rows(W, b, V + self.alpha * network.V, c)

    def penalty_value(self, network):
        """alpha / (2 n) (tr W^T P W + |V|^2)."""
        if self.alpha == 0:
            return 0.0
        square = np.vdot(network.W, self.penalty @ network.W) + np.vdot(network.V, network.V)
        return 0.5 * self.alpha / self.rows.weight_sum * square

    def data_loss(self, network):
        """1/2 mean |F(x) - y|^2."""
        at_rows, activation = self.to_rows(network), self.activation

        def squares(block):
            with overflow_allowed():
                R = forward(block.X, at_rows, activation) - block.y
                return np.vdot(R, weighted(R, block.weight)).astype(np.float64)

        return 0.5 * float(self.rows.sum(squares)) / self.rows.weight_sum

    def evaluate(self, network):
        """Loss and gradient.

        Returns
        -------
        Evaluation
            It keeps units and slopes of every block where the rows allow it, so that Gauss-Newton
            products there cost two products with the rows; otherwise they cost three.
        """
        at_rows, activation = self.to_rows(network), self.activation
        linear = {} if self.rows.keeps(2 * network.V.shape[0] + network.V.shape[1]) else None

        def sums(block):
            with overflow_allowed():
                at = linearize(block, at_rows, activation)
                if linear is not None:
                    linear[block.index] = at
                squares = np.vdot(at.R, weighted(at.R, block.weight))
                return squares.astype(np.float64), *adjoint(block, at, at_rows.V, at.R)

        squares, *parts = self.rows.sum(sums)
        data_loss = 0.5 * float(squares) / self.rows.weight_sum
        with overflow_allowed():
            gradient = self._penalized_gradient(parts, network, at_rows)
        return Evaluation(self, network, at_rows, linear, data_loss, gradient)


@dataclass(frozen=True)
class Evaluation:
    """The squared loss at a network.

    Attributes
    ----------
    problem : SquaredLoss
    network, at_rows : Network
        Weights in white coordinates, and those of the rows in their floating type.
    linear : dict of int -> Linearization or None
        By index of block; None where the rows keep none.
    data_loss : float
        1/2 mean |F(x) - y|^2.
    gradient : Network
    """

    problem: SquaredLoss
    network: Network
    at_rows: Network
    linear: object
    data_loss: float
    gradient: Network

    @property
    def loss(self):
        """Loss with the penalty."""
        return self.data_loss + self.problem.penalty_value(self.network)

    def with_alpha(self, alpha):
        """The same under another penalty."""
        problem = self.problem.on(self.problem.rows, alpha=alpha)
        change = problem.on(problem.rows, alpha=alpha - self.problem.alpha)
        nothing = [np.zeros_like(part) for part in self.at_rows]
        more = change._penalized_gradient(nothing, self.network, self.at_rows)
        gradient = self.gradient.unpack(self.gradient.pack() + more.pack())
        return replace(self, problem=problem, gradient=gradient)

    def gauss_newton_product(self, direction):
        """(J^T J / n + penalty) applied to a direction, both in white coordinates."""
        problem, linear = self.problem, self.linear
        step, at_rows, activation = problem.to_rows(direction), self.at_rows, problem.activation
        V = at_rows.V

        def product(block):
            at = linear[block.index] if linear else linearize(block, at_rows, activation)
            with overflow_allowed():
                return adjoint(block, at, V, jacobian_product(block, at, V, step))

        parts = problem.rows.sum(product)
        return problem._penalized_gradient(parts, direction, step)

    def transposed_jacobian(self, R):
        """J^T R / n for R (rows, n_outputs) on rows in memory, in white coordinates."""
        problem, linear, V = self.problem, self.linear, self.at_rows.V

        def product(block):
            at = linear[block.index] if linear else linearize(block, self.at_rows, problem.activation)
            return adjoint(block, at, V, block.y)

        parts = problem.rows.with_targets(R.astype(problem.rows.dtype)).sum(product)
        return problem._gradient_from_rows(*parts)
