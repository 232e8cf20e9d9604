"""Sums over blocks: the sum over rows, in block order, to the bit whatever runs beside it."""

import sys
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._data.blocks import (
    BLOCK_BYTES,
    MAX_BLOCK_ROWS,
    MIN_BLOCK_ROWS,
    SHARES,
    by_columns,
    transposed_product,
    weighted,
)
from sklearn_onenn._data.rows import RUN_BLOCKS, ArrayRows, block_threads
from sklearn_onenn.datasets import make_one_hidden_layer


def data(n=100, d=3, m=1, seed=0):
    """X, y and positive weights without structure."""
    rng = np.random.RandomState(seed)
    return rng.standard_normal((n, d)), rng.standard_normal((n, m)), rng.uniform(0.5, 2, n)


def gram(block):
    """X^T diag(weight) X and X^T diag(weight) y of a block."""
    wX = weighted(block.X, block.weight)
    return wX.T @ block.X, wX.T @ block.y


def blas_threads():
    return max(
        (library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"),
        default=1,
    )


def numbered(rows):
    """Index and first column of every block."""
    return rows.map(lambda block: (block.index, block.X[:, 0].tolist()))


# Blocks


@pytest.mark.parametrize("n_threads", [1, 2])
def test_results_are_added_as_they_come(small_blocks, n_threads):
    """400 results of 80 kB: those of one window, the next and the sum are there at a time."""
    n = 400 * small_blocks
    with ThreadPoolExecutor(n_threads) as executor:
        rows = ArrayRows(np.ones((n, 1)), np.zeros((n, 1)), executor=executor)
        tracemalloc.start()
        total = rows.sum(lambda block: np.ones(10_000))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert_array_equal(total, np.full(10_000, 400.0))
    assert peak < (2 * n_threads * RUN_BLOCKS + 2) * 80_000


@pytest.mark.parametrize("n", [1, 6, 7, 8, 100])
def test_blocks_partition_the_rows_in_order(small_blocks, n):
    rows = ArrayRows(np.arange(2.0 * n).reshape(n, 2), np.zeros((n, 1)), np.arange(n) + 1.0)
    blocks = rows.map(lambda block: block)
    assert [block.index for block in blocks] == list(range(rows.n_blocks))
    assert [len(block.X) for block in blocks[:-1]] == [small_blocks] * (rows.n_blocks - 1)
    assert_array_equal(np.concatenate([block.X for block in blocks]), rows.X)
    assert_array_equal(
        np.concatenate([block.weight for block in blocks]), np.arange(1.0, n + 1)[:, None]
    )


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_products_of_dense_and_sparse_rows(kind):
    X, G, _ = data(n=50, d=4, m=3)
    X[X < 0] = 0
    by_loops = np.array([[sum(x * g) for g in G.T] for x in X.T])
    assert_allclose(transposed_product(kind(X), G), by_loops, rtol=1e-12)
    assert_allclose(transposed_product(G, kind(X)), by_loops.T, rtol=1e-12)
    assert_allclose(by_columns(kind(X), by_loops), np.einsum("ij,jk", X, by_loops), rtol=1e-12)
    assert by_columns(kind(X), by_loops).flags.f_contiguous


def test_other_threads_run_beside_a_product_over_rows():
    A, begin, ran = np.ones((100_000, 5)), Event(), Event()
    other = Thread(target=lambda: begin.wait() and ran.set())
    other.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # seconds: nobody else runs unless the product lets them
    try:
        begin.set()
        for _ in range(100_000):  # on a busy machine the other thread may be long in coming
            transposed_product(A, A)
            if seen := ran.is_set():
                break
    finally:
        sys.setswitchinterval(interval)
    other.join()
    assert seen


@pytest.mark.parametrize("d", [0, 1, 10, 1000, 10**6])
def test_size_of_a_block_depends_on_shape_and_type_alone(d):
    rows = ArrayRows(np.broadcast_to(np.float32(0), (10**7, d)), np.zeros((10**7, 1)))
    most = sorted([MIN_BLOCK_ROWS, BLOCK_BYTES // (4 * max(d, 1)), MAX_BLOCK_ROWS])[1]
    assert 0.99 * most < rows.block_rows <= most
    assert rows.n_blocks % SHARES == 0 or rows.block_rows == MIN_BLOCK_ROWS
    assert (rows.n_blocks - 1) * rows.block_rows < 10**7 <= rows.n_blocks * rows.block_rows


@pytest.mark.parametrize("n", [10_485, 10_486, 30_000, 31_457, 50_000])
def test_blocks_are_equal_shares(n):
    rows = ArrayRows(np.broadcast_to(np.float32(0), (n, 50)), np.zeros((n, 1)))
    sizes = rows.map(lambda block: len(block.X))
    assert sum(sizes) == n
    assert len(sizes) == (1 if n == 10_485 else 4 if n < 40_000 else 8)
    assert max(sizes) - min(sizes) < len(sizes)


def test_blocks_are_views(tmp_path, small_blocks):
    X = np.memmap(tmp_path / "X", dtype=np.float32, mode="w+", shape=(50, 4))
    X[:] = np.arange(200).reshape(50, 4)
    X.flush()
    X = np.memmap(tmp_path / "X", dtype=np.float32, mode="r", shape=(50, 4))
    y, _, weight = data(50)
    rows = ArrayRows(X, y, weight)
    for taken in (rows, rows.take(slice(3, 40)), rows.take(slice(None, None, 2))):
        for block in taken.map(lambda block: block):
            assert np.shares_memory(block.X, X)
            assert np.shares_memory(block.y, y)
            assert not block.X.flags.writeable
    assert rows.with_targets(y).X is X


# Sums


@pytest.mark.parametrize("use_weights", [False, True])
def test_sum_is_the_sum_over_rows(small_blocks, use_weights):
    X, y, weight = data(100, m=2)
    rows = ArrayRows(X, y, weight if use_weights else None)
    W = np.diag(weight if use_weights else np.ones(100))
    A, B = rows.sum(gram)
    assert_allclose(A, X.T @ W @ X, rtol=1e-12)
    assert_allclose(B, X.T @ W @ y, rtol=1e-12, atol=1e-12)
    assert rows.weight_sum == pytest.approx(np.trace(W), rel=1e-14)


def test_sum_of_one_array_is_an_array_and_of_a_tuple_a_tuple(small_blocks):
    rows = ArrayRows(*data()[:2])
    assert isinstance(rows.sum(lambda block: block.X.sum(axis=0)), np.ndarray)
    assert isinstance(rows.sum(lambda block: (block.X.sum(axis=0),)), tuple)
    assert rows.sum(lambda block: len(block.X)) == 100


def test_weights_are_repetitions(small_blocks):
    X, y, _ = data(40)
    counts = np.random.RandomState(1).randint(0, 5, 40)
    weighted_rows = ArrayRows(X, y, counts.astype(float))
    repeated = ArrayRows(np.repeat(X, counts, axis=0), np.repeat(y, counts, axis=0))
    assert weighted_rows.weight_sum == repeated.weight_sum
    for one, other in zip(weighted_rows.sum(gram), repeated.sum(gram), strict=True):
        assert_allclose(one, other, rtol=1e-12)


def test_terms_are_added_in_the_order_of_the_blocks(small_blocks):
    """Rounding tells orders apart; the first blocks are the last to be ready."""
    rng = np.random.RandomState(0)
    terms = rng.permutation(np.outer([1, -1], rng.standard_normal(8)).ravel())  # their sum is 0
    rows = ArrayRows(*np.zeros((2, 16 * small_blocks, 1)))

    def term(block):
        time.sleep(0.001 * (16 - block.index))
        return terms[block.index]

    expected, *others = map(sum, (terms, terms[::-1], np.sort(terms)))
    by_runs = [sum(sum(run) for run in np.array_split(terms, n)) for n in (2, 3, 8)]
    assert expected not in [*others, *by_runs]
    for n_threads in (1, 2, 3, 8):
        with ThreadPoolExecutor(n_threads) as executor:
            rows.executor = executor
            assert rows.sum(term) == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_do_not_depend_on_threads(dtype):
    X, y, weight = (array.astype(dtype) for array in data(100_000, 40))
    results = []
    for n_blas in (1, 2, 3):
        with threadpool_limits(n_blas, user_api="blas"), block_threads() as executor:
            rows = ArrayRows(X, y, weight, executor=executor)
            assert rows.n_blocks > 5
            results.append(rows.sum(gram))
    for n_threads in (1, 2, 5, 50):
        with threadpool_limits(1), ThreadPoolExecutor(n_threads) as executor:
            results.append(ArrayRows(X, y, weight, executor=executor).sum(gram))
    for result in results[1:]:
        assert_array_equal(result[0], results[0][0])
        assert_array_equal(result[1], results[0][1])


def test_single_precision_blocks_are_added_in_double(small_blocks):
    rows = ArrayRows(np.zeros((700, 1), np.float32), np.zeros((700, 1), np.float32))
    total = rows.sum(lambda block: np.full(2, 2.0**24 if block.index == 0 else 1.0, np.float32))
    assert total.dtype == np.float64
    assert_array_equal(total, 2.0**24 + 99)  # float32 would stay at 2^24


def test_sum_leaves_the_results_of_blocks_alone(small_blocks):
    results = {}
    rows = ArrayRows(*data()[:2])
    total = rows.sum(lambda block: results.setdefault(block.index, block.X.sum(axis=0)))
    assert_allclose(results[0], rows.X[:7].sum(axis=0), rtol=1e-14)
    assert not np.shares_memory(total, results[0])


# Rows taken


@pytest.mark.parametrize("taken", [slice(2, 30, 3), np.array([5, 3, 3, 17, 4])], ids=["slice", "array"])
def test_take_and_with_targets_keep_rows_together(small_blocks, taken):
    X, y, weight = data(40)
    rows = ArrayRows(X, y, weight)
    part = rows.take(taken)
    assert_array_equal(part.X, X[taken])
    assert_array_equal(part.y, y[taken])
    assert_array_equal(part.weight, weight[taken][:, None])
    assert part.weight_sum == pytest.approx(weight[taken].sum(), rel=1e-14)
    other = rows.with_targets(2 * y)
    assert other.X is X
    assert_allclose(other.sum(gram)[1], 2 * rows.sum(gram)[1], rtol=1e-14)
    assert ArrayRows(X, y).take(taken).weight is None


def test_with_rows_keeps_the_weights_and_counts_for_itself():
    X, y, weight = data(40)
    rows = ArrayRows(X, y, weight)
    projected = rows.with_rows(X[:, :2], 2 * y)
    assert_allclose(projected.sum(gram)[0], rows.sum(gram)[0][:2, :2], rtol=1e-14)
    assert_allclose(projected.sum(gram)[1], 2 * rows.sum(gram)[1][:2], rtol=1e-14)
    assert (rows.rows_read, projected.rows_read) == (80, 80)


def test_rows_read_are_counted_over_all_that_were_taken():
    X, y, weight = data(40)
    rows = ArrayRows(X, y, weight)
    rows.sum(gram)
    part = rows.take(slice(10))
    part.sum(gram)
    rows.with_targets(-y).sum(gram)
    assert rows.rows_read == part.rows_read == 40 + 10 + 40
    own = rows.with_own_counter()
    own.sum(gram)
    assert (rows.rows_read, own.rows_read) == (90, 40)
    assert_array_equal(own.weight, rows.weight)


# Threads


@pytest.mark.parametrize("n_blas", [1, 2])
def test_one_blas_thread_inside_and_as_many_workers(n_blas):
    with threadpool_limits(n_blas, user_api="blas"):
        if blas_threads() != n_blas:
            pytest.skip("BLAS does not take this number of threads")
        with block_threads() as executor:
            assert blas_threads() == 1
            assert (executor is None) == (n_blas == 1)
            assert executor is None or executor._max_workers == n_blas
        assert blas_threads() == n_blas
        with pytest.raises(ZeroDivisionError), block_threads():
            1 / 0  # noqa: B018
        assert blas_threads() == n_blas


@pytest.fixture(autouse=True)
def error_state():
    """That of NumPy, which belongs to a thread: here one thread stands for several."""
    with np.errstate():
        yield


def test_fits_side_by_side_share_the_limit():
    """It holds until the last of them leaves, in whatever order, and they have as many workers."""
    with threadpool_limits(2, user_api="blas"):
        if blas_threads() != 2:
            pytest.skip("BLAS does not take this number of threads")
        first, second = block_threads(), block_threads()
        executors = [entered.__enter__() for entered in (first, second)]
        assert [executor._max_workers for executor in executors] == [2, 2]
        first.__exit__(None, None, None)
        assert blas_threads() == 1
        second.__exit__(None, None, None)
        assert blas_threads() == 2


@pytest.fixture
def two_blas_threads():
    """BLAS at two threads while a test runs, set from the main thread as a user would."""
    with threadpool_limits(2, user_api="blas"):
        if blas_threads() != 2:
            pytest.skip("BLAS does not take this number of threads")
        yield


def in_a_thread(function):
    """What a function returns in a thread of its own."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function).result()


def limits_and_sums():
    """BLAS threads inside a block, sums over rows whose products BLAS would share out, and after."""
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((3000, 300)), rng.standard_normal((3000, 1))
    with block_threads() as executor:
        inside = blas_threads()
        sums = ArrayRows(X, y, executor=executor).sum(gram)
    return inside, sums, blas_threads()


@pytest.mark.parametrize("main_is_first", [True, False])
def test_a_second_thread_has_one_blas_thread_and_the_same_bits(two_blas_threads, main_is_first):
    """Whether the main thread has set a limit as a user alone, or for a block as well."""
    threads = [lambda call: call(), in_a_thread]
    found = [run(limits_and_sums) for run in (threads if main_is_first else threads[::-1])]
    assert [(inside, after) for inside, _, after in found] == [(1, 2), (1, 2)]
    for one, other in zip(found[0][1], found[1][1], strict=True):
        assert_array_equal(one, other)


def test_after_a_block_any_thread_may_set_limits(two_blas_threads):
    def limited():
        with threadpool_limits(1, user_api="blas"):
            return blas_threads()

    with block_threads():
        pass
    assert in_a_thread(limited) == 1
    assert blas_threads() == 2


def fit_of(seed):
    """Weights and losses of a fit whose products BLAS would share out."""
    X, y, _ = make_one_hidden_layer(600, 40, 8, noise=0.1, random_state=seed)
    model = OneHiddenLayerRegressor(8, activation="relu", max_iter=3, n_init=1, random_state=0)
    model.fit(X, y)
    return [*model.coefs_, *model.intercepts_, np.array(model.loss_curve_)]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("limit", [None, 2])
def test_eight_fits_at_once_have_the_bits_of_one_after_another(limit):
    """Whether a user holds a limit in the main thread or not; and BLAS has its threads again."""
    with threadpool_limits(limit, user_api="blas"):
        before = blas_threads()
        expected = [fit_of(seed) for seed in range(8)]
        with ThreadPoolExecutor(8) as executor:
            found = list(executor.map(fit_of, range(8)))
        assert blas_threads() == before
    for one, other in zip(expected, found, strict=True):
        for array, same in zip(one, other, strict=True):
            assert_array_equal(array, same)


def test_the_limit_is_lifted_by_whoever_leaves_last(two_blas_threads):
    """Of two users, each in the main thread or in another one, which stays alive, the second is last."""
    with ThreadPoolExecutor(1) as other:
        run = {"main": lambda call: call(), "other": lambda call: other.submit(call).result()}
        for first in run:
            for last in run:
                one, two = block_threads(), block_threads()
                run[first](one.__enter__)
                assert blas_threads() == other.submit(blas_threads).result() == 1
                run[last](two.__enter__)
                run[first](lambda one=one: one.__exit__(None, None, None))
                assert blas_threads() == 1
                run[last](lambda two=two: two.__exit__(None, None, None))
                assert blas_threads() == other.submit(blas_threads).result() == 2


def test_an_error_in_a_block_is_raised(small_blocks):
    rows = ArrayRows(*data()[:2])

    def fails(block):
        if block.index == 3:
            raise FloatingPointError("block 3")
        return block.X.sum()

    with pytest.raises(FloatingPointError, match="block 3"):
        rows.sum(fails)
    with ThreadPoolExecutor(2) as rows.executor, pytest.raises(FloatingPointError, match="block 3"):
        rows.sum(fails)
