"""The numbers that a certificate goes by, measured in ``doc/benchmarks/certificate.md``."""

from dataclasses import dataclass

from .._optimization.gauss_newton import Stopping


@dataclass(frozen=True)
class CertificateRules:
    """Limits of the checks.

    Attributes
    ----------
    least_redundancy : float
        Share of the equations for a unit's weights that is left to contradict them, in an exact fit.
    singular : float
        Smallest over largest eigenvalue of the Gauss-Newton matrix below which weights are not
        determined; and loss, over the variance of y, below which a network with a unit less fits exactly
        as well.
    least_signal : float
        Rows for each weight, times the variance explained over that left.
    chance : float
        Standard errors above which a score is no chance.
    called_for, mere_noise : float
        Twice the log-likelihood, for each weight of a unit, above which the rows call for it, and up to
        which it may be noise. A unit of noise has 1.7, since its direction is sought, and one in 70 has
        more than 3. So much of it, or so many standard errors, another activation may have by chance.
    """

    least_redundancy: float = 1e-6
    singular: float = 1e-10
    least_signal: float = 40.0
    chance: float = 3.0
    called_for: float = 4.0
    mere_noise: float = 3.0


@dataclass(frozen=True)
class CertificateBudget:
    """How much work a certificate does.

    Attributes
    ----------
    n_fresh, fresh_share : int, float
        Fresh starts at most, and the share of the rows, drawn at random, that they begin with: a share
        from which right fits are found again more often than from half, and wrong ones no more often.
    n_left_out : int
        Units that are tried for being left out: those whose output weights alone matter least.
    refit : Stopping
        Of the fits with other units.
    lanczos_tol : float
        Share of the largest eigenvalue up to which Lanczos steps find the smallest.
    """

    n_fresh: int = 2
    fresh_share: float = 0.75
    n_left_out: int = 3
    refit: Stopping = Stopping(max_iter=30, tol=1e-4)
    lanczos_tol: float = 1e-6


RULES = CertificateRules()
BUDGET = CertificateBudget()


@dataclass(frozen=True)
class PredictiveRules:
    """How errors of prediction are estimated, measured in ``doc/benchmarks/predictive.md``.

    Attributes
    ----------
    refit_growth : float
        The residual of a member of a mean grows by the exponential of so many times its leverage where
        its row is left out. To first order that is one; but a member that is fitted again ends
        elsewhere, too.
    significance : float
        With a smaller probability of its score the noise depends on the row.
    sample_entries : int
        Inputs and units, on all rows, from which the noise is estimated: of more rows on some of them.
    """

    refit_growth: float = 1.7
    significance: float = 0.05
    sample_entries: int = 2**23


PREDICTIVE = PredictiveRules()


@dataclass(frozen=True)
class ReweightingRules:
    """How rows with gross errors lose their weight, measured in ``doc/benchmarks/outliers.md``.

    Attributes
    ----------
    least_df : float
        Degrees of freedom of the t distribution, at least. A few gross errors alone would bring two, by
        which the normal errors of other rows would count too unequally.
    n_fits : int
        Fits, the first of them with the weights that rows have about the median.
    """

    least_df: float = 6.0
    n_fits: int = 3


REWEIGHTING = ReweightingRules()
