"""A fit that grows from a sample to all rows ends where the fit on all rows does, in fewer passes."""

from dataclasses import replace

import numpy as np
import pytest
from _planted import gaussian_problem, random_network
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._data import rows as rows_module
from sklearn_onenn._data.rows import ArrayRows, stratified_rows
from sklearn_onenn._optimization.gauss_newton import Solution
from sklearn_onenn._search.growing_samples import growing_samples, no_worse_than_constant
from sklearn_onenn._search.one_start import StartResult
from sklearn_onenn._search.progress import Trace
from sklearn_onenn._search.rules import SampleRules, SearchRules
from sklearn_onenn.activations import Tanh
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import recovery_error

D, K, N = 6, 2, 24_000
RULES = SampleRules(rows_per_weight=20, least_rows=1000)


@pytest.fixture
def small_samples(monkeypatch):
    """Samples from 1000 rows on, so that 24 000 rows are many."""
    monkeypatch.setattr(OneHiddenLayerRegressor, "_rules", SearchRules(samples=RULES))


def planted(activation="relu", *, noise=0.0, n=N):
    X, y, teacher = make_one_hidden_layer(n, D, K, activation=activation, noise=noise, random_state=0)
    return X, y, teacher


def regressor(**parameters):
    return OneHiddenLayerRegressor(K, random_state=0, **({"activation": "relu"} | parameters))


# Samples


@pytest.mark.parametrize(("n_rows", "n_sample"), [(10, 10), (10, 3), (1000, 7), (10**9, 1000)])
def test_a_random_row_of_every_stretch(n_rows, n_sample):
    chosen = stratified_rows(n_rows, n_sample, np.random.RandomState(0))
    edges = np.arange(n_sample + 1) * n_rows / n_sample
    assert (chosen >= np.floor(edges[:-1])).all()
    assert (chosen < np.ceil(edges[1:])).all()
    assert (np.diff(chosen) > 0).all()


def test_every_row_may_be_chosen():
    """200 draws of 10 out of 40 rows: each row is expected 50 times, sd 6.1."""
    random_state = np.random.RandomState(0)
    chosen = np.concatenate([stratified_rows(40, 10, random_state) for _ in range(200)])
    counts = np.bincount(chosen, minlength=40)
    assert len(counts) == 40
    assert np.abs(counts - 50).max() < 25


def test_samples_grow_to_all_rows():
    rows = ArrayRows(np.arange(50_000.0)[:, None], np.zeros((50_000, 1)))
    samples = growing_samples(rows, 3, RULES, np.random.RandomState(0))
    assert [sample.n_rows for sample in samples] == [1000, 1000 * RULES.growth, 50_000]
    assert samples[-1] is rows
    small, large = (set(sample.X[:, 0]) for sample in samples[:2])
    assert small < large
    assert np.abs(samples[0].X[:, 0].mean() - 25_000) < 250


def test_rows_for_every_weight():
    rows = ArrayRows(np.zeros((100_000, 9)), np.zeros((100_000, 1)))
    samples = growing_samples(rows, 10, RULES, np.random.RandomState(0))
    assert samples[0].n_rows == 20 * (10 * (9 + 2) + 1)


def test_few_rows_are_the_only_sample():
    rows = ArrayRows(np.zeros((2000, 1)), np.zeros((2000, 1)))
    assert growing_samples(rows, 1, RULES, np.random.RandomState(0)) == [rows]
    rows = ArrayRows(np.zeros((2001, 1)), np.zeros((2001, 1)))
    assert [s.n_rows for s in growing_samples(rows, 1, RULES, np.random.RandomState(0))] == [1000, 2001]


def test_the_largest_sample_is_bounded_in_bytes():
    rows = ArrayRows(np.zeros((200_000, 1)), np.zeros((200_000, 1)))
    for sample_bytes, sizes in [(5000 * 8, [1000, 200_000]), (8000 * 8, [1000, 8000, 200_000])]:
        rules, random_state = replace(RULES, sample_bytes=sample_bytes), np.random.RandomState(0)
        samples = growing_samples(rows, 1, rules, random_state)
        assert [sample.n_rows for sample in samples] == sizes


# Fits


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_same_network_as_from_all_rows(activation, monkeypatch, small_samples):
    """Noise of a tenth of the signal: weights agree to a tenth of their standard error, 1e-3."""
    X, y, _ = planted(activation, noise=0.1)
    grown = regressor(activation=activation).fit(X, y)
    only_sample = SearchRules(samples=replace(RULES, least_rows=10**9))
    monkeypatch.setattr(OneHiddenLayerRegressor, "_rules", only_sample)
    whole = regressor(activation=activation).fit(X, y)
    assert grown.n_passes_ < whole.n_passes_
    error = recovery_error(grown.coefs_[0], grown.coefs_[1], *whole.coefs_, activation=activation)
    assert error < 1e-4
    assert grown.loss_ == pytest.approx(whole.loss_, rel=1e-6)


def test_without_noise_all_rows_are_read_a_few_times(small_samples):
    X, y, teacher = planted()
    model = regressor().fit(X, y)
    assert model.stop_reason_ == "exact fit"
    assert recovery_error(*model.coefs_, *teacher.coefs_, activation="relu") < 1e-9
    assert model.n_passes_ < 10


def test_rows_that_the_sample_misses_count(small_samples):
    """The sample is fitted exactly; of all rows ten have another target."""
    X, y, _ = planted("tanh")
    y[5::2400] += 100 * y.std()
    model = regressor(activation="tanh").fit(X, y)
    oracle = regressor(activation="tanh", alpha=0, init=(*parts(model),)).fit(X, y)
    assert model.loss_ == pytest.approx(oracle.loss_, rel=1e-3)
    assert np.isfinite(model.coefs_[0]).all()


def parts(model):
    """The arrays W, b, v of a fit."""
    return model.coefs_[0], model.intercepts_[0], model.coefs_[1]


def test_held_out_rows_end_every_stage(small_samples):
    X, y, _ = planted(noise=0.5)
    X_val, y_val, _ = make_one_hidden_layer(500, D, K, activation="relu", noise=0.5, random_state=0)
    model = regressor().fit(X, y, X_val=X_val, y_val=y_val)
    assert model.validation_loss_ == pytest.approx(0.5 * np.mean((model.predict(X_val) - y_val) ** 2))
    assert model.validation_loss_ <= min(model.validation_loss_curve_) * (1 + 1e-12)
    # Descent alone, 1000 rows in parts of 60, does not look at them.
    assert len(model.validation_loss_curve_) == len(model.loss_curve_) - (1000 // (5 * D * K) - 1)


def test_weights_and_a_fit_without_biases(small_samples):
    X, y, teacher = planted()
    weight = np.random.RandomState(0).uniform(0.1, 2, N)
    model = regressor(fit_intercept=False).fit(X + 0.3, teacher.predict(X + 0.3), weight)
    assert recovery_error(*model.coefs_, *teacher.coefs_, activation="relu") < 1e-9


def test_without_polish_all_rows_are_there(small_samples):
    """Descent by itself reads the rows once, whatever the number."""
    X, y, _ = planted()
    model = regressor(polish=False, max_iter=1000).fit(X, y)
    assert len(model.loss_curve_) == N // (5 * D * K) - 1  # parts of five rows a weight


def test_two_fits_have_the_same_bits(small_samples):
    X, y, _ = planted(noise=0.1)
    one, other = regressor().fit(X, y), regressor().fit(X, y)
    assert_array_equal(one.coefs_[0], other.coefs_[0])


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_units_computed_again_have_the_same_bits(activation, monkeypatch):
    X, y, _ = planted(activation, noise=0.1, n=2000)
    kept = regressor(activation=activation).fit(X, y)
    monkeypatch.setattr(rows_module, "KEPT_ENTRIES", 0)
    again = regressor(activation=activation).fit(X, y)
    assert_array_equal(kept.coefs_[0], again.coefs_[0])
    assert_allclose(kept.loss_curve_, again.loss_curve_, rtol=0)


@pytest.mark.parametrize("held_out", [False, True])
def test_a_fit_that_leaves_more_than_the_mean_is_the_mean(held_out):
    """And one that leaves less is kept as it is."""
    problem = gaussian_problem(random_network(3, 2), 100, Tanh(), noise=0.1)
    y = problem.rows.y - problem.rows.y.mean(axis=0)
    rows = problem.rows.with_targets(y / y.std())
    problem, poor = problem.replace(rows), random_network(3, 2, seed=1)
    poor = poor._replace(V=5 * poor.V)
    for network, is_kept in ((poor, False), (poor._replace(V=0 * poor.V, c=0 * poor.c), True)):
        loss = problem.data_loss(network)
        trace = Trace("", problem, None, rows.take(slice(0, 30)) if held_out else None)
        trace.stages.append(("polish", 1))
        fit = StartResult(network, Solution(network, loss, loss, 0.1, "max_iter"), trace, "tensor", 0)
        end = no_worse_than_constant(problem, fit)
        assert (end is fit) == is_kept
        if not is_kept:
            assert loss > 1
            assert end.solution.data_loss == pytest.approx(0.5) == trace.losses[-1]
            assert not end.solution.network.V.any()
            assert trace.stages[-1] == ("constant", 1)
            objective = trace.held_out.data_loss(end.solution.network) if held_out else 0.5
            # The penalty of the units that are left without outputs.
            assert end.solution.objective >= objective - 1e-12
            assert trace.held_out_losses == ([objective] if held_out else [])
