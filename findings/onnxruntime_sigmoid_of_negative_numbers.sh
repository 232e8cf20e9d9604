#!/usr/bin/env bash
# onnxruntime 1.32.0 (CPU) with onnx 1.23.2, NumPy 2.4.6.
#
# Behaviour: onnxruntime's Sigmoid is right to an absolute error of the rounding, not to a relative one,
# so that its left tail is noise. In double precision it has lost half of its digits at -20, and is
# exactly zero from -37 on. In single precision it is wrong by more than ten percent at -15, and by all
# of it at -20. At +20 and so on it is right, as is Exp of the same numbers.
#
# Wrong guess: that the sigmoid of a negative number is small and positive until it underflows (in
# double precision at -745), as with scipy.special.expit and onnx's reference evaluator, so that its
# logarithm and its share in a sum of small terms can be relied on.
#
# Seen (this script fails if it changes): relative errors of onnxruntime:
#     double at -20: 3.6e-08, at -30: 1.0e-03, at -37: value 0.0
#     double by 1 / (1 + Exp(-x)) at -37: 0e+00
#     single at -15: 1.7e-01, at -20: 1.0e+00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 2>/dev/null
cat > "$folder/sigmoid.py" <<'PYTHON'
import math

import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator


def model(operator, kind):
    of = [helper.make_tensor_value_info(name, kind, [None]) for name in "xy"]
    graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"])], "one", of[:1], of[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def of_runtime(operator, kind, x):
    session = onnxruntime.InferenceSession(model(operator, kind).SerializeToString())
    return session.run(None, {"x": x})[0].astype(float)


x = np.array([-20.0, -30, -37, 20])
exact = np.array([1 / (1 + math.exp(-v)) for v in x])
double = of_runtime("Sigmoid", TensorProto.DOUBLE, x)
error = abs(double / exact - 1)
print(f"double at -20: {error[0]:.1e}, at -30: {error[1]:.1e}, at -37: value {double[2]}")
by_exp = abs(1 / (1 + of_runtime("Exp", TensorProto.DOUBLE, -x)) / exact - 1)
print(f"double by 1 / (1 + Exp(-x)) at -37: {by_exp[2]:.0e}")
x_single = np.array([-15, -20], dtype=np.float32)
exact_single = np.array([1 / (1 + math.exp(-v)) for v in x_single])
error_single = abs(of_runtime("Sigmoid", TensorProto.FLOAT, x_single) / exact_single - 1)
print(f"single at -15: {error_single[0]:.1e}, at -20: {error_single[1]:.1e}")
reference = ReferenceEvaluator(model("Sigmoid", TensorProto.DOUBLE)).run(None, {"x": x})[0]
np.testing.assert_allclose(reference, exact, rtol=1e-14)
assert error[0] > 1e-9 and error[1] > 1e-4 and double[2] == 0 and error[3] < 1e-14
assert by_exp.max() < 1e-14
assert error_single[0] > 0.01 and error_single[1] > 0.5
PYTHON
"$folder/venv/bin/python" "$folder/sigmoid.py"
