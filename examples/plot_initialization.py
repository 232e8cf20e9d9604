"""
====================================
Why the start matters: three of them
====================================

Zhong et al. [1]_ compare three ways to start gradient descent (their Fig. 1c):

- (I) W and v from tensor initialization, descent on W;
- (II) W and v at random, descent on both;
- (III) W at random, v as planted, descent on W.

This example repeats the experiment with four draws of the random starts, and shows how to hand starting
weights to :class:`~sklearn_onenn.OneHiddenLayerRegressor` with ``init=(W, b, v)``.

What to take away: from (I) and (III) descent reaches the planted network, from (I) without the slow
beginning. From (II) it stops short of it: descent on W cannot repair a wrong sign in v, and
descent on v rarely does.

.. [1] K. Zhong, Z. Song, P. Jain, P. L. Bartlett, I. S. Dhillon, "Recovery Guarantees for
   One-hidden-layer Neural Networks", ICML 2017, arXiv:1706.03175.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer

# %%
# The experiment
# --------------
# Ten inputs, five units with squared ReLU, 10 000 rows without noise.

d, k, n, eta, n_steps = 10, 5, 10_000, 0.02, 2000
X, y, teacher = make_one_hidden_layer(n, d, k, activation="squared_relu", random_state=0)
v_true = teacher.coefs_[1].ravel()
print("planted v:", v_true.astype(int))


def descent_on_W(init):
    """Objective at every step of descent on W, all rows at every step."""
    model = OneHiddenLayerRegressor(
        k=k,
        activation="squared_relu",
        init=init,
        moments="raw",
        fit_intercept=False,
        whiten=False,
        resample=False,
        polish=False,
        learning_rate=eta,
        max_iter=n_steps,
        n_init=1,
        alpha=0,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y).loss_curve_


# %%
# Descent on both layers
# ----------------------
# The estimator leaves v where it starts, so arm (II) takes a few lines. In the authors' script v is
# replaced by sign(v) after every step. That handicaps this arm: a step that is too short to
# change a sign is undone. So it runs here with and without.


def descent_on_both(W, v, *, project):
    """Objective at every step of descent on W and v."""
    losses = []
    for _ in range(n_steps):
        positive = np.maximum(X @ W, 0)
        residual = positive**2 @ v - y
        losses.append(0.5 * np.mean(residual**2))
        gradient_W = X.T @ (2 * positive * np.outer(residual, v)) / n
        gradient_v = (positive**2).T @ residual / n
        W, v = W - eta * gradient_W, v - eta * gradient_v
        if project:
            v = np.sign(v)
    return losses


# %%
# Other draws of its projections lead the tensor initialization to the same start here: one run will do.
# Random weight vectors have length about one. (Longer ones, such as standard normal draws, make some
# runs diverge at this step size and let a few runs of arm (II) succeed.)

arms = {
    "(I) tensor W and v": [descent_on_W("tensor")],
    "(II) random W and v, v projected to sign(v)": [],
    "(II) random W and v": [],
    "(III) random W, planted v": [],
}
projected, free, planted_v = list(arms)[1:]
for seed in range(4):
    rng = np.random.default_rng(seed)
    W, v = rng.standard_normal((d, k)) / np.sqrt(d), rng.choice([-1.0, 1.0], k)
    arms[projected].append(descent_on_both(W, v, project=True))
    arms[free].append(descent_on_both(W, v, project=False))
    arms[planted_v].append(descent_on_W((W, np.zeros(k), v_true)))

# %%
# Objective against iterations
# ----------------------------
# Both forms of arm (II) end in the same poor optima or near them: on these data the projection is not
# what makes it fail. Arms (I) and (III) end at the planted network at a linear rate, which there
# depends on the data alone.

steps = [0, 100, 500, n_steps - 1]
print(f"{'objective after':44s}" + "".join(f"{step:8d}" for step in steps) + "   steps to 1e-4")
for name, runs in arms.items():
    for losses in runs:
        # A run that stops early has reached the rounding error of an exact fit.
        shown = "".join(f"{losses[min(step, len(losses) - 1)]:8.0e}" for step in steps)
        reached = np.flatnonzero(np.array(losses) <= 1e-4)
        print(f"{name:44s}{shown}{reached[0] if len(reached) else 'never':>16}")

styles = [
    ("tab:blue", "-", 1.5),
    ("tab:orange", "-", 4),
    ("tab:red", "--", 1.5),
    ("tab:green", "-", 1.5),
]
figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
for (name, runs), (color, line, width) in zip(arms.items(), styles, strict=True):
    for number, losses in enumerate(runs):
        label = name if number == 0 else None
        axes.semilogy(losses, line, color=color, linewidth=width, alpha=0.8, label=label)
axes.set(xlabel="iteration", ylabel="objective (half mean squared residual)", ylim=(1e-16, 1e3))
axes.set_title("Random signs of v: descent gets stuck. Tensor start: it arrives")
axes.legend(loc="lower left")

plt.show()
