#!/usr/bin/env bash
# statsmodels 0.15.0 with NumPy 2.4.6.
#
# Behaviour: after a weighted fit, `get_prediction()` and `get_prediction(X)` with the very rows of the
# fit differ. The first gives each row a prediction interval by its weight; the second takes all weights
# for one, without a warning. Means and their intervals agree, so that the difference is easily
# overlooked.
#
# Wrong guess: that the rows of the fit, given once more, get the intervals that they got, as with
# `predict`; or that without weights for new rows the fit's are kept, or asked for.
#
# Seen (this script fails if it changes): noise of standard deviation 1 in the first half of the rows
# and of 0.1 in the second, weights 1 and 100, prediction intervals at 95 %:
#     get_prediction(): width of the first row 3.603, of the last 0.380
#     get_prediction(X): width of the first row 3.603, of the last 3.590
#     get_prediction(X, weights=w): width of the first row 3.603, of the last 0.380
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q statsmodels==0.15.0 numpy==2.4.6 scipy==1.16.3 \
    pandas==3.1.1 2>/dev/null
cat > "$folder/prediction.py" <<'PYTHON'
import numpy as np
import statsmodels.api as sm

n = 60
rng = np.random.default_rng(0)
x = np.linspace(0, 1, n)
w = np.where(np.arange(n) < n // 2, 1.0, 100.0)
y = 1 + 2 * x + rng.normal(size=n) / np.sqrt(w)
X = sm.add_constant(x)
results = sm.WLS(y, X, weights=w).fit()


def widths(call, prediction):
    first, *_, last = np.diff(prediction.conf_int(obs=True)).ravel()
    print(f"{call}: width of the first row {first:.3f}, of the last {last:.3f}")
    return last


at_fit, again = results.get_prediction(), results.get_prediction(X)
np.testing.assert_allclose(at_fit.conf_int(), again.conf_int())  # those of the means
of_fit = widths("get_prediction()", at_fit)
without = widths("get_prediction(X)", again)
weighted = widths("get_prediction(X, weights=w)", results.get_prediction(X, weights=w))
np.testing.assert_allclose(weighted, of_fit)
assert without > 9 * of_fit
PYTHON
"$folder/venv/bin/python" "$folder/prediction.py"
