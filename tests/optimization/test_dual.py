"""The Gauss-Newton matrix by its targets against dense matrices, and against the one by its weights."""

import numpy as np
import pytest
from _planted import INSTANCES, gaussian_problem, perturbed, random_network, without_intercepts
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from test_gauss_newton import dense, free, use_preconditioner

from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import Network
from sklearn_onenn._optimization.dual import DualMatrix, curvature_at, root_weights
from sklearn_onenn._optimization.gauss_newton import Stopping, gauss_newton
from sklearn_onenn._optimization.preconditioner import Preconditioner
from sklearn_onenn.activations import Identity, ReLU, Tanh

CASES = {
    "plain": {},
    "two outputs": {"m": 2},
    "no intercept": {"fit_intercept": False},
    "two outputs, no intercept": {"m": 2, "fit_intercept": False},
    "sparse": {"container": sparse.csr_array},
    "a row without weight": {"weights": "one is zero"},
}
TANH = Tanh()
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def wide_problem(
    activation=TANH, *, n=15, m=1, fit_intercept=True, container=np.asarray, weights="", alpha=2.0
):
    """Fewer rows than weights, of correlated columns, so that the penalty differs by direction."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((n, 8)) @ rng.standard_normal((8, 8)) + 1.0
    weight = rng.uniform(0.1, 3, n)
    weight[0] = 0.0 if weights else weight[0]
    rows = ArrayRows(container(X), rng.standard_normal((n, m)), weight)
    coordinates = whitening(rows, center=fit_intercept)
    problem = SquaredLoss(rows, activation, coordinates, fit_intercept=fit_intercept, alpha=alpha)
    network = random_network(8, 4, m)
    return problem, network if fit_intercept else without_intercepts(network)


@pytest.mark.parametrize("activation", INSTANCES, ids=repr)
@pytest.mark.parametrize("damping", [0.1, 1e-9])
@cases
def test_it_solves_the_equations_of_the_weights(case, activation, damping):
    problem, network = wide_problem(activation, **case)
    here = problem.evaluate(network)
    assert np.ptp(problem.penalty) > 1
    dual, used = DualMatrix(here), free(here)
    solve = dual.solver(damping)
    matrix = dense(here) + damping * np.diag(dual.diagonal)
    found = np.array([solve(row) for row in matrix[used]])
    # Biases and intercept of identity units are one weight, which the damping alone tells apart.
    atol = 1e-5 if isinstance(activation, Identity) else 1e-8
    assert_allclose(found[:, used], np.eye(used.sum()), atol=atol)
    assert_array_equal(found[:, ~used], 0)


@pytest.mark.parametrize("activation", INSTANCES, ids=repr)
@cases
def test_degrees_of_freedom_and_leverages_are_those_of_the_weights(monkeypatch, case, activation):
    use_preconditioner(monkeypatch, "whole matrix")
    problem, network = wide_problem(activation, **case)
    here = problem.evaluate(network)
    dual, primal = DualMatrix(here), Preconditioner(here)
    assert primal.exact
    # The matrix by weights counts biases of identity units, which repeat the intercept, as determined.
    repeated = network.b.size if isinstance(activation, Identity) and problem.fit_intercept else 0
    assert dual.effective_dof() == pytest.approx(primal.effective_dof() - repeated, rel=1e-6)
    for counts in (1.0, 1.4):
        expected = primal.left_out_error(counts, 0.3)
        assert dual.left_out_error(counts, 0.3) == pytest.approx(expected, rel=1e-6)
    other = here.with_alpha(0.1)
    assert dual.under(other).effective_dof() == pytest.approx(
        primal.under(other).effective_dof() - repeated, rel=1e-6
    )


def test_leverages_are_derivatives_of_the_predictions():
    """Of a model that is linear in its weights: the share of a target in its own prediction."""
    problem, network = wide_problem(alpha=0.5)
    here = problem.evaluate(network)
    root, used = root_weights(problem.array_rows)[:, 0], free(here)
    J = np.array([
        here.transposed_jacobian(e[:, None] / root[:, None]).pack() for e in np.eye(len(root))
    ])[:, used] * problem.rows.weight_sum  # fmt: skip
    H = dense(here)[np.ix_(used, used)] * problem.rows.weight_sum
    hat = J @ np.linalg.solve(H, J.T)
    assert_allclose(DualMatrix(here).leverages, hat.diagonal(), atol=1e-10)


def test_products_of_rows_stay_with_the_rows():
    problem, _ = wide_problem()
    rows = problem.array_rows
    Z = problem.coordinates.whiten(rows.X)
    expected = Z @ np.diag(1 / problem.penalty) @ Z.T
    assert_allclose(problem.row_products, expected, atol=1e-10)
    assert problem.replace(rows, alpha=0.3).row_products is problem.row_products
    fewer = problem.replace(rows.take(slice(0, 5)))
    assert_allclose(fewer.row_products, expected[:5, :5], atol=1e-10)


def test_it_is_taken_where_targets_are_few():
    problem, network = wide_problem()
    assert isinstance(curvature_at(problem.evaluate(network)), DualMatrix)
    unpenalized = problem.replace(problem.rows, alpha=0.0)
    assert isinstance(curvature_at(unpenalized.evaluate(network)), Preconditioner)
    many = gaussian_problem(random_network(3, 2), 100, Tanh())
    many = many.replace(many.rows, alpha=1.0)
    assert isinstance(curvature_at(many.evaluate(random_network(3, 2, seed=1))), Preconditioner)


@cases
def test_both_lead_to_the_same_minimum(monkeypatch, case):
    use_preconditioner(monkeypatch, "whole matrix")
    problem, network = wide_problem(n=24, **case)
    module = "sklearn_onenn._optimization.gauss_newton.curvature_at"
    monkeypatch.setattr(module, Preconditioner)
    least = gauss_newton(problem, network, Stopping(max_iter=500, tol=1e-13))
    monkeypatch.setattr(module, DualMatrix)
    near = perturbed(least.network, 0.02)
    near = near if problem.fit_intercept else without_intercepts(near)
    end = gauss_newton(problem, near, Stopping(max_iter=200, tol=1e-13))
    assert end.reason == "converged"
    assert problem.evaluate(near).loss > 1.001 * least.objective
    assert end.objective == pytest.approx(least.objective, rel=1e-8)


@pytest.mark.parametrize("n_dead", [1, 3])
def test_dead_units_have_no_leverage(n_dead):
    """Units that no row wakes."""
    problem, network = wide_problem(ReLU(), alpha=0.5)
    b = network.b.copy()
    b[:n_dead] = -1e3
    dual = DualMatrix(problem.evaluate(network._replace(b=b)))
    others = Network(network.W[:, n_dead:], b[n_dead:], network.V[n_dead:], network.c)
    expected = DualMatrix(problem.evaluate(others)).leverages
    assert_allclose(dual.leverages, expected, atol=1e-10)
    assert np.isfinite(dual.solver(0.1)(np.ones(len(network.pack())))).all()


def test_numbers_beyond_range_give_no_step():
    problem, network = wide_problem()
    broken = network._replace(V=np.full_like(network.V, 1e200))
    with np.errstate(all="ignore"):
        dual = DualMatrix(problem.evaluate(broken))
        assert not dual.is_finite
        assert np.isnan(dual.effective_dof())
        assert np.isnan(dual.solver(0.1)(np.ones(len(network.pack())))).all()
