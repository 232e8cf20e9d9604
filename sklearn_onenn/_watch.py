"""Early stopping: the loss on held-out rows along a polish.

The network with the lowest held-out loss is what the polish returns (L. Prechelt, 1998, Early Stopping -
But When?, doi:10.1007/3-540-49430-8_3).
"""

# Steps without a lower held-out loss after which a stage ends.
PATIENCE = 10


class Watch:
    """Held-out loss after every step, and the best network.

    Parameters
    ----------
    problem : SquaredLoss
        The loss on held-out rows; its penalty does not count.

    Attributes
    ----------
    losses : list of float
    best : tuple of float and Network
        Lowest held-out loss so far, and where; None before the first step.
    """

    def __init__(self, problem):
        self.problem, self.losses, self.best = problem, [], None
        self._steps_since = 0

    def __call__(self, here):
        """See one evaluation; returns whether the stage is to end, after which another may begin."""
        loss = self.problem.data_loss(here.network)
        self.losses.append(loss)
        if self.best is None or loss < self.best[0]:
            self.best, self._steps_since = (loss, here.network), 0
            return False
        self._steps_since += 1
        ends = self._steps_since >= PATIENCE
        if ends:
            self._steps_since = 0
        return ends
