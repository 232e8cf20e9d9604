"""A network of from_mlp does all that a fitted one does, or says what is missing."""

import copy
import inspect
import pickle
from importlib.util import find_spec

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import r2_score
from sklearn.neural_network import MLPRegressor

from sklearn_onenn import OneHiddenLayerRegressor, RowBlocks, displays
from sklearn_onenn.certificate import Certificate

# Where a fit knows more than the weights say.
NEEDS_A_FIT = {"predict_interval", "predict_quantiles", "predict_distribution", "LossCurveDisplay"}
# Of scikit-learn, about parameters and metadata.
OF_PARAMETERS = {"set_callbacks", "set_fit_request", "set_predict_request", "set_score_request"}
# Of data, without an estimator.
OF_DATA = {"MomentSpectrumDisplay", "PhaseTransitionDisplay"}


@pytest.fixture(autouse=True)
def no_figures():
    """Figures are drawn to no screen, and closed."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


@pytest.fixture(params=["relu", "tanh", "logistic", "identity"])
def activation(request):
    return request.param


@pytest.fixture(params=[1, 2])
def case(activation, request):
    """MLPRegressor, the network of it, rows and targets."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 4))
    Y = np.column_stack([np.tanh(X[:, 0]) + X[:, 1], X[:, 2]]) + 0.1 * rng.standard_normal((120, 2))
    y = Y[:, 0] if request.param == 1 else Y
    parameters = {"solver": "lbfgs", "max_iter": 20, "tol": 0.1, "random_state": 0}
    mlp = MLPRegressor(hidden_layer_sizes=(3,), activation=activation, **parameters).fit(X, y)
    return mlp, OneHiddenLayerRegressor.from_mlp(mlp).set_params(random_state=0), X, y


def methods(model, X, y):
    """A call of every public method, by its name."""
    return {
        "certificate": lambda: model.certificate(X, y),
        "fit": lambda: clone(model).fit(X, y),
        "from_mlp": lambda: OneHiddenLayerRegressor.from_mlp(model.to_mlp()),
        "predict": lambda: model.predict(X),
        "predict_distribution": lambda: model.predict_distribution(X),
        "predict_interval": lambda: model.predict_interval(X),
        "predict_quantiles": lambda: model.predict_quantiles(X),
        "score": lambda: model.score(X, y),
        "to_mlp": lambda: model.to_mlp(),
        "to_torch": lambda: model.to_torch(),
    }


def drawn(model, X, y):
    """Every display of an estimator, by its name."""
    W, v = np.random.default_rng(1).standard_normal((4, 3)), np.ones(3)
    pictures = {
        "HessianSpectrumDisplay": lambda: displays.HessianSpectrumDisplay.from_estimator(model, X),
        "LossCurveDisplay": lambda: displays.LossCurveDisplay.from_estimator(model),
        "WeightMatchingDisplay": lambda: displays.WeightMatchingDisplay.from_estimators(model, model),
    }
    if y.ndim == 1:  # it is of one output
        pictures["RecoveryDisplay"] = lambda: displays.RecoveryDisplay.from_fit(model, X, y, W, v)
    return pictures


def test_no_method_and_no_display_is_forgotten(case):
    mlp, model, X, y = case
    public = {name for name, _ in inspect.getmembers(model, inspect.ismethod) if name[0] != "_"}
    assert public - set(dir(BaseEstimator)) - OF_PARAMETERS == set(methods(model, X, y))
    pictures = {name for name in vars(displays) if name.endswith("Display")} - OF_DATA
    assert pictures == set(drawn(model, X, y)) | {"RecoveryDisplay"}


def test_every_method(case):
    mlp, model, X, y = case
    for name, call in {**methods(model, X, y), **drawn(model, X, y)}.items():
        if name == "to_torch" and find_spec("torch") is None:
            with pytest.raises(ImportError, match="pip install torch"):
                call()
        elif name in NEEDS_A_FIT:
            words = "must have loss_curve_.*warm_start=True|needs a fit with keep_covariance=True: set"
            with pytest.raises(ValueError, match=words):
                call()
        else:
            call()
    expected = mlp.predict(X)
    assert_allclose(model.predict(X), expected, rtol=1e-12, atol=1e-12)
    assert model.score(X, y) == pytest.approx(r2_score(y, expected), rel=1e-12)
    for return_std in (True, "value"):
        with pytest.raises(ValueError, match="return_std needs a fit with keep_covariance=True: set it"):
            model.predict(X, return_std=return_std)


def test_values(case):
    mlp, model, X, y = case
    certificate = model.certificate(X, y)
    assert isinstance(certificate, Certificate)
    assert (certificate.trained_here, certificate.verdict) == (False, "not recovered")
    blocks = RowBlocks(lambda: [(X[:50], y[:50]), (X[50:], y[50:])])
    assert_allclose(model.predict(blocks), mlp.predict(X), rtol=1e-12, atol=1e-12)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_array_equal(other.predict(X), model.predict(X))
        assert other.certificate(X, y) == certificate
    again = OneHiddenLayerRegressor.from_mlp(model.to_mlp())
    assert_allclose(again.coefs_[0], model.coefs_[0], rtol=1e-14)
    fresh = clone(model)
    assert fresh.get_params() == model.get_params()
    assert not hasattr(fresh, "coefs_")


def test_fits_from_its_weights_on_have_all_that_was_missing(case):
    mlp, model, X, y = case
    before = model.score(X, y)
    model.set_params(warm_start=True, keep_covariance=True).fit(X, y)
    assert model.init_path_ == "given"
    assert model.score(X, y) >= before - 0.01  # the penalty that it finds is another
    lower, upper = model.predict_interval(X)
    assert lower.shape == upper.shape == y.shape
    assert 0.8 < np.mean((lower <= y) & (y <= upper)) <= 1
    displays.LossCurveDisplay.from_estimator(model)


def test_in_onnx(case):
    to_onnx = pytest.importorskip("skl2onnx").to_onnx
    from onnxruntime import InferenceSession

    from sklearn_onenn.onnx import register

    register()
    mlp, model, X, y = case
    session = InferenceSession(to_onnx(model, X[:1]).SerializeToString())
    (output,) = session.run(None, {"X": X})
    assert_allclose(output, mlp.predict(X).reshape(len(X), -1), rtol=1e-12, atol=1e-12)


def test_tensor_starts_are_kept_where_the_activation_has_them(case, activation):
    assert case[1].init == ("random" if activation == "identity" else "tensor")
