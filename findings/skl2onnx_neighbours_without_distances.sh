#!/usr/bin/env bash
# skl2onnx 1.20.0 with onnx 1.23.2, onnxruntime 1.32.0, scikit-learn 1.9.1.
#
# Behaviour: `KNeighborsRegressor(weights="distance")` is exported as if it had weights="uniform": every
# prediction of the ONNX file is the plain mean of the neighbours. There is no error and no warning, and
# the file of a model with weights="uniform" is right.
#
# Wrong guess: that a converter that takes the weighted model (it refuses weights given as a function)
# keeps the weights, so that one comparison of a uniform model with its file will do for both.
#
# Seen (this script fails if it changes): largest differences over 40 new rows, targets of variance 1:
#     uniform, ONNX to scikit-learn: 0.00
#     distance, ONNX to scikit-learn: 0.53
#     distance, ONNX to the plain mean of the neighbours: 0.00
#     distance, reference evaluator to the plain mean: 0.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q skl2onnx==1.20.0 onnx==1.23.2 onnxruntime==1.32.0 \
    scikit-learn==1.9.1 numpy==2.4.6 scipy==1.16.3 2>/dev/null
cat > "$folder/neighbours.py" <<'PYTHON'
import numpy as np
from onnx.reference import ReferenceEvaluator
from onnxruntime import InferenceSession
from skl2onnx import to_onnx
from sklearn.neighbors import KNeighborsRegressor

rng = np.random.default_rng(0)
X, y, X_new = rng.normal(size=(150, 4)), rng.normal(size=150), rng.normal(size=(40, 4))


def difference(name, a, b):
    largest = abs(a.ravel() - b.ravel()).max()
    print(f"{name}: {largest:.2f}")
    return largest


def exported(model):
    file = to_onnx(model, X).SerializeToString()
    session = InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(None, {"X": X_new})[0]


model = KNeighborsRegressor(3, weights="uniform").fit(X, y)
assert difference("uniform, ONNX to scikit-learn", exported(model), model.predict(X_new)) < 1e-6

model = KNeighborsRegressor(3, weights="distance").fit(X, y)
mean = y[model.kneighbors(X_new, return_distance=False)].mean(axis=1)
assert difference("distance, ONNX to scikit-learn", exported(model), model.predict(X_new)) > 0.1
assert difference("distance, ONNX to the plain mean of the neighbours", exported(model), mean) < 1e-6
(reference,) = ReferenceEvaluator(to_onnx(model, X)).run(None, {"X": X_new})
assert difference("distance, reference evaluator to the plain mean", reference, mean) < 1e-6
PYTHON
"$folder/venv/bin/python" "$folder/neighbours.py"
