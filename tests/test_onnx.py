"""ONNX models predict as the estimator does, in both floating types."""

import sys

import numpy as np
import pandas as pd
import pytest
from _planted import INSTANCES, fitted_by_hand
from numpy.testing import assert_allclose
from onnxruntime import InferenceSession
from scipy.special import erf
from skl2onnx import convert_sklearn, to_onnx
from skl2onnx.common.data_types import Int64TensorType, StringTensorType
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.activations import LeakyReLU, ReLU
from sklearn_onenn.onnx import register

TOLERANCE = {np.float64: 1e-13, np.float32: 1e-6}
every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)
both_types = pytest.mark.parametrize("dtype", TOLERANCE)


@pytest.fixture(autouse=True)
def registered():
    register()


def run(onnx_model, X):
    """Output of an ONNX model in onnxruntime; X is one input, or one for each column of a frame."""
    session = InferenceSession(onnx_model.SerializeToString(), providers=["CPUExecutionProvider"])
    frame = isinstance(X, pd.DataFrame)
    inputs = {name: X[[name]].to_numpy() for name in X.columns} if frame else {"X": X}
    (output,) = session.run(None, inputs)
    return output


def operators(onnx_model):
    """Names of the operators, in their order."""
    return [node.op_type for node in onnx_model.graph.node]


def rows(dtype, n=200):
    return (3 * np.random.RandomState(1).standard_normal((n, 4))).astype(dtype)


def assert_equal_predictions(output, model, X):
    expected = model.predict(X).reshape(len(X), -1)
    assert output.dtype == X.dtype
    assert output.shape == expected.shape
    scale = np.abs(expected).max()
    assert_allclose(output / scale, expected / scale, rtol=0, atol=TOLERANCE[X.dtype.type])


@every_activation
@both_types
@pytest.mark.parametrize("m", [1, 2])
def test_every_activation(activation, dtype, m):
    model, X = fitted_by_hand(activation, m=m, dtype=dtype), rows(dtype)
    onnx_model = to_onnx(model, X[:1])
    assert_equal_predictions(run(onnx_model, X), model, X)
    (output,) = onnx_model.graph.output
    assert output.type.tensor_type.shape.dim[1].dim_value == m


@pytest.mark.parametrize("activation", ["gelu", "softplus", LeakyReLU(0.2)], ids=str)
@both_types
def test_older_operators(activation, dtype):
    model, X = fitted_by_hand(activation, dtype=dtype), rows(dtype)
    onnx_model = to_onnx(model, X[:1], target_opset=11)
    assert max(entry.version for entry in onnx_model.opset_import if entry.domain == "") <= 11
    assert_equal_predictions(run(onnx_model, X), model, X)


def one_unit(activation, dtype):
    """phi(x) itself, as an estimator of one column."""
    model = fitted_by_hand(activation, d=1, k=1, dtype=dtype)
    one, zero = np.ones((1, 1), dtype=dtype), np.zeros(1, dtype=dtype)
    model.coefs_, model.intercepts_ = [one, one], [zero, zero]
    return model


@every_activation
@both_types
def test_extreme_arguments(activation, dtype):
    """No overflow on the way, and no error that grows with them."""
    model = one_unit(activation, dtype)
    X = np.array([[-1e4], [-100.0], [0.0], [100.0], [1e4]], dtype=dtype)
    output = run(to_onnx(model, X), X)
    assert_allclose(output[:, 0], model.predict(X), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_erf_in_double_is_right_for_small_arguments_too():
    """It keeps its relative accuracy where erf(z) is close to 2 z / sqrt(pi), and ends at one."""
    X = np.concatenate([np.geomspace(1e-200, 8, 400), np.linspace(-8, 8, 401)])[:, None]
    output = run(to_onnx(one_unit("erf", np.float64), X), X)
    assert_allclose(output, erf(X), rtol=3e-14, atol=0)


@both_types
def test_in_a_pipeline_fitted_on_data(dtype):
    X = rows(dtype) + dtype(2)
    y = np.column_stack([np.maximum(X[:, 0], 1), X[:, 1] - X[:, 2]])
    pipeline = make_pipeline(
        StandardScaler(), OneHiddenLayerRegressor(2, activation="relu", max_iter=20, random_state=0)
    )
    pipeline.fit(X, y)
    assert_equal_predictions(run(to_onnx(pipeline, X[:1]), X), pipeline, X)


def test_integers_are_taken_as_floats():
    model, X = fitted_by_hand("tanh"), np.arange(-4, 4).reshape(2, 4)
    onnx_model = convert_sklearn(model, initial_types=[("X", Int64TensorType([None, 4]))])
    assert_allclose(run(onnx_model, X)[:, 0], model.predict(X), rtol=1e-5)


@both_types
def test_no_cast_to_the_type_that_the_input_has(dtype):
    onnx_model = to_onnx(fitted_by_hand("tanh", dtype=dtype), rows(dtype))
    assert operators(onnx_model) == ["MatMul", "Add", "Tanh", "MatMul", "Add"]


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (["float64"] * 4, "float64"),
        (["float32"] * 4, "float32"),
        (["float32", "float64", "int64", "int32"], "float64"),
        (["int64", "float32", "int64", "float32"], "float32"),
        (["int64"] * 4, "float32"),
    ],
)
def test_columns_of_a_frame_are_joined(types, expected):
    model = fitted_by_hand("tanh", m=2)
    frame = pd.DataFrame(rows(np.float64).round(), columns=list("abcd"))
    frame = frame.astype(dict(zip("abcd", types, strict=True)))
    onnx_model = to_onnx(model, frame[:1])
    assert operators(onnx_model).count("Cast") == sum(name != expected for name in types)
    output = run(onnx_model, frame)
    assert output.dtype == expected
    predicted = model.predict(frame.to_numpy(np.float64))
    assert_allclose(
        output, predicted, rtol=0, atol=TOLERANCE[output.dtype.type] * np.abs(predicted).max()
    )


def test_strings_are_refused():
    strings = [("X", StringTensorType([None, 4]))]
    with pytest.raises(RuntimeError, match="StringTensorType"):
        convert_sklearn(fitted_by_hand("tanh"), initial_types=strings)


class Shifted(ReLU):
    """An activation of a user, which a lookup by isinstance would take for ReLU."""

    def value(self, z):
        return super().value(z) - 1


def test_an_activation_of_a_user_is_refused():
    with pytest.raises(ValueError, match=r"got Shifted\(\).*update_registered_converter"):
        to_onnx(fitted_by_hand(Shifted()), rows(np.float64))


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r"sklearn-onenn\[onnx\]"):
        register()
