"""What fits of unusual shapes take, in seconds and memory, beside MLPRegressor on the same rows.

- wide: rows of ten factors and noise, many more columns than rows;
- text: shares of 80 words, most of them rare, in a sparse matrix;
- outputs: many outputs of few units, with noise, and without;
- weights: few rows of weights between 1e-6 and 1e6;
- auto: k="auto" where networks of few units suffice, or none does, beside one fit of its width;
- long: many rows, 20 units.

Seconds are of the processor, on one thread, with the fits in turn; memory is the largest of all arrays
during a fit, as a multiple of X (tracemalloc). The other model is MLPRegressor with Adam at
its defaults (100 units) for wide rows and text; L-BFGS with as many units, on standardized targets, for
outputs and for long; our own fit of the width that it found for auto. R2 is that of a fifth of the rows,
left out.

    python examples/benchmarks/situations.py
    python examples/benchmarks/situations.py --only "wide 300 x 5000"
"""

import argparse
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
from _report import Report
from scipy import sparse
from sklearn.compose import TransformedTargetRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer


def wide(n, d):
    """Rows of ten factors; targets that bend along one."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 10)) @ rng.standard_normal((10, d)) + 0.5 * rng.standard_normal((n, d))
    return X, np.tanh(X[:, 0]) + 0.3 * X[:, 1] + 0.1 * rng.standard_normal(n), None


def text(n, d):
    """Shares of words, of which a tenth count."""
    rng = np.random.default_rng(0)
    words = rng.zipf(1.3, (n, 80)) % d
    counts = sparse.csr_array((np.ones(80 * n), (np.repeat(np.arange(n), 80), words.ravel())), (n, d))
    counts.sum_duplicates()
    X = counts.log1p()
    norms = sparse.linalg.norm(X, axis=1)
    X = sparse.csr_array(sparse.diags_array(1 / norms) @ X)
    z = X @ (rng.standard_normal(d) * (rng.random(d) < 0.1))
    return X, np.tanh(3 * z) + z + 0.1 * rng.standard_normal(n), None


def outputs(m, noise):
    """700 rows of ten columns, five tanh units, many outputs."""
    rng = np.random.default_rng(0)
    X, W = rng.standard_normal((875, 10)), np.linalg.qr(rng.standard_normal((10, 5)))[0]
    y = np.tanh(X @ W) @ rng.standard_normal((5, m))
    return X, y + noise * rng.standard_normal(y.shape), None


def unequal(n):
    """Few rows, whose weights differ by twelve orders of magnitude."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 5))
    return X, np.sin(X[:, 0]) + 0.1 * rng.standard_normal(n), 10.0 ** rng.integers(-6, 7, n)


def sigmoids():
    """Two clean sigmoid units of two columns."""
    X, y, _ = make_one_hidden_layer(500, 2, 2, activation="sigmoid", random_state=0)
    return X, y, None


def one_hot():
    """Levels of twelve factors, 212 in all."""
    rng = np.random.default_rng(0)
    sizes = [*[18] * 10, 16, 16]
    X = np.concatenate([np.eye(size)[rng.integers(size, size=2000)] for size in sizes], axis=1)
    return X, X @ rng.standard_normal(212) + 0.5 * rng.standard_normal(2000), None


def long():
    """200 000 rows of 50 uniform columns."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (200_000, 50))
    return (
        X,
        np.sin(3 * X[:, 0]) * X[:, 1] + X[:, 2:10].sum(axis=1) + 0.1 * rng.standard_normal(200_000),
        None,
    )


def adam():
    """MLPRegressor as it is."""
    return MLPRegressor(random_state=0)


def lbfgs(k):
    """L-BFGS of as many units."""
    net = MLPRegressor(
        hidden_layer_sizes=(k,), activation="tanh", solver="lbfgs", max_iter=1000, random_state=0
    )
    return TransformedTargetRegressor(net, transformer=StandardScaler())


def ours(**parameters):
    """This package."""
    return OneHiddenLayerRegressor(random_state=0, **parameters)


# Name, rows, our model, and the other one, of ours: None for our own of the width that it found.
SITUATIONS = {
    "wide 50 x 4000": (lambda: wide(50, 4000), ours(), lambda _: adam()),
    "wide 44 x 6829": (lambda: wide(44, 6829), ours(), lambda _: adam()),
    "wide 300 x 5000": (lambda: wide(300, 5000), ours(), lambda _: adam()),
    "text 1500 x 5000": (lambda: text(1500, 5000), ours(), lambda _: adam()),
    "text 1500 x 20000": (lambda: text(1500, 20_000), ours(), lambda _: adam()),
    "outputs 20": (lambda: outputs(20, 0.1), ours(k=5), lambda _: lbfgs(5)),
    "outputs 30": (lambda: outputs(30, 0.1), ours(k=5), lambda _: lbfgs(5)),
    "outputs 75, clean": (lambda: outputs(75, 0.0), ours(k=5), lambda _: lbfgs(5)),
    "weights 92": (lambda: unequal(115), ours(k=24), lambda _: None),
    "weights 264": (lambda: unequal(330), ours(k=24), lambda _: None),
    "auto, 500 x 2 sigmoids": (
        sigmoids, ours(k="auto", activation="sigmoid"),
        lambda model: ours(k=model.k_, activation="sigmoid"),
    ),
    "auto, one-hot 2000 x 212": (one_hot, ours(k="auto"), lambda model: ours(k=model.k_)),
    "long 200 000 x 50": (long, ours(k=20), lambda _: lbfgs(20)),
}  # fmt: skip


def n_bytes(X):
    """Bytes of a dense or sparse matrix."""
    return X.data.nbytes + X.indices.nbytes + X.indptr.nbytes if sparse.issparse(X) else X.nbytes


def measured(model, X, y, weight, n_train):
    """Seconds of a fit, R2 on the other rows, and the model."""
    train, rest = slice(0, n_train), slice(n_train, None)
    given = {} if weight is None else {"sample_weight": weight[train]}
    begin = time.process_time()
    model.fit(X[train], y[train], **given)
    return time.process_time() - begin, model.score(X[rest], y[rest])


def peak(model, X, y, weight):
    """The largest memory of a fit, in bytes, beyond what there was."""
    given = {} if weight is None else {"sample_weight": weight}
    tracemalloc.start()
    try:
        model.fit(X, y, **given)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@threadpool_limits.wrap(1)
def situation(name):
    """A row of the table."""
    warnings.simplefilter("ignore")
    make, model, other_of = SITUATIONS[name]
    X, y, weight = make()
    n_train = len(y) * 4 // 5
    seconds, score = measured(model, X, y, weight, n_train)
    other, entries = other_of(model), ["", "", ""]
    if other is not None:
        other_seconds, other_score = measured(other, X, y, weight, n_train)
        entries = [f"{other_score:.3f}", f"{other_seconds:.2f}", f"{seconds / other_seconds:.1f}"]
    size = X[:n_train]
    multiple = peak(model, size, y[:n_train], weight if weight is None else weight[:n_train]) / n_bytes(
        size
    )
    k = model.k_
    return [
        name,
        n_train,
        X.shape[1],
        k,
        f"{score:.3f}",
        entries[0],
        f"{seconds:.2f}",
        *entries[1:],
        f"{multiple:.1f}",
    ]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="+", choices=SITUATIONS, default=list(SITUATIONS), metavar="NAME"
    )
    arguments = parser.parse_args()
    report = Report(
        Path(__file__).parents[2] / "doc" / "benchmarks" / "situations.md", "Unusual shapes", __doc__,
        ["situation", "rows", "columns", "k", "R2", "R2 other", "seconds", "seconds other", "ratio",
         "memory / X"],
    )  # fmt: skip
    for name in arguments.only:
        report.row(situation(name))


if __name__ == "__main__":
    main()
