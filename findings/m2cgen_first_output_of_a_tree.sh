#!/usr/bin/env bash
# m2cgen 0.10.0 with scikit-learn 1.9.1.
#
# Behaviour: of trees and forests fitted to several targets, the exported code returns one number, the
# first target, without an error or a warning. Linear models of several targets are exported with all of
# them.
#
# Wrong guess: that the kind of model makes no difference, so that a tree of two targets gives two
# numbers where a ridge regression does, or is refused as models are that m2cgen cannot export.
#
# Seen (this script fails if it changes): two targets, the second about 100, one row:
#     Ridge: predicted [  0.125 100.636], exported code [  0.125 100.636]
#     DecisionTreeRegressor: predicted [ -0.472 100.194], exported code -0.472
#     RandomForestRegressor: predicted [  0.155 100.666], exported code 0.155
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q m2cgen==0.10.0 scikit-learn==1.9.1 numpy==2.4.6 \
    scipy==1.16.3 2>/dev/null
cat > "$folder/targets.py" <<'PYTHON'
import m2cgen
import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(150, 4))
Y = np.column_stack([X[:, 0], 100 + X[:, 2]])
tree = DecisionTreeRegressor(max_depth=3, random_state=0)
forest = RandomForestRegressor(n_estimators=5, max_depth=3, random_state=0)
for model in (Ridge(), tree, forest):
    code = {}
    exec(m2cgen.export_to_python(model.fit(X, Y)), code)
    row, exported = model.predict(X[:1])[0], code["score"](list(X[0]))
    print(f"{type(model).__name__}: predicted {row.round(3)}, exported code {np.round(exported, 3)}")
    expected = row if isinstance(model, Ridge) else row[0]
    assert np.shape(exported) == np.shape(expected)
    np.testing.assert_allclose(exported, expected)
PYTHON
"$folder/venv/bin/python" "$folder/targets.py"
