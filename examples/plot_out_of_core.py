"""
Rows that do not fit into memory
================================

All that a fit needs of the rows are sums, so they may stay where they are: in a memory map, or in
files that are read again at every pass. Here two million noisy rows lie in forty files, and you will
see that a fit on all of them needs no more memory than a fit on a quarter, and that it pays: the
error of the weights falls with the root of the number of rows.
"""

import tempfile
import tracemalloc
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sklearn_onenn import OneHiddenLayerRegressor, RowBlocks
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import recovery_error

# %%
# Forty files of 50 000 rows from one network, with noise of half the signal's size.
d, k, n_files, rows_per_file = 10, 3, 40, 50_000
folder = tempfile.TemporaryDirectory()
teacher = make_one_hidden_layer(2, d, k, activation="relu", random_state=0)[2]
for index in range(n_files):
    rng = np.random.default_rng(index)
    X = rng.standard_normal((rows_per_file, d), dtype=np.float32)
    signal = teacher.predict(X)
    y = signal + 0.5 * signal.std() * rng.standard_normal(rows_per_file)
    np.savez(Path(folder.name) / f"{index:02}.npz", X=X, y=y)


# %%
# A source of blocks is a function that yields them anew at every call. Row groups of a Parquet file or
# chunks of a database query would do as well.
def files(n_used):
    """The blocks of the first files."""
    for index in range(n_used):
        with np.load(Path(folder.name) / f"{index:02}.npz") as file:
            yield file["X"], file["y"]


used, errors, peaks = [1, 5, 10, 20, 40], [], []
for n_used in used:
    source = RowBlocks(lambda n_used=n_used: files(n_used))
    tracemalloc.start()
    model = OneHiddenLayerRegressor(k, activation="relu", random_state=0).fit(source)
    peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
    tracemalloc.stop()
    errors.append(recovery_error(*model.coefs_, *teacher.coefs_, activation="relu"))
    print(
        f"{n_used * rows_per_file:9,} rows: error of the weights {errors[-1]:.4f}, memory "
        f"{peaks[-1]:.0f} MB, {model.n_passes_:.0f} passes over the rows"
    )
folder.cleanup()

# %%
# The error falls with the root of the number of rows. The memory is that of the largest sample, which is
# bounded (256 MiB), and of one block.
rows = np.array(used) * rows_per_file
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.8), layout="constrained")
left.loglog(rows, errors, "o-", label="fit")
left.loglog(rows, errors[-1] * np.sqrt(rows[-1] / rows), "k--", label="1 / root of the rows")
left.set(xlabel="rows", ylabel="error of the weights", title="More rows, smaller error")
left.legend()
right.semilogx(rows, peaks, "o-", label="peak memory of the fit")
right.semilogx(rows, rows * d * 4 / 1e6, color="0.6", label="X as an array")
right.set(xlabel="rows", ylabel="MB", title="Memory stays bounded", ylim=(0, None))
right.legend()
plt.show()
