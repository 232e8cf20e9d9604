"""The same network in MLPRegressor and in torch: equal predictions, both ways."""

import copy
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from _planted import INSTANCES, differences, fitted_by_hand
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._network.network import Network, forward
from sklearn_onenn.activations import ReLU, get_activation
from sklearn_onenn.datasets import make_one_hidden_layer

TOLERANCE = {np.float64: 1e-13, np.float32: 1e-6}
SHARED = ["relu", "tanh", "sigmoid", "identity"]
# A fit of MLPRegressor that is over after a few epochs, without a warning.
QUICK = {"n_iter_no_change": 1, "tol": 1e9, "random_state": 0}
every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)
shared = pytest.mark.parametrize("activation", SHARED)
both_types = pytest.mark.parametrize("dtype", TOLERANCE)
outputs = pytest.mark.parametrize("m", [1, 2])


def rows(dtype=np.float64, n=100):
    return (3 * np.random.RandomState(1).standard_normal((n, 4))).astype(dtype)


def assert_close(found, expected):
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    scale = np.abs(expected).max()
    assert_allclose(found / scale, expected / scale, rtol=0, atol=TOLERANCE[expected.dtype.type])


class Shifted(ReLU):
    """An activation of a user, which a lookup by isinstance would take for ReLU."""

    def value(self, z):
        return super().value(z) - 1


@shared
@both_types
@outputs
def test_to_mlp_predicts_the_same(activation, dtype, m):
    model, X = fitted_by_hand(activation, m=m, dtype=dtype), rows(dtype)
    mlp = model.to_mlp()
    assert_close(mlp.predict(X), model.predict(X))
    y = model.predict(X) + X[:, 0].reshape([-1] + [1] * (m - 1))
    assert mlp.score(X, y) == pytest.approx(model.score(X, y), abs=1e-5)


def test_to_mlp_has_what_a_fitted_one_has():
    X, y = pd.DataFrame(rows(), columns=list("abcd")), rows()[:, 0]
    model = OneHiddenLayerRegressor(3, activation="tanh", max_iter=5, tol=1, random_state=0).fit(X, y)
    mlp = model.to_mlp()
    peer = MLPRegressor(hidden_layer_sizes=(3,), activation="tanh", **QUICK).fit(X, y)
    public = {name for name in vars(peer) if name.endswith("_")}
    assert public <= set(vars(mlp))
    for name in ("n_features_in_", "n_outputs_", "n_layers_", "out_activation_"):
        assert getattr(mlp, name) == getattr(peer, name)
    assert [a.shape for a in mlp.coefs_] == [a.shape for a in peer.coefs_]
    assert_array_equal(mlp.feature_names_in_, ["a", "b", "c", "d"])
    mlp.coefs_[0][:] = 0  # which leaves the model as it is
    assert np.abs(model.coefs_[0]).min() > 0


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_to_mlp_goes_on_from_there(solver):
    """On the targets that it predicts already, warm training stays where a cold one has not come."""
    model, X = fitted_by_hand("tanh"), rows()
    y = model.predict(X)
    mlp = model.to_mlp().set_params(
        solver=solver, warm_start=True, max_iter=20, alpha=0, learning_rate_init=1e-5
    )
    mlp.fit(X, y)
    assert mlp.score(X, y) > 1 - 1e-5
    if solver != "lbfgs":
        assert len(mlp.loss_curve_) == mlp.n_iter_ > 0
        mlp.partial_fit(X, y)
        assert mlp.score(X, y) > 1 - 1e-5


@pytest.mark.parametrize("activation", ["gelu", "erf", Shifted()], ids=str)
def test_to_mlp_refuses_what_mlp_has_not(activation):
    with pytest.raises(ValueError, match=r"activation must be one that MLPRegressor has.*got"):
        fitted_by_hand(activation).to_mlp()


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@both_types
@outputs
def test_from_mlp_predicts_the_same(activation, dtype, m):
    X = rows(dtype)
    y = np.column_stack([X[:, 0] ** 2, X[:, 1]])[:, :m]
    mlp = MLPRegressor(hidden_layer_sizes=(5,), activation=activation, **QUICK)
    mlp.fit(X, y.squeeze())
    before = copy.deepcopy(mlp.coefs_ + mlp.intercepts_)
    model = OneHiddenLayerRegressor.from_mlp(mlp)
    assert_close(model.predict(X), mlp.predict(X))
    assert_close(model.to_mlp().predict(X), mlp.predict(X))
    (W, V), (b, c) = model.coefs_, model.intercepts_
    assert (np.diff(np.linalg.norm(W, axis=0)) <= 0).all()
    if activation == "relu":
        assert_allclose(np.linalg.norm(V, axis=1), 1, rtol=1e-6)
    else:
        assert (V[:, 0] > 0).all()
    for array in (W, V, b, c):  # arrays of its own
        array[:] = 0
    for now, then in zip(mlp.coefs_ + mlp.intercepts_, before, strict=True):
        assert_array_equal(now, then)


def test_from_mlp_keeps_names_and_can_be_polished():
    """A fit that starts from MLPRegressor's weights ends at the planted network."""
    X, y, _ = make_one_hidden_layer(1000, 4, 2, activation="tanh", random_state=0)
    X = pd.DataFrame(X, columns=list("abcd"))
    mlp = MLPRegressor(hidden_layer_sizes=(2,), activation="tanh", **QUICK | {"tol": 0.01}).fit(X, y)
    model = OneHiddenLayerRegressor.from_mlp(mlp)
    assert_array_equal(model.feature_names_in_, ["a", "b", "c", "d"])
    assert (model.k_, model.alpha_) == (2, 0.0)
    assert np.mean((model.predict(X) - y) ** 2) > 1e-8
    model.set_params(warm_start=True, n_init=1, random_state=0).fit(X, y)
    assert model.init_path_ == "given"
    assert np.mean((model.predict(X) - y) ** 2) < 1e-20


@pytest.mark.parametrize("planted", [True, False])
def test_from_mlp_can_be_certified(planted):
    """Without a record of the fit: on rows of a network that it is, and of one that it is not."""
    X, y, teacher = make_one_hidden_layer(600, 4, 2, activation="tanh", random_state=0)
    if planted:
        mlp = MLPRegressor(hidden_layer_sizes=(2,), activation="tanh", **QUICK).fit(X, y)
        mlp.coefs_ = [teacher.coefs_[0].copy(), teacher.coefs_[1].reshape(2, 1)]
        mlp.intercepts_ = [np.zeros(2), np.zeros(1)]
    else:
        mlp = MLPRegressor(hidden_layer_sizes=(1,), activation="tanh", **QUICK).fit(X, y)
    model = OneHiddenLayerRegressor.from_mlp(mlp).set_params(random_state=0)
    certificate = model.certificate(X, y)
    assert certificate.verdict == ("recovered" if planted else "not recovered")
    assert certificate.exact is planted
    assert certificate.trained_here is False
    assert certificate.contraction == 1.0
    assert not hasattr(model, "loss_")


def test_from_mlp_refuses_other_models():
    X = rows()
    with pytest.raises(TypeError, match=r"must be a fitted MLPRegressor, got LinearRegression"):
        OneHiddenLayerRegressor.from_mlp(LinearRegression())
    with pytest.raises(NotFittedError):
        OneHiddenLayerRegressor.from_mlp(MLPRegressor())
    for sizes in ((), (3, 2)):
        mlp = MLPRegressor(hidden_layer_sizes=sizes, **QUICK).fit(X, X[:, 0])
        with pytest.raises(ValueError, match=f"one hidden layer, got {len(sizes)}"):
            OneHiddenLayerRegressor.from_mlp(mlp)
    mlp = MLPRegressor(hidden_layer_sizes=(3,), **QUICK).fit(X, X[:, 0])
    mlp.out_activation_ = "exp"  # as loss="poisson" has it, from scikit-learn 1.7 on
    with pytest.raises(ValueError, match="'identity', got 'exp'"):
        OneHiddenLayerRegressor.from_mlp(mlp)


@pytest.mark.parametrize("method", ["to_mlp", "to_torch"])
def test_unfitted(method):
    with pytest.raises(NotFittedError):
        getattr(OneHiddenLayerRegressor(), method)()


def test_to_torch_names_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="pip install torch"):
        fitted_by_hand("relu").to_torch()


def torch_predictions(module, X):
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        return module(torch.tensor(X)).numpy()


@every_activation
@both_types
@outputs
def test_to_torch_predicts_the_same(activation, dtype, m):
    pytest.importorskip("torch")
    model, X = fitted_by_hand(activation, m=m, dtype=dtype), rows(dtype)
    module = model.to_torch()
    expected = model.predict(X).reshape(-1, m)
    for other in (module, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert_close(torch_predictions(other, X), expected)


@every_activation
def test_to_torch_has_the_gradient(activation):
    """Gradient of the mean output by autograd and by differences, in all weights."""
    torch = pytest.importorskip("torch")
    model, X = fitted_by_hand(activation), rows()
    module = model.to_torch()
    module(torch.tensor(X)).mean().backward()
    found = [parameter.grad.numpy().T.ravel() for parameter in module.parameters()]
    network = Network(model.coefs_[0], model.intercepts_[0], model.coefs_[1], model.intercepts_[1])

    def mean(vector):
        return forward(X, network.unpack(vector), get_activation(activation)).mean()

    expected = differences(mean, network.pack())
    assert_allclose(np.concatenate(found), expected, rtol=1e-6, atol=1e-8)


@every_activation
def test_to_torch_has_no_error_that_grows(activation):
    """Softplus in torch is z from 20 on by default, which is 1e-10 off there."""
    pytest.importorskip("torch")
    model = fitted_by_hand(activation, d=1, k=1)
    model.coefs_, model.intercepts_ = [np.ones((1, 1))] * 2, [np.zeros(1)] * 2
    X = np.concatenate([np.linspace(-60, 60, 241), [-1e4, 1e4]])[:, None]
    expected = model.predict(X)[:, None]
    assert_allclose(torch_predictions(model.to_torch(), X), expected, rtol=1e-14, atol=1e-14)


def test_to_torch_owns_its_weights():
    pytest.importorskip("torch")
    model, X = fitted_by_hand("relu"), rows()
    module, before = model.to_torch(), model.predict(X)
    for parameter in module.parameters():
        parameter.data.zero_()
    assert_array_equal(model.predict(X), before)


def test_to_torch_refuses_an_activation_of_a_user():
    pytest.importorskip("torch")
    with pytest.raises(ValueError, match=r"got Shifted\(\).*torch.nn.Module"):
        fitted_by_hand(Shifted()).to_torch()
