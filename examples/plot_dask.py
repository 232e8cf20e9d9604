"""
Rows on the workers of a cluster
================================

A fit needs of its rows nothing but sums. So rows that Dask workers hold stay where they are: each worker
sums over its own blocks, and what travels is the network one way and a few small arrays the other.
The picture shows every task of such a fit. The white stretch is the search over starts, which the client
does on a sample; before and after it both workers sum over all rows, side by side.

The weights are those of :class:`~sklearn_onenn.OneHiddenLayerRegressor` on the same blocks to the last
bit, because the sums of the blocks are added in their order, wherever they come from.
"""

import dask
import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
from distributed import Client, LocalCluster, get_task_stream, wait

from sklearn_onenn import OneHiddenLayerRegressor, RowBlocks
from sklearn_onenn.dask import DaskOneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import recovery_error

d, k, n_blocks, size = 20, 3, 16, 40_000
teacher = make_one_hidden_layer(2, d, k, random_state=0)[2]

# %%
# Workers make the rows, a block at a time: 640 000 rows in all.


def rows(number):
    """Rows and noisy targets of one block."""
    rng = np.random.default_rng(number)
    X = rng.standard_normal((size, d), dtype=np.float32)
    return X, (teacher.predict(X) + 0.3 * rng.standard_normal(size)).astype(np.float32)


def dask_rows():
    """All blocks as two Dask arrays."""
    blocks = [dask.delayed(rows, nout=2)(number) for number in range(n_blocks)]
    X = [da.from_delayed(X, (size, d), np.float32) for X, _ in blocks]
    y = [da.from_delayed(y, (size,), np.float32) for _, y in blocks]
    return da.concatenate(X), da.concatenate(y)


# %%
# Two workers, each a process with one thread. On a real cluster the client gets the address of its
# scheduler; nothing else changes.


def fit_on_workers():
    """The model, and the tasks of its fit."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        X, y = client.persist(dask_rows())
        wait([X, y])
        with get_task_stream(client) as stream:
            model = DaskOneHiddenLayerRegressor(k, random_state=0).fit(X, y)
        return model, stream.data


# %%
# A bar is a task: one worker's part of one sum.


def plot(tasks):
    """Tasks of every worker over time."""
    bars = [
        (task["worker"], part["start"], part["stop"] - part["start"])
        for task in tasks
        for part in task["startstops"]
        if part["action"] == "compute"
    ]
    first = min(start for _, start, _ in bars)
    figure, axis = plt.subplots(figsize=(8, 2.6), layout="constrained")
    for lane, worker in enumerate(sorted({worker for worker, *_ in bars})):
        spans = [(start - first, length) for name, start, length in bars if name == worker]
        axis.broken_barh(spans, (lane - 0.35, 0.7), facecolor=f"C{lane}", edgecolor="white")
    axis.set(
        xlabel="seconds",
        yticks=[0, 1],
        yticklabels=["worker 1", "worker 2"],
        title="Both workers sum over their own rows; between, the client searches on a sample",
    )


if __name__ == "__main__":  # worker processes import this file
    model, tasks = fit_on_workers()
    plain = OneHiddenLayerRegressor(k, random_state=0)
    plain.fit(RowBlocks(lambda: (rows(number) for number in range(n_blocks))))
    error = recovery_error(*(weights for weights in model.coefs_), *teacher.coefs_, activation="relu")
    print(f"error of the weights: {error:.4f}")
    print(f"bits of the fit in one process: {np.array_equal(model.coefs_[0], plain.coefs_[0])}")
    plot(tasks)
    plt.show()
