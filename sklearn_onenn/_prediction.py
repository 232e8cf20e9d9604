"""Predictions of a fitted estimator: values, standard deviations, intervals and distributions."""

import warnings
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted, validate_data

from ._data.rows import ArrayRows, Rows, block_threads
from ._data.streams import RowBlocks
from ._data.targets import TargetScale
from ._inference.covariance import size_error, standard_errors, weight_covariance
from ._inference.predictive import Predictive, fit_predictive, reported_members
from ._network.loss import SquaredLoss
from ._network.network import Network, forward
from ._search.one_start import FitOptions, StartResult
from ._typing import Array
from ._validation import ROWS, refuse_beside_blocks, refuse_lazy
from .activations import Activation, get_activation


class Fit(NamedTuple):
    """A fit, and the rows that it is judged by.

    Attributes
    ----------
    result : StartResult
    problem : SquaredLoss
        Its rows have the weights by which they were fitted.
    targets : TargetScale
    options : FitOptions
    loss : float
        As reported.
    seen : array
        By which the training set is known again.
    counted : Rows
        The rows, with targets scaled, each as often as it is there.
    held_out : Rows or None
        Held-out rows, likewise.
    """

    result: StartResult
    problem: SquaredLoss
    targets: TargetScale
    options: FitOptions
    loss: float
    seen: Array
    counted: Rows
    held_out: Rows | None


class PredictionMixin:
    """What a fitted estimator says of new rows."""

    activation: str | Activation
    coefs_: list[Array]
    intercepts_: list[Array]
    n_outputs_: int

    def predict(
        self, X: Any, return_std: bool | Literal["value"] = False
    ) -> np.ndarray | tuple[np.ndarray, ...]:
        """Predict targets.

        Parameters
        ----------
        X : array-like or CSR array of shape (n_samples, n_features), or RowBlocks
            Of :class:`~sklearn_onenn.RowBlocks` only the predictions of all rows are in memory at once.
        return_std : bool or "value", default=False
            True also returns the standard deviation of a new target at each row, its noise included, as
            :class:`~sklearn.linear_model.BayesianRidge` does; "value" the standard error of the
            network's value in its place. Needs ``keep_covariance=True`` in fit.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        std : ndarray of the shape of y
            With ``return_std`` only, in units of y.

        Raises
        ------
        ValueError
            Where ``return_std`` is asked of a fit without ``keep_covariance=True``, or X does not fit.
        """
        check_is_fitted(self)
        if not isinstance(return_std, (bool, np.bool_)) and return_std != "value":
            raise ValueError(f'return_std must be a bool or "value", got {return_std!r}.')
        if not return_std:
            return self._by_blocks(X, self._values)
        predictive, activation = self._predictive_or_error("return_std"), get_activation(self.activation)

        def with_std(rows: ArrayRows, network: Network) -> tuple[Array, Array]:
            if return_std == "value":
                found = predictive.values(rows, activation)
                shares = (predictive.shares**2).sum()
                return self._values(rows, network), np.sqrt(found.within + shares * found.between)
            return self._values(rows, network), predictive.rms * predictive.spread(
                rows, network, activation
            )

        return self._by_blocks(X, with_std)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Coefficient of determination R2 of the predictions.

        Parameters
        ----------
        X : array-like or CSR array of shape (n_samples, n_features), or RowBlocks
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            None with :class:`~sklearn_onenn.RowBlocks`, which hold targets and weights.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float
            Of several outputs the mean.

        Raises
        ------
        ValueError
            Where targets are missing, or given beside RowBlocks.
        """
        if isinstance(X, RowBlocks):
            refuse_beside_blocks(y, sample_weight)
            parts = [
                (self.predict(block), np.asarray(y), np.ones(len(y)) if weight is None else weight)
                for block, y, weight in X
            ]
            predicted, y, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
            return float(r2_score(y, predicted, sample_weight=weight))
        if y is None:
            raise ValueError("score needs targets: y must be given where X is an array.")
        return float(r2_score(y, self.predict(X), sample_weight=sample_weight))

    def predict_interval(self, X: Any, confidence_level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Predict an interval that holds a new target with this probability, either end as often.

        The ends are quantiles of the errors that the rows of the fit have when each is left out of it
        (to first order, by its leverage), or of those of held-out rows, scaled by the standard deviation
        that the row has: so they hold whatever the distribution of the noise, and widen where it is
        larger and where the network is not sure. Held-out rows come as ``X_val`` of ``fit``.

        Parameters
        ----------
        X : array-like or CSR array of shape (n_samples, n_features), or RowBlocks
        confidence_level : float, default=0.9
            Between 0 and 1, both excluded.

        Returns
        -------
        lower, upper : ndarrays of shape (n_samples,) or (n_samples, n_outputs)
            Infinite, with a warning, where the rows are too few for the level.

        Raises
        ------
        ValueError
            Of a fit without ``keep_covariance=True``, or where the level is not between 0 and 1.

        References
        ----------
        R. F. Barber, E. J. Candes, A. Ramdas, R. J. Tibshirani, "Predictive inference with the
        jackknife+", 2021, doi:10.1214/20-AOS1965.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_onenn import OneHiddenLayerRegressor
        >>> rng = np.random.default_rng(0)
        >>> x = rng.uniform(-3, 3, (400, 1))
        >>> y = np.sin(x[:, 0]) + 0.1 * rng.standard_normal(400)
        >>> model = OneHiddenLayerRegressor(keep_covariance=True, random_state=0).fit(x, y)
        >>> lower, upper = model.predict_interval([[0.0], [1.5]], confidence_level=0.9)
        >>> widths = upper - lower  # of normal noise it is 3.3 standard deviations
        >>> bool(np.all(np.abs(widths - 0.33) < 0.1))
        True
        """
        if not (isinstance(confidence_level, Real) and 0 < confidence_level < 1):
            raise ValueError(f"confidence_level must lie between 0 and 1, got {confidence_level!r}.")
        left = (1 - float(confidence_level)) / 2
        ends = self._quantiles(X, [left, 1 - left], f"confidence_level={confidence_level}")
        return ends[..., 0], ends[..., 1]

    def predict_quantiles(self, X: Any, quantiles: ArrayLike = (0.05, 0.5, 0.95)) -> np.ndarray:
        """Predict quantiles of a new target, as of :meth:`predict_interval`.

        Parameters
        ----------
        X : array-like or CSR array of shape (n_samples, n_features), or RowBlocks
        quantiles : array-like of shape (n_quantiles,), default=(0.05, 0.5, 0.95)
            Between 0 and 1, both excluded.

        Returns
        -------
        y : ndarray of shape (n_samples, n_quantiles) or (n_samples, n_outputs, n_quantiles)

        Raises
        ------
        ValueError
            Of a fit without ``keep_covariance=True``, or where a quantile is not between 0 and 1.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_onenn import OneHiddenLayerRegressor
        >>> rng = np.random.default_rng(0)
        >>> x = rng.uniform(-3, 3, (400, 1))
        >>> y = np.sin(x[:, 0]) + 0.1 * rng.standard_normal(400)
        >>> model = OneHiddenLayerRegressor(keep_covariance=True, random_state=0).fit(x, y)
        >>> model.predict_quantiles([[0.0], [1.5]], [0.1, 0.5, 0.9]).shape
        (2, 3)
        """
        levels = np.atleast_1d(np.asarray(quantiles, float))
        if levels.ndim != 1 or not ((levels > 0) & (levels < 1)).all():
            raise ValueError(f"quantiles must lie between 0 and 1, got {quantiles!r}.")
        return self._quantiles(X, list(levels), f"quantiles={quantiles!r}")

    def predict_distribution(self, X: Any) -> Any:
        """Predict the distribution of a new target: the t distribution nearest to its errors.

        Parameters
        ----------
        X : array-like or CSR array of shape (n_samples, n_features), or RowBlocks

        Returns
        -------
        distribution : frozen :data:`scipy.stats.t`
            With location and scale of the shape of the predictions: it has ``logpdf``, ``cdf``, ``ppf``,
            ``rvs`` and so on. For intervals that hold whatever the distribution is, see
            :meth:`predict_interval`.

        Raises
        ------
        ValueError
            Of a fit without ``keep_covariance=True``.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_onenn import OneHiddenLayerRegressor
        >>> rng = np.random.default_rng(0)
        >>> x = rng.uniform(-3, 3, (400, 1))
        >>> y = np.sin(x[:, 0]) + 0.1 * rng.standard_normal(400)
        >>> model = OneHiddenLayerRegressor(keep_covariance=True, random_state=0).fit(x, y)
        >>> distribution = model.predict_distribution([[0.0], [1.5]])
        >>> np.round(distribution.std(), 1)
        array([0.1, 0.1])
        """
        check_is_fitted(self)
        predictive = self._predictive_or_error("predict_distribution")
        activation = get_activation(self.activation)

        def parts(rows: ArrayRows, network: Network) -> tuple[Array, Array]:
            return self._values(rows, network), predictive.scale * predictive.spread(
                rows, network, activation
            )

        location, scale = self._by_blocks(X, parts)
        return stats.t(predictive.df if self.n_outputs_ > 1 else predictive.df[0], location, scale)

    def _quantiles(self, X: Any, levels: Sequence[float], asked: str) -> Array:
        """Quantiles of new targets, the last axis along the levels."""
        check_is_fitted(self)
        predictive, activation = self._predictive_or_error("intervals"), get_activation(self.activation)
        scores = predictive.quantiles_of_scores(levels)
        if not np.isfinite(scores).all():
            n = predictive.n_scores
            warnings.warn(
                f"{asked} needs more rows than the {n:.0f} whose errors are known, which tell of "
                f"quantiles from {1 / (n + 1):.2g} to {n / (n + 1):.2g}: ends beyond are infinite.",
                UserWarning,
                stacklevel=3,
            )

        def ends(rows: ArrayRows, network: Network) -> Array:
            widths = predictive.spread(rows, network, activation)[..., None] * scores
            return self._values(rows, network)[..., None] + widths

        found: Array = self._by_blocks(X, ends)
        return found

    def _by_blocks(self, X: Any, function: Callable[[ArrayRows, Network], Any]) -> Any:
        """What a function of rows and the network returns: (rows, n_outputs, ...), or a tuple of such.

        One output has no axis of its own.
        """
        refuse_lazy(X=X)
        if isinstance(X, RowBlocks):
            parts = [self._by_blocks(block, function) for block, *_ in X]
            if not isinstance(parts[0], tuple):
                return np.concatenate(parts)
            return tuple(map(np.concatenate, zip(*parts, strict=True)))
        X = validate_data(self, X, reset=False, **ROWS)
        with block_threads() as executor:
            rows = ArrayRows(X, np.zeros((X.shape[0], self.n_outputs_), X.dtype), executor=executor)
            found = function(rows, self._network().astype(X.dtype))
        several = found if isinstance(found, tuple) else (found,)
        if self.n_outputs_ == 1:
            several = tuple(part[:, 0] for part in several)
        several = tuple(part.astype(X.dtype, copy=False) for part in several)
        return several if isinstance(found, tuple) else several[0]

    def _network(self) -> Network:
        """The fitted weights."""
        (W, V), (b, c) = self.coefs_, self.intercepts_
        return Network(W, b, V, c)

    def _values(self, rows: ArrayRows, network: Network) -> Array:
        """Predictions (rows, n_outputs)."""
        activation = get_activation(self.activation)
        return np.concatenate(rows.map(lambda block: forward(block.X, network, activation)))

    def _predictive_or_error(self, asked: str) -> Predictive:
        """What a fit with ``keep_covariance=True`` has."""
        if not hasattr(self, "_predictive"):
            raise ValueError(f"{asked} needs a fit with keep_covariance=True: set it, and fit again.")
        return Predictive.of_state(self._predictive)

    def _store_uncertainty(self, fit: Fit) -> None:
        """Covariances of the members, and what the errors of left-out rows say of new targets."""
        solution, targets = fit.result.solution, fit.targets
        problem = fit.problem.replace(fit.problem.rows, alpha=solution.alpha or 0.0)
        network = self._network()
        members, shares = reported_members(solution, network, problem, targets)
        sizes = problem.rows.n_features, [len(member.b) for member in members], len(network.c)
        if too_large := size_error(*sizes):
            # A single network where a mean was expected: the fit is not lost.
            warnings.warn(too_large, UserWarning, stacklevel=5)
            return
        line = solution.line
        if line is not None:  # members were fitted to what it left
            problem = problem.replace(line.left_out(problem.array_rows))
        covariances = [weight_covariance(problem, member, targets) for member in members]
        predictive = fit_predictive(
            fit.counted, covariances, members, shares, network, targets, line=line,
            held_out=None if fit.held_out is None else fit.held_out.in_memory(),
        )  # fmt: skip
        self._predictive = predictive.state()
        self.noise_std_ = predictive.noise_std
        self.noise_p_value_ = np.array([model.p_value for model in predictive.noise])
        if not solution.members:
            self.covariance_factor_ = predictive.factors[0]
            errors = standard_errors(covariances[0], targets)
            self.coefs_std_, self.intercepts_std_ = [errors.W, errors.V], [errors.b, errors.c]
