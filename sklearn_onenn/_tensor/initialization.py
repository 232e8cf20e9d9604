"""Where fits start: tensor initialization (Algorithm 1) and random starts."""

from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh
from scipy.sparse import issparse
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_X_y

from .._activation_base import Activation
from .._data.blocks import weighted
from .._data.coordinates import Coordinates, identity_coordinates
from .._data.rows import ArrayRows, block_threads
from .._data.whitening import whitening
from .._network.loss import SquaredLoss
from .._network.network import Network
from .._network.output_layer import with_fitted_outputs
from .._network.symmetries import with_output_norm
from .._typing import Array, RowMatrix
from ..activations import get_activation
from ..scores import ScoreFunction
from .raw_moments import check_activation, raw_moment_start
from .slices import noise_stack
from .span import AffineFit, rows_in_span, unit_span
from .stein_slices import SteinScores, score_stack
from .stein_span import score_span
from .units import may_be_identified, recover_units


def tensor_initialization(
    X: RowMatrix,
    y: ArrayLike,
    k: int,
    *,
    activation: str | Activation,
    moments: Literal["residual", "raw"] = "residual",
    split: bool = False,
    fit_intercept: bool = False,
    score_function: ScoreFunction | None = None,
    sample_weight: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[Array, Array, Array]:
    """Algorithm 1: start of a one-hidden-layer network from moments of the data.

    Parameters
    ----------
    X : array-like or CSR array of shape (n_samples, n_features)
        Raw moments take the rows for N(0, I) draws; residual moments whiten them first.
    y : array-like of shape (n_samples,)
    k : int
        Hidden units.
    activation : str or Activation
        A name from :data:`sklearn_onenn.activations.ACTIVATIONS`, or an instance.
    moments : {"residual", "raw"}, default="residual"
        Moments of the residual of a fit of lower degree, which have the same expectation and less
        noise, or those of y itself, as in the paper.
    split : bool, default=False
        Give each step of the algorithm a third of the rows, as the theorem has it. Raw moments only.
    fit_intercept : bool, default=False
        Whether the network has hidden biases. Without, ``b`` is zero.
    score_function : object or None, default=None
        Score of the density that the rows of X have, in their coordinates, for inputs that are far from
        normal: with the methods ``__call__(X)`` and ``contract(X, U)`` that
        :mod:`sklearn_onenn.scores` describes. The moments are then those of Stein's identity with
        this score in the place of Hermite polynomials [2]_. Residual moments of dense rows only.
    sample_weight : array-like of shape (n_samples,), default=None
    random_state : int, RandomState instance or None, default=None
        Draws the random projections of the tensor, and the thirds of ``split``.

    Returns
    -------
    W : ndarray of shape (n_features, k)
    b : ndarray of shape (k,)
    v : ndarray of shape (k,)
        -1 or 1 for homogeneous activations.

    Raises
    ------
    ValueError
        When the activation has no usable moments or violates property 3.2 (identity, square), for a
        score that is not finite or not of the right shape, and for unusable data or parameters.

    Notes
    -----
    A score serves where the rows are far from normal. Two normal components of unlike covariances,
    d = 20, k = 5, n = 4000, no noise, ten networks, estimator with ``n_init=1``: with means at
    distance 4 from zero on both sides it recovers 10 networks of tanh units with the score and 7
    without (the median angle of a start to its unit is 11 and 50 degrees). ReLU units, and means at
    distances 1 and 2, are recovered 10 times either way: there the polish makes up for the start.
    The score of a mixture fitted to the rows did as well as the known one. Slices over all columns
    cost n d^2 for each of some 3 k weights, and d^2 numbers for each row of a block.

    References
    ----------
    .. [1] K. Zhong, Z. Song, P. Jain, P. L. Bartlett, I. S. Dhillon, "Recovery Guarantees for
       One-hidden-layer Neural Networks", ICML 2017, arXiv:1706.03175, Algorithm 1.

    .. [2] M. Janzamin, H. Sedghi, A. Anandkumar, "Score Function Features for Discriminative
       Learning: Matrix and Tensor Framework", 2014, arXiv:1412.2863.

    Examples
    --------
    >>> from sklearn_onenn import tensor_initialization
    >>> from sklearn_onenn.datasets import make_one_hidden_layer
    >>> X, y, teacher = make_one_hidden_layer(4000, 10, 3, activation="relu", random_state=0)
    >>> W, b, v = tensor_initialization(X, y, 3, activation="relu", random_state=0)
    >>> W.shape, b.shape, v.shape
    ((10, 3), (3,), (3,))
    """
    activation = get_activation(activation)
    if not isinstance(k, Integral) or isinstance(k, bool) or k < 1:
        raise ValueError(f"k must be an integer >= 1, got {k!r}.")
    if moments not in ("residual", "raw"):
        raise ValueError(f"moments must be 'residual' or 'raw', got {moments!r}.")
    X, y = check_X_y(
        X,
        y,
        accept_sparse="csr",
        dtype=[np.float64, np.float32],
        ensure_min_samples=2,
        y_numeric=True,
    )
    check_score_function(score_function, X, moments)
    weight = None
    if sample_weight is not None:
        weight = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
    random_state = check_random_state(random_state)
    with block_threads() as executor:
        rows = ArrayRows(X, y.astype(X.dtype)[:, None], weight, executor=executor)
        raw = moments == "raw"
        coordinates = identity_coordinates(X.shape[1]) if raw else whitening(rows)
        start = tensor_start(
            rows, coordinates, k, activation, moments,
            split=split, score_function=score_function, random_state=random_state,
        )  # fmt: skip
    start = with_output_norm(start, 1.0, activation.degree)
    W, b = coordinates.weights_to_inputs(start.W, start.b)
    return W, b if fit_intercept else np.zeros(k), start.V[:, 0]


def tensor_start(
    rows: ArrayRows,
    coordinates: Coordinates,
    k: int,
    activation: Activation,
    moments: str,
    *,
    split: bool,
    random_state: np.random.RandomState,
    score_function: ScoreFunction | None = None,
) -> Network:
    """Tensor initialization in white coordinates.

    Parameters
    ----------
    rows : ArrayRows
    coordinates : Coordinates
        In which rows are taken for N(0, I).
    k : int
    activation : Activation
    moments : {"residual", "raw"}
    split : bool
        Give each step of Algorithm 1 a third of the rows. Raw moments only.
    random_state : numpy.random.RandomState
    score_function : object or None
        Score of the rows as they are, where they are not N(0, I) draws.

    Returns
    -------
    Network
        With output intercept, in the coordinates. Units beyond the rank of the rows have random
        directions and zero output weights.
    """
    check_activation(activation)
    n_found = min(k, coordinates.rank) if is_informative(rows) else 0
    if n_found == 0:
        c = rows.sum(lambda block: weighted(block.y, block.weight).sum(axis=0)) / rows.weight_sum
        nothing = np.zeros((coordinates.rank, 0)), np.zeros(0), np.zeros((0, rows.n_outputs)), c
        return filled(Network(*nothing), k, random_state)
    if moments == "raw":
        start = raw_moment_start(
            leading_output(rows),
            coordinates,
            n_found,
            activation,
            split=split,
            random_state=random_state,
        )
        if rows.n_outputs > 1:
            start = with_fitted_outputs(SquaredLoss(rows, activation, coordinates), start.W, start.b)
    else:
        start = residual_moment_start(
            rows, coordinates, n_found, activation,
            score_function=score_function, random_state=random_state,
        )  # fmt: skip
    return filled(start, k, random_state)


def is_informative(rows: ArrayRows) -> bool:
    """Whether some output varies beyond rounding."""
    largest = np.abs(rows.y).max(axis=0)
    return bool((np.ptp(rows.y, axis=0) > 8 * np.finfo(rows.dtype).eps * largest).any())


def leading_output(rows: ArrayRows) -> ArrayRows:
    """The rows with the combination of outputs that varies most for a target."""
    if rows.n_outputs == 1:
        return rows
    _, vectors = eigh(rows.sum(lambda block: block.y.T @ weighted(block.y, block.weight)))
    return rows.with_targets(rows.y @ vectors[:, -1:].astype(rows.dtype))


def filled(network: Network, k: int, random_state: np.random.RandomState) -> Network:
    """The network with k units: new ones have random directions and no output weight."""
    r, n_found = network.W.shape
    n_new = k - n_found
    if n_new == 0:
        return network
    W = random_state.standard_normal((r, n_new)) / np.sqrt(max(r, 1))
    return network._replace(
        W=np.concatenate([network.W, W], axis=1),
        b=np.concatenate([network.b, random_state.standard_normal(n_new)]),
        V=np.concatenate([network.V, np.zeros((n_new, network.V.shape[1]))]),
    )


def residual_moment_start(
    rows: ArrayRows,
    coordinates: Coordinates,
    k: int,
    activation: Activation,
    *,
    score_function: ScoreFunction | None = None,
    random_state: np.random.RandomState,
) -> Network:
    """Tensor initialization with residual moments, or with those of a score.

    Parameters
    ----------
    rows : ArrayRows
        Dense with a score.
    coordinates : Coordinates
        In which rows are taken for N(0, I); with a score white or of similar scale.
    k : int
        At most the rank r of the coordinates.
    activation : Activation
    score_function : object or None
        Score of the rows as they are, see :mod:`sklearn_onenn.scores`: Hessian slices by Stein's
        identity, which holds for any density, take the place of Hermite moments.
    random_state : numpy.random.RandomState

    Returns
    -------
    Network
        In the coordinates.
    """
    r, affine = coordinates.rank, AffineFit(rows, coordinates)
    slopes, residuals = affine(rows.y)
    V = np.eye(r) if k == r else unit_span(affine, residuals, slopes, k, random_state)

    def worth_repair(loss: float) -> bool:
        return score_function is not None or may_be_identified(rows, coordinates, k, loss)

    def stack_of(projected: ArrayRows) -> tuple[list[Array], float]:
        if scores is None:
            return noise_stack(projected)
        return score_stack(projected, rows, coordinates, V, scores)

    scores = None
    if score_function is not None:
        if k < r:
            V = score_span(score_function, rows, coordinates, slopes, V, random_state)
        scores = SteinScores(score_function, coordinates.inverse.T @ V)
    projected = rows_in_span(rows, coordinates, V, slopes)
    start = recover_units(
        projected, activation, stack_of, worth_repair=worth_repair, random_state=random_state
    )
    return start._replace(W=V @ start.W)


def check_score_function(score_function: Any, X: RowMatrix, moments: str) -> None:
    """Raise where a score function is given and cannot be used."""
    if score_function is None:
        return
    has_methods = callable(score_function) and callable(getattr(score_function, "contract", None))
    if not has_methods or isinstance(score_function, type):
        raise ValueError(
            "score_function must be None or an object with the methods __call__(X) and contract(X, U), "
            f"such as a sklearn_onenn.scores.GaussianMixtureScore, got {score_function!r}."
        )
    if moments != "residual":
        raise ValueError(
            f"score_function needs moments='residual', got moments={moments!r}: raw moments are those "
            "of N(0, I). Leave out one of the two."
        )
    if issparse(X):
        raise ValueError(
            "score_function needs dense rows: a density has no mass on zeros. "
            "Use X.toarray(), or score_function=None."
        )
