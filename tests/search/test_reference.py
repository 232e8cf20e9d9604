"""What rows say without a network, and fits that are begun anew where they left more than that."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._search.reference import error_of_line, error_of_neighbors, reference_error
from sklearn_onenn._search.starts import quasi_newton, random_units
from sklearn_onenn.activations import ReLU, Tanh


def rows_of(f, n, noise=0.0, d=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, d))
    return X, f(X) + noise * rng.standard_normal(n)


def test_neighbors_are_the_nearest_others():
    """Every row by brute force; and a row that is there twice is predicted by itself."""
    X, y = rows_of(lambda X: X[:, 0] ** 2, 60)
    distances = np.linalg.norm(X[:, None] - X, axis=2) + np.diag(np.full(60, np.inf))
    expected = (y - y[np.argsort(distances, axis=1)[:, :5]].mean(axis=1)) ** 2
    for weight in (np.ones(60), np.linspace(0, 1, 60)):
        found = error_of_neighbors(X, y[:, None], weight)
        assert found == pytest.approx(np.average(expected, weights=weight), rel=1e-12)
    sixfold = np.tile(X, (6, 1)), np.tile(y, 6)[:, None], np.ones(360)
    assert error_of_neighbors(*sixfold) < 1e-30


def test_the_line_is_judged_on_rows_that_it_did_not_see():
    X, y = rows_of(lambda X: X[:, 0], 40, noise=0.5)
    left_out = []
    for i in range(40):
        kept = np.arange(40) != i
        left_out.append((LinearRegression().fit(X[kept], y[kept]).predict(X[[i]])[0] - y[i]) ** 2)
    assert error_of_line(X, y[:, None], np.ones(40)) == pytest.approx(np.mean(left_out), rel=0.1)


def test_the_reference_is_the_better_of_both():
    for f, noise in ((lambda X: X[:, 0] + X[:, 1], 0.0), (lambda X: np.sin(9 * X[:, 0]), 0.0)):
        X, y = rows_of(f, 400, noise)
        rows = ArrayRows(X, (y / y.std())[:, None])
        assert reference_error(SquaredLoss(rows, Tanh(), whitening(rows))) < 0.2
    noise = np.random.default_rng(1).standard_normal((400, 1))
    rows = ArrayRows(X, noise / noise.std())
    assert reference_error(SquaredLoss(rows, Tanh(), whitening(rows))) > 0.9


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "erf"])
@pytest.mark.parametrize("frequency", [30, 40])
def test_steep_units_find_a_fast_sine(activation, frequency):
    """400 noisy rows, 20 units; from gentle units the penalty leaves a constant."""
    for seed in range(2):
        rng = np.random.default_rng(seed)
        x = rng.uniform(0, 1, (400, 1))
        y = np.sin(frequency * x[:, 0]) + 0.1 * rng.standard_normal(400)
        model = OneHiddenLayerRegressor(20, activation=activation, random_state=seed).fit(x, y)
        new = np.linspace(0.01, 0.99, 500)[:, None]
        assert model.score(new, np.sin(frequency * new[:, 0])) > 0.9


def test_few_targets_are_not_interpolated_where_steeper_units_do():
    """30 rows, 82 weights: the standard deviation of a target is no tiny share of the error."""
    for seed in range(3):
        rng = np.random.RandomState(seed)
        X = rng.standard_normal((230, 25))
        y = np.tanh(X @ (rng.standard_normal(25) * 0.4)) + 0.1 * rng.standard_normal(230)
        model = OneHiddenLayerRegressor(3, random_state=0, max_iter=40, keep_covariance=True)
        predicted, std = model.fit(X[:30], y[:30]).predict(X[30:], return_std=True)
        assert std.mean() > 0.2 * np.sqrt(np.mean((predicted - y[30:]) ** 2))


def test_where_gauss_newton_steps_miss_l_bfgs_makes_the_start():
    """Parity of 8 bits, 20 units with kinks: by Gauss-Newton from random units R2 is .2 to .7."""
    paths = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rng.integers(0, 2, (1500, 8)).astype(float)
        y = X.sum(axis=1) % 2
        model = OneHiddenLayerRegressor(20, activation="relu", random_state=seed).fit(X, y)
        paths.append(model.init_path_)
        assert model.score(X, y) > 0.75
    assert paths.count("quasi-Newton") >= 2


@pytest.mark.parametrize("activation", [ReLU(), Tanh()], ids=repr)
def test_steps_of_l_bfgs_end_at_a_minimum(activation):
    """Where the penalized gradient vanishes (with kinks: where it is far smaller than at the start)."""
    X, y = rows_of(lambda X: np.sin(3 * X[:, 0]), 200, noise=0.1)
    rows = ArrayRows(X, ((y - y.mean()) / y.std())[:, None])
    problem = SquaredLoss(rows, activation, whitening(rows))
    penalized = problem.replace(rows, alpha=0.1)
    start = random_units(problem, 4, np.random.RandomState(0))
    seen = []
    end = quasi_newton(penalized, start, 2000, callback=lambda step: seen.append(step.loss))
    assert seen[-1] == pytest.approx(penalized.evaluate(end).loss, rel=1e-12)
    assert sorted(seen, reverse=True) == seen
    # A true answer of the callback ends the steps.
    brief = quasi_newton(penalized, start, 2000, callback=lambda step: step.loss < seen[3])
    assert penalized.evaluate(brief).loss == pytest.approx(seen[4], rel=1e-9)
    before, after = (penalized.evaluate(network) for network in (start, end))
    assert after.loss < 0.5 * before.loss
    assert np.linalg.norm(after.gradient.pack()) < 1e-2 * np.linalg.norm(before.gradient.pack())


@pytest.mark.parametrize("n", [3, 5])
def test_a_few_points_are_no_constant(n):
    """A line through them is fitted: R2 on the points."""
    for seed in range(5):
        x = np.random.default_rng(seed).uniform(-1, 1, (n, 1))
        y = 3 * x[:, 0] + 1
        model = OneHiddenLayerRegressor(5, random_state=0).fit(x, y)
        assert model.score(x, y) > 0.9


def test_a_fit_that_misses_what_its_neighbours_know_says_so():
    """One unit on six waves."""
    x = np.linspace(0, 6 * np.pi, 300)[:, None]
    with pytest.warns(UserWarning, match="more than a straight line or the nearest rows"):
        OneHiddenLayerRegressor(1, random_state=0).fit(x, np.sin(2 * x[:, 0]))


def test_noise_is_no_reason_to_begin_anew():
    X, y = rows_of(lambda X: X[:, 0], 300, noise=1.0)
    model = OneHiddenLayerRegressor(random_state=0).fit(X, y)
    assert model.init_path_ != "steep"
    assert model.n_starts_ == 1


def test_weights_that_sum_to_one_are_as_good_as_none():
    """And weights that are counts stay counts: continuous where their sum is the number of rows."""
    X, y = rows_of(lambda X: np.sin(2 * X[:, 0]) + X[:, 1] ** 2, 600, noise=0.1)
    weight = np.random.default_rng(1).uniform(0.5, 1.5, 600)
    fits = [
        OneHiddenLayerRegressor(5, random_state=0).fit(X, y, sample_weight=w)
        for w in (weight / weight.sum(), 600 * weight / weight.sum())
    ]
    assert fits[0].score(X, y) > 0.9
    assert_allclose(fits[0].predict(X), fits[1].predict(X), rtol=1e-3, atol=1e-3)
