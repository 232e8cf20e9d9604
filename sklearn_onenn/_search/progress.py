"""The trace of a fit: what it reports at every step, to whom, and what ends a stage or the fit.

A stage of a start calls a :class:`Stage` at every step. The :class:`Trace` of that start keeps the
losses, and the network that is best on held-out rows (L. Prechelt, 1998, Early Stopping - But When?,
doi:10.1007/3-540-49430-8_3). Observers, which all starts share, see every step and may stop the fit.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, Literal, Optional, Protocol

from .._data.rows import Rows
from .._network.loss import Evaluation, SquaredLoss
from .._network.network import Network
from .._optimization.gauss_newton import Solution

Event = Literal["begin", "step", "end_stage", "end"]


class StopFit(Exception):
    """An observer asked for the end of the fit."""


class Observer(Protocol):
    """Who wants to know of the steps of a fit; a true answer stops it."""

    def begin(self, trace: "Trace") -> Any:
        """A start begins."""

    def step(self, trace: "Trace") -> Any:
        """One step was taken."""

    def end_stage(self, trace: "Trace") -> Any:
        """A stage is over."""

    def end(self, trace: "Trace") -> Any:
        """A start is over."""


class Observers:
    """Who is told of the steps of a fit.

    Parameters
    ----------
    observers : list
        Of :class:`Observer`.
    n_rows : int
        All rows: passes are counted in them.

    Attributes
    ----------
    stopped : bool
        Whether an observer asked for the end.
    """

    def __init__(self, observers: Sequence[Observer] = (), n_rows: int = 1) -> None:
        self.observers, self.n_rows, self.stopped = list(observers), n_rows, False
        self._lock = Lock()

    def tell(self, event: Event, trace: "Trace") -> None:
        """Tell the observers of an event, one thread at a time; steps end here where one said so."""
        with self._lock:
            for observer in self.observers:
                self.stopped |= bool(getattr(observer, event)(trace))
        if self.stopped and event == "step":
            raise StopFit


class Trace:
    """The steps of one start, or of the polish that continues it on more rows.

    Parameters
    ----------
    name : str
    problem : SquaredLoss or None
        Its rows count how often they are read.
    observers : Observers or None
    held_out : Rows or None
    before : Trace or None
        The trace that this one continues.
    patience : int
        Steps without a lower held-out loss after which a stage ends.

    Attributes
    ----------
    losses : list of float
        Data loss of scaled targets at every step, of the traces before as well.
    held_out_losses : list of float
        Data loss on held-out rows at every step of the polish, of the traces before as well.
    stages : list of tuples of str and int
        Names of the stages, and their numbers of losses.
    stage_name : str
        Present stage; empty before the first.
    part : str
        What the present stages are steps of, such as one member of several; empty for the whole.
    n_steps : int
        Steps of the present stage.
    network : Network or None
        Of the last step; None before the first.
    last_of_problem : Network or None
        The last network whose loss is that of the units as they are, not of smoothed ones.
    best : tuple of float and Network, or None
        Lowest held-out loss of this trace alone, and the network that has it.
    solution : Solution or None
        Where the steps ended; None before the end.
    """

    def __init__(
        self,
        name: str = "",
        problem: SquaredLoss | None = None,
        observers: Observers | None = None,
        held_out: Rows | None = None,
        before: Optional["Trace"] = None,
        patience: int = 10,
    ) -> None:
        self.name, self.problem, self.patience = name, problem, patience
        self.held_out = None if held_out is None or problem is None else problem.replace(held_out)
        self._read_before = 0 if problem is None else problem.rows.rows_read
        self.observers = observers or Observers()
        self.losses: list[float] = list(before.losses) if before else []
        self.held_out_losses: list[float] = list(before.held_out_losses) if before else []
        self.stages: list[tuple[str, int]] = list(before.stages) if before else []
        self.stage_name, self.part, self.n_steps = "", "", 0
        self.network: Network | None = None
        self.last_of_problem: Network | None = None
        self.best: tuple[float, Network] | None = None
        self.solution: Solution | None = None

    @contextmanager
    def best_of_its_own(self) -> Iterator[None]:
        """Inside, the best network on held-out rows is looked for anew; afterwards it is what it was."""
        before, self.best = self.best, None
        try:
            yield
        finally:
            self.best = before

    @contextmanager
    def within(self, part: str) -> Iterator[None]:
        """Inside, stages are steps of a part of the start, which is named with them."""
        self._end_stage()
        before, self.part = self.part, part
        try:
            yield
        finally:
            self._end_stage()
            self.part = before

    @property
    def place(self) -> str:
        """The present stage, and the part that it belongs to."""
        return f"{self.part}, {self.stage_name}" if self.part else self.stage_name

    @property
    def passes(self) -> float:
        """Rows read since this trace began, as a multiple of all rows."""
        assert self.problem is not None
        return (self.problem.rows.rows_read - self._read_before) / self.observers.n_rows

    def stage(self, name: str, *, watched: bool = True, smoothed: bool = False) -> "Stage":
        """A callable for the steps of the next stage.

        Parameters
        ----------
        name : str
        watched : bool
            Whether it looks at the held-out rows.
        smoothed : bool
            Whether its losses are those of smoothed units.

        Returns
        -------
        Stage
        """
        if not self.stage_name:
            self.observers.tell("begin", self)
        self._end_stage()
        self.stage_name = name
        self.stages.append((name, 0))
        return Stage(self, watched and self.held_out is not None, smoothed)

    def forget(self, begin: int, end: int | None = None) -> None:
        """Take the stages of these numbers from the record, with their losses: a course not followed."""
        self._end_stage()
        first, last = (sum(n for _, n in self.stages[:number]) for number in (begin, end))
        unwatched = len(self.losses) - len(self.held_out_losses)  # before the first that is watched
        del self.losses[first:last], self.stages[begin:end]
        if self.held_out is not None:
            del self.held_out_losses[first - unwatched : last - unwatched]

    def end(self, solution: Solution) -> None:
        """Keep where the steps ended, and tell that none follow."""
        self._end_stage()
        self.solution = solution
        if self.stage_name:
            self.observers.tell("end", self)

    def _end_stage(self) -> None:
        """Tell that the present stage is over, if it had any steps."""
        if self.n_steps:
            self.observers.tell("end_stage", self)
        self.n_steps = 0


class Stage:
    """The steps of one stage: called with an :class:`Evaluation`, it answers whether they are to end.

    That is so when the held-out loss has not fallen for ``patience`` steps; another stage may follow.
    """

    def __init__(self, trace: Trace, watched: bool, smoothed: bool) -> None:
        self.trace, self.watched, self.smoothed = trace, watched, smoothed
        self._steps_since = 0

    def __call__(self, evaluation: Evaluation) -> bool:
        trace = self.trace
        trace.n_steps += 1
        trace.losses.append(evaluation.data_loss)
        name, n_losses = trace.stages[-1]
        trace.stages[-1] = name, n_losses + 1
        trace.network = evaluation.network
        if not self.smoothed:
            trace.last_of_problem = evaluation.network
        ends = self.watched and self._rises(evaluation.network)
        trace.observers.tell("step", trace)
        return ends

    def _rises(self, network: Network) -> bool:
        """Whether the held-out loss has not fallen for long."""
        trace = self.trace
        assert trace.held_out is not None
        loss = trace.held_out.data_loss(network)
        trace.held_out_losses.append(loss)
        if trace.best is None or loss < trace.best[0]:
            trace.best, self._steps_since = (loss, network), 0
            return False
        self._steps_since += 1
        ends = self._steps_since >= trace.patience
        if ends:
            self._steps_since = 0
        return ends


class Printer:
    """An observer that prints a line for every start and stage; with ``verbose`` above 1 for every step.

    Parameters
    ----------
    verbose : int
    unit : float
        Factor from losses of scaled targets to those of the caller's.
    """

    def __init__(self, verbose: int, unit: float = 1.0) -> None:
        self.verbose, self.unit = verbose, unit

    def begin(self, trace: Trace) -> None:
        """A start begins, of which nothing is known yet."""

    def step(self, trace: Trace) -> None:
        """One step was taken."""
        if self.verbose > 1:
            print(self._line(trace, f"step {trace.n_steps}"))

    def end_stage(self, trace: Trace) -> None:
        """A stage is over."""
        print(self._line(trace, f"{trace.n_steps} steps"))

    def end(self, trace: Trace) -> None:
        """A start is over."""
        solution = trace.solution
        assert solution is not None
        print(f"{trace.name}: loss {self.unit * solution.data_loss:.3e}, {solution.reason}")

    def _line(self, trace: Trace, steps: str) -> str:
        """One line on the present stage, with its number of steps in words."""
        loss = self.unit * trace.losses[-1]
        return f"{trace.name}, {trace.place}: {steps}, {trace.passes:.1f} passes, loss {loss:.3e}"
