"""The numbers of the displays: against closed forms, second computations, and what is drawn."""

import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from _planted import differences
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_onenn import OneHiddenLayerRegressor, displays
from sklearn_onenn.activations import get_activation
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.displays import (
    HessianSpectrumDisplay,
    LossCurveDisplay,
    MomentSpectrumDisplay,
    PhaseTransitionDisplay,
    RecoveryDisplay,
    WeightMatchingDisplay,
)
from sklearn_onenn.displays import spectra as spectra_module
from sklearn_onenn.metrics import recovery_error

mpl.use("agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def planted(n=400, activation="relu", d=4, k=2, **options):
    return make_one_hidden_layer(n, d, k, activation=activation, random_state=0, **options)


def fitted(X, y, **parameters):
    parameters = {"k": 2, "activation": "relu", "n_init": 1, "random_state": 0} | parameters
    return OneHiddenLayerRegressor(**parameters).fit(X, y)


def with_weights(model, W, V):
    """The same fit with other weights."""
    other = clone(model)
    vars(other).update(vars(model))
    other.coefs_ = [W, V]
    return other


# Losses


def test_loss_curve_has_all_stages_and_their_boundaries():
    X, y, _ = planted(noise=0.3)
    model = OneHiddenLayerRegressor(k=2, activation="relu", n_init=1, random_state=0)
    model.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    display = LossCurveDisplay.from_estimator(model)
    ends = np.cumsum([n_iter for _, n_iter in model.stages_])
    assert ends[-1] == len(model.loss_curve_)
    assert display.boundaries_ == ends[:-1].tolist()
    starts = [0, *ends[:-1]]
    for line, start, end in zip(display.lines_, starts, ends, strict=True):
        iterations, losses = line.get_data()
        assert iterations[0] == start
        assert iterations[-1] == end - 1  # no line leads from stage to stage
        assert_array_equal(losses, np.take(model.loss_curve_, iterations))
    iterations, losses = display.validation_line_.get_data()
    assert iterations[0] == dict(model.stages_)["descent"]
    assert iterations[-1] == ends[-1] - 1
    assert losses.min() == model.validation_loss_
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    names = [label.split(" (")[0] for label in labels]
    assert names == [*dict.fromkeys(name for name, _ in model.stages_), "held-out rows"]
    assert labels[0] == "descent (rows of the step)"
    assert display.lines_[0].get_linestyle() == "None"  # of steps that each saw other rows
    assert display.ax_.get_legend().get_title().get_text() == "losses of one stage compare"


def test_a_stage_that_begins_anew_is_not_joined_to_the_one_before():
    """The first loss of a stage may be tenfold the last of the one before, which took fewer rows."""
    stages = [("descent", 2), ("evidence", 3), ("polish", 1), ("polish", 2)]
    curve = [2.0, 1.0, 20.0, 4.0, 0.9, 8.0, 3.0, 0.8]
    display = LossCurveDisplay(loss_curve=curve, stages=stages).plot()
    assert [len(line.get_xdata()) for line in display.lines_] == [2, 3, 1, 2]
    assert np.concatenate([line.get_ydata() for line in display.lines_]).tolist() == curve
    assert display.boundaries_ == [2, 5, 6]
    assert len({line.get_color() for line in display.lines_}) == 3


def test_loss_curve_of_stages_that_do_not_add_up():
    with pytest.raises(ValueError, match="stages must have as many iterations as loss_curve, 2"):
        LossCurveDisplay(loss_curve=[2, 1], stages=[("polish", 3)]).plot()


# Spectra of moments


def singular_units(activation, order, n=20_000):
    """Orthonormal units and the singular values that they have alone, in units of the residual."""
    rng = np.random.RandomState(0)
    W = 1.5 * np.linalg.qr(rng.standard_normal((8, 3)))[0]
    X = rng.standard_normal((n, 8))
    phi = get_activation(activation)
    y = phi.value(X @ W) @ [1.0, -0.9, 0.8]
    design = np.column_stack([np.ones(n), X])
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    size = np.abs(phi.hermite_coefficient(order, np.array([1.5]))) * [1.0, 0.9, 0.8] / residual.std()
    return X, y, size


def test_singular_values_are_those_of_the_units():
    """M_2 = sum v_i m_2 u_i u_i^T; 20 000 rows leave errors of about 0.05 (twice the edge is .09)."""
    X, y, size = singular_units("relu", 2)
    display = MomentSpectrumDisplay.from_data(X, y, random_state=0)
    assert (display.order, display.n_above_) == (2, 3)
    assert_allclose(display.values[:3], size, atol=0.06)
    assert display.values[3] < 0.06
    assert_array_equal(display.line_.get_ydata(), display.values)
    assert display.edge_ == display.null.max()


def test_odd_units_show_in_the_third_moment():
    X, y, _ = singular_units("tanh", 3)
    display = MomentSpectrumDisplay.from_data(X, y, random_state=0)
    assert (display.order, display.n_above_) == (3, 3)


def test_noise_stays_below_the_edge():
    """The chance that the data exceed twenty permutations is 1 / 21: above 3 in 12 has chance .002."""
    rng = np.random.RandomState(0)
    above = [
        MomentSpectrumDisplay.from_data(
            rng.standard_normal((300, 5)), rng.standard_normal(300), random_state=seed
        ).n_above_
        > 0
        for seed in range(12)
    ]
    assert sum(above) <= 3


def test_spectra_do_not_depend_on_units_of_rows_and_targets():
    X, y, _ = planted(2000, k=2, d=5)
    mixed = X @ np.random.RandomState(1).standard_normal((5, 5)) + 3
    one = MomentSpectrumDisplay.from_data(X, y, random_state=0)
    other = MomentSpectrumDisplay.from_data(mixed, 100 * y - 5, random_state=0)
    assert_allclose(other.values, one.values, rtol=1e-6)
    assert_allclose(other.null, one.null, rtol=1e-6)


def test_spectrum_of_several_outputs():
    """The units of both outputs are seen, which neither shows alone."""
    X, first, _ = planted(6000, k=2, d=8)
    second = make_one_hidden_layer(6000, 8, 1, activation="relu", random_state=3)[2].predict(X)
    both = MomentSpectrumDisplay.from_data(X, np.column_stack([first, 50 * second]), random_state=0)
    assert both.n_above_ == 3


# Spectra of Gauss-Newton matrices


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_eigenvalues_are_those_of_the_jacobian(activation, fit_intercept):
    """By finite differences of the predictions, with the rows whitened by hand."""
    X, y, _ = planted(activation=activation, noise=0.1)
    model = fitted(X, y, activation=activation, fit_intercept=fit_intercept)
    display = HessianSpectrumDisplay.from_estimator(model, X)
    mean = X.mean(axis=0) if fit_intercept else np.zeros(4)
    root = np.linalg.cholesky((X - mean).T @ (X - mean) / len(X))
    Z = np.linalg.solve(root, (X - mean).T).T
    (W, V), (b, c) = model.coefs_, model.intercepts_
    point = np.concatenate([(root.T @ W).ravel(), V.ravel(), b + mean @ W, c])
    free = len(point) if fit_intercept else 10
    phi = get_activation(activation).value

    def predictions(part):
        w, v, b, c = np.split(np.concatenate([part, point[free:]]), [8, 10, 12])
        return phi(Z @ w.reshape(4, 2) + b) @ v + c

    J = differences(predictions, point[:free])
    expected = np.linalg.eigvalsh(J @ J.T / len(X))[::-1]
    assert display.n_weights == len(display.eigenvalues) == free
    # A row on a kink within the step counts half.
    assert_allclose(display.eigenvalues, expected, rtol=1e-3, atol=1e-6)
    zeros = (display.eigenvalues < 1e-12).sum()
    assert zeros == (2 if activation == "relu" else 0)


def test_largest_eigenvalues_alone(monkeypatch):
    X, y, _ = planted(activation="tanh", noise=0.1)
    model = fitted(X, y, activation="tanh")
    every = HessianSpectrumDisplay.from_estimator(model, X)
    monkeypatch.setattr(spectra_module, "ALL_EIGENVALUES", 1)
    largest = HessianSpectrumDisplay.from_estimator(model, X, n_eigenvalues=5)
    assert_allclose(largest.eigenvalues, every.eigenvalues[:5], rtol=1e-8)
    assert largest.n_weights == 13
    assert "largest of 13" in largest.ax_.get_xlabel()


# Weights


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_found_weights_lie_on_the_diagonal(activation):
    """Units in another order and form are the same ones; a weight that is off is off."""
    X, y, teacher = planted(activation=activation)
    model = fitted(X, y, activation=activation)
    W, v = teacher.coefs_
    sign = 1 if activation == "relu" else -1
    scale = 4.0 if activation == "relu" else 1.0
    W, v = sign * scale * W[:, ::-1], sign * v[::-1] / scale
    display = RecoveryDisplay.from_estimator(with_weights(model, W, v), *teacher.coefs_)
    assert display.error < 1e-12
    assert_allclose(display.found_weights, display.true_weights, rtol=1e-12)
    assert_array_equal(display.points_.get_xdata(), display.true_weights.ravel())
    W = W.copy()
    W[0, 0] *= 1.5
    off = RecoveryDisplay.from_estimator(with_weights(model, W, v), *teacher.coefs_)
    ratio = off.found_weights / off.true_weights
    assert np.sort(ratio.ravel())[-1] == pytest.approx(1.5)
    assert (np.abs(ratio - 1) < 1e-9).sum() == ratio.size - 1
    assert off.error == recovery_error(W, v, *teacher.coefs_, activation=activation)


def test_errors_along_a_fit_end_at_that_of_the_fit():
    X, y, teacher = planted(activation="relu", n=600)
    model = fitted(X, y)
    unfitted = clone(model)
    display = RecoveryDisplay.from_fit(unfitted, X, y, *teacher.coefs_)
    assert not hasattr(unfitted, "coefs_")
    assert len(display.errors) == model.n_iter_
    end = recovery_error(*model.coefs_, *teacher.coefs_, activation="relu")
    assert display.errors[-1] == end < 1e-6 < display.errors[0]
    assert (np.diff(display.passes) > 0).all()
    assert display.passes[-1] <= model.n_passes_
    assert_array_equal(display.line_.get_xdata(), display.passes)
    # With noise the best start is polished further: passes go on where they were.
    y = y + 0.1 * np.random.default_rng(0).standard_normal(len(y))
    display = RecoveryDisplay.from_fit(unfitted, X, y, *teacher.coefs_)
    assert [name for name, _ in fitted(X, y).stages_].count("polish") == 2
    assert (np.diff(display.passes) > 0).all()


def test_recovery_displays_lack_what_was_not_computed():
    with pytest.raises(ValueError, match=r"no passes and no errors: make it by from_fit"):
        RecoveryDisplay(true_weights=[1], found_weights=[1]).plot(kind="error")
    with pytest.raises(ValueError, match=r"make it by from_estimator"):
        RecoveryDisplay(passes=[1], errors=[1]).plot()
    with pytest.raises(ValueError, match="kind must be 'weights' or 'error', got 'both'"):
        RecoveryDisplay(passes=[1], errors=[1]).plot(kind="both")


def test_cosines_of_matched_units():
    X, y, _ = planted(d=4, k=3, noise=0.1)
    one = fitted(X, y, k=3)
    W, V = one.coefs_
    angle = 0.3
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    other = with_weights(one, -2 * (turned @ W)[:, [2, 0, 1]], V)
    display = WeightMatchingDisplay.from_estimators(one, other)
    U = W / np.linalg.norm(W, axis=0)
    assert_allclose(display.cosines, np.abs(U.T @ turned @ U), rtol=1e-12)
    assert_array_equal(display.matched_, np.diag(display.cosines))
    assert_array_equal(display.image_.get_array(), display.cosines)
    same = WeightMatchingDisplay.from_estimators(one, with_weights(one, W[:, ::-1], V))
    assert_allclose(same.matched_, 1)


# Phase transitions


def test_shares_of_trials():
    display = PhaseTransitionDisplay.from_trials(
        n_samples=[20, 10, 20, 20, 10], sizes=[5, 5, 3, 5, 5], recovered=[1, 0, 1, 0, 0]
    )
    assert_array_equal(display.success, [[np.nan, 1], [0, 0.5]])
    assert (display.n_samples.tolist(), display.sizes.tolist()) == ([10, 20], [3, 5])
    assert_array_equal(np.asarray(display.image_.get_array())[1], [0, 0.5])
    assert [text.get_text() for text in display.ax_.get_xticklabels()] == ["10", "20"]
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["3", "5"]


def test_tables_of_the_wrong_shape():
    with pytest.raises(ValueError, match=r"success must have shape \(1, 2\).*got \(2, 1\)"):
        PhaseTransitionDisplay(success=[[1], [1]], n_samples=[1, 2], sizes=[1]).plot()
    with pytest.raises(ValueError, match="of one length, got shapes"):
        PhaseTransitionDisplay.from_trials([1, 2], [1, 2], [True])


# All of them


def every_display():
    """A call that draws, for each display: of a fit, its data and a truth."""
    X, y, teacher = planted(noise=0.1)
    return {
        LossCurveDisplay: lambda model, **ax: LossCurveDisplay.from_estimator(model, **ax),
        MomentSpectrumDisplay: lambda model, **ax: MomentSpectrumDisplay.from_data(X, y, **ax),
        HessianSpectrumDisplay: lambda model, **ax: HessianSpectrumDisplay.from_estimator(
            model, X, **ax
        ),
        RecoveryDisplay: lambda model, **ax: RecoveryDisplay.from_estimator(
            model, *teacher.coefs_, **ax
        ),
        WeightMatchingDisplay: lambda model, **ax: WeightMatchingDisplay.from_estimators(
            model, model, **ax
        ),
        PhaseTransitionDisplay: lambda model, **ax: PhaseTransitionDisplay.from_trials(
            [1], [1], [True], **ax
        ),
    }


every_one = pytest.mark.parametrize("name", displays.__all__)


@every_one
def test_axes_are_those_given_or_new(name):
    X, y, _ = planted(noise=0.1)
    model = fitted(X, y)
    display = getattr(displays, name)
    _, ax = plt.subplots()
    drawn = every_display()[display](model, ax=ax)
    assert isinstance(drawn, display)
    assert drawn.ax_ is ax
    assert drawn.figure_ is ax.figure
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert drawn.plot() is drawn
    assert drawn.ax_ is not ax


@every_one
def test_without_matplotlib(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    X, y, _ = planted(noise=0.1)
    with pytest.raises(ImportError, match=f"{name}.* requires matplotlib"):
        every_display()[getattr(displays, name)](fitted(X, y))


@pytest.mark.parametrize(
    "name", ["LossCurveDisplay", "HessianSpectrumDisplay", "RecoveryDisplay", "WeightMatchingDisplay"]
)
def test_unfitted_estimators(name):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        every_display()[getattr(displays, name)](OneHiddenLayerRegressor())


def test_other_features():
    X, y, teacher = planted(noise=0.1)
    model, other = fitted(X, y), fitted(X[:, :3], y)
    with pytest.raises(ValueError, match="X has 3 features.*expecting 4"):
        HessianSpectrumDisplay.from_estimator(model, X[:, :3])
    with pytest.raises(
        ValueError, match=r"same numbers of features and units, got \(4, 2\) and \(3, 2\)"
    ):
        WeightMatchingDisplay.from_estimators(model, other)
    with pytest.raises(ValueError, match=r"one shape. Got \(3, 2\) and \(4, 2\)"):
        RecoveryDisplay.from_estimator(other, *teacher.coefs_)
    with pytest.raises(ValueError, match="k must be that of W_true, 2, got 3"):
        RecoveryDisplay.from_fit(OneHiddenLayerRegressor(k=3, activation="relu"), X, y, *teacher.coefs_)
    with pytest.raises(ValueError, match="must have one output, got 2"):
        RecoveryDisplay.from_estimator(fitted(X, np.column_stack([y, -y])), *teacher.coefs_)


def test_data_without_a_spectrum():
    X, y, _ = planted()
    with pytest.raises(ValueError, match="X must have a column that varies"):
        MomentSpectrumDisplay.from_data(np.ones_like(X), y)
    with pytest.raises(ValueError, match="n_permutations must be at least 1, got 0"):
        MomentSpectrumDisplay.from_data(X, y, n_permutations=0)
