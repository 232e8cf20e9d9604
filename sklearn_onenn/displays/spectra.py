"""Figures of spectra: of the moments of data, and of the Gauss-Newton matrix at a fit."""

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike
from scipy.linalg import eigvalsh
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.utils import check_random_state
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_X_y, validate_data

from .._data.floating_point import EPSILON, TINY
from .._data.rows import ArrayRows, block_threads
from .._data.targets import TargetScale
from .._data.whitening import whitening
from .._network.jacobian import gauss_newton_matrix
from .._network.loss import SquaredLoss
from .._network.network import Network
from .._network.symmetries import TangentBasis
from .._regressor import OneHiddenLayerRegressor
from .._tensor.spectrum import moment_spectrum
from .._typing import Array, RowMatrix
from .._validation import ROWS, target_columns
from ..activations import get_activation
from ._fitted import check_network
from .loss import Display, start_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import FillBetweenPolyCollection
    from matplotlib.lines import Line2D

# Up to so many weights all eigenvalues are computed, of a matrix that is formed.
ALL_EIGENVALUES = 600


class MomentSpectrumDisplay(Display):
    """Singular values of the moments of the data, against those of permuted targets.

    As many stand above the band of the permutations as units are seen: the elbow is at ``k``. With
    little data weak units stay in the band.

    Parameters
    ----------
    values : array-like of shape (rank,)
        Singular values of the slices of lowest order, in decreasing order, with the targets scaled so
        that an affine fit leaves variance one.
    null : array-like of shape (n_permutations, rank)
        Those of permuted targets.
    order : int
        Order of the moment: 2, or 3 where the second one shows nothing.

    Attributes
    ----------
    edge_ : float
        Largest singular value of all permutations.
    n_above_ : int
        Singular values above the edge.
    line_ : matplotlib Line2D
        The singular values.
    band_ : matplotlib artist
        Range of the permutations.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    References
    ----------
    J. L. Horn, "A rationale and test for the number of factors in factor analysis", Psychometrika, 1965,
    doi:10.1007/BF02289447.

    Examples
    --------
    >>> from sklearn_onenn.datasets import make_one_hidden_layer
    >>> from sklearn_onenn.displays import MomentSpectrumDisplay
    >>> X, y, _ = make_one_hidden_layer(4000, 10, 3, activation="relu", random_state=0)
    >>> MomentSpectrumDisplay.from_data(X, y, random_state=0).n_above_
    3
    """

    edge_: float
    n_above_: int
    line_: "Line2D"
    band_: "FillBetweenPolyCollection"

    def __init__(self, *, values: ArrayLike, null: ArrayLike, order: int) -> None:
        self.values, self.null, self.order = values, null, order

    @classmethod
    def from_data(
        cls,
        X: RowMatrix,
        y: ArrayLike,
        *,
        n_permutations: int = 20,
        random_state: int | RandomState | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Compute the spectrum of data and draw it.

        Parameters
        ----------
        X : array-like or CSR array of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        n_permutations : int, default=20
        random_state : int, RandomState instance or None, default=None
            Draws the permutations.
        ax : matplotlib Axes, default=None

        Returns
        -------
        MomentSpectrumDisplay
        """
        check_matplotlib_support(f"{cls.__name__}.from_data")
        X, y = check_X_y(X, y, multi_output=True, y_numeric=True, ensure_min_samples=2, **ROWS)
        targets = target_columns("y", y)
        if n_permutations < 1:
            raise ValueError(f"n_permutations must be at least 1, got {n_permutations}.")
        with block_threads() as executor:
            scale = TargetScale.of(targets, None, center=True)
            rows = scale.rows(X, targets, None, executor)
            coordinates = whitening(rows)
            if coordinates.rank == 0:
                raise ValueError("X must have a column that varies, got constant columns only.")
            spectrum = moment_spectrum(
                rows,
                coordinates,
                n_permutations=n_permutations,
                random_state=check_random_state(random_state),
            )
        return cls(values=spectrum.values, null=spectrum.null, order=spectrum.order).plot(ax=ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw on these axes, or on new ones.

        Parameters
        ----------
        ax : matplotlib Axes, default=None

        Returns
        -------
        MomentSpectrumDisplay
        """
        ax = start_plot(self, ax)
        values, null = np.asarray(self.values), np.asarray(self.null)
        self.edge_ = float(null.max())
        self.n_above_ = int((values > self.edge_).sum())
        number = np.arange(1, len(values) + 1)
        self.band_ = ax.fill_between(
            number, null.min(axis=0), null.max(axis=0), color="0.8", label="permuted targets"
        )
        ax.axhline(self.edge_, color="0.5", linewidth=1, linestyle="--")
        (self.line_,) = ax.plot(number, values, "o-", markersize=4, label="data")
        ax.set(
            xlabel="number of the singular value",
            ylabel=f"singular value, moments of order {self.order}",
            title=f"{self.n_above_} above the permutations",
            ylim=(0, None),
        )
        ax.locator_params(axis="x", integer=True)
        ax.legend()
        return self


class HessianSpectrumDisplay(Display):
    """Eigenvalues of the Gauss-Newton matrix at a fit: how well the data determine its weights.

    The matrix is J^T J / n, with J the derivative of the predictions by the weights: the Hessian of the
    loss where the residual vanishes. The rows are whitened. Each homogeneous unit has one eigenvalue of
    zero, for the scale that it shares with its output weight.

    Parameters
    ----------
    eigenvalues : array-like of shape (n_eigenvalues,)
        In decreasing order.
    n_weights : int
        Size of the matrix: more than there are eigenvalues where only the largest were computed.

    Attributes
    ----------
    line_ : matplotlib Line2D
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from sklearn_onenn import OneHiddenLayerRegressor
    >>> from sklearn_onenn.datasets import make_one_hidden_layer
    >>> from sklearn_onenn.displays import HessianSpectrumDisplay
    >>> X, y, _ = make_one_hidden_layer(1000, 5, 2, activation="tanh", random_state=0)
    >>> model = OneHiddenLayerRegressor(k=2, activation="tanh", random_state=0).fit(X, y)
    >>> display = HessianSpectrumDisplay.from_estimator(model, X)
    >>> display.n_weights, bool(display.eigenvalues[-1] > 0)
    (15, True)
    """

    line_: "Line2D"

    def __init__(self, *, eigenvalues: ArrayLike, n_weights: int) -> None:
        self.eigenvalues, self.n_weights = eigenvalues, n_weights

    @classmethod
    def from_estimator(
        cls,
        estimator: OneHiddenLayerRegressor,
        X: RowMatrix,
        *,
        n_eigenvalues: int = 50,
        ax: "Axes | None" = None,
    ) -> Self:
        """Compute the eigenvalues of a fit and draw them.

        Parameters
        ----------
        estimator : OneHiddenLayerRegressor
            Fitted.
        X : array-like or CSR array of shape (n_samples, n_features)
        n_eigenvalues : int, default=50
            How many of the largest, where there are more than 600 weights; otherwise all are computed.
        ax : matplotlib Axes, default=None

        Returns
        -------
        HessianSpectrumDisplay
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        check_network(estimator)
        X = validate_data(estimator, X, reset=False, **ROWS)
        (W, V), (b, c) = estimator.coefs_, estimator.intercepts_
        with block_threads() as executor:
            # The matrix does not depend on the targets.
            rows = ArrayRows(X, np.zeros((X.shape[0], len(c)), dtype=X.dtype), executor=executor)
            coordinates = whitening(rows, center=estimator.fit_intercept)
            problem = SquaredLoss(
                rows,
                get_activation(estimator.activation),
                coordinates,
                fit_intercept=estimator.fit_intercept,
            )
            W, b = coordinates.weights_from_inputs(W, b)
            network = Network(W, b, V, c)
            eigenvalues, n_weights = gauss_newton_eigenvalues(problem, network, n_eigenvalues)
        return cls(eigenvalues=eigenvalues, n_weights=n_weights).plot(ax=ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw on these axes, or on new ones.

        Parameters
        ----------
        ax : matplotlib Axes, default=None

        Returns
        -------
        HessianSpectrumDisplay
        """
        ax = start_plot(self, ax)
        values = np.asarray(self.eigenvalues)
        # Below rounding there is nothing to tell zeros apart.
        floor = EPSILON * max(values[0], TINY)
        number = np.arange(1, len(values) + 1)
        (self.line_,) = ax.plot(number, np.maximum(values, floor), "o", markersize=4)
        found = "all" if len(values) == self.n_weights else "largest"
        ax.set(
            xlabel=f"number of the eigenvalue ({found} of {self.n_weights})",
            ylabel="eigenvalue of the Gauss-Newton matrix",
            yscale="log",
        )
        return self


def gauss_newton_eigenvalues(
    problem: SquaredLoss, network: Network, n_eigenvalues: int
) -> tuple[Array, int]:
    """Eigenvalues of J^T J / n in decreasing order, and its size, without weights that are fixed."""
    free = TangentBasis(network, degree=None, fit_intercept=problem.fit_intercept)
    if free.size <= max(ALL_EIGENVALUES, n_eigenvalues + 1):
        return eigvalsh(gauss_newton_matrix(problem, network, free))[::-1], free.size
    evaluation = problem.evaluate(network)

    def product(vector: Array) -> Array:
        return free.reduce(evaluation.gauss_newton_product(free.expand(vector.ravel())))

    operator = LinearOperator((free.size,) * 2, matvec=product, dtype=np.float64)
    start = np.ones(free.size)
    return eigsh(operator, n_eigenvalues, v0=start, return_eigenvectors=False)[::-1], free.size
