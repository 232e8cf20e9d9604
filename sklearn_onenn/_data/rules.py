"""The numbers by which rows are looked at, measured in ``doc/benchmarks/inputs.md``."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DataRules:
    """When rows are normal, few, or equal.

    Attributes
    ----------
    significant : float
        Standard errors above which a moment is no chance: then rows are not normal, or targets have a
        second moment.
    small_sample : float
        With fewer rows for each number that is estimated from them a sample is small: a covariance is
        then shrunk, a fit without penalty is mostly one of the noise, and a width is not tried by its
        criterion.
    merged_rows : int
        Up to this many rows equal ones are merged.
    few_rows : float
        Rows for each column with fewer of which columns may keep their own scales.
    """

    significant: float = 5.0
    small_sample: float = 3.0
    merged_rows: int = 500
    few_rows: float = 3.0


DATA = DataRules()
