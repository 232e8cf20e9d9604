"""The estimator: what it reports, the same bits, its life, what it refuses."""

import copy
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from _planted import INSTANCES, USABLE, assert_finite, assert_same_bits, new, planted
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.activations import LeakyReLU, ReLU
from sklearn_onenn.metrics import recovery_error

# Overflows and divisions by zero on the way to a fit are errors.
pytestmark = pytest.mark.filterwarnings(
    "error::RuntimeWarning", "ignore::sklearn.exceptions.ConvergenceWarning"
)
every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)


def start_of(activation):
    """ "tensor" where the activation allows it."""
    return "tensor" if activation in USABLE else "random"


# What is reported


@every_activation
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_canonical_form(activation, fit_intercept):
    X, y, _ = planted(n=300, k=3, activation=activation, noise=0.1)
    model = new(
        k=3, activation=activation, init=start_of(activation), fit_intercept=fit_intercept, n_init=1
    ).fit(X, y)
    for (W, V), (b, c) in [
        (model.coefs_, model.intercepts_),
        (model.init_coefs_, model.init_intercepts_),
    ]:
        assert (W.shape, V.shape, b.shape, c.shape) == ((4, 3), (3, 1), (3,), (1,))
        if activation.degree is not None:
            alive = V[:, 0] != 0
            assert_allclose(np.abs(V[alive]), 1, rtol=1e-12)
        if activation.symmetry == "odd" or (activation.symmetry == "point" and fit_intercept):
            assert (V >= 0).all()
        assert (np.diff(np.linalg.norm(W, axis=0)) <= 0).all()
        if not fit_intercept:
            assert_array_equal(b, 0)
            assert_array_equal(c, 0)
    # The form is that of the network that was fitted: its loss is the reported one.
    (W, V), (b, c) = model.coefs_, model.intercepts_
    output = activation.value(X @ W + b) @ V[:, 0] + c
    assert_allclose(model.predict(X), output, rtol=1e-12, atol=1e-12)
    assert model.loss_ == pytest.approx(((output - y) ** 2).mean() / 2, rel=1e-9)


def test_attributes():
    X, y, _ = planted(noise=0.1)
    model = new(alpha=0.5).fit(X, y)
    public = {name for name in vars(model) if name.endswith("_")}
    assert public == {
        "coefs_", "intercepts_", "init_coefs_", "init_intercepts_", "loss_", "loss_curve_", "n_iter_",
        "stages_", "k_", "n_passes_", "n_starts_", "init_path_", "stop_reason_", "alpha_", "n_outputs_",
        "out_activation_", "n_features_in_",
    }  # fmt: skip
    assert all(type(array) is np.ndarray for array in model.coefs_ + model.intercepts_)
    assert {type(loss) for loss in [model.loss_, *model.loss_curve_]} <= {float, np.float64}
    assert min(model.loss_curve_) > 0
    assert model.loss_ == model.loss_curve_[-1]
    assert type(model.n_iter_) is int
    assert 1 <= model.n_iter_ == len(model.loss_curve_) == sum(n_iter for _, n_iter in model.stages_)
    assert model.n_passes_ >= 2
    assert (model.init_path_, model.n_starts_, model.stop_reason_) == ("tensor", 1, "converged")
    assert (model.alpha_, model.n_outputs_, model.n_features_in_) == (0.5, 1, 4)
    assert model.out_activation_ == "identity"
    assert_finite(model)


def test_start_and_end_of_a_fit_are_those_reported():
    """The start has the first loss; from the end, where steps converged, a smaller tol leads nowhere."""
    X, y, _ = planted(noise=0.1)
    model = new(alpha=0.5, resample=False).fit(X, y)
    (W, V), (b, c) = model.init_coefs_, model.init_intercepts_
    error = np.maximum(X @ W + b, 0) @ V[:, 0] + c - y
    assert model.loss_curve_[0] == pytest.approx((error**2).mean() / 2, rel=1e-9)
    assert model.stop_reason_ == "converged"
    further = copy.deepcopy(model).set_params(warm_start=True, tol=1e-12).fit(X, y)
    assert recovery_error(*further.coefs_, *model.coefs_, activation="relu") < 1e-5
    assert further.loss_ == pytest.approx(model.loss_, rel=1e-6)


def test_exact_fit_of_planted_data():
    X, y, teacher = planted()
    model = new().fit(X, y)
    assert (model.stop_reason_, model.init_path_, model.n_starts_) == ("exact fit", "tensor", 1)
    assert (model.alpha_, model.loss_ < 1e-18) == (0, True)
    assert recovery_error(*model.coefs_, *teacher.coefs_, activation="relu") < 1e-8
    assert_allclose(model.intercepts_[0], 0, atol=1e-8)
    assert model.score(X, y) == pytest.approx(1, abs=1e-12)


def test_number_of_starts_and_verbose(capsys):
    X, y, _ = planted(noise=0.3)
    for n_init in (1, 3):
        assert new(n_init=n_init).fit(X, y).n_starts_ == n_init
    assert capsys.readouterr().out == ""
    model = new(verbose=1).fit(X, y)
    lines = capsys.readouterr().out.strip().splitlines()
    starts = [line for line in lines if re.match(r"start \d \(\w+\): loss \d", line)]
    assert len(starts) == model.n_starts_


# The same bits


@pytest.mark.parametrize(
    "parameters",
    [{}, {"resample": False}, {"moments": "raw"}, {"init": "random"}, {"polish": False}],
    ids=str,
)
def test_fit_twice(parameters):
    X, y, _ = planted(n=700, noise=0.2)
    model = new(**parameters).fit(X, y)
    first = copy.deepcopy(model)
    assert_same_bits(first, model.fit(X, y))
    assert_same_bits(first, clone(model).fit(X, y))


@pytest.mark.parametrize("parameters", [{}, {"moments": "raw"}, {"polish": False}], ids=str)
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_blas_threads(parameters, noise):
    X, y, _ = planted(n=20_000, d=20, k=3, noise=noise)
    models = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, user_api="blas"):
            models.append(new(k=3, max_iter=30, n_init=2, tol=1e-4, **parameters).fit(X, y))
    assert_same_bits(*models)


def test_predictions_do_not_depend_on_blas_threads():
    """Wide enough for BLAS to share out one product."""
    d, k = 500, 40
    rng = np.random.RandomState(0)
    X, y, _ = planted(n=30, d=d)
    model = new(
        k=k, init=(rng.standard_normal((d, k)), np.zeros(k), np.ones(k)), max_iter=1, polish=False
    ).fit(X, y)
    rows, predictions = rng.standard_normal((3000, d)), []
    for n_threads in (1, 2, 3):
        with threadpool_limits(n_threads, user_api="blas"):
            predictions.append(model.predict(rows))
    assert_array_equal(predictions[1], predictions[0])
    assert_array_equal(predictions[2], predictions[0])


@pytest.mark.parametrize("n_init", ["auto", 5])
def test_n_jobs(n_init):
    X, y, _ = planted(n=600, k=3, noise=1.0)  # one start cannot be told from noise
    models = [new(k=3, n_init=n_init, n_jobs=n_jobs).fit(X, y) for n_jobs in (None, 2, 3)]
    assert models[0].n_starts_ > 1
    assert_same_bits(models[0], models[1])
    assert_same_bits(models[0], models[2])
    assert n_init == "auto" or models[0].n_starts_ == n_init


def test_global_random_state_is_left_alone():
    X, y, _ = planted(n=700, noise=0.2)
    np.random.seed(7)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    new().fit(X, y)
    assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_grid_search_does_not_depend_on_jobs_or_blas_threads():
    X, y = load_diabetes(return_X_y=True)
    results = []
    for n_jobs, n_threads in [(1, 1), (2, 1), (1, 2)]:
        search = GridSearchCV(
            make_pipeline(StandardScaler(), OneHiddenLayerRegressor(activation="relu", random_state=0)),
            {"onehiddenlayerregressor__k": [1, 3]},
            cv=3,
            n_jobs=n_jobs,
        )
        with threadpool_limits(n_threads, user_api="blas"):
            results.append(search.fit(X, y))
    scores = [search.cv_results_["mean_test_score"] for search in results]
    for search, score in zip(results[1:], scores[1:], strict=True):
        assert_array_equal(score, scores[0])
        assert search.best_params_ == results[0].best_params_
        assert_array_equal(search.predict(X), results[0].predict(X))
    assert scores[0].max() > 0.4


# Life of an estimator


def test_pickle_clone_and_parameters():
    X, y, _ = planted(noise=0.1)
    model = new(activation=LeakyReLU(slope=0.2), n_init=1).fit(X, y)
    copied = pickle.loads(pickle.dumps(model))
    assert_array_equal(copied.predict(X), model.predict(X))
    assert vars(copied).keys() == vars(model).keys()
    fresh = clone(model)
    assert not [name for name in vars(fresh) if name.endswith("_")]
    assert fresh.get_params() == model.get_params()
    assert fresh.set_params(k=7, alpha=0.3) is fresh
    assert (fresh.k, fresh.alpha, model.k) == (7, 0.3, 2)
    assert "activation=LeakyReLU(slope=0.2)" in repr(model)
    assert "k=2" in repr(model)
    with pytest.raises(ValueError, match="Invalid parameter"):
        model.set_params(hidden=3)
    with pytest.raises(TypeError):
        OneHiddenLayerRegressor(2, "relu")


def test_parameters_are_not_overwritten_and_predict_changes_nothing():
    X, y, _ = planted(noise=0.1)
    model = new(n_init=1)
    before = model.get_params()
    model.fit(X, y)
    assert model.get_params() == before
    state = copy.deepcopy(vars(model))
    model.predict(X)
    model.score(X, y)
    assert pickle.dumps(vars(model)) == pickle.dumps(state)


# What is refused


def changed(**changes):
    X, y, _ = planted(n=30)
    data = {"X": X.copy(), "y": y.copy(), "sample_weight": None}
    for name, change in changes.items():
        data[name] = change(data[name]) if callable(change) else change
    return data


def put(value, where):
    def change(array):
        array = array.astype(np.result_type(array, value))
        array[where] = value
        return array

    return change


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"X": put(np.nan, (3, 1))}, "X contains NaN"),
        ({"X": put(np.inf, (3, 1))}, "X contains infinity"),
        ({"y": put(np.nan, 3)}, "y contains NaN"),
        ({"y": put(-np.inf, 3)}, "y contains infinity"),
        ({"X": put(1j, (3, 1))}, "Complex data"),
        ({"y": put(1j, 3)}, "(?i)complex"),
        ({"X": lambda X: X[:, 0]}, "Expected 2D array, got 1D array"),
        ({"X": lambda X: X[None]}, r"dim 3|3D|dimension"),
        ({"y": lambda y: y[:-1]}, r"inconsistent numbers of samples: \[30, 29\]"),
        ({"y": lambda y: y[:, None, None]}, "dim 3"),
        ({"y": lambda y: sparse.csr_array(y[:, None])}, "y must be a dense array"),
        ({"y": None}, "y"),
        ({"X": np.empty((0, 4)), "y": np.empty(0)}, r"0 sample\(s\).*minimum of 2"),
        ({"X": np.empty((30, 0))}, r"0 feature\(s\) \(shape=\(30, 0\)\).*minimum of 1"),
        ({"X": np.ones((1, 4)), "y": np.ones(1)}, r"1 sample.*minimum of 2"),
        ({"X": lambda X: X.astype(str).astype(object) + "a"}, "must hold numbers.*OneHotEncoder"),
        ({"y": lambda y: np.array(["a"] * 30)}, "convert|string|float|numeric"),
        ({"sample_weight": np.ones(29)}, r"sample_weight.shape == \(29,\), expected \(30,\)"),
        ({"sample_weight": np.ones((30, 2))}, "(?i)sample.weight.*1D"),
        ({"sample_weight": np.full(30, -1.0)}, "(?i)negative values.*sample_weight"),
        ({"sample_weight": np.full(30, np.nan)}, "sample_weight contains NaN"),
        ({"sample_weight": np.zeros(30)}, "(?i)sample.weight.*(zero|positive)"),
        ({"sample_weight": np.eye(30)[0]}, "sample_weight must have at least 2 positive.*got 1"),
    ],
)
def test_bad_data(data, message):
    with pytest.raises(ValueError, match=message):
        new().fit(**changed(**data))


BAD_PARAMETERS = [
    ("k", [0, -1, 2.0, "2", None, True, np.nan]),
    ("activation", ["step", None, 3, ReLU]),
    ("fit_intercept", ["yes", None, 2]),
    ("init", ["zeros", None, 3, np.zeros(3)]),
    ("moments", ["third", None]),
    ("resample", ["no", None]),
    ("polish", ["no", None]),
    ("learning_rate", [0, -0.1, "constant", None, np.nan, np.inf]),
    ("max_iter", [0, -5, 10.0, None]),
    ("tol", [-1e-9, "auto", None, np.nan]),
    ("n_init", [0, 2.5, "many", None]),
    ("alpha", [-1.0, "none", None, np.nan, np.inf]),
    ("whiten", [None, "yes"]),
    ("warm_start", [None, "yes"]),
    ("n_jobs", ["two", 1.5]),
    ("verbose", [-1, "loud"]),
    ("random_state", ["seed", -1, 1.5]),
]


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD_PARAMETERS for value in values]
)
def test_bad_parameters(name, value):
    """The message names the parameter, what is required and what was received."""
    X, y, _ = planted(n=30)
    with pytest.raises((ValueError, TypeError), match=rf"(?s)'?{name}'?.*must.*(Got|got) ") as error:
        new(**{name: value}).fit(X, y)
    received = getattr(value, "__name__", None) or repr(value)
    assert received.split("(")[0] in str(error.value)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.ones((4, 2)), np.ones(2)), "init must hold the 3 arrays W, b, v, got 2"),
        ((np.ones((3, 2)), np.ones(2), np.ones(2)), r"init: W .*\(4, 2\), got shape \(3, 2\)"),
        ((np.ones((4, 2)), np.ones(3), np.ones(2)), r"init: b .*\(2,\), got shape \(3,\)"),
        ((np.ones((4, 2)), np.ones(2), np.ones((2, 3))), r"init: v .*\(2, 1\), got shape \(2, 3\)"),
        ((np.full((4, 2), np.nan), np.ones(2), np.ones(2)), "init: W must be finite"),
        ((np.ones((4, 2)), np.ones(2), ["a", "b"]), "init: v"),
        ((np.ones((4, 2)), np.ones(2) * 1j, np.ones(2)), "init: b"),
        (([[1.0], [1.0, 2.0]], np.ones(2), np.ones(2)), "init: W"),
    ],
)
def test_bad_init_arrays(arrays, message):
    X, y, _ = planted(n=30)
    with pytest.raises(ValueError, match=message):
        new(init=arrays).fit(X, y)


def test_warm_start_with_other_shapes_names_warm_start():
    X, y, _ = planted(n=30)
    model = new(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="warm_start"):
        model.set_params(k=3).fit(X, y)


@pytest.mark.parametrize("activation", ["identity", "square"])
def test_tensor_start_names_the_activation_that_cannot(activation):
    X, y, _ = planted(n=100)
    with pytest.raises(ValueError, match=rf"(?i){activation}\(\).*init='random'"):
        new(activation=activation).fit(X, y)
    assert new(activation=activation, init="random").fit(X, y).init_path_ != "tensor"


def test_predict_before_fit_and_on_other_columns():
    X, y, _ = planted()
    with pytest.raises(NotFittedError, match="not fitted"):
        new().predict(X)
    model = new().fit(X, y)
    with pytest.raises(ValueError, match="X has 3 features.*expecting 4 features"):
        model.predict(X[:, :3])
    with pytest.raises(ValueError, match="X contains NaN"):
        model.predict(np.full((2, 4), np.nan))
    assert model.predict(X[:1]).shape == (1,)


@pytest.mark.parametrize(
    ("parameters", "data"),
    [
        ({"k": -1}, {}),
        ({"activation": "step"}, {}),
        ({"activation": "square"}, {}),
        ({"init": (np.ones((4, 2)), np.ones(2), np.ones(2))}, {}),
        ({}, {"sample_weight": -np.ones(30)}),
        ({}, {"y": np.full(30, np.nan)}),
        ({}, {"y": np.ones((30, 2, 2))}),
    ],
)
@pytest.mark.parametrize("names", [False, True])
def test_a_failed_fit_leaves_the_estimator_as_it_was(parameters, data, names):
    """Also where the rows have other columns than those of the last fit."""
    X, y, _ = planted(n=30, d=6)
    other = {"X": X, "y": y} | data
    if names:
        other["X"] = pd.DataFrame(X, columns=list("abcdef"))
    unfitted = new(**parameters)
    state = dict(vars(unfitted))
    with pytest.raises(ValueError):  # noqa: PT011
        unfitted.fit(**other)
    assert vars(unfitted) == state
    X, y, _ = planted(n=30)
    fitted = new(n_init=1).fit(X, y)
    prediction = fitted.predict(X)
    fitted.set_params(**parameters)
    state = dict(vars(fitted))
    with pytest.raises(ValueError):  # noqa: PT011
        fitted.fit(**other)
    assert vars(fitted) == state
    fitted.set_params(activation="relu")
    assert_array_equal(fitted.predict(X), prediction)


def test_divergence_of_a_given_rate_is_no_crash():
    X, y, _ = planted()
    with np.errstate(all="ignore"):
        model = new(learning_rate=1e6, resample=False, polish=False, n_init=1).fit(X, y)
    assert model.stop_reason_ == "diverged"
    assert_finite(model)
    assert_array_equal(model.coefs_[0], model.init_coefs_[0])


def test_too_few_iterations_warn_with_a_remedy():
    X, y, _ = planted(noise=0.1)
    with pytest.warns(ConvergenceWarning, match="max_iter=1 .*increase max_iter or tol") as caught:
        model = new(max_iter=1, n_init=1, tol=1e-12).fit(X, y)
    assert caught[0].filename == __file__
    assert model.stop_reason_ == "max_iter"
