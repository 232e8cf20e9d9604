"""A line as units: the ridge regression that it is, and its errors where rows are left out."""

import numpy as np
import pytest
from _planted import INSTANCES
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.linear_model import Ridge

from sklearn_onenn._data.ridge import left_vectors, ridge, root_shares
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._data.whitening import whitening
from sklearn_onenn._network.line import STRAIGHT, fit_line, straight_units
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import Network, forward
from sklearn_onenn.activations import Square, Tanh

TANH = Tanh()


def problem_of(n, d, activation=TANH, *, m=2, fit_intercept=True, container=np.asarray, weighted=True):
    """Columns of unequal scales and correlations; targets that are a line and noise."""
    rng = np.random.default_rng(3)
    X = (rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + 1) * 2.0 ** rng.integers(-3, 4, d)
    y = X / X.std(axis=0) @ rng.standard_normal((d, m)) + rng.standard_normal((n, m))
    rows = ArrayRows(container(X), y, rng.uniform(0.5, 2, n) if weighted else None)
    coordinates = whitening(rows, center=fit_intercept)
    return SquaredLoss(rows, activation, coordinates, fit_intercept=fit_intercept)


def ridge_without(problem, row, penalty):
    """Prediction of a row by ridge regression on columns at unit scale that is fitted without it."""
    rows, coordinates = problem.array_rows, problem.coordinates
    X = (rows.X - coordinates.mean) / coordinates.scale
    weight, others = rows.weight[:, 0], np.arange(rows.n_rows) != row
    model = Ridge(penalty * weight.sum(), fit_intercept=problem.fit_intercept)
    model.fit(X[others], rows.y[others], weight[others])
    return model.predict(X[[row]])[0]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("n", "d"), [(20, 8), (8, 20)])
def test_it_is_ridge_regression_and_its_errors_those_of_rows_left_out(n, d, fit_intercept):
    """With some penalty: the one of those tried whose errors are least."""
    problem = problem_of(n, d, fit_intercept=fit_intercept)
    rows, coordinates = problem.array_rows, problem.coordinates
    line, left = fit_line(problem), fit_line(problem).rest.array_rows.y
    X, weight = (rows.X - coordinates.mean) / coordinates.scale, rows.weight[:, 0]
    share = np.sqrt(weight / weight.sum())[:, None]
    center = (share**2 * X).sum(axis=0) if fit_intercept else 0.0
    largest = np.linalg.norm(share * (X - center), 2) ** 2
    errors = {}
    for penalty in largest * np.logspace(-9, 3, 25):
        missed = np.array([rows.y[i] - ridge_without(problem, i, penalty) for i in range(n)])
        errors[(share**2 * missed**2).sum()] = penalty, missed
    penalty, missed = errors[min(errors)]
    assert_allclose(left, missed, rtol=1e-5, atol=1e-6)
    model = Ridge(penalty * weight.sum(), fit_intercept=fit_intercept).fit(X, rows.y, weight)
    found = forward(rows.X, problem.to_inputs(line.network), problem.activation)
    assert_allclose(found, model.predict(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation", INSTANCES, ids=repr)
def test_units_are_straight(activation):
    """On the rows and somewhat beyond."""
    rng = np.random.default_rng(0)
    w, X = rng.standard_normal((4, 2)), rng.standard_normal((50, 4))
    network = straight_units(activation, w, STRAIGHT / np.abs(X @ w).max(axis=0), fit_intercept=True)
    assert len(network.b) == 4
    assert_allclose(forward(3 * X, network, activation), 3 * X @ w, rtol=1e-4, atol=1e-4)


def test_even_units_without_intercepts_make_no_line():
    assert fit_line(problem_of(9, 4, Square(), fit_intercept=False)) is None
    assert fit_line(problem_of(9, 4, Square())) is not None


def test_sparse_rows_and_rows_of_one_weight():
    one, other = (fit_line(problem_of(12, 5, container=c)) for c in (np.asarray, sparse.csr_array))
    assert_allclose(one.network.W, other.network.W, rtol=1e-6, atol=1e-12)
    assert fit_line(problem_of(12, 5, weighted=False)) is not None


def response(problem, X, kept, penalty):
    """Derivatives of the predictions on X by the targets of the rows that are kept."""
    rows, coordinates = problem.array_rows, problem.coordinates
    columns, new = ((some - coordinates.mean) / coordinates.scale for some in (rows.X, X))
    weight = rows.weight[:, 0]
    model = Ridge(penalty * weight.sum(), fit_intercept=problem.fit_intercept)
    found = np.zeros((len(X), rows.n_rows))
    found[:, kept] = model.fit(columns[kept], np.eye(kept.sum()), weight[kept]).predict(new)
    return found


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("n", "d"), [(14, 5), (7, 12)])
def test_it_says_how_sure_it_is(n, d, fit_intercept):
    """Derivatives by the targets times their errors, for new rows and for those left out."""
    problem = problem_of(n, d, fit_intercept=fit_intercept)
    rows, line = problem.array_rows, fit_line(problem)
    root = root_shares(rows)
    Z = problem.coordinates.whiten(rows.X) / np.sqrt(problem.penalty)
    C = root * (Z - (root**2).T @ Z if fit_intercept else Z)
    penalty = ridge(rows, *left_vectors(C), center=fit_intercept).penalty
    noise = (line.rest.array_rows.y**2) / rows.weight
    X, F, step = rows.X[:4] + 1.0, line.factor(), 1e-4
    found = np.zeros((4, 2))
    for column in range(F.c.shape[1]):
        parts = list(zip(line.network, (part[..., column] for part in F), strict=True))
        ends = [
            forward(X, problem.to_inputs(Network(*(a + t * b for a, b in parts))), problem.activation)
            for t in (-step, step)
        ]
        found += ((ends[1] - ends[0]) / (2 * step)) ** 2
    everyone = np.ones(n, bool)
    assert_allclose(found, response(problem, X, everyone, penalty) ** 2 @ noise, rtol=1e-3)
    for row in range(n):
        others = np.arange(n) != row
        expected = response(problem, rows.X[[row]], others, penalty) ** 2 @ noise
        assert_allclose(line.variance[row], expected[0], rtol=1e-5)
