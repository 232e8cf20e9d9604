"""Whether a residual is mere noise: closed forms, the edge of noise, planted optima."""

import numpy as np
import pytest
from _planted import (
    INSTANCES,
    gaussian_problem,
    legendre,
    perturbed,
    random_network,
    separated_network,
    whitened,
)
from numpy.testing import assert_allclose

from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._optimization.gauss_newton import Stopping, gauss_newton
from sklearn_onenn._selection.missing_units import null_edges, residual_is_noise, second_moments
from sklearn_onenn.activations import GELU, ReLU, SquaredReLU, Tanh


def planted(activation, seed, *, n=4000, d=10, k=4, noise=0.5):
    """Rows with noise, and the planted network: orthonormal units of one size."""
    network = separated_network(d, k, seed=seed)
    network = network._replace(V=np.sign(network.V))
    return gaussian_problem(network, n, activation, noise=noise, seed=seed), network


def fitted(problem, network):
    return gauss_newton(problem, network, Stopping(40, 1e-6)).network


def without_unit(network, unit=0):
    """One unit fewer."""
    W, b, V = (
        np.delete(array, unit, axis) for array, axis in [(network.W, 1), (network.b, 0), (network.V, 0)]
    )
    return network._replace(W=W, b=b, V=V)


@pytest.mark.parametrize("activation", INSTANCES, ids=repr)
@pytest.mark.parametrize("m", [1, 2])
def test_second_moments_are_those_of_every_unit(activation, m):
    """|V_io E[phi(|w_i| g + b_i) (g^2 - 1)]| by a rule split at the kink."""
    network = random_network(5, 4, m)
    network.W[:, 3] = 0.0
    expected = []
    for w, b, v in zip(network.W.T, network.b, network.V, strict=True):
        size = np.linalg.norm(w)
        kink = np.clip(-b / max(size, 1e-300), -12, 12)
        g, weight = legendre(np.sort([-12, -4, 0, kink, 4, 12]), 60)
        weight = weight * np.exp(-(g**2) / 2) / np.sqrt(2 * np.pi)
        moment = np.sum(weight * activation.value(size * g + b) * (g**2 - 1))
        expected.append(np.abs(v * moment))
    assert_allclose(second_moments(network, activation), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("r", [3, 20])
def test_edge_of_noise(r):
    """200 draws, n = 1000: one or two in a hundred have a larger eigenvalue.

    Half of them have more than half of it for r = 3, and four fifths for r = 20.
    """
    rng = np.random.RandomState(0)
    largest = []
    for _ in range(200):
        z, y = rng.standard_normal((1000, r)), rng.standard_normal(1000)
        edge = null_edges(ArrayRows(z, y[:, None]), r)[0]
        M2 = ((z.T * y) @ z - y.sum() * np.eye(r)) / 1000
        largest.append(np.abs(np.linalg.eigvalsh(M2)).max() / edge)
    assert np.mean(np.array(largest) > 1) <= 0.04
    assert np.median(largest) > {3: 0.45, 20: 0.75}[r]
    two = null_edges(ArrayRows(z, np.column_stack([y, 3 * y])), r)
    assert_allclose(two, [edge, 3 * edge])


@pytest.mark.parametrize("activation", [ReLU(), SquaredReLU(), GELU()], ids=repr)
def test_noise_at_the_planted_optimum_and_structure_without_a_unit(activation):
    """6 networks: all or all but one of the optima, none of the fits that lack a unit."""
    there, missing = [], []
    for seed in range(6):
        problem, network = planted(activation, seed)
        there.append(residual_is_noise(problem, fitted(problem, network)))
        missing.append(residual_is_noise(problem, fitted(problem, without_unit(network))))
    assert sum(there) >= 5
    assert not any(missing)


def test_structure_where_two_units_are_equal():
    """As many units as planted, but two of them share one place: a saddle that steps do not leave."""
    problem, network = planted(ReLU(), 0)
    poor = fitted(problem, without_unit(network))
    W, b = np.column_stack([poor.W, poor.W[:, 0]]), np.append(poor.b, poor.b[0])
    V = np.append(poor.V, poor.V[:1], axis=0) * [[0.5], [1], [1], [0.5]]
    poor = fitted(problem, poor._replace(W=W, b=b, V=V))
    assert problem.data_loss(poor) > 1.1 * problem.data_loss(network)
    assert not residual_is_noise(problem, poor)


def test_units_too_weak_to_be_seen():
    """The residual at the planted optimum is noise, but so would it be without the weak unit."""
    for strength, expected in [(1.0, True), (0.02, False)]:
        problem, network = planted(ReLU(), 0)
        network.V[0] *= strength
        problem = gaussian_problem(network, 4000, ReLU(), noise=0.5)
        assert residual_is_noise(problem, fitted(problem, network)) == expected


def test_odd_units_without_biases_cannot_be_seen():
    problem, network = planted(Tanh(), 0)
    assert not residual_is_noise(problem, network)


def test_few_rows_show_nothing():
    """Twenty rows to a weight tell, two do not."""
    for n, expected in [(4000, True), (80, False)]:
        problem, network = planted(ReLU(), 1, n=n)
        assert residual_is_noise(problem, network) == expected


def test_the_answer_is_that_of_white_rows():
    """Skewed and shifted rows in white coordinates are taken like white ones."""
    problem, network = planted(ReLU(), 2)
    rng = np.random.RandomState(0)
    A = np.linalg.qr(rng.standard_normal((10, 10)))[0] * np.geomspace(0.1, 10, 10)
    rows = ArrayRows(problem.rows.X @ A.T + 5, problem.rows.y)
    skewed = whitened(SquaredLoss(rows, ReLU(), identity_coordinates(10)))
    W, b = np.linalg.solve(A.T, network.W), network.b
    W, b = skewed.coordinates.weights_from_inputs(W, b - 5 * W.sum(axis=0))
    here = network._replace(W=W, b=b)
    assert skewed.data_loss(here) == pytest.approx(problem.data_loss(network), rel=1e-9)
    assert residual_is_noise(problem, network)
    assert residual_is_noise(skewed, here)
    start = perturbed(network, 0.3)
    assert not residual_is_noise(problem, start)


def test_weights_equal_repeats():
    problem, network = planted(ReLU(), 3, n=2000)
    times = np.full(2000, 2.0)
    doubled = problem.replace(problem.rows.take(np.repeat(np.arange(2000), 2)))
    weighted = problem.replace(ArrayRows(problem.rows.X, problem.rows.y, times))
    for other in (network, perturbed(network, 0.03), perturbed(network, 0.1), without_unit(network)):
        assert residual_is_noise(doubled, other) == residual_is_noise(weighted, other)
