#!/usr/bin/env bash
# crepes 0.9.1 with scikit-learn 1.9.1, NumPy 2.4.6.
#
# Behaviour: with a Mondrian taxonomy (`mc`), rows of a category of which there was one row of
# calibration get infinite intervals and a warning; rows of a category of which there was none get the
# interval from 0 to 0, whatever is predicted, without a warning. The same is true of conformal
# predictive systems (`cps=True`).
#
# Wrong guess: that no rows at all are the extreme case of too few, and so give infinite intervals as
# well, or an error. The interval of no width lowers the mean width of all, and so looks like a gain.
#
# Seen (this script fails if it changes): predictions of three rows, one of each category, at 90 %:
#     predicted: [   99.9  1604.4 -6921.4]
#     intervals: [98.2, 101.5], [-inf, inf], [0.0, 0.0]
#     predictive system: [98.4, 101.7], [-inf, inf], [0.0, 0.0]
#     categories that the warnings name: ['1']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q crepes==0.9.1 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.16.3 \
    pandas==3.1.1 2>/dev/null
cat > "$folder/category.py" <<'PYTHON'
import re
import warnings

import numpy as np
from crepes import WrapRegressor
from sklearn.linear_model import LinearRegression

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 2))
y = 100 + X @ [1, 2] + rng.normal(size=400)
X[-1, 0] = 2000  # the only row of calibration in category 1
X_new = np.array([[0.0, 0.0], [1500.0, 0.0], [-7000.0, 0.0]])
model = LinearRegression().fit(X[:200], y[:200])


def categories(X):
    return np.select([X[:, 0] > 1000, X[:, 0] < -1000], [1, 2], 0)


def intervals(name, **kind):
    wrapped = WrapRegressor(model)
    wrapped.calibrate(X[200:], y[200:], mc=categories, seed=0, **kind)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = wrapped.predict_int(X_new, confidence=0.9)
    print(f"{name}:", ", ".join(f"[{low:.1f}, {high:.1f}]" for low, high in found))
    assert np.isfinite(found[0]).all()
    assert np.isinf(found[1]).all()
    assert (found[2] == 0).all()
    return [str(warning.message) for warning in caught]


predicted = model.predict(X_new)
print("predicted:", predicted.round(1))
messages = intervals("intervals") + intervals("predictive system", cps=True)
named = {re.search(r"bins: ?([^;]*);", message)[1] for message in messages}
print("categories that the warnings name:", sorted(named))
assert named == {"1"}
PYTHON
"$folder/venv/bin/python" "$folder/category.py"
