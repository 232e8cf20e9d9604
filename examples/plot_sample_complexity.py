"""
===========================
How many samples are enough
===========================

Zhong et al. [1]_ count how often their algorithm recovers a planted network, as the number of inputs d
and the number of samples n grow (their Fig. 1a), and how far the tensor initialization alone is
from it (their Fig. 1b). This example repeats both on small grids, once with the paper's moments and
once with those of residuals. (``examples/benchmarks/paper_figures.py`` has the full grids.)

What to take away: the number of samples needed grows in proportion to d, and is several times smaller
with the moments of residuals, whose noise a regression of lower degree has removed beforehand.

.. [1] K. Zhong, Z. Song, P. Jain, P. L. Bartlett, I. S. Dhillon, "Recovery Guarantees for
   One-hidden-layer Neural Networks", ICML 2017, arXiv:1706.03175.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_onenn import OneHiddenLayerRegressor, tensor_initialization
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import recovery_error

K, ACTIVATION, N_TRIALS = 5, "squared_relu", 5
MOMENTS = ["raw", "residual"]

# %%
# The paper's experiment
# ----------------------
# Five units with squared ReLU, condition number 2, output weights +-1, no noise. Descent has a fixed
# step, takes all rows at every step, and there is neither a polish nor a second start. The paper
# allows 10 000 iterations; 1500 are enough to see on which side of one percent a run ends.

figure_mode = {
    "k": K,
    "activation": ACTIVATION,
    "fit_intercept": False,
    "whiten": False,
    "resample": False,
    "polish": False,
    "learning_rate": 0.02,
    "max_iter": 1500,
    "n_init": 1,
    "alpha": 0,
}


def planted(n, d, seed):
    """A planted network and data from it."""
    return make_one_hidden_layer(n, d, K, activation=ACTIVATION, kappa=2.0, random_state=seed)


def recovered(n, d, moments, seed):
    """Whether all weights are within one percent, and all output signs right."""
    X, y, teacher = planted(n, d, seed)
    model = OneHiddenLayerRegressor(**figure_mode, moments=moments, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    return recovery_error(*model.coefs_, *teacher.coefs_, activation=ACTIVATION) <= 0.01


def initial_error(n, d, moments, seed):
    """Recovery error of the tensor initialization; inf where a sign is wrong."""
    X, y, teacher = planted(n, d, seed)
    W, _, v = tensor_initialization(X, y, K, activation=ACTIVATION, moments=moments, random_state=seed)
    return recovery_error(W, v, *teacher.coefs_, activation=ACTIVATION)


def grid(function, ns, ds, moments):
    """Results of all trials, shape (n, d, trial)."""
    return np.array(
        [[[function(n, d, moments, t) for t in range(N_TRIALS)] for d in ds] for n in ns], float
    )


# %%
# Fig. 1(a): success rate
# -----------------------
# Twice the inputs need about twice the rows: residual moments succeed from n = 25 d on. Raw moments
# need many more for small d too, because the noise of the small tensor that they are reduced to
# depends on k and not on d.

success_n, success_d = [250, 500, 1000, 2000], [10, 20, 40]
success = {m: grid(recovered, success_n, success_d, m).mean(axis=2) for m in MOMENTS}

for moments in MOMENTS:
    print(f"\nsuccess rate of {N_TRIALS} trials, {moments} moments")
    print("     n" + "".join(f"  d = {d:3d}" for d in success_d))
    for n, row in zip(success_n, success[moments], strict=True):
        print(f"{n:6d}" + "".join(f"{rate:9.1f}" for rate in row))

# %%
# Fig. 1(b): the initialization alone
# -----------------------------------
# The error of the start falls like :math:`n^{-1/2}`. It need not be small: descent succeeds from an
# error of one half, as long as the signs are right. ``inf`` marks cells where in some trial they are
# not.

start_n, start_d = [5_000, 20_000, 80_000], [10, 30, 50]
start_errors = {m: grid(initial_error, start_n, start_d, m).mean(axis=2) for m in MOMENTS}

for moments in MOMENTS:
    print(f"\nmean error of the start, {moments} moments")
    print("     n" + "".join(f"  d = {d:3d}" for d in start_d))
    for n, row in zip(start_n, start_errors[moments], strict=True):
        print(f"{n:6d}" + "".join(f"{error:9.3f}" for error in row))

# %%
# Both as pictures, as in the paper; black is where a sign was wrong.


def heatmap(axes, values, ns, ds, text, **scale):
    """Values over d and n, written into their cells."""
    image = axes.imshow(values, origin="lower", aspect="auto", **scale)
    axes.set(xlabel="inputs d", ylabel="samples n")
    axes.set_xticks(range(len(ds)), ds)
    axes.set_yticks(range(len(ns)), ns)
    for (i, j), value in np.ndenumerate(values):
        brightness = np.mean(image.cmap(image.norm(value))[:3])
        axes.text(j, i, text.format(value), ha="center", color="wk"[int(brightness > 0.5)])


error_colors = plt.get_cmap("viridis_r").with_extremes(bad="black")
figure, panels = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
for column, moments in enumerate(MOMENTS):
    heatmap(panels[0, column], success[moments], success_n, success_d, "{:.1f}", vmin=0, vmax=1)
    panels[0, column].set_title(f"success rate, {moments} moments")
    errors = np.ma.masked_invalid(start_errors[moments])
    heatmap(panels[1, column], errors, start_n, start_d, "{:.2f}", cmap=error_colors, vmin=0, vmax=1)
    panels[1, column].set_title(f"error of the start, {moments} moments")

plt.show()
