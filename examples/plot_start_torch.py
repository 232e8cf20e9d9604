"""
=================================
A start for a network in PyTorch
=================================

:func:`~sklearn_onenn.tensor_initialization` needs no estimator: it returns arrays, and any framework
can train from them. Here it starts a PyTorch module, and the same training runs from PyTorch's own
random start.

What to take away: training from the tensor start ends at the planted network to the last digit that
float32 has. From random starts it mostly ends in a poor optimum, and where it does not, it is far from
done after as many steps. The start costs a small part of the time of one training.

This example needs PyTorch: ``pip install torch``. This site is built without it, so here is what the
script printed and drew with torch 2.13.0 on two cores that did other work as well:

.. code-block:: none

   tensor initialization: 0.04 s
   one training of 1000 steps: 17.94 s
   start     at step 0 at the end
   tensor      6.7e-03    1.6e-14
   random      2.2e+00    5.9e-02
   random      3.0e+00    2.7e-02
   random      1.4e+00    2.4e-02
   random      1.7e+00    1.3e-05

.. image:: /figures/start_torch.png
   :alt: Variance left on fresh rows by steps of Adam: from the tensor start it falls to 1e-14 within 300
         steps, from four random starts it stays above 1e-5.

"""

# sphinx_gallery_thumbnail_path = 'figures/start_torch.png'

import time

import matplotlib.pyplot as plt

try:
    import torch
except ImportError as error:
    raise ImportError("This example needs PyTorch: pip install torch") from error

from sklearn_onenn import tensor_initialization
from sklearn_onenn.datasets import make_one_hidden_layer

# %%
# A planted network
# -----------------
# Twenty inputs, eight ReLU units, 2000 rows without noise, and as many fresh rows to judge by.

d, k, n, n_steps = 20, 8, 2000, 1000
X, y, teacher = make_one_hidden_layer(2 * n, d, k, activation="relu", random_state=0)
scale = y[:n].std()
inputs, targets = torch.tensor(X, dtype=torch.float32), torch.tensor(y[:, None] / scale).float()


def module():
    """A fresh one-hidden-layer network with PyTorch's random start."""
    return torch.nn.Sequential(torch.nn.Linear(d, k), torch.nn.ReLU(), torch.nn.Linear(k, 1))


# %%
# Arrays to parameters
# --------------------
# ``W`` has one unit to a column, PyTorch's ``weight`` one to a row. The data have no intercepts, so the
# biases start at zero; training is free to move them.


def started(W, b, v):
    """A network that starts from arrays W (d, k), b (k,) and v (k,)."""
    network = module()
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor(W.T))
        network[0].bias.copy_(torch.tensor(b))
        network[2].weight.copy_(torch.tensor(v[None]))
        network[2].bias.zero_()
    return network


begin = time.perf_counter()
W, b, v = tensor_initialization(X[:n], y[:n] / scale, k, activation="relu", random_state=0)
print(f"tensor initialization: {time.perf_counter() - begin:.2f} s")

# %%
# The same training from each
# ---------------------------
# Adam on all rows, with a step size that falls to zero along a cosine. Nothing but the start differs.


def train(network):
    """Share of variance left on the fresh rows, at every step."""
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    curve = []
    for _ in range(n_steps):
        with torch.no_grad():
            curve.append(torch.nn.functional.mse_loss(network(inputs[n:]), targets[n:]).item())
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(network(inputs[:n]), targets[:n]).backward()
        optimizer.step()
        schedule.step()
    return curve


random_curves = []
for seed in range(4):
    torch.manual_seed(seed)
    random_curves.append(train(module()))
begin = time.perf_counter()
tensor_curve = train(started(W, b, v))
print(f"one training of {n_steps} steps: {time.perf_counter() - begin:.2f} s")

# %%
# Variance left on fresh rows
# ---------------------------

print(f"{'start':8s} {'at step 0':>10s} {'at the end':>10s}")
print(f"{'tensor':8s} {tensor_curve[0]:10.1e} {tensor_curve[-1]:10.1e}")
for curve in random_curves:
    print(f"{'random':8s} {curve[0]:10.1e} {curve[-1]:10.1e}")

figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
for number, curve in enumerate(random_curves):
    label = "PyTorch's random start, four seeds" if number == 0 else None
    axes.semilogy(curve, color="tab:red", alpha=0.7, label=label)
axes.semilogy(tensor_curve, color="tab:blue", linewidth=2, label="tensor initialization")
axes.set(
    xlabel="step of Adam",
    ylabel="share of variance left on fresh rows",
    title="From the tensor start Adam finds the planted network",
)
axes.legend()

plt.show()
