"""Fits on a Dask cluster: those of the plain estimator on the same blocks, to the bit, come what may."""

import os
import pickle
import signal
import sys
import threading
import time
import warnings
from contextvars import Context
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_onenn import OneHiddenLayerRegressor, RowBlocks
from sklearn_onenn._search.rules import SampleRules, SearchRules
from sklearn_onenn.activations import ReLU
from sklearn_onenn.dask import DaskOneHiddenLayerRegressor
from sklearn_onenn.dask import arrays as arrays_module
from sklearn_onenn.dask import workers as workers_module
from sklearn_onenn.dask.rows import ClusterRows
from sklearn_onenn.dask.workers import MAX_LOSSES, ClusterBlocks
from sklearn_onenn.datasets import make_one_hidden_layer

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")
pd = pytest.importorskip("pandas")

# One process for all, so that every cluster is started once.
pytestmark = pytest.mark.xdist_group("dask")

N_BLOCKS, SIZE = 20, 150
CHUNKS = (SIZE,) * N_BLOCKS
PARAMETERS = {"k": 2, "activation": "relu", "random_state": 0}


def samples_from(least_rows, **numbers):
    """Rules by which the search takes a sample of so many rows at least."""
    return SearchRules(samples=SampleRules(least_rows=least_rows, **numbers))


@pytest.fixture(autouse=True)
def small_samples(monkeypatch):
    """A search on 704 rows, so that the last steps of a fit on 3000 take sums on the workers."""
    monkeypatch.setattr(OneHiddenLayerRegressor, "_rules", samples_from(500))


def started(n_workers, n_threads=1):
    cluster = distributed.LocalCluster(
        n_workers=n_workers, threads_per_worker=n_threads, processes=True, dashboard_address=":0"
    )
    try:
        with distributed.Client(cluster) as client:
            yield client
    finally:
        closed(cluster)


def closed(cluster):
    """Close a cluster, in a minute at most.

    On a busy machine one may wait for ever for a worker that died while it started, as Dask's own tests
    found (github.com/dask/distributed/pull/9317). Then its processes are killed.
    """
    try:
        cluster.close(timeout=60)
    except TimeoutError:
        for nanny in cluster.workers.values():
            if nanny.pid is not None:
                os.kill(nanny.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def client():
    """Two worker processes."""
    yield from started(2)


def data(n_outputs=1, dtype=np.float64):
    """Noisy rows and weights."""
    X, y, _ = make_one_hidden_layer(N_BLOCKS * SIZE, 3, 2, noise=0.5, random_state=0)
    weight = np.random.RandomState(1).uniform(0.5, 2, len(X))
    y = y if n_outputs == 1 else np.column_stack([y, X[:, 0]])
    return X.astype(dtype), y.astype(dtype), weight


def arrays(X, y, weight=None):
    """The same as Dask arrays."""
    rest = [da.from_array(a, chunks=(CHUNKS, *a.shape[1:])) for a in (y, weight) if a is not None]
    return da.from_array(X, chunks=(CHUNKS, X.shape[1])), *rest


def source(*data):
    """The same as RowBlocks."""
    return RowBlocks(lambda: zip(*(np.array_split(a, N_BLOCKS) for a in data), strict=True))


def weights(model):
    """All weights and the loss."""
    return [*model.coefs_, *model.intercepts_, model.loss_, model.n_passes_]


def assert_same_fit(one, other):
    for a, b in zip(weights(one), weights(other), strict=True):
        assert_array_equal(a, b)


@pytest.fixture(scope="module")
def plain():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OneHiddenLayerRegressor, "_rules", samples_from(500))
        return OneHiddenLayerRegressor(**PARAMETERS).fit(source(*data()[:2]))


def fitted(client, **parameters):
    return DaskOneHiddenLayerRegressor(**PARAMETERS | parameters, client=client).fit(
        *arrays(*data()[:2])
    )


# The same bits


def test_two_workers_fit_as_one_machine(client, plain):
    model = fitted(client)
    assert model.n_passes_ > 20  # sums over all rows were taken, on the workers
    assert_same_fit(model, plain)


@pytest.mark.parametrize(("n_workers", "n_threads"), [(1, 1), (3, 1), (2, 2)])
def test_bits_do_not_depend_on_the_number_of_workers(n_workers, n_threads, plain):
    for client in started(n_workers, n_threads):
        assert_same_fit(fitted(client), plain)


def test_samples_stay_on_the_workers(client, monkeypatch):
    """Search on 100 rows, steps on 800 that no message brings here, then on all 3000."""
    rules = samples_from(100, rows_per_weight=8)
    monkeypatch.setattr(OneHiddenLayerRegressor, "_rules", rules)
    X, y, weight = data()
    plain = OneHiddenLayerRegressor(**PARAMETERS).fit(source(X, y, weight))
    n_taken, taken = [], ClusterRows._take

    def counted(rows, inside):
        parts = taken(rows, inside)
        n_taken.append(sum(part.n_rows for part in parts))
        return parts

    monkeypatch.setattr(ClusterRows, "_take", counted)
    model = DaskOneHiddenLayerRegressor(**PARAMETERS, client=client).fit(*arrays(X, y, weight))
    assert n_taken == [100]
    assert [name for name, _ in model.stages_].count("larger sample") == 2
    assert_same_fit(model, plain)


def test_the_client_need_not_be_the_one_made_last(client):
    with (
        distributed.LocalCluster(n_workers=1, dashboard_address=":0") as other,
        distributed.Client(other) as newest,
    ):
        assert distributed.default_client() is newest
        with ClusterBlocks(client, *arrays(*data()[:2])) as blocks:
            assert {actor.client for actor in blocks.actors} == {client}


@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
def test_frames_whose_client_is_not_the_one_made_last(client, plain, tmp_path):
    """Nothing is asked of the other, which knows none of the blocks."""
    pytest.importorskip("pyarrow", exc_type=ImportError)  # it may want another NumPy
    X, y, _ = data()
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=y)
    dd.from_pandas(frame, npartitions=N_BLOCKS).to_parquet(tmp_path)
    frame = dd.read_parquet(tmp_path)
    with (
        distributed.LocalCluster(n_workers=1, dashboard_address=":0") as other,
        distributed.Client(other) as newest,
    ):
        assert distributed.default_client() is newest
        model = DaskOneHiddenLayerRegressor(**PARAMETERS, client=client)
        model.fit(frame[["a", "b", "c"]], frame["y"])
        assert_same_fit(model, plain)
        assert model.score(frame[["a", "b", "c"]], frame["y"]) == plain.score(X, y)


def test_no_client_need_be_the_default(client, plain, monkeypatch):
    X, y, _ = data()
    frame = dd.from_pandas(pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=y), npartitions=N_BLOCKS)
    columns = frame[["a", "b", "c"]]

    def without_default():
        with pytest.raises(ValueError, match="No clients found"):
            distributed.default_client()
        model = DaskOneHiddenLayerRegressor(**PARAMETERS, client=client).fit(columns, frame["y"])
        return model, model.score(columns, frame["y"]), fitted(client)

    monkeypatch.setattr(distributed.client, "_global_clients", {})  # as of set_as_default=False
    model, score, of_arrays = Context().run(without_default)  # a context in which none is current
    assert score == plain.score(X, y)
    assert_same_fit(model, plain)
    assert_same_fit(of_arrays, plain)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_and_outputs(client, dtype):
    X, y, weight = data(2, dtype)
    model = DaskOneHiddenLayerRegressor(**PARAMETERS, client=client).fit(*arrays(X, y, weight))
    assert_same_fit(model, OneHiddenLayerRegressor(**PARAMETERS).fit(source(X, y, weight)))
    assert model.predict(X).dtype == dtype


def test_few_rows_are_fitted_in_memory(client, monkeypatch):
    monkeypatch.setattr(OneHiddenLayerRegressor, "_rules", samples_from(N_BLOCKS * SIZE))
    plain = OneHiddenLayerRegressor(**PARAMETERS).fit(source(*data()[:2]))
    assert_same_fit(fitted(client), plain)


def test_held_out_rows(client):
    X, y, _ = data()
    held_out = {"X_val": X[:500], "y_val": y[:500]}
    model = DaskOneHiddenLayerRegressor(**PARAMETERS, client=client)
    model.fit(*arrays(X, y), **held_out)
    assert_same_fit(model, OneHiddenLayerRegressor(**PARAMETERS).fit(source(X, y), **held_out))
    assert model.validation_loss_ > 0


def test_integer_rows_in_fortran_order_and_columns_in_several_blocks(client):
    X = np.asfortranarray(np.round(10 * data()[0]).astype(int))
    y = data()[1]
    dX = da.from_array(X, chunks=(CHUNKS, (2, 1)))
    model = DaskOneHiddenLayerRegressor(**PARAMETERS, client=client)
    model.fit(dX, da.from_array(y, chunks=(CHUNKS,)))
    assert_same_fit(model, OneHiddenLayerRegressor(**PARAMETERS).fit(source(X, y)))
    assert_array_equal(model.predict(dX).compute(), model.predict(X))


def test_sparse_blocks(client):
    from scipy.sparse import csr_array

    X, y, _ = data()
    X = np.where(X > 0.5, X, 0)
    sparse = arrays(X, y)[0].map_blocks(csr_array)
    model = DaskOneHiddenLayerRegressor(**PARAMETERS, client=client).fit(sparse, arrays(X, y)[1])
    parts = [(csr_array(A), b) for A, b in source(X, y).factory()]
    assert_same_fit(model, OneHiddenLayerRegressor(**PARAMETERS).fit(RowBlocks(lambda: parts)))


def test_sums_are_in_block_order_and_on_the_workers(client):
    X, y, _ = data()
    with ClusterBlocks(client, *arrays(X, y)) as blocks:
        first = blocks.map(lambda block, number: (number, block[0][0, 0], os.getpid()), range(N_BLOCKS))
    assert [number for number, *_ in first] == list(range(N_BLOCKS))
    assert_array_equal([entry for _, entry, _ in first], X[::SIZE, 0])
    assert len({pid for *_, pid in first} - {os.getpid()}) == 2


def test_messages_are_small(client, monkeypatch):
    """No function takes the rows along, nor the sample: all know the network alone."""
    import cloudpickle

    sizes, results = [], ClusterBlocks.map

    def measured(blocks, function, *arguments, **options):
        sizes.append(len(cloudpickle.dumps(function)))
        return results(blocks, function, *arguments, **options)

    monkeypatch.setattr(ClusterBlocks, "map", measured)
    fitted(client)
    assert len(sizes) > 8
    assert max(sizes) < 6000 < data()[0][: OneHiddenLayerRegressor._rules.samples.least_rows].nbytes


# Workers that die, fits that are interrupted


class OnWorkers(ReLU):
    """ReLU units that do something when a worker takes their sums over all rows."""

    def __init__(self, mark):
        self.mark, self.client_process = mark, os.getpid()

    def value_and_derivative(self, z):
        if os.getpid() != self.client_process:
            self.act()
        return super().value_and_derivative(z)


class Deadly(OnWorkers):
    """The worker dies, the first time."""

    def act(self):
        if not self.mark.exists():
            self.mark.touch()
            os._exit(1)


class AlwaysDeadly(OnWorkers):
    """All workers die, every time, once a file in a folder has the number of their process."""

    def act(self):
        assert comes_true((self.mark / str(os.getpid())).exists)
        os._exit(1)


class Held(OnWorkers):
    """The worker marks every block, and does not go on before it is told to."""

    def act(self):
        with self.mark.open("a") as file:
            file.write(".")
        assert comes_true((self.mark.parent / "go on").exists)


class Broken(OnWorkers):
    """The sum fails."""

    def act(self):
        raise FloatingPointError("as planned")


def comes_true(condition):
    """Whether a condition holds at last: at once mostly, but a busy machine may take minutes."""
    end = time.monotonic() + 300
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def idle(client):
    """Whether no worker has anything to do, or keeps anything, in the end."""
    return comes_true(
        lambda: not any(client.processing().values()) and not any(client.has_what().values())
    )


def test_a_worker_that_dies_changes_no_bit(client, plain, tmp_path):
    mark = tmp_path / "dead"
    model = fitted(client, activation=Deadly(mark))
    assert mark.exists()
    assert_same_fit(model, plain)


def test_workers_that_die_every_time_end_the_fit(tmp_path):
    """On a cluster of its own: others need not wait until all workers are back.

    Dask does not always replace a worker that dies before it is known to have started, which takes long
    on a busy machine: until then workers are kept alive.
    """

    async def running(cluster):
        processes = [nanny.process for nanny in cluster.workers.values()]
        return [p.pid for p in processes if p and p.status == distributed.Status.running]

    def let_die(cluster, over):
        while not over.wait(0.05):
            for pid in cluster.sync(running, cluster):
                (tmp_path / str(pid)).touch()

    for client in started(2):
        over = threading.Event()
        thread = threading.Thread(target=let_die, args=(client.cluster, over))
        thread.start()
        try:
            with pytest.raises(RuntimeError, match=f"died {MAX_LOSSES + 1} times.*more memory"):
                fitted(client, activation=AlwaysDeadly(tmp_path))
        finally:
            over.set()
            thread.join()
        assert idle(client)


def test_an_interrupted_fit_changes_nothing_and_leaves_nothing(client, monkeypatch, tmp_path):
    """The blocks that workers are at are held until the interrupt has been seen here."""
    monkeypatch.setattr(workers_module, "PATIENCE", 300.0)
    model = fitted(client)
    mark = tmp_path / "blocks"
    model.set_params(activation=Held(mark))
    before = dict(vars(model))

    def interrupt():
        if comes_true(mark.exists):
            # To the thread that waits, as from a keyboard; another one's would let it wait on.
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    # A process in the background may have been told to ignore it.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            model.fit(*arrays(*data()[:2]))
        thread.join()
    finally:
        signal.signal(signal.SIGINT, usual)
        (tmp_path / "go on").touch()
    assert vars(model) == before
    assert idle(client)
    # A worker does one thing after another: after this fit nothing of the other is left.
    fitted(client)
    assert 1 <= mark.stat().st_size <= 2  # one block of each worker at most


def test_a_fit_interrupted_while_blocks_are_made_leaves_nothing(client, monkeypatch):
    def interrupted(futures, timeout):
        raise KeyboardInterrupt

    monkeypatch.setattr(distributed, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt) as raised:
        fitted(client)
    assert idle(client)  # though the traceback is there, and all that it refers to
    assert raised.tb is not None


def test_an_error_on_a_worker_is_raised_here(client, tmp_path):
    model = DaskOneHiddenLayerRegressor(**PARAMETERS | {"activation": Broken(tmp_path)}, client=client)
    with pytest.raises(FloatingPointError, match="as planned") as raised:
        model.fit(*arrays(*data()[:2]))
    assert not hasattr(model, "n_features_in_")
    assert idle(client)  # though the traceback is there, and all that it refers to
    assert raised.tb is not None


def test_blocks_of_the_caller_stay(client):
    X, y = client.persist(arrays(*data()[:2]))
    DaskOneHiddenLayerRegressor(**PARAMETERS, client=client).fit(X, y)
    assert all(client.who_has([*distributed.futures_of(X), *distributed.futures_of(y)]).values())
    del X, y
    assert idle(client)


# Predictions, the fitted network elsewhere


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_predictions_are_lazy_and_those_of_the_plain_estimator(client, n_outputs):
    X, y, _ = data(n_outputs)
    model = DaskOneHiddenLayerRegressor(**PARAMETERS, client=client).fit(*arrays(X, y))
    dX, dy = arrays(X, y)
    predicted = model.predict(dX)
    assert isinstance(predicted, da.Array)
    assert predicted.shape == y.shape
    assert predicted.chunks == dy.chunks
    local = model.to_local()
    assert type(local) is OneHiddenLayerRegressor
    assert_array_equal(predicted.compute(), local.predict(X))
    assert_array_equal(model.predict(X), local.predict(X))
    assert model.score(dX, dy) == local.score(X, y)
    assert local.get_params() == {**PARAMETERS, **local.get_params()}
    with pytest.raises(ValueError, match="expecting 3 features"):
        model.predict(dX[:, :2])


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_scores_of_frames_are_those_of_the_plain_estimator(client, n_outputs):
    """Of unknown lengths, with targets in other blocks, and beside what is in memory."""
    X, y, weight = data(n_outputs)
    frame, outputs = pd.DataFrame(X, columns=["a", "b", "c"]), pd.DataFrame(y)
    outputs = outputs[0] if n_outputs == 1 else outputs
    lazy = [dd.from_pandas(part, npartitions=n) for part, n in ((frame, 5), (outputs, 3))]
    model = DaskOneHiddenLayerRegressor(**PARAMETERS, client=client)
    model.fit(lazy[0], dd.from_pandas(outputs, npartitions=5))
    local = model.to_local()
    expected, weighted = local.score(frame, y), local.score(frame, y, weight)
    assert weighted != expected
    client.run(warnings.simplefilter, "error")  # on the workers, which predict
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert model.score(*lazy) == pytest.approx(expected, rel=1e-12)
            assert model.score(lazy[0], y) == pytest.approx(expected, rel=1e-12)
            assert model.score(frame, lazy[1]) == pytest.approx(expected, rel=1e-12)
            lazy_weight = arrays(X, y, weight)[2]
            assert model.score(*lazy, lazy_weight) == pytest.approx(weighted, rel=1e-12)
    finally:
        client.run(warnings.resetwarnings)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.score(lazy[0], y[:-1])
    with pytest.raises(ValueError, match="y must be given"):
        model.score(lazy[0])


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_intervals_are_lazy_and_those_of_the_plain_estimator(client, n_outputs):
    X, y, _ = data(n_outputs)
    y = y + 0.1 * np.random.default_rng(0).standard_normal(y.shape)
    model = DaskOneHiddenLayerRegressor(**PARAMETERS, keep_covariance=True, client=client)
    model.fit(*arrays(X, y))
    dX, local = arrays(X, y)[0], model.to_local()
    of_blocks = OneHiddenLayerRegressor(**PARAMETERS, keep_covariance=True).fit(source(X, y))
    assert_array_equal(of_blocks.covariance_factor_, model.covariance_factor_)
    assert_array_equal(of_blocks.predict_interval(X), model.predict_interval(X))
    lower, upper = model.predict_interval(dX, 0.8)
    assert isinstance(lower, da.Array)
    # Some kernels round the last rows of a block otherwise than those within.
    close = partial(assert_allclose, rtol=1e-6, atol=1e-6)
    close(np.array([lower, upper]), np.array(local.predict_interval(X, 0.8)))
    quantiles = model.predict_quantiles(dX, [0.1, 0.5, 0.7])
    assert quantiles.shape == (*y.shape, 3)
    close(quantiles.compute(), local.predict_quantiles(X, [0.1, 0.5, 0.7]))
    value, std = model.predict(dX, return_std=True)
    close(std.compute(), local.predict(X, return_std=True)[1])
    close(value.compute(), local.predict(X))
    close(model.predict_distribution(dX).std(), local.predict_distribution(X).std())
    with pytest.warns(UserWarning, match="ends beyond are infinite"):
        assert np.isinf(model.predict_quantiles(dX, [0.99999]).compute()).all()


def test_names_of_columns_are_compared_once(client):
    X, y, _ = data()
    frame = dd.from_pandas(pd.DataFrame(X, columns=list("abc")), npartitions=3)
    targets = dd.from_pandas(pd.Series(y), npartitions=3)
    model = DaskOneHiddenLayerRegressor(**PARAMETERS, client=client).fit(frame, targets)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_array_equal(model.predict(frame).compute(), model.to_local().predict(frame.compute()))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename(columns={"a": "z"}))


def test_gross_errors_want_rows_in_memory(client):
    model = DaskOneHiddenLayerRegressor(**PARAMETERS, loss="student_t", client=client)
    with pytest.raises(ValueError, match="need loss=\"squared_error\", got 'student_t'"):
        model.fit(*arrays(*data()[:2]))


def test_certificates_are_those_of_the_plain_estimator(client, plain):
    model, (X, y, _) = fitted(client), data()
    certificate = model.certificate(X, y)
    assert certificate.trained_here
    assert certificate == model.to_local().certificate(X, y) == plain.certificate(X, y)
    with pytest.raises(TypeError, match=r"certificate needs X in memory.*pass X.compute\(\)"):
        model.certificate(*arrays(X, y))


def test_dataframes(client, plain):
    import pandas as pd

    X, y, _ = data()
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=y)
    frame = dd.from_pandas(frame, npartitions=N_BLOCKS)
    assert tuple(frame.map_partitions(len).compute()) == CHUNKS
    columns = frame[["a", "b", "c"]]
    model = DaskOneHiddenLayerRegressor(**PARAMETERS, client=client).fit(columns, frame["y"])
    assert_same_fit(model, plain)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    assert list(model.to_local().feature_names_in_) == ["a", "b", "c"]
    assert_array_equal(model.predict(columns).compute(), plain.predict(X))
    some = columns[columns["a"] > columns["a"].quantile(0.9995).compute()]
    assert 0 in some.map_partitions(len).compute().values  # blocks without rows are no error here
    assert_array_equal(model.predict(some).compute(), model.to_local().predict(some.compute()))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["c", "b", "a"]])


@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
def test_files_of_which_x_and_y_are_columns(client, plain, tmp_path):
    """Dask 2026.8.0 reads files of few columns as fewer blocks, others for X than for y."""
    import pandas as pd

    pytest.importorskip("pyarrow", exc_type=ImportError)  # it may want another NumPy
    X, y, _ = data()
    names = list("abcdefghijkl")
    frame = pd.DataFrame(np.tile(X, 4), columns=names).assign(y=y)
    dd.from_pandas(frame, npartitions=N_BLOCKS).to_parquet(tmp_path)
    frame = dd.read_parquet(tmp_path)
    model = DaskOneHiddenLayerRegressor(**PARAMETERS, client=client).fit(frame[names[:3]], frame["y"])
    assert_same_fit(model, plain)


def test_blocks_of_unknown_lengths_are_counted(client):
    X, y, _ = data()
    dX, dy = arrays(X, y)
    model = DaskOneHiddenLayerRegressor(**PARAMETERS, client=client).fit(dX[dy > 0], dy[dy > 0])
    parts = [(A[b > 0], b[b > 0]) for A, b in source(X, y).factory()]
    assert_same_fit(model, OneHiddenLayerRegressor(**PARAMETERS).fit(RowBlocks(lambda: parts)))


@pytest.mark.parametrize("lengths_known", [True, False])
def test_a_cluster_without_workers_is_waited_for_and_named(monkeypatch, lengths_known):
    monkeypatch.setattr(arrays_module, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(arrays_module, "NO_WORKERS", 0.2)
    X, y = arrays(*data()[:2])
    X, y = (X, y) if lengths_known else (X[y > 0], y[y > 0])
    for client in started(0):
        model = DaskOneHiddenLayerRegressor(**PARAMETERS, client=client)
        with pytest.raises(RuntimeError, match=r"(?s)must have workers.*cluster.scale\(2\)"):
            model.fit(X, y)
        monkeypatch.setattr(arrays_module, "NO_WORKERS", 300.0)
        thread = threading.Timer(1, partial(client.cluster.scale, 1))  # in the middle of the fit
        thread.start()
        assert model.fit(X, y).n_features_in_ == 3
        thread.join()


def test_pickled_without_the_client(client):
    model = fitted(client)
    again = pickle.loads(pickle.dumps(model))
    assert again.client is None
    assert again.client_ is client  # the one made last
    assert_same_fit(again, model)
    assert model.client is client


def test_clones_have_the_client(client):
    model = fitted(client)
    copied = clone(model)
    assert copied.client is copied.get_params()["client"] is copied.client_ is client
    assert not hasattr(copied, "coefs_")
    assert clone(DaskOneHiddenLayerRegressor(3, activation="relu")).get_params()["client"] is None
    plain = OneHiddenLayerRegressor().get_params()
    assert DaskOneHiddenLayerRegressor().get_params() == {**plain, "client": None}


# What is refused, and how


def nan_in_block_17(X, y):
    X = X.copy()
    X[17 * SIZE + 3, 1] = np.nan
    return arrays(X, y)


def other_width_than_said(X, y):
    import dask

    blocks = [
        da.from_delayed(dask.delayed(X[:SIZE, : 2 if number == 3 else 3]), (SIZE, 3), float)
        for number in range(N_BLOCKS)
    ]
    return da.concatenate(blocks), arrays(X, y)[1]


def other_blocks(X, y):
    X, y = arrays(X, y)
    return X, y.rechunk(2 * SIZE)


def empty_block(X, y):
    return da.from_array(X, chunks=((*CHUNKS, 0), 3)), da.from_array(y, chunks=((*CHUNKS, 0),))


def empty_block_of_X_alone(X, y):
    return empty_block(X, y)[0], arrays(X, y)[1]


def target_of_text(X, y):
    return arrays(X, np.full(len(y), "red"))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (nan_in_block_17, "Block 17: Input X contains NaN"),
        (other_width_than_said, r"Block 3: X must have the shape \(150, 3\).*got \(150, 2\)"),
        (other_blocks, r"y must have the row blocks of X, .*got .*y.rechunk\(\{0: X.chunks\[0\]\}\)"),
        (empty_block, "Block 20 of X has no rows.*rechunk"),
        (empty_block_of_X_alone, "Block 20 of X has no rows.*rechunk"),
        (target_of_text, "Block 0: "),
        (lambda X, y: (arrays(X, y)[1], arrays(X, y)[1]), "X must have 2 dimensions, got 1"),
        (lambda X, y: (*arrays(X, y), 0 * arrays(X, y)[1]), "sample_weight must have a positive entry"),
        (lambda X, y: (*arrays(X, y), -1 + 0 * arrays(X, y)[1]), "Block 0: Negative values"),
    ],
)
def test_bad_data_are_named_with_the_remedy(client, bad, message):
    model = DaskOneHiddenLayerRegressor(**PARAMETERS, client=client)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=f"(?s){message}"):
        model.fit(*bad(*data()[:2]))
    assert vars(model) == before


@pytest.mark.parametrize("name", ["X", "y", "sample_weight"])
def test_arrays_in_memory_are_refused(client, name):
    numpy = dict(zip(["X", "y", "sample_weight"], data(), strict=True))
    given = dict(zip(numpy, arrays(*data()), strict=True)) | {name: numpy[name]}
    with pytest.raises(TypeError, match=f"{name} must be a Dask array.*OneHiddenLayerRegressor"):
        DaskOneHiddenLayerRegressor(client=client).fit(**given)


@pytest.mark.parametrize("name", ["X", "y", "sample_weight"])
def test_the_plain_estimator_names_the_class_for_dask(name):
    numpy = dict(zip(["X", "y", "sample_weight"], data(), strict=True))
    given = numpy | {name: dict(zip(numpy, arrays(*data()), strict=True))[name]}
    with pytest.raises(TypeError, match=f"{name} must be in memory.*DaskOneHiddenLayerRegressor"):
        OneHiddenLayerRegressor().fit(**given)


def test_the_plain_estimator_predicts_no_collection(plain):
    with pytest.raises(TypeError, match="X must be in memory.*DaskOneHiddenLayerRegressor"):
        plain.predict(arrays(*data()[:2])[0])


def test_held_out_collections_are_refused(client):
    X, y = arrays(*data()[:2])
    with pytest.raises(TypeError, match=r"X_val must be in memory.*X_val.compute\(\)"):
        DaskOneHiddenLayerRegressor(client=client).fit(X, y, X_val=X, y_val=y)


def test_no_polish_is_refused(client):
    with pytest.raises(ValueError, match="polish=True"):
        fitted(client, polish=False)


def test_bad_parameters_are_refused_before_any_work(client):
    with pytest.raises(ValueError, match="The 'k' parameter"):
        fitted(client, k=0)


def test_not_fitted(client):
    with pytest.raises(NotFittedError):
        DaskOneHiddenLayerRegressor(client=client).predict(arrays(*data()[:2])[0])


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"sklearn-onenn\[dask\]"):
        DaskOneHiddenLayerRegressor().fit(np.ones((3, 1)), np.ones(3))


def test_without_a_client_one_is_asked_for(client, monkeypatch):
    def none():
        raise ValueError("No clients found")

    monkeypatch.setattr(distributed, "default_client", none)
    with pytest.raises(AttributeError, match="distributed.Client"):
        DaskOneHiddenLayerRegressor().fit(*arrays(*data()[:2]))
    assert not hasattr(DaskOneHiddenLayerRegressor(), "client_")
