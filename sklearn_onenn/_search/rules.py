"""The numbers that the search goes by, with their defaults and the pages that measured them.

:class:`SearchRules` holds them all, those of the penalty and of the rows with them. The estimator takes
them from its class attribute ``_rules``: to try others, give a subclass other ones.
"""

from dataclasses import dataclass

from .._data.rules import DATA, DataRules
from .._optimization.smoothing import Smoothing
from .._selection.evidence import EvidenceRules


@dataclass(frozen=True)
class PolishRules:
    """The numbers of the polish, measured in ``doc/benchmarks/noise.md`` and ``real_data.md`` there.

    Attributes
    ----------
    min_dof_share : float
        With a smaller share of the weights determined by the rows no network is recovered.
    small_sample : float
        With fewer targets for each weight a fit without penalty is mostly one of the noise, and a search
        for the penalty that begins there ends near it: as of :class:`DataRules`.
    required_ratio : float
        A loss that smoothing brings to this share is that of another optimum, with another penalty.
    loose_tol : float
        Tolerance of the first fit: steps towards an exact fit lower the loss by far more.
    screening_tol : float
        Tolerance at which starts are compared; the one that wins is polished to the end.
    brief_steps : int
        Steps after which few targets tell whether any network is near, and after which a penalty has
        settled where there is no network to recover.
    rough_solve_tol : float
        Tolerance of the linear equations of a step where there is no one optimum to look for.
    patience : int
        Steps without a lower held-out loss after which a stage ends.
    smoothing : Smoothing
    evidence : EvidenceRules
    """

    min_dof_share: float = 0.65
    small_sample: float = DATA.small_sample
    required_ratio: float = 0.5
    loose_tol: float = 2e-2
    screening_tol: float = 1e-5
    brief_steps: int = 20
    rough_solve_tol: float = 0.1
    patience: int = 10
    smoothing: Smoothing = Smoothing()
    evidence: EvidenceRules = EvidenceRules()


@dataclass(frozen=True)
class EnsembleRules:
    """The numbers of fits from random units and of their means: ``doc/benchmarks/uci.md``.

    Attributes
    ----------
    member_units : int
        Units that a member of an ensemble has at least. So many, where they are more than the columns,
        are no search for a network that generated the rows.
    max_members : int
        More units than so many members need make wider members, while these have no more weights than
        there are targets.
    fewest_targets : float
        Targets for each weight of a member with fewer of which its penalty goes by its error of
        prediction after all, or is that of the second opinion, as cross-validation says.
    """

    member_units: int = 25
    max_members: int = 5
    fewest_targets: float = 0.5


@dataclass(frozen=True)
class StartRules:
    """The numbers of the search over starts, measured in ``doc/benchmarks/recovery.md``.

    Attributes
    ----------
    max_starts : int
    same_cosine : float
        Two starts end in the same optimum when their objectives are the same, as far as starts are
        compared, and the directions of matched units agree up to this cosine.
    slopes : tuple of float
        Standard deviations of w_i . x for random units: of all that a fit begins with, and of those that
        are tried where it missed something.
    noise_factor : float
        The penalty of weights of order one is so many times the squared error of rows alone, there.
    few_targets : int
        Fewer targets do not tell noise from a function.
    few_noise : float
        The penalty of weights of order one, where targets are that few, and in steps of L-BFGS.
    """

    max_starts: int = 6
    same_cosine: float = 0.999
    slopes: tuple[float, ...] = (1.5, 6.0, 24.0)
    noise_factor: float = 3.0
    few_targets: int = 10
    few_noise: float = 0.01


@dataclass(frozen=True)
class SampleRules:
    """The numbers of the samples of many rows, measured in ``doc/benchmarks/scale.md``.

    Attributes
    ----------
    rows_per_weight, least_rows : float, int
        Rows on which the search over starts is done: so many for each weight, and no fewer than these.
    growth : int
        Factor from one sample to the next.
    tol_factor : float
        Tolerance, against that of the last steps, of those on a sample that a larger one follows.
    sample_bytes : int
        Bytes of X that a sample beyond the first may copy.
    """

    rows_per_weight: float = 64
    least_rows: int = 20_000
    growth: int = 8
    tol_factor: float = 10.0
    sample_bytes: int = 2**28


@dataclass(frozen=True)
class WidthRules:
    """The numbers of the choice of the number of units, measured in ``doc/benchmarks/width.md``.

    Attributes
    ----------
    max_width : int
    n_folds : int
        Folds that are held out in turn.
    patience : int
        Doublings of the width without a gain after which wider ones are not tried.
    unexplained : float
        Score of what the rows tell of a residual from which it is not noise.
    """

    max_width: int = 64
    n_folds: int = 3
    patience: int = 1
    unexplained: float = 2.0

    @property
    def typical_width(self) -> int:
        """Samples of many rows are made for it."""
        return self.max_width // 4


@dataclass(frozen=True)
class SearchRules:
    """All numbers that the search goes by, by what they are for.

    Attributes
    ----------
    data : DataRules
    polish : PolishRules
    ensemble : EnsembleRules
    starts : StartRules
    samples : SampleRules
    width : WidthRules
    """

    data: DataRules = DATA
    polish: PolishRules = PolishRules()
    ensemble: EnsembleRules = EnsembleRules()
    starts: StartRules = StartRules()
    samples: SampleRules = SampleRules()
    width: WidthRules = WidthRules()
