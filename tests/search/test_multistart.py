"""The search over starts: which are tried, when it ends, and planted networks that need each of them."""

import time
from dataclasses import replace
from itertools import islice, repeat
from threading import Condition, current_thread, main_thread

import numpy as np
import pytest
from _planted import USABLE, gaussian_problem, perturbed, random_network, separated_network
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._data.rows import ArrayRows, block_threads
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._network import loss as loss_module
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import linearize
from sklearn_onenn._optimization.gauss_newton import Solution, Stopping, gauss_newton
from sklearn_onenn._search import multistart as multistart_module
from sklearn_onenn._search import one_start as one_start_module
from sklearn_onenn._search.multistart import (
    allowed_starts,
    best_of,
    finished,
    further_paths,
    same_optimum,
    search_starts,
)
from sklearn_onenn._search.one_start import (
    FitOptions,
    StartResult,
    initialization_split,
    loss_target,
    one_start,
    start_from_moments,
)
from sklearn_onenn._search.progress import Trace
from sklearn_onenn._search.rules import PolishRules, SearchRules, StartRules
from sklearn_onenn._search.stages import EXACT
from sklearn_onenn.activations import ReLU, SquaredReLU, Tanh
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import recovery_error


def plan_of(problem, **changes):
    """The defaults of the estimator."""
    parameters = {
        "init": "tensor", "moment_coordinates": problem.coordinates, "moments": "residual",
        "resample": True, "polish": True, "learning_rate": "auto", "output_norm": 1.0,
        "max_iter": 200, "tol": 1e-9, "n_init": "auto", "alpha": "auto", "n_jobs": None,
    }  # fmt: skip
    return FitOptions(**(parameters | changes))


def planted(n=400, d=4, k=2, activation=None, **options):
    """Rows of a network, with targets of about unit variance."""
    activation = activation or ReLU()
    return gaussian_problem(separated_network(d, k), n, activation, **options)


def fit_of(network, loss, path="tensor"):
    solution = Solution(network, loss, loss, 0.0, "converged")
    return StartResult(network, solution, Trace(), path, rows_read=10)


FURTHER_PATHS = ["residual directions", "overparameterized", "random"]


# Planted networks that need a path


def with_dead_unit(start, activation):
    """The network with a last unit that no step revives: itself and all its slopes are zero."""
    W, b, V = (array.copy() for array in start[:3])
    W[:, -1], b[-1], V[-1] = 0, 0 if activation == "tanh" else -1, 0
    return start._replace(W=W, b=b, V=V)


@pytest.mark.parametrize(
    ("path", "activation"),
    [
        ("residual directions", "squared_relu"),
        ("overparameterized", "relu"),
        ("random", "relu"),
        ("half sample", "tanh"),
    ],
)
def test_each_path_recovers_where_the_first_start_is_stuck(monkeypatch, path, activation):
    """Moments of all 2000 rows give a start with a unit that stays dead."""
    X, y, teacher = make_one_hidden_layer(2000, 8, 3, activation=activation, random_state=0)

    def stuck_on_all_rows(problem, *arguments, **options):
        start = start_from_moments(problem, *arguments, **options)
        return with_dead_unit(start, activation) if problem.rows.n_rows == 2000 else start

    monkeypatch.setattr(one_start_module, "start_from_moments", stuck_on_all_rows)
    monkeypatch.setattr(multistart_module, "further_paths", lambda *arguments: repeat(path))
    errors, paths = [], []
    for n_init in (1, "auto"):
        model = OneHiddenLayerRegressor(3, activation=activation, n_init=n_init, random_state=0)
        model.fit(X, y)
        errors.append(recovery_error(*model.coefs_, *teacher.coefs_, activation=activation))
        paths.append(model.init_path_)
    assert paths == ["tensor", path]
    assert errors[0] > 0.1
    assert errors[1] < 1e-6


@pytest.mark.parametrize(
    ("activation", "seed"), [("relu", 3), ("relu", 4), ("relu", 6), ("softplus", 6), ("tanh", 1)]
)
def test_the_first_start_on_skewed_rows_is_not_taken_for_the_best(activation, seed):
    """A tenth of the signal is noise: the network's error is a thousandth, at the first optimum five."""
    teacher = make_one_hidden_layer(10, 10, 5, activation=activation, random_state=seed)[2]
    rng = np.random.RandomState(seed)
    X = rng.exponential(size=(1000, 10))
    signal = teacher.predict(X)
    y = signal + 0.1 * signal.std() * rng.standard_normal(1000)
    model = OneHiddenLayerRegressor(5, activation=activation, random_state=0).fit(X, y)
    assert np.mean((model.predict(X) - signal) ** 2) < 0.002 * signal.var()


# Which starts


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["tensor", *FURTHER_PATHS, *FURTHER_PATHS[:2]]),
        ({"n_init": 1}, ["tensor"]),
        ({"n_init": 3}, ["tensor", "residual directions", "overparameterized"]),
        ({"init": "random", "n_init": 2}, ["random", "residual directions"]),
        ({"polish": False}, ["tensor"]),
        ({"polish": False, "n_init": 2}, ["tensor", "residual directions"]),
        ({"init": random_network(4, 2)}, ["given"]),
        ({"init": random_network(4, 2), "n_init": 5}, ["given"]),
    ],
    ids=str,
)
def test_paths(changes, expected):
    problem = planted()
    assert paths_of(problem, plan_of(problem, **changes)) == expected


def paths_of(problem, plan, k=2, **changes):
    """Names of all starts, where the first ended in the network of these rows."""
    path = plan.init if isinstance(plan.init, str) else "given"
    first = fit_of(separated_network(4, 2), 0.1, path)
    first = replace(first, solution=replace(first.solution, **changes))
    further = islice(further_paths(first, problem, k, plan), allowed_starts(problem, k, plan) - 1)
    return [path, *further]


def test_how_many_rows_the_second_start_sees(monkeypatch):
    """400 rows, of which another half for another seed."""
    problem, seen = planted(activation=Tanh(), noise=0.1), []

    def recorded(part, *arguments, **options):
        seen.append(part.rows.X[:, 0])
        return start_from_moments(part, *arguments, **options)

    monkeypatch.setattr(one_start_module, "start_from_moments", recorded)
    first = fit_of(separated_network(4, 2), 0.1).solution
    for seed in (0, 1):
        one_start(problem, 2, plan_of(problem), "half sample", seed, first)
    assert [len(set(rows)) for rows in seen] == [200, 200]
    assert 50 < len({*seen[0]} & {*seen[1]}) < 150


def test_random_units_beyond_the_rank_start_with_fitted_outputs():
    """d = 4, k = 6: the gradient by output weights vanishes at the start."""
    problem = planted(noise=0.3)
    start = start_from_moments(problem, 6, plan_of(problem), np.random.RandomState(0), split=False)
    gradient = problem.evaluate(start).gradient
    assert np.abs(start.V).min() > 1e-4
    assert_allclose(gradient.V, 0, atol=1e-9)
    assert np.abs(gradient.W).max() > 1e-3


def test_half_of_the_rows_where_the_residual_tells_nothing():
    """Of odd units, or with much noise; but not where moments or rows are not to be trusted."""
    odd, noisy = planted(activation=Tanh(), noise=0.1), planted(noise=3.0)
    for problem in (odd, noisy):
        paths = paths_of(problem, plan_of(problem))
        assert paths == ["tensor", "half sample", *FURTHER_PATHS, FURTHER_PATHS[0]]
    assert paths_of(planted(noise=0.1), plan_of(odd))[1] == "residual directions"
    for changes in ({"n_init": 3}, {"init": "random"}):
        assert paths_of(odd, plan_of(odd, **changes))[1] == "residual directions"
    assert paths_of(odd, plan_of(odd), k=5)[1] == "residual directions"
    assert paths_of(odd, plan_of(odd), may_be_identified=False)[1] == "residual directions"
    few = planted(50, activation=Tanh(), noise=0.1)
    assert paths_of(few, plan_of(few))[1] == "residual directions"
    rows = np.random.default_rng(0).exponential(size=(400, 4))
    skewed = ArrayRows(rows, odd.rows.y)
    skewed = SquaredLoss(skewed, Tanh(), whitening(skewed))
    assert paths_of(skewed, plan_of(skewed))[1] == "residual directions"


def test_paths_where_no_network_can_be_told_from_another():
    """d = 4, k = 2: ten weights or fewer rows; or rows without rank."""
    for n, expected in [(10, 1), (11, StartRules().max_starts)]:
        problem = planted(n)
        assert allowed_starts(problem, 2, plan_of(problem)) == expected
    rows = ArrayRows(np.ones((50, 2)), np.zeros((50, 1)))
    constant = SquaredLoss(rows, ReLU(), whitening(rows))
    assert constant.coordinates.rank == 0
    assert allowed_starts(constant, 2, plan_of(constant)) == 1


@pytest.mark.parametrize("path", ["tensor", "half sample", "given", *FURTHER_PATHS])
@pytest.mark.parametrize("activation", [SquaredReLU(), Tanh()], ids=repr)
def test_every_path_ends_in_a_stationary_point(activation, path):
    """Of the penalized loss, with noise; and what is drawn hangs on its seed alone."""
    problem = planted(activation=activation, noise=0.3)
    plan = plan_of(
        problem, init=perturbed(separated_network(4, 2), 0.3) if path == "given" else "tensor"
    )
    first = fit_of(perturbed(separated_network(4, 2), 0.5, seed=5), 1.0).solution
    fit = one_start(problem, 2, plan, path, 3, first)
    end = fit.solution
    assert fit.path == path
    assert end.data_loss == fit.trace.losses[-1]
    assert end.data_loss == pytest.approx(problem.data_loss(end.network), rel=1e-9)
    assert fit.rows_read > problem.rows.n_rows
    penalized = problem.replace(problem.rows, alpha=end.alpha)
    assert end.objective == pytest.approx(penalized.evaluate(end.network).loss, rel=1e-9)
    networks = first.network, end.network
    gradients = [penalized.evaluate(network).gradient.pack() for network in networks]
    assert np.linalg.norm(gradients[1]) < 0.02 * np.linalg.norm(gradients[0])
    again = one_start(problem, 2, plan, path, 3, first)
    assert_array_equal(again.solution.network.pack(), end.network.pack())
    assert again.rows_read == fit.rows_read


def test_given_start_is_where_the_fit_starts():
    """Brought to the size of output weights that descent keeps."""
    problem, given = planted(), perturbed(separated_network(4, 2), 0.3)
    fit = one_start(problem, 2, plan_of(problem, init=given, output_norm=0.5), "given", 0)
    assert problem.data_loss(fit.start) == pytest.approx(problem.data_loss(given), rel=1e-12)
    assert_allclose(np.abs(fit.start.V), 0.5, rtol=1e-12)


def test_a_tensor_start_that_is_worse_than_nothing_is_refitted(monkeypatch):
    """Its directions stay; output weights in least squares explain some of the targets."""
    problem, truth = planted(), separated_network(4, 2)
    bad = truth._replace(V=-10 * truth.V)
    monkeypatch.setattr(one_start_module, "tensor_start", lambda *args, **options: bad)
    fit = one_start(problem, 2, plan_of(problem), "tensor", 0)
    assert problem.data_loss(bad) > 1
    assert problem.data_loss(fit.start) < 1e-20
    cosines = np.sum(fit.start.W * bad.W, axis=0) / np.linalg.norm(fit.start.W, axis=0) / 1.5
    assert_allclose(cosines, 1, rtol=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_start_from_moments_comes_in_the_coordinates_of_the_problem(fit_intercept):
    """Moments whiten about the mean; without intercepts the problem does not."""
    truth = separated_network(4, 2)
    X = gaussian_problem(truth, 4000, ReLU()).rows.X * [1, 3, 0.2, 1]
    X += [0, 0, 0.1, 0]
    y = np.maximum(X @ truth.W, 0) @ truth.V
    y /= y.std()
    rows = ArrayRows(X, y)
    problem = SquaredLoss(
        rows, ReLU(), whitening(rows, center=fit_intercept), fit_intercept=fit_intercept
    )
    plan = plan_of(problem, moment_coordinates=whitening(rows))
    start = start_from_moments(problem, 2, plan, np.random.RandomState(0), split=False)
    assert problem.data_loss(start) < 0.02
    assert (start.b.any(), start.c.any()) == (fit_intercept, fit_intercept)


def test_own_rows_are_halves_where_the_theorem_wants_them():
    problem = planted(4000)
    raw = plan_of(problem, moments="raw")
    for plan in (plan_of(problem), replace(raw, resample=False)):
        assert initialization_split(problem, 2, plan, np.random.RandomState(0)) == (problem, problem)
    few = planted(60)
    assert initialization_split(few, 2, raw, np.random.RandomState(0)) == (few, few)
    one, other = initialization_split(problem, 2, raw, np.random.RandomState(0))
    assert (one.rows.n_rows, other.rows.n_rows) == (2000, 2000)
    together = np.concatenate([one.rows.X, other.rows.X])
    assert_array_equal(np.sort(together, axis=0), np.sort(problem.rows.X, axis=0))
    assert len(np.unique(together, axis=0)) == 4000


# When the search ends


@pytest.mark.parametrize("activation", USABLE, ids=repr)
def test_an_exact_fit_ends_the_search(activation):
    problem = planted(1000, activation=activation)
    fit = search_starts(problem, 2, plan_of(problem), np.random.RandomState(0))
    assert (fit.n_starts, fit.path) == (1, "tensor")
    assert fit.solution.data_loss < EXACT
    # A number is a number.
    assert search_starts(problem, 2, plan_of(problem, n_init=3), np.random.RandomState(0)).n_starts == 3


def test_a_bad_first_fit_does_not_end_the_search(monkeypatch):
    """A tensor start at a saddle: two units that are one. Further starts find the network."""
    problem, truth = planted(1000), separated_network(4, 2)
    W = np.column_stack([truth.W[:, 0], truth.W[:, 0]])
    V = np.full((2, 1), truth.V[0, 0] / 2)

    def saddle(rows, *args, **options):
        """Of all rows; the start of half of them is a random network."""
        if rows.n_rows == 1000:
            return truth._replace(W=W, V=V)
        return random_network(4, 2, seed=1)

    monkeypatch.setattr(one_start_module, "tensor_start", saddle)
    fit = search_starts(problem, 2, plan_of(problem), np.random.RandomState(0))
    assert fit.solution.data_loss < EXACT
    assert fit.n_starts > 1
    assert fit.path != "tensor"
    one = search_starts(problem, 2, plan_of(problem, n_init=1), np.random.RandomState(0))
    assert one.solution.data_loss > 1e-3


def test_noise_ends_the_search():
    """Noise as large as a third of y: the first fit leaves mere noise, and two more change nothing."""
    problem = planted(2000, noise=0.3)
    first, all_of_them = (
        search_starts(problem, 2, plan_of(problem, n_init=n_init), np.random.RandomState(0))
        for n_init in ("auto", 4)
    )
    assert (first.n_starts, all_of_them.n_starts) == (1, 4)
    assert all_of_them.solution.data_loss == pytest.approx(first.solution.data_loss, rel=1e-3)


def test_search_reports_the_work_of_all_starts():
    problem = planted(noise=0.3)
    one, three = (
        search_starts(problem, 2, plan_of(problem, n_init=n), np.random.RandomState(0)) for n in (1, 3)
    )
    assert three.rows_read > 2 * one.rows_read
    assert three.solution.objective <= one.solution.objective * (1 + 1e-4)


@pytest.mark.parametrize("n_init", ["auto", 4])
def test_starts_side_by_side_are_those_one_after_another(n_init):
    problem = planted(60, noise=0.3, activation=Tanh())
    one, other = (
        search_starts(problem, 2, plan_of(problem, n_init=n_init, n_jobs=n), np.random.RandomState(0))
        for n in (None, 3)
    )
    assert_array_equal(one.solution.network.pack(), other.solution.network.pack())
    assert (one.n_starts, one.path, one.rows_read) == (other.n_starts, other.path, other.rows_read)


@pytest.mark.parametrize(("n_jobs", "n_blas", "n_threads"), [(2, 1, 2), (1, 2, 2), (3, 2, 2)])
def test_starts_side_by_side_share_the_threads(small_blocks, monkeypatch, n_jobs, n_blas, n_threads):
    """As many threads work on blocks as BLAS has, or one for each start; BLAS has one in each."""
    changed, working, seen, blas, alone = Condition(), [0], [], [], []

    def counted(*arguments):
        with changed:
            working[0] += 1
            seen.append(working[0])
            changed.notify_all()
            # The others may be long in coming; where they never come one long wait is enough. The
            # main thread takes the first start, when there are no others.
            beside = current_thread() is not main_thread() and not alone
            if beside and not changed.wait_for(lambda: max(seen) >= n_threads, timeout=60):
                alone.append(True)
        if len(blas) < 5:
            libraries = [found for found in threadpool_info() if found["user_api"] == "blas"]
            blas.append(max(library["num_threads"] for library in libraries))
        time.sleep(1e-3)  # so that more than that would be seen
        try:
            return linearize(*arguments)
        finally:
            with changed:
                working[0] -= 1

    monkeypatch.setattr(loss_module, "linearize", counted)
    with threadpool_limits(n_blas, user_api="blas"), block_threads() as executor:
        problem = planted(60, noise=0.3, activation=Tanh())
        problem.rows.executor = executor
        plan = plan_of(problem, n_init=4, n_jobs=n_jobs, max_iter=2)
        search_starts(problem, 2, plan, np.random.RandomState(0))
    assert max(seen) == n_threads
    assert set(blas) == {1}


def test_finished_by_independent_witnesses():
    """Odd units: no residual of theirs is told from noise, so that two starts must agree."""
    problem = planted(activation=Tanh(), noise=0.3)
    here = gauss_newton(problem, separated_network(4, 2), Stopping(tol=1e-9)).network
    loss = problem.data_loss(here)
    same = here._replace(W=-here.W[:, ::-1], b=-here.b[::-1], V=-here.V[::-1])
    elsewhere = fit_of(perturbed(here, 0.3), 2 * loss, "random")
    plan = plan_of(problem)
    tensor = fit_of(here, loss)
    for others, expected in [
        ([], False),
        ([fit_of(same, loss, "residual directions")], False),
        ([fit_of(same, loss, "overparameterized")], True),
        ([fit_of(same, loss, "random")], True),
        ([elsewhere], False),
        ([elsewhere, fit_of(same, loss, "random")], True),
        ([fit_of(perturbed(here, 0.3), loss, "random")], False),
    ]:
        assert finished([tensor, *others], problem, plan) == expected
    pruned = fit_of(same, loss * (1 - 1e-6), "overparameterized")
    assert finished([tensor, pruned], problem, plan)
    assert not finished([tensor, pruned], problem, replace(plan, n_init=4))
    assert finished([fit_of(here, 0.1 * EXACT)], problem, plan)


def test_same_optimum():
    """Units in any order and sign; losses and directions must both agree."""
    rules, network = SearchRules(), random_network(5, 3)
    one = fit_of(network, 1.0).solution
    turned = network._replace(W=-3 * network.W[:, [2, 0, 1]])
    assert same_optimum(one, fit_of(turned, 1.0 + 5e-5).solution, rules)
    assert not same_optimum(one, fit_of(turned, 1.001).solution, rules)
    assert not same_optimum(one, fit_of(perturbed(network, 0.2), 1.0).solution, rules)
    # Two units on one of the other's are not two units.
    twice = network._replace(W=network.W[:, [0, 0, 1]])
    assert not same_optimum(one, fit_of(twice, 1.0).solution, rules)


def test_the_best_fit_has_the_lowest_penalized_loss():
    fits = [fit_of(random_network(3, 2, seed=i), loss) for i, loss in enumerate((0.3, 0.1, 0.2))]
    assert best_of(fits) is fits[1]
    heavy = replace(fits[1], solution=replace(fits[1].solution, objective=0.25))
    assert best_of([fits[0], heavy, fits[2]]) is fits[2]


# The numbers of the rules


@pytest.mark.parametrize("number", [1, 2, 4])
def test_no_more_starts_than_the_rules_allow(monkeypatch, number):
    """As many as that are made where none of them is ever good enough."""
    monkeypatch.setattr(multistart_module, "finished", lambda *arguments: False)
    problem = planted(60, noise=0.3, activation=Tanh())
    plan = plan_of(problem, rules=SearchRules(starts=StartRules(max_starts=number)))
    assert allowed_starts(problem, 2, plan) == number
    assert search_starts(problem, 2, plan, np.random.RandomState(0)).n_starts == number


@pytest.mark.parametrize("angle", [0.01, 0.1])
@pytest.mark.parametrize("share", [1e-5, 1e-2])
def test_same_optimum_by_the_rules(angle, share):
    """One direction turned by an angle, or the loss higher by a share: the edges are on both sides."""
    network = random_network(5, 3)
    w = network.W[:, 0]
    across = np.cross(w[:3], [1.0, 0, 0]) / np.linalg.norm(np.cross(w[:3], [1.0, 0, 0]))
    across = np.linalg.norm(w) * np.append(across, [0, 0])
    W = network.W.copy()
    W[:, 0] = np.cos(angle) * w + np.sin(angle) * across
    one, other = fit_of(network, 1.0).solution, fit_of(network._replace(W=W), 1.0 + share).solution
    for loss_factor, cosine_factor in [(1.1, 1.1), (1.1, 0.9), (0.9, 1.1)]:
        rules = SearchRules(
            polish=PolishRules(screening_tol=0.1 * loss_factor * share / (1 + share)),
            starts=StartRules(same_cosine=np.cos(cosine_factor * angle)),
        )
        assert same_optimum(one, other, rules) == (loss_factor == cosine_factor)


def test_further_starts_must_fit_better_than_the_first():
    """On rows that are not normal; on normal ones any is polished to its end."""
    normal = planted()
    X = np.random.default_rng(0).exponential(size=(400, 4))
    rows = ArrayRows(X, normal.rows.y)
    skewed = SquaredLoss(rows, ReLU(), whitening(rows))
    first = fit_of(separated_network(4, 2), 0.3).solution
    assert loss_target(skewed, first, plan_of(skewed)) == pytest.approx(0.3)
    assert loss_target(skewed, first, plan_of(skewed, n_init=3)) == np.inf
    assert loss_target(normal, first, plan_of(normal)) == np.inf
