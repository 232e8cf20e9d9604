#!/usr/bin/env bash
# dask 2026.8.0 with pandas 3.1.1.
#
# Behaviour: the variance of a whole column is exact in Dask dataframes, that of the groups of the same
# column is not: it is the difference of two large sums, of squares and of the square of the sum. With
# values about 1e9, such as seconds since 1970, and a variance of one, `agg` gives zero, hundreds and
# negative variances, and `var` and `std` zero in place of the negative ones. There is no warning.
#
# Wrong guess: that `ddf.groupby(..).z.var()` is as good as `ddf.z.var()`, which merges the moments of
# partitions about their means; or that it at least agrees with pandas to a few digits.
#
# Seen (this script fails if it changes): 1000 values of 1e9 plus standard normal noise, ten groups:
#     pandas, groups: from 0.7 to 1.2
#     dask, groups by var: from 0.0 to 165.5
#     dask, groups by agg: from -331.0 to 165.5
#     dask, whole column: 0.955 (pandas 0.955)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "dask[dataframe]==2026.8.0" pandas==3.1.1 numpy==2.4.6 \
    pyarrow==26.0.1 2>/dev/null
cat > "$folder/variance.py" <<'PYTHON'
import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd

dask.config.set(scheduler="synchronous")
rng = np.random.default_rng(0)
df = pd.DataFrame({"group": np.arange(1000) % 10, "z": 1e9 + rng.normal(size=1000)})
ddf = dd.from_pandas(df, npartitions=4)


def of_groups(name, variances):
    print(f"{name}: from {variances.min():.1f} to {variances.max():.1f}")
    return variances


exact = of_groups("pandas, groups", df.groupby("group").z.var())
by_var = of_groups("dask, groups by var", ddf.groupby("group").z.var().compute())
by_agg = of_groups("dask, groups by agg", ddf.groupby("group").agg({"z": "var"}).compute().z)
whole = ddf.z.var().compute()
print(f"dask, whole column: {whole:.3f} (pandas {df.z.var():.3f})")
np.testing.assert_allclose(whole, df.z.var(), rtol=1e-6)
assert exact.between(0.5, 1.5).all()
assert (abs(by_var - exact) > 0.5).all()
assert (by_var == 0).any()
assert (by_agg < 0).any()
PYTHON
"$folder/venv/bin/python" "$folder/variance.py"
