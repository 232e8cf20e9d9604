"""The estimator: validate, whiten, search over starts, store."""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from numpy.random import RandomState
from sklearn.base import BaseEstimator, RegressorMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ._callbacks import CallbackSupportMixin, FitObserver, FitTask
from ._conversion import ConversionMixin
from ._data.coordinates import Coordinates, identity_coordinates
from ._data.rows import ArrayRows, Rows, block_threads
from ._data.streams import RowBlocks, StreamRows
from ._data.summary import summarize
from ._data.targets import TargetScale, merge_equal_rows
from ._data.whitening import whitening
from ._inference.covariance import size_error
from ._inference.rules import REWEIGHTING
from ._inference.student_t import StudentNoise
from ._network.loss import SquaredLoss
from ._network.network import Network
from ._network.symmetries import caller_network, inner_network
from ._persistence import VersionStampMixin
from ._prediction import Fit, PredictionMixin
from ._search.few_rows import has_few_rows, on_white_rows
from ._search.growing_samples import fit_on_nested_samples, growing_samples, refine_on
from ._search.members import member_widths
from ._search.one_start import FitOptions
from ._search.progress import Observer, Observers, Printer
from ._search.rules import SearchRules
from ._search.width import choose_width
from ._tensor.initialization import check_score_function
from ._typing import Array, RowMatrix
from ._validation import (
    Arrays,
    checked_array,
    checked_blocks,
    held_out_rows,
    refuse_beside_blocks,
    refuse_lazy,
    training_rows,
    warn_of_other_scale,
)
from .activations import Activation, get_activation
from .certificate import Certificate, certify, is_training_set

SOME_FITS_HAVE = (
    "validation_loss_", "validation_loss_curve_",
    "coefs_std_", "intercepts_std_", "covariance_factor_", "noise_std_", "noise_p_value_", "_predictive",
    "noise_df_", "noise_scale_",
)  # fmt: skip


class OneHiddenLayerRegressor(
    PredictionMixin,
    ConversionMixin,
    VersionStampMixin,
    CallbackSupportMixin,
    RegressorMixin,
    BaseEstimator,
):
    """Regressor with one hidden layer whose settings choose themselves.

    The network is ``y = sum_i v_i phi(w_i . x + b_i) + c``. The defaults are meant for any table of
    numbers: Gauss-Newton steps with a penalty that is chosen by Bayesian evidence [2]_. Where such a
    network, of this activation and ``k`` units, generated enough rows, the fit recovers it, by tensor
    initialization, descent and Gauss-Newton steps [1]_.

    Most users need the first four parameters alone. Those from ``fit_intercept`` on are for experts; the
    user guide has the details.

    Parameters
    ----------
    k : int or "auto", default=100
        Number of hidden units. To recover a network, give the number of its units. "auto" looks for the
        number that the rows support, and takes longer.

    activation : str or Activation, default="tanh"
        phi: "tanh", "relu", "leaky_relu", "squared_relu", "sigmoid" (or "logistic"), "erf", "gelu",
        "softplus", "identity", "square", or an instance of
        :class:`sklearn_onenn.activations.Activation`.

    keep_covariance : bool, default=False
        Keep what :meth:`predict_interval`, :meth:`predict_quantiles`, :meth:`predict_distribution` and
        ``return_std`` of :meth:`predict` need: a square matrix for each averaged network, of at most
        5000 weights.

    random_state : int, RandomState instance or None, default=None
        An integer makes a fit repeatable.

    n_jobs : int or None, default=None
        Starts side by side, as threads. The result does not depend on it.

    verbose : int, default=0
        1 prints a line for every stage and start, 2 for every step.

    loss : {"squared_error", "student_t"}, default="squared_error"
        "student_t", in three fits, is for targets of which a few are grossly wrong [5]_.

    alpha : "auto" or float, default="auto"
        Penalty ``alpha / (2 n) (|W|^2 + |V|^2)``, with n the sum of the weights of the rows, and columns
        and y at unit scale. "auto" is estimated [2]_, [3]_, and zero where the fit is exact.

    max_iter : int, default=100
        Most iterations of a stage. Raise it where a fit warns.

    tol : float, default=1e-6
        A stage ends when a further step would lower the loss by less than this share of it, or, where
        there is no network to recover, by much less than the noise.

    warm_start : bool, default=False
        Start from the weights of the last fit.

    fit_intercept : bool, default=True
        Whether there are biases b and c. The model of the paper has none.

    init : {"tensor", "random"} or tuple of arrays, default="tensor"
        The start, or arrays (W, b, v) of shapes (n_features, k), (k,), (k,) or (k, n_outputs).

    n_init : "auto" or int, default="auto"
        Number of starts; "auto": up to six, while there may be a network to recover.

    moments : {"residual", "raw"}, default="residual"
        Whether the tensor is that of a residual, with less noise, or of y as in the paper.

    score_function : object or None, default=None
        Score of the density of the rows, such as a :class:`sklearn_onenn.scores.GaussianMixtureScore`;
        None: whitened rows are taken for normal.

    resample : bool, default=True
        Whether descent takes each row at most once, where rows suffice, or all at every step.

    polish : bool, default=True
        Whether Gauss-Newton steps on all rows follow descent.

    learning_rate : "auto" or float, default="auto"
        Step of descent, in units of y; "auto" follows from the curvature at the start.

    whiten : bool, default=True
        Center and whiten the rows inside. Weights are those for the rows as given.

    Attributes
    ----------
    coefs_ : list of 2 ndarrays
        W of shape (n_features, k) and V of shape (k, n_outputs), in decreasing order of the norm of w_i.
    intercepts_ : list of 2 ndarrays
        b of shape (k,) and c of shape (n_outputs,).
    k_ : int
        Number of hidden units.
    init_coefs_, init_intercepts_ : list of 2 ndarrays
        The start that led to them.
    loss_ : float
        Half the mean squared residual, without the penalty, summed over outputs at the same scale; with
        ``loss="student_t"`` weighted by row.
    loss_curve_ : list of float
        Loss at every iteration, on the rows that it took, of the start that won.
    stages_ : list of tuple of str and int
        Stages and their numbers of iterations.
    validation_loss_, validation_loss_curve_ : float, list of float
        The same on held-out rows, but for descent; with ``X_val`` only.
    coefs_std_, intercepts_std_ : list of 2 ndarrays
        Standard errors (HC3), with ``keep_covariance``, of a single network and not of a mean.
    covariance_factor_ : ndarray of shape (n_weights, n_free_weights)
        F, with F F^T the covariance of all weights in the order W, b, V, c; likewise.
    noise_df_, noise_scale_ : float, ndarray of shape (n_outputs,)
        Degrees of freedom and scale of the errors, with ``loss="student_t"`` only.
    noise_std_ : ndarray of shape (n_outputs,)
        Standard deviation of the noise, with ``keep_covariance``.
    noise_p_value_ : ndarray of shape (n_outputs,)
        Below .05 the noise depends on the row, and intervals follow it; likewise.
    n_iter_ : int
        Length of the loss curve.
    n_passes_ : float
        Rows read by all starts, as a multiple of the rows there are.
    n_starts_ : int
        Starts that were tried.
    init_path_ : str
        Kind of the start that won.
    stop_reason_ : str
        Why the last stage ended.
    alpha_ : float
        Penalty that was used.
    n_outputs_ : int
        Number of outputs.
    out_activation_ : str
        Always "identity".
    n_features_in_ : int
        Number of columns seen during fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X had any.

    Raises
    ------
    ValueError
        By ``fit``, of a parameter or data that it cannot use.

    Notes
    -----
    From 50 units on, without a network to recover, the network is the mean of several [4]_. With more
    than 128 rows to a weight, and more than 40 000, all but the last steps take a random sample. Sums
    over rows run on as many threads as BLAS may use; no bit of a result depends on it.

    References
    ----------
    .. [1] K. Zhong, Z. Song, P. Jain, P. L. Bartlett, I. S. Dhillon, "Recovery Guarantees for
       One-hidden-layer Neural Networks", ICML 2017, arXiv:1706.03175.

    .. [2] D. J. C. MacKay, "A Practical Bayesian Framework for Backpropagation Networks", Neural
       Computation, 1992, doi:10.1162/neco.1992.4.3.448.

    .. [3] Y.-J. Kim, C. Gu, "Smoothing Spline Gaussian Regression: More Scalable Computation via
       Efficient Approximation", Journal of the Royal Statistical Society B, 2004,
       doi:10.1046/j.1467-9868.2003.05316.x.

    .. [4] L. K. Hansen, P. Salamon, "Neural Network Ensembles", IEEE Transactions on Pattern Analysis
       and Machine Intelligence, 1990, doi:10.1109/34.58871.

    .. [5] K. L. Lange, R. J. A. Little, J. M. G. Taylor, "Robust Statistical Modeling Using the t
       Distribution", Journal of the American Statistical Association, 1989,
       doi:10.1080/01621459.1989.10478852.

    Examples
    --------
    >>> from sklearn_onenn import OneHiddenLayerRegressor
    >>> from sklearn_onenn.datasets import make_one_hidden_layer
    >>> X, y, teacher = make_one_hidden_layer(2000, 10, 3, activation="relu", random_state=0)
    >>> model = OneHiddenLayerRegressor(k=3, activation="relu", random_state=0).fit(X, y)
    >>> bool(model.loss_ < 1e-12)
    True
    """

    # The numbers that a fit goes by; a subclass may have others, to try them.
    _rules = SearchRules()
    _common_scale = False  # of a network that was not fitted here

    _parameter_constraints = {
        "k": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "activation": "no_validation",  # get_activation does, and says more
        "keep_covariance": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
        "loss": [StrOptions({"squared_error", "student_t"})],
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "fit_intercept": ["boolean"],
        "init": [StrOptions({"tensor", "random"}), tuple, list],
        "n_init": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "moments": [StrOptions({"residual", "raw"})],
        "score_function": [None, HasMethods(["__call__", "contract"])],
        "resample": ["boolean"],
        "polish": ["boolean"],
        "learning_rate": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "whiten": ["boolean"],
    }

    def __init__(
        self,
        k: int | Literal["auto"] = 100,
        *,
        activation: str | Activation = "tanh",
        keep_covariance: bool = False,
        random_state: int | RandomState | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        loss: Literal["squared_error", "student_t"] = "squared_error",
        alpha: float | Literal["auto"] = "auto",
        max_iter: int = 100,
        tol: float = 1e-6,
        warm_start: bool = False,
        fit_intercept: bool = True,
        init: str | Sequence[Any] = "tensor",
        n_init: int | Literal["auto"] = "auto",
        moments: str = "residual",
        score_function: Any = None,
        resample: bool = True,
        polish: bool = True,
        learning_rate: float | Literal["auto"] = "auto",
        whiten: bool = True,
    ) -> None:
        self.k = k
        self.activation = activation
        self.keep_covariance = keep_covariance
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.loss = loss
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.fit_intercept = fit_intercept
        self.init = init
        self.n_init = n_init
        self.moments = moments
        self.score_function = score_function
        self.resample = resample
        self.polish = polish
        self.learning_rate = learning_rate
        self.whiten = whiten

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Recover the network from data.

        Parameters
        ----------
        X : array-like or CSR array of shape (n_samples, n_features), or RowBlocks
            At least two rows. Other sparse formats are converted to CSR. Arrays may be memory maps; rows
            that are no array at all come as :class:`RowBlocks`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Several outputs share the hidden layer; each is brought to unit variance inside. None with
            :class:`RowBlocks`, which hold targets and weights.
        sample_weight : array-like of shape (n_samples,), default=None
            A row of weight w counts as w rows. Rows of weight zero are left out.
        X_val : array-like or CSR array of shape (n_val, n_features), default=None
            Held-out rows. Every stage of the polish ends when the loss there has not fallen for ten
            steps, and the weights with the lowest loss there are kept. A Pipeline transforms them
            where its ``transform_input`` names X_val, else they are taken as they are.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            On the scale of y. TransformedTargetRegressor transforms y alone: give y_val transformed.
        sample_weight_val : array-like of shape (n_val,), default=None

        Returns
        -------
        self : OneHiddenLayerRegressor
        """
        task = FitTask(self, X, y, sample_weight)
        before, fitted = self.__dict__, object.__new__(type(self))
        # A fit of another object, whose state this one takes over at once: one that fails, or is
        # interrupted at whatever step, leaves this object as it was.
        fitted.__dict__ = {name: value for name, value in before.items() if name not in SOME_FITS_HAVE}
        fitted._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), task)
        self.__dict__ = fitted.__dict__
        try:
            task.end_fit()
        except BaseException:
            self.__dict__ = before
            raise
        return self

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, held_out: tuple[Any, Any, Any], task: FitObserver
    ) -> None:
        """The steps of a fit."""
        if isinstance(self.k, bool):
            raise ValueError(f'k must be an int >= 1 or "auto", got {self.k}.')
        get_activation(self.activation).check_contract()
        check_score_function(self.score_function, X, self.moments)
        random_state = check_random_state(self.random_state)
        with block_threads() as executor:
            if self.loss == "student_t":
                arrays = self._arrays(X, y, sample_weight)
                validation = held_out_rows(self, *held_out, arrays[1].shape[1])
                fit = self._fit_reweighted(arrays, validation, executor, random_state, task)
            else:
                rows, targets = self._rows(X, y, sample_weight, executor)
                validation = held_out_rows(self, *held_out, rows.n_outputs)
                # The factor of a source's weights is no factor of these.
                held, held_rows = replace(targets, weight_factor=1.0), None
                if validation is not None:
                    warn_of_other_scale(validation[1], targets)
                    held_rows = held.rows(*validation, executor)
                fit = self._fit_rows(rows, targets, held_rows, random_state, task)
            self._store(fit)
            if self.keep_covariance:
                self._store_uncertainty(fit)

    def _fit_rows(
        self,
        rows: Rows,
        targets: TargetScale,
        held_out: ArrayRows | None,
        random_state: RandomState,
        task: FitObserver,
    ) -> Fit:
        """The fit of least squares."""
        samples = self._samples(rows, random_state)
        moment_coordinates, coordinates = self._coordinates(rows, samples[0], None)
        self._common_scale = coordinates.has_common_scale
        problem = self._problem(rows, coordinates, 0.0 if self.alpha == "auto" else self.alpha)
        task.weights = partial(self._weights, problem=problem, targets=targets)
        printers = [Printer(self.verbose, targets.loss_unit)] if self.verbose else []
        options = self._options(moment_coordinates, problem, targets, [*printers, task])
        options = replace(options, held_out=held_out)
        searched, search_options = problem, options
        if self.score_function is None and has_few_rows(problem):
            searched, search_options = on_white_rows(problem, options)
            samples = [searched.rows]
        k, search_options = self._width(searched.replace(samples[0]), search_options, random_state)
        if self.keep_covariance:
            widths = member_widths(problem, k, self._rules.ensemble)
            if too_large := size_error(rows.n_features, widths, rows.n_outputs):
                raise ValueError(too_large)
        result = fit_on_nested_samples(searched, samples, k, search_options, random_state)
        loss, seen = result.solution.data_loss * targets.loss_unit, sums_of_targets(rows, targets)
        return Fit(result, problem, targets, options, loss, seen, rows, held_out)

    def _fit_reweighted(
        self,
        arrays: Arrays,
        validation: Arrays | None,
        executor: ThreadPoolExecutor | None,
        random_state: RandomState,
        task: FitObserver,
    ) -> Fit:
        """Fits of least squares, each with the rows weighted by what the one before left of them.

        They are the steps of expectation and maximization for errors of a t distribution, the first of
        which are those about the median.
        """
        X, y, weight = arrays
        values = held_values = np.median(y, axis=0)
        for _ in range(REWEIGHTING.n_fits):
            noise, held_rows = StudentNoise.of(y - values, weight), None
            rows, targets = self._scaled(X, y, noise.weights(y - values, weight), executor)
            if validation is not None:
                held_weight = noise.weights(validation[1] - held_values, validation[2])
                held_rows = targets.rows(*validation[:2], held_weight.astype(X.dtype), executor)
            fit = self._fit_rows(rows, targets, held_rows, random_state, task)
            values = self._values_of(fit, rows)
            if held_rows is not None:
                held_values = self._values_of(fit, held_rows)
            if fit.options.observers.stopped:
                break
        fit = self._reweighted_steps(fit, arrays, noise, executor)
        errors = y - self._values_of(fit, rows)
        noise = StudentNoise.of(errors, weight)
        self.noise_df_, self.noise_scale_ = noise.df, noise.scale
        last_weight = noise.weights(errors, weight)
        rows, judging = self._scaled(X, y, last_weight, executor)
        mean_squares = np.average(errors**2, axis=0, weights=last_weight)
        return fit._replace(
            loss=float((mean_squares / judging.scale**2).sum() / 2 * judging.loss_unit),
            seen=sums_of_targets(rows, judging),
            counted=targets.rows(X, y, weight, executor),
            held_out=None if validation is None else targets.rows(*validation, executor),
        )

    def _reweighted_steps(
        self, fit: Fit, arrays: Arrays, noise: StudentNoise, executor: ThreadPoolExecutor | None
    ) -> Fit:
        """Steps of a network, but not of a mean, with new weights until these settle."""
        X, y, weight = arrays
        for _ in range(self.max_iter):
            if fit.result.solution.members or not self.polish or fit.options.observers.stopped:
                break
            errors = y - self._values_of(fit, fit.problem.array_rows)
            before, noise = noise, StudentNoise.of(errors, weight)
            new_weight = noise.weights(errors, weight).astype(X.dtype)
            rows = fit.targets.rows(X, y, new_weight, executor)
            problem = fit.problem.replace(rows)
            result = refine_on(problem, fit.result, fit.options, stage="reweighted")
            fit = fit._replace(problem=problem, result=result)
            if np.allclose(noise.scale, before.scale, rtol=np.sqrt(self.tol), atol=0):
                break
        return fit

    def _values_of(self, fit: Fit, rows: ArrayRows) -> Array:
        """What a fit predicts."""
        network = caller_network(fit.result.solution.network, fit.problem, fit.targets)
        return self._values(rows, network)

    def _rows(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        executor: ThreadPoolExecutor | None,
        *,
        reset: bool = True,
    ) -> tuple[Rows, TargetScale]:
        """Checked rows with targets at unit scale, and that scale."""
        refuse_lazy(X=X, y=y, sample_weight=sample_weight)
        if isinstance(X, RowBlocks):
            refuse_beside_blocks(y, sample_weight)
            if not self.polish:
                raise ValueError("RowBlocks need polish=True: descent alone draws its parts at random.")
            found = summarize(checked_blocks(self, X), center=self.fit_intercept)
            return StreamRows(X, found, executor=executor), found.target_scale
        return self._scaled(*self._arrays(X, y, sample_weight, reset=reset), executor)

    def _arrays(self, X: Any, y: Any, sample_weight: Any, *, reset: bool = True) -> Arrays:
        """Checked arrays X, y of shape (n_rows, n_outputs), and weights or None."""
        refuse_lazy(X=X, y=y, sample_weight=sample_weight)
        if isinstance(X, RowBlocks):
            raise ValueError(
                'loss="student_t" weights every row by what a fit leaves of it: it needs arrays, got '
                'RowBlocks. Set loss="squared_error", or fit a sample of the rows.'
            )
        X, y, weight = training_rows(self, X, y, sample_weight, reset=reset)
        if X.shape[0] <= self._rules.data.merged_rows:
            X, y, weight = merge_equal_rows(X, y, weight)
        return X, y, weight

    def _scaled(
        self, X: RowMatrix, y: Array, weight: Array | None, executor: ThreadPoolExecutor | None
    ) -> tuple[ArrayRows, TargetScale]:
        """Rows with targets at unit scale, and that scale."""
        weight = None if weight is None else weight.astype(X.dtype, copy=False)
        targets = TargetScale.of(y, weight, center=self.fit_intercept)
        return targets.rows(X, y, weight, executor), targets

    def _samples(self, rows: Rows, random_state: RandomState) -> list[Rows]:
        """Nested samples of the rows, the last of which is all of them."""
        if not self.polish:
            return [rows]
        width = self._rules.width.typical_width if self.k == "auto" else self.k
        return growing_samples(
            rows, width, self._rules.samples, random_state, fit_intercept=self.fit_intercept
        )

    def _problem(self, rows: Rows, coordinates: Coordinates, alpha: float) -> SquaredLoss:
        """The loss on rows."""
        activation = get_activation(self.activation)
        return SquaredLoss(rows, activation, coordinates, fit_intercept=self.fit_intercept, alpha=alpha)

    def certificate(self, X: Any, y: Any, sample_weight: Any = None) -> Certificate:
        """Say whether the network that generated the rows was recovered, and why.

        Parameters
        ----------
        X : array-like or CSR array of shape (n_samples, n_features)
            The rows of the fit, or others: the certificate says which.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        Certificate
            Print it to read it; see :mod:`sklearn_onenn.certificate`. The same at every call. Where the
            rows are noisy it takes a fit or two on half of them.
        """
        check_is_fitted(self)
        if isinstance(X, RowBlocks):
            raise TypeError("certificate needs arrays, got RowBlocks. A sample of the rows will do.")
        with block_threads() as executor:
            rows, targets = self._rows_of_certificate(X, y, sample_weight, executor)
            moment_coordinates, coordinates = self._coordinates(rows, rows, self._common_scale)
            problem = self._problem(rows, coordinates, self.alpha_)
            network = inner_network(self._network(), problem, targets)
            # A network of from_mlp has no record of a fit.
            fit_loss = getattr(self, "loss_", np.nan) / targets.loss_unit
            return certify(
                problem, network, self._options(moment_coordinates, problem, targets),
                losses=getattr(self, "loss_curve_", []),
                trained_here=is_training_set(
                    getattr(self, "_targets_seen", np.zeros(0)), sums_of_targets(rows, targets),
                    problem.data_loss(network), fit_loss,
                ),
            )  # fmt: skip

    def _rows_of_certificate(
        self, X: Any, y: Any, sample_weight: Any, executor: ThreadPoolExecutor | None
    ) -> tuple[Rows, TargetScale]:
        """Rows with the weights that the loss gives them at the fitted network, and scaled targets."""
        if not hasattr(self, "noise_df_"):
            return self._rows(X, y, sample_weight, executor, reset=False)
        X, y, weight = self._arrays(X, y, sample_weight, reset=False)
        errors = y - self._values(ArrayRows(X, y, executor=executor), self._network().astype(X.dtype))
        noise = StudentNoise(self.noise_df_, self.noise_scale_)
        return self._scaled(X, y, noise.weights(errors, weight), executor)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.input_tags.sparse = True
        return tags

    def _coordinates(
        self, rows: Rows, sample: Rows, common_scale: bool | None
    ) -> tuple[Coordinates, Coordinates]:
        """Coordinates for the moments, which are those of the sample, and for the steps on all rows."""
        if not self.whiten:
            return (identity_coordinates(rows.n_features),) * 2
        # Without biases the model knows no shift: steps are taken on the rows as they are.
        white = whitening(
            rows, center=self.fit_intercept, rules=self._rules.data, common_scale=common_scale
        )
        if sample is rows and self.fit_intercept:
            return white, white
        return whitening(sample, rules=self._rules.data), white

    def _options(
        self,
        moment_coordinates: Coordinates,
        problem: SquaredLoss,
        targets: TargetScale,
        observers: Sequence[Observer] = (),
    ) -> FitOptions:
        """What the search over starts needs of the parameters."""
        rate, unit = self.learning_rate, targets.loss_unit
        return FitOptions(
            init=self._given_start(problem, targets),
            moment_coordinates=moment_coordinates,
            moments=self.moments,
            score_function=self.score_function,
            resample=self.resample,
            polish=self.polish,
            learning_rate=rate if rate == "auto" else rate * unit,
            output_norm=float(np.clip(1 / np.sqrt(unit), 1e-15, 1e15)),  # beyond, steps overflow
            max_iter=self.max_iter,
            tol=self.tol,
            n_init=self.n_init,
            alpha=self.alpha,
            n_jobs=self.n_jobs,
            observers=Observers(observers, problem.rows.n_rows),
            rules=self._rules,
        )

    def _width(
        self, problem: SquaredLoss, options: FitOptions, random_state: RandomState
    ) -> tuple[int, FitOptions]:
        """The number of units; where a callback ended the search for it, options start from there."""
        if isinstance(options.init, Network):
            return len(options.init.b), options
        if self.k != "auto":
            return self.k, options
        k, network = choose_width(problem, options, random_state)
        return k, options if network is None else replace(options, init=network)

    def _given_start(self, problem: SquaredLoss, targets: TargetScale) -> str | Network:
        """Starting weights in the coordinates of the problem, or the name of an initialization."""
        arrays: Any
        if self.warm_start and hasattr(self, "coefs_"):
            (W, V), (b, c) = self.coefs_, self.intercepts_
            source, arrays = "warm_start", (W, b, V)
        elif isinstance(self.init, str):
            return self.init
        else:
            source, arrays, c = "init", self.init, targets.mean
        if len(arrays) != 3:
            raise ValueError(f"{source} must hold the 3 arrays W, b, v, got {len(arrays)}.")
        W, b, v = arrays
        d, m = problem.rows.n_features, problem.rows.n_outputs
        k = self.k if self.k != "auto" else np.shape(b)[-1] if np.ndim(b) else 1
        W = checked_array(f"{source}: W", W, (d, k))
        b = checked_array(f"{source}: b", b, (k,))
        v = checked_array(f"{source}: v", v, (k,) if m == 1 and np.ndim(v) == 1 else (k, m))
        return inner_network(Network(W, b, v.reshape(k, m), c), problem, targets)

    def _store(self, fitted: Fit) -> None:
        """Fitted attributes, in the units and coordinates of the caller."""
        fit, problem, targets = fitted.result, fitted.problem, fitted.targets
        solution, trace, unit = fit.solution, fit.trace, targets.loss_unit
        if not (np.isfinite(solution.data_loss) and np.isfinite(solution.network.pack()).all()):
            raise ValueError(
                "The fit is not finite. Bring the columns of X to unit scale, or lower learning_rate."
            )
        if solution.reason == "max_iter":
            warnings.warn(
                f"{type(self).__name__} did not converge in max_iter={self.max_iter} iterations of a "
                f"stage; increase max_iter or tol.",
                ConvergenceWarning,
                stacklevel=5,
            )
        if fit.missed > MISSED:
            warnings.warn(
                f"The network leaves {fit.missed:.0%} of the variance of y more than a straight line or "
                f"the nearest rows do: use more units than k={len(fit.start.b)} or another activation.",
                UserWarning,
                stacklevel=5,
            )
        start = caller_network(fit.start, problem, targets)
        self.init_coefs_, self.init_intercepts_ = [start.W, start.V], [start.b, start.c]
        self.__dict__.update(self._weights(solution.network, problem, targets))
        self.k_ = len(fit.start.b)
        self.loss_ = fitted.loss
        self.loss_curve_ = [loss * unit for loss in trace.losses]
        self.stages_ = [(name, n_iter) for name, n_iter in trace.stages]
        if trace.held_out is not None:
            self.validation_loss_ = solution.objective * unit
            self.validation_loss_curve_ = [loss * unit for loss in trace.held_out_losses]
        self.n_iter_ = len(trace.losses)
        self.n_passes_ = (fit.rows_read + problem.rows.rows_read) / problem.rows.n_rows
        self.n_starts_ = fit.n_starts
        self.init_path_ = fit.path
        self.stop_reason_ = solution.reason
        self.alpha_ = 0.0 if solution.alpha is None else solution.alpha
        self._targets_seen = fitted.seen

    @staticmethod
    def _weights(network: Network, problem: SquaredLoss, targets: TargetScale) -> dict[str, Any]:
        """Fitted attributes by which ``predict`` works."""
        network = caller_network(network, problem, targets)
        return {
            "coefs_": [network.W, network.V],
            "intercepts_": [network.b, network.c],
            "n_outputs_": network.V.shape[1],
            "out_activation_": "identity",
        }


# Share of the variance of y from which a user is told that a fit missed it.
MISSED = 0.1


def sums_of_targets(rows: Rows, targets: TargetScale) -> Array:
    """Sum of the weights, means and scales of the targets: by these a training set is known again."""
    return np.concatenate([[rows.weight_sum], targets.mean, targets.scale])
