"""Saved and read again: the same predictions, a stamp of the version, a warning where it differs."""

import copy
import io
import pickle
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from _planted import fitted_by_hand
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_onenn
from sklearn_onenn import (
    OneHiddenLayerRegressor,
    RowBlocks,
    _persistence,
    displays,
    tensor_initialization,
)
from sklearn_onenn.activations import LeakyReLU
from sklearn_onenn.certificate import Certificate, Check
from sklearn_onenn.datasets import make_one_hidden_layer

OUR_TYPE = "sklearn_onenn.OneHiddenLayerRegressor"
# A model of version 0.1.0, when the class was known by the module that defines it.
SAVED = Path(__file__).parent / "saved"
OLD_TYPE = "sklearn_onenn._regressor.OneHiddenLayerRegressor"


def by_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


def by_skops(model):
    data = skops.io.dumps(model)
    return skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))


ROUND_TRIPS = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "joblib": by_joblib,
    "skops": by_skops,
    "deepcopy": copy.deepcopy,
}
every_way = pytest.mark.parametrize("round_trip", ROUND_TRIPS.values(), ids=ROUND_TRIPS)


@pytest.fixture(scope="module")
def data():
    X = np.random.RandomState(0).standard_normal((120, 3))
    return X, np.column_stack([np.maximum(X[:, 0], 0), X[:, 1]])


@pytest.fixture(scope="module")
def fitted(data):
    """With every fitted attribute there is, held-out losses included."""
    X, y = data
    model = OneHiddenLayerRegressor(
        2, activation="relu", max_iter=20, random_state=np.random.RandomState(0)
    )
    return model.fit(X[20:], y[20:], X_val=X[:20], y_val=y[:20])


@every_way
def test_round_trip(round_trip, fitted, data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = round_trip(fitted)
    assert vars(again).keys() == vars(fitted).keys()
    assert_array_equal(again.predict(data[0]), fitted.predict(data[0]))
    assert again.loss_curve_ == fitted.loss_curve_
    assert again.get_params().keys() == fitted.get_params().keys()


@every_way
def test_round_trip_in_a_pipeline_with_an_activation_instance(round_trip, data):
    model = OneHiddenLayerRegressor(2, activation=LeakyReLU(0.2), max_iter=20, random_state=0)
    pipeline = make_pipeline(StandardScaler(), model).fit(*data)
    again = round_trip(pipeline)
    assert_array_equal(again.predict(data[0]), pipeline.predict(data[0]))
    assert again[-1].activation == LeakyReLU(0.2)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("kind", ["pickle", "skops"])
def test_a_model_saved_by_an_older_version_predicts_what_it_did(kind):
    """It recovered the network of these rows."""
    file = SAVED / f"regressor_0.1.0.{kind}"
    if kind == "pickle":
        model = pickle.loads(file.read_bytes())
    else:
        assert skops.io.get_untrusted_types(file=file) == [OLD_TYPE]
        model = skops.io.load(file, trusted=[OLD_TYPE])
    assert type(model) is OneHiddenLayerRegressor
    X, y, _ = make_one_hidden_layer(200, 3, 2, activation="tanh", random_state=0)
    assert_allclose(model.predict(X), y, atol=1e-6)
    assert_array_equal(by_skops(model).coefs_[0], model.coefs_[0])


def test_a_class_is_known_by_its_public_path(fitted):
    assert b"_regressor" not in pickle.dumps(fitted)
    for thing in (OneHiddenLayerRegressor, RowBlocks, tensor_initialization):
        assert thing.__module__ == "sklearn_onenn"
    for name in displays.__all__:
        assert getattr(displays, name).__module__ == "sklearn_onenn.displays"
    assert Check.__module__ == Certificate.__module__ == "sklearn_onenn.certificate"


def test_skops_asks_to_trust_one_type(fitted):
    """All that a fit stores is of types that skops knows."""
    assert skops.io.get_untrusted_types(data=skops.io.dumps(fitted)) == [OUR_TYPE]


def saved_by(version, model, monkeypatch):
    """A pickle as another version of the package writes it; None: one that had no stamp."""
    with monkeypatch.context() as patch:
        if version is None:
            patch.delattr(_persistence.VersionStampMixin, "__getstate__")
        else:
            patch.setattr(_persistence, "__version__", version)
        return pickle.dumps(model)


@pytest.mark.parametrize("version", ["0.0.1", "99.0"])
def test_another_version_warns(version, monkeypatch):
    model = fitted_by_hand("relu")
    data = saved_by(version, model, monkeypatch)
    with pytest.warns(InconsistentVersionWarning) as caught:
        again = pickle.loads(data)
    (warning,) = caught
    message, here = str(warning.message), sklearn_onenn.__version__
    assert (
        f"OneHiddenLayerRegressor was saved by sklearn_onenn {version} and is read by {here}" in message
    )
    assert "Fit and save it anew" in message
    assert warning.filename == __file__
    assert vars(again).keys() == vars(model).keys()
    X = np.ones((2, 4))
    assert_array_equal(again.predict(X), model.predict(X))


def test_no_stamp_warns(monkeypatch):
    data = saved_by(None, fitted_by_hand("relu"), monkeypatch)
    with pytest.warns(InconsistentVersionWarning, match="of an unknown version"):
        pickle.loads(data)


def test_the_stamp_is_that_of_the_package():
    assert fitted_by_hand("relu").__getstate__()["_sklearn_onenn_version"] == sklearn_onenn.__version__


@every_way
@pytest.mark.parametrize(
    ("field", "damage"),
    [
        (
            r"coefs_\[0\] must have shape \(3, 2\), got \(2, 2\)",
            lambda m: [m.coefs_[0][1:], m.coefs_[1]],
        ),
        (r"coefs_\[1\] must have shape", lambda m: [m.coefs_[0], m.coefs_[1][1:]]),
        (r"coefs_\[0\] must be finite", lambda m: [np.nan * m.coefs_[0], m.coefs_[1]]),
        (r"coefs_\[1\] must be finite floats", lambda m: [m.coefs_[0], m.coefs_[1].astype(int)]),
        (r"coefs_ and intercepts_ must be two arrays each", lambda m: m.coefs_[:1]),
    ],
)
def test_a_damaged_model_is_refused_when_it_is_read(data, round_trip, field, damage):
    X, y = data
    model = OneHiddenLayerRegressor(2, random_state=0).fit(X, y)
    model.coefs_ = damage(model)
    with pytest.raises(ValueError, match="OneHiddenLayerRegressor: " + field):
        round_trip(model)
