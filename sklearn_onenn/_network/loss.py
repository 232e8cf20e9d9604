"""The squared loss of a network on rows: value, gradient, Gauss-Newton products, residuals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .._activation_base import Activation
from .._data.blocks import Block, weighted
from .._data.coordinates import Coordinates
from .._data.rows import ArrayRows, Rows
from .._typing import Array
from .network import (
    Linearization,
    Network,
    adjoint,
    count_weights,
    forward,
    jacobian_product,
    linearize,
)


def residuals(problem: "SquaredLoss", network: Network) -> ArrayRows:
    """The rows, in memory, with y - F(x) for targets."""
    rows, input_weights = problem.array_rows, problem.to_inputs(network)
    rest = rows.map(lambda block: block.y - forward(block.X, input_weights, problem.activation))
    return rows.with_targets(np.concatenate(rest))


class SquaredLoss:
    """f(W, b, V, c) = 1/2 mean |F(x) - y|^2 + alpha / (2 n) (tr W^T P W + |V|^2) over rows.

    Weights are given in white coordinates, rows are read as they are.

    Parameters
    ----------
    rows : Rows
    activation : Activation
    coordinates : Coordinates
    fit_intercept : bool
        False keeps b and c at zero.
    alpha : float
        Penalty. P is the squared length of a weight vector with the columns at unit scale.
    """

    def __init__(
        self,
        rows: Rows,
        activation: Activation,
        coordinates: Coordinates,
        *,
        fit_intercept: bool = True,
        alpha: float = 0.0,
    ) -> None:
        self.rows, self.activation, self.coordinates = rows, activation, coordinates
        self.fit_intercept, self.alpha = fit_intercept, alpha
        self.penalty = coordinates.penalty

    def replace(
        self, rows: Rows, *, alpha: float | None = None, activation: Activation | None = None
    ) -> "SquaredLoss":
        """This loss on other rows, and with another penalty or activation where one is given."""
        other = SquaredLoss(
            rows, self.activation if activation is None else activation, self.coordinates,
            fit_intercept=self.fit_intercept, alpha=self.alpha if alpha is None else alpha,
        )  # fmt: skip
        if rows is self.rows and "row_products" in vars(self):
            vars(other)["row_products"] = self.row_products
        return other

    @cached_property
    def row_products(self) -> Array:
        """Products Z P^{-1} Z^T (n, n) of rows in memory, as the penalty measures weights."""
        parts = self.array_rows.map(lambda block: self.coordinates.whiten(block.X).astype(float))
        Z = np.concatenate(parts) / np.sqrt(self.penalty)
        return Z @ Z.T

    @property
    def array_rows(self) -> ArrayRows:
        """The rows as arrays: of a problem on rows in memory, they themselves. Others are all read."""
        return self.rows.in_memory()

    @property
    def n_targets(self) -> float:
        """Targets, a row of weight w counting w times for each output."""
        return self.rows.weight_sum * self.rows.n_outputs

    def n_weights(self, k: int) -> int:
        """Weights of a network of k units on these rows."""
        rank, m = self.coordinates.rank, self.rows.n_outputs
        return count_weights(rank, k, m, fit_intercept=self.fit_intercept)

    @property
    def weights_of_a_unit(self) -> int:
        """Weights that a further unit brings."""
        return self.n_weights(2) - self.n_weights(1)

    def n_identifiable_weights(self, k: int) -> int:
        """Weights without the scales that homogeneous units share with their output weights."""
        return self.n_weights(k) - (0 if self.activation.degree is None else k)

    def targets_per_weight(self, k: int) -> float:
        """The ratio by which samples are small or large for k units."""
        return self.n_targets / self.n_weights(k)

    def to_inputs(self, network: Network) -> Network:
        """Weights of the white coordinates as weights of the rows, in the type of the rows."""
        W, b = self.coordinates.weights_to_inputs(network.W, network.b)
        return network._replace(W=W, b=b).astype(self.rows.dtype)

    def _gradient_from_inputs(self, W: Array, b: Array, V: Array, c: Array) -> Network:
        """The gradient in white coordinates, from sums over the rows."""
        n = self.rows.weight_sum
        W = self.coordinates.gradient_from_inputs(W, b)
        if not self.fit_intercept:
            b, c = np.zeros_like(b), np.zeros_like(c)
        return Network(W / n, b / n, V / n, c / n)

    def _penalized_gradient(self, parts: Sequence[Array], network: Network) -> Network:
        """The gradient with the penalty in white coordinates, from sums over the rows."""
        gradient = self._gradient_from_inputs(*parts)
        if self.alpha == 0:
            return gradient
        strength = self.alpha / self.rows.weight_sum
        W = gradient.W + strength * self.penalty[:, None] * network.W
        return gradient._replace(W=W, V=gradient.V + strength * network.V)

    def penalty_value(self, network: Network) -> float:
        """alpha / (2 n) (tr W^T P W + |V|^2)."""
        if self.alpha == 0:
            return 0.0
        square = self.penalty @ np.einsum("ij,ij->i", network.W, network.W)
        square += np.vdot(network.V, network.V)
        return 0.5 * self.alpha / self.rows.weight_sum * square

    def data_loss(self, network: Network) -> float:
        """1/2 mean |F(x) - y|^2."""
        input_weights, activation = self.to_inputs(network), self.activation

        def squares(block: Block) -> np.float64:
            R = forward(block.X, input_weights, activation) - block.y
            return np.vdot(R, weighted(R, block.weight)).astype(np.float64)

        return 0.5 * float(self.rows.sum(squares)) / self.rows.weight_sum

    def evaluate(self, network: Network) -> "Evaluation":
        """Loss and gradient.

        Returns
        -------
        Evaluation
            It keeps units and slopes of every block where the rows allow it, so that Gauss-Newton
            products there cost two products with the rows; otherwise they cost three.
        """
        input_weights, activation = self.to_inputs(network), self.activation
        is_kept = self.rows.can_cache(2 * network.V.shape[0] + network.V.shape[1])
        linearizations: dict[int, Linearization] | None = {} if is_kept else None

        def sums(block: Block) -> tuple[np.float64, Array, Array, Array, Array]:
            linearization = linearize(block, input_weights, activation)
            if linearizations is not None:
                linearizations[block.index] = linearization
            squares = np.vdot(linearization.R, weighted(linearization.R, block.weight))
            return squares.astype(np.float64), *adjoint(
                block, linearization, input_weights.V, linearization.R
            )

        squares, *parts = self.rows.sum(sums)
        data_loss = 0.5 * float(squares) / self.rows.weight_sum
        gradient = self._penalized_gradient(parts, network)
        return Evaluation(self, network, input_weights, linearizations, data_loss, gradient)


@dataclass(frozen=True)
class Evaluation:
    """The squared loss at a network.

    Attributes
    ----------
    problem : SquaredLoss
    network, input_weights : Network
        Weights in white coordinates, and those of the rows in their floating type.
    linearizations : dict of int -> Linearization or None
        By index of block; None where the rows keep none.
    data_loss : float
        1/2 mean |F(x) - y|^2.
    gradient : Network
    """

    problem: SquaredLoss
    network: Network
    input_weights: Network
    linearizations: dict[int, Linearization] | None
    data_loss: float
    gradient: Network

    @property
    def loss(self) -> float:
        """The loss, penalty included."""
        return self.data_loss + self.problem.penalty_value(self.network)

    def with_alpha(self, alpha: float) -> "Evaluation":
        """The evaluation of the loss with another penalty at these weights."""
        problem = self.problem.replace(self.problem.rows, alpha=alpha)
        change = problem.replace(problem.rows, alpha=alpha - self.problem.alpha)
        nothing = [np.zeros_like(part) for part in self.input_weights]
        more = change._penalized_gradient(nothing, self.network)
        gradient = self.gradient.unpack(self.gradient.pack() + more.pack())
        return replace(self, problem=problem, gradient=gradient)

    def linearizer(self) -> Callable[[Block], Linearization]:
        """A function of a block: units, slopes and residual there, kept or computed again.

        It holds no rows, so that it can travel to where they are.
        """
        kept, input_weights, activation = (
            self.linearizations, self.input_weights, self.problem.activation,
        )  # fmt: skip

        def linearization(block: Block) -> Linearization:
            return kept[block.index] if kept else linearize(block, input_weights, activation)

        return linearization

    def gauss_newton_product(self, direction: Network) -> Network:
        """(J^T J / n + penalty) applied to a direction, both in white coordinates."""
        problem, V, linearization = self.problem, self.input_weights.V, self.linearizer()
        step = problem.to_inputs(direction)

        def product(block: Block) -> tuple[Array, Array, Array, Array]:
            at = linearization(block)
            return adjoint(block, at, V, jacobian_product(block, at, V, step))

        parts = problem.rows.sum(product)
        return problem._penalized_gradient(parts, direction)

    def transposed_jacobian(self, R: Array) -> Network:
        """J^T R / n for R (rows, n_outputs) on rows in memory, in white coordinates."""
        problem, V, linearization = self.problem, self.input_weights.V, self.linearizer()
        rows = problem.array_rows

        def product(block: Block) -> tuple[Array, Array, Array, Array]:
            return adjoint(block, linearization(block), V, block.y)

        parts = rows.with_targets(R.astype(rows.dtype)).sum(product)
        return problem._gradient_from_inputs(*parts)
