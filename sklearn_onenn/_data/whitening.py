"""Mean, covariance, scale and rank of the rows, and the coordinates that these give."""

from collections.abc import Iterator

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import issparse

from .._typing import Array
from .blocks import BLOCK_BYTES, MIN_BLOCK_ROWS, Block, dense, transposed_product, weighted
from .coordinates import Coordinates, DiagonalCoordinates, WhiteCoordinates
from .ridge import left_vectors, ridge
from .rows import ArrayRows, Rows
from .rules import DATA, DataRules


def at_unit_variance(rows: Rows) -> Coordinates:
    """White coordinates of rows whose columns have mean zero and no correlations."""

    def squares(block: Block) -> Array:
        return np.einsum("ij,ij->j", block.X, weighted(block.X, block.weight), dtype=float)

    scale = np.sqrt(rows.sum(squares) / rows.weight_sum)
    return DiagonalCoordinates(1 / scale, scale)


def whitening(
    rows: Rows, *, center: bool = True, rules: DataRules = DATA, common_scale: bool | None = False
) -> WhiteCoordinates:
    """White coordinates of the rows.

    Parameters
    ----------
    rows : Rows
    center : bool
        False takes the mean as zero, for networks without biases, where a shift of the rows
        would be a change of the model.
    rules : DataRules
    common_scale : bool or None
        Whether columns keep their scales, but for a common factor; None for the better of the two, by
        :func:`common_scale_predicts_better`, where rows are few.

    Returns
    -------
    WhiteCoordinates
        Columns are brought to unit scale; directions whose variance vanishes relative to that are
        left out (constant, duplicated and one-hot columns); the eigenvalues of the correlation
        matrix are shrunk to their mean, when rows are few, by the oracle approximating estimator
        (Y. Chen, A. Wiesel, Y. C. Eldar, A. O. Hero, 2010, doi:10.1109/TSP.2010.2053029).
    """
    if common_scale is None:
        common_scale = common_scale_predicts_better(rows, center, rules)
    components = few_rows_components if rows.n_rows < rows.n_features else many_rows_components
    mean, scale, eigenvalues, vectors = components(rows, center, common_scale)
    root = np.sqrt(shrunk_eigenvalues(eigenvalues, rows.weight_sum, rules))
    return WhiteCoordinates(
        mean=mean,
        transform=vectors / root / scale[:, None],
        inverse=(root * vectors).T * scale,
        scale=scale,
    )


# Of the columns mean and scale, and eigenvalues (r,) and eigenvectors (d, r) of their correlations.
Components = tuple[Array, Array, Array, Array]


def many_rows_components(rows: Rows, center: bool, common_scale: bool) -> Components:
    """The principal components of the columns at unit scale, from their correlation matrix (d, d)."""
    mean, covariance = mean_and_covariance(rows, center=center)
    scale, constant = scales(mean, np.diag(covariance), rows)
    if common_scale:
        scale = common(scale, constant)
    correlation = covariance / scale / scale[:, None]
    correlation[constant] = correlation[:, constant] = 0.0
    eigenvalues, vectors = eigh(correlation)
    keep = vary(eigenvalues, rows)
    return mean, scale, eigenvalues[keep], vectors[:, keep]


def few_rows_components(rows: Rows, center: bool, common_scale: bool) -> Components:
    """The same of fewer rows than columns, from the products (n, n) of the rows with one another.

    With C the columns at unit scale, each row times the root of its share of the weights, C^T C is the
    matrix of the correlations, and C C^T u = lambda u makes C^T u / sqrt(lambda) an eigenvector of it.
    """
    columns = FewRows(rows, center)
    scale = common(columns.scale, columns.constant) if common_scale else columns.scale
    eigenvalues, U = columns.components(scale)
    vectors = [C.T @ (U / np.sqrt(eigenvalues)) for _, C in columns.at_scale(scale)]
    return columns.mean, scale, eigenvalues, np.concatenate(vectors)


class FewRows:
    """Rows that are few for their columns, read by blocks of columns.

    Parameters
    ----------
    rows : Rows
    center : bool
        As of :func:`whitening`.

    Attributes
    ----------
    mean, scale : arrays of shape (d,)
    constant : array of bool of shape (d,)
    """

    def __init__(self, rows: Rows, center: bool) -> None:
        self.rows, held = rows, rows.in_memory()
        self._X = held.X.tocsc() if issparse(held.X) else held.X
        self.share = weighted(np.full((held.n_rows, 1), 1 / held.weight_sum), held.weight)
        self.mean, variance = np.zeros((2, held.n_features))
        for some, C in self._columns():
            if center:
                self.mean[some] = C.mean(axis=0)
                C -= self.mean[some]
                shift = (self.share.T @ C)[0]  # about a mean that is near: an offset would cancel digits
                self.mean[some] += shift
                C -= shift
            variance[some] = (self.share.T @ C**2)[0]
        self.scale, self.constant = scales(self.mean, variance, rows)

    def _columns(self) -> Iterator[tuple[slice, Array]]:
        """Columns as they are, in double precision, with their place."""
        n, d = self._X.shape
        width = max(1, BLOCK_BYTES // (8 * n))
        for begin in range(0, d, width):
            some = slice(begin, begin + width)
            yield some, dense(self._X[:, some]).astype(np.float64)

    def at_scale(self, scale: Array) -> Iterator[tuple[slice, Array]]:
        """Centred columns over their scales (d,), each row times the root of its share."""
        for some, C in self._columns():
            C -= self.mean[some]
            C[:, self.constant[some]] = 0.0
            C *= np.sqrt(self.share) / scale[some]
            yield some, C

    def components(self, scale: Array) -> tuple[Array, Array]:
        """Eigenvalues (r,) and eigenvectors (n, r) of the products of the rows at these scales."""
        n, d = self._X.shape
        if n >= d:
            return left_vectors(np.concatenate([C for _, C in self.at_scale(scale)], axis=1))
        product = np.zeros((n, n))
        for _, C in self.at_scale(scale):
            product += C @ C.T
        eigenvalues, U = eigh(product)
        keep = vary(eigenvalues, self.rows)
        return eigenvalues[keep], U[:, keep]


def common(scale: Array, constant: Array) -> Array:
    """One scale (d,) in place of those of the columns, of which some are constant."""
    varying = scale[~constant]
    return np.full_like(scale, np.sqrt((varying**2).mean()) if len(varying) else 1.0)


def common_scale_predicts_better(rows: Rows, center: bool, rules: DataRules = DATA) -> bool:
    """Whether a line predicts better if columns keep their scales: where rows are few, which matters.

    A penalty on columns at unit scale takes rare words or levels, which have little variance, for as
    good as others. Which penalty is better is told by the error of ridge regression where each row is
    left out in turn.
    """
    few = rows.n_rows < rules.few_rows * rows.n_features
    if not few or not isinstance(rows, ArrayRows) or rows.n_rows < 3:
        return False
    columns = FewRows(rows, center)
    at_unit, at_own = (
        ridge(rows, *columns.components(scale), center=center).error
        for scale in (columns.scale, common(columns.scale, columns.constant))
    )
    return at_own < at_unit


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
