"""Wide networks of few rows: fitted in parts, which are averaged, unless another fit promises more."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from _planted import gaussian_problem, random_network
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_friedman1
from sklearn.exceptions import ConvergenceWarning

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import Member, forward
from sklearn_onenn._optimization.gauss_newton import Solution, Stopping
from sklearn_onenn._search.ensemble import fit_ensemble, member_shares
from sklearn_onenn._search.few_targets import cross_validated_course
from sklearn_onenn._search.members import (
    ensemble_mean,
    fit_first_member,
    fit_member,
    has_few_targets,
    last_gain,
    member_widths,
)
from sklearn_onenn._search.progress import Trace
from sklearn_onenn._search.reference import reference_error
from sklearn_onenn._search.rules import EnsembleRules, SearchRules
from sklearn_onenn._search.stages import PolishTask
from sklearn_onenn._selection.criteria import predicted_error
from sklearn_onenn.activations import ReLU, Tanh
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.scores import GaussianMixtureScore

STOPPING, RULES = Stopping(max_iter=100, tol=1e-6), EnsembleRules()


def table(n, activation=None):
    """Rows of no network, targets at unit variance; others of the same kind."""
    X, y = make_friedman1(n + 500, noise=1.0, random_state=0)
    y = ((y - y[:n].mean()) / y[:n].std())[:, None]
    rows = ArrayRows(X[:n], y[:n])
    return SquaredLoss(rows, activation or Tanh(), whitening(rows)), X[n:], y[n:]


def task_of(problem, k, alpha=None, trace=None, random_state=None):
    """A start of k units, of which nothing but the number counts."""
    start = random_network(problem.coordinates.rank, k, problem.rows.n_outputs)
    random_state = random_state or np.random.RandomState(0)
    return PolishTask(problem, start, alpha, trace or Trace(), random_state, STOPPING)


def in_parts(problem, k, alpha=None, trace=None, **options):
    return fit_ensemble(task_of(problem, k, alpha, trace), **options)


@pytest.mark.parametrize("n", [30, 480, 30_000])
@pytest.mark.parametrize("k", [1, 9, 25, 49, 50, 101, 250, 1000])
def test_members_are_alike_and_few(n, k):
    """At least 25 units each; five, or as many as have no more weights than there are targets."""
    widths = member_widths(gaussian_problem(random_network(10, 1), n, Tanh()), k, RULES)
    assert sum(widths) == k
    assert max(widths) - min(widths) <= 1
    assert len(widths) == 1 or min(widths) >= RULES.member_units
    assert len(widths) >= min(k // RULES.member_units, RULES.max_members)
    assert len(widths) <= RULES.max_members or 12 * k / RULES.max_members > n


def test_the_average_is_the_mean_of_the_predictions():
    one, other = random_network(4, 3, 2, seed=0), random_network(4, 2, 2, seed=1)
    rest = random_network(4, 5, 2, seed=2)
    X = np.random.default_rng(0).standard_normal((50, 4))
    first, second = (forward(X, network, ReLU()) for network in (one, other))
    shares = member_shares([0.3, 0.3])
    both = ensemble_mean([Member(one, shares[0]), Member(other, shares[1])], rest=[rest])
    assert both.W.shape == (4, 10)
    assert_allclose(forward(X, both, ReLU()), (first + second) / 2)
    unequal = ensemble_mean([Member(one, 0.8), Member(other, 0.2)])
    assert_allclose(forward(X, unequal, ReLU()), 0.8 * first + 0.2 * second)


def test_a_member_of_twice_the_loss_counts_a_quarter():
    assert_allclose(member_shares([0.1, 0.2]), [0.8, 0.2])
    assert member_shares([0.0, 0.2, 0.0]) == [0.5, 0.0, 0.5]


@pytest.mark.parametrize("activation", [ReLU(), Tanh()], ids=repr)
def test_parts_are_fits_of_their_own_with_the_penalty_of_the_first(activation):
    problem, X, y = table(200, activation)
    trace, random_state = Trace(), np.random.RandomState(0)
    polish = in_parts(problem, 75, trace=trace)
    first, descent_alpha = fit_first_member(task_of(problem, 75, None, random_state=random_state), 25, 3)
    parts, alpha = [first], first.alpha
    for _ in range(2):
        task = task_of(problem, 75, alpha, random_state=random_state)
        parts.append(fit_member(task, 25, 3, descent_alpha=descent_alpha))
    shares = member_shares([part.data_loss for part in parts])
    members = [Member(part.network, share) for part, share in zip(parts, shares, strict=True)]
    expected = ensemble_mean(members)
    assert [share for _, share in polish.members] == shares
    for member, part in zip(polish.members, parts, strict=True):
        assert_array_equal(member.network.pack(), part.network.pack())
    assert_array_equal(polish.network.pack(), expected.pack())
    assert (polish.alpha, polish.may_be_identified) == (alpha, False)
    assert polish.data_loss == trace.losses[-1]
    assert polish.data_loss == pytest.approx(problem.data_loss(polish.network), rel=1e-12)
    assert trace.stages[-1] == ("ensemble mean", 1)
    assert [name for name, _ in trace.stages].count("evidence") == 1
    # A mean errs by less than what it is the mean of.
    errors = [
        ((forward(X, problem.to_inputs(network), activation) - y) ** 2).mean()
        for network in [polish.network, *(part.network for part in parts)]
    ]
    assert errors[0] < np.mean(errors[1:])


def scaled_problem(X, y, activation):
    """Targets at unit variance."""
    rows = ArrayRows(X, ((y - y.mean()) / y.std())[:, None])
    return SquaredLoss(rows, activation, whitening(rows))


def test_members_begin_with_l_bfgs_where_that_promises_less_error():
    """The edges of sign(x0 x1 x2) are found so; of few noisy rows more of the noise."""
    rng = np.random.default_rng(0)
    X, noise = rng.uniform(-1, 1, (1000, 8)), rng.standard_normal(300)
    edges = scaled_problem(X[:, :3], np.sign(X[:, 0] * X[:, 1] * X[:, 2]), Tanh())
    noisy = scaled_problem(X[:300], X[:300, 0] * X[:300, 1] + noise, Tanh())
    for problem, is_better in ((edges, True), (noisy, False)):
        trace = Trace()
        task = task_of(problem, 50, trace=trace)
        member, descent_alpha = fit_first_member(task, 25, 2)
        assert (descent_alpha is not None) == ("L-BFGS" in dict(trace.stages)) == is_better
        errors = [
            predicted_error(fit_member(task, 25, 2).evaluation),
            predicted_error(member.evaluation),
        ]
        if is_better:
            assert errors[1] < 0.9 * errors[0]
    # A given penalty is not searched for.
    assert fit_first_member(task_of(edges, 50, 0.1), 25, 2)[1] is None


def test_the_best_of_an_earlier_stage_on_held_out_rows_is_no_member():
    problem, _, _ = table(200)
    trace = Trace()
    trace.best = earlier = 0.0, random_network(10, 75)  # nothing is better
    fit_ensemble(replace(task_of(problem, 50, 0.1, trace), stopping=Stopping(5)))
    assert trace.stages[-1] == ("ensemble mean", 1)
    assert trace.network.W.shape == (10, 50)  # of two members of 25
    assert trace.best is earlier


def test_a_given_penalty_stays():
    problem, _, _ = table(120)
    trace = Trace()
    assert in_parts(problem, 50, 0.7, trace).alpha == 0.7
    assert "evidence" not in dict(trace.stages)


def test_a_rival_that_promises_less_error_wins():
    problem, _, _ = table(120)
    trace = Trace()
    assert in_parts(problem, 50, trace=trace, rival=1e-9) is None
    assert "ensemble mean" not in dict(trace.stages)
    assert in_parts(problem, 50, rival=1e9) is not None


def test_as_many_units_as_planted_are_fitted_at_once():
    """Twenty units in 25 columns, uniform rows, six for each weight: R2 of .98 or more, in parts .93.

    Whether the fit is exact as well hangs on rounding: eight of sixteen were, by four kernels of BLAS.
    """
    _, _, teacher = make_one_hidden_layer(2, 25, 20, activation="tanh", bias=0.5, random_state=1)
    rng = np.random.default_rng(1)
    X = rng.uniform(-(3**0.5), 3**0.5, (6000, 25))
    y = teacher.predict(X)
    model = OneHiddenLayerRegressor(20, activation="tanh", random_state=0).fit(X[:3000], y[:3000])
    assert 1 - model.score(X[3000:], y[3000:]) < 0.04
    assert "ensemble mean" not in dict(model.stages_)


class Stopper:
    """A callback that asks for the end at the n-th of the steps that have a name."""

    def __init__(self, name, number):
        self.name, self.left = name, number

    def setup(self, estimator, context):
        """Nothing to set up."""

    def teardown(self, estimator, context):
        """Nothing to tear down."""

    def on_fit_task_begin(self, estimator, context):
        """Steps are heard of at their end."""

    def on_fit_task_end(self, estimator, context):
        self.left -= context.task_name == self.name
        return self.left <= 0


@pytest.mark.parametrize(
    ("n", "options", "path"),
    [
        (600, {"k": 50}, "random"),  # many more units than columns
        (600, {}, "tensor"),  # 2.5 rows for each of 241 weights
        (800, {}, "tensor"),  # 3.3
        (600, {"k": 12}, "tensor"),  # 4.1
        (300, {"k": 12}, "tensor"),  # 2.1, not in parts
        (70, {"k": 12}, "random"),  # .5: no network is determined
        (600, {"alpha": 0}, "tensor"),
        (
            600,
            {"score_function": GaussianMixtureScore([1.0], np.full((1, 10), 0.5), [np.eye(10) / 12])},
            "tensor",
        ),
    ],
)
def test_moments_are_left_out_where_they_are_in_vain(n, options, path):
    """Many units, or too few targets for any network; with fewer units moments tell more."""
    X, y = make_friedman1(n, noise=1.0, random_state=0)
    model = OneHiddenLayerRegressor(
        20, activation="relu", n_init=1, max_iter=20, random_state=0
    ).set_params(**options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert model.fit(X, y).init_path_ == path
        if n > 70 and model.k < 25:
            X = np.random.default_rng(0).standard_normal((n, 10))
            assert clone(model).fit(X, X[:, 0] ** 2 + y).init_path_ == "tensor"


@pytest.mark.parametrize(("stage", "number"), [("evidence", 3), ("polish", 3), ("ensemble mean", 1)])
def test_a_callback_ends_it_with_all_units(stage, number):
    """In the first part, at its end, and in the last step: the network has its units, some unused."""
    pytest.importorskip("sklearn.callback")
    X, y = make_friedman1(200, noise=1.0, random_state=0)
    model = OneHiddenLayerRegressor(75, activation="tanh", random_state=0)
    model.set_callbacks(Stopper(stage, number)).fit(X, y)
    assert model.stop_reason_ == "callback"
    assert model.coefs_[0].shape == (10, 75)
    assert model.stages_[-1] == ("ensemble mean", 1)
    assert model.loss_ == pytest.approx(((model.predict(X) - y) ** 2).mean() / 2)
    unused = np.count_nonzero(model.coefs_[1][:, 0] == 0)
    assert unused == {"evidence": 50, "polish": 50, "ensemble mean": 0}[stage]


def test_held_out_rows_judge_every_part_and_the_average():
    X, y = make_friedman1(300, noise=1.0, random_state=0)
    model = OneHiddenLayerRegressor(75, activation="tanh", random_state=0)
    model.fit(X[:120], y[:120], X_val=X[120:], y_val=y[120:])
    assert ("ensemble mean", 1) in model.stages_
    held_out = ((model.predict(X[120:]) - y[120:]) ** 2).mean() / 2
    assert model.validation_loss_ == pytest.approx(held_out, rel=1e-9)
    assert model.validation_loss_ == pytest.approx(min(model.validation_loss_curve_[-1:]), rel=1e-9)
    assert model.coefs_[0].shape == (10, 75)


def test_several_outputs_share_the_parts_and_no_certificate_calls_them_recovered():
    X, y = make_friedman1(600, noise=1.0, random_state=0)
    Y = np.column_stack([y, 1e3 * X[:, 0] * y])
    model = OneHiddenLayerRegressor(50, activation="tanh", random_state=0).fit(X[:150], Y[:150])
    assert model.stages_[-1] == ("ensemble mean", 1)
    assert [coefs.shape for coefs in model.coefs_] == [(10, 50), (50, 2)]
    assert model.score(X[150:], Y[150:]) > 0.8
    assert model.certificate(X[:150], Y[:150]).verdict == "not recovered"


# The numbers of the rules


@pytest.mark.parametrize("units", [4, 10, 20])
@pytest.mark.parametrize("members", [2, 5])
def test_units_of_a_member_by_the_rules(units, members):
    rules = EnsembleRules(member_units=units, max_members=members)
    for n in (60, 10_000):
        problem = gaussian_problem(random_network(10, 1), n, Tanh())
        for k in (7, 40, 100):
            width = max(units, min(k / members, n / 12))
            assert len(member_widths(problem, k, rules)) == max(1, int(k / width))


def few_rows_of(function, n=30, d=10, noise=1.0):
    """The problem of noisy targets of normal rows."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    y = function(X) + noise * rng.standard_normal(n)
    rows = ArrayRows(X, ((y - y.mean()) / y.std())[:, None])
    return SquaredLoss(rows, Tanh(), whitening(rows))


def test_few_targets_of_a_plane_are_fitted_beside_a_line():
    """What it leaves is noise, whose penalty is ten times that of noise alone; kinks have no line."""
    problem, trace = few_rows_of(lambda X: X[:, :3].sum(axis=1)), Trace()
    course = cross_validated_course(task_of(problem, 75, trace=trace), [25, 25, 25])
    assert trace.losses == []  # folds are no steps of the fit
    assert course.alpha == pytest.approx(30)
    assert sum(course.widths) == 75 - 2
    problem = few_rows_of(lambda X: 3 * np.abs(X[:, 0]), 40, 6, 0.1)
    course = cross_validated_course(task_of(problem, 75), [25, 25, 25])
    assert course.line is None
    assert course.widths == [25, 25, 25]
    assert course.alpha is None or course.alpha == pytest.approx(3 * reference_error(problem))


def test_few_targets_are_those_that_no_evidence_weighs():
    for n, are_few in ((30, True), (200, False)):
        assert has_few_targets(few_rows_of(lambda X: X[:, 0], n), 25, RULES) == are_few


def test_the_mean_beside_a_line_is_their_sum():
    """Members were fitted to the errors of rows left out of the line; the network has k units."""
    problem = few_rows_of(lambda X: X @ np.arange(10.0), noise=3.0)
    mean = fit_ensemble(task_of(problem, 75))
    line, X = mean.line, problem.array_rows.X
    assert line is not None
    assert len(mean.network.b) == 75
    inputs = problem.to_inputs(mean.network)
    parts = [forward(X, problem.to_inputs(member.network), Tanh()) for member in mean.members]
    shares = [member.share for member in mean.members]
    expected = forward(X, problem.to_inputs(line.network), Tanh()) + np.tensordot(shares, parts, 1)
    assert_allclose(forward(X, inputs, Tanh()), expected, atol=1e-8)
    left = line.rest.array_rows.y
    assert 2 * line.rest.data_loss(mean.members[0].network) <= np.mean(left**2) * (1 + 1e-9)


@pytest.mark.parametrize("fewest_targets", [0.0, 0.5])
def test_of_few_targets_the_evidence_of_a_member_does_not_fall_to_nothing(fewest_targets):
    """300 targets, 1051 weights: by the noise alone it may, below 1e-6, with a fit of the noise."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X = rng.uniform(-1, 1, (300, 40))
        y = 10 * np.sin(X[:, 0] * X[:, 1]) + 20 * X[:, 2] ** 2 + X[:, 3:9].sum(axis=1)
        y += rng.standard_normal(300)
        rows = ArrayRows(X, ((y - y.mean()) / y.std())[:, None])
        problem = SquaredLoss(rows, Tanh(), whitening(rows))
        rules = SearchRules(ensemble=EnsembleRules(fewest_targets=fewest_targets))
        member, _ = fit_first_member(replace(task_of(problem, 100), rules=rules), 25, 4)
        assert member.alpha > 0.01
        assert np.isfinite(predicted_error(member.evaluation))


@pytest.mark.parametrize("max_iter", [3, 100])
def test_members_warn_only_where_more_steps_would_help(max_iter):
    problem, _, _ = table(400)
    task = replace(task_of(problem, 50), stopping=Stopping(max_iter=max_iter, tol=1e-6))
    assert fit_member(task, 25, 2).reason == ("converged" if max_iter == 100 else "max_iter")


def test_the_last_gain_is_that_of_ten_steps():
    losses = [4.0, *np.linspace(2.0, 1.0, 11)]
    end = Solution(random_network(2, 1), losses[-1], losses[-1], 0.0, "max_iter", losses=losses)
    assert last_gain(end) == pytest.approx(0.1)
    assert last_gain(replace(end, losses=losses[:3])) == np.inf


def test_lines_name_the_members(capsys):
    X = np.random.default_rng(0).uniform(-1, 1, (60, 3))
    OneHiddenLayerRegressor(k=50, verbose=1, random_state=0).fit(X, np.abs(X[:, 0]))
    printed = capsys.readouterr().out
    assert "member 1 of 2, " in printed
    assert "member 2 of 2, polish: " in printed
    assert ", ensemble mean: " in printed
