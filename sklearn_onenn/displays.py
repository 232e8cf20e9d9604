"""Figures: of fits, of their weights, and of what the data show. They need matplotlib.

Every display has its numbers as attributes, class methods ``from_...`` that compute them, and
``plot(ax=None)``, which draws them and stores ``ax_`` and ``figure_``.
"""

from ._comparison_displays import PhaseTransitionDisplay, WeightMatchingDisplay
from ._fit_displays import LossCurveDisplay
from ._spectrum_displays import HessianSpectrumDisplay, MomentSpectrumDisplay
from ._weight_displays import RecoveryDisplay

__all__ = [
    "HessianSpectrumDisplay",
    "LossCurveDisplay",
    "MomentSpectrumDisplay",
    "PhaseTransitionDisplay",
    "RecoveryDisplay",
    "WeightMatchingDisplay",
]
