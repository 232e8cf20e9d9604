"""Mean, covariance and rank of the rows, and weights between coordinates.

The moments of Algorithm 1 want x ~ N(0, I), and Gauss-Newton steps want well-scaled coordinates.
Rows are never copied to get there. White coordinates are z = T^T (x - mean), so a unit w_z . z + b_z
is the unit w_x . x + b_x with w_x = T w_z and b_x = b_z - mean . w_x: only weights are transformed.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import issparse

from .._typing import Array, RowMatrix
from .blocks import BLOCK_BYTES, MIN_BLOCK_ROWS, Block, dense, transposed_product, weighted
from .rows import Rows
from .rules import DATA, DataRules


@dataclass(frozen=True)
class Coordinates:
    """Affine coordinates z = T^T (x - mean) of the rows.

    Attributes
    ----------
    mean : array of shape (d,)
    transform : array of shape (d, r)
        T. Its columns span the directions in which the rows vary.
    inverse : array of shape (r, d)
        Left inverse of T: w_z = inverse @ w_x for w_x in the span of T.
    scale : array of shape (d,)
        Standard deviation of each column (1 for a constant column).
    """

    mean: Array
    transform: Array
    inverse: Array
    scale: Array

    @property
    def rank(self) -> int:
        """Dimension r of the white coordinates."""
        return self.transform.shape[1]

    @cached_property
    def penalty(self) -> Array:
        """P (r, r): w^T P w is the squared length of a weight vector with the columns at unit scale."""
        scaled = self.scale[:, None] * self.transform
        return scaled.T @ scaled

    def whiten(self, X: RowMatrix) -> Array:
        """White coordinates (m, r) of a block of rows X (m, d)."""
        dtype = X.dtype
        return (dense(X) - self.mean.astype(dtype)) @ self.transform.astype(dtype)

    @property
    def n_varying(self) -> int:
        """Columns that vary: the sum of the variances of the columns at unit scale."""
        components = self.inverse / self.scale
        return round(np.vdot(components, components))

    def project(self, X: RowMatrix, U: Array, offset: float | Array = 0.0) -> Array:
        """White coordinates of X (m, d) times U (r, j), plus an offset: (m, j).

        The white coordinates themselves are not formed.
        """
        W, b = self.weights_to_inputs(U, np.broadcast_to(offset, U.shape[1]))
        return X @ W.astype(X.dtype) + b.astype(X.dtype)

    def weights_to_inputs(self, W: Array, b: Array) -> tuple[Array, Array]:
        """Weights W (r, k), biases b (k,) of the white coordinates as those of the rows."""
        W = self.transform @ W
        return W, b - self.mean @ W

    def weights_from_inputs(self, W: Array, b: Array) -> tuple[Array, Array]:
        """Weights W (d, k), biases b (k,) of the rows as those of the white coordinates."""
        return self.inverse @ W, b + self.mean @ W

    def of_standardized(self) -> "Coordinates":
        """White coordinates with the values of these, for rows with centred columns of unit scale."""
        zeros, ones, scale = np.zeros_like(self.mean), np.ones_like(self.scale), self.scale
        return Coordinates(zeros, scale[:, None] * self.transform, self.inverse / scale, ones)


def of_white_rows(coordinates: Coordinates) -> Coordinates:
    """White coordinates with the values and the penalty of these, for rows that are white.

    Their columns at unit scale are the principal components of the columns that they came from.
    """
    r = coordinates.rank
    scale = np.sqrt(coordinates.penalty.diagonal())
    return Coordinates(np.zeros(r), np.eye(r), np.eye(r), scale)


def identity_coordinates(d: int) -> Coordinates:
    """Coordinates that leave rows of d columns as they are."""
    return Coordinates(np.zeros(d), np.eye(d), np.eye(d), np.ones(d))


def whitening(rows: Rows, *, center: bool = True, rules: DataRules = DATA) -> Coordinates:
    """White coordinates of the rows.

    Parameters
    ----------
    rows : Rows
    center : bool
        False takes the mean as zero, for networks without biases, where a shift of the rows
        would be a change of the model.
    rules : DataRules

    Returns
    -------
    Coordinates
        Columns are brought to unit scale; directions whose variance vanishes relative to that are
        left out (constant, duplicated and one-hot columns); the eigenvalues of the correlation
        matrix are shrunk to their mean, when rows are few, by the oracle approximating estimator
        (Y. Chen, A. Wiesel, Y. C. Eldar, A. O. Hero, 2010, doi:10.1109/TSP.2010.2053029).
    """
    components = few_rows_components if rows.n_rows < rows.n_features else many_rows_components
    mean, scale, eigenvalues, vectors = components(rows, center)
    root = np.sqrt(shrunk_eigenvalues(eigenvalues, rows.weight_sum, rules))
    return Coordinates(
        mean=mean,
        transform=vectors / root / scale[:, None],
        inverse=(root * vectors).T * scale,
        scale=scale,
    )


# Of the columns mean and scale, and eigenvalues (r,) and eigenvectors (d, r) of their correlations.
Components = tuple[Array, Array, Array, Array]


def many_rows_components(rows: Rows, center: bool) -> Components:
    """The principal components of the columns at unit scale, from their correlation matrix (d, d)."""
    mean, covariance = mean_and_covariance(rows, center=center)
    scale, constant = scales(mean, np.diag(covariance), rows)
    correlation = covariance / scale / scale[:, None]
    correlation[constant] = correlation[:, constant] = 0.0
    eigenvalues, vectors = eigh(correlation)
    keep = vary(eigenvalues, rows)
    return mean, scale, eigenvalues[keep], vectors[:, keep]


def few_rows_components(rows: Rows, center: bool) -> Components:
    """The same of fewer rows than columns, from the products (n, n) of the rows with one another.

    With C the columns at unit scale, each row times the root of its share of the weights, C^T C is the
    matrix of the correlations, and C C^T u = lambda u makes C^T u / sqrt(lambda) an eigenvector of it.
    """
    held = rows.in_memory()
    X = held.X.tocsc() if issparse(held.X) else held.X
    share = weighted(np.full((held.n_rows, 1), 1 / held.weight_sum), held.weight)
    width = max(1, BLOCK_BYTES // (8 * held.n_rows))
    begins = range(0, held.n_features, width)
    blocks = [X[:, begin : begin + width] for begin in begins]
    mean, scale = np.zeros((2, held.n_features))
    product = np.zeros((held.n_rows,) * 2)
    for begin, block in zip(begins, blocks, strict=True):
        some = slice(begin, begin + width)
        mean[some], scale[some], C = columns_at_unit_scale(block, share, rows, center)
        product += C @ C.T
    eigenvalues, U = eigh(product)
    keep = vary(eigenvalues, rows)
    eigenvalues, U = eigenvalues[keep], U[:, keep] / np.sqrt(eigenvalues[keep])
    vectors = [columns_at_unit_scale(block, share, rows, center)[2].T @ U for block in blocks]
    return mean, scale, eigenvalues, np.concatenate(vectors)


def columns_at_unit_scale(
    columns: RowMatrix, share: Array, rows: Rows, center: bool
) -> tuple[Array, Array, Array]:
    """Mean (c,) and scale (c,) of columns (n, c), and these, times the roots of the shares (n, 1)."""
    C = dense(columns).astype(np.float64)
    mean = C.mean(axis=0) if center else np.zeros(C.shape[1])
    C -= mean
    if center:  # anew, about a mean that is near: an offset would cancel digits
        shift = share.T @ C
        mean, C = mean + shift[0], C - shift
    scale, constant = scales(mean, (share.T @ C**2)[0], rows)
    C[:, constant] = 0.0
    C *= np.sqrt(share) / scale
    return mean, scale, C


def vary(eigenvalues: Array, rows: Rows) -> Array:
    """Which eigenvalues (r,) of a correlation matrix, in ascending order, do not vanish."""
    epsilon = np.finfo(rows.dtype).eps
    return eigenvalues > 10 * epsilon * rows.n_features * max(eigenvalues[-1], epsilon)


def scales(mean: Array, variance: Array, rows: Rows) -> tuple[Array, Array]:
    """Standard deviations of the columns, 1 of those that are constant; and which are.

    A column whose spread is rounding noise of its mean is constant.
    """
    scale = np.sqrt(np.maximum(variance, 0))
    constant = scale <= 8 * np.finfo(rows.dtype).eps * np.abs(mean)
    scale[constant] = 1.0
    return scale, constant


def mean_and_covariance(rows: Rows, *, center: bool = True) -> tuple[Array, Array]:
    """Weighted mean (d,) and covariance (d, d) of the rows, in one pass.

    With ``center=False`` the mean is zero and the covariance is the second moment about it. Sums
    are taken about the mean of some rows, so that an offset does not cancel digits.
    """
    few = dense(rows.subsample(MIN_BLOCK_ROWS).X)
    origin = few.mean(axis=0, dtype=np.float64) if center else np.zeros(rows.n_features)
    origin = origin.astype(rows.dtype)

    def sums(block: Block) -> tuple[Array, Array]:
        X = dense(block.X) - origin if center else dense(block.X)
        # A product with ones is several times faster than a sum along the rows.
        weighted_ones = weighted(np.ones((len(X), 1), X.dtype), block.weight)
        return transposed_product(weighted_ones, X)[0], transposed_product(X, weighted(X, block.weight))

    first_sum, second_sum = rows.sum(sums)
    shift = first_sum / rows.weight_sum
    covariance = second_sum / rows.weight_sum
    if not center:
        return np.zeros(rows.n_features), covariance
    return origin + shift, covariance - np.outer(shift, shift)


def shrunk_eigenvalues(eigenvalues: Array, n: float, rules: DataRules = DATA) -> Array:
    """Eigenvalues (r,) of a correlation matrix from n rows, shrunk towards their mean if n is small.

    With many rows they stay as they are: exactly white rows serve the moments better, since residuals
    are then orthogonal to them in the sample.
    """
    r = len(eigenvalues)
    if r < 2 or n >= rules.small_sample * r:
        return eigenvalues
    trace, square = eigenvalues.sum(), (eigenvalues**2).sum()
    spread = (n + 1 - 2 / r) * (square - trace**2 / r)
    pull = (1 - 2 / r) * square + trace**2
    weight = 1.0 if spread <= pull else pull / spread
    return (1 - weight) * eigenvalues + weight * trace / r
