"""
Rows on the workers of a cluster
================================

A fit needs of its rows nothing but sums. So rows that Dask workers hold stay where they are: each worker
sums over its own blocks, and what travels is the network one way and a few small arrays the other. The
client, which leads the fit, holds a sample of the rows to search for a start, however many there are.

The weights are those of :class:`~sklearn_onenn.OneHiddenLayerRegressor` on the same blocks to the last
bit, because the sums of the blocks are added in their order, wherever they come from.

What a cluster gives is room for rows. Whether it also saves time depends on the rows and the machine: on
small data like these a fit in one process is done sooner. :doc:`/benchmarks/scale` has times.
"""

import tracemalloc

import dask
import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
from distributed import Client, LocalCluster, wait

from sklearn_onenn import OneHiddenLayerRegressor, RowBlocks
from sklearn_onenn.dask import DaskOneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer

d, k, size = 20, 3, 40_000
teacher = make_one_hidden_layer(2, d, k, random_state=0)[2]

# %%
# Workers make the rows, a block of 40 000 at a time.


def rows(number):
    """Rows and noisy targets of one block."""
    rng = np.random.default_rng(number)
    X = rng.standard_normal((size, d), dtype=np.float32)
    return X, (teacher.predict(X) + 0.3 * rng.standard_normal(size)).astype(np.float32)


def dask_rows(n_blocks):
    """So many blocks as two Dask arrays."""
    blocks = [dask.delayed(rows, nout=2)(number) for number in range(n_blocks)]
    X = [da.from_delayed(X, (size, d), np.float32) for X, _ in blocks]
    y = [da.from_delayed(y, (size,), np.float32) for _, y in blocks]
    return da.concatenate(X), da.concatenate(y)


# %%
# The workers hold the rows before the fit begins. ``tracemalloc`` sees the memory of this process alone,
# which is the client's.


def fit_on(client, n_blocks):
    """The fitted model, and the peak memory of the client in MB."""
    X, y = client.persist(dask_rows(n_blocks))
    wait([X, y])
    tracemalloc.start()
    model = DaskOneHiddenLayerRegressor(k, activation="relu", random_state=0, client=client).fit(X, y)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return model, peak


# %%
# Left: the rows on the workers grow, and the client's memory does not. Right: every hidden weight of the
# fit on the cluster, of the fit in one process, and of the network behind the rows.


def plot(n_blocks, peaks, model, plain):
    """The two panels."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.8), layout="constrained")
    rows_held = np.array(n_blocks) * size
    left.plot(rows_held / 1e3, rows_held * d * 4 / 1e6, "o-", color="0.5", label="X, on the workers")
    left.plot(rows_held / 1e3, peaks, "o-", label="the client's peak")
    left.set(xlabel="thousand rows", ylabel="MB", ylim=(0, None), title="The client holds a sample")
    left.legend()
    planted = teacher.coefs_[0].ravel()
    right.axline((0, 0), slope=1, color="0.7", linewidth=1)
    right.plot(planted, in_order(plain).ravel(), "o", color="C1", fillstyle="none", label="one process")
    right.plot(planted, in_order(model).ravel(), "x", color="C0", label="cluster")
    right.set(xlabel="planted weight", ylabel="found weight", title="The same weights, bit by bit")
    right.legend()


def in_order(fit):
    """Hidden weights in the order of the planted units."""
    W, truth = fit.coefs_[0], teacher.coefs_[0]
    return W[:, np.argmax(np.abs(truth.T @ W), axis=1)]


# %%
# Two worker processes with one thread each, on this machine. On a real cluster the client gets the
# address of its scheduler; nothing else changes.

if __name__ == "__main__":  # worker processes import this file
    n_blocks = [4, 8, 16]
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        models, peaks = zip(*(fit_on(client, number) for number in n_blocks), strict=True)
    plain = OneHiddenLayerRegressor(k, activation="relu", random_state=0)
    plain.fit(RowBlocks(lambda: (rows(number) for number in range(n_blocks[-1]))))
    same = np.array_equal(models[-1].coefs_[0], plain.coefs_[0])
    print(f"rows: {n_blocks[-1] * size}, bits of the fit in one process: {same}")
    plot(n_blocks, peaks, models[-1], plain)
    plt.show()
