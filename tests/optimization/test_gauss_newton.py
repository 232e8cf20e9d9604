"""The polish: preconditioner and steps against dense matrices, and where it ends."""

import numpy as np
import pytest
from _planted import (
    INSTANCES,
    gaussian_problem,
    perturbed,
    random_network,
    whitened,
    without_intercepts,
)
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import eigvals

from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import Network
from sklearn_onenn._optimization import preconditioner as preconditioner_module
from sklearn_onenn._optimization.gauss_newton import (
    Stopping,
    damped_step,
    gauss_newton,
    next_decrease,
)
from sklearn_onenn._optimization.preconditioner import Preconditioner, jittered_solver
from sklearn_onenn.activations import ReLU, Tanh
from sklearn_onenn.datasets import make_one_hidden_layer

every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)


@pytest.fixture(params=["whole matrix", "span", "Kronecker"])
def kind(request, monkeypatch):
    """The three preconditioners, whatever the size of the problem."""
    use_preconditioner(monkeypatch, request.param)
    return request.param


def use_preconditioner(monkeypatch, kind, *, all_rows=False):
    along, steps = {"whole matrix": (10**6, 10**6), "span": (10**6, 0), "Kronecker": (0, 0)}[kind]
    monkeypatch.setattr(preconditioner_module, "SPAN_WEIGHTS", along)
    monkeypatch.setattr(preconditioner_module, "SOLVE_STEPS", steps)
    if all_rows:
        monkeypatch.setattr(preconditioner_module, "ROWS_PER_COLUMN", 10**6)


def dense(here):
    """The Gauss-Newton matrix with the penalty, from its products."""
    size = len(here.network.pack())
    return np.array([
        here.gauss_newton_product(here.network.unpack(e)).pack() for e in np.eye(size)
    ])  # fmt: skip


def free(here):
    """Which packed weights there are: without intercepts neither b nor c."""
    network = here.network.unpack(np.ones(len(here.network.pack())))
    if not here.problem.fit_intercept:
        network = without_intercepts(network)
    return network.pack() > 0


def uneven_problem(activation, *, m=1, fit_intercept=True, alpha=0.0):
    """Weighted rows that are not Gaussian, in white coordinates, and a network there."""
    rng = np.random.RandomState(0)
    X = np.column_stack([rng.exponential(size=(60, 3)), rng.randint(2, size=60)]) * [1, 5, 0.2, 1]
    rows = ArrayRows(X, rng.standard_normal((60, m)), rng.uniform(0.1, 3, 60))
    problem = SquaredLoss(
        rows, activation, identity_coordinates(4), fit_intercept=fit_intercept, alpha=alpha
    )
    network = random_network(4, 3, m)
    return whitened(problem), network if fit_intercept else without_intercepts(network)


# The preconditioner


@every_activation
@pytest.mark.parametrize(
    "case",
    [{}, {"m": 2}, {"fit_intercept": False}, {"alpha": 3.0}, {"m": 2, "alpha": 1.0}],
    ids=["plain", "two outputs", "no intercept", "penalty", "penalty and two outputs"],
)
def test_whole_matrix_is_the_gauss_newton_matrix_of_any_rows(activation, case):
    problem, network = uneven_problem(activation, **case)
    here = problem.evaluate(network)
    preconditioner = Preconditioner(here)
    assert preconditioner.exact
    damping, used = 0.1, free(here)
    solve = preconditioner.solver(damping)
    matrix = dense(here) + damping * np.diag(preconditioner.diagonal)
    found = np.array([solve(row) for row in matrix[used]])
    assert_allclose(found[:, used], np.eye(used.sum()), atol=1e-9)


def test_subsampled_matrix_is_not_called_exact():
    activation = ReLU()
    problem = gaussian_problem(random_network(3, 2), 20_000, activation)
    assert not Preconditioner(problem.evaluate(random_network(3, 2, seed=1))).exact


def condition(activation, damping=1e-4):
    """Condition number of M^-1 H at the truth: d = 20, k = 5, kappa = 2, 20 000 Gaussian rows."""
    X, y, teacher = make_one_hidden_layer(20_000, 20, 5, activation=activation, random_state=0)
    (W, V), (b, c) = teacher.coefs_, teacher.intercepts_
    problem = SquaredLoss(
        ArrayRows(X, y[:, None]), teacher.activation, identity_coordinates(20), fit_intercept=False
    )
    here = problem.evaluate(Network(W, b, V, c))
    preconditioner = Preconditioner(here)
    used = free(here)
    solve = preconditioner.solver(damping)
    inverse = np.array([solve(e) for e in np.eye(len(used))])[np.ix_(used, used)]
    assert_allclose(inverse, inverse.T, atol=1e-6 * np.abs(inverse).max())
    matrix = (dense(here) + damping * np.diag(preconditioner.diagonal))[np.ix_(used, used)]
    spectrum = eigvals(inverse @ matrix).real
    return spectrum.max() / spectrum.min()


@pytest.mark.parametrize(
    ("activation", "few_rows"), [("relu", 6), ("tanh", 6), ("sigmoid", 8), ("squared_relu", 15)]
)
def test_span_makes_the_spectrum_narrow(monkeypatch, activation, few_rows):
    """With all rows in the matrix near 1; with 8 a column by its own noise; without it > 100."""
    use_preconditioner(monkeypatch, "Kronecker")
    assert condition(activation) > 100
    use_preconditioner(monkeypatch, "span")
    assert condition(activation) < few_rows
    use_preconditioner(monkeypatch, "span", all_rows=True)
    assert condition(activation) < 2


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_preconditioners_are_symmetric_and_positive(kind, fit_intercept):
    problem, network = uneven_problem(Tanh(), m=2, fit_intercept=fit_intercept, alpha=0.5)
    preconditioner = Preconditioner(problem.evaluate(network))
    solve = preconditioner.solver(0.01)
    inverse = np.array([solve(e) for e in np.eye(len(network.pack()))])
    assert_allclose(inverse, inverse.T, atol=1e-8 * np.abs(inverse).max())
    assert np.linalg.eigvalsh((inverse + inverse.T) / 2).min() > 0
    assert (preconditioner.diagonal > 0).all()


@pytest.mark.parametrize(
    ("r", "k", "size"),
    [(5, 40, 5), (10, 60, 10), (10, 61, 0), (60, 5, 5), (12, 10, 12), (40, 20, 20), (40, 25, 0)],
)
def test_the_subspace_is_the_one_whose_matrix_pays(r, k, size):
    """All of it where k >= r or conjugate gradients would cost more; none of more than 600 weights."""
    basis = preconditioner_module.subspace(random_network(r, k).W)
    assert basis.shape == (r, size)
    assert_allclose(basis.T @ basis, np.eye(size), atol=1e-12)


def test_safe_factor_solves_and_lifts_the_semidefinite():
    rng = np.random.RandomState(0)
    A = rng.standard_normal((6, 3))
    right = rng.standard_normal(6)
    regular = A @ A.T + np.diag(np.arange(1.0, 7))
    assert_allclose(jittered_solver(A @ A.T, np.arange(1.0, 7))(right), np.linalg.solve(regular, right))
    before = A @ A.T
    singular = before.copy()
    solution = jittered_solver(singular, 0.0)(A[:, 0])
    assert_array_equal(singular, before)
    assert_allclose(singular @ solution, A[:, 0], rtol=1e-4, atol=1e-4)


@every_activation
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_penalty_across_the_subspace_is_that_of_each_direction(monkeypatch, activation, fit_intercept):
    """Against the dense matrix of Gaussian rows, which is C in each direction, and the penalty there."""
    use_preconditioner(monkeypatch, "Kronecker")
    problem, network = uneven_problem(activation, fit_intercept=fit_intercept, alpha=3.0)
    here = problem.evaluate(network)
    preconditioner, (r, k), damping = Preconditioner(here), network.W.shape, 0.1
    strength = problem.alpha / problem.rows.weight_sum
    assert np.ptp(problem.penalty) > 0.1
    C, ridge = preconditioner.data_C, strength * np.kron(np.diag(problem.penalty), np.eye(k))
    matrix = np.kron(np.eye(r), C + damping * np.diag(preconditioner.units)) + ridge
    rights = np.random.RandomState(1).standard_normal((5, r * k))
    solve, rest = preconditioner.solver(damping), np.zeros(len(network.pack()) - r * k)
    found = [solve(np.append(right, rest))[: r * k] for right in rights]
    assert_allclose(found, np.linalg.solve(matrix, rights.T).T, rtol=1e-8, atol=1e-10)
    data, (M, ridge_M) = np.kron(np.eye(r), C), (preconditioner.M, preconditioner.ridge_M)
    across = np.trace(np.linalg.solve(data + ridge, data))
    fixed = 0 if fit_intercept else k + len(network.c)
    rest = len(M) - fixed - np.trace(np.linalg.pinv(M, hermitian=True) @ ridge_M)
    # M is summed in single precision: a pseudoinverse sees rounding as rank.
    assert preconditioner.effective_dof() == pytest.approx(across + rest, rel=1e-5)


# Steps


def test_damped_step_solves_the_dense_system(monkeypatch, kind):
    """Directly, or by conjugate gradients to the residual that these promise."""
    problem, network = uneven_problem(Tanh(), m=2, alpha=0.5)
    here = problem.evaluate(network)
    preconditioner = Preconditioner(here)
    damping, gradient = 0.05, here.gradient.pack()
    H = dense(here)
    A = H + damping * np.diag(preconditioner.diagonal)
    solve_tol = Stopping().solve_tol
    step, decrease = damped_step(here, preconditioner, damping, solve_tol)
    assert decrease == pytest.approx(-(gradient @ step) - step @ H @ step / 2, rel=1e-8)
    assert decrease > 0
    residual, solve = A @ step + gradient, preconditioner.solver(damping)
    if kind == "whole matrix":
        assert_allclose(step, np.linalg.solve(A, -gradient), rtol=1e-8, atol=1e-10)
    else:
        whole = gradient @ solve(gradient)
        assert residual @ solve(residual) <= solve_tol**2 * whole * (1 + 1e-6)
        rough = A @ damped_step(here, preconditioner, damping, 0.5)[0] + gradient
        assert solve_tol**2 * whole < rough @ solve(rough) <= 0.5**2 * whole * (1 + 1e-6)


# Ends


@every_activation
@pytest.mark.parametrize("case", ["one output", "two outputs", "no intercept"])
def test_exact_fit_is_reached_from_near_the_truth(activation, case, kind):
    truth = random_network(6, 3, 2 if case == "two outputs" else 1)
    if case == "no intercept":
        truth = without_intercepts(truth)
    problem = gaussian_problem(truth, 600, activation, fit_intercept=case != "no intercept")
    # Conjugate gradients with the Kronecker form alone are cut off before they are accurate.
    max_iter = 60 if kind == "Kronecker" else 15
    result = gauss_newton(problem, perturbed(truth, 0.05), Stopping(max_iter, exact_loss=1e-20))
    assert result.reason == "exact fit"
    assert result.losses[-1] < 1e-20 < 1e-5 < result.losses[0]
    assert (np.diff(result.losses) < 0).all()
    assert problem.data_loss(result.network) == pytest.approx(result.losses[-1], rel=1e-3)
    if case == "no intercept":
        assert_array_equal(result.network.b, 0)
        assert_array_equal(result.network.c, 0)


@every_activation
@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_converged_is_stationary(activation, alpha, kind):
    """Noisy targets, so that no step is exact; with a penalty the penalized loss is stationary.

    Where phi' jumps the loss has its minima at jumps of the gradient: there one row's share is left.
    """
    truth = random_network(5, 2)
    problem = gaussian_problem(truth, 300, activation, noise=0.3, alpha=alpha)
    result = gauss_newton(problem, perturbed(truth, 0.1), Stopping(200, 1e-10))
    assert result.reason in ("converged", "no descent")
    start = problem.evaluate(perturbed(truth, 0.1)).gradient.pack()
    end = problem.evaluate(result.network).gradient.pack()
    smooth = activation.properties().smooth_or_piecewise_linear == "bounded second derivative"
    left = (1e-4 if smooth else 5e-3) * np.linalg.norm(start)
    assert np.linalg.norm(end) < left
    if alpha:
        data_gradient = problem.replace(problem.rows, alpha=0.0).evaluate(result.network).gradient.pack()
        assert np.linalg.norm(data_gradient) > 3 * left


def test_single_precision(kind):
    truth = random_network(6, 3)
    problem = gaussian_problem(truth, 600, Tanh(), dtype=np.float32)
    result = gauss_newton(problem, perturbed(truth, 0.1), Stopping(30, exact_loss=1e-12))
    assert result.losses[-1] < 1e-12
    assert result.network.W.dtype == np.float64
    assert_allclose(np.abs(result.network.W), np.abs(truth.W), atol=1e-4)


def test_many_blocks_are_one_sum(small_blocks):
    problem, network = uneven_problem(Tanh(), m=2, alpha=0.5)
    found = gauss_newton(problem, network, Stopping(max_iter=10))
    problem.rows.block_rows = 60
    expected = gauss_newton(problem, network, Stopping(max_iter=10))
    assert_allclose(found.losses, expected.losses, rtol=1e-6)


def test_max_iter_and_callback():
    truth = random_network(5, 2)
    problem = gaussian_problem(truth, 300, Tanh(), noise=0.3)
    start = perturbed(truth, 0.5)
    cut = gauss_newton(problem, start, Stopping(max_iter=2))
    assert (cut.reason, cut.n_iter) == ("max_iter", 2)
    seen = []
    stopped = gauss_newton(
        problem, start, callback=lambda here: seen.append(here.data_loss) or len(seen) > 3
    )
    assert (stopped.reason, len(seen)) == ("callback", 4)
    assert stopped.losses == seen
    start = perturbed(truth, 0.1)
    minimum = gauss_newton(problem, start, Stopping(tol=1e-12)).network
    at_the_end = gauss_newton(problem, minimum, Stopping(tol=1e-6))
    assert (at_the_end.reason, at_the_end.n_iter) == ("converged", 1)


@pytest.mark.parametrize("seed", range(6))
def test_steps_end_where_less_than_the_tolerance_is_left(seed):
    """At 0.04 to 0.7 of it; the last step is most of the way that was left (all but 0.08 to 0.23)."""
    truth = random_network(5, 2, seed=seed)
    problem = gaussian_problem(truth, 300, Tanh(), noise=0.3, seed=seed)
    start = perturbed(truth, 0.1)
    best = gauss_newton(problem, start, Stopping(tol=1e-14)).objective
    *_, before, after = gauss_newton(problem, start, Stopping(tol=1e-4)).losses
    assert 0 < after - best < 1e-4 * after
    assert after - best < 0.3 * (before - best)


def test_no_step_is_taken_for_what_is_below_the_tolerance():
    """The step that ends the descent was expected to gain more; the next would have gained less."""
    truth = random_network(5, 2, seed=2)
    problem = gaussian_problem(truth, 300, Tanh(), noise=0.3, seed=2)
    start = perturbed(truth, 0.1)
    losses = gauss_newton(problem, start, Stopping(tol=1e-4)).losses
    longer = gauss_newton(problem, start, Stopping(tol=1e-14)).losses
    before, after = longer[len(losses) - 1 : len(losses) + 1]
    assert losses[-2] - losses[-1] > 5e-4 * losses[-1]
    assert losses[-1] == before
    assert before - after < 1e-4 * after


def test_next_decrease():
    """In proportion at its root, or by the error of the model; the same again where nothing is known."""
    assert next_decrease(1e-2, 0.0, 1.0) == 1e-2
    assert next_decrease(1e-4, 1e-2, 1.0) == pytest.approx(1e-5)
    assert next_decrease(1e-4, 1e-2, 1.5) == pytest.approx(5e-5)
    assert next_decrease(2e-2, 1e-2, 1.0) > 2e-2  # the descent has not begun to end


def test_a_start_far_away_never_raises_the_loss(monkeypatch):
    """Of all trials those are taken, and no others, that lie below all before; the next starts there."""
    truth = random_network(5, 2)
    problem = gaussian_problem(truth, 200, Tanh(), noise=0.1)
    start = truth._replace(W=1e3 * truth.W, V=1e3 * truth.V)
    trials, evaluate = [], SquaredLoss.evaluate

    def recorded(problem, network):
        trials.append(evaluate(problem, network))
        return trials[-1]

    monkeypatch.setattr(SquaredLoss, "evaluate", recorded)
    result = gauss_newton(problem, start, Stopping(max_iter=60))
    losses = np.array([trial.loss for trial in trials])
    lowest = np.minimum.accumulate(losses)
    is_lower = np.append(True, losses[1:] < lowest[:-1])
    assert (is_lower[1:].sum(), (~is_lower).sum()) > (5, 5)
    assert_array_equal(result.losses, losses[is_lower])
    assert_array_equal(result.network.pack(), trials[losses.argmin()].network.pack())
    assert result.losses[-1] < 1e-3 * result.losses[0]


def test_dead_units_do_no_harm(kind):
    """A unit without outputs comes back; one that no row wakes stays, and the others fit without it."""
    truth = random_network(5, 3)
    problem = gaussian_problem(truth, 300, ReLU())
    start = perturbed(truth, 0.05)
    start.V[0] = 0.0
    start.b[1] = -1e3
    result = gauss_newton(problem, start, Stopping(max_iter=50))
    unmoved = [(result.network.W[:, 1], start.W[:, 1]), (result.network.b[1], start.b[1])]
    for end, begin in [*unmoved, (result.network.V[1], start.V[1])]:
        assert_array_equal(end, begin)
    assert np.abs(result.network.V[0]) > 0.1
    others = start._replace(W=start.W[:, [0, 2]], b=start.b[[0, 2]], V=start.V[[0, 2]])
    expected = gauss_newton(problem, others, Stopping(max_iter=50)).losses
    assert result.losses[-1] == pytest.approx(expected[-1], rel=1e-3)
    assert expected[-1] < 0.3 * expected[0]
