#!/usr/bin/env bash
# skl2onnx 1.20.0 with onnx 1.23.2, onnxruntime 1.32.0, scikit-learn 1.9.1.
#
# Behaviour: a pipeline converted with one input for each column, all of them declared as doubles, gives
# a file that computes in double precision, and whose output is of doubles, but from inputs that were
# rounded to single precision: the columns are put together by FeatureVectorizer, an operator of single
# precision only, and cast back. With one input of several columns, declared as double, it is exact.
#
# Wrong guess: that types declared for inputs hold up to where they are used, so that named columns, the
# way shown for dataframes, differ from one matrix in convenience only; and that a loss of precision
# would be seen in the type of the output.
#
# Seen (this script fails if it changes): a scaler and a network, one column about 1e5 with deviation 1:
#     one input of three columns: float64, error 9e-16, FeatureVectorizer False
#     three inputs of one column: float64, error 6e-03, FeatureVectorizer True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q skl2onnx==1.20.0 onnx==1.23.2 onnxruntime==1.32.0 \
    scikit-learn==1.9.1 numpy==2.4.6 2>/dev/null
cat > "$folder/columns.py" <<'PYTHON'
import numpy as np
import onnxruntime
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3)) + [0, 1e5, 0]
network = MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", max_iter=2000, random_state=0)
model = make_pipeline(StandardScaler(), network).fit(X, np.exp(X[:, 0]) + X[:, 1] - 1e5)


def check(name, inputs):
    types = [(key, DoubleTensorType([None, values.shape[1]])) for key, values in inputs.items()]
    onnx_model = convert_sklearn(model, initial_types=types)
    session = onnxruntime.InferenceSession(onnx_model.SerializeToString())
    assert {argument.type for argument in session.get_inputs()} == {"tensor(double)"}
    output = session.run(None, inputs)[0]
    error = abs(output.ravel() - model.predict(X)).max()
    merged = "FeatureVectorizer" in [node.op_type for node in onnx_model.graph.node]
    print(f"{name}: {output.dtype}, error {error:.0e}, FeatureVectorizer {merged}")
    assert output.dtype == np.float64
    return error


assert check("one input of three columns", {"X": X}) < 1e-9
assert check("three inputs of one column", {name: X[:, [i]] for i, name in enumerate("abc")}) > 1e-4
PYTHON
"$folder/venv/bin/python" "$folder/columns.py"
