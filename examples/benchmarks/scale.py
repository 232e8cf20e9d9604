"""Fits on more rows than a process holds, and on the workers of a Dask cluster.

Rows are N(0, I) in single precision, targets those of a planted ReLU network of 5 units (as in
recovery.py) with noise of half the signal's size; default settings, random_state=0.

Memory map: 20 000 000 rows x 50 columns (4 GB) in a file, and 1 000 000 of them. Read: seconds of one
sequential read of the file; product: of one X.T @ X on all cores. Memory: peak anonymous memory of the
process (RssAnon). Error: the recovery error, the largest relative error of a weight vector, over that of
the network to which steps on all rows lead from the true weights.

Dask: 2 000 000 rows x 50 columns in 20 blocks, which the workers (processes with one thread and one
BLAS thread each, distributed.LocalCluster) hold before the fit begins. Clusters of one worker and of two
take turns, three of each, since the speed of a machine that others use changes from minute to minute.
Seconds: of three fits in each turn, in their order. Load: average of the machine before the first.
Search: median seconds of the search on a sample, done by the client. CPU: median seconds of processor
time of the client and of all workers. Speed-up: ratio of the medians of seconds. Overhead: median time
of 50 sums of nothing over the blocks. Bits: whether coefs_ and intercepts_ of all fits are those of the
plain estimator on RowBlocks of the same blocks.

Passes: 1 000 000 rows x 50 columns in memory, one core. Seconds: median of 9 passes. Flops a row: of the
products with rows alone.

    python examples/benchmarks/scale.py            all parts
    python examples/benchmarks/scale.py dask       one of them: passes, memmap, dask
    python examples/benchmarks/scale.py --quick    a tenth of the rows
"""

import argparse
import os
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from _report import Report
from scaling import MemoryWatch
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor, RowBlocks
from sklearn_onenn._data.rows import block_threads
from sklearn_onenn._data.targets import TargetScale
from sklearn_onenn._data.whitening import mean_and_covariance, whitening
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import Network
from sklearn_onenn._network.symmetries import caller_network, inner_network
from sklearn_onenn._optimization.elimination import random_start
from sklearn_onenn._optimization.gauss_newton import Stopping, gauss_newton
from sklearn_onenn._search import growing_samples as _samples
from sklearn_onenn.activations import ReLU
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import recovery_error

D, K, NOISE = 50, 5, 0.5
N_BLOCKS, N_TURNS = 20, 3
PAGES = Path(__file__).parents[2] / "doc" / "benchmarks"
TEXT = __doc__.split("\n\n", 1)[1]


def block(number, n_rows):
    """Rows and targets of one block, from its number."""
    rng = np.random.default_rng(number)
    teacher = make_one_hidden_layer(2, D, K, random_state=0)[2]
    X = rng.standard_normal((n_rows, D), dtype=np.float32)
    y = teacher.predict(X)
    y += NOISE * y.std() * rng.standard_normal(n_rows)
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


def memmap_part(divisor):
    """Fits on a file of rows."""
    columns = ["rows", "load before", "read", "product", "seconds", "over read + product",
               "us a row", "passes", "memory, GB", "error", "from the truth", "ratio"]  # fmt: skip
    report = Report(PAGES / "scale_memmap.md", "Scale: rows in a file", TEXT, columns)
    for n_rows in (1_000_000 // divisor, 20_000_000 // divisor):
        with tempfile.TemporaryDirectory() as folder:
            X, y, teacher = written(Path(folder), n_rows)
            report.row(fit_on_file(X, y, teacher))


def written(folder, n_rows, size=100_000):
    """Memory maps of rows and targets in new files, and the network behind them."""
    X = np.memmap(folder / "X", np.float32, "w+", shape=(n_rows, D))
    y = np.memmap(folder / "y", np.float32, "w+", shape=n_rows)
    for number in range(n_rows // size):
        rows = slice(number * size, (number + 1) * size)
        X[rows], y[rows] = block(number, size)
    X.flush()
    y.flush()
    maps = (np.memmap(folder / name, np.float32, "r", shape=a.shape) for name, a in (("X", X), ("y", y)))
    return *maps, make_one_hidden_layer(2, D, K, random_state=0)[2]


def fit_on_file(X, y, teacher):
    """A row of the table."""
    load = os.getloadavg()[0]
    read = timed(lambda: [X[i : i + 100_000].sum() for i in range(0, len(X), 100_000)])
    product = timed(lambda: X.T @ X)
    model = OneHiddenLayerRegressor(K, activation="relu", random_state=0)
    with MemoryWatch() as memory:
        seconds = timed(lambda: model.fit(X, y))
    oracle = polished_from_truth(X, y, teacher, model.alpha_)
    errors = [
        recovery_error(W, V, *teacher.coefs_, activation="relu")
        for W, V in (model.coefs_, (oracle.W, oracle.V))
    ]
    return [
        len(X), f"{load:.1f}", f"{read:.2f}", f"{product:.2f}", f"{seconds:.1f}",
        f"{seconds / (read + product):.1f}", f"{1e6 * seconds / len(X):.2f}",
        f"{model.n_passes_:.1f}", f"{memory.peak / 1e9:.2f}", f"{errors[0]:.5f}",
        f"{errors[1]:.5f}", f"{errors[0] / errors[1]:.3f}",
    ]  # fmt: skip


def polished_from_truth(X, y, teacher, alpha):
    """The network to which Gauss-Newton steps on all rows lead from the true weights."""
    (W, V), y = teacher.coefs_, y[:, None]
    scale = TargetScale.of(y, None, center=True)
    with block_threads() as executor:
        rows = scale.rows(X, y, None, executor)
        problem = SquaredLoss(rows, ReLU(), whitening(rows), alpha=alpha)
        truth = inner_network(Network(W, np.zeros(K), V, np.zeros(1)), problem, scale)
        network = gauss_newton(problem, truth, Stopping(tol=1e-6)).network
        return caller_network(network, problem, scale)


def dask_part(divisor):
    """Rows of the table for 1 and 2 workers."""
    columns = ["rows", "workers", "load before", "seconds", "median", "search", "CPU", "speed-up",
               "overhead, ms", "same bits"]  # fmt: skip
    report = Report(PAGES / "scale.md", "Scale: a Dask cluster", TEXT, columns)
    n_rows = 2_000_000 // divisor
    size = n_rows // N_BLOCKS
    source = RowBlocks(lambda: (block(number, size) for number in range(N_BLOCKS)))
    plain = OneHiddenLayerRegressor(K, activation="relu", random_state=0).fit(source)
    load = os.getloadavg()[0]
    turns = [[one_turn(n_workers, size, plain) for n_workers in (1, 2)] for _ in range(N_TURNS)]
    alone = None
    for n_workers, runs in enumerate(zip(*turns, strict=True), start=1):
        fits = [fit for of_turn, _ in runs for fit in of_turn]
        median = {name: np.median([fit[name] for fit in fits]) for name in fits[0]}
        alone = alone or median["seconds"]
        report.row([
            n_rows, n_workers, f"{load:.1f}", " ".join(f"{fit['seconds']:.2f}" for fit in fits),
            f"{median['seconds']:.2f}", f"{median['search']:.2f}",
            f"{median['client']:.1f} + {median['workers']:.1f}", f"{alone / median['seconds']:.2f}",
            f"{np.median([overhead for _, overhead in runs]):.0f}",
            all(fit["same bits"] for fit in fits),
        ])  # fmt: skip


def one_turn(n_workers, size, plain):
    """Three fits on workers that start for them, and the overhead of a sum there."""
    with on_workers(n_workers, size) as (client, X, y):
        return [one_run(client, X, y, plain) for _ in range(3)], overhead_of(client, X, y)


@contextmanager
def on_workers(n_workers, size):
    """A client of so many workers, and the rows that they hold."""
    import dask
    import dask.array as da
    from distributed import Client, LocalCluster, wait

    options = {"n_workers": n_workers, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        pairs = [dask.delayed(block, nout=2)(number, size) for number in range(N_BLOCKS)]
        X, y = (
            da.concatenate([da.from_delayed(pair[i], shape, np.float32) for pair in pairs])
            for i, shape in enumerate([(size, D), (size,)])
        )
        X, y = client.persist([X, y])
        wait([X, y])
        yield client, X, y


def one_run(client, X, y, plain):
    """Seconds and processor time of a fit, and whether it is the plain one."""
    from sklearn_onenn.dask import DaskOneHiddenLayerRegressor

    workers = sum(client.run(time.process_time).values())
    model = DaskOneHiddenLayerRegressor(K, activation="relu", random_state=0, client=client)
    with Stopwatch(_samples, "search_starts") as search:
        own, begin = time.process_time(), time.perf_counter()
        model.fit(X, y)
        seconds, own = time.perf_counter() - begin, time.process_time() - own
    workers = sum(client.run(time.process_time).values()) - workers
    return {
        "seconds": seconds, "search": search.seconds, "client": own, "workers": workers,
        "same bits": same_bits(model, plain),
    }  # fmt: skip


def overhead_of(client, X, y):
    """Median milliseconds of a sum of nothing."""
    from sklearn_onenn.dask.workers import ClusterBlocks

    with ClusterBlocks(client, X, y) as blocks:
        return 1e3 * np.median([timed(lambda: blocks.map(lambda block: 0.0)) for _ in range(50)])


def timed(function):
    """Seconds that a call takes."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def passes_part(divisor):
    """Seconds of every kind of pass over rows in memory."""
    columns = ["pass", "flops a row", "seconds", "gigaflops"]
    report = Report(PAGES / "scale_passes.md", "Scale: one pass", TEXT, columns)
    n_rows = 1_000_000 // divisor
    X, y = block(0, n_rows)
    with threadpool_limits(1):
        y = y[:, None]
        rows = TargetScale.of(y, None, center=True).rows(X, y, None, None)
        problem = SquaredLoss(rows, ReLU(), whitening(rows))
        network = random_start(problem, K, np.random.RandomState(0))
        here = problem.evaluate(network)
        again = replace(here, linearizations=None)
        for name, flops, one_pass in [
            ("evaluate: loss and gradient", 4 * D * K, lambda: problem.evaluate(network)),
            ("Gauss-Newton product, units kept", 4 * D * K, lambda: here.gauss_newton_product(network)),
            ("the same, units computed again", 6 * D * K, lambda: again.gauss_newton_product(network)),
            ("covariance", D**2, lambda: mean_and_covariance(rows)),
            ("reading alone", 0, X.sum),
        ]:
            seconds = np.median([timed(one_pass) for _ in range(9)])
            report.row([name, flops, f"{seconds:.3f}", f"{flops * n_rows / seconds / 1e9:.1f}"])


PARTS = {"passes": passes_part, "memmap": memmap_part, "dask": dask_part}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="?", choices=PARTS)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    for name, part in PARTS.items():
        if options.part in (None, name):
            part(10 if options.quick else 1)


if __name__ == "__main__":
    main()
