"""Fits on more rows than a process holds, and on the workers of a Dask cluster.

Rows are N(0, I) in single precision, targets those of a planted ReLU network of 5 units (as in
recovery.py) with noise of standard deviation 0.5; default settings, random_state=0.

Dask: 2 000 000 rows x 50 columns in 20 blocks, which the workers (processes with one thread and one
BLAS thread each, distributed.LocalCluster) hold before the fit begins. Seconds: of three fits, with the
load average of the machine before each. Search: seconds of the search on a sample, done by the client,
in the fastest. CPU: seconds of processor time of the client and of all workers in it. Speed-up: of the
fastest over that on one worker. Overhead: median time of 50 sums of nothing over the blocks.
Bits: whether coefs_ and intercepts_ are those of the plain estimator on RowBlocks of the same blocks.

    python examples/benchmarks/scale.py            all parts
    python examples/benchmarks/scale.py dask       one of them
    python examples/benchmarks/scale.py --quick    a tenth of the rows
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
from _report import Report

from sklearn_onenn import OneHiddenLayerRegressor, RowBlocks, _samples
from sklearn_onenn.datasets import make_one_hidden_layer

D, K, NOISE = 50, 5, 0.5


def block(number, n_rows):
    """Rows and targets of one block, from its number."""
    rng = np.random.default_rng(number)
    teacher = make_one_hidden_layer(2, D, K, random_state=0)[2]
    X = rng.standard_normal((n_rows, D), dtype=np.float32)
    y = teacher.predict(X) + NOISE * rng.standard_normal(n_rows)
    return X, y.astype(np.float32)


class Stopwatch:
    """Seconds that a function of a module takes while it is open."""

    def __init__(self, module, name):
        self.module, self.name, self.function, self.seconds = module, name, getattr(module, name), 0.0

    def __enter__(self):
        setattr(self.module, self.name, self)
        return self

    def __call__(self, *arguments):
        begin = time.perf_counter()
        try:
            return self.function(*arguments)
        finally:
            self.seconds += time.perf_counter() - begin

    def __exit__(self, *error):
        setattr(self.module, self.name, self.function)


def same_bits(one, other):
    """Whether two fits have the same weights to the bit."""
    pairs = zip(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def dask_part(report, n_rows):
    """Rows of the table for 1 and 2 workers."""
    import dask
    import dask.array as da
    from distributed import Client, LocalCluster, wait

    from sklearn_onenn._cluster import ClusterBlocks
    from sklearn_onenn.dask import DaskOneHiddenLayerRegressor

    n_blocks = 20
    size = n_rows // n_blocks
    source = RowBlocks(lambda: (block(number, size) for number in range(n_blocks)))
    plain = OneHiddenLayerRegressor(K, random_state=0).fit(source)
    first = None
    for n_workers in (1, 2):
        options = {"n_workers": n_workers, "threads_per_worker": 1, "dashboard_address": None}
        with LocalCluster(**options) as cluster, Client(cluster) as client:
            delayed = [dask.delayed(block, nout=2)(number, size) for number in range(n_blocks)]
            X, y = (
                da.concatenate([da.from_delayed(pair[i], shape, np.float32) for pair in delayed])
                for i, shape in enumerate([(size, D), (size,)])
            )
            X, y = client.persist([X, y])
            wait([X, y])
            models = [DaskOneHiddenLayerRegressor(K, random_state=0) for _ in range(3)]
            runs = [one_run(client, model, X, y) for model in models]
            best = min(runs, key=lambda run: run["seconds"])
            first = first or best["seconds"]
            with ClusterBlocks(client, X, y) as blocks:
                nothing = [timed(lambda: blocks.map(lambda block: 0.0)) for _ in range(50)]
        report.row([
            "dask", n_rows, f"{n_workers} workers", " ".join(f"{run['load']:.1f}" for run in runs),
            " ".join(f"{run['seconds']:.2f}" for run in runs), f"{best['search']:.2f}",
            f"{best['client']:.1f} + {best['workers']:.1f}", f"{first / best['seconds']:.2f}",
            f"{1e3 * np.median(nothing):.0f}", all(same_bits(model, plain) for model in models),
        ])  # fmt: skip


def one_run(client, model, X, y):
    """A fit, with seconds and processor time."""
    load, workers = os.getloadavg()[0], sum(client.run(time.process_time).values())
    with Stopwatch(_samples, "search") as search:
        own, begin = time.process_time(), time.perf_counter()
        model.fit(X, y)
        seconds, own = time.perf_counter() - begin, time.process_time() - own
    workers = sum(client.run(time.process_time).values()) - workers
    return {
        "load": load, "seconds": seconds, "search": search.seconds, "client": own, "workers": workers,
    }  # fmt: skip


def timed(function):
    """Seconds that a call takes."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


PARTS = {"dask": dask_part}
COLUMNS = [
    "part", "rows", "who", "load before", "seconds", "search", "CPU", "speed-up", "overhead, ms",
    "same bits",
]  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("part", nargs="?", choices=PARTS)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    page = Path(__file__).parents[2] / "doc" / "benchmarks" / "scale.md"
    report = Report(page, "Scale", __doc__.split("\n\n", 1)[1], COLUMNS)
    for name, part in PARTS.items():
        if options.part in (None, name):
            part(report, 200_000 if options.quick else 2_000_000)


if __name__ == "__main__":
    main()
