"""
Gradient descent on fresh rows
==============================

The theorem of the paper (arXiv:1706.03175, Theorem 4.4) is about descent that sees every row once: each
step takes a new part of the data, and the error falls by the same factor at every step, down to
nothing. Here 1600 steps take 250 fresh rows each, and you will see the line that the theorem
promises, with the slope that the curvature of the loss at the truth predicts.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_onenn import OneHiddenLayerRegressor, tensor_initialization
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import recovery_error

# %%
# Rows for 1600 parts of 250 (five rows for each of the 50 weights, the size that the estimator takes),
# and a part of their own for the initialization, which is split in three.
d, k, step, part, n_parts = 10, 5, 0.02, 250, 1600
activation = "squared_relu"
n_init = 30000
X, y, teacher = make_one_hidden_layer(
    n_init + part * n_parts, d, k, activation=activation, random_state=0
)
W_true, v_true = teacher.coefs_

W, b, v = tensor_initialization(
    X[:n_init], y[:n_init], k, activation=activation, moments="raw", split=True, random_state=0
)
print(f"error of the initialization: {recovery_error(W, v, W_true, v_true, activation=activation):.2f}")

# %%
# Theorem mode: no whitening, no biases, no polish, v as initialized. Twenty parts are one fit, so that
# the error can be measured in between.
model = OneHiddenLayerRegressor(
    k,
    activation=activation,
    moments="raw",
    whiten=False,
    fit_intercept=False,
    polish=False,
    learning_rate=step,
    n_init=1,
    alpha=0,
    random_state=0,
)
chunk = 20
errors, losses = [], []
for first in range(n_init, len(X), chunk * part):
    rows = slice(first, first + chunk * part)
    model.set_params(init=(W, b, v)).fit(X[rows], y[rows])
    assert model.n_iter_ == chunk  # each row once
    W, b, v = model.coefs_[0], model.intercepts_[0], model.coefs_[1][:, 0]
    errors.append(recovery_error(W, v, W_true, v_true, activation=activation))
    losses += model.loss_curve_
errors = np.array(errors)
steps = chunk * np.arange(1, len(errors) + 1)

# %%
# The slope, and the one predicted: step times the smallest eigenvalue of J^T J / n at the truth, where J
# is the derivative of the outputs by W.
falling = (errors < 1e-2) & (errors > 1e-5)
slope, offset = np.polyfit(steps[falling], np.log(errors[falling]), 1)
fitted = np.polyval([slope, offset], steps[falling])
r2 = 1 - np.var(np.log(errors[falling]) - fitted) / np.var(np.log(errors[falling]))

sample = X[:20000]
slopes = 2 * np.maximum(sample @ W_true, 0) * v_true.ravel()
J = (sample[:, :, None] * slopes[:, None, :]).reshape(len(sample), -1)
predicted = step * np.linalg.eigvalsh(J.T @ J / len(J))[0]
print(f"rate per step: {-slope:.4f}, predicted {predicted:.4f}; R2 of the line {r2:.4f}")

figure, axis = plt.subplots(figsize=(7, 4.5), layout="constrained")
axis.semilogy(steps, errors, label="error of the weights")
axis.semilogy(np.sqrt(losses), color="0.8", zorder=0, label="root of the loss on each fresh part")
axis.semilogy(
    steps[falling],
    np.exp(fitted[0] - predicted * (steps[falling] - steps[falling][0])),
    "k--",
    label="predicted rate",
)
axis.set(
    xlabel="step, each on 250 fresh rows",
    ylabel="error",
    title="The error falls on a line, about as fast as predicted",
)
axis.legend()
plt.show()
