"""``loss="student_t"``: a few gross errors count for next to nothing, and normal noise for all."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn import OneHiddenLayerRegressor, RowBlocks
from sklearn_onenn._inference.student_t import StudentNoise


def rows_of_network(n, n_outputs=1, seed=0):
    """Normal rows and the outputs there of a network of three units."""
    W, V = (
        np.linalg.qr(np.random.default_rng(0).standard_normal((6, 3)))[0],
        np.array([[1, 2], [-1, 1], [1, -1]]),
    )
    X = np.random.default_rng(seed).standard_normal((n, 6))
    y = np.maximum(X @ W, 0) @ V
    return X, y if n_outputs == 2 else y[:, 0]


def planted(noise=0.0, n=1500, n_outputs=1, gross=15, size=20.0):
    """Rows of a network, its clean targets, noisy ones, and these with gross errors."""
    X, clean = rows_of_network(n, n_outputs)
    rng = np.random.default_rng(1)
    y = clean + noise * clean.std() * rng.standard_normal(clean.shape)
    spoiled, rows = y.copy(), rng.choice(n, gross, replace=False)
    signs = rng.choice([-1.0, 1.0], (gross, *y.shape[1:]))
    spoiled[rows] += size * clean.std() * signs
    return X, clean, y, spoiled, rows


def fitted(X, y, loss="student_t", weight=None, **parameters):
    model = OneHiddenLayerRegressor(3, activation="relu", loss=loss, random_state=0, **parameters)
    return model.fit(X, y, sample_weight=weight)


def error(model, X, y):
    return np.sqrt(np.mean((model.predict(X) - y) ** 2))


@pytest.mark.parametrize("size", [5.0, 1e4])
def test_a_network_is_recovered_from_exact_targets_of_which_some_are_wrong(size):
    X, clean, _, spoiled, _ = planted(size=size)
    assert error(fitted(X, spoiled), X, clean) < 1e-5 * clean.std()
    assert error(fitted(X, spoiled, "squared_error"), X, clean) > 0.01 * clean.std()


@pytest.mark.parametrize("size", [5.0, 20.0, 1e4])
def test_one_percent_of_gross_errors_costs_less_than_a_tenth(size):
    X, clean, y, spoiled, _ = planted(noise=0.1, size=size)
    without = error(fitted(X, y, "squared_error"), X, clean)
    assert error(fitted(X, spoiled), X, clean) < 1.1 * without
    assert error(fitted(X, spoiled, "squared_error"), X, clean) > 3 * without


def test_of_normal_noise_it_is_the_fit_of_least_squares():
    X, clean, y, _, _ = planted(noise=0.3)
    squared, student = fitted(X, y, "squared_error"), fitted(X, y)
    assert student.noise_df_ > 20
    assert_allclose(student.predict(X), squared.predict(X), atol=0.03 * clean.std())


def test_scale_and_degrees_of_freedom_are_those_of_the_errors():
    X, clean, _, _, _ = planted(n=4000)
    y = clean + 0.1 * np.random.default_rng(2).standard_t(9, len(clean))
    model = fitted(X, y)
    assert 6.5 < model.noise_df_ < 15
    assert model.noise_scale_[0] == pytest.approx(0.1, rel=0.1)


def test_heavy_tails_cost_less():
    X, clean, _, _, _ = planted(n=4000)
    y = clean + 0.1 * np.random.default_rng(2).standard_t(2.5, len(clean))
    assert error(fitted(X, y), X, clean) < 0.9 * error(fitted(X, y, "squared_error"), X, clean)


def test_several_outputs():
    X, clean, _, spoiled, _ = planted(n_outputs=2)
    model = fitted(X, spoiled)
    assert_allclose(model.predict(X), clean, atol=1e-4)
    assert model.noise_scale_.shape == (2,)


def test_a_weight_counts_rows():
    X, _, _, spoiled, _ = planted(noise=0.1, n=300, gross=3)
    counts = np.random.default_rng(0).integers(1, 3, len(X))
    weighted = fitted(X, spoiled, weight=counts)
    repeated = fitted(np.repeat(X, counts, axis=0), np.repeat(spoiled, counts, axis=0))
    assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-6, atol=1e-6)


def test_held_out_rows_may_be_wrong_too():
    X, clean, _, spoiled, _ = planted(noise=0.1)
    model = OneHiddenLayerRegressor(3, activation="relu", loss="student_t", random_state=0)
    model.fit(X[:1000], spoiled[:1000], X_val=X[1000:], y_val=spoiled[1000:])
    assert error(model, X, clean) < 0.1 * clean.std()


def test_the_certificate_goes_by_the_weights_of_the_fit():
    X, _, _, spoiled, _ = planted(noise=0.1)
    certificate = fitted(X, spoiled).certificate(X, spoiled)
    assert certificate.verdict == "recovered", str(certificate)
    assert certificate.trained_here
    assert fitted(X, spoiled, "squared_error").certificate(X, spoiled).verdict != "recovered"


def test_intervals_are_those_of_the_rows_as_they_are():
    """One in a hundred is grossly wrong: the others are held about as often as ever."""
    X, clean, y, spoiled, _ = planted(noise=0.1)
    model = fitted(X, spoiled, keep_covariance=True)
    X_new, clean_new = rows_of_network(4000, seed=2)
    y_new = clean_new + 0.1 * clean.std() * np.random.default_rng(3).standard_normal(4000)
    low, high = model.predict_interval(X_new, 0.9)
    assert 0.88 < np.mean((low <= y_new) & (y_new <= high)) < 0.935
    plain = fitted(X, y, "squared_error", keep_covariance=True)
    ratio = np.mean(high - low) / np.mean(np.subtract(*plain.predict_interval(X_new, 0.9)[::-1]))
    assert 0.95 < ratio < 1.15
    mean, scale = plain.coefs_std_[0].mean(), model.coefs_std_[0].mean()
    assert scale == pytest.approx(mean, rel=0.3)


def test_the_loss_is_that_of_weighted_rows():
    X, _, _, spoiled, rows = planted(noise=0.1)
    model = fitted(X, spoiled)
    errors = spoiled - model.predict(X)
    weight = (model.noise_df_ + 1) / (model.noise_df_ + (errors / model.noise_scale_[0]) ** 2)
    assert model.loss_ == pytest.approx(np.average(errors**2, weights=weight) / 2, rel=1e-9)
    assert weight[rows].max() < 0.01 * np.median(weight)


def test_another_fit_forgets_the_noise():
    X, _, y, spoiled, _ = planted(noise=0.1)
    model = fitted(X, spoiled)
    model.set_params(loss="squared_error").fit(X, y)
    assert not hasattr(model, "noise_df_")
    assert_array_equal(model.predict(X), fitted(X, y, "squared_error").predict(X))


def test_blocks_of_rows_are_refused():
    X, _, y, _, _ = planted()
    with pytest.raises(ValueError, match="needs arrays, got RowBlocks"):
        fitted(RowBlocks(lambda: [(X, y)]), None)
    with pytest.raises(ValueError, match="'loss' parameter .* must be a str among"):
        fitted(X, y, loss="huber")


@pytest.mark.parametrize("size", [1e4, 1e10, 1e15])
def test_a_sentinel_of_any_size_counts_for_nothing(size):
    X, clean, y, _, _ = planted(noise=0.1, n=400)
    without = error(fitted(X, y, "squared_error"), X, clean)
    y[0] = size
    model = fitted(X, y)
    assert error(model, X, clean) < 1.3 * without
    # The scale of a t distribution of few degrees is smaller than the standard deviation.
    assert 0.6 < model.noise_scale_[0] / (0.1 * clean.std()) < 1.1


@pytest.mark.parametrize(("n", "seed"), [(30, 7), (60, 6), (150, 7)])
def test_rows_that_hardly_count_have_hardly_leverage(n, seed):
    """A row of weight .01 and residual 3 was said to have an error of 500 when it is left out."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    y = np.sin(X[:, 0]) + 0.1 * rng.normal(size=n)
    y[rng.choice(n, n // 20, replace=False)] += 3
    model = OneHiddenLayerRegressor(3, loss="student_t", keep_covariance=True, random_state=0).fit(X, y)
    assert 0.1 < model.noise_std_[0] < 1.5


def test_the_noise_is_that_of_the_fit():
    """Also of a mean, whose weights are those that the fit before it left."""
    X, _, _, spoiled, _ = planted(noise=0.1, n=300)
    for k in (3, 60):
        model = OneHiddenLayerRegressor(k, activation="relu", loss="student_t", random_state=0)
        errors = spoiled - model.fit(X, spoiled).predict(X)
        noise = StudentNoise.of(errors[:, None], None)
        assert_allclose([noise.df, *noise.scale], [model.noise_df_, *model.noise_scale_], rtol=1e-4)
