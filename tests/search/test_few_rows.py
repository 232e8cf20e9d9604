"""Fewer rows than columns: white rows in place of the rows, and the same problem."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._search.few_rows import has_few_rows, on_white_rows
from sklearn_onenn._search.one_start import FitOptions
from sklearn_onenn._search.starts import random_units
from sklearn_onenn.activations import Tanh


def problem_of(n, d, *, container=np.asarray, fit_intercept=True, alpha=0.7, dtype=np.float64):
    """Correlated columns of unequal scales, weights, two outputs."""
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + 3) * 2.0 ** rng.integers(-3, 4, d)
    y, weight = rng.standard_normal((n, 2)), rng.uniform(0.5, 2, n)
    rows = ArrayRows(container(X.astype(dtype)), y.astype(dtype), weight.astype(dtype))
    coordinates = whitening(rows, center=fit_intercept)
    return SquaredLoss(rows, Tanh(), coordinates, fit_intercept=fit_intercept, alpha=alpha)


def options_of(problem, **options):
    """Those of a fit, of which rows and coordinates count."""
    names = [name for name in FitOptions.__dataclass_fields__ if name not in ("observers", "rules")]
    return FitOptions(**{**dict.fromkeys(names), "moment_coordinates": problem.coordinates, **options})


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_white_rows_have_the_loss_of_the_rows(container, fit_intercept):
    problem = problem_of(12, 30, container=container, fit_intercept=fit_intercept)
    assert has_few_rows(problem)
    held_out = problem.array_rows.take(slice(0, 5))
    white, options = on_white_rows(problem, options_of(problem, held_out=held_out))
    assert white.rows.n_features == problem.coordinates.rank <= 12
    network = random_units(problem, 4, np.random.RandomState(1))
    one, other = problem.evaluate(network), white.evaluate(network)
    assert_allclose(other.data_loss, one.data_loss, rtol=1e-10)
    assert_allclose(other.loss, one.loss, rtol=1e-10)
    assert_allclose(other.gradient.pack(), one.gradient.pack(), rtol=1e-8, atol=1e-10)
    direction = random_units(problem, 4, np.random.RandomState(2))
    products = [at.gauss_newton_product(direction).pack() for at in (one, other)]
    assert_allclose(products[1], products[0], rtol=1e-8, atol=1e-10)
    losses = [of.replace(rows).data_loss(network) for of, rows in
              ((problem, held_out), (white, options.held_out))]  # fmt: skip
    assert_allclose(losses[1], losses[0], rtol=1e-10)


def test_random_units_have_the_same_law_there():
    """The standard deviation of w . x is the slope, over rows and units."""
    problem = problem_of(40, 90)
    white, _ = on_white_rows(problem, options_of(problem))
    z = problem.coordinates.whiten(problem.array_rows.X)
    for of in (problem, white):
        units = random_units(of, 4000, np.random.RandomState(0), 3.0)
        weight = problem.array_rows.weight
        mean_square = np.average((z @ units.W) ** 2, axis=0, weights=weight[:, 0]).mean()
        # Few rows: the eigenvalues of their correlations are shrunk, the sum of the variances stays.
        assert mean_square == pytest.approx(9.0, rel=0.35)


def test_who_has_few_rows():
    assert not has_few_rows(problem_of(30, 12))
    problem = problem_of(12, 30)
    as_they_are = SquaredLoss(problem.rows, Tanh(), identity_coordinates(30))
    assert not has_few_rows(as_they_are)
    constant = ArrayRows(np.ones((2, 6)), np.zeros((2, 1)))
    assert not has_few_rows(SquaredLoss(constant, Tanh(), whitening(constant)))


@pytest.mark.parametrize("options", [{"k": 5}, {"k": 5, "fit_intercept": False}, {"k": "auto"}], ids=str)
def test_a_plane_of_few_rows_is_found(options):
    """Three columns of 200 count; rows along ten directions, with those that are held out."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((160, 10)) @ rng.standard_normal((10, 200))
    y = X[:, 0] + X[:, 1] - X[:, 2]
    model = OneHiddenLayerRegressor(random_state=0).set_params(**options).fit(X[:80], y[:80])
    assert model.score(X[80:], y[80:]) > 0.999
    held = OneHiddenLayerRegressor(random_state=0).set_params(**options)
    held.fit(X[:80], y[:80], X_val=X[80:120], y_val=y[80:120])
    assert held.score(X[120:], y[120:]) > 0.95
    assert held.coefs_[0].shape[0] == 200


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_memory_is_linear_in_the_number_of_columns(container):
    """20 rows of 4000 columns: no array of 4000 x 4000 (128 megabytes)."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 4000))
    y = X[:, 0] + 0.1 * rng.standard_normal(20)
    tracemalloc.start()
    OneHiddenLayerRegressor(30, max_iter=5, random_state=0, tol=1.0).fit(container(X), y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32e6


def test_rare_words_do_not_drown_the_others():
    """Shares of words, most of them rare: columns at unit scale predict worse, by lines and by units."""
    rng = np.random.default_rng(0)
    n, d = 260, 600
    words = rng.zipf(1.3, (n, 40)) % d
    X = sparse.csr_array((np.full(n * 40, 1 / 40), (np.repeat(np.arange(n), 40), words.ravel())), (n, d))
    spread = np.asarray(X.multiply(X).mean(axis=0)).ravel()
    z = X @ np.where(spread > np.quantile(spread, 0.95), rng.standard_normal(d), 0)
    z = (z - z.mean()) / z.std()
    y = z + np.tanh(3 * z) + 0.1 * rng.standard_normal(n)
    train, test = slice(0, 200), slice(200, None)
    net = OneHiddenLayerRegressor(random_state=0).fit(X[train], y[train])
    plain = RidgeCV(np.logspace(-6, 3, 19)).fit(X[train].toarray(), y[train])
    scaled = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 6, 19)))
    scaled.fit(X[train].toarray(), y[train])
    ours, own, unit = (model.score(X[test].toarray(), y[test]) for model in (net, plain, scaled))
    assert own > unit + 0.2
    assert ours > own - 0.02
