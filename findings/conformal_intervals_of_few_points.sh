#!/usr/bin/env bash
# crepes 0.9.1, MAPIE 1.6.0 and nonconformist 2.1.0 with scikit-learn 1.9.1.
#
# Behaviour: the rank of the residual that is the half width of a split conformal interval is an
# exercise in counting, and three libraries count differently. Nine points of calibration are too few
# for 95 % (it takes 19): crepes gives infinite intervals and a warning, MAPIE raises, and nonconformist
# gives the largest residual in silence, which covers 90 %. At 90 % nine are just enough, and
# nonconformist alone says so: crepes is infinite, since 1 - 0.9 is less than 0.1 in floating point, and
# MAPIE wants more than ten. At 80 % crepes takes the largest residual for the same reason, the others
# the second largest. From 20 points on they agree at 95 %; with 19 MAPIE still raises.
#
# Wrong guess: that libraries of one and the same formula differ in their interfaces only; and that one
# whose point is a guarantee for samples of any size would not give an interval that cannot have it.
#
# Seen (this script fails if it changes): half widths of intervals (of nine residuals the largest are
# 1.692 and 1.399):
#     9 points, 95%: crepes inf, MAPIE an error, nonconformist 1.692
#     9 points, 90%: crepes inf, MAPIE an error, nonconformist 1.692
#     9 points, 80%: crepes 1.692, MAPIE 1.399, nonconformist 1.399
#     19 points, 95%: crepes 2.087, MAPIE an error, nonconformist 2.087
#     20 points, 95%: crepes 2.087, MAPIE 2.087, nonconformist 2.087
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q crepes==0.9.1 MAPIE==1.6.0 nonconformist==2.1.0 scikit-learn==1.9.1 \
    numpy==2.4.6 scipy==1.16.3 pandas==3.1.1 2>/dev/null
cat > "$folder/few.py" <<'PYTHON'
import warnings

import numpy as np
from crepes import WrapRegressor
from mapie.regression import SplitConformalRegressor
from nonconformist.icp import IcpRegressor
from nonconformist.nc import NcFactory
from sklearn.linear_model import LinearRegression

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 2))
y = X @ [1, 2] + rng.normal(size=200)
model = LinearRegression().fit(X[:100], y[:100])


def half_width(interval):
    return float(np.ptp(interval)) / 2


def of_crepes(X_calibration, y_calibration, level):
    wrapped = WrapRegressor(model)
    wrapped.calibrate(X_calibration, y_calibration)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        width = half_width(wrapped.predict_int(X[-1:], confidence=level))
    assert np.isinf(width) == any("too small" in str(warning.message) for warning in caught)
    return width


def of_mapie(X_calibration, y_calibration, level):
    regressor = SplitConformalRegressor(model, confidence_level=level, prefit=True)
    regressor.conformalize(X_calibration, y_calibration)
    try:
        return half_width(regressor.predict_interval(X[-1:])[1])
    except ValueError as error:
        assert "too low" in str(error)
        return None


def of_nonconformist(X_calibration, y_calibration, level):
    predictor = IcpRegressor(NcFactory.create_nc(LinearRegression()))
    predictor.fit(X[:100], y[:100])
    predictor.calibrate(X_calibration, y_calibration)
    return half_width(predictor.predict(X[-1:], significance=round(1 - level, 2)))


def compared(n, level=0.95):
    calibration = X[100 : 100 + n], y[100 : 100 + n]
    widths = [of(*calibration, level) for of in (of_crepes, of_mapie, of_nonconformist)]
    words = ["an error" if width is None else f"{width:.3f}" for width in widths]
    print(f"{n} points, {level:.0%}: crepes {words[0]}, MAPIE {words[1]}, nonconformist {words[2]}")
    return widths


with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    second, largest = np.sort(abs(y - model.predict(X))[100:109])[-2:]
    for level in (0.95, 0.9):
        crepes, mapie, nonconformist = compared(9, level)
        assert np.isinf(crepes)
        assert mapie is None
        np.testing.assert_allclose(nonconformist, largest)
    np.testing.assert_allclose(compared(9, 0.8), [largest, second, second])
    crepes, mapie, nonconformist = compared(19)
    assert mapie is None
    np.testing.assert_allclose(nonconformist, crepes)
    crepes, mapie, nonconformist = compared(20)
    np.testing.assert_allclose([mapie, nonconformist], crepes)
PYTHON
"$folder/venv/bin/python" "$folder/few.py"
