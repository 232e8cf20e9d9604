"""Figures: of fits, of their weights, and of what the data show. They need matplotlib.

Every display has its numbers as attributes, class methods ``from_...`` that compute them, and
``plot(ax=None)``, which draws them and stores ``ax_`` and ``figure_``.
"""

from .comparisons import PhaseTransitionDisplay, WeightMatchingDisplay
from .loss import LossCurveDisplay
from .recovery import RecoveryDisplay
from .spectra import HessianSpectrumDisplay, MomentSpectrumDisplay

__all__ = [
    "HessianSpectrumDisplay",
    "LossCurveDisplay",
    "MomentSpectrumDisplay",
    "PhaseTransitionDisplay",
    "RecoveryDisplay",
    "WeightMatchingDisplay",
]

for name in __all__:  # they are known by their public path, in files too
    globals()[name].__module__ = __name__
