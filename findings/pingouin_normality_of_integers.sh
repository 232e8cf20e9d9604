#!/usr/bin/env bash
# pingouin 0.7.0 with NumPy 2.4.6, pandas 3.1.1.
#
# Behaviour: the Henze-Zirkler test of `multivariate_normality` rejects normal data where they are
# stored as integers: it casts the inverse of the covariance to the type of the data, and so to a matrix
# of zeros. The same numbers as floats pass. It rejects as well where one column is of a far smaller
# unit than another (a factor of 1e-8): the covariance then counts as singular, and the statistic is set
# to 4 n. No warning.
#
# Wrong guess: that whole numbers are tested as what they are, whatever their type, and that the units
# of the columns do not matter, since the test is known for being invariant under every affine map.
#
# Seen (this script fails if it changes; the first three are the same 200 rows, rounded to whole
# numbers):
#     as float64: statistic 0.510, p-value 0.71, normal True
#     as int64: statistic 131.009, p-value 2.8e-62, normal False
#     as a dataframe of int64: statistic 131.009, p-value 2.8e-62, normal False
#     as float64, second column in units of 1e8: statistic 800.000, p-value 1.3e-109, normal False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pingouin==0.7.0 numpy==2.4.6 scipy==1.16.3 pandas==3.1.1 \
    statsmodels==0.15.0 scikit-learn==1.9.1 2>/dev/null
cat > "$folder/normality.py" <<'PYTHON'
import numpy as np
import pandas as pd
from pingouin import multivariate_normality


def tested(name, X):
    hz, p_value, normal = multivariate_normality(X)
    print(f"{name}: statistic {hz:.3f}, p-value {p_value:.2g}, normal {normal}")
    return hz, normal


rng = np.random.default_rng(0)
heights_and_weights = rng.multivariate_normal([1700, 70], [[4900, 400], [400, 100]], size=200)
X = np.round(heights_and_weights)
hz, normal = tested("as float64", X)
assert normal
assert hz < 1
hz, normal = tested("as int64", X.astype("int64"))
assert not normal
assert hz > 100
hz, normal = tested("as a dataframe of int64", pd.DataFrame(X, dtype="int64"))
assert not normal
assert hz > 100
hz, normal = tested("as float64, second column in units of 1e8", X / [1, 1e8])
assert not normal
assert hz == 4 * len(X)
PYTHON
"$folder/venv/bin/python" "$folder/normality.py"
