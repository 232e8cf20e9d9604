"""Fits to rows of all kinds: arrays and tables, many, sparse, degenerate, held out."""

import copy
import tracemalloc
import warnings
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _planted import assert_finite, assert_same_bits, least_squares, new, planted, weights
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_onenn._search import one_start as one_start_module
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import recovery_error

# Overflows and divisions by zero on the way to a fit are errors.
pytestmark = pytest.mark.filterwarnings(
    "error::RuntimeWarning", "ignore::sklearn.exceptions.ConvergenceWarning"
)


# Kinds of rows


@pytest.mark.parametrize(
    "kind",
    ["float32", "list", "fortran", "memmap", "strided", "pandas", "polars", "integer", "column y"],
)
def test_kinds_of_input(kind, tmp_path):
    X, y, _ = planted(noise=0.1)
    if kind == "integer":
        X = np.round(3 * X)
    reference = new(n_init=1).fit(X, y)
    if kind == "memmap":
        for name, array in {"X": X, "y": y}.items():
            np.save(tmp_path / name, array)
        rows, targets = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "Xy")
    else:
        targets = {
            "float32": y.astype(np.float32),
            "list": y.tolist(),
            "pandas": pd.Series(y),
            "polars": pl.Series(y),
            "column y": y[:, None],
        }.get(kind, y)
        names = list("abcd")
        rows = {
            "float32": X.astype(np.float32),
            "list": X.tolist(),
            "fortran": np.asfortranarray(X),
            "strided": np.repeat(X, 2, axis=1)[:, ::2],
            "pandas": pd.DataFrame(X, columns=names),
            "polars": pl.DataFrame(X, schema=names),
            "integer": X.astype(np.int32),
        }.get(kind, X)
    before = copy.deepcopy((rows, targets))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = new(n_init=1).fit(rows, targets)
    assert [w.category for w in caught] == [DataConversionWarning] * (kind == "column y")
    # Fitting changes nothing.
    for one, other in zip((rows, targets), before, strict=True):
        assert type(one) is type(other)
        assert_array_equal(np.asarray(one), np.asarray(other))
    dtype = np.float32 if kind == "float32" else np.float64
    arrays = model.coefs_ + model.intercepts_ + model.init_coefs_ + model.init_intercepts_
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}
    assert model.predict(rows).dtype == dtype
    tolerance = 1e-3 if kind == "float32" else 1e-7
    assert_allclose(model.predict(rows), reference.predict(X), atol=tolerance)
    if kind in ("pandas", "polars"):
        assert_array_equal(model.feature_names_in_, names)
        with pytest.warns(UserWarning, match="feature names"):
            model.predict(X)
        with pytest.raises(ValueError, match="feature names"):
            model.predict(rows[["b", "a", "c", "d"]])
    else:
        assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize("resample", [True, False])
def test_memmap_of_many_blocks_is_not_copied(tmp_path, resample, monkeypatch):
    X, y, _ = planted(n=30_000, d=10, activation="tanh")
    np.save(tmp_path / "X.npy", X)
    rows = np.load(tmp_path / "X.npy", mmap_mode="r")
    seen = []
    blocks = one_start_module.gradient_descent

    def recorded(problem, *arguments, **options):
        seen.append(np.shares_memory(problem.rows.X, rows))
        return blocks(problem, *arguments, **options)

    monkeypatch.setattr(one_start_module, "gradient_descent", recorded)
    model = new(activation="tanh", resample=resample).fit(rows, y)
    assert model.loss_ < 1e-18
    assert seen == [True]


def test_single_precision_recovers_to_single_precision():
    X, y, teacher = planted(n=1000)
    model = new().fit(X.astype(np.float32), y.astype(np.float32))
    assert model.stop_reason_ == "exact fit"
    assert recovery_error(*model.coefs_, *teacher.coefs_, activation="relu") < 1e-4


# Sparse rows


def sparse_rows(n=1500, d=12, density=0.2, seed=0):
    """Rows most of whose entries are zero, a network on them, and its targets."""
    rng = np.random.default_rng(seed)
    X = sparse.csr_array(rng.standard_normal((n, d)) * (rng.uniform(size=(n, d)) < density))
    W = np.linalg.qr(rng.standard_normal((d, 2)))[0] * 2
    return X, np.maximum(X @ W + 0.1, 0) @ [1.0, -1.0]


@pytest.mark.parametrize("options", [{}, {"fit_intercept": False}, {"whiten": False}])
@pytest.mark.parametrize("n", [400, 600])
def test_sparse_rows_fit_as_dense_ones(options, n):
    X, y = sparse_rows(n)
    weight = np.random.default_rng(1).uniform(0.5, 2, n)
    dense = new(**options).fit(X.toarray(), y, sample_weight=weight)
    fitted = new(**options).fit(X, y, sample_weight=weight)
    assert_allclose(fitted.predict(X), dense.predict(X.toarray()), rtol=1e-5, atol=1e-6)
    assert_allclose(fitted.predict(X.toarray()), fitted.predict(X), rtol=1e-10, atol=1e-12)
    if not options:
        assert fitted.loss_ < 1e-12


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array])
def test_sparse_formats_and_types(container):
    X, y = sparse_rows()
    model = new().fit(container(X), y)
    assert model.loss_ < 1e-12
    single = new().fit(container(X.astype(np.float32)), y)
    assert single.coefs_[0].dtype == single.predict(X.astype(np.float32)).dtype == np.float32
    assert_allclose(single.predict(X), y, atol=1e-3)


def test_sparse_rows_are_never_made_dense():
    """Peak memory of a fit is that of some blocks, a third of the dense rows here."""
    X, y = sparse_rows(n=50000, d=400, density=0.005)
    tracemalloc.start()
    new(k=1, max_iter=3, n_init=1).fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * X.shape[0] * X.shape[1] / 3


def test_sparse_rows_that_are_not_finite():
    X, y = sparse_rows(50)
    X.data[3] = np.nan
    with pytest.raises(ValueError, match="X contains NaN"):
        new().fit(X, y)


# Data that are not nice


@pytest.mark.parametrize("scale", [1e-8, 1e8])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_units_and_offsets_of_the_columns(scale, fit_intercept):
    X, y, _ = planted()
    units = np.array([scale, 1, 1 / scale, 1])
    model = new(fit_intercept=fit_intercept).fit(X * units, y)
    assert_allclose(model.predict(X * units), y, atol=1e-8)
    if fit_intercept:
        model = new().fit(X + 1e6, y)
        assert_allclose(model.predict(X + 1e6), y, atol=1e-6)


VARIANTS = [
    {},
    {"activation": "tanh"},
    {"activation": "squared_relu"},
    {"init": "random"},
    {"moments": "raw"},
    {"resample": False},
    {"polish": False},
    {"whiten": False},
    {"fit_intercept": False},
    {"moments": "raw", "whiten": False, "fit_intercept": False, "polish": False},
]
every_variant = pytest.mark.parametrize("parameters", VARIANTS, ids=str)


@every_variant
@pytest.mark.parametrize("value", [0.0, 3.0, 1e8 + 0.1])
def test_constant_y(parameters, value):
    """Without intercepts two units can be |x_j|, which explains 2 / pi of a constant on normal rows."""
    X = planted(n=100)[0]
    model = new(n_init=1, **parameters).fit(X, np.full(100, value))
    assert_finite(model)
    prediction = model.predict(X)
    if parameters.get("fit_intercept", True) or value == 0:
        # Without polish the output weights are the start's; those of nothing are nothing.
        assert_allclose(prediction, value, rtol=1e-12, atol=1e-6)
        return
    # It is the unit of the predictions.
    one = new(n_init=1, **parameters).fit(X, np.ones(100)).predict(X)
    assert_allclose(prediction / value, one, rtol=1e-9, atol=1e-12)
    if parameters.get("polish", True):
        explained = np.abs(X).mean(axis=0) ** 2 / (X**2).mean(axis=0)
        assert_allclose(explained, 2 / np.pi, atol=0.1)
        assert np.mean((one - 1) ** 2) < 1 - explained.mean()


@every_variant
@pytest.mark.parametrize(
    "case",
    [
        "constant column", "zero column", "all columns constant", "duplicated columns", "one-hot",
        "n < d", "n = 2", "n = 3", "two equal rows", "k > d", "k > n", "one column",
    ],
)  # fmt: skip
def test_degenerate_data(parameters, case):
    """No polished fit is worse than the network that is zero, no other one leaves twice its error.

    Of equal rows it is the mean; of one column no worse than an affine function; and of four it tells of
    the network what no affine function can (whose R2 is 0.53, and the network's 0.99).
    """
    X, y, _ = planted(n=100, noise=0.1)
    one_hot = np.eye(3)[np.random.RandomState(0).randint(3, size=100)]
    rows = {
        "constant column": np.column_stack([X, np.full(100, 0.1)]),
        "zero column": np.column_stack([X, np.zeros(100)]),
        "all columns constant": np.ones((100, 3)),
        "duplicated columns": np.column_stack([X, X]),
        "one-hot": np.column_stack([one_hot, X]),
        "n < d": np.random.RandomState(0).standard_normal((6, 15)),
        "n = 2": X[:2],
        "n = 3": X[:3],
        "two equal rows": X[[0, 0]],
        "k > n": X[:4],
        "one column": X[:, :1],
    }.get(case, X)
    k = {"k > d": 7, "k > n": 9}.get(case, 2)
    model = new(k=k, n_init=1, **parameters).fit(rows, y[: len(rows)])
    assert_finite(model)
    assert model.coefs_[0].shape == (rows.shape[1], k)
    prediction, y = model.predict(rows), y[: len(rows)]
    fit_intercept, polish = (parameters.get(name, True) for name in ("fit_intercept", "polish"))
    error = np.mean((prediction - y) ** 2)
    affine = np.column_stack([rows, np.full(len(rows), float(fit_intercept))])
    affine_error = np.mean((affine @ least_squares(affine, y)[:, 0] - y) ** 2)
    zero_error = y.var() if fit_intercept else np.mean(y**2)
    assert error <= (1 + 1e-6 if polish else 2) * zero_error
    if case in ("all columns constant", "two equal rows") and fit_intercept and polish:
        assert_allclose(prediction, y.mean(), atol=1e-5)
    elif case == "one column" and fit_intercept:
        assert error < 1.01 * affine_error
    elif rows.shape[1] >= 4 and len(rows) == 100 and (polish or parameters.get("whiten", True)):
        assert error < 0.5 * affine_error


@pytest.mark.parametrize("where", ["X", "y"])
def test_outliers_of_a_million_standard_deviations(where):
    """Two units can be any affine function: the fit is as good as the best of those.

    With one huge target among small ones it is no worse than the mean, and the others are predicted far
    below that target.
    """
    X, y, _ = planted()
    X, y = X.copy(), y.copy()
    if where == "X":
        X[0, 0], X[1] = 1e6, -1e6
    else:
        y[5] = 1e6
    affine = np.column_stack([X, np.ones(len(X))])
    affine_loss = np.mean((affine @ least_squares(affine, y)[:, 0] - y) ** 2) / 2
    assert new(alpha=0).fit(X, y).loss_ < affine_loss
    model = new().fit(X, y)
    if where == "X":
        assert model.loss_ < affine_loss
    else:
        error = model.predict(X) - y
        assert np.mean(error**2) <= y.var()
        assert np.mean(np.delete(error, 5) ** 2) < (1e-2 * y[5]) ** 2


# What a change of the data must and must not do


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_affine_changes_of_the_rows(activation):
    """Scales from 0.1 to 10 in a random basis and a shift: the same predictions, and so for columns."""
    X, y, _ = planted(n=1000, d=8, k=3, activation=activation, seed=1)
    rng = np.random.default_rng(0)
    A = np.linalg.qr(rng.standard_normal((8, 8)))[0] * np.geomspace(0.1, 10, 8)
    order = rng.permutation(8)
    expected = new(k=3, activation=activation).fit(X, y).predict(X)
    assert_allclose(expected, y, rtol=1e-8, atol=1e-10)
    for rows, offset in [(X @ A + 5, 0), (X[:, order], 100)]:
        found = new(k=3, activation=activation).fit(rows, y + offset).predict(rows)
        assert_allclose(found - offset, expected, rtol=0, atol=1e-8 * np.abs(y).max())


# Held-out rows


@cache
def overfitted(n=300):
    """Few noisy rows for ten units, held-out rows and test rows."""
    X, y, _ = make_one_hidden_layer(3000, 10, 3, activation="relu", random_state=0)
    y = y + 2 * np.random.default_rng(0).standard_normal(3000)
    return [(X[part], y[part]) for part in (slice(n), slice(300, 1300), slice(1300, 3000))]


def test_held_out_rows_stop_the_polish():
    """Without a penalty the fit learns the noise; the weights kept are the best on the held-out rows.

    Of 150 rows 121 weights learn so much that R2 on other rows is lower by .3 to .7, whichever optimum
    rounding leads to (eight fits, by two kernels of BLAS).
    """
    train, held_out, test = overfitted(150)
    free = new(k=10, alpha=0, n_init=1).fit(*train)
    model = new(k=10, alpha=0, n_init=1).fit(*train, X_val=held_out[0], y_val=held_out[1])
    assert model.loss_ > free.loss_
    assert model.score(*test) > free.score(*test) + 0.1
    assert model.stop_reason_ == "held-out loss rises"
    assert model.validation_loss_ == min(model.validation_loss_curve_)
    for rows, loss in [(held_out, model.validation_loss_), (train, model.loss_)]:
        assert loss == pytest.approx(np.mean((model.predict(rows[0]) - rows[1]) ** 2) / 2, rel=1e-9)
    # The next fit without them forgets them.
    assert not hasattr(model.fit(*train), "validation_loss_")


def test_held_out_rows_choose_between_starts():
    train, held_out, _ = overfitted()
    one = new(k=10, alpha=0, n_init=1).fit(*train, X_val=held_out[0], y_val=held_out[1])
    best = [
        new(k=10, alpha=0, n_init=4, n_jobs=n_jobs).fit(*train, X_val=held_out[0], y_val=held_out[1])
        for n_jobs in (1, 2)
    ]
    assert best[0].validation_loss_ <= one.validation_loss_
    assert_same_bits(*best)


def test_exact_fits_are_exact_with_held_out_rows():
    X, y, teacher = planted(n=600)
    model = new().fit(X[:400], y[:400], X_val=X[400:], y_val=y[400:])
    assert recovery_error(*model.coefs_, *teacher.coefs_, activation="relu") < 1e-6
    assert model.validation_loss_ < 1e-12


def test_weights_of_held_out_rows():
    """Rows of weight zero are as if they were not there; sparse rows are as dense ones."""
    train, (X_val, y_val), _ = overfitted()
    used = np.arange(len(y_val)) % 3 > 0
    options = {"k": 4, "alpha": 0, "n_init": 1}
    part = new(**options).fit(*train, X_val=X_val[used], y_val=y_val[used])
    weighted = new(**options).fit(
        *train, X_val=sparse.csr_array(X_val), y_val=y_val, sample_weight_val=1.0 * used
    )
    assert_allclose(weights(weighted), weights(part), rtol=1e-9)
    assert weighted.validation_loss_ == pytest.approx(part.validation_loss_, rel=1e-9)


@pytest.mark.parametrize(
    ("held_out", "message"),
    [
        ({"X_val": np.ones((3, 4))}, "X_val and y_val must be given together, got X_val only"),
        ({"y_val": np.ones(3)}, "X_val and y_val must be given together, got y_val only"),
        ({"sample_weight_val": np.ones(3)}, "together, got sample_weight_val only"),
        ({"X_val": np.ones((3, 3)), "y_val": np.ones(3)}, "X_val: X has 3 features.*expecting 4"),
        ({"X_val": np.full((3, 4), np.nan), "y_val": np.ones(3)}, "X_val: .*NaN"),
        ({"X_val": np.ones((3, 4)), "y_val": np.full(3, np.nan)}, "y_val contains NaN"),
        ({"X_val": np.ones((3, 4)), "y_val": np.ones(2)}, r"inconsistent.*\[3, 2\]"),
        (
            {"X_val": np.ones((3, 4)), "y_val": np.ones((3, 2))},
            "y_val must have as many outputs.*1, got 2",
        ),
        (
            {"X_val": np.ones((3, 4)), "y_val": np.ones(3), "sample_weight_val": np.zeros(3)},
            "sample_weight_val must have a positive entry",
        ),
    ],
)
def test_bad_held_out_rows(held_out, message):
    X, y, _ = planted(n=30)
    model = new()
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, **held_out)
    assert not hasattr(model, "coefs_")


def test_held_out_rows_need_a_polish():
    X, y, _ = planted(n=30)
    with pytest.raises(ValueError, match="polish=True"):
        new(polish=False).fit(X, y, X_val=X, y_val=y)


def test_metadata_reaches_the_fit_through_pipeline_and_search():
    """Weights and held-out rows, the latter transformed as the rows are."""
    train, (X_val, y_val), _ = overfitted()
    weight = np.random.default_rng(0).uniform(0.5, 2, len(train[1]))
    with config_context(enable_metadata_routing=True):
        model = new(k=4, alpha=0, n_init=1).set_fit_request(
            sample_weight=True, X_val=True, y_val=True, sample_weight_val=True
        )
        model.set_score_request(sample_weight=True)
        pipe = Pipeline(
            [("scale", StandardScaler().set_fit_request(sample_weight=False)), ("model", model)],
            transform_input=["X_val"],
        )
        metadata = {
            "sample_weight": weight, "X_val": X_val, "y_val": y_val,
            "sample_weight_val": np.ones(len(y_val)),
        }  # fmt: skip
        pipe.fit(*train, **metadata)
        scaler = StandardScaler().fit(train[0])
        direct = clone(model).fit(
            scaler.transform(train[0]), train[1], **(metadata | {"X_val": scaler.transform(X_val)})
        )
        assert_same_bits(pipe[-1], direct)
        search = GridSearchCV(clone(model), {"k": [2, 4]}, cv=2)
        search.fit(*train, sample_weight=weight, X_val=X_val, y_val=y_val)
        assert search.best_estimator_.validation_loss_ > 0
