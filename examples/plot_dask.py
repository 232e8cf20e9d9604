"""
Rows on the workers of a cluster
================================

A fit needs of its rows nothing but sums. So rows that Dask workers hold stay where they are: each worker
sums over its own blocks, and what travels is the network one way and a few small arrays the other.
The picture shows the steps of such a fit on one worker and on two. Those of the search over starts are
done by the client, on a sample; those on all rows are sums that the workers take side by side.

The weights are those of :class:`~sklearn_onenn.OneHiddenLayerRegressor` on the same blocks to the last
bit, because the sums of the blocks are added in their order, wherever they come from.
"""

import time

import dask
import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
from distributed import Client, LocalCluster, wait

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
# A callback of scikit-learn (1.9 and later) that looks at the clock after every step; steps are named by
# their stage.


class Clock:
    """Seconds at which the steps of a fit end."""

    def setup(self, estimator, context):
        """The fit begins."""
        self.begin, self.steps = time.perf_counter(), []

    def teardown(self, estimator, context):
        """Nothing to clean up."""

    def on_fit_task_begin(self, estimator, context):
        """Nothing to do before a step."""

    def on_fit_task_end(self, estimator, context):
        """A step, a start or the fit is over."""
        self.steps.append((context.task_name, time.perf_counter() - self.begin))


# %%
# Workers are processes with one thread here. On a real cluster the client gets the address of its
# scheduler; nothing else changes.


def fit_on_workers(n_workers):
    """The model, and the clock of its fit."""
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        X, y = client.persist(dask_rows())
        wait([X, y])
        model, clock = DaskOneHiddenLayerRegressor(k, activation="relu", random_state=0), Clock()
        return model.set_callbacks(clock).fit(X, y), clock


# %%
# Before the first step the workers tell means, scales and covariance, and give the sample away. After
# the search they take all sums: first on their shares of a larger sample, then on all rows.


def plot(clocks):
    """The phases of every fit over time."""
    figure, axis = plt.subplots(figsize=(8, 2.8), layout="constrained")
    for lane, clock in enumerate(clocks):
        of_search = [end for name, end in clock.steps if name not in ("larger sample", "fit")]
        later = [end for name, end in clock.steps if name == "larger sample"]
        searched = max(end for end in of_search if end < later[0])
        for label, colour, ends in [
            ("before the first step", "C2", [0, of_search[0]]),
            ("search on a sample, by the client", "C1", [of_search[0], searched]),
            ("steps by the workers", "C0", [searched, *later]),
        ]:
            bars = list(zip(ends[:-1], np.diff(ends), strict=True))
            axis.broken_barh(
                bars, (lane - 0.35, 0.7), facecolor=colour, edgecolor="white",
                label=label if lane == 0 else None,
            )  # fmt: skip
    axis.set(
        xlabel="seconds",
        yticks=range(len(clocks)),
        yticklabels=["one worker", "two workers"],
        title="What the workers do is shared, the search is not",
    )
    axis.invert_yaxis()
    figure.legend(loc="outside lower center", ncols=3)


if __name__ == "__main__":  # worker processes import this file
    fits = [fit_on_workers(n_workers) for n_workers in (1, 2)]
    model, _ = fits[-1]
    plain = OneHiddenLayerRegressor(k, activation="relu", random_state=0)
    plain.fit(RowBlocks(lambda: (rows(number) for number in range(n_blocks))))
    error = recovery_error(*(weights for weights in model.coefs_), *teacher.coefs_, activation="relu")
    print(f"error of the weights: {error:.4f}")
    print(f"bits of the fit in one process: {np.array_equal(model.coefs_[0], plain.coefs_[0])}")
    plot([clock for _, clock in fits])
    plt.show()
