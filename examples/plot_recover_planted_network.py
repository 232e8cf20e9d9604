"""
============================
Recovering a planted network
============================

A network with one hidden layer generates data; another one is fitted to them. Can the fit be the *same*
network, weight by weight, and not just one that predicts about as well?

This example shows how to

- draw such data with :func:`~sklearn_onenn.datasets.make_one_hidden_layer`,
- recover the network with :class:`~sklearn_onenn.OneHiddenLayerRegressor`,
- check the weights with :func:`~sklearn_onenn.metrics.recovery_error`,

and what each stage of the fit contributes. :class:`~sklearn.neural_network.MLPRegressor`, which starts
from random weights, gets the same data and is told the same number of units.
"""

import sys
import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import match_units, recovery_error

# %%
# A network with 12 hidden units
# ------------------------------
# There are 30 inputs, and :math:`y = \sum_i v_i \max(0, w_i \cdot x)` without noise. The 372
# weights are to be found from 6 000 rows; 2 000 more serve as test data.

d, k, n = 30, 12, 6_000
X, y, teacher = make_one_hidden_layer(n + 2_000, d, k, activation="relu", random_state=0)
X_train, X_test, y_train, y_test = X[:n], X[n:], y[:n], y[n:]
W_true, v_true = teacher.coefs_


def seconds_of(fit, *data):
    """Seconds that a fit takes."""
    start = time.perf_counter()
    fit(*data)
    return time.perf_counter() - start


# %%
# The fit
# -------
# It has three stages: tensor initialization from moments of the data, gradient descent in which each
# row is used once, and Gauss-Newton steps on all rows.

model = OneHiddenLayerRegressor(k=k, activation="relu", random_state=0)
seconds = seconds_of(model.fit, X_train, y_train)

W, v = model.coefs_
error = recovery_error(W, v, W_true, v_true, activation="relu")
print(f"recovery error: {error:.1e}")
print(f"test 1 - R2:    {1 - model.score(X_test, y_test):.1e}")
print(f"seconds:        {seconds:.1f}   ({model.n_starts_} start, {model.n_iter_} iterations)")

# %%
# The recovery error is :math:`\max_j |w_j - w^*_j| / |w^*_j|` under the best matching of the units: a
# network is the same function in whatever order its units are, and ReLU units are compared after
# scaling to :math:`|v_i| = 1`. The random draws do not depend on later stages, so that a fit without
# the polish shows where descent ended. One pass over these rows is few steps, so descent
# contributes little here; what counts is that the start lies in the right basin.

descent = clone(model).set_params(polish=False, n_init=1).fit(X_train, y_train)
stages = {
    "tensor initialization": model.init_coefs_,
    "gradient descent": descent.coefs_,
    "Gauss-Newton": model.coefs_,
}
for stage, coefs in stages.items():
    stage_error = recovery_error(*coefs, W_true, v_true, activation="relu")
    print(f"recovery error after {stage:22s} {stage_error:.2g}")

# %%
# A random start
# --------------
# MLPRegressor with L-BFGS, the solver that suits noise-free data best, from a random start: it ends
# in a poor local minimum. What it lacks is a good start. (In smaller problems, such as 20
# inputs and 5 units, a random start often succeeds.)

peer = MLPRegressor(
    hidden_layer_sizes=(k,),
    solver="lbfgs",
    alpha=0,
    max_iter=3000,
    tol=1e-10,
    random_state=0,
)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    peer_seconds = seconds_of(peer.fit, X_train, y_train)
peer_error = recovery_error(*peer.coefs_, W_true, v_true, activation="relu")
print(
    f"MLPRegressor: test 1 - R2 {1 - peer.score(X_test, y_test):.1e}, "
    f"recovery error {peer_error:.1e}, {peer_seconds:.1f} seconds"
)

# %%
# Stages and weights
# ------------------
# Above, every dot is one of the 360 hidden weights, found against planted, for units matched by
# direction. (A recovery error of inf says that not even the signs of the output weights match.) Below is
# the loss of this package's fit, stage by stage.


def matched_weights(W, v):
    """Hidden weights at output weights +-1, in the order of the planted units."""
    order, _ = match_units(W, W_true)
    return (W * np.abs(v.ravel()))[:, order]


n_descent = len(descent.loss_curve_)
losses = np.array(model.loss_curve_)
iterations = np.arange(len(losses))

figure, places = plt.subplot_mosaic("AB;CC", figsize=(7.5, 6.5), layout="constrained")
below = places["C"]
below.semilogy(iterations[:n_descent], losses[:n_descent], "o-", label="gradient descent")
below.semilogy(iterations[n_descent:], losses[n_descent:], "s-", label="Gauss-Newton")
below.set(
    xlabel="iteration", ylabel="half mean squared residual", title="Down to rounding in a few steps"
)
below.legend()

limit = 1.1 * np.abs(W_true).max()
panels = [
    (places["A"], "Here: all weights found", {"start": model.init_coefs_, "fit": model.coefs_}),
    (places["B"], "MLPRegressor: some missed", {"fit": peer.coefs_}),
]
for axes, title, found in panels:
    axes.axline((0, 0), slope=1, color="0.7", linewidth=1, zorder=0)
    for label, coefs in found.items():
        color = "tab:orange" if label == "start" else "tab:blue"
        weights = matched_weights(*coefs).ravel()
        axes.plot(W_true.ravel(), weights, ".", markersize=4, color=color, label=label)
    axes.set(xlim=(-limit, limit), ylim=(-1.5 * limit, 1.5 * limit), title=title)
    axes.set(xlabel="planted weight", ylabel="found weight")
    axes.legend(loc="upper left")

if "sphinx_gallery" not in sys.modules:
    figure.savefig("recover_planted_network.png", dpi=120)
    print("The picture is in recover_planted_network.png.")
plt.show()
