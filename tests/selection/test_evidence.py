"""The penalty of largest evidence: its update by dense matrices, and planted noise and weights."""

import numpy as np
import pytest
from _planted import INSTANCES, gaussian_problem, random_network, whitened, without_intercepts
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn._data.coordinates import identity_coordinates
from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._network.loss import SquaredLoss
from sklearn_onenn._network.network import Network, jacobian_product, linearize
from sklearn_onenn._network.symmetries import min_norm_scaling
from sklearn_onenn._optimization.gauss_newton import Stopping, gauss_newton
from sklearn_onenn._optimization.preconditioner import Preconditioner
from sklearn_onenn._selection import evidence as evidence_module
from sklearn_onenn._selection.criteria import (
    CriteriaRules,
    bic_prefers,
    effective_dof,
    effective_dof_share,
    noise_variance,
    predicted_error,
    residual_dof_share,
    squared_error_of_prediction,
    statistical_tolerance,
    trace_is_exact,
)
from sklearn_onenn._selection.evidence import (
    EVIDENCE,
    EvidenceRules,
    EvidenceUpdate,
    alpha_from,
    alpha_from_fit,
    maximize_evidence,
)
from sklearn_onenn.activations import ReLU, Tanh

every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)


def uneven_problem(activation, n, fit_intercept):
    """Weighted rows of different scales, in white coordinates, with a penalty."""
    rng = np.random.RandomState(0)
    X = rng.exponential(size=(n, 3)) * [1, 5, 0.2]
    rows = ArrayRows(X, rng.standard_normal((n, 1)), rng.uniform(0.2, 3, n))
    plain = SquaredLoss(
        rows, activation, identity_coordinates(3), fit_intercept=fit_intercept, alpha=0.7
    )
    return whitened(plain)


def updated_alpha(here):
    """The next penalty, from the weights that the rows determine under this one."""
    preconditioner = Preconditioner(here)
    return alpha_from(preconditioner, effective_dof(preconditioner), EvidenceRules())


def update(problem, network):
    """gamma, s^2 and t^2 of the head of the file, from dense matrices."""
    here, n, alpha = problem.evaluate(network), problem.rows.weight_sum, problem.alpha
    kinds = network.unpack(np.arange(len(network.pack())))
    free = np.concatenate([
        kinds.W.ravel(), kinds.b, kinds.V.ravel(), kinds.c,
    ] if problem.fit_intercept else [kinds.W.ravel(), kinds.V.ravel()]).astype(int)  # fmt: skip
    H = np.array([
        here.gauss_newton_product(network.unpack(e)).pack() for e in np.eye(len(network.pack()))
    ])[np.ix_(free, free)] * n  # fmt: skip
    P = np.zeros((len(network.pack()),) * 2)
    size = network.W.size
    P[:size, :size] = np.kron(np.diag(problem.penalty), np.eye(len(network.b)))
    output = kinds.V.ravel().astype(int)
    P[output, output] = 1.0
    P = P[np.ix_(free, free)]
    gamma = len(free) - alpha * np.trace(np.linalg.pinv(H, rcond=1e-12, hermitian=True) @ P)
    w = network.pack()[free]
    return left_out_square(problem, network, free, H) * gamma / (w @ P @ w)


def blank_problem(n, n_outputs):
    """Rows of one column, of which only the number counts: k units have k (2 + m) + m weights."""
    rows = ArrayRows(np.zeros((n, 1)), np.zeros((n, n_outputs)))
    return SquaredLoss(rows, Tanh(), identity_coordinates(1))


def left_out_square(problem, network, free, H):
    """Weighted mean of r^2 / (1 - 1.4 h)^2 over targets; h is q^T H^{-1} q by the weight of the row."""
    rows, input_weights = problem.rows, problem.to_inputs(network)
    block = rows.block(0)
    at = linearize(block, input_weights, problem.activation)
    directions = [problem.to_inputs(network.unpack(e)) for e in np.eye(len(network.pack()))[free]]
    J = np.array([jacobian_product(block, at, input_weights.V, e) for e in directions])
    weight = np.ones(rows.n_rows) if rows.weight is None else rows.weight[:, 0]
    h = np.einsum("jno,jk,kno->no", J, np.linalg.pinv(H, rcond=1e-12, hermitian=True), J)
    left = np.maximum(1 - 1.4 * weight[:, None] * h, 0.3)
    return (weight @ (at.R / left) ** 2).mean() / rows.weight_sum


@every_activation
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n", [60, 8])
def test_update_by_dense_matrices(activation, fit_intercept, n):
    problem = uneven_problem(activation, n, fit_intercept)
    network = random_network(3, 2)
    if not fit_intercept:
        network = without_intercepts(network)
    found = updated_alpha(problem.evaluate(network))
    assert found == pytest.approx(update(problem, network), rel=1e-5)


def test_left_out_error_of_two_outputs():
    problem = gaussian_problem(random_network(4, 3, 2), 80, Tanh(), noise=0.3)
    network = random_network(4, 3, 2, seed=1)
    here, size = problem.replace(problem.rows, alpha=2.0).evaluate(network), network.pack().size
    H = 80 * np.array([here.gauss_newton_product(network.unpack(e)).pack() for e in np.eye(size)])
    expected = left_out_square(here.problem, network, np.arange(size), H)
    assert Preconditioner(here).left_out_error(1.4, 0.3) == pytest.approx(expected, rel=1e-9)


def planted(seed, *, n=4000, d=10, k=3, noise=0.3):
    """Rows of a network with normal weights, all of which they determine."""
    rng = np.random.RandomState(seed)
    network = Network(
        0.4 * rng.standard_normal((d, k)), np.zeros(k), rng.choice([-2.0, 2.0], (k, 1)), np.zeros(1)
    )
    return gaussian_problem(network, n, Tanh(), noise=noise, seed=seed), network


def evidence(problem, start):
    network = gauss_newton(problem, start, Stopping(30, 1e-8)).network
    last = maximize_evidence(problem, network, 1.0, Stopping(60, tol=0.0))
    return last.alpha, last


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("noise", [0.3, 0.03])
def test_alpha_is_the_variance_of_the_noise_over_that_of_the_weights(seed, noise):
    """s^2 / (|w|^2 / p) of the planted network: s^2 is known to 2 %, |w|^2 to a few percent."""
    problem, truth = planted(seed, noise=noise)
    w = np.append(truth.W, truth.V)
    expected = noise**2 * len(truth.pack()) / (w @ w)
    alpha = evidence(problem, truth)[0]
    assert alpha == pytest.approx(expected, rel=0.08)


def test_alpha_falls_with_the_square_of_the_noise():
    """One draw of the noise at four levels; the smallest alpha is some twenty-five halvings away.

    There a step to the next alpha lowers the loss by no more than rounding: it need only have settled.
    """
    alphas = [evidence(*planted(0, noise=noise))[0] for noise in (0.1, 0.01, 0.001, 0.0001)]
    quotients = np.divide(alphas[:-1], alphas[1:])
    assert_allclose(quotients[:2], 100, rtol=0.01)
    assert 100 / EVIDENCE.settled < quotients[2] < 100 * EVIDENCE.settled


def test_alpha_changes_by_a_factor_of_two_at_most():
    """Towards its update, half of the way by its logarithm; all of it, and settled, once it is near."""
    problem, truth = planted(0)
    best = updated_alpha(problem.replace(problem.rows, alpha=1.0).evaluate(truth))
    for factor, expected, has_settled in [
        (100, 50, False), (0.01, 0.02, False), (1.96, 1.4, False), (1.2, 1, True),
    ]:  # fmt: skip
        here = problem.replace(problem.rows, alpha=factor * best).evaluate(truth)
        alpha, settled = EvidenceUpdate()(Preconditioner(here))
        # The update itself depends a little on the penalty that it updates.
        assert alpha == pytest.approx(expected * best, rel=0.01 if factor < 2 else 1e-12)
        assert settled == has_settled


def test_network_is_the_most_probable_under_alpha():
    """The penalized loss is stationary, as far as alpha has settled."""
    problem, truth = planted(1, n=200, noise=0.5)
    alpha, last = evidence(problem, truth)
    network = last.network
    penalized = problem.replace(problem.rows, alpha=alpha)
    free = gauss_newton(problem, truth, Stopping(30, 1e-8)).network
    best = gauss_newton(penalized, network, Stopping(30, 1e-12)).network

    def excess(other):
        return penalized.evaluate(other).loss - penalized.evaluate(best).loss

    assert 0 <= excess(network) < 0.1 * excess(free)
    assert problem.alpha == 0


def test_alpha_does_not_depend_on_how_units_share_their_scale():
    """Without a step: the balanced network is the one that counts."""
    network = random_network(4, 3)
    problem = gaussian_problem(network, 300, ReLU(), noise=0.3)
    s = np.array([0.1, 3.0, 20.0])
    other = Network(network.W * s, network.b * s, network.V / s[:, None], network.c)
    alphas = [
        maximize_evidence(problem, some, 1.0, Stopping(1, tol=0.0)).alpha for some in (network, other)
    ]
    assert alphas[0] > 0
    assert_allclose(alphas[0], alphas[1], rtol=1e-9)


def test_vanished_weights_are_penalized_as_before():
    """Without a penalty they would come back, for the noise."""
    problem = gaussian_problem(random_network(4, 3), 100, ReLU())
    zero = Network(np.zeros((4, 3)), np.zeros(3), np.zeros((3, 1)), problem.rows.y.mean(axis=0))
    here = problem.replace(problem.rows, alpha=1.0).evaluate(zero)
    assert updated_alpha(here) == 1
    last = maximize_evidence(problem, zero, 2.0, Stopping(5, tol=0.0))
    assert last.alpha == 2
    assert_array_equal(last.network.W, 0)


@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_predicted_error(alpha):
    """loss / (1 - 1.4 gamma / n)^2 with gamma from dense matrices; infinite where all is fitted."""
    truth = random_network(4, 3)
    problem = gaussian_problem(truth, 60, Tanh(), noise=0.3)
    here = problem.replace(problem.rows, alpha=alpha).evaluate(truth)
    units = [truth.unpack(unit) for unit in np.eye(truth.pack().size)]
    H = np.array([here.gauss_newton_product(unit).pack() for unit in units])
    data = np.array([problem.evaluate(truth).gauss_newton_product(unit).pack() for unit in units])
    gamma = np.trace(np.linalg.solve(H, data))
    expected = 2 * here.data_loss / (1 - 1.4 * gamma / 60) ** 2
    assert predicted_error(here) == pytest.approx(expected, rel=1e-9)
    few = gaussian_problem(truth, 20, Tanh(), noise=0.3)
    assert predicted_error(few.evaluate(truth)) == np.inf


@pytest.mark.parametrize("n", [10, 30, 60])
@pytest.mark.parametrize("activation", [ReLU(), Tanh()], ids=repr)
def test_the_penalty_stays_with_fewer_rows_than_weights(n, activation):
    """41 weights fit 10 or 30 rows exactly, which says nothing of the noise: such a fit is left.

    The residual of the most probable weights is a share of the noise, and alpha falls from 1 to no less
    than a fifth. (Where nothing but a constant is probable it rises, while the weights vanish.)
    """
    truth = random_network(8, 4)
    problem = gaussian_problem(truth, n, activation, noise=0.3)
    alpha, last = evidence(problem, truth)
    assert 0.2 < alpha < np.inf
    assert last.reason == "converged"
    assert last.data_loss > 0.2 * 0.3**2 / 2
    w = np.append(last.network.W, last.network.V)
    assert w @ w < 41


def test_share_of_determined_weights():
    """All without penalty, biases alone under a huge one; a scale shared with the output is no weight.

    In between, gamma from dense matrices: the update is s^2 gamma / |w|^2.
    """
    for activation, free in [(Tanh(), 0), (ReLU(), 3)]:
        truth = random_network(4, 3)
        problem = gaussian_problem(truth, 300, activation, noise=0.3)
        size = len(truth.pack())
        assert effective_dof_share(problem, truth) == 1
        shares = [
            effective_dof_share(problem.replace(problem.rows, alpha=alpha), truth)
            for alpha in (1e-6, 1.0, 10.0, 100.0, 1e9)
        ]
        assert shares[0] == pytest.approx(1, abs=1e-4)
        assert np.all(np.diff(shares) < 0)
        # Biases and the output's intercept are not penalized.
        assert shares[-1] == pytest.approx(4 / (size - free), abs=0.01)
        penalized = problem.replace(problem.rows, alpha=10.0)
        here = penalized.evaluate(truth)
        w = np.append(truth.W, truth.V)
        gamma = shares[2] * (size - free)
        H = [here.gauss_newton_product(truth.unpack(e)).pack() for e in np.eye(size)]
        variance = left_out_square(penalized, truth, np.arange(size), 300 * np.array(H))
        assert updated_alpha(here) == pytest.approx(variance * gamma / (w @ w), rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "d", "k"), [(150, 33, 12), (200, 40, 9)])
def test_few_rows_determine_the_weights_that_dense_matrices_say(n, d, k, weighted):
    """Within 5 %; the Gauss-Newton matrix of Gaussian rows would say half as many again."""
    problem = gaussian_problem(random_network(d, k), n, Tanh(), noise=0.3)
    weight = np.random.RandomState(2).choice([0.0, 0.5, 1.0, 2.0], n) if weighted else None
    problem = problem.replace(ArrayRows(problem.rows.X, problem.rows.y, weight), alpha=3.0)
    here = problem.evaluate(random_network(d, k, seed=1))
    preconditioner, network = Preconditioner(here), here.network
    units = [network.unpack(unit) for unit in np.eye(network.pack().size)]
    H = np.array([here.gauss_newton_product(unit).pack() for unit in units])
    without = problem.replace(problem.rows, alpha=0.0).evaluate(network)
    data = np.array([without.gauss_newton_product(unit).pack() for unit in units])
    gamma = np.trace(np.linalg.solve(H, data))
    assert not preconditioner.exact
    assert effective_dof(preconditioner) == pytest.approx(gamma, rel=0.05)
    assert preconditioner.effective_dof() > 1.4 * gamma


def test_the_penalty_of_a_fit_without_one():
    """s^2 / t^2 with all weights determined, whatever the scale that a unit shares with its output."""
    problem = gaussian_problem(random_network(3, 2, 1, seed=0), 200, ReLU(), noise=0.5)
    network = gauss_newton(problem, random_network(3, 2, 1, seed=0)).network
    here = problem.evaluate(network)
    p = network.pack().size
    even = min_norm_scaling(network, problem.penalty, 1)
    square = problem.penalty @ (even.W**2).sum(axis=1) + np.vdot(even.V, even.V)
    expected = 2 * here.data_loss / (1 - 1.4 * p / 200) ** 2 * p / square
    assert_allclose(alpha_from_fit(here), expected, rtol=1e-6)
    other = network._replace(W=network.W * [4, 1], b=network.b * [4, 1], V=network.V / [[4], [1]])
    assert_allclose(alpha_from_fit(problem.evaluate(other)), expected, rtol=1e-6)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_what_explains_more(n_outputs):
    """22 weights, 100 targets: the edge is 22 log 100 / 78; 100 weights are never worth it."""
    problem, k = blank_problem(100 // n_outputs, n_outputs), {1: 7, 2: 5}[n_outputs]
    assert problem.n_weights(k) == 22
    edge = np.exp(22 * np.log(100) / 78)
    assert bic_prefers(1.0, 1.01 * edge, problem, k)
    assert not bic_prefers(1.0, 0.99 * edge, problem, k)
    assert not bic_prefers(1.0, 1e300, problem, 33)
    assert not bic_prefers(0.0, 1.0, problem, k)


def test_an_estimate_serves_for_some_steps_while_alpha_stays(monkeypatch):
    """Of few rows and many weights; a trace that is at hand is taken at every step."""
    estimates = []

    def counted(preconditioner, rules):
        estimates.append(preconditioner.evaluation.problem.alpha)
        return effective_dof(preconditioner, rules)

    monkeypatch.setattr(evidence_module, "effective_dof", counted)
    network = random_network(40, 9)
    problem = gaussian_problem(network, 200, Tanh(), noise=0.3)
    alphas = (
        [1.0] * (EVIDENCE.dof_steps + 1)
        + [0.99 * EVIDENCE.settled] * 2
        + [1.1 * EVIDENCE.settled] * 2
        + [1.0]
    )
    next_alpha = EvidenceUpdate()
    found = [
        next_alpha(Preconditioner(problem.replace(problem.rows, alpha=alpha).evaluate(network)))[0]
        for alpha in alphas
    ]
    assert estimates == [1, 1, 1.1 * EVIDENCE.settled, 1]
    assert found[0] == found[EVIDENCE.dof_steps - 1] == found[EVIDENCE.dof_steps]
    estimates.clear()
    small, next_alpha = random_network(4, 3), EvidenceUpdate()
    here = gaussian_problem(small, 200, Tanh(), noise=0.3)
    preconditioner = Preconditioner(here.replace(here.rows, alpha=1.0).evaluate(small))
    for _ in range(3):
        next_alpha(preconditioner)
    assert estimates == [1, 1, 1]


# The numbers of the rules


@pytest.mark.parametrize("change", [1.5, 4.0])
@pytest.mark.parametrize("settled", [1.01, 3.0])
def test_steps_of_alpha_by_the_rules(change, settled):
    """Settled within the factor of the update; else half of the way, by no more than the change."""
    problem, truth = planted(0)
    rules = EvidenceRules(max_change=change, settled=settled)
    for factor in (1e-3, 1.0, 1.2, 2.5, 5.0, 1e3):
        here = problem.replace(problem.rows, alpha=factor).evaluate(truth)
        aim = updated_alpha(here)
        alpha, has_settled = EvidenceUpdate(rules)(Preconditioner(here))
        assert has_settled == (max(aim / factor, factor / aim) <= settled)
        half_way = np.clip(np.sqrt(aim * factor), factor / change, factor * change)
        assert alpha == pytest.approx(aim if has_settled else half_way, rel=1e-12)


@pytest.mark.parametrize("n_steps", [1, 3])
def test_estimates_serve_for_the_steps_of_the_rules(monkeypatch, n_steps):
    """Seven steps under one penalty."""
    estimates = []

    def counted(preconditioner, rules):
        estimates.append(0)
        return effective_dof(preconditioner, rules)

    monkeypatch.setattr(evidence_module, "effective_dof", counted)
    network = random_network(40, 9)
    problem = gaussian_problem(network, 200, Tanh(), noise=0.3, alpha=1.0)
    update, preconditioner = (
        EvidenceUpdate(EvidenceRules(dof_steps=n_steps)),
        Preconditioner(problem.evaluate(network)),
    )
    for _ in range(7):
        update(preconditioner)
    assert len(estimates) == -(-7 // n_steps)


def test_an_effective_dof_that_counts_once_gives_generalized_cross_validation():
    """n RSS / (n - gamma)^2 (Craven and Wahba, 1979); where it counts nothing, the mean square."""
    truth = random_network(4, 3)
    here = gaussian_problem(truth, 60, Tanh(), noise=0.3, alpha=3.0).evaluate(truth)
    gamma, square = effective_dof(Preconditioner(here)), 2 * here.data_loss
    for cost, expected in [(0.0, square), (1.0, 60 * 60 * square / (60 - gamma) ** 2)]:
        rules = CriteriaRules(dof_cost=cost)
        assert predicted_error(here, rules) == pytest.approx(expected, rel=1e-12)
        assert residual_dof_share(here.problem, gamma, rules) == 1 - cost * gamma / 60


@pytest.mark.parametrize("alpha", [0.5, 5.0])
def test_a_leverage_that_counts_once_leaves_targets_out(alpha):
    """At a minimum: the linear model is fitted anew without each target in turn, under the penalty."""
    truth = random_network(2, 2)
    problem = gaussian_problem(truth, 40, Tanh(), noise=0.3, alpha=alpha)
    here = gauss_newton(problem, truth, Stopping(200, 1e-15)).evaluation
    network, size, block = here.network, truth.pack().size, problem.rows.block(0)
    at = linearize(block, here.input_weights, Tanh())
    J = np.array([
        jacobian_product(block, at, network.V, network.unpack(e))[:, 0] for e in np.eye(size)
    ]).T  # fmt: skip
    P = 40 * np.array([here.gauss_newton_product(network.unpack(e)).pack() for e in np.eye(size)])
    P -= J.T @ J
    errors = []
    for left_out in range(40):
        kept = np.arange(40) != left_out
        gradient = J[kept].T @ at.R[kept, 0] + P @ network.pack()
        step = np.linalg.solve(J[kept].T @ J[kept] + P, -gradient)
        errors.append((at.R[left_out, 0] + J[left_out] @ step) ** 2)
    rules = CriteriaRules(dof_cost=1.0, min_one_minus_leverage=1e-9)
    found = squared_error_of_prediction(Preconditioner(here), 0.0, rules)
    assert found == pytest.approx(np.mean(errors), rel=1e-6)
    # Where no less than all is left of a target its residual counts as it is.
    rules = CriteriaRules(min_one_minus_leverage=1.0)
    assert squared_error_of_prediction(Preconditioner(here), 0.0, rules) == pytest.approx(
        2 * here.data_loss
    )


def test_the_share_of_the_targets_that_is_left_at_least():
    """A prediction is infinite below it, and the noise of many weights no larger than there."""
    truth = random_network(4, 3)
    here = gaussian_problem(truth, 60, Tanh(), noise=0.3, alpha=3.0).evaluate(truth)
    left = residual_dof_share(here.problem, effective_dof(Preconditioner(here)))
    assert 0.3 < left < 0.9
    for edge, is_finite in [(left - 1e-9, True), (left + 1e-9, False)]:
        rules = CriteriaRules(min_residual_dof=edge)
        assert np.isfinite(predicted_error(here, rules)) == is_finite
    network = random_network(40, 9)
    problem = gaussian_problem(network, 200, Tanh(), noise=0.3, alpha=3.0)
    preconditioner = Preconditioner(problem.evaluate(network))
    assert not preconditioner.exact
    square = 2 * problem.data_loss(network)
    for least in (0.05, 0.5):
        for gamma, share in [(0.0, 1.0), (50.0, 0.65), (200.0, least)]:
            found = squared_error_of_prediction(
                preconditioner, gamma, CriteriaRules(min_residual_dof=least)
            )
            assert found == pytest.approx(square / share**2, rel=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 50.0, 200.0])
def test_the_noise_alone_is_less_than_the_error_of_prediction(gamma):
    """RSS / (n - a gamma), by Foresee and Hagan with a = 1; the error has the share left squared."""
    network = random_network(40, 9)
    problem = gaussian_problem(network, 700, Tanh(), noise=0.3, alpha=3.0)
    preconditioner = Preconditioner(problem.evaluate(network))
    noise, error = (f(preconditioner, gamma) for f in (noise_variance, squared_error_of_prediction))
    assert noise == pytest.approx(2 * problem.data_loss(network) / (1 - 1.4 * gamma / 700), rel=1e-9)
    assert noise <= error


@pytest.mark.parametrize("by_prediction", [True, False])
def test_a_member_has_the_penalty_of_the_noise(by_prediction):
    network = random_network(5, 3)
    problem = gaussian_problem(network, 100, Tanh(), noise=0.5, alpha=0.5)
    preconditioner = Preconditioner(problem.evaluate(network))
    gamma = effective_dof(preconditioner)
    variance = (squared_error_of_prediction if by_prediction else noise_variance)(preconditioner, gamma)
    square = problem.penalty @ (network.W**2).sum(axis=1) + np.vdot(network.V, network.V)
    alpha = alpha_from(preconditioner, gamma, EvidenceRules(by_prediction=by_prediction))
    assert alpha == pytest.approx(variance * gamma / square, rel=1e-9)


@pytest.mark.parametrize(("edge", "is_exact"), [(5.2, True), (5.3, False)])
def test_many_targets_make_the_trace_of_gaussian_rows_exact(edge, is_exact):
    """2000 targets for 9 (40 + 2) + 1 weights: 5.28 each; under a penalty alone it is asked."""
    network = random_network(40, 9)
    problem = gaussian_problem(network, 2000, Tanh(), noise=0.3, alpha=1.0)
    preconditioner, rules = Preconditioner(problem.evaluate(network)), CriteriaRules(many_targets=edge)
    assert not preconditioner.exact
    assert trace_is_exact(preconditioner, rules) == is_exact
    free = Preconditioner(problem.replace(problem.rows, alpha=0.0).evaluate(network))
    assert trace_is_exact(free, rules)
    found = effective_dof(preconditioner, rules)
    assert (found == preconditioner.effective_dof()) == is_exact


def test_what_rows_resolve_is_a_share_of_the_weights():
    """Of p / n, the part of the residual that a fit takes away, and of no more than all of it."""
    problem = blank_problem(100, 1)
    for share in (0.01, 0.2):
        rules = CriteriaRules(resolved_share=share)
        assert statistical_tolerance(problem, 3, rules) == pytest.approx(share * 10 / 100)
        assert statistical_tolerance(problem, 50, rules) == share


def test_probes_come_nearer_to_the_trace_the_more_they_are_and_the_longer_they_go():
    """Conjugate gradients from zero find less than all of it; of 40 draws the mean is within 1 %."""
    network = random_network(40, 9)
    problem = gaussian_problem(network, 200, Tanh(), noise=0.3, alpha=3.0)
    preconditioner = Preconditioner(problem.evaluate(network))
    units = [network.unpack(unit) for unit in np.eye(network.pack().size)]
    H = np.array([preconditioner.evaluation.gauss_newton_product(unit).pack() for unit in units])
    free = problem.replace(problem.rows, alpha=0.0).evaluate(network)
    gamma = np.trace(np.linalg.solve(H, [free.gauss_newton_product(unit).pack() for unit in units]))
    by_tol = [effective_dof(preconditioner, CriteriaRules(probe_tol=tol)) for tol in (0.5, 0.1, 1e-3)]
    assert by_tol[0] < by_tol[1] < by_tol[2]
    errors = []
    for n_draws in (1, 40):
        rules = CriteriaRules(probe_signs=200 * n_draws, probe_tol=1e-4)
        errors.append(abs(effective_dof(preconditioner, rules) / gamma - 1))
    assert errors[1] < 0.01
    assert errors[1] < errors[0] < 5 * np.sqrt(2 / gamma)
