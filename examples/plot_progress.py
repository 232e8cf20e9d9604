"""
What a fit is doing
===================

A fit goes through stages: descent on fresh parts of the rows, Gauss-Newton steps without a penalty, the
search for one, the polish. ``verbose`` prints them while they happen,
:class:`~sklearn_onenn.displays.LossCurveDisplay` draws them afterwards, and callbacks of scikit-learn
(1.9 and later) watch every step and may end the fit.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.displays import LossCurveDisplay

# %%
# Twenty units for a network of five, few rows and much noise: a fit without penalty learns the noise.
X, y, _ = make_one_hidden_layer(3000, 10, 5, activation="relu", random_state=0)
y = y + 2 * np.random.default_rng(0).standard_normal(len(y))
train, held_out = slice(600), slice(600, None)

# %%
# Lines while it fits
# -------------------
# ``verbose=1`` prints a line for every stage: steps, passes over the rows, and the loss. With
# ``verbose=2`` every step has one.
model = OneHiddenLayerRegressor(k=20, activation="relu", alpha=0, n_init=1, verbose=1, random_state=0)
model.fit(X[train], y[train], X_val=X[held_out], y_val=y[held_out])
print(f"ended because: {model.stop_reason_}")

# %%
# The loss by stages
# ------------------
# The loss on the rows of the fit goes on falling; the one on held-out rows turns, and the weights kept
# are those at its minimum.
display = LossCurveDisplay.from_estimator(model)
best = len(model.loss_curve_) - len(model.validation_loss_curve_)
best += int(np.argmin(model.validation_loss_curve_))
display.ax_.plot(best, model.validation_loss_, "ko", label="weights kept")
display.ax_.set_title("The loss falls on, the held-out loss turns")
display.ax_.legend()
plt.show()

# %%
# Callbacks
# ---------
# Every start is a task, and every step a subtask of it, named by its stage. This callback ends the fit
# once the training score is good enough; the weights so far are kept.
# :class:`~sklearn.callback.ProgressBar` and :class:`~sklearn.callback.ScoringMonitor` are set in the
# same way, and reach every fit of a grid search.


class GoodEnough:
    """Ends a fit at a training R2."""

    def __init__(self, score):
        self.score = score

    def setup(self, estimator, context):
        """Nothing to prepare."""

    def teardown(self, estimator, context):
        """Nothing to clean up."""

    def on_fit_task_begin(self, estimator, context):
        """Nothing to do before a step."""

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        """Whether to stop; the estimator is as if the fit had ended with this step."""
        return fitted_estimator.score(X, y) > self.score


if hasattr(model, "set_callbacks"):
    model = OneHiddenLayerRegressor(k=20, activation="relu", alpha=0, n_init=1, random_state=0)
    model.set_callbacks(GoodEnough(0.7)).fit(X[train], y[train])
    print(f"{model.stop_reason_}: R2 {model.score(X[train], y[train]):.3f} after {model.n_iter_} steps")
