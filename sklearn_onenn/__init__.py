"""One-hidden-layer networks that are recovered, not just trained.

The network is ``y = sum_i v_i phi(w_i . x + b_i) + c``. Its files, in the order in which they read
best:

_activation.py               what the method asks of a function phi
activations.py               the functions phi, with the moments and properties that the theory uses
_blocks.py                   rows in blocks, and sums over them
_network.py                  one block: outputs, residuals, gradients, Gauss-Newton products
_moments.py                  one block: Hermite moments
_joint_diagonalization.py    symmetric slices to the components of a symmetric tensor
_whitening.py                mean, covariance and rank of the rows; weights between coordinates
_algorithm_1.py              a start from raw moments: Algorithm 1 of the paper
_descent.py                  Algorithm 2: gradient descent over fresh parts of the rows
_preconditioner.py           the Gauss-Newton matrix of Gaussian rows
_gauss_newton.py             the polish on all rows
_single_precision.py         the rows in single precision, for steps that look for no exact fit
_span.py                     the span of the units, from residuals
_slices.py                   symmetric slices of the moments in that span
_units.py                    from directions to units; units that are missing
_smoothing.py                the polish of units with a kink, on noisy rows
_spectrum.py                 how many units the moments show
_structure.py                whether a residual is mere noise
_residual_start.py           the default start: Algorithm 1 with the moments of residuals
scores.py                    scores of known densities: the Gaussian mixture
_score_slices.py             slices of the moments for rows of known density, by Stein's identity
_score_span.py               the span of the units from such slices
_score_start.py              the start for rows of known density
_initialization.py           tensor initialization with any of them, and further starts
_evidence.py                 how much to penalize
_canonical.py                representatives of a network among its equals
_progress.py                 losses step by step, who is told, early stopping
_polish_stages.py            stages of a polish, and where it ended
_parts.py                    the polish of few rows that have no network to recover
_polish.py                   the polish of one start, with its penalty
_one_start.py                one start, followed to its end
_starts.py                   which starts to try, when to stop, which one won
_samples.py                  the search on a sample of the rows, the polish on larger ones
_width.py                    how many units the rows support
_sources.py                  rows that do not fit into memory
_validation.py               what users pass, checked
_callbacks.py                callbacks of scikit-learn
_targets.py                  equal rows merged, targets at unit scale
_version.py                  the version
_persistence.py              saved estimators know their version
_conversion.py               the fitted network in MLPRegressor and in torch
theory.py                    condition of W, the paper's bounds, extreme curvature
_jacobian.py                 derivatives by the free weights, as matrices
_uncertainty.py              standard errors of weights and predictions
_residual_tests.py           what a residual would show of other units and other activations
_checks.py                   the questions of every certificate
_refits.py                   checks by fits with other units and from other starts
certificate.py               recovered or not, and why
_regressor.py                the estimator
_cluster_blocks.py           blocks on the workers of a Dask cluster, and calls to them
_cluster.py                  rows there
dask.py                      the estimator for them
onnx.py                      the estimator in ONNX files
datasets.py                  data from a planted network
metrics.py                   how far an estimated network is from the planted one
_fit_displays.py             the figure of a fit: its loss by stages
_spectrum_displays.py        figures of spectra: moments, Gauss-Newton matrix
_weight_displays.py          the figure of recovery: found weights against planted ones
_comparison_displays.py      figures of several fits: units matched, phase transitions
displays.py                  the figures by their public names

The paper is K. Zhong, Z. Song, P. Jain, P. L. Bartlett, I. S. Dhillon, "Recovery Guarantees for
One-hidden-layer Neural Networks", ICML 2017, arXiv:1706.03175.
"""

from . import activations, certificate, datasets, displays, metrics, scores, theory
from ._initialization import tensor_initialization
from ._regressor import OneHiddenLayerRegressor
from ._sources import RowBlocks
from ._version import __version__

__all__ = [
    "OneHiddenLayerRegressor",
    "RowBlocks",
    "__version__",
    "activations",
    "certificate",
    "datasets",
    "displays",
    "metrics",
    "scores",
    "tensor_initialization",
    "theory",
]
