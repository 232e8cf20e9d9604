"""k="auto": the width of the planted network, and one that predicts on other rows."""

from dataclasses import replace

import numpy as np
import pytest
from _planted import random_network
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn import _regressor as regressor_module
from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.rules import DataRules
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import Network
from sklearn_onenn._search import width as width_module
from sklearn_onenn._search.one_start import FitOptions
from sklearn_onenn._search.rules import EnsembleRules, SampleRules, SearchRules, WidthRules
from sklearn_onenn._search.width import (
    WidthFit,
    criterion,
    cross_validated_width,
    doubling_widths,
    widened,
    widest_by_predictions,
)
from sklearn_onenn.activations import ReLU, Tanh
from sklearn_onenn.datasets import make_one_hidden_layer

RULES = SearchRules()


def problem_on(n, d, activation, *, m=1):
    rows = ArrayRows(np.zeros((n, d)), np.zeros((n, m)))
    return SquaredLoss(rows, activation, identity_coordinates(d))


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize(
    ("activation", "k"), [("relu", 3), ("squared_relu", 2), ("tanh", 3), ("relu", 1)]
)
def test_width_of_the_planted_network(activation, k, noise):
    """n/dk = 40; of 60 such problems with other seeds one in 20 may be wrong, by the target."""
    d = 6
    X, y, _ = make_one_hidden_layer(40 * d * k, d, k, activation=activation, random_state=1)
    y += noise * y.std() * np.random.default_rng(1).standard_normal(len(y))
    model = OneHiddenLayerRegressor("auto", activation=activation, random_state=0).fit(X, y)
    assert model.k_ == k
    assert model.coefs_[0].shape == (d, k)
    if noise == 0:
        assert model.loss_ < 1e-12 * y.var()


def test_the_fit_is_that_of_the_width():
    X, y, _ = make_one_hidden_layer(500, 4, 2, activation="relu", noise=0.1, random_state=0)
    auto = OneHiddenLayerRegressor("auto", activation="relu", random_state=0).fit(X, y)
    told = OneHiddenLayerRegressor(2, activation="relu", random_state=0).fit(X, y)
    assert auto.loss_ == pytest.approx(told.loss_, rel=1e-3)
    assert auto.get_params()["k"] == "auto"
    # The search for the width read the rows as well: widths 1, 2 and 4, and eliminations.
    assert auto.n_passes_ > 1.5 * told.n_passes_


def test_a_wrong_unit_eliminated_is_no_end(monkeypatch):
    """Of four units the wrong one is dropped, and nothing refitted: three are fitted anew."""
    usual = width_module.backward_elimination

    def clumsy(problem, network, k, first):
        if (network.W.shape[1], k) != (4, 3):
            return usual(problem, network, k, first)
        largest = np.argsort(np.linalg.norm(network.W, axis=0) * np.abs(network.V[:, 0]))[:3]
        W, b, V = network.W[:, largest], network.b[largest], network.V[largest]
        fewer = Network(W, b, V, network.c)
        return problem.data_loss(fewer), fewer

    monkeypatch.setattr(width_module, "backward_elimination", clumsy)
    X, y, _ = make_one_hidden_layer(600, 6, 3, activation="relu", noise=0.1, random_state=0)
    assert OneHiddenLayerRegressor("auto", activation="relu", random_state=0).fit(X, y).k_ == 3


def test_rows_of_another_function_take_a_wider_network():
    """A curve that two units do not follow, noise a twentieth of it."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (1500, 1))
    y = np.sin(9 * X[:, 0]) + 0.05 * rng.standard_normal(1500)
    model = OneHiddenLayerRegressor("auto", activation="relu", random_state=0).fit(X, y)
    assert model.k_ >= 4
    assert model.score(X, y) > 0.98


def test_folds_tell_which_width_predicts(monkeypatch):
    """Constants for fits: their errors by hand, on rows whose weights count.

    A gain of .0025 where its standard error is .003 counts unless the rows are normal.
    """
    rng = np.random.RandomState(0)
    weight = rng.uniform(0.5, 2, 300)
    rows = ArrayRows(rng.exponential(size=(300, 1)), rng.choice([0.0, 1.0], (300, 1)), weight)
    problem = SquaredLoss(rows, ReLU(), identity_coordinates(1))
    mean = np.average(rows.y[:, 0], weights=weight)
    tried = []

    def fitted(part, k, plan, seed, *, name):
        tried.append((k, part.rows.n_rows))
        return Network(np.zeros((1, k)), np.zeros(k), np.zeros((k, 1)), np.array([constant[k]]))

    monkeypatch.setattr(width_module, "fit_width", fitted)
    plan = FitOptions(*[None] * 12)
    constant = {3: mean + 0.01, 64: mean - 0.009}
    assert cross_validated_width(problem, 3, plan, rng) == 64
    assert tried == [(k, 200) for k in (3, 64) for _ in range(3)]
    constant = {3: mean - 0.009, 64: mean + 0.01}
    assert cross_validated_width(problem, 3, plan, rng) == 3
    constant = {3: mean + 0.05, 64: mean}
    assert cross_validated_width(problem, 3, plan, rng) == 64
    normal = problem.replace(ArrayRows(rng.standard_normal((300, 1)), rows.y, weight))
    assert cross_validated_width(normal, 3, plan, rng) == 3


def test_of_mere_noise_one_unit():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((400, 5)), rng.standard_normal(400)
    assert OneHiddenLayerRegressor("auto", activation="relu", random_state=0).fit(X, y).k_ == 1


def test_two_fits_choose_the_same():
    X, y, _ = make_one_hidden_layer(400, 4, 2, activation="tanh", noise=0.1, random_state=0)
    one, other = (
        OneHiddenLayerRegressor("auto", activation="tanh", random_state=0).fit(X, y) for _ in range(2)
    )
    assert_array_equal(one.coefs_[0], other.coefs_[0])


def test_given_arrays_tell_the_width():
    X, y, teacher = make_one_hidden_layer(200, 4, 2, activation="relu", random_state=0)
    init = (teacher.coefs_[0], np.zeros(2), teacher.coefs_[1])
    model = OneHiddenLayerRegressor("auto", activation="relu", init=init, random_state=0).fit(X, y)
    assert model.k_ == 2
    assert model.set_params(warm_start=True).fit(X, y).k_ == 2


def test_widths_that_the_rows_can_tell_of():
    """Three targets for each weight: 3 k (d + 1 + 1) of n."""
    assert doubling_widths(problem_on(1919, 8, ReLU()), RULES) == [1, 2, 4, 8, 16, 32]
    assert doubling_widths(problem_on(119, 8, ReLU()), RULES) == [1, 2]
    assert doubling_widths(problem_on(3, 8, ReLU()), RULES) == [1]
    assert doubling_widths(problem_on(10**6, 8, ReLU()), RULES)[-1] == RULES.width.max_width
    assert doubling_widths(problem_on(1100, 8, ReLU(), m=2), RULES) == [1, 2, 4, 8, 16, 32, 64]


def test_the_widest_has_a_target_for_each_weight():
    """Or is an ensemble, if one of its members of 25 units has."""
    at_once = SearchRules(ensemble=EnsembleRules(member_units=1000))
    assert widest_by_predictions(problem_on(639, 8, ReLU()), at_once) == 63
    assert widest_by_predictions(problem_on(3, 8, ReLU()), at_once) == 1
    assert widest_by_predictions(problem_on(249, 8, ReLU()), RULES) == 24
    assert widest_by_predictions(problem_on(250, 8, ReLU()), RULES) == RULES.width.max_width


@pytest.mark.parametrize(("activation", "weights"), [(Tanh(), 3 * 5 + 1), (ReLU(), 3 * 4 + 1)])
def test_criterion_counts_weights_that_are_free(activation, weights):
    """Scale shared by w_i and v_i is not; exact fits are equal."""
    problem, network = problem_on(100, 3, activation), random_network(3, 3)
    expected = 100 * np.log(0.1) + weights * np.log(100)
    assert criterion(problem, network, 0.1) == pytest.approx(expected)
    assert criterion(problem, network, 1e-30) == criterion(problem, network, 1e-13)


@pytest.mark.parametrize("m", [1, 3])
def test_constant_columns_predict_the_mean(m):
    """Rows of rank zero: no unit explains anything, and there is no width to choose."""
    Y = np.random.default_rng(0).standard_normal((40, m))
    X, y = np.tile([1.0, 2.0, 3.0], (40, 1)), Y[:, 0] if m == 1 else Y
    model = OneHiddenLayerRegressor("auto", activation="relu", random_state=0).fit(X, y)
    assert model.k_ == 1
    assert_allclose(model.predict(X), np.broadcast_to(y.mean(axis=0), y.shape), atol=1e-12)


# The numbers of the rules


@pytest.mark.parametrize("largest", [1, 8, 20])
@pytest.mark.parametrize("targets", [1.5, 2.0, 5.0])
def test_widths_by_the_rules(largest, targets):
    """Powers of two up to the largest, and to n / (targets (d + 2)) units."""
    rules = SearchRules(width=WidthRules(max_width=largest), data=DataRules(small_sample=targets))
    for n in (200, 10_000):
        most = min(largest, n / (targets * 10))
        expected = [width for width in (1, 2, 4, 8, 16, 32) if width <= most]
        assert doubling_widths(problem_on(n, 8, ReLU()), rules) == expected


def constants_for_fits(monkeypatch, constant):
    """Fits of k units predict constant[k]; their widths and numbers of rows are kept."""
    tried = []

    def fitted(part, k, plan, seed, *, name):
        tried.append((k, part.rows.n_rows))
        return Network(np.zeros((1, k)), np.zeros(k), np.zeros((k, 1)), np.array([constant[k]]))

    monkeypatch.setattr(width_module, "fit_width", fitted)
    return tried


def normal_problem(n=300):
    """Rows that are normal and targets of both signs alike."""
    X = np.random.RandomState(0).standard_normal((n, 1))
    rows = ArrayRows(X, np.tile([-1.0, 1.0], n // 2)[:, None])
    return SquaredLoss(rows, ReLU(), identity_coordinates(1))


def plan_with(**numbers):
    return replace(FitOptions(*[None] * 12), rules=SearchRules(width=WidthRules(**numbers)))


@pytest.mark.parametrize("n_folds", [2, 3, 10])
def test_every_fold_is_held_out_once(monkeypatch, n_folds):
    tried = constants_for_fits(monkeypatch, dict.fromkeys([1, 2, 4, 8, 16, 32, 64], 0.0))
    cross_validated_width(normal_problem(), 32, plan_with(n_folds=n_folds), np.random.RandomState(0))
    kept = 300 - 300 // n_folds
    assert tried == [(32, kept)] * n_folds + [(64, kept)] * n_folds


@pytest.mark.parametrize(("error", "expected"), [(0.0, 3), (0.11, 3), (0.12, 64), (0.3, 64)])
def test_on_normal_rows_the_widest_must_predict_better_by_a_standard_error(monkeypatch, error, expected):
    """From a constant a to none (y - a)^2 falls by a^2 - 2 a y: a^2 on average, sd 2 a.

    The mean over 300 rows is a sqrt(300) / 2 = a / .115 of its standard errors.
    """
    tried = constants_for_fits(monkeypatch, {3: error, 64: 0.0})
    assert cross_validated_width(normal_problem(), 3, plan_with(), np.random.RandomState(0)) == expected
    assert {k for k, _ in tried} == {3, 64}


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_doublings_end_after_so_many_without_a_gain(monkeypatch, patience):
    """No unit goes, no fit is noise, and the criterion is lowest at one unit."""
    tried = constants_for_fits(monkeypatch, dict.fromkeys([1, 2, 4, 8, 16, 32, 64], 0.0))
    monkeypatch.setattr(width_module, "is_noise", lambda problem, network, options: False)
    monkeypatch.setattr(
        width_module,
        "eliminate_units",
        lambda problem, network: WidthFit(network, float(len(network.b))),
    )
    assert widened(normal_problem(10_000), plan_with(patience=patience), 0).k == 1
    assert [k for k, _ in tried] == [1, 2, 4, 8, 16, 32, 64][: patience + 2]


@pytest.mark.parametrize("width", [4, 16])
def test_the_width_is_chosen_on_a_sample_for_the_typical_one(monkeypatch, width):
    """Twenty rows for each of width (d + 2) + 1 weights."""
    seen = []

    def chosen(problem, options, random_state):
        seen.append(problem.rows.n_rows)
        return 1, None

    samples = SampleRules(rows_per_weight=20, least_rows=10)
    rules = SearchRules(samples=samples, width=WidthRules(max_width=4 * width))
    monkeypatch.setattr(OneHiddenLayerRegressor, "_rules", rules)
    monkeypatch.setattr(regressor_module, "choose_width", chosen)
    X, y, _ = make_one_hidden_layer(10_000, 4, 1, activation="relu", random_state=0)
    OneHiddenLayerRegressor("auto", activation="relu", n_init=1, random_state=0).fit(X, y)
    assert seen == [20 * (width * 6 + 1)]
