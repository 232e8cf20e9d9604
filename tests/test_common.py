"""scikit-learn's checks of an estimator: the default, and a parameter or two changed at a time."""

import unittest
import warnings

import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.activations import ACTIVATIONS

# The default, an alias, and three that need other parameters.
REPEATED = {"tanh", "logistic", "identity", "square", "squared_relu"}
# Where the checks of many units take seconds.
FEW = {"k": 5}
CHANGES = [
    {},
    *({"activation": name} for name in ACTIVATIONS if name not in REPEATED),
    {"activation": "squared_relu"} | FEW,
    {"activation": "identity", "init": "random"},
    {"activation": "square", "init": "random"} | FEW,
    {"init": "random"},
    {"moments": "raw"},
    {"resample": False},
    {"polish": False},
    {"fit_intercept": False} | FEW,
    {"whiten": False} | FEW,
    {"k": 1},
    {"k": 12},
]


@parametrize_with_checks([OneHiddenLayerRegressor(**changes) for changes in CHANGES])
def test_sklearn_checks(estimator, check, monkeypatch):
    """All pass: none is expected to fail, and none is skipped."""
    # One check enables array API dispatch and passes NumPy arrays; without this it skips itself.
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            check(estimator)
        except unittest.SkipTest as reason:
            pytest.fail(f"skipped: {reason}")
