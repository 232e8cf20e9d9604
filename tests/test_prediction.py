"""Intervals, standard deviations and distributions of new targets, on planted noise."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_onenn import OneHiddenLayerRegressor, RowBlocks
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import interval_coverage, mean_interval_width, mean_log_likelihood


def surface(X):
    return 2 * np.sin(X[:, 0] + X[:, 1]) + X[:, 2] * X[:, 3]


def equal_noise(X, rng):
    return 0.5 * rng.standard_normal(len(X))


NOISE = {
    "equal": equal_noise,
    "sd of 1 to 5": lambda X, rng: 0.2 * (3 + X[:, 0]) * rng.standard_normal(len(X)),
    "t(3)": lambda X, rng: 0.4 * rng.standard_t(3, len(X)),
    "skewed": lambda X, rng: 0.5 * (rng.exponential(size=len(X)) - 1),
}


def data(n, noise=equal_noise, seed=0, n_new=6000):
    """Rows of the fit and new ones, with their targets."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n + n_new, 4))
    y = surface(X) + noise(X, rng)
    return X[:n], y[:n], X[n:], y[n:]


def planted(n=300, n_new=50):
    """Noisy targets of a network that every fit of it finds."""
    X, y, _ = make_one_hidden_layer(n + n_new, 4, 2, activation="tanh", noise=0.2, random_state=0)
    return X[:n], y[:n], X[n:]


def fitted(X, y, k=6, **parameters):
    return OneHiddenLayerRegressor(k, keep_covariance=True, random_state=0, **parameters).fit(X, y)


@pytest.mark.parametrize("k", [6, 60])
@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_intervals_cover_as_often_as_they_say(noise, k):
    """Also in each third of their widths, and beyond each end; of 1200 rows .9 +- .009, at best."""
    X, y, X_new, y_new = data(1200, noise)
    model = fitted(X, y, k)
    lower, upper = model.predict_interval(X_new)
    assert interval_coverage(y_new, lower, upper) == pytest.approx(0.9, abs=0.03)
    assert np.mean(y_new < lower) == pytest.approx(0.05, abs=0.025)
    for third in np.array_split(np.argsort(upper - lower), 3):
        assert interval_coverage(y_new[third], lower[third], upper[third]) == pytest.approx(
            0.9, abs=0.05
        )
    wide = model.predict_interval(X_new, 0.99)
    assert interval_coverage(y_new, *wide) == pytest.approx(0.99, abs=0.01)
    assert mean_interval_width(*wide) > mean_interval_width(lower, upper)


def test_noise_that_depends_on_the_row_widens_intervals_there():
    X, y, X_new, _ = data(1200, NOISE["sd of 1 to 5"])
    model = fitted(X, y, 60)
    lower, upper = model.predict_interval(X_new)
    widths = upper - lower
    ratio = widths[X_new[:, 0] > 1.5].mean() / widths[X_new[:, 0] < -1.5].mean()
    assert ratio > 2  # of standard deviations it is 3.8
    assert model.noise_p_value_[0] < 1e-3
    assert model.noise_std_[0] == pytest.approx(0.2 * np.sqrt(9 + 4 / 3), rel=0.15)
    assert fitted(*data(1200)[:2], 60).noise_std_[0] == pytest.approx(0.5, rel=0.1)


def test_the_std_is_that_of_a_new_target():
    X, y, X_new, y_new = data(800)
    model = fitted(X, y)
    mean, std = model.predict(X_new, return_std=True)
    assert_array_equal(mean, model.predict(X_new))
    assert np.std((y_new - mean) / std) == pytest.approx(1.0, abs=0.08)
    value = model.predict(X_new, return_std="value")[1]
    assert np.std((surface(X_new) - mean) / value) < 3
    assert (value < std).all()


def test_quantiles_are_the_ends_of_intervals():
    X, y, X_new, y_new = data(400, NOISE["skewed"])
    model = fitted(X, y)
    found = model.predict_quantiles(X_new, [0.05, 0.5, 0.95])
    assert found.shape == (len(X_new), 3)
    assert_allclose(found[:, [0, 2]].T, model.predict_interval(X_new, 0.9), rtol=1e-12)
    assert np.mean(y_new < found[:, 1]) == pytest.approx(0.5, abs=0.06)
    # The noise is skewed: the upper tail is the longer.
    assert (found[:, 2] - found[:, 1]).mean() > 1.5 * (found[:, 1] - found[:, 0]).mean()


def test_the_distribution_is_as_likely_as_the_true_one():
    X, y, X_new, y_new = data(1200, NOISE["t(3)"])
    distribution = fitted(X, y).predict_distribution(X_new)
    truth = stats.t(3, surface(X_new), 0.4)
    assert mean_log_likelihood(y_new, distribution) > mean_log_likelihood(y_new, truth) - 0.1
    assert 2 < distribution.args[0] < 6


def test_held_out_rows_calibrate():
    """Their errors in place of those of the fit: as many of them are within as asked."""
    X, y, X_val, y_val = data(400, n_new=199)
    model = OneHiddenLayerRegressor(6, keep_covariance=True, random_state=0)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    lower, upper = model.predict_interval(X_val, 0.9)
    # 10 of 200 beyond each end, one of which is the new target.
    assert np.sum(y_val < lower) == np.sum(y_val > upper) == 9
    assert len(model._predictive["scores"][0]) == 199


def test_intervals_grow_where_no_rows_are():
    X, y, *_ = data(600)
    model = fitted(X, y, 60)
    lower, upper = model.predict_interval(np.array([[0.0, 0, 0, 0], [6.0, 6, 6, 6]]))
    assert upper[1] - lower[1] > 2 * (upper[0] - lower[0])


def test_several_outputs_have_their_own_noise():
    X, y, X_new, _ = data(600)
    rng = np.random.default_rng(5)
    Y = np.column_stack([y, 100 * (X[:, 0] + 0.1 * rng.standard_normal(600))])
    model = fitted(X, Y)
    lower, upper = model.predict_interval(X_new)
    assert lower.shape == upper.shape == (len(X_new), 2)
    assert model.predict_quantiles(X_new[:5], [0.2, 0.8]).shape == (5, 2, 2)
    assert_allclose(model.noise_std_, [0.5, 10.0], rtol=0.15)
    assert model.predict_distribution(X_new[:5]).mean().shape == (5, 2)


def test_rows_of_every_kind():
    """Blocks, sparse rows, single precision, weights, and copies of the estimator."""
    X, y, X_new = planted()
    model = fitted(X, y, 2)
    expected = model.predict_interval(X_new)
    blocks = RowBlocks(lambda: ((X_new[part], np.zeros(25)) for part in (slice(25), slice(25, 50))))
    for found in (
        model.predict_interval(blocks),
        model.predict_interval(sparse.csr_array(X_new)),
        pickle.loads(pickle.dumps(model)).predict_interval(X_new),
        fitted(sparse.csr_array(X), y, 2).predict_interval(X_new),
    ):
        assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    streamed = OneHiddenLayerRegressor(2, keep_covariance=True, random_state=0).fit(
        RowBlocks(lambda: ((X[part], y[part]) for part in (slice(100), slice(100, 300))))
    )
    assert_allclose(streamed.predict_interval(X_new), expected, rtol=1e-3, atol=1e-3)
    single = fitted(X.astype(np.float32), y, 2).predict_interval(X_new.astype(np.float32))
    assert single[0].dtype == np.float32
    pipeline = make_pipeline(StandardScaler(), clone(model)).fit(X, y)
    assert pipeline.predict(X_new, return_std=True)[1].shape == (50,)


def test_weights_count_as_repeated_rows():
    X, y, X_new = planted()
    weight = np.tile([1, 2], 150)
    one = OneHiddenLayerRegressor(2, keep_covariance=True, random_state=0).fit(X, y, weight)
    other = fitted(np.repeat(X, weight, axis=0), np.repeat(y, weight), 2)
    assert_allclose(one.predict_interval(X_new), other.predict_interval(X_new), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("unit", [1e-60, 1e60])
def test_intervals_of_targets_in_other_units(unit):
    X, y, X_new = planted()
    one, other = fitted(X, y, 2), fitted(X, unit * y, 2)
    lower, upper = one.predict_interval(X_new)
    assert_allclose(np.array(other.predict_interval(X_new)) / unit, [lower, upper], rtol=1e-3, atol=1e-3)
    std = one.predict(X_new, return_std=True)[1]
    assert_allclose(other.predict(X_new, return_std=True)[1] / unit, std, rtol=1e-3)
    # The weights of homogeneous units have the scale of y in W; their optimum is one of several.
    widths = [
        np.mean(np.subtract(*fitted(X, u * y, 2, activation="relu").predict_interval(X_new))) / u
        for u in (unit, 1.0)
    ]
    assert widths[0] == pytest.approx(widths[1], rel=0.2)


def test_held_out_weights_may_sum_to_one_and_have_no_other_factor():
    X, y, X_new = planted()
    held = {"X_val": X[200:], "y_val": y[200:]}
    one = OneHiddenLayerRegressor(2, keep_covariance=True, random_state=0)
    expected = one.fit(X[:200], y[:200], **held).predict_interval(X_new)
    one.fit(X[:200], y[:200], **held, sample_weight_val=np.full(100, 0.01))
    assert_allclose(one.predict_interval(X_new), expected, rtol=1e-6, atol=1e-6)
    few = {"X_val": X[200:210], "y_val": y[200:210], "sample_weight_val": np.ones(10)}
    blocks = RowBlocks(lambda: [(X[:200], y[:200], np.full(200, 1 / 200))])
    with pytest.warns(UserWarning, match="more rows than the 10"):
        assert np.isinf(one.fit(blocks, **few).predict_interval(X_new)).all()


@pytest.mark.parametrize("far", [1e22, 1e50])
def test_far_rows_have_finite_quantiles(far):
    X, y, _ = planted()
    for activation in ("tanh", "relu"):
        model = fitted(X, y, 2, activation=activation)
        quantiles = model.predict_quantiles([[far, 0, 0, 0]])
        assert np.isfinite(quantiles).all()
        assert (np.diff(quantiles) >= 0).all()


def test_draws_of_an_imputer_have_the_spread_of_the_noise():
    """One missing column, a curve in the other plus noise of sd .5."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, 3000)
    missing = np.column_stack([x, np.sin(2 * x) + 0.5 * rng.standard_normal(3000)])
    missing[1000:, 1] = np.nan
    estimator = OneHiddenLayerRegressor(4, keep_covariance=True, random_state=0)
    imputer = IterativeImputer(estimator, sample_posterior=True, max_iter=1, random_state=0)
    drawn = imputer.fit_transform(missing)[1000:, 1]
    assert np.std(drawn - np.sin(2 * x[1000:])) == pytest.approx(0.5, rel=0.1)


# What is refused


def test_levels_are_between_zero_and_one():
    X, y, X_new, _ = data(60, n_new=3)
    model = fitted(X, y, 2)
    for level in (0.0, 1.0, 90, -0.1, np.nan, "0.9", True):
        with pytest.raises(ValueError, match="confidence_level must lie between 0 and 1"):
            model.predict_interval(X_new, level)
        if not isinstance(level, str):
            with pytest.raises(ValueError, match="quantiles must lie between 0 and 1"):
                model.predict_quantiles(X_new, [0.5, float(level)])
    with pytest.raises(ValueError, match='return_std must be a bool or "value"'):
        model.predict(X_new, return_std="noise")


def test_a_fit_without_covariances_says_what_to_do():
    X, y, X_new, _ = data(60, n_new=3)
    model = OneHiddenLayerRegressor(2, random_state=0).fit(X, y)
    calls = (
        lambda: model.predict(X_new, return_std=True),
        lambda: model.predict_interval(X_new),
        lambda: model.predict_quantiles(X_new),
        lambda: model.predict_distribution(X_new),
    )
    for call in calls:
        with pytest.raises(ValueError, match="needs a fit with keep_covariance=True: set it, and fit"):
            call()
    assert not hasattr(model, "noise_std_")
    with pytest.raises(NotFittedError):
        OneHiddenLayerRegressor().predict_interval(X_new)


def test_rows_of_another_width_are_refused():
    X, y, *_ = data(60, n_new=3)
    with pytest.raises(ValueError, match="X has 3 features, but OneHiddenLayerRegressor is expecting 4"):
        fitted(X, y, 2).predict_interval(X[:, :3])


@pytest.mark.parametrize("n", [5, 12, 40])
def test_of_too_few_rows_intervals_are_infinite_and_say_so(n):
    X, y, X_new, _ = data(n, n_new=3)
    model = fitted(X, y, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        enough = 1 - 2 / (n + 1)
        assert np.isfinite(model.predict_interval(X_new, 0.999 * enough)).all()
        with pytest.warns(UserWarning, match=f"needs more rows than the {n} whose errors are known"):
            lower, upper = model.predict_interval(X_new, 0.5 + 0.5 * enough)
    assert (lower == -np.inf).all()
    assert (upper == np.inf).all()


def test_an_exact_fit_has_intervals_of_no_width():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3))
    y = np.tanh(X[:, 0] + X[:, 1])
    model = fitted(X, y, 1)
    lower, upper = model.predict_interval(X)
    assert (upper - lower).max() < 1e-5
    assert np.isfinite(model.predict_distribution(X).logpdf(y)).all()


def test_units_of_measurement():
    X, y, X_new = planted()
    one = fitted(X, y, 2).predict_interval(X_new)
    other = fitted(X, 1000 * y - 7, 2).predict_interval(X_new)
    assert_allclose(np.array(other), 1000 * np.array(one) - 7, rtol=1e-3, atol=1)
