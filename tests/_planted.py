"""Small networks and rows with known answers, for several test files."""

from functools import cache

import numpy as np
from numpy.testing import assert_array_equal

from sklearn_onenn import OneHiddenLayerRegressor
from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import Network, forward
from sklearn_onenn.activations import ACTIVATIONS
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.scores import GaussianMixtureScore

INSTANCES = [cls() for cls in dict.fromkeys(ACTIVATIONS.values())]
# Those that a tensor start can recover.
USABLE = [activation for activation in INSTANCES if activation.properties().rho_positive]


def random_network(d, k, m=1, *, seed=0):
    """A network with weights of both signs and different sizes, without structure."""
    rng = np.random.RandomState(seed)
    return Network(
        W=rng.standard_normal((d, k)) / np.sqrt(d),
        b=0.5 * rng.standard_normal(k),
        V=rng.choice([-1, 1], (k, m)) * rng.uniform(0.5, 1.5, (k, m)),
        c=rng.standard_normal(m),
    )


def without_intercepts(network):
    """The network with b = 0 and c = 0."""
    return network._replace(b=np.zeros_like(network.b), c=np.zeros_like(network.c))


def separated_network(d, k, *, size=1.5, seed=0):
    """Orthonormal units times a size, without biases; output weights of both signs."""
    network = without_intercepts(random_network(d, k, seed=seed))
    return network._replace(W=size * np.linalg.qr(network.W)[0])


def gaussian_problem(network, n, activation, *, noise=0.0, seed=0, dtype=np.float64, **loss):
    """Squared loss on n rows from N(0, I) whose targets are the network's, plus noise."""
    rng = np.random.RandomState(seed)
    X = rng.standard_normal((n, len(network.W)))
    y = forward(X, network, activation)
    y += noise * rng.standard_normal(y.shape)
    rows = ArrayRows(X.astype(dtype), y.astype(dtype))
    return SquaredLoss(rows, activation, identity_coordinates(X.shape[1]), **loss)


def whitened(problem):
    """The same loss in white coordinates."""
    return SquaredLoss(
        problem.rows, problem.activation, whitening(problem.rows),
        fit_intercept=problem.fit_intercept, alpha=problem.alpha,
    )  # fmt: skip


def perturbed(network, size, *, seed=1):
    """The network with noise of this size in all weights W and V."""
    rng = np.random.RandomState(seed)
    return network._replace(
        W=network.W + size * rng.standard_normal(network.W.shape),
        V=network.V + size * rng.standard_normal(network.V.shape),
    )


def least_squares(features, y, weight=None):
    """Coefficients of y on the features, with weights, by the singular values of the features."""
    root = np.ones((len(features), 1)) if weight is None else np.sqrt(weight).reshape(-1, 1)
    return np.linalg.lstsq(root * features, root * y.reshape(len(y), -1), rcond=None)[0]


def differences(function, point, step=1e-6):
    """Derivative of a function of a vector, by central differences: one row for each entry."""
    return np.array([
        (function(point + step * e) - function(point - step * e)) / (2 * step)
        for e in np.eye(len(point))
    ])  # fmt: skip


def exact_gaussian_rows(W, d):
    """Rows in R^d and weights that sum to 1, whose mean is the Gaussian one for two units.

    The two columns of W (2, 2) are extended by zeros. In the plane the rule takes polar coordinates
    with the angles split where a unit changes sign: exact up to rounding for functions of W^T x
    that are smooth on both sides, times polynomials of degree below 8 in x.
    """
    directions = np.arctan2(W[1], W[0])
    kinks = np.sort(np.mod(np.concatenate([directions, directions + np.pi]) + np.pi / 2, 2 * np.pi))
    angle, angle_weight = legendre(np.append(kinks, kinks[0] + 2 * np.pi), 40)
    radius, radius_weight = legendre(np.linspace(0, 10, 5), 16)
    radius_weight = radius_weight * radius * np.exp(-(radius**2) / 2) / (2 * np.pi)
    plane = np.multiply.outer(radius, np.array([np.cos(angle), np.sin(angle)]).T).reshape(-1, 2)
    weight = np.multiply.outer(radius_weight, angle_weight).ravel()
    nodes, node_weight = np.polynomial.hermite_e.hermegauss(4)
    X = plane
    for _ in range(d - 2):
        X = np.column_stack([np.tile(X, (len(nodes), 1)), np.repeat(nodes, len(X))])
        weight = np.multiply.outer(node_weight / node_weight.sum(), weight).ravel()
    return X, weight


def legendre(edges, n_nodes):
    """Nodes and weights of the Gauss-Legendre rule on every interval between edges."""
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + nodes)).ravel(), (half * weights).ravel()


def bimodal_score(d, separation, *, seed=0):
    """Score of two normal components of unlike shape, their means this far from zero on both sides."""
    rng = np.random.RandomState(seed)
    mean = rng.standard_normal(d)
    mean *= separation / np.linalg.norm(mean)
    turns = np.linalg.qr(rng.standard_normal((2, d, d)))[0]
    spread = np.exp(rng.uniform(np.log(0.5), np.log(2), (2, 1, d)))
    return GaussianMixtureScore([0.5, 0.5], [mean, -mean], (turns * spread) @ turns.transpose(0, 2, 1))


def mixture_rows(score, n, *, seed=0):
    """Rows from a Gaussian mixture."""
    rng = np.random.RandomState(seed)
    component = rng.choice(len(score.weights), n, p=score.weights)
    roots = np.linalg.cholesky(score.covariances)
    z = rng.standard_normal((n, score.means.shape[1]))
    return score.means[component] + np.einsum("nij,nj->ni", roots[component], z)


def fitted_by_hand(activation, *, d=4, k=3, m=1, dtype=np.float64, seed=0):
    """An estimator whose weights are those of a random network, without a fit."""
    network = random_network(d, k, m, seed=seed).astype(dtype)
    model = OneHiddenLayerRegressor(k, activation=activation)
    model.coefs_, model.intercepts_ = [network.W, network.V], [network.b, network.c]
    model.n_features_in_, model.n_outputs_, model.out_activation_ = d, m, "identity"
    return model


def uneven_problem(activation, *, use_weights=True, fit_intercept=True):
    """Rows that are neither Gaussian nor white, in white coordinates."""
    rng = np.random.RandomState(0)
    X, y = rng.exponential(size=(80, 3)) * [0.1, 1, 10] + 2, rng.standard_normal((80, 1))
    rows = ArrayRows(X, y, rng.uniform(0.2, 3, 80) if use_weights else None)
    plain = SquaredLoss(rows, activation, identity_coordinates(3), fit_intercept=fit_intercept)
    return whitened(plain)


def features(problem, W, b):
    """Units W, b of the white rows, and 1 where there is an intercept."""
    z = problem.coordinates.whiten(problem.rows.X)
    ones = np.full((len(z), 1), float(problem.fit_intercept))
    return np.concatenate([problem.activation.value(z @ W + b), ones], axis=1)


def squared_error(problem, W, b):
    """Least weighted squared error of output weights on these units."""
    F, rows = features(problem, W, b), problem.rows
    rest = rows.y - F @ least_squares(F, rows.y, rows.weight)
    return float((rest**2 * (1 if rows.weight is None else rows.weight)).sum())


# Estimators


@cache
def planted(n=400, d=4, k=2, activation="relu", noise=0.0, seed=0):
    """Rows of a planted network; read-only, because tests share them."""
    X, y, teacher = make_one_hidden_layer(n, d, k, activation=activation, noise=noise, random_state=seed)
    X.flags.writeable = y.flags.writeable = False
    return X, y, teacher


def new(**parameters):
    return OneHiddenLayerRegressor(**({"k": 2, "activation": "relu", "random_state": 0} | parameters))


def weights(model):
    """All weights as one vector."""
    return np.concatenate([array.ravel() for array in model.coefs_ + model.intercepts_])


def assert_same_bits(one, other):
    assert_array_equal(weights(one), weights(other))
    assert one.loss_curve_ == other.loss_curve_
    assert (one.n_iter_, one.n_starts_, one.init_path_) == (
        other.n_iter_, other.n_starts_, other.init_path_,
    )  # fmt: skip


def assert_finite(model):
    for name, value in vars(model).items():
        if name.endswith("_") and name != "stages_" and not isinstance(value, str):
            for array in value if isinstance(value, list) else [value]:
                assert np.isfinite(array).all(), name
