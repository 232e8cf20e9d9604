"""The figure of a fit: its loss by stages."""

from itertools import accumulate
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._optional_dependencies import check_matplotlib_support

from .._regressor import OneHiddenLayerRegressor
from ._fitted import check_network

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D


class Display:
    """A figure: numbers, which subclasses compute and draw.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"


def start_plot(display: Display, ax: "Axes | None") -> "Axes":
    """Choose the axes to draw on, those given or new ones; stores ``ax_`` and ``figure_``."""
    check_matplotlib_support(f"{type(display).__name__}.plot")
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
    display.ax_, display.figure_ = ax, ax.figure
    return ax


# What the losses of a stage are of, where that is not the network on all rows that the stage takes.
MEASURED_ON = {"descent": "rows of the step", "smoothed": "units without kinks"}


class LossCurveDisplay(Display):
    """Loss at every iteration of a fit, stage by stage.

    Only losses of one stage compare, so stages are not joined: the next one may take other rows, as
    every step of descent does, another penalty, or begin anew from other weights. A jump between them
    is no loss of what was reached.

    Parameters
    ----------
    loss_curve : array-like of shape (n_iter,)
    stages : list of tuple of str and int
        Names of the stages and their numbers of iterations, which add up to ``n_iter``.
    validation_loss_curve : array-like, default=None
        Loss on held-out rows at the last iterations of as many.

    Attributes
    ----------
    boundaries_ : list of int
        Iterations at which stages begin, without the first.
    lines_ : list of matplotlib Line2D
        One for each stage; that of descent is of points alone.
    validation_line_ : matplotlib Line2D or None
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from sklearn_onenn.displays import LossCurveDisplay
    >>> display = LossCurveDisplay(loss_curve=[4, 2, 1], stages=[("descent", 2), ("polish", 1)])
    >>> display.plot().boundaries_
    [2]
    """

    boundaries_: list[int]
    lines_: "list[Line2D]"
    validation_line_: "Line2D | None"

    def __init__(
        self,
        *,
        loss_curve: ArrayLike,
        stages: list[tuple[str, int]],
        validation_loss_curve: ArrayLike | None = None,
    ) -> None:
        self.loss_curve, self.stages = loss_curve, stages
        self.validation_loss_curve = validation_loss_curve

    @classmethod
    def from_estimator(cls, estimator: OneHiddenLayerRegressor, *, ax: "Axes | None" = None) -> Self:
        """Draw the loss curve of a fitted estimator.

        Parameters
        ----------
        estimator : OneHiddenLayerRegressor
        ax : matplotlib Axes, default=None

        Returns
        -------
        LossCurveDisplay
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        check_network(estimator, "loss_curve_")
        display = cls(
            loss_curve=estimator.loss_curve_,
            stages=estimator.stages_,
            validation_loss_curve=getattr(estimator, "validation_loss_curve_", None),
        )
        return display.plot(ax=ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw on these axes, or on new ones.

        Parameters
        ----------
        ax : matplotlib Axes, default=None

        Returns
        -------
        LossCurveDisplay
        """
        losses, ends = np.asarray(self.loss_curve), list(accumulate(n for _, n in self.stages))
        if not ends or ends[-1] != len(losses):
            raise ValueError(
                f"stages must have as many iterations as loss_curve, {len(losses)}, got {self.stages}."
            )
        ax = start_plot(self, ax)
        colors = {name: f"C{i}" for i, name in enumerate(dict.fromkeys(name for name, _ in self.stages))}
        starts = [0, *ends[:-1]]
        self.lines_ = []
        seen: set[str] = set()
        for (name, _), start, end in zip(self.stages, starts, ends, strict=True):
            label = f"{name} ({MEASURED_ON[name]})" if name in MEASURED_ON else name
            (line,) = ax.plot(
                np.arange(start, end),
                losses[start:end],
                color=colors[name],
                label=None if name in seen else label,
                marker="o" if name == "descent" or end - start == 1 else None,
                markersize=4,
                linestyle="none" if name == "descent" else "-",
            )
            self.lines_.append(line)
            seen.add(name)
        self.boundaries_ = starts[1:]
        for start, end in zip(starts[1::2], ends[1::2], strict=False):
            ax.axvspan(start - 0.5, end - 0.5, color="0.94", zorder=0)
        self.validation_line_ = None
        if self.validation_loss_curve is not None:
            held_out = np.asarray(self.validation_loss_curve)
            iterations = np.arange(len(losses) - len(held_out), len(losses))
            (self.validation_line_,) = ax.plot(iterations, held_out, "k:", label="held-out rows")
        ax.set(xlabel="iteration", ylabel="half mean squared residual", yscale="log")
        ax.legend(title="losses of one stage compare", alignment="left", fontsize="small")
        return self
