"""Lines that a fit prints, and the courses of its starts: when their stages end."""

import re
from types import SimpleNamespace

import pytest
from numpy.testing import assert_allclose

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._optimization.gauss_newton import Solution
from sklearn_onenn._search.progress import Observers, Printer, StopFit, Trace
from sklearn_onenn._search.stages import better_course
from sklearn_onenn.datasets import make_one_hidden_layer

PATIENCE = 4


def test_lines_of_every_step(capsys):
    X, y, _ = make_one_hidden_layer(300, 4, 2, activation="relu", noise=0.3, random_state=0)
    y = 100 * y + 5
    # With this tolerance there is no polish beyond the start's.
    parameters = {"k": 2, "activation": "relu", "n_init": 1, "tol": 1e-5, "random_state": 0}
    model = OneHiddenLayerRegressor(**parameters, verbose=2).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    pattern = r"start 1 \(tensor\), (\w+): step (\d+), ([\d.]+) passes, loss (\S+)"
    found = [match.groups() for match in map(re.compile(pattern).fullmatch, lines) if match]
    stages = [(name, str(i + 1)) for name, n_iter in model.stages_ for i in range(n_iter)]
    assert [(name, step) for name, step, *_ in found] == stages
    assert_allclose([float(loss) for *_, loss in found], model.loss_curve_, rtol=1e-3)
    passes = [float(number) for _, _, number, _ in found]
    assert passes == sorted(passes)
    assert 0.8 * model.n_passes_ < passes[-1] <= model.n_passes_  # the fit also reads outside of steps
    assert lines[-1] == f"start 1 (tensor): loss {model.loss_:.3e}, {model.stop_reason_}"
    OneHiddenLayerRegressor(**parameters, verbose=1).fit(X, y)
    few = capsys.readouterr().out.splitlines()
    assert few == [line for line in lines if ": step " not in line]
    assert len(few) == len(model.stages_) + 1


def test_lines_name_the_part_of_a_start(capsys):
    trace = Trace("start 1", SimpleNamespace(rows=SimpleNamespace(rows_read=0)), Observers([Printer(1)]))

    def steps(name, n):
        stage = trace.stage(name)
        for _ in range(n):
            stage(SimpleNamespace(data_loss=0.5, network=None))

    steps("descent", 2)
    for number in (1, 2):
        with trace.within(f"member {number} of 2"):
            steps("evidence", 3)
            steps("polish", number)
            assert trace.place == f"member {number} of 2, polish"
    steps("ensemble mean", 1)
    trace.end(SimpleNamespace(data_loss=0.5, reason="converged"))
    assert [line.split(", 0.0 passes")[0] for line in capsys.readouterr().out.splitlines()] == [
        "start 1, descent: 2 steps",
        "start 1, member 1 of 2, evidence: 3 steps",
        "start 1, member 1 of 2, polish: 1 steps",
        "start 1, member 2 of 2, evidence: 3 steps",
        "start 1, member 2 of 2, polish: 2 steps",
        "start 1, ensemble mean: 1 steps",
        "start 1: loss 5.000e-01, converged",
    ]
    assert trace.stages[1:3] == [("evidence", 3), ("polish", 1)]  # where the record is, names alone


def test_a_part_that_was_stopped_is_left(capsys):
    trace = Trace("start 1", SimpleNamespace(rows=SimpleNamespace(rows_read=0)), Observers([Printer(1)]))

    def stopped():
        with trace.within("member 1 of 2"):
            trace.stage("evidence")(SimpleNamespace(data_loss=0.5, network=None))
            raise StopFit

    with pytest.raises(StopFit):
        stopped()
    assert (trace.part, trace.place) == ("", "evidence")
    assert capsys.readouterr().out.startswith("start 1, member 1 of 2, evidence: 1 steps")


# Stages and courses


class Falling:
    """A loss on held-out rows that takes given values one after the other."""

    def __init__(self, losses):
        self.losses, self.rows = iter(losses), SimpleNamespace(rows_read=0)

    def replace(self, rows):
        return self

    def data_loss(self, network):
        return next(self.losses)


@pytest.mark.parametrize("held_out", [None, Falling([])], ids=["", "held out"])
def test_courses_that_were_not_followed_leave_the_record(held_out):
    trace = Trace()
    trace.held_out, trace.losses = held_out, [9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    trace.stages = [("descent", 1), ("a", 2), ("b", 3), ("c", 1)]
    if held_out is not None:
        trace.held_out_losses = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
    trace.forget(2, 3)
    assert (trace.stages, trace.losses) == ([("descent", 1), ("a", 2), ("c", 1)], [9.0, 1.0, 2.0, 6.0])
    trace.forget(2)
    assert (trace.stages, trace.losses) == ([("descent", 1), ("a", 2)], [9.0, 1.0, 2.0])
    assert trace.held_out_losses == ([] if held_out is None else [10.0, 20.0])


def ending(trace, loss, stop=False):
    """A course of one step."""

    def course():
        trace.stages.append((f"to {loss}", 1))
        trace.losses.append(loss)
        trace.network = trace.last_of_problem = loss
        if stop:
            raise StopFit
        trace.best = loss, "network"
        return Solution(loss, loss, loss, 0.0, "converged")

    return course


def test_the_better_of_two_courses_is_the_one_of_record():
    for first, second in ((1.0, 2.0), (2.0, 1.0), (1.0, 1.0)):
        trace = Trace()
        end, is_second = better_course(
            trace, ending(trace, first), ending(trace, second), lambda end: end.objective
        )
        assert (end.objective, is_second) == (1.0, second < first)
        assert (trace.losses, trace.stages) == ([1.0], [("to 1.0", 1)])
        assert trace.best == (1.0, "network")


@pytest.mark.parametrize(("first", "second"), [(2.0, 1.0), (1.0, 2.0)])
def test_of_two_courses_one_of_which_was_stopped_the_better_stays(first, second):
    trace = Trace()
    trace.problem = SimpleNamespace(data_loss=lambda network: network)  # its loss stands for it
    with pytest.raises(StopFit):
        better_course(
            trace, ending(trace, first), ending(trace, second, stop=True), lambda end: end.objective
        )
    assert (trace.network, trace.last_of_problem) == (1.0, 1.0)
    assert (trace.losses, trace.stages) == ([1.0], [("to 1.0", 1)])
    assert trace.best == (first, "network")  # on held-out rows no other was seen


def test_stages_end_when_the_held_out_loss_has_not_fallen_for_long():
    """After the lowest loss, at step 3, so many steps more; the next stage has its own patience."""
    losses = [3.0, 2.0, 1.0, *[1.5] * 2 * PATIENCE]
    trace = Trace("", Falling(losses), held_out="rows", patience=PATIENCE)
    stage = trace.stage("unpenalized")
    answers = [stage(SimpleNamespace(data_loss=0.5, network=step)) for step in range(PATIENCE + 3)]
    assert answers == [False] * (PATIENCE + 2) + [True]
    assert trace.best == (1.0, 2)
    stage = trace.stage("polish")
    answers = [stage(SimpleNamespace(data_loss=0.5, network=step)) for step in range(PATIENCE)]
    assert answers == [False] * (PATIENCE - 1) + [True]
    assert trace.stages == [("unpenalized", PATIENCE + 3), ("polish", PATIENCE)]
    unwatched = trace.stage("descent", watched=False)
    assert not unwatched(SimpleNamespace(data_loss=0.5, network=0))
    assert len(trace.held_out_losses) == 2 * PATIENCE + 3


def test_all_courses_end_when_one_is_stopped():
    """As starts that run side by side do."""

    class Once:
        def begin(self, trace):
            return False

        def step(self, trace):
            return trace.name == "first"

    progress, here = Observers([Once()]), SimpleNamespace(data_loss=1.0, network=None)
    other = Trace("other", None, progress).stage("polish")
    assert not other(here)
    with pytest.raises(StopFit):
        Trace("first", None, progress).stage("polish")(here)
    with pytest.raises(StopFit):
        other(here)
