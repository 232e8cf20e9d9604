"""The start for rows of known density: where Hermite moments mislead, invariances, what is refused."""

import pickle

import numpy as np
import pytest
from _planted import bimodal_score, mixture_rows, separated_network
from numpy.testing import assert_array_equal
from scipy.linalg import subspace_angles
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from sklearn.base import clone

from sklearn_onenn import OneHiddenLayerRegressor, tensor_initialization
from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._network.network import forward
from sklearn_onenn._tensor.span import AffineFit, unit_span
from sklearn_onenn._tensor.stein_span import narrow, score_span
from sklearn_onenn.activations import ReLU, Tanh
from sklearn_onenn.metrics import recovery_error
from sklearn_onenn.scores import GaussianMixtureScore


class OwnScore:
    """The methods that a score function must have, and no more."""

    def __init__(self, score):
        self.score = score

    def __call__(self, X):
        return self.score(X)

    def contract(self, X, U):
        return self.score.contract(X, U)


def bimodal_data(activation, n, *, d=12, k=3, separation=4.0, seed=0):
    score, truth = bimodal_score(d, separation, seed=seed), separated_network(d, k, seed=seed)
    X = mixture_rows(score, n, seed=seed)
    return X, forward(X, truth, activation)[:, 0], truth, score


def worst_angle(W, truth):
    """Largest angle between matched directions, in degrees."""
    unit = [A / np.linalg.norm(A, axis=0) for A in (W, truth.W)]
    cosine = np.abs(unit[0].T @ unit[1])
    return np.degrees(np.arccos(min(1, cosine[linear_sum_assignment(-cosine)].min())))


@pytest.mark.parametrize("activation", [ReLU(), Tanh()], ids=repr)
def test_directions_on_bimodal_rows(activation):
    """d = 12, k = 3, 6000 rows, five mixtures: worst angle of a unit, median over the mixtures."""
    with_score, without = [], []
    for seed in range(5):
        X, y, truth, score = bimodal_data(activation, 6000, seed=seed)
        for found, function in ((with_score, score), (without, None)):
            W, _, _ = tensor_initialization(
                X, y, 3, activation=activation, score_function=function, random_state=seed
            )
            found.append(worst_angle(W, truth))
    assert np.median(with_score) < 12
    assert np.median(without) > 2 * np.median(with_score)


@pytest.mark.parametrize("activation", [ReLU(), Tanh()], ids=repr)
def test_own_score_and_weights(activation):
    """An object with the two methods alone does the same; rows of weight 2 count twice."""
    X, y, _, score = bimodal_data(activation, 1500, d=6, k=2, separation=2.0)
    options = {"activation": activation, "random_state": 0}
    W, _, v = tensor_initialization(X, y, 2, score_function=score, **options)
    assert_array_equal(tensor_initialization(X, y, 2, score_function=OwnScore(score), **options)[0], W)
    times = np.random.RandomState(1).randint(1, 3, 1500)
    W, _, v = tensor_initialization(
        X, y, 2, score_function=score, sample_weight=times.astype(float), **options
    )
    repeated = np.repeat(X, times, axis=0), np.repeat(y, times)
    W_other, _, v_other = tensor_initialization(*repeated, 2, score_function=score, **options)
    assert recovery_error(W_other, v_other, W, v, activation=activation) < 0.02


@pytest.mark.parametrize("activation", [ReLU(), Tanh()], ids=repr)
def test_affine_change_of_rows_and_score(activation):
    """x' = A x + m has the score of a mixture with means A mu + m and covariances A C A^T."""
    X, y, _, score = bimodal_data(activation, 2000, d=6, k=2, separation=2.0)
    rng = np.random.RandomState(1)
    A, shift = rng.standard_normal((6, 6)), 10 * rng.standard_normal(6)
    other = GaussianMixtureScore(score.weights, score.means @ A.T + shift, A @ score.covariances @ A.T)
    options = {"activation": activation, "fit_intercept": True, "random_state": 0}
    W, b, v = tensor_initialization(X, y, 2, score_function=score, **options)
    W_map, b_map, v_map = tensor_initialization(X @ A.T + shift, y, 2, score_function=other, **options)
    with_biases = np.vstack([W, b]), np.vstack([A.T @ W_map, b_map + shift @ W_map])
    assert recovery_error(with_biases[1], v_map, with_biases[0], v, activation=activation) < 0.02


def spans(score, truth, n, activation, seed, coordinates_of=whitening):
    """Largest angle in degrees between the units and the span that Hermite moments, then scores find."""
    X = mixture_rows(score, n, seed=seed)
    rows = ArrayRows(X, forward(X, truth, activation))
    coordinates, k = coordinates_of(rows), truth.W.shape[1]
    affine = AffineFit(rows, coordinates)
    slopes, residuals = affine(rows.y)
    rng = np.random.RandomState(seed)
    first = unit_span(affine, residuals, slopes, k, rng)
    found = score_span(score, rows, coordinates, slopes, first, rng)
    units = coordinates.weights_from_inputs(truth.W, np.zeros(k))[0]
    return [np.degrees(subspace_angles(V, units).max()) for V in (first, found)]


@pytest.mark.parametrize("activation", [ReLU(), Tanh()], ids=repr)
def test_coordinates_need_not_be_white(activation):
    """Rows off the origin, and not of unit scale; median angle over five mixtures."""
    found = []
    for seed in range(5):
        score, truth = bimodal_score(8, 2.0, seed=seed), separated_network(8, 2, seed=seed)
        moved = GaussianMixtureScore(score.weights, score.means + 1, score.covariances)
        truth = truth._replace(b=-truth.W.sum(axis=0))
        found.append(spans(moved, truth, 8000, activation, seed, lambda _: identity_coordinates(8)))
    hermite, with_score = np.median(found, axis=0)
    assert with_score < 8
    assert with_score < 0.5 * hermite


def test_error_of_the_span_falls_with_the_number_of_rows():
    """Hermite moments of tanh units on bimodal rows stay where they are; d = 8, k = 2, five mixtures."""
    medians = [
        np.median(
            [
                spans(bimodal_score(8, 4.0, seed=s), separated_network(8, 2, seed=s), n, Tanh(), s)
                for s in range(5)
            ],
            axis=0,
        )
        for n in (4000, 16_000)
    ]
    (hermite, with_score), (hermite_more, with_score_more) = medians
    assert 0.3 < with_score_more / with_score < 0.75
    assert hermite_more > 0.75 * hermite > 3 * with_score


def test_several_outputs_share_the_span():
    """Each output alone has one of the two units."""
    score, truth = bimodal_score(6, 3.0), separated_network(6, 2)
    together = truth._replace(V=np.diag([1.0, -1.0]), c=np.zeros(2))
    assert spans(score, together, 4000, ReLU(), 0)[1] < 10


def test_blocks_of_rows_are_narrow_where_columns_are_many():
    rows = ArrayRows(np.ones((5000, 3)), np.ones((5000, 1)))
    assert narrow(rows, 2).block_rows == rows.block_rows
    assert narrow(rows, 100).block_rows == 104
    assert narrow(rows, 1000).block_rows == 64


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_estimator_starts_from_the_score(dtype):
    """The start is the one of tensor_initialization; the polish goes on as always."""
    X, y, truth, score = bimodal_data(ReLU(), 3000, d=6, k=2, separation=3.0)
    X, y = X.astype(dtype), y.astype(dtype)
    model = OneHiddenLayerRegressor(
        k=2, activation="relu", score_function=score, n_init=1, random_state=0
    ).fit(X, y)
    plain = clone(model).set_params(score_function=None).fit(X, y)
    assert worst_angle(model.init_coefs_[0], truth) < 0.7 * worst_angle(plain.init_coefs_[0], truth)
    assert recovery_error(*model.coefs_, truth.W, truth.V, activation="relu") < 1e-3
    assert model.coefs_[0].dtype == plain.coefs_[0].dtype
    again = pickle.loads(pickle.dumps(clone(model))).fit(X, y)
    assert_array_equal(again.coefs_[0], model.coefs_[0])


class Broken(OwnScore):
    """A score whose result, or the curvature, goes through a function first."""

    def __init__(self, score, of_score=lambda s: s, of_contract=lambda s: s):
        super().__init__(score)
        self.of_score, self.of_contract = of_score, of_contract

    def __call__(self, X):
        return self.of_score(self.score(X))

    def contract(self, X, U):
        return self.of_contract(self.score.contract(X, U))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"of_score": lambda s: s[:, :1]},
            r"X\) must be a real array of shape \(300, 4\)",
        ),
        ({"of_score": lambda s: s.astype(str)}, r"score_function\(X\) must be a real array"),
        ({"of_score": lambda s: s * np.inf}, r"score_function\(X\) must be finite"),
        (
            {"of_contract": lambda s: s[0]},
            r"X, U\) must be a real array of shape \(300, 4, 4\)",
        ),
        ({"of_contract": lambda s: np.where(s < 0, np.nan, s)}, r"contract\(X, U\) must be finite"),
    ],
)
def test_wrong_results_of_a_score_are_refused(parts, message):
    X, y, _, score = bimodal_data(ReLU(), 300, d=4, k=2)
    with pytest.raises(ValueError, match=message):
        tensor_initialization(X, y, 2, activation="relu", score_function=Broken(score, **parts))
    with pytest.raises(ValueError, match=message):
        OneHiddenLayerRegressor(k=2, activation="relu", score_function=Broken(score, **parts)).fit(X, y)


@pytest.mark.parametrize("wrong", ["normal", np.tanh, GaussianMixtureScore], ids=repr)
def test_what_is_no_score_function_is_refused(wrong):
    X, y, _, _ = bimodal_data(ReLU(), 300, d=4, k=2)
    with pytest.raises(ValueError, match="score_function must be None or an object with the methods"):
        tensor_initialization(X, y, 2, activation="relu", score_function=wrong)
    with pytest.raises(ValueError, match="score_function"):
        OneHiddenLayerRegressor(k=2, activation="relu", score_function=wrong).fit(X, y)


def test_raw_moments_and_sparse_rows_have_no_score():
    X, y, _, score = bimodal_data(ReLU(), 300, d=4, k=2)
    for data, options, message in (
        (X, {"moments": "raw"}, "score_function needs moments='residual'"),
        (csr_array(X), {}, r"score_function needs dense rows.*Use X.toarray\(\)"),
    ):
        with pytest.raises(ValueError, match=message):
            tensor_initialization(data, y, 2, activation="relu", score_function=score, **options)
        with pytest.raises(ValueError, match=message):
            OneHiddenLayerRegressor(k=2, activation="relu", score_function=score, **options).fit(data, y)
