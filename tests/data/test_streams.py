"""Rows from a source of blocks: the fit on arrays, without the arrays."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from sklearn_onenn import OneHiddenLayerRegressor, RowBlocks
from sklearn_onenn._data.blocks import dense
from sklearn_onenn._data.rules import DataRules
from sklearn_onenn._data.streams import StreamRows
from sklearn_onenn._data.summary import summarize
from sklearn_onenn._data.targets import TargetScale
from sklearn_onenn._search.rules import SampleRules, SearchRules
from sklearn_onenn.datasets import make_one_hidden_layer

D, K = 4, 2
SMALL = SampleRules(rows_per_weight=20, least_rows=1000)


@pytest.fixture
def small_samples(monkeypatch):
    """Samples from 1000 rows on."""
    monkeypatch.setattr(OneHiddenLayerRegressor, "_rules", SearchRules(samples=SMALL))


def planted(n, *, noise=0.1):
    X, y, _ = make_one_hidden_layer(n, D, K, activation="tanh", noise=noise, random_state=0)
    return X, y


def in_blocks(size, *arrays):
    """A source of the arrays' rows, so many to a block."""
    n = arrays[0].shape[0]
    return RowBlocks(lambda: (tuple(a[i : i + size] for a in arrays) for i in range(0, n, size)))


def regressor(*, activation="tanh", **parameters):
    return OneHiddenLayerRegressor(K, activation=activation, random_state=0, **parameters)


# The first pass


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(("offset", "unit"), [(0, 1), (1e8, 1), (-3, 1e-150), (7, 1e150)])
def test_summary_has_the_scale_of_the_targets(center, offset, unit):
    rng = np.random.RandomState(0)
    y = (offset + rng.standard_normal((100, 2))) * unit
    weight = rng.uniform(size=100)
    blocks = [(np.zeros((10, 3)), y[i : i + 10], weight[i : i + 10]) for i in range(0, 100, 10)]
    summary = summarize(blocks, center=center)
    targets = TargetScale.of(y, weight, center=center)
    assert_allclose(summary.target_scale.mean, targets.mean, rtol=1e-12)
    assert_allclose(summary.target_scale.scale, targets.scale, rtol=1e-6)
    assert (summary.block_rows, summary.n_features, summary.n_outputs) == ((10,) * 10, 3, 2)
    assert summary.target_scale.weight_factor == pytest.approx(100 / weight.sum())
    assert summary.weight_sum == pytest.approx(100)


def test_summary_of_constant_targets():
    blocks = [(np.zeros((2, 1)), np.full((2, 1), 0.1), None)] * 3
    summary = summarize(blocks, center=True)
    assert_allclose([summary.target_scale.mean[0], summary.target_scale.scale[0]], [0.1, 1.0])


# Sums


def gram(block):
    return block.X.T @ (block.X if block.weight is None else block.X * block.weight), block.y.sum(0)


def test_sums_and_samples_are_those_of_the_rows():
    X, y = planted(100)
    weight = 1 + np.random.RandomState(0).uniform(size=100)
    source = in_blocks(30, X, y[:, None], weight)
    summary = summarize(source, center=True)
    rows = StreamRows(source, summary)
    square, total = rows.sum(gram)
    assert_allclose(square, (X * weight[:, None]).T @ X, rtol=1e-12)
    assert_allclose(
        total, ((y - summary.target_scale.mean) / summary.target_scale.scale).sum(), atol=1e-10
    )
    everything = rows.in_memory()
    assert_array_equal(everything.X, X)
    assert_array_equal(everything.weight[:, 0], weight)
    (sample,) = rows.samples([20], np.random.RandomState(0))
    number = [np.flatnonzero((X == row).all(axis=1))[0] for row in sample.X]
    assert (np.diff(number) > 0).all()
    assert_allclose(sample.y[:, 0], (y[number] - summary.target_scale.mean) / summary.target_scale.scale)
    assert rows.subsample(20) is sample
    assert rows.rows_read == 3 * 100


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("weights", [False, True])
def test_samples_in_parts_are_those_of_the_rows(sparse, weights):
    """Sixty blocks of five rows: most have none in the sample of 16."""
    X, y = planted(300)
    weight = np.random.RandomState(0).uniform(size=300)
    arrays = (csr_array(X) if sparse else X, y[:, None], *([weight] if weights else []))
    source = in_blocks(5, *arrays)
    rows = StreamRows(source, summarize(source, center=True))
    samples = rows.samples([16, 64], np.random.RandomState(0))
    expected = rows.in_memory().samples([16, 64], np.random.RandomState(0))
    assert [sample.n_rows for sample in samples] == [16, 64]
    for sample, known in zip(samples, expected, strict=True):
        assert sample.weight_sum == pytest.approx(known.weight_sum)
        for one, other in zip(sample.sum(dense_gram), known.sum(dense_gram), strict=True):
            assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    assert_array_equal(samples[0].y, expected[0].y)


@pytest.mark.parametrize("sample_first", [False, True])
def test_a_subsample_may_be_the_first_thing_asked_for(sample_first):
    """It is of the rows in memory; if there are none, all are taken there, once."""
    X, y = planted(100)
    source = in_blocks(30, X, y[:, None])
    rows = StreamRows(source, summarize(source, center=True))
    if sample_first:
        rows.samples([50], np.random.RandomState(0))
    few = rows.subsample(20)
    assert few.n_rows == (25 if sample_first else 20)
    assert {tuple(row) for row in few.X} <= {tuple(row) for row in X}
    assert_array_equal(rows.subsample(20).X, few.X)
    assert rows.rows_read == 100
    if not sample_first:
        assert_array_equal(few.X, X[::5])
        assert_array_equal(few.y, rows.in_memory().y[::5])


def dense_gram(block):
    return gram(replace(block, X=dense(block.X)))


# Fits


@pytest.mark.parametrize("n", [500, 20_000])
@pytest.mark.parametrize("center", [True, False])
def test_the_fit_on_arrays(n, center, small_samples, monkeypatch):
    """Few rows are taken into memory; many are polished block by block, added in another order."""
    rules = replace(OneHiddenLayerRegressor._rules, data=DataRules(merged_rows=0))
    monkeypatch.setattr(OneHiddenLayerRegressor, "_rules", rules)
    X, y = planted(n)
    weight = np.random.RandomState(0).uniform(0.5, 1.5, n)
    arrays = regressor(fit_intercept=center, tol=1e-12).fit(X, y, weight)
    blocks = regressor(fit_intercept=center, tol=1e-12).fit(in_blocks(3000, X, y, weight))
    assert_allclose(blocks.coefs_[0], arrays.coefs_[0], rtol=1e-5, atol=1e-5)
    assert_allclose(blocks.intercepts_[1], arrays.intercepts_[1], atol=1e-5)
    assert blocks.loss_ == pytest.approx(arrays.loss_, rel=1e-8)
    assert blocks.n_features_in_ == D


def test_a_fit_is_a_small_number_of_passes(small_samples):
    """Counted at the source as well."""
    X, y = planted(40_000)
    calls = []

    def factory():
        calls.append(0)
        return ((X[i : i + 9000], y[i : i + 9000]) for i in range(0, len(X), 9000))

    model = regressor().fit(RowBlocks(factory))
    # Passes over samples are counted by their share of the rows; the first is not counted.
    assert len(calls) - 1 <= model.n_passes_ <= len(calls) + 12
    assert len(calls) < 25


def test_memory_does_not_grow_with_the_rows(monkeypatch):
    """Rows are made as they are read, 3.2 MB to a block; samples may take three more of those."""
    rules = SearchRules(samples=replace(SMALL, sample_bytes=10**7))
    monkeypatch.setattr(OneHiddenLayerRegressor, "_rules", rules)
    teacher = make_one_hidden_layer(2, 20, K, activation="tanh", random_state=0)[2]

    def peak(n_blocks):
        def factory():
            for index in range(n_blocks):
                X = np.random.default_rng(index).standard_normal((20_000, 20))
                yield X, teacher.predict(X)

        tracemalloc.start()
        model = regressor().fit(RowBlocks(factory))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert model.loss_ < 1e-20
        return size

    small, large = peak(20), peak(60)
    assert large < 8 * 20_000 * 20 * 8 < 60 * 20_000 * 20 * 8 / 7
    assert large < 1.1 * small


def test_blocks_may_be_sparse_float32_pandas_or_of_several_outputs(small_samples):
    pandas = pytest.importorskip("pandas")
    X, y = planted(12_000, noise=0.0)
    X[np.abs(X) < 0.3] = 0.0
    teacher = make_one_hidden_layer(2, D, K, activation="tanh", random_state=0)[2]
    y = teacher.predict(X)
    sparse = regressor().fit(in_blocks(5000, csr_array(X), y))
    assert sparse.loss_ < 1e-20
    single = regressor().fit(in_blocks(5000, X.astype(np.float32), y))
    assert single.coefs_[0].dtype == np.float32
    several = regressor().fit(in_blocks(5000, X, np.column_stack([y, 2 - y])))
    assert several.coefs_[1].shape == (K, 2)
    named = pandas.DataFrame(X, columns=list("abcd"))
    frames = RowBlocks(lambda: ((named[i : i + 5000], y[i : i + 5000]) for i in range(0, 12_000, 5000)))
    assert list(regressor().fit(frames).feature_names_in_) == list("abcd")


def test_only_some_blocks_have_weights(small_samples):
    X, y = planted(6000)
    ones = np.ones(3000)
    source = RowBlocks(lambda: [(X[:3000], y[:3000]), (X[3000:], y[3000:], ones)])
    plain = regressor().fit(in_blocks(3000, X, y))
    assert_allclose(regressor().fit(source).coefs_[0], plain.coefs_[0], rtol=1e-6)


def test_predictions_of_blocks():
    X, y = planted(1000)
    model = regressor().fit(X, y)
    assert_array_equal(model.predict(in_blocks(300, X, y)), model.predict(X))


# Bad input


def test_bad_blocks_are_named(small_samples):
    X, y = planted(5000)
    nan = np.where(np.arange(250)[:, None] == 3, np.nan, X[:250])

    def source(index, block):
        blocks = [(X[i : i + 250], y[i : i + 250]) for i in range(0, 5000, 250)]
        blocks[index] = block
        return RowBlocks(lambda: blocks)

    for block, words in [
        ((nan, y[:250]), "Block 17: Input X contains NaN"),
        ((X[:250, :3], y[:250]), "Block 17: X has 3 features"),
        ((X[:0], y[:0]), "Block 17: Found array with 0 sample"),
        ((X[:250], y[:249]), "Block 17: Found input variables with inconsistent numbers"),
        ((X[:250], np.column_stack([y, y])[:250]), "Block 17: y must have 1 outputs as in block 0"),
        (
            (X[:250], y[:250], -np.ones(250)),
            "Block 17: Negative values in data passed",
        ),
        (X[:250], "Block 17 must be a tuple"),
    ]:
        model = regressor()
        with pytest.raises(ValueError, match=words):
            model.fit(source(17, block))
        assert not hasattr(model, "coefs_")
        assert not hasattr(model, "n_features_in_")


def test_a_source_that_yields_once_only():
    X, y = planted(500)
    used_up = iter([(X, y)])
    with pytest.raises(ValueError, match="a generator that is used up yields once only"):
        regressor().fit(RowBlocks(lambda: used_up))


def test_a_source_that_yields_more_at_its_second_call():
    X, y = planted(500)
    blocks = [(X, y)]

    def factory():
        blocks.append((X, y))
        return list(blocks)

    with pytest.raises(ValueError, match="the same blocks at every call, got 2 at first"):
        regressor().fit(RowBlocks(factory))


def test_other_bad_sources():
    X, y = planted(500)
    with pytest.raises(TypeError, match="factory must be a callable"):
        RowBlocks([(X, y)])
    with pytest.raises(ValueError, match=r"factory\(\) must yield at least one"):
        regressor().fit(RowBlocks(list))
    with pytest.raises(ValueError, match="y and sample_weight are in the blocks"):
        regressor().fit(in_blocks(100, X, y), y)
    with pytest.raises(ValueError, match="RowBlocks need polish=True"):
        regressor(polish=False).fit(in_blocks(100, X, y))
    with pytest.raises(ValueError, match="sample_weight must have a positive entry"):
        regressor().fit(in_blocks(100, X, y, np.zeros(500)))


def test_an_interrupted_fit_leaves_the_estimator_as_it_was(small_samples):
    X, y = planted(5000)
    model = regressor().fit(X, y)
    before = dict(vars(model))
    n_calls = []

    def factory():
        n_calls.append(0)
        if len(n_calls) == 4:
            raise KeyboardInterrupt
        return [(X, -y)]

    with pytest.raises(KeyboardInterrupt):
        model.fit(RowBlocks(factory))
    assert vars(model) == before
