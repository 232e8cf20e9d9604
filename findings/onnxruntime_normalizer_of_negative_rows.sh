#!/usr/bin/env bash
# onnxruntime 1.32.0 (CPU) with skl2onnx 1.20.0, onnx 1.23.2, scikit-learn 1.9.1.
#
# Behaviour: scikit-learn's `Normalizer(norm="max")` divides a row by its largest absolute value. The
# exported file divides by the largest value when onnxruntime runs it: a row whose extreme entry is
# negative gets another scale, and one of negative entries only changes its sign. onnx's reference
# evaluator, of the same file, takes absolute values. The norms l1 and l2 agree everywhere.
#
# Wrong guess: that an operator of the same name, with a norm of the same name, is the same function,
# and that a file that the reference evaluator and scikit-learn agree on is right in onnxruntime too, up
# to rounding. Tests with data that are not negative cannot tell them apart.
#
# Seen (this script fails if it changes): scikit-learn, the reference evaluator and onnxruntime:
#     max of [1. 2. 4.]: [0.25 0.5  1.  ] [0.25 0.5  1.  ] [0.25 0.5  1.  ]
#     max of [ 1. -4.  2.]: [ 0.25 -1.    0.5 ] [ 0.25 -1.    0.5 ] [ 0.5 -2.   1. ]
#     max of [-1. -4. -2.]: [-0.25 -1.   -0.5 ] [-0.25 -1.   -0.5 ] [1. 4. 2.]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q skl2onnx==1.20.0 onnx==1.23.2 onnxruntime==1.32.0 \
    scikit-learn==1.9.1 numpy==2.4.6 2>/dev/null
cat > "$folder/norm.py" <<'PYTHON'
import numpy as np
import onnxruntime
from onnx.reference import ReferenceEvaluator
from skl2onnx import to_onnx
from sklearn.preprocessing import Normalizer

X = np.array([[1, 2, 4], [1, -4, 2], [-1, -4, -2]], dtype=np.float32)


def normalized(norm):
    scaler = Normalizer(norm=norm).fit(X)
    onnx_model = to_onnx(scaler, X[:1])
    session = onnxruntime.InferenceSession(onnx_model.SerializeToString())
    by_reference = ReferenceEvaluator(onnx_model).run(None, {"X": X})[0]
    return scaler.transform(X), by_reference, session.run(None, {"X": X})[0]


for norm in "l1", "l2":
    exact, by_reference, by_runtime = normalized(norm)
    np.testing.assert_allclose(by_reference, exact, rtol=1e-5)
    np.testing.assert_allclose(by_runtime, exact, rtol=1e-5)
exact, by_reference, by_runtime = normalized("max")
for i, row in enumerate(X):
    print(f"max of {row}:", exact[i], by_reference[i], by_runtime[i])
np.testing.assert_allclose(exact, X / abs(X).max(axis=1, keepdims=True), rtol=1e-5)
np.testing.assert_allclose(by_reference, exact, rtol=1e-5)
np.testing.assert_allclose(by_runtime, X / X.max(axis=1, keepdims=True), rtol=1e-5)
PYTHON
"$folder/venv/bin/python" "$folder/norm.py"
