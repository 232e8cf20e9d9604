"""Problems that no limit of the package was tuned on: other weights, rows, noise, and no network at all.

A problem is drawn from its number alone. Its rows have one of eight distributions, its network weights
of one of eight kinds, its noise one of five laws and four sizes; a third of the problems has a truth
that is no network of the fitted kind: a network and a remainder, or one of eight other functions.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, stdtrit

from sklearn_onenn.activations import get_activation

ACTIVATIONS = "relu", "tanh", "squared_relu", "softplus", "gelu", "sigmoid", "leaky_relu"
KINDS = (
    *("gaussian", "sparse", "parallel", "rare", "steep", "near-linear"),
    *("more units than columns", "plain"),
)
ROWS = "normal", "copula", "t(5)", "one-hot", "autoregressive", "quantized", "manifold", "uniform"
NOISES = "normal", "normal", "by row", "t(3)", "skewed", "dependent"
LEVELS = 0.0, 0.05, 0.2, 0.5
SIZES = (6, 2), (6, 3), (10, 3), (20, 5)
REMAINDERS = {
    "sin 5 x1": lambda Z: np.sin(5 * Z[:, 0]),
    "sin 3 x1": lambda Z: np.sin(3 * Z[:, 0]),
    "x1 x2 x3": lambda Z: Z[:, 0] * Z[:, 1] * Z[:, 2],
    "cubic": lambda Z: Z[:, 0] ** 3 - 3 * Z[:, 0],
}
FUNCTIONS = {
    "radial": lambda Z: np.exp(-(Z[:, :3] ** 2).sum(axis=1) / 2),
    "products": lambda Z: Z[:, 0] * Z[:, 1] + Z[:, 2] * Z[:, 3],
    "step": lambda Z: np.sign(Z[:, :3].sum(axis=1)),
    "sine of a projection": lambda Z: np.sin(2 * Z[:, :2].sum(axis=1)),
    "two layers": lambda Z: np.tanh(2 * np.tanh(Z[:, :4] @ MIXTURE) @ np.array([1.0, -1.0, 1.0])),
    "tree": lambda Z: np.where(Z[:, 0] > 0, np.sign(Z[:, 1]), 0.5 * np.sign(Z[:, 2])),
    "friedman": lambda Z: (
        np.sin(np.pi * ndtr(Z[:, 0]) * ndtr(Z[:, 1])) * 10
        + 20 * (ndtr(Z[:, 2]) - 0.5) ** 2
        + 10 * ndtr(Z[:, 3])
        + 5 * ndtr(Z[:, 4])
    ),
    "maximum": lambda Z: Z[:, :4].max(axis=1),
}
MIXTURE = np.array([[1.0, 0.5, -1.0], [-1.0, 1.0, 0.5], [0.5, -1.0, 1.0], [1.0, 1.0, 1.0]])


class Problem(NamedTuple):
    """Rows, targets, and what generated them.

    Attributes
    ----------
    X, y : arrays
    network : tuple (W, b, v) or None
        None where the truth is no network of one hidden layer.
    activation : str
        Of the network, or the one to fit.
    k : int
        Units of the network, or to fit.
    names : dict
        What was drawn: "weights", "rows", "noise", "law", "remainder", "size" (rows for each of d k).
    signal : array
        The targets without noise.
    """

    X: np.ndarray
    y: np.ndarray
    network: tuple | None
    activation: str
    k: int
    names: dict
    signal: np.ndarray


def draw(number):
    """The problem of a number."""
    rng = np.random.default_rng([number, 26])
    d, k = SIZES[rng.choice(len(SIZES), p=[0.3, 0.25, 0.3, 0.15])]
    names = {
        "weights": str(rng.choice(KINDS)), "rows": str(rng.choice(ROWS, p=[0.44] + [0.08] * 7)),
        "noise": float(rng.choice(LEVELS)), "law": str(rng.choice(NOISES)),
        "size": int(rng.choice([6, 12, 20, 40], p=[0.15, 0.3, 0.35, 0.2])), "remainder": "",
    }  # fmt: skip
    activation = str(rng.choice(ACTIVATIONS))
    if names["weights"] == "more units than columns":
        d, k = (4, 6) if rng.random() < 0.5 else (3, 5)
    is_network = rng.random() < 2 / 3
    n = names["size"] * d * k
    Z, X = draw_rows(rng, n, d, names["rows"])
    # Weights are drawn for rows at unit scale.
    W, b, v = draw_weights(rng, X, k, names["weights"])
    P = standardized(X) @ W + b
    signal = get_activation(activation).value(P) @ v
    mean, scale = X.mean(axis=0), np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    network = (W / scale[:, None], b - (mean / scale) @ W, v)
    if not is_network:
        network = None
        if rng.random() < 0.6:
            names["remainder"] = str(rng.choice(list(REMAINDERS)))
            names["share"] = float(rng.choice([0.05, 0.2]))
            rest = REMAINDERS[names["remainder"]](Z)
            share = names["share"]
            signal = signal / signal.std() + np.sqrt(share / (1 - share)) * rest / rest.std()
        else:
            names["remainder"] = str(rng.choice(list(FUNCTIONS)))
            wide = Z if d >= 5 else np.hstack([Z, rng.standard_normal((n, 5 - d))])
            if d < 5:
                X = np.hstack([X, wide[:, d:]])
            signal = FUNCTIONS[names["remainder"]](wide)
    y = signal + names["noise"] * signal.std() * draw_noise(rng, Z, names["law"])
    return Problem(X, y, network, activation, k, names, signal)


def standardized(X):
    """Columns of mean 0 and variance 1; constant ones are 0."""
    scale = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(scale > 0, scale, 1.0)


def draw_rows(rng, n, d, kind):
    """Normal variables, and the rows that are made of them."""
    Z = rng.standard_normal((n, d))
    if kind == "copula":
        A = np.eye(d) + 0.5 * rng.standard_normal((d, d)) / np.sqrt(d)
        Z = standardized(Z @ A)
        X = np.where(np.arange(d) % 2 == 0, np.exp(0.7 * Z), ndtr(Z))
    elif kind == "t(5)":
        X = stdtrit(5, ndtr(Z))
    elif kind == "one-hot":
        levels = max(d // 2, 2)
        X = np.hstack([Z[:, : max(d - levels, 3)], np.eye(levels)[rng.integers(levels, size=n)]])
    elif kind == "autoregressive":
        X = np.empty((n, d))
        X[0] = Z[0]
        for i in range(1, n):
            X[i] = 0.8 * X[i - 1] + 0.6 * Z[i]
        Z = X
    elif kind == "quantized":
        X = np.round(2 * Z) / 2
    elif kind == "manifold":
        few = max(3, d // 2)
        X = np.tanh(Z[:, :few] @ rng.standard_normal((few, d)) / np.sqrt(few))
    elif kind == "uniform":
        X = 2 * ndtr(Z) - 1
    else:
        X = Z
    return Z, X


def draw_weights(rng, X, k, kind):
    """W, b, v of a network for standardized rows."""
    d = X.shape[1]
    W = rng.standard_normal((d, k)) * 1.2 / np.sqrt(d)
    b = 0.4 * rng.standard_normal(k)
    v = rng.choice([-1.0, 1.0], k) * rng.uniform(0.5, 2, k)
    if kind == "plain":
        W = np.linalg.qr(W)[0] * rng.uniform(1, 2, k) if k <= d else W
    elif kind == "sparse":
        W *= rng.random((d, k)) < 0.3
        W[rng.integers(d, size=k), np.arange(k)] += 1.0
    elif kind == "parallel":
        W[:, 1] = W[:, 0] + 0.3 * W[:, 1]
        b[1] = b[0] + 0.8
    elif kind == "rare":
        reach = np.sort(standardized(X) @ W[:, 0])
        b[0] = -reach[-min(len(reach) - 1, d + 3 + rng.integers(2 * d))]
        v[0] *= 4
    elif kind == "steep":
        W *= 4
    elif kind == "near-linear":
        W[:, 0] *= 0.15
        v[0] *= 4
    return W, b, v


def draw_noise(rng, Z, law):
    """Noise of variance 1 or so."""
    n = len(Z)
    e = rng.standard_normal(n)
    if law == "by row":
        e *= np.sqrt(0.3 + 0.7 * Z[:, 0] ** 2)
    elif law == "t(3)":
        e = rng.standard_t(3, n) / np.sqrt(3)
    elif law == "skewed":
        e = rng.exponential(size=n) - 1
    elif law == "dependent":
        for i in range(1, n):
            e[i] = 0.8 * e[i - 1] + 0.6 * e[i]
    return e
