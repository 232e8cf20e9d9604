"""The network on one block of rows: its derivative forwards and backwards, its weights as a vector."""

import numpy as np
import pytest
from _planted import INSTANCES, differences, random_network
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn._data.rows import ArrayRows
from sklearn_onenn._network.network import adjoint, forward, jacobian_product, linearize
from sklearn_onenn.activations import ReLU

every_activation = pytest.mark.parametrize("activation", INSTANCES, ids=repr)


@every_activation
@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("use_weights", [False, True])
def test_jacobian_product_and_adjoint_are_adjoint(activation, m, use_weights):
    """<J s, R> = <s, J^T R>, with the weights on the side of the rows."""
    rng = np.random.RandomState(0)
    X, R, weight = rng.standard_normal((30, 4)), rng.standard_normal((30, m)), rng.uniform(size=30)
    block = ArrayRows(X, np.zeros((30, m)), weight if use_weights else None).block(0)
    network, direction = random_network(4, 3, m, seed=1), random_network(4, 3, m, seed=2)
    linearization = linearize(block, network, activation)
    change = jacobian_product(block, linearization, network.V, direction)
    pulled = adjoint(block, linearization, network.V, R)
    left = ((weight[:, None] if use_weights else 1) * R * change).sum()
    right = sum(np.vdot(part, way) for part, way in zip(pulled, direction, strict=True))
    assert left == pytest.approx(right, rel=1e-12)
    along = differences(
        lambda t: forward(X, network.unpack(network.pack() + t[0] * direction.pack()), activation),
        np.zeros(1),
    )[0]
    assert_allclose(change, along, rtol=1e-6, atol=1e-8)


def test_pack_and_unpack_are_inverse():
    network = random_network(4, 3, 2)
    vector = network.pack()
    assert vector.shape == (4 * 3 + 3 + 3 * 2 + 2,)
    for one, other in zip(network.unpack(vector), network, strict=True):
        assert_array_equal(one, other)
    assert_array_equal(random_network(4, 3, 2, seed=1).unpack(vector).pack(), vector)


def test_functions_of_a_block_change_nothing():
    rng = np.random.RandomState(0)
    X, y, weight = rng.standard_normal((40, 5)), rng.standard_normal((40, 2)), rng.uniform(0.2, 2, 40)
    block, network = ArrayRows(X, y, weight).block(0), random_network(5, 3, 2, seed=1)
    before = [array.copy() for array in (block.X, block.y, block.weight, *network)]
    linearization = linearize(block, network, ReLU())
    kept = [linearization.Phi.copy(), linearization.D.copy(), linearization.R.copy()]
    adjoint(block, linearization, network.V, linearization.R)
    jacobian_product(block, linearization, network.V, network)
    forward(block.X, network, ReLU())
    for one, other in zip(
        [block.X, block.y, block.weight, *network, linearization.Phi, linearization.D, linearization.R],
        before + kept,
        strict=True,
    ):
        assert_array_equal(one, other)
