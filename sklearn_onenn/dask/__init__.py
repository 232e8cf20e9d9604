"""The estimator for data on a Dask cluster."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import Any, Literal, Self

import numpy as np
from numpy.random import RandomState
from sklearn.metrics import r2_score
from sklearn.utils.validation import validate_data

from .._data.rows import ArrayRows, Rows
from .._data.targets import TargetScale
from .._network.network import Network
from .._regressor import OneHiddenLayerRegressor
from .._tensor.initialization import check_score_function
from .._validation import is_dask_collection
from ..activations import Activation
from ..certificate import Certificate
from .arrays import as_array, columns_of, imported, in_memory
from .rows import cluster_rows, cluster_summary, on_block, stacked
from .workers import ClusterBlocks

__all__ = ["DaskOneHiddenLayerRegressor"]


class DaskOneHiddenLayerRegressor(OneHiddenLayerRegressor):
    """One-hidden-layer network, recovered from rows on a Dask cluster.

    The fit is that of :class:`~sklearn_onenn.OneHiddenLayerRegressor` on ``RowBlocks`` of the same
    blocks, to the bit, on any number of workers, and when a worker dies in the middle. Blocks stay on
    their workers, which sum over them; a sample of the rows comes to the client, where the search over
    starts is done.

    Parameters
    ----------
    k, activation, keep_covariance : as there
    random_state : int, RandomState instance or None, default=None
    n_jobs, verbose : as there
    loss : "squared_error", default="squared_error"
        The other one weights every row by what a fit leaves of it, and needs rows in memory.
    alpha, max_iter, tol, warm_start : as there
    fit_intercept, init, n_init, moments, score_function, resample : as there
    polish : bool, default=True
        Must be True.
    learning_rate, whiten : as there
    client : distributed.Client or None, default=None
        None takes the client made last. It is left out when the estimator is pickled.

    Attributes
    ----------
    client_ : distributed.Client
        The client given, or the one made last. All other attributes are those of
        :class:`~sklearn_onenn.OneHiddenLayerRegressor`.

    Notes
    -----
    ``predict``, ``predict_interval`` and ``predict_quantiles`` of a Dask collection are lazy arrays;
    ``predict_distribution`` brings the location and the scale of all rows to the client.

    Blocks of some 10 000 to 1 000 000 rows serve best: a sum costs the cluster some 5 ms beside the
    work itself. Work is done where blocks are; ``client.rebalance(X)`` spreads them evenly.

    Examples
    --------
    Workers that are threads of this process; with processes for workers, or with machines, nothing
    else changes.

    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sklearn_onenn.dask import DaskOneHiddenLayerRegressor
    >>> from sklearn_onenn.datasets import make_one_hidden_layer
    >>> X, y, teacher = make_one_hidden_layer(2000, 4, 2, random_state=0)
    >>> with Client(processes=False, n_workers=2, dashboard_address=None) as client:
    ...     X, y = da.from_array(X, chunks=(500, 4)), da.from_array(y, chunks=500)
    ...     model = DaskOneHiddenLayerRegressor(k=2, activation="relu", random_state=0).fit(X, y)
    ...     loss = float(((model.predict(X) - y) ** 2).mean().compute())
    >>> loss < 1e-12
    True
    """

    _parameter_constraints: dict[str, Any] = {
        **OneHiddenLayerRegressor._parameter_constraints,
        "client": "no_validation",
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
        init: Any = "tensor",
        n_init: int | Literal["auto"] = "auto",
        moments: Literal["residual", "raw"] = "residual",
        score_function: Any = None,
        resample: bool = True,
        polish: bool = True,
        learning_rate: float | Literal["auto"] = "auto",
        whiten: bool = True,
        client: Any = None,
    ) -> None:
        super().__init__(
            k,
            activation=activation,
            keep_covariance=keep_covariance,
            random_state=random_state,
            n_jobs=n_jobs,
            verbose=verbose,
            loss=loss,
            alpha=alpha,
            max_iter=max_iter,
            tol=tol,
            warm_start=warm_start,
            fit_intercept=fit_intercept,
            init=init,
            n_init=n_init,
            moments=moments,
            score_function=score_function,
            resample=resample,
            polish=polish,
            learning_rate=learning_rate,
            whiten=whiten,
        )
        self.client = client

    @property
    def client_(self) -> Any:
        """The client given, or the one made last."""
        if self.client is not None:
            return self.client
        distributed = imported("distributed")
        try:
            return distributed.default_client()
        except ValueError as error:
            raise AttributeError(
                "There is no Dask client. Make one, as in client = distributed.Client(address), or give "
                "the parameter client."
            ) from error

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Recover the network from data on the workers.

        Parameters
        ----------
        X : dask array or dask dataframe of shape (n_samples, n_features)
            Several blocks of columns are joined. Blocks that are not in the workers' memory yet are kept
            there during the fit. Lengths that are not known, as those of dataframes, are counted.
        y : dask array, series or dataframe of shape (n_samples,) or (n_samples, n_outputs)
            With the row blocks of X.
        sample_weight : dask array or series of shape (n_samples,), default=None
            With the row blocks of X.
        X_val, y_val, sample_weight_val : arrays, default=None
            Held-out rows, in memory, as of :meth:`~sklearn_onenn.OneHiddenLayerRegressor.fit`.

        Returns
        -------
        self : DaskOneHiddenLayerRegressor

        Raises
        ------
        TypeError
            Where a training argument is no Dask collection, or a held-out one is.
        ValueError
            Where blocks do not fit together or one of them is bad; it names the block.
        """
        self._validate_params()
        if not self.polish:
            raise ValueError(
                "Dask collections need polish=True: descent alone draws its parts at random."
            )
        if self.loss != "squared_error":
            raise ValueError(
                f'Dask collections need loss="squared_error", got {self.loss!r}, which weights every '
                f"row by what a fit leaves of it: fit OneHiddenLayerRegressor to a sample in memory."
            )
        held_out: dict[str, Any] = {
            "X_val": X_val,
            "y_val": y_val,
            "sample_weight_val": sample_weight_val,
        }
        with ClusterBlocks(self.client_, X, y, sample_weight) as blocks:
            super().fit(blocks, **held_out)
        return self

    def _rows(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        executor: ThreadPoolExecutor | None,
        *,
        reset: bool = True,
    ) -> tuple[Rows, TargetScale]:
        """Rows on the workers with targets at unit scale, and that scale; X are the blocks."""
        validate_data(self, X.columns, reset=reset, skip_check_array=True)
        check_score_function(self.score_function, X.meta, self.moments)
        found = cluster_summary(X, type(self)(), center=self.fit_intercept)
        return cluster_rows(X, found, executor), found.target_scale

    def _by_blocks(self, X: Any, function: Callable[[ArrayRows, Network], Any]) -> Any:
        """As there; of a Dask collection lazy arrays, each block where it is."""
        if not is_dask_collection(X):
            return super()._by_blocks(X, function)
        validate_data(self, columns_of(X), reset=False, skip_check_array=True)
        X = as_array(X)
        dtype = X.dtype if X.dtype == np.float32 else np.dtype(np.float64)
        local = self.to_local()
        if hasattr(local, "feature_names_in_"):
            del local.feature_names_in_  # columns were compared here; blocks have no names
        found = local._by_blocks(np.zeros((1, self.n_features_in_), dtype), function)
        shape = stacked(found).shape[1:]
        results = X.map_blocks(
            on_block, model=local, function=function, shape=shape, dtype=dtype,
            drop_axis=1, new_axis=list(range(1, 1 + len(shape))),
            chunks=(X.chunks[0], *((size,) for size in shape)),
            meta=np.empty((0,) * (1 + len(shape)), dtype),
        )  # fmt: skip
        if not isinstance(found, tuple):
            return results
        return tuple(results[..., part] for part in range(len(found)))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Coefficient of determination R2 of the predictions.

        Parameters
        ----------
        X : dask array or dataframe, or array-like, of shape (n_samples, n_features), or RowBlocks
        y : the same of shape (n_samples,) or (n_samples, n_outputs), default=None
            Its blocks may be others than those of X. None with :class:`~sklearn_onenn.RowBlocks`.
        sample_weight : the same of shape (n_samples,), default=None

        Returns
        -------
        score : float
            As of :meth:`~sklearn_onenn.OneHiddenLayerRegressor.score`. Predictions, targets and weights
            of all rows come to the client, rows of X do not.

        Raises
        ------
        ValueError
            Where targets are missing, or their number is not that of the rows.
        """
        if not is_dask_collection(X) or y is None:
            return super().score(X, *in_memory(self.client, y, sample_weight))
        y, predicted, sample_weight = in_memory(self.client, y, self.predict(X), sample_weight)
        return float(r2_score(y, predicted, sample_weight=sample_weight))

    def certificate(self, X: Any, y: Any, sample_weight: Any = None) -> Certificate:
        """Say whether the network that generated the rows was recovered, and why.

        Parameters
        ----------
        X : array-like or CSR array of shape (n_samples, n_features)
            In memory: all rows of the fit, or a sample of them.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        Certificate
            As of :meth:`~sklearn_onenn.OneHiddenLayerRegressor.certificate`.

        Raises
        ------
        TypeError
            Where an argument is a Dask collection.
        """
        for name, value in {"X": X, "y": y, "sample_weight": sample_weight}.items():
            if is_dask_collection(value):
                raise TypeError(
                    f"certificate needs {name} in memory, got a Dask collection {type(value)}: pass "
                    f"{name}.compute(), or that of a sample of the rows."
                )
        certificate: Certificate = self.to_local().certificate(X, y, sample_weight)
        return certificate

    def to_local(self) -> OneHiddenLayerRegressor:
        """The fitted network as an estimator without Dask.

        Returns
        -------
        model : OneHiddenLayerRegressor
        """
        parameters = self.get_params(deep=False)
        del parameters["client"]
        local = OneHiddenLayerRegressor(**parameters)
        for name, value in vars(self).items():
            if name.endswith("_") or name in {"_targets_seen", "_predictive"}:
                setattr(local, name, value)
        return local

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "client": None}

    def __sklearn_clone__(self) -> Self:
        # A client cannot be copied: the clone gets the same one.
        cloned: Self = super(DaskOneHiddenLayerRegressor, copy(self)).__sklearn_clone__()
        cloned.client = self.client
        return cloned
