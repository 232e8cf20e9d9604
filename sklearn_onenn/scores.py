"""Scores of known densities, for tensor initialization on inputs that are not normal.

A score function is any object with the methods

- ``__call__(X)``: the score grad log p(x) of every row, shape (n, d);
- ``contract(X, U)``: U^T (grad^2 log p(x)) U of every row, shape (n, j, j), for U of shape (d, j).

Rows come in blocks, as arrays of the type that the fit has, float64 or float32.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax
from sklearn.utils import check_array

from ._typing import Array

__all__ = ["GaussianMixtureScore"]


class ScoreFunction(Protocol):
    """What a score function has, see the head of this file."""

    def __call__(self, X: Array, /) -> ArrayLike: ...

    def contract(self, X: Array, U: Array, /) -> ArrayLike: ...


class GaussianMixtureScore:
    """Score of a Gaussian mixture, p(x) = sum_c weights_c N(x; means_c, covariances_c).

    Parameters
    ----------
    weights : array-like of shape (n_components,)
        Positive, with sum 1.
    means : array-like of shape (n_components, d)
    covariances : array-like of shape (n_components, d, d)
        Symmetric and positive definite.

    Attributes
    ----------
    weights, means, covariances : ndarrays
        As given.

    Raises
    ------
    ValueError
        When shapes do not match, or these are not the parameters of a mixture.

    Notes
    -----
    With P_c the inverse of a covariance, g_c = -P_c (x - means_c) the score of a component and
    gamma_c its responsibility for x, the score is s = sum_c gamma_c g_c, and its gradient
    sum_c gamma_c (g_c g_c^T - P_c) - s s^T.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_onenn.scores import GaussianMixtureScore
    >>> score = GaussianMixtureScore([0.5, 0.5], [[-2.0], [2.0]], [[[1.0]], [[1.0]]])
    >>> score([[0.0], [2.0]]).round(3).tolist()  # of the second component almost alone
    [[0.0], [-0.001]]
    >>> score.contract([[0.0]], [[1.0]]).tolist()  # a valley of the density
    [[[3.0]]]
    """

    def __init__(self, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> None:
        self.weights: Array = check_array(
            weights, ensure_2d=False, dtype=np.float64, input_name="weights"
        )
        self.means: Array = check_array(means, dtype=np.float64, input_name="means")
        self.covariances: Array = check_array(
            covariances, ensure_2d=False, allow_nd=True, dtype=np.float64, input_name="covariances"
        )
        n_components, d = self.means.shape
        for name, shape in (("weights", (n_components,)), ("covariances", (n_components, d, d))):
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"{name} must have shape {shape} to go with means of shape {self.means.shape}, "
                    f"got {getattr(self, name).shape}."
                )
        if self.weights.min() <= 0 or abs(self.weights.sum() - 1) > 1e-6:
            raise ValueError(f"weights must be positive with sum 1, got {self.weights}.")
        transposed = self.covariances.transpose(0, 2, 1)
        if not np.allclose(self.covariances, transposed, rtol=1e-6, atol=0):
            raise ValueError(
                "covariances must be symmetric. Use (C + C^T) / 2 where rounding is to blame."
            )
        try:
            roots = np.linalg.cholesky(self.covariances)
        except np.linalg.LinAlgError as error:
            raise ValueError(
                "covariances must be positive definite: a density is needed. Leave out columns that "
                "are constant or combinations of others, or add to the diagonals."
            ) from error
        # About the mean of the mixture, so that an offset of the rows does not cancel digits.
        self._center = self.weights @ self.means
        self._whiteners = np.linalg.inv(roots)
        self._precisions = self._whiteners.transpose(0, 2, 1) @ self._whiteners
        log_roots = np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
        self._log_sizes = np.log(self.weights) - log_roots

    @classmethod
    def from_mixture(cls, mixture: Any) -> "GaussianMixtureScore":
        """Score of a fitted mixture.

        Parameters
        ----------
        mixture : sklearn.mixture.GaussianMixture or BayesianGaussianMixture
            With any ``covariance_type``.

        Returns
        -------
        GaussianMixtureScore

        Raises
        ------
        ValueError
            When it is not fitted, or not a Gaussian mixture.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.mixture import GaussianMixture
        >>> from sklearn_onenn.scores import GaussianMixtureScore
        >>> X = np.random.RandomState(0).standard_normal((200, 3))
        >>> GaussianMixtureScore.from_mixture(GaussianMixture(2, random_state=0).fit(X))
        GaussianMixtureScore(n_components=2, n_features=3)
        """
        if not all(hasattr(mixture, name) for name in ("weights_", "means_", "covariances_")):
            raise ValueError(
                f"mixture must be a fitted GaussianMixture, got {mixture!r}. Call its fit(X) first."
            )
        n_components, d = mixture.means_.shape
        covariances = mixture.covariances_
        if mixture.covariance_type == "tied":
            covariances = np.broadcast_to(covariances, (n_components, d, d))
        elif mixture.covariance_type in ("diag", "spherical"):
            covariances = covariances.reshape(n_components, -1)[:, :, None] * np.eye(d)
        return cls(mixture.weights_, mixture.means_, covariances)

    def __call__(self, X: ArrayLike) -> Array:
        """Score of every row.

        Parameters
        ----------
        X : array-like of shape (n, d)

        Returns
        -------
        ndarray of shape (n, d)
            grad log p(x).
        """
        shares, gradients = self._components(self._rows(X), np.eye(len(self._center)))
        return np.einsum("nc,ncj->nj", shares, gradients)

    def contract(self, X: ArrayLike, U: ArrayLike) -> Array:
        """Gradient of the score along directions.

        Parameters
        ----------
        X : array-like of shape (n, d)
        U : array-like of shape (d, j)

        Returns
        -------
        ndarray of shape (n, j, j)
            U^T (grad^2 log p(x)) U.
        """
        rows = self._rows(X)
        along: Array = check_array(U, dtype=np.float64, input_name="U")
        if len(along) != len(self._center):
            raise ValueError(f"U must have {len(self._center)} rows, got shape {along.shape}.")
        shares, gradients = self._components(rows, along)
        score = np.einsum("nc,ncj->nj", shares, gradients)
        precisions = (along.T @ self._precisions @ along).astype(rows.dtype)
        j = along.shape[1]
        # About their mean, so that the squares of components do not cancel.
        gradients -= score[:, None, :]
        scaled = shares[:, :, None] * gradients
        return scaled.transpose(0, 2, 1) @ gradients - (shares @ precisions.reshape(-1, j * j)).reshape(
            -1, j, j
        )

    def __repr__(self) -> str:
        n_components, d = self.means.shape
        return f"{type(self).__name__}(n_components={n_components}, n_features={d})"

    def _rows(self, X: ArrayLike) -> Array:
        """Rows about the center."""
        rows: Array = check_array(X, dtype=[np.float64, np.float32], input_name="X")
        if rows.shape[1] != len(self._center):
            raise ValueError(f"X must have {len(self._center)} columns, got {rows.shape[1]}.")
        return rows - self._center.astype(rows.dtype)

    def _components(self, X: Array, U: Array) -> tuple[Array, Array]:
        """Responsibilities (n, n_components), and scores of components along U (n, n_components, j)."""
        offsets = self.means - self._center

        def from_means(maps: Array) -> Array:
            """Rows about the mean of each component, times its map (d, m)."""
            n_components, d, m = maps.shape
            product = X @ maps.transpose(1, 0, 2).reshape(d, -1).astype(X.dtype)
            shift = np.einsum("cd,cdm->cm", offsets, maps).astype(X.dtype)
            return product.reshape(len(X), n_components, m) - shift

        white = from_means(self._whiteners.transpose(0, 2, 1))
        logs = self._log_sizes.astype(X.dtype) - np.einsum("ncd,ncd->nc", white, white) / 2
        return softmax(logs, axis=1), -from_means(self._precisions @ U)
