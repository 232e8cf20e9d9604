"""The numbers of the tensor step, measured in ``doc/benchmarks/recovery.md``."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TensorRules:
    """How units are made of directions, and when one is missing.

    Attributes
    ----------
    scales : tuple of float
        Scales |w_i| that are tried for units that are not homogeneous.
    n_directions : int
        Directions that a repair adds at most, each in both orientations.
    suspicious : float
        A repair is tried when the residual shows this share of what a missing unit would show.
    nearly_exact : float
        Loss, times units and for each output of unit variance, above which a fit on rows that are not
        normal counts as one of another function, not of a network of which a unit is missing.
    """

    scales: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    n_directions: int = 5
    suspicious: float = 0.4
    nearly_exact: float = 0.1


TENSOR = TensorRules()
