"""Hostile inputs: a clear error, or a finite fit that is no worse than the mean.

The cases are drawn by ``hostile.py``; ``examples/benchmarks/hostile.py`` runs ten thousand of them.
"""

import os
import signal
import sys
import threading
import warnings

import joblib
import numpy as np
import pytest
from hostile import Broken, Sound, draw, violations
from numpy.testing import assert_array_equal
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor, RowBlocks
from sklearn_onenn._data.floating_point import jittered_cholesky
from sklearn_onenn._data.rows import block_threads
from sklearn_onenn.activations import ACTIVATIONS, get_activation

N_CASES, N_PARTS = 240, 16


@pytest.mark.parametrize("part", range(N_PARTS))
def test_hostile_inputs(part):
    """Seconds are left to the benchmark: here they hang on what else the machine does."""
    found = {}
    with threadpool_limits(1):
        for seed in range(part, N_CASES, N_PARTS):
            case, arrays = draw(seed)
            wrong = [words for words in violations(case, arrays) if not words.endswith("seconds")]
            if wrong:
                found[seed] = case.name, case.parameters, wrong
    assert not found


def test_the_judge_sees_what_is_wrong(monkeypatch):
    """Fits that return something else than they should."""
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((40, 3)), np.tile([0.1, -2.0], (40, 1)) * [1.0, 1.0]
    y[:, 1] += X[:, 0]
    case = draw(0)[0]
    case.X, case.y, case.weight, case.held_out, case.must_fail = X, y, None, {}, False
    case.parameters = {"k": 2, "random_state": 0}
    assert violations(case, (X, y)) == []

    def spoiled(change):
        fit = OneHiddenLayerRegressor.fit

        def wrong_fit(self, X, y, *args, **kwargs):
            fit(self, X, y, *args, **kwargs)
            change(self, X)
            return self

        with monkeypatch.context() as patched:
            patched.setattr(OneHiddenLayerRegressor, "fit", wrong_fit)
            return violations(case, (X.copy(), y.copy()))

    def raises(self, X):
        raise ValueError("array must not contain infs or NaNs")

    assert any("worse" in w for w in spoiled(lambda m, X: m.coefs_[1].__imul__(-3.0)))
    assert any("constant" in w for w in spoiled(lambda m, X: m.intercepts_[1].__iadd__(1e-3)))
    assert any("finite" in w for w in spoiled(lambda m, X: m.coefs_[0].fill(np.nan)))
    assert any("error" in w for w in spoiled(raises))
    assert any("changed" in w for w in spoiled(lambda m, X: X.__imul__(2.0)))
    assert any("Runtime" in w for w in spoiled(lambda m, X: np.log(-np.abs(X))))
    case.must_fail = True
    assert violations(case, (X, y)) == ["no error"]


# Numbers out of measure


@pytest.mark.parametrize("name", ["X", "y", "X_val", "y_val", "sample_weight"])
@pytest.mark.parametrize("size", [1e200, 1e-200])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_numbers_without_squares_are_refused_by_name(name, size, dtype):
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((30, 2)).astype(dtype), rng.standard_normal(30)
    size = size if dtype == np.float64 else size ** (1 / 6)  # 1e33, 1e-33
    arguments = {"X": X, "y": y, "X_val": X, "y_val": y, "sample_weight": np.ones(30)}
    if name == "y" or name == "y_val":
        size = size if dtype == np.float64 else size ** (1.2)  # predictions of 1e40
    arguments[name] = arguments[name] * np.float64(size)
    if name.startswith("X"):
        arguments[name] = arguments[name].astype(dtype)
    with pytest.raises(ValueError, match=rf"^{name} must .*{'e-' if size < 1 else 'e[+]'}"):
        OneHiddenLayerRegressor(2).fit(**arguments)


@pytest.mark.parametrize(("scale", "offset"), [(1e100, 0.0), (1e-100, 0.0), (1e120, 1e122)])
@pytest.mark.parametrize("of", ["X", "y"])
def test_numbers_of_any_size_that_have_squares_are_fitted_alike(scale, offset, of):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((60, 2))
    y = np.tanh(X @ [1.0, -1.0]) + 0.1 * rng.standard_normal(60)
    model = OneHiddenLayerRegressor(3, random_state=0, keep_covariance=True)
    expected = model.fit(X, y).score(X, y)
    if of == "X":
        X = scale * X + offset
    else:
        y = scale * y + offset
    model.fit(X, y)
    assert model.score(X, y) == pytest.approx(expected, abs=1e-3)
    lower, upper = model.predict_interval(X, 0.8)
    assert np.mean((lower <= y) & (y <= upper)) > 0.7
    assert np.isfinite(model.loss_)
    assert np.isfinite(model.noise_std_).all()


def test_rows_as_they_are_need_moments():
    X = 1e60 * np.random.RandomState(0).standard_normal((50, 2))
    with pytest.raises(ValueError, match="whiten=False rows have no moments in float64"):
        OneHiddenLayerRegressor(2, whiten=False).fit(X, X[:, 0] / 1e60)


@pytest.mark.parametrize("k", [2, 60])
def test_constant_outputs_among_others_are_exact(k):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((50, 3))
    y = np.column_stack([np.full(50, 0.1), np.sin(X[:, 0]), np.full(50, -1e9 - 0.1), np.zeros(50)])
    for max_iter in (2, 50):
        model = OneHiddenLayerRegressor(k, max_iter=max_iter, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            predicted = model.fit(X, y).predict(X)
        assert_array_equal(predicted[:, [0, 2, 3]], y[:, [0, 2, 3]])
        assert np.ptp(predicted[:, 1]) > 0.1


def test_cholesky_of_a_matrix_that_rounding_made_indefinite():
    rng = np.random.RandomState(0)
    A = rng.standard_normal((5, 3))
    matrix = A @ A.T - 1e-12 * np.eye(5)
    factor = jittered_cholesky(matrix)
    assert np.abs(factor @ factor.T - A @ A.T).max() < 1e-10
    upper = jittered_cholesky(matrix, lower=False)
    assert np.abs(upper.T @ upper - A @ A.T).max() < 1e-10
    assert np.isfinite(jittered_cholesky(np.zeros((2, 2)))).all()
    for number in (np.nan, np.inf):
        with pytest.raises(np.linalg.LinAlgError, match="finite"):
            jittered_cholesky(np.diag([1.0, number]))


# Activations that break their contract


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("slope", r"derivative\(z\) must be that of value\(z\), got .* differences of value say"),
        ("shape", r"value\(z\) must return an array of floats of the shape of z"),
        ("value", r"value\(z\) must be finite, got nan at z = 1"),
        ("derivative", r"derivative\(z\) must be finite"),
    ],
)
def test_an_activation_that_breaks_its_contract_is_refused(how, words):
    X = np.random.RandomState(0).standard_normal((30, 2))
    model = OneHiddenLayerRegressor(2, activation=Broken(how))
    with pytest.raises(ValueError, match="activation Broken.*" + words):
        model.fit(X, X[:, 0])


def test_sound_activations_keep_their_contract():
    for activation in [*map(get_activation, ACTIVATIONS), Sound()]:
        activation.check_contract()


# Blocks that change


@pytest.mark.parametrize("what", ["values", "order", "targets", "weights", "NaN"])
@pytest.mark.parametrize("size", [1.0, 1e-9])
def test_blocks_that_change_between_passes_are_found(what, size):
    rng = np.random.RandomState(0)
    X = size * rng.standard_normal((90, 3))
    y, weight, passes = size * np.sin(X[:, 0] / size), np.ones(90), [0]

    def factory():
        passes[0] += 1
        for number, some in enumerate(np.array_split(np.arange(90), 3)):
            block, targets, weights = X[some], y[some], weight[some]
            if passes[0] > 2 and number == 1:
                block = {"values": block * 1.001, "order": block[::-1]}.get(what, block)
                targets = {"targets": targets * 1.001, "NaN": targets * np.nan}.get(what, targets)
                weights = 2 * weights if what == "weights" else weights
            yield block, targets, weights

    with pytest.raises(ValueError, match="the same blocks at every call, .* a difference at block 1"):
        OneHiddenLayerRegressor(2, random_state=0).fit(RowBlocks(factory))


# State


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_starts_share_memory_whatever_the_backend(backend):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((200, 4))
    y = np.maximum(X @ rng.standard_normal((4, 3)), 0).sum(axis=1)
    model = OneHiddenLayerRegressor(3, activation="relu", n_init=3, n_jobs=2, random_state=0)
    with joblib.parallel_config(backend):
        found = model.fit(X, y)
    assert found.n_starts_ == 3
    assert_array_equal(found.predict(X), model.fit(X, y).predict(X))


def test_an_interrupt_at_any_call_leaves_the_estimator_and_blas_as_they_were():
    """An interrupt is raised at one call of a function of the package after another."""
    rng = np.random.RandomState(0)
    X, y = rng.standard_normal((30, 2)), rng.standard_normal(30)
    model = OneHiddenLayerRegressor(1, max_iter=2, n_init=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
        before, limits, errors = dict(vars(model)), blas_threads(), np.geterr()

        def fit_until(stop):
            calls = [0]

            def trace(frame, event, _):
                if event == "call" and "sklearn_onenn" in frame.f_code.co_filename:
                    calls[0] += 1
                    if calls[0] == stop:
                        raise KeyboardInterrupt
                return None

            sys.settrace(trace)
            try:
                model.fit(X, 2 * y)
            finally:
                sys.settrace(None)
            return calls[0]

        n_calls = fit_until(-1)
        assert n_calls > 100
        vars(model).clear()
        vars(model).update(before)
        for stop in [*range(1, 40), *range(40, n_calls, max(1, n_calls // 60))]:
            with pytest.raises(KeyboardInterrupt):
                fit_until(stop)
            assert vars(model) == before, stop
            assert blas_threads() == limits, stop
            assert np.geterr() == errors, stop


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_child_of_a_fork_inside_a_fit_can_fit():
    """The lock may be held in the parent, and BLAS be limited there."""
    limits = blas_threads()
    with block_threads():
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            with block_threads():
                inside = set(blas_threads()) == {1}
            os._exit(0 if inside and blas_threads() == limits else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert blas_threads() == limits
    assert threading.active_count() >= 1


def blas_threads():
    """Threads of every BLAS library."""
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
