"""Callbacks of scikit-learn: what they see of a fit, and their request to stop it."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._search import width as width_module
from sklearn_onenn._search.rules import SampleRules, SearchRules
from sklearn_onenn.datasets import make_one_hidden_layer

STEPS = {"descent", "unpenalized", "evidence", "smoothed", "polish", "larger sample"}


def planted(n=300, activation="relu"):
    return make_one_hidden_layer(n, 4, 2, activation=activation, noise=0.3, random_state=0)[:2]


def new(**parameters):
    return OneHiddenLayerRegressor(
        **({"k": 2, "activation": "relu", "n_init": 1, "random_state": 0} | parameters)
    )


class Recorder:
    """Keeps what it is told; asks for the end at a step, by stage, start and number.

    It is no callback of many fits at once.
    """

    def __init__(self, stage=None, start="", number=1, error=None):
        self.stage, self.start, self.number, self.error = stage, start, number, error
        self.events, self.steps = [], []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(("begin", context.task_name))

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self.events.append(("end", context.task_name))
        if context.task_name not in STEPS:
            return False
        self.steps.append((context.task_name, fitted_estimator, X, y, metadata))
        if context.task_name != self.stage or self.start not in context.parent.task_name:
            return False
        self.number -= 1
        if self.error is not None:
            raise self.error
        return self.number == 0


# What callbacks see


def test_every_step_is_a_task_with_its_own_fitted_estimator():
    """The loss of the estimator of a step is the one in the curve; weights of rows come along."""
    X, y = planted()
    X, y = 3 * X + 1, 100 * y - 7
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    recorder = Recorder()
    model = new().set_callbacks(recorder).fit(X, y, weight)
    names = [name for name, n_iter in model.stages_ for _ in range(n_iter)]
    assert [step[0] for step in recorder.steps] == names
    assert set(names) >= {"descent", "unpenalized", "evidence", "smoothed", "polish"}
    for (name, fitted, *data), loss in zip(recorder.steps, model.loss_curve_, strict=True):
        assert data[0] is X
        assert data[1] is y
        assert data[2] == {"sample_weight": weight}
        if name not in ("descent", "smoothed"):  # those are losses of other rows or units
            error = np.average((fitted.predict(X) - y) ** 2, weights=weight) / 2
            assert error == pytest.approx(loss, rel=1e-9)
    assert_array_equal(recorder.steps[-1][1].coefs_[0], model.coefs_[0])


def test_tasks_begin_and_end_in_order():
    X, y = planted()
    recorder = Recorder()
    model = new(n_init=2).set_callbacks(recorder).fit(X, y)
    assert (recorder.events[0], recorder.events[-1]) == ("setup", "teardown")
    open_tasks, seen = [], []
    for event, name in recorder.events[1:-1]:
        if event == "begin":
            open_tasks.append(name)
            seen.append(tuple(open_tasks[:-1]))
        else:
            assert open_tasks.pop() == name
    assert open_tasks == []
    assert {path[1:] for path in seen if path} == {
        (), ("start 1 (tensor)",), ("start 2 (residual directions)",), ("best start",)
    }  # fmt: skip
    assert model.n_starts_ == 2


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_callbacks_change_nothing(n_jobs):
    X, y = planted()
    plain = new(n_init=3).fit(X, y)
    watched = new(n_init=3, n_jobs=n_jobs).set_callbacks(Recorder()).fit(X, y)
    assert_array_equal(watched.coefs_[0], plain.coefs_[0])
    assert watched.loss_curve_ == plain.loss_curve_
    assert watched.stages_ == plain.stages_
    assert not any("callback_ctx" in name or "fit_ctx" in name for name in vars(watched))


def test_scoring_monitor():
    X, y = planted()
    monitor = ScoringMonitor(scoring="r2")
    model = new().set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs().data
    scores = [row["r2"] for row in log if row["task_name"] in STEPS]
    assert len(scores) == model.n_iter_
    assert scores[-1] == pytest.approx(model.score(X, y), rel=1e-12)
    (fit,) = [row["r2"] for row in log if row["task_name"] == "fit"]
    assert fit == pytest.approx(model.score(X, y), rel=1e-12)


def test_progress_bar_and_scores_inside_a_parallel_grid_search(monkeypatch, capsys):
    """Two candidates, two folds and the last fit: five bars, all of them full; scores of all five."""
    monkeypatch.setenv("COLUMNS", "200")
    X, y = planted()
    monitor = ScoringMonitor(scoring="r2")
    grid, options = {"k": [1, 2]}, {"cv": 2, "n_jobs": 2}
    search = GridSearchCV(new().set_callbacks(monitor), grid, **options)
    search.set_callbacks(ProgressBar()).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    fits = [line for line in lines if "OneHiddenLayerRegressor - fit" in line]
    assert len(fits) == 5
    assert all("100%" in line for line in lines if "OneHiddenLayerRegressor" in line)
    plain = GridSearchCV(new(), grid, **options).fit(X, y)
    assert_array_equal(search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])
    ends = [row for row in monitor.get_logs().data if row["task_name"] == "fit"]
    assert len(ends) == 5


# Early stop


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("stage", ["descent", "unpenalized", "evidence", "smoothed", "polish"])
def test_a_callback_ends_the_fit(stage, number):
    """Nothing follows, and the estimator is the one that the callback saw."""
    X, y = planted()
    recorder = Recorder(stage, number=number if stage != "unpenalized" else 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = new(n_init=3).set_callbacks(recorder).fit(X, y)
    assert (model.stop_reason_, model.n_starts_) == ("callback", 1)
    assert model.n_iter_ == len(recorder.steps) == sum(n_iter for _, n_iter in model.stages_)
    assert model.stages_[-1][0] == stage
    assert model.loss_ == pytest.approx(((model.predict(X) - y) ** 2).mean() / 2, rel=1e-9)
    losses = [((step[1].predict(X) - y) ** 2).mean() / 2 for step in recorder.steps]
    if stage == "smoothed":  # those before may be better
        before = [loss for loss, step in zip(losses, recorder.steps, strict=True) if step[0] != stage]
        assert model.loss_ == pytest.approx(min(before[-1], losses[-1]), rel=1e-9)
    else:
        assert_allclose(model.coefs_[0], recorder.steps[-1][1].coefs_[0], rtol=1e-12)


def test_a_callback_ends_a_further_start():
    """The first start, which is better, is what remains."""
    X, y = planted()
    model = new(n_init=3).set_callbacks(Recorder("descent", "start 2")).fit(X, y)
    assert (model.stop_reason_, model.n_starts_, model.init_path_) == ("callback", 2, "tensor")
    first = new(n_init=1, tol=1e-5).fit(X, y)
    assert_allclose(model.coefs_[0], first.coefs_[0], rtol=1e-9)


@pytest.mark.parametrize("start", ["best start", "6000 rows"])
def test_a_callback_ends_the_last_polish(start, monkeypatch):
    if start == "6000 rows":
        rules = SearchRules(samples=SampleRules(least_rows=500))
        monkeypatch.setattr(OneHiddenLayerRegressor, "_rules", rules)
    X, y = planted(6000)
    stage = "polish" if start == "best start" else "larger sample"
    recorder = Recorder(stage, start)
    model = new().set_callbacks(recorder).fit(X, y)
    assert model.stop_reason_ == "callback"
    assert_allclose(model.coefs_[0], recorder.steps[-1][1].coefs_[0], rtol=1e-12)
    rows_seen = {name.split()[0] for event in recorder.events[1:-1] for name in event[1:]}
    assert ("6000" in rows_seen) == (start == "6000 rows")


@pytest.mark.parametrize("start", ["width 2", "without fold 1"])
def test_a_callback_ends_the_search_for_a_width(start, monkeypatch):
    """What has been fitted until then is kept, also where a wider network would be asked for."""
    monkeypatch.setattr(width_module, "nothing_is_left", lambda *arguments: False)
    X, _ = planted(400)
    y = X[:, 0] * X[:, 1] + X[:, 2] * X[:, 3]  # of no such network
    recorder = Recorder("polish", start)
    model = new(k="auto").set_callbacks(recorder).fit(X, y)
    names = [name for event, name in recorder.events[1:-1] if event == "begin" and name not in STEPS]
    assert start in names[-2]
    assert (model.stop_reason_, model.n_iter_, names[-1]) == ("callback", 1, "start 1 (given)")
    if start == "width 2":
        assert model.k_ == 2
        *_, (_, fitted, *_), _ = recorder.steps
        assert_allclose(model.predict(X), fitted.predict(X), rtol=1e-9)
    assert model.score(X, y) > 0.3


def test_the_best_on_held_out_rows_is_kept():
    X, y = planted(120)
    X_val, y_val = planted(600)
    recorder = Recorder("polish", number=3)
    model = new(k=6, alpha=0).set_callbacks(recorder).fit(X, y, X_val=X_val, y_val=y_val)
    assert model.stop_reason_ == "callback"
    losses = [
        ((fitted.predict(X_val) - y_val) ** 2).mean() / 2
        for name, fitted, *_ in recorder.steps
        if name != "descent"
    ]
    assert_allclose(losses, model.validation_loss_curve_, rtol=1e-9)
    assert model.validation_loss_ == min(model.validation_loss_curve_)
    assert ((model.predict(X_val) - y_val) ** 2).mean() / 2 == pytest.approx(min(losses), rel=1e-9)


def test_fits_that_fail_leave_nothing_behind():
    """A callback that raises, and rows that do: torn down, and the estimator as before."""
    X, y = planted()
    recorder = Recorder("polish", error=RuntimeError("enough"))
    model = new().set_callbacks(recorder)
    before = dict(vars(model))
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(X, y)
    assert recorder.events[-1] == "teardown"
    assert vars(model) == before
    recorder.events.clear()
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(X, np.nan), y)
    assert recorder.events == ["setup", ("begin", "fit"), "teardown"]
    assert vars(model) == before
