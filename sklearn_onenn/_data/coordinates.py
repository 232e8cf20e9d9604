"""Coordinates of the rows, and weights between them and the rows.

The moments of Algorithm 1 want x ~ N(0, I), and Gauss-Newton steps want well-scaled coordinates.
Rows are never copied to get there. White coordinates are z = T^T (x - mean), so a unit w_z . z + b_z
is the unit w_x . x + b_x with w_x = T w_z and b_x = b_z - mean . w_x: only weights are transformed.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .._typing import Array, RowMatrix
from .blocks import dense


class Coordinates(ABC):
    """Affine coordinates z = T^T (x - mean) of the rows, and weights between these and the rows.

    The columns of T, at unit scale, are orthogonal, or T is diagonal.

    Attributes
    ----------
    mean : array of shape (d,)
    scale : array of shape (d,)
        Standard deviation of each column (1 for a constant column).
    inverse : array of shape (r, d)
        Left inverse of T: w_z = inverse @ w_x for w_x in the span of T.
    """

    mean: Array
    scale: Array
    inverse: Array

    @property
    @abstractmethod
    def penalty(self) -> Array:
        """Squared lengths (r,) of the columns of T, with the columns of the rows at unit scale.

        These being orthogonal, w_x of any w_z has there the squared length sum_j penalty_j w_z_j^2.
        """

    @abstractmethod
    def weights_to_inputs(self, W: Array, b: Array) -> tuple[Array, Array]:
        """Weights W (r, k), biases b (k,) of the white coordinates as those of the rows."""

    @abstractmethod
    def weights_from_inputs(self, W: Array, b: Array) -> tuple[Array, Array]:
        """Weights W (d, k), biases b (k,) of the rows as those of the white coordinates."""

    @abstractmethod
    def gradient_from_inputs(self, W: Array, b: Array) -> Array:
        """Derivatives (r, k) by the weights here, from those by W (d, k) and b (k,) of the rows."""

    @abstractmethod
    def whiten(self, X: RowMatrix) -> Array:
        """White coordinates (m, r) of a block of rows X (m, d)."""

    @abstractmethod
    def of_standardized(self) -> "Coordinates":
        """White coordinates with the values of these, for rows with centred columns of unit scale."""

    @property
    @abstractmethod
    def n_varying(self) -> int:
        """Columns that vary: the sum of the variances of the columns at unit scale."""

    @property
    def rank(self) -> int:
        """Dimension r of the white coordinates."""
        return len(self.penalty)

    @property
    def has_common_scale(self) -> bool:
        """Whether all columns have one scale."""
        return bool((self.scale == self.scale[:1]).all())

    def project(self, X: RowMatrix, U: Array, offset: float | Array = 0.0) -> Array:
        """White coordinates of X (m, d) times U (r, j), plus an offset: (m, j).

        The white coordinates themselves are not formed.
        """
        W, b = self.weights_to_inputs(U, np.broadcast_to(offset, U.shape[1]))
        return X @ W.astype(X.dtype) + b.astype(X.dtype)


@dataclass(frozen=True)
class WhiteCoordinates(Coordinates):
    """Coordinates along the principal components of the columns.

    Attributes
    ----------
    mean : array of shape (d,)
    transform : array of shape (d, r)
        T. Its columns span the directions in which the rows vary.
    inverse : array of shape (r, d)
    scale : array of shape (d,)
    """

    mean: Array
    transform: Array
    inverse: Array
    scale: Array

    @cached_property
    def penalty(self) -> Array:
        scaled = self.scale[:, None] * self.transform
        return np.einsum("ij,ij->j", scaled, scaled)

    def weights_to_inputs(self, W: Array, b: Array) -> tuple[Array, Array]:
        W = self.transform @ W
        return W, b - self.mean @ W

    def weights_from_inputs(self, W: Array, b: Array) -> tuple[Array, Array]:
        return self.inverse @ W, b + self.mean @ W

    def gradient_from_inputs(self, W: Array, b: Array) -> Array:
        return self.transform.T @ (W - self.mean[:, None] * b)

    def whiten(self, X: RowMatrix) -> Array:
        dtype = X.dtype
        return (dense(X) - self.mean.astype(dtype)) @ self.transform.astype(dtype)

    @property
    def n_varying(self) -> int:
        components = self.inverse / self.scale
        return round(np.vdot(components, components))

    def of_standardized(self) -> Coordinates:
        zeros, ones, scale = np.zeros_like(self.mean), np.ones_like(self.scale), self.scale
        return WhiteCoordinates(zeros, scale[:, None] * self.transform, self.inverse / scale, ones)


@dataclass(frozen=True)
class DiagonalCoordinates(Coordinates):
    """The columns themselves, each times a factor: a diagonal T, of which no matrix is made.

    Attributes
    ----------
    factor : array of shape (d,)
    scale : array of shape (d,)
    """

    factor: Array
    scale: Array

    @cached_property
    def mean(self) -> Array:  # type: ignore[override]
        return np.zeros_like(self.factor)

    @property
    def inverse(self) -> Array:  # type: ignore[override]
        return np.diag(1 / self.factor)

    @cached_property
    def penalty(self) -> Array:
        return (self.scale * self.factor) ** 2

    def weights_to_inputs(self, W: Array, b: Array) -> tuple[Array, Array]:
        return self.factor[:, None] * W, b

    def weights_from_inputs(self, W: Array, b: Array) -> tuple[Array, Array]:
        return W / self.factor[:, None], b

    def gradient_from_inputs(self, W: Array, b: Array) -> Array:
        return self.factor[:, None] * W

    def whiten(self, X: RowMatrix) -> Array:
        return dense(X) * self.factor.astype(X.dtype)

    @property
    def n_varying(self) -> int:
        return round(float((1 / self.penalty).sum()))

    def of_standardized(self) -> Coordinates:
        return DiagonalCoordinates(self.scale * self.factor, np.ones_like(self.scale))


def of_white_rows(coordinates: Coordinates) -> Coordinates:
    """White coordinates with the values and the penalty of these, for rows that are white.

    Their columns at unit scale are the principal components of the columns that they came from.
    """
    return DiagonalCoordinates(np.ones(coordinates.rank), np.sqrt(coordinates.penalty))


def identity_coordinates(d: int) -> Coordinates:
    """Coordinates that leave rows of d columns as they are."""
    return DiagonalCoordinates(np.ones(d), np.ones(d))
