#!/usr/bin/env bash
# onnx 1.23.2 and onnxruntime 1.32.0 (CPU) with NumPy 2.4.6.
#
# Behaviour: Gelu with approximate="tanh" of doubles is wrong in the ninth digit, in onnxruntime and in
# onnx's reference evaluator alike. The definition of the operator holds the two constants, 2 / pi and
# 0.044715, in single precision, also where all else is of doubles; with the constants rounded so the
# results are right to the last digits.
#
# Wrong guess: that an operator that takes and returns doubles is as good as Tanh of doubles, which it
# is made of; or, since two programs agree to all digits, that the error is in one's own formula.
#
# Seen (this script fails if it changes): 13 points from -3 to 3, largest error, and largest difference
# to the formula with constants of single precision:
#     onnxruntime: float64, error 5.8e-09, difference 4.4e-16
#     reference evaluator: float64, error 5.8e-09, difference 0.0e+00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 2>/dev/null
cat > "$folder/gelu.py" <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

x = np.linspace(-3, 3, 13)


def gelu(two_by_pi, cubic):
    return x / 2 * (1 + np.tanh(np.sqrt(two_by_pi) * (x + cubic * x**3)))


of = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None]) for name in "xy"]
node = helper.make_node("Gelu", ["x"], ["y"], approximate="tanh")
graph = helper.make_graph([node], "one", of[:1], of[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
runtime = onnxruntime.InferenceSession(model.SerializeToString())
exact = gelu(2 / np.pi, 0.044715)
rounded = gelu(float(np.float32(2 / np.pi)), float(np.float32(0.044715)))
for name, run in ("onnxruntime", runtime.run), ("reference evaluator", ReferenceEvaluator(model).run):
    y = run(None, {"x": x})[0]
    error, difference = abs(y - exact).max(), abs(y - rounded).max()
    print(f"{name}: {y.dtype}, error {error:.1e}, difference {difference:.1e}")
    assert y.dtype == np.float64 and error > 1e-9 and difference < 1e-14
PYTHON
"$folder/venv/bin/python" "$folder/gelu.py"
