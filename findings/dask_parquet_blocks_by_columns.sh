#!/usr/bin/env bash
# dask 2026.8.0 with pyarrow 26.0.1.
#
# Behaviour: features and target taken from one Dask dataframe of Parquet files have different blocks of
# rows. Where columns are left out, Dask reads several files as one block, the more the fewer columns
# are left, but only when the frame is turned into an array or delayed objects: `npartitions` still says
# one for each file. What relies on it fails (`to_dask_array(lengths=True)`, sums of features and
# target), and what pairs blocks goes wrong without an error: `zip(X.to_delayed(), y.to_delayed())`
# pairs 100 rows with 400, and stops early.
#
# Wrong guess: that `X = ddf[features]` and `y = ddf["y"]` have the same rows in each block, since both
# say the same `npartitions`, as they do have for a frame from `from_pandas` or one that was persisted
# before.
#
# Seen (this script fails if it changes): 12 files of 100 rows and 11 columns each, one of them the
# target:
#     npartitions: X 12, y 12
#     blocks of to_dask_array: X 6, y 3
#     to_delayed: X 12, y 3, the first pair has 100 and 400 rows
#     to_dask_array(lengths=True): The number of items in 'lengths' does not match the number of
#         partitions. 3 != 12
#     persisted first: X 12, y 12
#     with optimization.tune.active False: X 12, y 12
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "dask[array,dataframe]==2026.8.0" pandas==3.1.1 numpy==2.4.6 \
    pyarrow==26.0.1 2>/dev/null
cat > "$folder/blocks.py" <<'PYTHON'
import sys

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd

dask.config.set(scheduler="synchronous")
features = list("abcdefghij")
rng = np.random.default_rng(0)
df = pd.DataFrame(rng.normal(size=(1200, 11)), columns=[*features, "y"])
dd.from_pandas(df, npartitions=12).to_parquet(sys.argv[1])


def blocks(ddf):
    return [part.to_dask_array().numblocks[0] for part in (ddf[features], ddf["y"])]


ddf = dd.read_parquet(sys.argv[1])
X, y = ddf[features], ddf["y"]
print(f"npartitions: X {X.npartitions}, y {y.npartitions}")
assert X.npartitions == y.npartitions == 12

of_X, of_y = blocks(ddf)
print(f"blocks of to_dask_array: X {of_X}, y {of_y}")
assert of_y < of_X < 12

of_X, of_y = X.to_delayed(), y.to_delayed()
first = dask.compute(of_X[0], of_y[0])
print(
    f"to_delayed: X {len(of_X)}, y {len(of_y)}, "
    f"the first pair has {len(first[0])} and {len(first[1])} rows"
)
assert len(first[0]) < len(first[1])

try:
    y.to_dask_array(lengths=True)
except ValueError as error:
    print("to_dask_array(lengths=True):", error)
else:
    raise AssertionError("lengths are counted")

of_X, of_y = blocks(ddf.persist())
print(f"persisted first: X {of_X}, y {of_y}")
assert of_X == of_y == 12
with dask.config.set({"optimization.tune.active": False}):
    of_X, of_y = blocks(ddf)
print(f"with optimization.tune.active False: X {of_X}, y {of_y}")
assert of_X == of_y == 12
PYTHON
"$folder/venv/bin/python" "$folder/blocks.py" "$folder/parquet"
