"""Certificates of planted fits, and the tests that they rest on."""

import warnings

import numpy as np
import pytest
from _planted import gaussian_problem, random_network, separated_network
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError

from sklearn_onenn import OneHiddenLayerRegressor, RowBlocks
from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.targets import TargetScale
from sklearn_onenn._inference import refits as refits_module
from sklearn_onenn._inference.checks import contraction, redundant_rows, unit_redundancy
from sklearn_onenn._inference.refits import CertificateContext, with_a_further_unit
from sklearn_onenn._inference.residual_tests import (
    chi_square_score,
    gained,
    spectrum_against_signs,
    unexplained_by_inputs,
    unexplained_second_moment,
)
from sklearn_onenn._network.network import forward
from sklearn_onenn._network.symmetries import TangentBasis
from sklearn_onenn._optimization.gauss_newton import Stopping, gauss_newton
from sklearn_onenn._selection.lack_of_fit import corrected, kernel_score, unexplained_by_rows
from sklearn_onenn.activations import ReLU, Tanh
from sklearn_onenn.certificate import Certificate, Check
from sklearn_onenn.datasets import make_one_hidden_layer


def planted(n=600, d=6, k=2, *, activation="relu", noise=0.0, seed=0):
    X, y, _ = make_one_hidden_layer(n, d, k, activation=activation, noise=noise, random_state=seed)
    return X, y


def fitted(X, y, k=2, **parameters):
    parameters = {"activation": "relu"} | parameters
    return OneHiddenLayerRegressor(k, random_state=0, **parameters).fit(X, y)


def certified(X, y, k=2, **parameters):
    return fitted(X, y, k, **parameters).certificate(X, y)


def failed(certificate):
    return {check.name for check in certificate.checks if not check.passed}


# Verdicts


@pytest.mark.parametrize("activation", ["relu", "squared_relu", "tanh"])
def test_an_exact_fit_is_recovered(activation):
    certificate = certified(*planted(activation=activation), activation=activation)
    assert certificate.verdict == "recovered"
    assert certificate.exact
    assert certificate.trained_here
    assert certificate.reason == "All checks pass."


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_noisy_fit_is_recovered(activation):
    certificate = certified(*planted(activation=activation, noise=0.1), activation=activation)
    assert failed(certificate) == set()
    assert not certificate.exact


def test_units_too_many_of_an_exact_fit():
    certificate = certified(*planted(), k=3)
    assert certificate.verdict == "not recovered"
    assert "every unit needed" in failed(certificate)
    assert "use k=2" in certificate.reason


def test_two_parallel_units_are_not_recovered():
    X, y = planted()
    (W, v), (b, _) = fitted(X, y).coefs_, fitted(X, y).intercepts_
    doubled = W[:, [0, 0, 1]], b[[0, 0, 1]], np.array([0.3, 0.7, 1.0]) * v[[0, 0, 1], 0]
    model = OneHiddenLayerRegressor(
        3, activation="relu", init=doubled, resample=False, random_state=0
    ).fit(X, y)
    assert model.loss_ < 1e-12 * y.var()
    assert {"every unit needed", "determined weights"} <= failed(model.certificate(X, y))


def test_units_too_many_in_noise():
    assert "every unit needed" in failed(certified(*planted(noise=0.1), k=3))


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_units_too_few(activation, noise):
    certificate = certified(*planted(k=3, noise=noise, activation=activation), activation=activation)
    assert certificate.verdict == "not recovered"
    assert "no further unit" in failed(certificate)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("activation", [ReLU(), Tanh()], ids=repr)
def test_the_unit_that_is_missing_is_found(activation, seed):
    """Noise of half the signal: one of the larger networks is the optimum next to the truth."""
    truth = separated_network(6, 2, seed=seed)
    problem = gaussian_problem(truth, 240, activation, noise=0.5, seed=seed, alpha=1.0)
    stopping = Stopping(max_iter=200, tol=1e-8)
    first = truth._replace(W=truth.W[:, :1], b=truth.b[:1], V=truth.V[:1])
    one = gauss_newton(problem, first, stopping).network
    scale = TargetScale(np.zeros(1), np.ones(1))
    plan = OneHiddenLayerRegressor(1, activation="relu")._options(problem.coordinates, problem, scale)
    larger = with_a_further_unit(CertificateContext.of(problem, one, plan))
    best = min(problem.evaluate(network).loss for network in larger)
    assert best < 1.003 * gauss_newton(problem, truth, stopping).objective


def test_a_wrong_activation():
    certificate = certified(*planted(noise=0.1, activation="squared_relu"))
    assert certificate.verdict == "not recovered"
    assert "activation" in failed(certificate)


def test_a_rival_activation():
    # Softplus units with large weights are nearly ReLU ones: only the comparison tells them apart.
    certificate = certified(*planted(noise=0.1), activation="softplus")
    assert certificate.verdict == "doubtful"
    assert failed(certificate) == {"no rival activation"}
    assert "try activation='" in certificate.reason


def test_fewer_rows_than_weights():
    certificate = certified(*planted(12))
    assert failed(certificate) == {"rows"}
    assert certificate.verdict == "not recovered"


def test_a_poor_optimum():
    X, y = planted(k=4)
    # Four units that start at one direction keep to it.
    W = np.repeat(np.eye(6)[:, :1], 4, axis=1)
    start = W, np.zeros(4), np.ones(4)
    model = OneHiddenLayerRegressor(4, activation="relu", init=start, random_state=0).fit(X, y)
    assert model.loss_ > 1e-3 * y.var()
    certificate = model.certificate(X, y)
    assert certificate.verdict == "not recovered"
    assert "no further unit" in failed(certificate)


def test_a_unit_that_is_active_on_as_many_rows_as_it_has_weights_is_an_interpolation():
    """Seven weights and so many rows: each has leverage one; the more rows, the more is left over."""
    network = separated_network(6, 1)
    problem = gaussian_problem(network, 400, ReLU())
    inputs = np.sort((problem.rows.X @ network.W)[:, 0])
    left = []
    for n_active in (7, 14, 200):
        threshold = (inputs[-n_active] + inputs[-n_active - 1]) / 2
        rare = network._replace(b=np.array([-threshold]))
        left.append(unit_redundancy(problem.evaluate(rare), 0))
        assert redundant_rows(problem.evaluate(rare)).passed == (n_active > 7)
    assert abs(left[0]) < 1e-9
    assert 0.1 < left[1] < 0.6
    assert left[2] > 0.8


def test_redundancy_is_that_of_the_equations_of_a_unit():
    """One minus the largest mean leverage, over directions, by the matrix of all derivatives."""
    network = separated_network(4, 2)
    problem = gaussian_problem(network, 60, Tanh())
    X = problem.rows.X
    slope = 1 - np.tanh(X @ network.W[:, 1] + network.b[1]) ** 2
    Q = np.linalg.qr(np.column_stack([X, np.ones(60)]) * slope[:, None])[0]
    h = (Q**2).sum(axis=1)
    expected = 1 - np.linalg.eigvalsh(Q.T @ (h[:, None] * Q))[-1]
    assert_allclose(unit_redundancy(problem.evaluate(network), 1), expected, rtol=1e-10)
    # A row of weight three is three rows.
    weight = np.tile([1, 3], 30)
    repeated = problem.replace(ArrayRows(*(np.repeat(a, weight, axis=0) for a in (X, problem.rows.y))))
    weighted = problem.replace(ArrayRows(X, problem.rows.y, weight.astype(float)))
    one, other = (unit_redundancy(these.evaluate(network), 1) for these in (repeated, weighted))
    assert_allclose(one, other, rtol=1e-10)


REMAINDERS = {
    "sine": lambda X: np.sin(5 * X[:, 0]),
    "product of three": lambda X: X[:, 0] * X[:, 1] * X[:, 2],
    "cubic": lambda X: X[:, 0] ** 3 - 3 * X[:, 0],
}


@pytest.mark.parametrize("name", REMAINDERS)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_remainder_of_five_percent_is_no_noise(activation, name):
    X, y = planted(1200, k=3, activation=activation)
    rest = REMAINDERS[name](X)
    y = y / y.std() + np.sqrt(0.05 / 0.95) * rest / rest.std()
    certificate = certified(X, y, 3, activation=activation)
    assert certificate.verdict == "not recovered"
    assert "nothing else" in failed(certificate)


def test_a_sine_beside_one_unit_is_no_network():
    X = np.random.RandomState(0).standard_normal((1000, 5))
    y = np.tanh(X[:, 1] + X[:, 2]) + 0.3 * np.sin(5 * X[:, 0])
    assert certified(X, y, 1, activation="tanh").verdict == "not recovered"


@pytest.mark.parametrize(("planted_as", "fitted_as"), [("tanh", "sigmoid"), ("sigmoid", "tanh")])
def test_an_activation_with_the_same_networks_is_no_rival(planted_as, fitted_as):
    certificate = certified(*planted(1200, activation=planted_as, noise=0.1), activation=fitted_as)
    assert certificate.verdict == "recovered"


def test_advice_is_one_and_can_be_followed():
    """Pure noise with one unit: every check has its own advice, and k=0 is none."""
    X = np.random.RandomState(0).standard_normal((300, 4))
    certificate = certified(X, np.random.RandomState(1).standard_normal(300), k=1)
    assert "k=0" not in str(certificate)
    led = [check for check in certificate.checks if not check.passed and check.decisive]
    assert certificate.reason.startswith(led[0].sentence)
    assert all(check.name in certificate.reason for check in led[1:])
    assert all(check.sentence not in certificate.reason for check in led[1:])


def test_pure_noise_has_no_network():
    rng = np.random.RandomState(0)
    X = rng.standard_normal((300, 4))
    certificate = certified(X, rng.standard_normal(300))
    assert certificate.verdict == "not recovered"
    assert {"signal", "every unit needed"} <= failed(certificate)


# What it is given


def test_unfitted():
    with pytest.raises(NotFittedError):
        OneHiddenLayerRegressor().certificate(*planted())


def test_other_features():
    X, y = planted()
    with pytest.raises(ValueError, match="X has 5 features"):
        fitted(X, y).certificate(X[:, :5], y)


def test_rows_in_blocks_are_refused():
    X, y = planted()
    with pytest.raises(TypeError, match="needs arrays, got RowBlocks"):
        fitted(X, y).certificate(RowBlocks(lambda: [(X, y)]), None)


def test_constant_targets():
    X, y = planted(100)
    certificate = certified(X, np.full(100, 3.0))
    assert certificate.verdict == "not recovered"


def test_one_unit():
    assert certified(*planted(k=1), k=1).verdict == "recovered"
    assert certified(*planted(k=1, noise=0.1), k=1).verdict == "recovered"


def test_several_outputs():
    X, y = planted()
    Y = np.column_stack([y, planted(seed=0)[1] - 0.5 * np.maximum(X @ fitted(X, y).coefs_[0][:, 0], 0)])
    assert certified(X, Y).verdict == "recovered"


def test_other_rows_are_named():
    X, y = planted(900, noise=0.1)
    model = fitted(X[:500], y[:500])
    certificate = model.certificate(X[500:], y[500:])
    assert not certificate.trained_here
    assert "other rows than those of the fit" in str(certificate)
    assert model.certificate(X[:500], y[:500]).trained_here
    assert not model.certificate(X[:500], y[:500] + 0.01 * X[:500, 0]).trained_here


def test_a_unit_that_is_dead_on_the_rows_of_a_preconditioner_brings_no_warning():
    """Directions of conjugate gradients overflow there, and the step is not taken."""
    X, _, teacher = make_one_hidden_layer(240, 6, 2, activation="relu", bias=0.3, random_state=4006)
    X = np.random.default_rng([4006, 1]).exponential(size=X.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        model = OneHiddenLayerRegressor(2, activation="relu", random_state=4006).fit(
            X, teacher.predict(X)
        )
        found = model.certificate(X, teacher.predict(X))
    assert found.kappa > 1  # infinite if a unit is dead on all rows


def test_weights_count_as_repeated_rows():
    X, y = planted(100, noise=0.1)
    weight = np.tile([1, 3], 50)
    model = OneHiddenLayerRegressor(2, activation="relu", random_state=0).fit(X, y, weight)
    one = model.certificate(X, y, weight)
    other = model.certificate(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert one.trained_here
    assert other.trained_here
    assert_allclose([c.value for c in one.checks], [c.value for c in other.checks], rtol=1e-4)


def test_the_estimator_stays_as_it_is_and_the_answer_too():
    X, y = planted(200, noise=0.1)
    model = fitted(X, y)
    before = {name: np.copy(value) for name, value in vars(model).items() if name == "loss_curve_"}
    names = set(vars(model))
    first = str(model.certificate(X, y))
    assert first == str(model.certificate(X, y))
    assert set(vars(model)) == names
    assert_allclose(model.loss_curve_, before["loss_curve_"])


def test_text_holds_every_check_and_what_to_do():
    certificate = certified(*planted(noise=0.1), k=3)
    text = str(certificate)
    assert text.startswith("Not recovered, judged on the rows of the fit.")
    for check in (*certificate.checks, *certificate.assumptions):
        assert check.sentence in text
    assert all(": " in check.sentence for check in certificate.checks if not check.passed)


def test_a_line_says_the_verdict_and_what_failed():
    assert repr(certified(*planted())) == "<Certificate: recovered>"
    certificate = certified(*planted(12))
    assert repr(certificate) == "<Certificate: not recovered; fails: rows>"


def test_verdict_follows_from_the_checks():
    def verdict(*checks):
        records = [Check("", 0.0, 0.0, passed, decisive, "") for passed, decisive in checks]
        return Certificate(tuple(records), (), True, True, 1.0, 1.0, 1.0, (1, 1), (1, 1), 0.1).verdict

    assert verdict((True, True), (True, False)) == "recovered"
    assert verdict((True, True), (False, False)) == "doubtful"
    assert verdict((False, True), (False, False)) == "not recovered"


# The tests of the residual


def test_kernel_score_by_all_signs():
    """The mean and the variance over all 512 signs of nine residuals, kernels across derivatives."""
    rng = np.random.RandomState(0)
    A, r = rng.standard_normal((9, 4)), rng.standard_normal(9)
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * 9)).reshape(9, -1).T
    values = ((signs * r @ A) ** 2).sum(axis=1)
    n = 2 * values.mean() ** 2 / values.var()
    square = ((r @ A) ** 2).sum()
    expected = (np.cbrt(square / values.mean()) - 1 + 2 / (9 * n)) * np.sqrt(9 * n / 2)
    assert_allclose(kernel_score(r, A @ A.T, np.zeros((9, 0)), np.ones(9)), expected)
    tangent = np.linalg.qr(A)[0]
    assert kernel_score(r, A @ A.T, tangent, np.ones(9)) == -np.inf
    # Across the first two columns of A the kernel is that of what the others have there.
    tangent = np.linalg.qr(A[:, :2])[0]
    across = A - tangent @ (tangent.T @ A)
    h = (tangent**2).sum(axis=1)
    values = ((signs * r / np.sqrt(1 - h) @ across) ** 2).sum(axis=1)
    n = 2 * values.mean() ** 2 / values.var()
    square = ((r @ across) ** 2).sum()
    expected = (np.cbrt(square / values.mean()) - 1 + 2 / (9 * n)) * np.sqrt(9 * n / 2)
    assert_allclose(kernel_score(r, A @ A.T, tangent, np.ones(9)), expected)


def test_the_largest_of_several_scores():
    """Four normal values exceed 2.5 with four times the probability of one, nearly."""
    from scipy.stats import norm

    assert_allclose(norm.sf(corrected(2.5, 4)), 4 * norm.sf(2.5))
    assert corrected(-1.0, 4) == 0.0
    assert corrected(-np.inf, 4) == 0.0


def test_scores_by_rows_of_noise_are_as_often_large_as_they_should_be():
    """60 draws of noise that depends on the row: of 240 normal scores 3.5 are above 2.2, 0.3 above 3."""
    teacher = separated_network(5, 2)
    free = TangentBasis(teacher, degree=1, fit_intercept=True)
    scores = []
    for seed in range(60):
        problem = gaussian_problem(teacher, 500, ReLU(), seed=seed)
        rng = np.random.RandomState(1000 + seed)
        problem.rows.y += 0.3 * np.abs(problem.rows.X[:, :1]) * rng.standard_normal((500, 1))
        network = gauss_newton(problem, teacher, Stopping(tol=1e-8)).network
        scores.append(unexplained_by_rows(problem, network, free, rng))
    assert np.mean(np.array(scores) > 1.64) < 0.15
    assert np.max(scores) < 3


@pytest.mark.parametrize("weighted", [False, True])
def test_gain_by_its_formula(weighted):
    smaller, larger = random_network(4, 2, m=2), random_network(4, 2, m=2, seed=1)
    problem = gaussian_problem(smaller, 300, Tanh(), noise=0.5, seed=2)
    X, y = problem.rows.X, problem.rows.y
    w = np.random.RandomState(3).uniform(0, 2, (300, 1)) if weighted else np.ones((300, 1))
    problem = problem.replace(ArrayRows(X, y, w.ravel() if weighted else None))
    # The larger one is that with noise, so that the ratio is far from one.
    F, G = (forward(X, network, Tanh()) for network in (larger, smaller))
    ratio = (w * (F - y) ** 2).sum() / (w * (G - y) ** 2).sum()
    change, left = G - F, G - y
    spread = (w[:, 0] * (left * change).sum(axis=1) ** 2).sum() * w.sum()
    spread /= ((w * left**2).sum(axis=0) * (w * change**2).sum(axis=0)).sum()
    expected = 2 * w.sum() * np.log(ratio) / max(spread, 1)
    assert_allclose(gained(problem, larger, smaller), expected)


def test_gain_of_fitted_noise_is_its_weights_also_where_noise_depends_on_the_row():
    """Over 40 draws the mean of a chi-square value of 13 weights is 13 +- 0.8, of its share 1 +- 0.06.

    With noise in proportion to |x_1| it would be 1.4 without the factor for it.
    """
    teacher = separated_network(5, 2)
    shares, raw = [], []
    for seed in range(40):
        problem = gaussian_problem(teacher, 1000, Tanh(), seed=seed)
        rng = np.random.RandomState(1000 + seed)
        problem.rows.y += 0.1 * np.abs(problem.rows.X[:, :1]) * rng.standard_normal((1000, 1))
        network = gauss_newton(problem, teacher, Stopping(tol=1e-8)).network
        n_weights = network.pack().size
        shares.append(gained(problem, teacher, network) / n_weights)
        ratio = problem.data_loss(teacher) / problem.data_loss(network)
        raw.append(1000 * np.log(ratio) / n_weights)
    assert abs(np.mean(shares) - 1) < 0.2
    assert np.mean(raw) > 1.25


def test_scores_of_noise_are_normal_and_those_of_structure_are_not():
    """60 draws of noise that depends on the row: the mean of a standard normal score is 0 +- 0.13."""
    teacher = separated_network(5, 2)
    free = TangentBasis(teacher, degree=1, fit_intercept=True)
    inputs, spectrum = [], []
    for seed in range(60):
        problem = gaussian_problem(teacher, 500, ReLU(), seed=seed)
        rng = np.random.RandomState(1000 + seed)
        problem.rows.y += 0.3 * np.abs(problem.rows.X[:, :1]) * rng.standard_normal((500, 1))
        network = gauss_newton(problem, teacher, Stopping(tol=1e-8)).network
        inputs.append(unexplained_by_inputs(problem, network, free))
        spectrum.append(unexplained_second_moment(problem, network, identity_coordinates(5), rng))
    assert abs(np.mean(inputs)) < 0.4
    assert 0.7 < np.std(inputs) < 1.3
    assert np.mean(spectrum) < 0.5
    assert np.max(spectrum) < 4

    problem = gaussian_problem(teacher, 500, Tanh(), noise=0.1)
    network = gauss_newton(problem.replace(problem.rows, activation=ReLU()), teacher).network
    assert unexplained_by_inputs(problem.replace(problem.rows, activation=ReLU()), network, free) > 5


def test_spectrum_finds_planted_directions():
    problem = gaussian_problem(separated_network(8, 2), 2000, ReLU())
    values, null = spectrum_against_signs(
        problem.rows, identity_coordinates(8), np.random.RandomState(0)
    )
    assert values.shape == (1, 8)
    assert values[0, 1] > 2 * null.max()
    assert values[0, 2] < 1.5 * null.max()


def test_chi_square_score_is_normal():
    """The score of 12 standard normal values: mean 0 +- 0.02 and deviation 1 over 2000 draws."""
    s = np.random.RandomState(0).standard_normal((2000, 12))
    A = np.diag(np.arange(1.0, 13))
    scores = [chi_square_score(A @ row, A @ A) for row in s]
    assert abs(np.mean(scores)) < 0.08
    assert abs(np.std(scores) - 1) < 0.06


def test_contraction_of_a_geometric_curve():
    losses = 3 + 0.5 ** np.arange(30)
    assert_allclose(contraction(losses), 0.5, rtol=0.03)
    assert contraction([1.0, 1.0]) == 1.0


def test_a_fresh_start_stops_as_the_fit_did(monkeypatch):
    """With the user's iterations and tolerance, where one from half of the rows is polished on all."""
    X, y = planted(2000, noise=0.2)
    model = OneHiddenLayerRegressor(2, activation="relu", max_iter=70, tol=1e-5, random_state=0).fit(
        X, y
    )
    usual, seen = refits_module.continue_on, []

    def recorded(problem, solution, trace, stopping):
        seen.append((stopping.max_iter, stopping.tol))
        return usual(problem, solution, trace, stopping)

    monkeypatch.setattr(refits_module, "continue_on", recorded)
    assert model.certificate(X, y).verdict == "recovered"
    assert set(seen) == {(70, 1e-5)}
