"""What a step asks of the Gauss-Newton matrix: factors, degrees of freedom, leverages.

``preconditioner`` answers by the weights, exactly or nearly; ``dual`` by the targets, where these are
fewer.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

from .._network.loss import Evaluation
from .._typing import Array


class Curvature(ABC):
    """The Gauss-Newton matrix with the penalty at a network, or one that stands for it.

    Attributes
    ----------
    evaluation : Evaluation
    exact : bool
        Whether it is the Gauss-Newton matrix itself.
    diagonal : array
        D of the Levenberg damping, packed like :meth:`Network.pack`.
    """

    evaluation: Evaluation
    exact: bool
    diagonal: Array

    @property
    @abstractmethod
    def is_finite(self) -> bool:
        """Whether the matrix is finite."""

    @property
    @abstractmethod
    def covers_units(self) -> bool:
        """Whether it is the matrix of Gaussian rows, if not of these."""

    @abstractmethod
    def under(self, evaluation: Evaluation) -> "Curvature":
        """The matrix under the penalty of another evaluation, which is at the same weights."""

    @abstractmethod
    def solver(self, damping: float) -> Callable[[Array], Array]:
        """Factorize the matrix and damping D; returns the solution for a right side, both packed."""

    @abstractmethod
    def effective_dof(self) -> float:
        """Weights that the rows determine, against the penalty: tr (1 - M^{-1} ridge)."""

    @abstractmethod
    def left_out_error(self, counts: float, least_left: float) -> float:
        """Mean squared residual of an output, each as if its own target had been left out.

        To first order that divides a residual by one minus the leverage of its target, the share that
        the target has in its own prediction: h = q^T M^{-1} q / n. It needs an exact matrix.

        Parameters
        ----------
        counts : float
            How often a leverage counts.
        least_left : float
            The residual is divided by no less.

        Returns
        -------
        float
            In units of the squares of scaled targets.
        """
