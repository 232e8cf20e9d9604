"""One-hidden-layer networks that are recovered, not just trained.

The network is ``y = V^T phi(W^T x + b) + c``. To read the method, read the folders in this order:

_data            rows in blocks and sums over them, targets, whitening
_network         the network, its loss and derivatives
_optimization    from a start to a minimum: gradient descent, Gauss-Newton
_tensor          a start from the moments of the data
_selection       how much to penalize, what a fit promises on other rows
_search          from one start to the fit that is kept: stages, starts, widths
_inference       standard errors, and the questions of a certificate
_regressor.py    the estimator, which names these steps

Beside them stand the public modules, each of one subject, and what joins the estimator to other
tools: ``_validation``, ``_callbacks``, ``_persistence``, ``_conversion``, and the folders
``displays`` and ``dask``.

Every number that was tuned is a field of a record in a module ``rules``, or beside what it tunes;
``_search/rules.py`` says how to try another.

The paper is K. Zhong, Z. Song, P. Jain, P. L. Bartlett, I. S. Dhillon, "Recovery Guarantees for
One-hidden-layer Neural Networks", ICML 2017, arXiv:1706.03175.
"""

from . import activations, certificate, datasets, displays, metrics, scores, theory
from ._data.streams import RowBlocks
from ._regressor import OneHiddenLayerRegressor
from ._tensor.initialization import tensor_initialization
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

for _public in (OneHiddenLayerRegressor, RowBlocks, tensor_initialization):
    _public.__module__ = __name__  # they are known by their public path, in saved files too
