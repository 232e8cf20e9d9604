"""The polish of one start: exact fits, penalties, and kinks that are passed or left."""

from dataclasses import replace

import numpy as np
import pytest
from _planted import INSTANCES, gaussian_problem, perturbed, random_network
from numpy.testing import assert_array_equal

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import forward
from sklearn_onenn._network.symmetries import min_norm_scaling
from sklearn_onenn._optimization.gauss_newton import Stopping, gauss_newton
from sklearn_onenn._optimization.smoothing import Smoothing, minimize_smoothed
from sklearn_onenn._search import regimes as regimes_module
from sklearn_onenn._search.members import fit_anew
from sklearn_onenn._search.polish import minimize_to_tol, polish_start
from sklearn_onenn._search.progress import Trace
from sklearn_onenn._search.regimes import (
    fit_first,
    is_identified,
    is_underdetermined,
    looks_identified,
)
from sklearn_onenn._search.rules import PolishRules, SearchRules
from sklearn_onenn._search.stages import (
    EXACT,
    PenalizedFit,
    PolishTask,
    exact_loss,
    is_exact,
    is_small_sample,
    minimize_loosely,
    minimize_past_kinks,
)
from sklearn_onenn._search.starts import random_units
from sklearn_onenn._selection.criteria import effective_dof_share, statistical_tolerance
from sklearn_onenn._tensor.rules import TENSOR
from sklearn_onenn.activations import LeakyReLU, ReLU, Tanh

STOPPING, RULES = Stopping(max_iter=200, tol=1e-9), PolishRules()


def task_of(problem, network, alpha, trace, *, seed=0, **options):
    """A start to polish."""
    return PolishTask(problem, network, alpha, trace, np.random.RandomState(seed), STOPPING, **options)


def started(problem, network, alpha, trace, **options):
    """The polish of a start."""
    return polish_start(task_of(problem, network, alpha, trace, **options))


every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)


def gradient_size(problem, network, alpha):
    return np.linalg.norm(problem.replace(problem.rows, alpha=alpha).evaluate(network).gradient.pack())


def assert_is_where_it_says(problem, polish, trace):
    """Loss and objective are those of the network."""
    penalized = problem.replace(problem.rows, alpha=polish.alpha or 0.0).evaluate(polish.network)
    assert polish.data_loss == trace.losses[-1] == pytest.approx(penalized.data_loss, rel=1e-9)
    assert polish.objective == pytest.approx(penalized.loss, rel=1e-9)


def test_rounding_of_an_exact_fit():
    """Of targets at unit scale; one part in 1e5 of them is no rounding in either type."""
    for dtype in (np.float64, np.float32):
        eps = np.finfo(dtype).eps
        assert eps**2 < exact_loss(dtype) < eps
        assert is_exact(exact_loss(dtype), dtype)
        assert is_exact(EXACT, dtype)
        assert not is_exact(1e-10, dtype)


@every_activation
def test_exact_fits_need_no_penalty(activation):
    truth = random_network(4, 2)
    problem = gaussian_problem(truth, 400, activation)
    trace = Trace()
    polish = started(problem, perturbed(truth, 0.1), None, trace)
    assert polish.alpha is None
    assert polish.data_loss < EXACT
    assert_is_where_it_says(problem, polish, trace)
    assert minimize_to_tol(problem, polish, trace, STOPPING, RULES, keep_alpha=True) is polish
    assert [name for name, _ in trace.stages] == ["unpenalized"]
    # One that is given stays.
    assert started(problem, truth, 0.3, Trace()).alpha == 0.3


@every_activation
def test_noisy_fits_are_penalized_minima(activation):
    """Screened and then polished to the end: the gradient of the penalized loss falls in turn."""
    truth = random_network(4, 2)
    problem = gaussian_problem(truth, 400, activation, noise=0.3)
    start = perturbed(truth, 0.1)
    trace = Trace()
    polish = started(problem, start, None, trace)
    assert polish.alpha > 0
    assert_is_where_it_says(problem, polish, trace)
    longer = Trace(before=trace)
    end = minimize_to_tol(problem, polish, longer, STOPPING, RULES, keep_alpha=True)
    assert_is_where_it_says(problem, end, longer)
    assert end.alpha == polish.alpha
    n_iter = len(trace.losses)
    assert longer.losses[:n_iter] == trace.losses
    if polish.may_be_identified:
        assert longer.stages == [*trace.stages, ("polish", len(longer.losses) - n_iter)]
    else:
        assert end is polish
    assert end.objective <= polish.objective <= (1 + 1e-3) * end.objective
    sizes = [gradient_size(problem, network, end.alpha) for network in (start, end.network)]
    # Where phi' jumps the share of a row is left.
    smooth = activation.properties().smooth_or_piecewise_linear == "bounded second derivative"
    assert sizes[1] < (1e-4 if smooth else 2e-2) * sizes[0]


def test_rough_fits_of_rows_that_are_not_normal_are_no_network():
    """The rows of the theorem, or a nearly exact fit; and weights that the rows determine."""
    rng = np.random.RandomState(0)
    truth = random_network(4, 2)
    for noise, skewed, expected in [(0.5, False, True), (0.5, True, False), (0.01, True, True)]:
        problem = gaussian_problem(truth, 1000, Tanh(), noise=noise)
        if skewed:
            X = rng.exponential(size=(1000, 4)) - 1
            y = forward(X, truth, Tanh()) + noise * rng.standard_normal((1000, 1))
            problem = problem.replace(ArrayRows(X, y))
        assert is_identified(problem.replace(problem.rows, alpha=0.1), truth, RULES) == expected
        assert not is_identified(problem.replace(problem.rows, alpha=1e6), truth, RULES)


def test_few_rows_that_any_network_fits_begin_anew():
    """31 weights on 40 exponential rows leave little of a noise that is a tenth of the variance."""
    X = np.random.RandomState(0).exponential(size=(40, 8)) - 1
    truth, noise = random_network(8, 3), np.random.RandomState(1).standard_normal((40, 1))
    problem = gaussian_problem(truth, 40, Tanh())
    planted = forward(X, truth, Tanh())
    for y, expected in [(X[:, :1] + 0.3 * noise, False), (planted + 1e-3 * noise, True)]:
        own = problem.replace(ArrayRows(X, y))
        start = perturbed(truth, 0.1)
        rough = minimize_loosely(own, start, STOPPING, RULES.loose_tol, Trace().stage("unpenalized"))
        assert rough.data_loss < TENSOR.nearly_exact / 3  # by which both may be networks
        assert looks_identified(own, rough) == expected
        first = fit_first(task_of(own, start, None, Trace()))
        assert first.looks_identified == expected
        if expected:
            assert first.loss < 1.1 * rough.data_loss
        else:
            assert first.solution.n_iter <= RULES.brief_steps < rough.n_iter


def test_starts_that_miss_the_goal_are_given_up():
    truth = random_network(4, 2)
    problem = gaussian_problem(truth, 400, Tanh(), noise=0.3)
    loss = problem.data_loss(truth)
    assert started(problem, truth, None, Trace(), loss_target=0.5 * loss).objective == np.inf
    assert started(problem, truth, None, Trace(), loss_target=2 * loss).objective < 2 * loss


@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_given_penalties_stay(alpha):
    truth = random_network(4, 2)
    problem = gaussian_problem(truth, 400, Tanh(), noise=0.3)
    polish = started(problem, perturbed(truth, 0.1), alpha, Trace())
    end = minimize_to_tol(problem, polish, Trace(), STOPPING, RULES, keep_alpha=True)
    assert (polish.alpha, end.alpha) == (alpha, alpha)
    assert gradient_size(problem, end.network, alpha) < 1e-5


def test_penalty_of_another_start_is_replaced_in_the_end():
    """Ten times too large on the way: the network that wins has the penalty of its own residuals."""
    truth = random_network(4, 2)
    problem = gaussian_problem(truth, 400, Tanh(), noise=0.3)
    own = started(problem, perturbed(truth, 0.1), None, Trace()).alpha
    other = started(problem, perturbed(truth, 0.1), 10 * own, Trace())
    assert other.alpha == 10 * own
    end = minimize_to_tol(problem, other, Trace(), STOPPING, RULES, keep_alpha=False)
    assert end.alpha == pytest.approx(own, rel=0.3)
    assert gradient_size(problem, end.network, end.alpha) < 1e-5


def test_where_smoothing_leads_elsewhere_the_penalty_is_found_anew(monkeypatch):
    """Rough steps end at once, in a network whose penalty is none of the exact fit behind the kinks."""
    truth = random_network(4, 2)
    problem = gaussian_problem(truth, 400, ReLU())
    loosely, with_penalty, networks = regimes_module.minimize_loosely, regimes_module.with_penalty, []

    def first_ends_at_once(problem, network, stopping, tol, callback):
        networks.append(network)
        return loosely(problem, network, stopping if networks[1:] else Stopping(0), tol, callback)

    def first_has_another_penalty(first):
        if networks[1:]:
            return with_penalty(first)
        return PenalizedFit(problem.replace(problem.rows, alpha=0.1), first.solution.network)

    monkeypatch.setattr(regimes_module, "minimize_loosely", first_ends_at_once)
    monkeypatch.setattr(regimes_module, "with_penalty", first_has_another_penalty)
    polish = started(problem, perturbed(truth, 0.5), None, Trace())
    assert len(networks) == 2
    assert polish.reason == "exact fit"
    assert problem.data_loss(networks[1]) > 1e-8  # where the penalty of the first held it


@pytest.mark.parametrize("alpha", [None, 0.5, 0.0])
def test_what_no_rows_determine_begins_anew_wherever_it_started(alpha):
    """26 targets leave more than .35 of 41 weights to the penalty; without one the start decides."""
    truth = random_network(8, 4)
    problem = gaussian_problem(truth, 26, Tanh(), noise=0.3)
    for strength in (1e-6, 1e-2, 1.0):
        assert (
            effective_dof_share(problem.replace(problem.rows, alpha=strength), truth)
            < 26 / 41
            < RULES.min_dof_share
        )
    courses = [Trace(), Trace()]
    starts = [perturbed(truth, size) for size in (0.1, 1.0)]
    ends = [started(problem, start, alpha, trace) for start, trace in zip(starts, courses, strict=True)]
    weights = [end.network.pack() for end in ends]
    if alpha == 0:
        assert np.abs(weights[0] - weights[1]).max() > 0.1
    else:
        assert_array_equal(*weights)
        assert courses[0].losses == courses[1].losses
        assert not ends[0].may_be_identified
        again = Trace()
        started(problem, truth, alpha, again, seed=1)
        assert again.losses[0] != courses[0].losses[0]


@pytest.mark.parametrize("activation", [ReLU(), LeakyReLU(0.2)], ids=repr)
def test_kinks_are_passed_only_downwards(activation):
    """Six polished networks, of which most end lower than steps alone bring.

    From where they ended some are led higher; then the steps on the units as they are count.
    """
    lower, higher = 0, 0
    for seed in range(6):
        truth = random_network(5, 3, seed=seed)
        problem = gaussian_problem(truth, 120, activation, noise=0.5, seed=seed)
        problem = problem.replace(problem.rows, alpha=0.5)
        rough = gauss_newton(problem, truth, Stopping(tol=1e-4))
        fit = PenalizedFit.of(rough)
        found = minimize_past_kinks(fit, Trace(), Stopping(), Smoothing())
        plain = gauss_newton(problem, rough.network, Stopping())
        lower += found.objective < (1 - 1e-6) * plain.objective
        for _ in range(2):
            fit = PenalizedFit(problem, found.network)
            smoothed = minimize_smoothed(problem, fit.network, Smoothing(), Stopping())
            smoothed = min_norm_scaling(smoothed, problem.penalty, 1)
            ends = [gauss_newton(problem, network, Stopping()) for network in (smoothed, fit.network)]
            is_higher = ends[0].objective > found.objective
            higher += is_higher
            found = minimize_past_kinks(fit, Trace(), Stopping(), Smoothing())
            assert_array_equal(found.network.pack(), ends[int(is_higher)].network.pack())
    assert lower >= 4
    assert higher >= 1


def test_smooth_units_have_no_kinks_to_pass():
    truth = random_network(4, 2)
    problem = gaussian_problem(truth, 200, Tanh(), noise=0.3)
    fit, stopping = PenalizedFit(problem, truth), Stopping(max_iter=50)
    found = minimize_past_kinks(fit, Trace(), stopping, Smoothing())
    expected = gauss_newton(problem, truth, stopping)
    assert_array_equal(found.network.pack(), expected.network.pack())


@pytest.mark.parametrize(("factor", "k", "smoothed"), [(1.0, 3, False), (0.99, 3, True), (1.0, 2, True)])
def test_kinks_are_smoothed_unless_the_rows_resolve_no_more(factor, k, smoothed):
    """Three planted units: below the resolution of the rows, or where a unit is missing."""
    truth = random_network(5, 3)
    problem = gaussian_problem(truth, 1000, ReLU(), noise=0.1)
    start = truth._replace(W=truth.W[:, :k], b=truth.b[:k], V=truth.V[:k])
    start = gauss_newton(problem, start).network
    tol = factor * statistical_tolerance(problem, k)
    fit, trace = PenalizedFit(problem, start), Trace()
    found = minimize_past_kinks(fit, trace, Stopping(50, tol), Smoothing())
    assert ("smoothed" in dict(trace.stages)) == smoothed
    assert found.objective <= problem.evaluate(start).loss


def test_fits_of_no_network_are_smoothed_briefly():
    """A curve: one width of at most eight steps, each stage with its first loss."""
    X = np.random.default_rng(0).exponential(size=(300, 2))
    rows = ArrayRows(X, np.sin(2 * X[:, :1] * X[:, 1:]) / 0.5)
    problem = SquaredLoss(rows, ReLU(), whitening(rows))
    trace, start = Trace(), perturbed(random_network(2, 4), 0.5)
    polish = started(problem, start, None, trace, is_given=True)
    assert not polish.may_be_identified
    assert 2 <= dict(trace.stages)["smoothed"] <= Smoothing().max_iter + 1
    assert_is_where_it_says(problem, polish, trace)


def few_targets_of_a_curve(d, n):
    """Rows that are not normal, and targets that no network made."""
    X = np.random.default_rng(0).exponential(size=(n, d))
    rows = ArrayRows(X, np.sin(2 * X[:, :1] * X[:, 1:2]) / 0.5)
    return SquaredLoss(rows, Tanh(), whitening(rows))


@pytest.mark.parametrize("alpha", [None, 0.2])
@pytest.mark.parametrize("n", [70, 30])
def test_where_targets_are_few_fits_begin_anew_at_small_weights(n, alpha):
    """Eight units in three columns, 41 weights: the start is no guide, the draw is."""
    problem = few_targets_of_a_curve(3, n)
    one, other = (started(problem, random_network(3, 8, seed=seed), alpha, Trace()) for seed in (0, 1))
    assert_array_equal(one.network.pack(), other.network.pack())
    assert not one.may_be_identified
    small = random_units(problem, 8, np.random.RandomState(0))
    sizes = [gradient_size(problem, network, one.alpha) for network in (small, one.network)]
    assert sizes[1] < 0.1 * sizes[0]
    drawn = started(problem, random_network(3, 8), alpha, Trace(), seed=1)
    assert np.abs(drawn.network.pack() - one.network.pack()).max() > 0.1


@pytest.mark.parametrize(("n", "k", "alpha"), [(124, 8, None), (49, 3, 0.2), (70, 8, 0.0)])
def test_other_fits_come_from_their_start(n, k, alpha):
    """With three targets for each weight, or with no penalty; of those that were given."""
    problem, given = few_targets_of_a_curve(3, n), {"is_given": True}
    start = random_network(3, k)
    one, other = (started(problem, start, alpha, Trace(), seed=seed, **given) for seed in (0, 1))
    assert_array_equal(one.network.pack(), other.network.pack())
    moved = started(problem, random_network(3, k, seed=1), alpha, Trace(), **given)
    assert np.abs(moved.network.pack() - one.network.pack()).max() > 0.1
    # One that was not is followed unless steps of L-BFGS lead lower from elsewhere.
    trace = Trace()
    free = started(problem, start, alpha, trace)
    assert free.objective <= one.objective
    assert ("L-BFGS" in dict(trace.stages)) == (free.objective < one.objective)
    assert_is_where_it_says(problem, free, trace)


@pytest.mark.parametrize(("n", "k"), [(40, 5), (40, 10), (40, 20)])
def test_few_rows_of_a_sine_are_fitted(n, k):
    """Noise of a third of the signal's size, 16 to 61 weights: R2 on other rows, median of 5 draws.

    A polynomial of degree three has .69; a penalty that takes the units away has 0.
    """
    scores = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = rng.uniform(-1, 1, (2000, 1))
        signal = np.sin(5 * X[:, 0])
        y = signal[:n] + 0.2 * rng.standard_normal(n)
        model = OneHiddenLayerRegressor(k, activation="tanh", random_state=seed).fit(X[:n], y)
        scores.append(model.score(X[n:], signal[n:]))
    assert np.median(scores) > 0.93


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("n", "k"), [(20, "auto"), (10, 4), (12, 4)])
def test_few_rows_near_a_line_are_fitted_by_it(n, k, seed):
    """One regime after another has such a fit, and none hands it back to one before."""
    X = np.linspace(-1, 1, n)[:, None]
    y = X[:, 0] + 0.1 * np.random.default_rng(seed).standard_normal(n)
    model = OneHiddenLayerRegressor(k, activation="relu", random_state=seed).fit(X, y)
    assert model.score(X, X[:, 0]) > 0.9


# The numbers of the rules


def rules_with(**numbers):
    return SearchRules(polish=PolishRules(**numbers))


def test_min_dof_share_is_the_edge_of_underdetermined():
    """41 weights: 26 targets are .634 of them. With more than all nothing is ever identified."""
    truth = random_network(8, 4)
    problem = gaussian_problem(truth, 26, Tanh(), noise=0.3)
    for share, expected in [(0.633, False), (0.635, True)]:
        assert is_underdetermined(problem, 4, PolishRules(min_dof_share=share)) == expected
    problem = gaussian_problem(truth, 1000, Tanh(), noise=0.3, alpha=30.0)
    share = effective_dof_share(problem, truth)
    assert 0.1 < share < 0.99
    assert is_identified(problem, truth, PolishRules(min_dof_share=share - 1e-6))
    assert not is_identified(problem, truth, PolishRules(min_dof_share=share + 1e-6))
    for least, expected in [(0.65, True), (1.1, False)]:
        solution = started(problem, truth, 1.0, Trace(), rules=rules_with(min_dof_share=least))
        assert solution.may_be_identified == expected


@pytest.mark.parametrize(("edge", "small"), [(3.02, False), (3.03, True)])
def test_small_samples_begin_at_random_units(edge, small):
    """124 targets, 41 weights: a ratio of 3.024."""
    problem = few_targets_of_a_curve(3, 124)
    rules = PolishRules(small_sample=edge)
    assert is_small_sample(problem, 8, rules) == small
    given = {"rules": SearchRules(polish=rules), "is_given": True}
    starts = (random_network(3, 8, seed=seed) for seed in (0, 1))
    one, other = (started(problem, start, None, Trace(), **given).network.pack() for start in starts)
    assert np.array_equal(one, other) == small  # whatever the start


@pytest.mark.parametrize(("ratio", "n_fits"), [(0.0, 1), (0.5, 2)])
def test_required_ratio_tells_another_optimum(monkeypatch, ratio, n_fits):
    """Smoothing leads from a start that took no steps to a tenth of its loss, and no further."""
    truth = random_network(4, 2)
    problem = gaussian_problem(truth, 400, ReLU(), noise=0.1)
    loosely, losses = regimes_module.minimize_loosely, []

    def first_ends_at_once(problem, network, stopping, tol, callback):
        losses.append(problem.data_loss(network))
        return loosely(problem, network, stopping if losses[1:] else Stopping(0), tol, callback)

    monkeypatch.setattr(regimes_module, "minimize_loosely", first_ends_at_once)
    rules = rules_with(required_ratio=ratio)
    solution = started(problem, perturbed(truth, 0.3), 1.0, Trace(), rules=rules)
    assert len(losses) == n_fits
    assert solution.data_loss < 0.1 * losses[0]


@pytest.mark.parametrize("tol", [1e-1, 1e-3, 1e-6])
def test_the_first_fit_ends_where_the_next_step_gains_a_loose_share(tol):
    truth = random_network(4, 2)
    problem = gaussian_problem(truth, 400, Tanh(), noise=0.3)
    start = perturbed(truth, 0.3)
    task = task_of(problem, start, None, Trace(), rules=rules_with(loose_tol=tol))
    expected = gauss_newton(problem, start, Stopping(200, tol))
    best = gauss_newton(problem, start, Stopping(200, 1e-14))
    assert fit_first(task).loss == expected.data_loss
    assert expected.data_loss - best.data_loss < tol * best.data_loss


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-7])
def test_starts_are_compared_at_the_screening_tolerance(tol):
    """A fit to that tolerance is final; one to a smaller is polished on, to no more than it left."""
    truth = random_network(4, 2)
    problem = gaussian_problem(truth, 400, Tanh(), noise=0.3)
    rules = PolishRules(screening_tol=tol, loose_tol=0.5)
    task = task_of(problem, perturbed(truth, 0.3), 2.0, Trace(), rules=SearchRules(polish=rules))
    solution = polish_start(task)
    arguments = problem, solution, Trace()
    for factor in (1, 2):
        same = minimize_to_tol(*arguments, Stopping(200, factor * tol), rules, keep_alpha=True)
        assert same is solution
    end = minimize_to_tol(*arguments, Stopping(200, 1e-12), rules, keep_alpha=True)
    assert end is not solution
    assert 1e-3 * tol * end.objective < solution.objective - end.objective < tol * end.objective


def test_equations_that_are_solved_roughly_take_fewer_products(monkeypatch):
    """One step of each stage, where the preconditioner is not the matrix itself."""
    monkeypatch.setattr("sklearn_onenn._optimization.dual.pays_by_targets", lambda evaluation: False)
    problem = gaussian_problem(random_network(80, 9), 200, Tanh(), noise=0.3)
    rows_read = []
    for solve_tol in (0.9, 0.1, 1e-3):
        own = problem.replace(problem.rows.with_own_counter())
        rules = rules_with(rough_solve_tol=solve_tol)
        task = task_of(own, random_network(80, 9), 1.0, Trace(), rules=rules)
        fit_anew(replace(task, stopping=Stopping(max_iter=1)))
        rows_read.append(own.rows.rows_read)
    assert rows_read[0] < rows_read[1] < rows_read[2]
