"""The course of a fit: what it reports at every step, to whom, and what ends a stage or the fit.

A stage of a start calls a :class:`Stage` at every step. The :class:`Trace` of that start keeps the
losses, and the network that is best on held-out rows (L. Prechelt, 1998, Early Stopping - But When?,
doi:10.1007/3-540-49430-8_3). Observers, which all starts share, see every step and may stop the fit.
"""

from threading import Lock

# Steps without a lower held-out loss after which a stage ends.
PATIENCE = 10


class StopFit(Exception):
    """An observer asked for the end of the fit."""


class Observers:
    """Who is told of the steps of a fit.

    Parameters
    ----------
    observers : list
        With the methods ``begin``, ``step``, ``end_stage`` and ``end``, as of :class:`Printer`. A true
        answer stops the fit.
    n_rows : int
        All rows: passes are counted in them.

    Attributes
    ----------
    stopped : bool
        Whether an observer asked for the end.
    """

    def __init__(self, observers=(), n_rows=1):
        self.observers, self.n_rows, self.stopped = list(observers), n_rows, False
        self._lock = Lock()

    def tell(self, event, trace):
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
    progress : Progress or None
    held_out : Rows or None
    before : Course or None
        The course that this one continues.

    Attributes
    ----------
    losses : list of float
        Loss at every step, of the courses before as well.
    held_out_losses : list of float
        That on held-out rows, at every step of the polish.
    stages : list of lists of str and int
        Names of the stages, and their numbers of losses.
    stage_name : str
        Present stage; empty before the first.
    n_steps : int
        Steps of the present stage.
    network : Network
        Of the last step.
    unsmoothed : Network
        The last one whose loss is that of the units as they are.
    best : tuple of float and Network, or None
        Lowest held-out loss of this course alone, and where.
    polish : Polish
        Where it ended.
    """

    def __init__(self, name="", problem=None, progress=None, held_out=None, before=None):
        self.name, self.problem = name, problem
        self.held_out = None if held_out is None else problem.replace(held_out)
        self._read_before = 0 if problem is None else problem.rows.rows_read
        self.progress = progress or Observers()
        self.losses = list(before.losses) if before else []
        self.held_out_losses = list(before.held_out_losses) if before else []
        self.stages = [*map(list, before.stages)] if before else []
        self.stage_name, self.n_steps = "", 0
        self.network = self.last_of_problem = self.best = None

    @property
    def passes(self):
        """Rows read by this course, as a multiple of all rows."""
        return (self.problem.rows.rows_read - self._read_before) / self.progress.n_rows

    def stage(self, name, *, watched=True, smoothed=False):
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
            self.progress.tell("begin", self)
        self._end_stage()
        self.stage_name = name
        self.stages.append([name, 0])
        return Stage(self, watched and self.held_out is not None, smoothed)

    def end(self, polish):
        """Nothing follows: here it ended."""
        self._end_stage()
        self.polish = polish
        if self.stage_name:
            self.progress.tell("end", self)

    def _end_stage(self):
        if self.n_steps:
            self.progress.tell("end_stage", self)
        self.n_steps = 0


class Stage:
    """The steps of one stage: called with an :class:`Evaluation`, it answers whether they are to end.

    That is so when the held-out loss has not fallen for ``PATIENCE`` steps; another stage may follow.
    """

    def __init__(self, trace, watched, smoothed):
        self.trace, self.watched, self.smoothed = trace, watched, smoothed
        self._steps_since = 0

    def __call__(self, evaluation):
        trace = self.trace
        trace.n_steps += 1
        trace.losses.append(evaluation.data_loss)
        trace.stages[-1][1] += 1
        trace.network = evaluation.network
        if not self.smoothed:
            trace.last_of_problem = evaluation.network
        ends = self.watched and self._rises(evaluation.network)
        trace.progress.tell("step", trace)
        return ends

    def _rises(self, network):
        """Whether the held-out loss has not fallen for long."""
        trace = self.trace
        loss = trace.held_out.data_loss(network)
        trace.held_out_losses.append(loss)
        if trace.best is None or loss < trace.best[0]:
            trace.best, self._steps_since = (loss, network), 0
            return False
        self._steps_since += 1
        ends = self._steps_since >= PATIENCE
        if ends:
            self._steps_since = 0
        return ends


class Printer:
    """Prints a line for every start and stage, and with ``verbose`` above 1 for every step.

    Parameters
    ----------
    verbose : int
    unit : float
        Factor from losses of scaled targets to those of the caller's.
    """

    def __init__(self, verbose, unit=1.0):
        self.verbose, self.unit = verbose, unit

    def begin(self, trace):
        """Nothing is known yet."""

    def step(self, trace):
        """One step was taken."""
        if self.verbose > 1:
            print(self._line(trace, f"step {trace.n_steps}"))

    def end_stage(self, trace):
        """A stage is over."""
        print(self._line(trace, f"{trace.n_steps} steps"))

    def end(self, trace):
        """A start is over."""
        print(f"{trace.name}: loss {self.unit * trace.polish.loss:.3e}, {trace.polish.reason}")

    def _line(self, trace, steps):
        loss = self.unit * trace.losses[-1]
        return f"{trace.name}, {trace.stage_name}: {steps}, {trace.passes:.1f} passes, loss {loss:.3e}"
