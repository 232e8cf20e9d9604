"""Algorithm 2: fresh parts, each row at most once; steps that descend; the theorem's rate."""

import numpy as np
import pytest
from _planted import (
    INSTANCES,
    differences,
    gaussian_problem,
    perturbed,
    random_network,
    whitened,
    without_intercepts,
)
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn import tensor_initialization
from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import Network, forward
from sklearn_onenn._optimization import gradient_descent as gradient_descent_module
from sklearn_onenn._optimization.gradient_descent import (
    disjoint_parts,
    gradient_descent,
)
from sklearn_onenn.activations import SquaredReLU, Tanh, get_activation
from sklearn_onenn.datasets import make_one_hidden_layer
from sklearn_onenn.metrics import match_units

every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)


def planted(activation, n, *, d=4, k=2, m=1, size=0.2, **loss):
    """A problem with known weights, and a start near them."""
    activation = get_activation(activation)
    truth = random_network(d, k, m)
    if not loss.get("fit_intercept", True):
        truth = without_intercepts(truth)
    return gaussian_problem(truth, n, activation, **loss), perturbed(truth, size)._replace(V=truth.V)


def descend(problem, start, **options):
    options = {"resample": False, "learning_rate": "auto", "max_iter": 100, "tol": 0.0} | options
    return gradient_descent(problem, start, random_state=np.random.RandomState(0), **options)


# Parts


@pytest.mark.parametrize(("n", "n_weights"), [(80, 10), (81, 10), (1000, 10), (1039, 7)])
def test_parts_are_disjoint_and_see_every_weight(n, n_weights):
    parts = disjoint_parts(n, n_weights, np.random.RandomState(0), 4)
    assert_array_equal(np.sort(np.concatenate(parts)), np.arange(n))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert 4 * n_weights <= min(sizes) < 8 * n_weights
    # Drawn at random: not as the rows lie, and other seeds draw other parts.
    assert not any(np.array_equal(part, np.arange(part[0], part[-1] + 1)) for part in parts)
    others = disjoint_parts(n, n_weights, np.random.RandomState(1), 4)
    assert not np.array_equal(parts[0], others[0])


def test_too_few_rows_for_two_parts():
    assert disjoint_parts(79, 10, np.random.RandomState(0), 4) is None


@pytest.mark.parametrize("learning_rate", ["auto", 0.01])
def test_each_row_is_read_in_one_step_at_most(learning_rate):
    n = 2000
    problem, start = planted("tanh", n)
    result = descend(problem, start, resample=True, learning_rate=learning_rate, max_iter=10**6)
    used = np.concatenate(result.parts)
    assert len(np.unique(used)) == len(used)
    n_parts = n // (4 * start.W.size)
    # The automatic rate has a part of its own.
    assert len(result.parts) == len(result.losses) == n_parts - (learning_rate == "auto")
    assert result.reason == "rows used up"
    if learning_rate != "auto":
        assert len(used) == problem.rows.rows_read == n


def test_steps_are_those_on_the_parts():
    """The loss of each step is that of its part before the step, replayed without the package."""
    problem, start = planted("tanh", 600, fit_intercept=False)
    result = descend(problem, start, resample=True, learning_rate=0.3)
    assert len(result.parts) > 10
    W, v = start.W, start.V[:, 0]
    for part, loss in zip(result.parts, result.losses, strict=True):
        X, y = problem.rows.X[part], problem.rows.y[part, 0]
        z = X @ W
        error = np.tanh(z) @ v - y
        assert loss == pytest.approx((error**2).mean() / 2, rel=1e-10)
        W = W - 0.3 * X.T @ (error[:, None] * v * (1 - np.tanh(z) ** 2)) / len(part)
    assert_allclose(result.network.W, W, rtol=1e-10)
    assert_array_equal(result.network.V, start.V)
    assert_array_equal(result.network.b, start.b)


def test_max_iter_bounds_the_parts():
    problem, start = planted("tanh", 2000)
    result = descend(problem, start, resample=True, learning_rate=0.01, max_iter=3)
    assert (len(result.parts), len(result.losses), result.reason) == (3, 3, "max_iter")
    assert problem.rows.rows_read == sum(len(part) for part in result.parts)


def test_too_few_rows_for_parts_take_them_all():
    problem, start = planted("tanh", 60)
    result = descend(problem, start, resample=True, max_iter=5)
    assert result.parts is None
    assert len(result.losses) == 5
    one = descend(problem, start, resample=True, one_pass=True)
    assert (len(one.losses), one.reason) == (1, "rows used up")
    assert_array_equal(one.network.W, descend(problem, start, max_iter=1).network.W)


def test_draws_depend_on_the_random_state_alone():
    problem, start = planted("relu", 1000)
    one, other = (descend(problem, start, resample=True) for _ in range(2))
    assert_array_equal(one.network.pack(), other.network.pack())
    assert one.losses == other.losses


# Steps


@every_activation
@pytest.mark.parametrize("case", ["intercept", "two outputs", "no intercept", "penalty"])
def test_every_step_lowers_the_loss(activation, case):
    options = {"no intercept": {"fit_intercept": False}, "penalty": {"alpha": 5.0}}.get(case, {})
    m = 2 if case == "two outputs" else 1
    problem, start = planted(activation, 300, m=m, noise=0.1, **options)
    network = start
    for _ in range(5):
        result = descend(problem, network, max_iter=1)
        after = problem.evaluate(result.network)
        assert after.loss < problem.evaluate(network).loss
        network = result.network
    assert_array_equal(network.V, start.V)
    assert np.any(network.c != start.c) == problem.fit_intercept


@every_activation
def test_descent_converges_on_noise_free_data(activation):
    problem, start = planted(activation, 200, size=0.05)
    result = descend(problem, start, max_iter=100)
    assert result.losses[-1] < 0.05 * result.losses[0]
    assert (np.diff(result.losses) < 1e-28).all()  # down to rounding


@every_activation
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_automatic_rate_is_the_inverse_of_the_largest_curvature(activation, fit_intercept):
    problem, start = planted(activation, 400, d=5, k=3, fit_intercept=fit_intercept)
    used = start.unpack(np.zeros(len(start.pack())))._replace(W=np.ones_like(start.W))
    if fit_intercept:
        used = used._replace(b=np.ones_like(start.b), c=np.ones_like(start.c))
    J = differences(
        lambda w: forward(problem.rows.X, start.unpack(w), activation).ravel(), start.pack()
    )[used.pack() > 0]
    largest = np.linalg.eigvalsh(J @ J.T / 400)[-1]
    result = descend(problem, start, max_iter=1)
    assert 1 / result.learning_rate == pytest.approx(largest, rel=0.03)
    assert 1 / result.learning_rate < largest * (1 + 1e-9)  # power iteration comes from below


def test_automatic_rate_in_white_coordinates():
    """Of rows with scales from 1 to 100: the curvature of white rows has none of it."""
    problem, start = planted("tanh", 500, d=3)
    problem.rows.X *= [1, 10, 100]
    problem = whitened(problem)
    plain, _ = planted("tanh", 500, d=3)
    rates = [descend(p, start, max_iter=1).learning_rate for p in (problem, whitened(plain))]
    assert rates[0] == pytest.approx(rates[1], rel=0.05)


def test_dead_start_has_a_rate():
    problem, start = planted("relu", 50, fit_intercept=False)
    dead = start._replace(V=np.zeros_like(start.V))
    result = descend(problem, dead, max_iter=1)
    assert np.isfinite(result.learning_rate)
    assert_array_equal(result.network.pack(), dead.pack())


# Ends


@pytest.mark.parametrize("resample", [False, True])
@pytest.mark.parametrize("learning_rate", [1e3, 1e200])
def test_divergence_is_reported_and_the_start_returned(resample, learning_rate):
    problem, start = planted("squared_relu", 2000)
    result = descend(problem, start, resample=resample, learning_rate=learning_rate)
    assert result.reason == "diverged"
    assert result.network is start
    assert len(result.losses) < 20


def test_exact_fit_and_convergence_and_callback():
    problem, start = planted("tanh", 300)
    truth = random_network(4, 2)
    exact = descend(problem, truth, exact_loss=1e-25)
    assert (exact.reason, len(exact.losses)) == ("exact fit", 1)
    assert exact.network is truth
    noisy, start = planted("tanh", 300, noise=0.5)
    converged = descend(noisy, start, tol=1e-4, max_iter=10_000)
    assert converged.reason == "converged"
    last, final = converged.losses[-2:]
    assert 0 <= last - final <= 1e-4 * last
    seen = []
    stopped = descend(
        problem, start, callback=lambda here: seen.append(here.data_loss) or len(seen) == 4
    )
    assert (stopped.reason, len(seen)) == ("callback", 4)
    assert stopped.losses == seen


# The theorem


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_log_error_falls_on_a_line_at_the_predicted_rate(monkeypatch, seed):
    """Theorem mode: d = 10, k = 5, squared ReLU, eta = .02, 2000 fresh parts of 200 rows.

    Near W* a step multiplies the error by I - eta H, H = J^T J / n with J the derivative of the
    outputs by W at the truth, so what is left after a while decays at eta times H's smallest
    eigenvalue. Ten seeds had R2 of .996 to 1 and .99 to 1.17 of that rate; along the eigenvector,
    where there are no transients, .98 to 1.04 of it.
    """
    eta, n_start, n, k = 0.02, 60_000, 400_000, 5
    activation = SquaredReLU()
    X, y, teacher = make_one_hidden_layer(n_start + n, 10, k, activation=activation, random_state=seed)
    W, V = teacher.coefs_
    # Part 0, itself split in three, initializes; it tells v, up to the order of the units.
    W_start, _, v = tensor_initialization(
        X[:n_start], y[:n_start], k,
        activation=activation, moments="raw", split=True, random_state=seed,
    )  # fmt: skip
    order, _ = match_units(W_start, W)
    assert_array_equal(v[order], V[:, 0])
    rows = ArrayRows(X[n_start:], y[n_start:, None])
    problem = SquaredLoss(rows, activation, identity_coordinates(10), fit_intercept=False)

    path, one_step = [], gradient_descent_module.descend

    def recorded(network, *rest):
        path.append(network.W)
        return one_step(network, *rest)

    monkeypatch.setattr(gradient_descent_module, "descend", recorded)
    start = Network(W_start[:, order], np.zeros(k), V, np.zeros(1))
    result = descend(problem, start, resample=True, learning_rate=eta, max_iter=10**6)
    assert [len(part) for part in result.parts] == [200] * 2000
    assert len(np.unique(np.concatenate(result.parts))) == n == rows.rows_read

    X = rows.X[:40_000]
    J = X[:, :, None] * (activation.derivative(X @ W) * V[:, 0])[:, None, :]
    J = J.reshape(len(X), -1)
    eigenvalues, eigenvectors = np.linalg.eigh(J.T @ J / len(X))
    errors = (np.array(path) - W).reshape(len(path), -1) / np.linalg.norm(W)
    error = np.linalg.norm(errors, axis=1)
    (steps,) = np.nonzero((error < 1e-2) & (error > 1e-5))
    assert len(steps) > 300
    for size, tolerance in [(error, 0.3), (np.abs(errors @ eigenvectors[:, 0]), 0.06)]:
        slope, _ = np.polyfit(steps, np.log(size[steps]), 1)
        assert np.corrcoef(steps, np.log(size[steps]))[0, 1] ** 2 > 0.99
        assert -slope == pytest.approx(eta * eigenvalues[0], rel=tolerance)


def test_rate_on_all_rows_is_exact():
    """Tanh, d = 4, k = 2, the last of 400 steps: 1 - eta times the smallest eigenvalue."""
    problem, start = planted(Tanh(), 2000, fit_intercept=False, size=0.02)
    truth = without_intercepts(random_network(4, 2))
    rate = 0.5
    result = descend(problem, start, learning_rate=rate, max_iter=400)
    X = problem.rows.X
    J = X[:, :, None] * ((1 - np.tanh(X @ truth.W) ** 2) * truth.V[:, 0])[:, None, :]
    J = J.reshape(2000, -1)
    smallest = np.linalg.eigvalsh(J.T @ J / 2000)[0]
    expected = 2 * np.log(1 - rate * smallest)
    found = np.log(result.losses[399] / result.losses[350]) / 49
    assert found == pytest.approx(expected, rel=0.02)
