"""The network on one block of rows, forwards and backwards.

The network is F(x) = V^T phi(W^T x + b) + c with W (d, k), b (k,), V (k, m), c (m,). Each function of
a block costs two products with the rows: X W on the way in, X^T G on the way out.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from .._activation_base import Activation
from .._data.blocks import Block, by_columns, transposed_product, weighted
from .._typing import Array, RowMatrix


class Network(NamedTuple):
    """Weights of a one-hidden-layer network, or a direction in their space.

    Attributes
    ----------
    W : array of shape (d, k)
    b : array of shape (k,)
    V : array of shape (k, n_outputs)
    c : array of shape (n_outputs,)
    """

    W: Array
    b: Array
    V: Array
    c: Array

    def pack(self) -> Array:
        """All weights as one vector."""
        return np.concatenate([self.W.ravel(), self.b, self.V.ravel(), self.c])

    def unpack(self, vector: Array) -> "Network":
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

    def astype(self, dtype: DTypeLike) -> "Network":
        """The network with weights of this floating type, not copied if they have it already."""
        return Network(*(weights.astype(dtype, copy=False) for weights in self))


class Member(NamedTuple):
    """A network, and its share in the mean of several."""

    network: Network
    share: float


def count_weights(n_features: int, k: int, n_outputs: int, *, fit_intercept: bool) -> int:
    """Weights of a network of k units; without intercepts b and c are none."""
    intercepts = k + n_outputs if fit_intercept else 0
    return k * (n_features + n_outputs) + intercepts


def forward(X: RowMatrix, network: Network, activation: Activation) -> Array:
    """Predictions (rows, n_outputs) of one block of rows."""
    P = by_columns(X, network.W)
    P += network.b
    return by_columns(activation.value(P), network.V) + network.c


@dataclass(frozen=True)
class Linearization:
    """One block at one network: units Phi and slopes D (rows, k), residual R (rows, n_outputs)."""

    Phi: Array
    D: Array
    R: Array


def linearize(block: Block, network: Network, activation: Activation) -> Linearization:
    """Units (m, k), slopes (m, k) and residual F(x) - y (m, n_outputs) of one block."""
    P = by_columns(block.X, network.W)
    P += network.b
    Phi, D = activation.value_and_derivative(P)
    R = by_columns(Phi, network.V)
    R += network.c
    R -= block.y
    return Linearization(Phi, D, R)


def adjoint(
    block: Block, linearization: Linearization, V: Array, R: Array
) -> tuple[Array, Array, Array, Array]:
    """Transposed Jacobian of one block times R (rows, n_outputs): its parts by W, b, V and c."""
    R = weighted(R, block.weight)
    G = times_transposed(R, V)
    G *= linearization.D
    by_inputs = transposed_product(G, block.X).T
    return by_inputs, G.sum(axis=0), transposed_product(linearization.Phi, R), R.sum(axis=0)


def jacobian_product(block: Block, linearization: Linearization, V: Array, direction: Network) -> Array:
    """Change (rows, n_outputs) of the predictions of one block along a direction."""
    Q = by_columns(block.X, direction.W)
    Q += direction.b
    Q *= linearization.D
    F = by_columns(Q, V)
    F += by_columns(linearization.Phi, direction.V)
    F += direction.c
    return F


def times_transposed(R: Array, V: Array) -> Array:
    """R V^T for R (rows, n_outputs), V (k, n_outputs)."""
    # NumPy's product of a single column is slow.
    return (V * R.T).T if R.shape[1] == 1 else by_columns(R, V.T)
