"""Conjugate gradients: solutions, residuals, and where they stop."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn._optimization.conjugate_gradients import conjugate_gradients


def ill_conditioned(rng, size):
    """A symmetric matrix with condition 1000."""
    Q = np.linalg.qr(rng.standard_normal((size, size)))[0]
    return (Q * np.geomspace(1, 1e3, size)) @ Q.T


def test_conjugate_gradients_solve_and_report_the_residual():
    rng = np.random.RandomState(0)
    A, right = ill_conditioned(rng, 30), rng.standard_normal(30)
    for solve in (np.copy, lambda r: r / A.diagonal()):
        x, residual = conjugate_gradients(lambda p: A @ p, right, solve, rtol=1e-11, max_iter=200)
        assert_allclose(x, np.linalg.solve(A, right), rtol=1e-7)
        # After 5 steps, the best of the Krylov space in the norm of A.
        x, residual = conjugate_gradients(lambda p: A @ p, right, solve, rtol=0.03, max_iter=5)
        assert_allclose(residual, right - A @ x, atol=1e-10)
        krylov = [solve(right)]
        for _ in range(4):
            krylov.append(solve(A @ krylov[-1]))
        Q = np.linalg.qr(np.array(krylov).T)[0]
        assert_allclose(x, Q @ np.linalg.solve(Q.T @ A @ Q, Q.T @ right), rtol=1e-6, atol=1e-9)
    x, residual = conjugate_gradients(lambda p: -p, right, np.copy, rtol=0.03, max_iter=40)
    assert_array_equal(x, 0)  # no descent along a direction of negative curvature
    assert_array_equal(residual, right)


@pytest.mark.parametrize("rtol", [0.5, 1e-2, 1e-6])
@pytest.mark.parametrize("plain_norm", [False, True])
def test_they_stop_at_the_first_residual_that_is_small_enough(rtol, plain_norm):
    rng = np.random.RandomState(1)
    A, right = ill_conditioned(rng, 20), rng.standard_normal(20)

    def solve(r):
        return r / A.diagonal()

    def size(r):
        return np.sqrt(r @ (r if plain_norm else solve(r)))

    residuals = [
        conjugate_gradients(
            lambda p: A @ p, right, solve, rtol=rtol, max_iter=n_steps, plain_norm=plain_norm
        )[1]
        for n_steps in range(60)
    ]
    is_small = [size(r) <= rtol * size(right) for r in residuals]
    first = is_small.index(True)
    assert first > 0
    for r in residuals[first:]:
        assert_array_equal(r, residuals[first])


def test_matrices_are_solved_as_vectors_are():
    """Any shape is one vector, and a right-hand side of zero has the solution zero."""
    rng = np.random.RandomState(2)
    A, right = ill_conditioned(rng, 12), rng.standard_normal((3, 4))
    settings = {"rtol": 1e-3, "max_iter": 20}
    x, residual = conjugate_gradients(
        lambda p: (A @ p.ravel()).reshape(3, 4), right, np.copy, **settings
    )
    expected = conjugate_gradients(lambda p: A @ p, right.ravel(), np.copy, **settings)
    assert_array_equal(x.ravel(), expected[0])
    assert_array_equal(residual.ravel(), expected[1])
    assert_array_equal(conjugate_gradients(lambda p: A @ p, np.zeros(12), np.copy, **settings)[0], 0)
