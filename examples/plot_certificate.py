"""
=========================
Is this the right network
=========================

A fit always ends somewhere. Whether that is the network that generated the data, or one that merely
predicts about as well, is not seen from its score:
:meth:`~sklearn_onenn.OneHiddenLayerRegressor.certificate` asks the questions that tell the two apart.

Here three units generate noisy data, and fits with one to five units are judged. What to take away: with
too few units a further one explains the residual, with too many one of them is not needed, and the
certificate says which.
"""

import matplotlib.pyplot as plt

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn.datasets import make_one_hidden_layer

# %%
# One certificate
# ---------------
# Every line is a question, with the answer and, where it fails, what to do. The verdict is "recovered"
# when all pass, and "not recovered" when one fails that leaves no hope; otherwise it is "doubtful".

K_PLANTED = 3
X, y, teacher = make_one_hidden_layer(1200, 8, K_PLANTED, activation="tanh", noise=0.2, random_state=0)

model = OneHiddenLayerRegressor(k=2, activation="tanh", random_state=0).fit(X, y)
print(f"R2 with 2 units: {model.score(X, y):.3f}")
print(model.certificate(X, y))

# %%
# All widths
# ----------
# R2 rises with every unit. The certificates do not: what a unit explains is measured by its likelihood,
# and one that fits mere noise has little of it.

widths = range(1, 6)
models = [OneHiddenLayerRegressor(k=k, activation="tanh", random_state=0).fit(X, y) for k in widths]
certificates = [model.certificate(X, y) for model in models]
for k, model, certificate in zip(widths, models, certificates, strict=True):
    print(f"k = {k}: R2 {model.score(X, y):.4f}, {certificate.verdict}. {certificate.reason}")

# %%
# Left: R2 on the training rows. Right: twice the log-likelihood that a further unit adds, for each of
# its weights, which should be below its dashed line, and that of the unit which matters least, which
# should be above its own. Both hold for the planted width alone.

figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.8), layout="constrained")
left.plot(widths, [model.score(X, y) for model in models], "o-")
left.set(xlabel="units k", ylabel="R2", title="R2 rises with every unit", xticks=widths)
right.axvspan(K_PLANTED - 0.25, K_PLANTED + 0.25, color="tab:green", alpha=0.15, label="planted")
for name, label in (
    ("no further unit", "a further unit"),
    ("every unit needed", "the least of the units"),
):
    checks = [check for c in certificates for check in c.checks if check.name == name]
    (curve,) = right.plot(widths, [check.value for check in checks], "o-", label=label)
    right.axhline(checks[0].limit, color=curve.get_color(), linestyle="--", linewidth=1)
right.set(
    xlabel="units k", ylabel="2 log-likelihood / weights", title="The certificate singles out three",
    xticks=widths, yscale="log", ylim=(1, 2000),
)  # fmt: skip
right.legend()

plt.show()
