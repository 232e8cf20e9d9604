"""Equal rows merged, and the scale of the targets."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn._data.targets import TargetScale, merge_equal_rows


def repeated(dtype=np.float64, n_outputs=1, seed=0):
    """Few distinct rows, many of them repeated, in no order."""
    rng = np.random.RandomState(seed)
    X = rng.randint(3, size=(60, 2)).astype(dtype)
    y = rng.randint(2, size=(60, n_outputs)).astype(float)
    return X, y, rng.randint(1, 5, size=60).astype(dtype)


# Merged rows


@pytest.mark.parametrize("use_weights", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_merged_rows_are_distinct_and_keep_every_sum(use_weights, n_outputs, dtype):
    X, y, weight = repeated(dtype, n_outputs)
    weight = weight if use_weights else None
    rows, targets, merged = merge_equal_rows(X, y, weight)
    together = np.column_stack([rows, targets])
    assert len(np.unique(together, axis=0)) == len(together) < len(X)
    assert_array_equal(together, together[np.lexsort(together.T[::-1])])
    assert (rows.dtype, merged.dtype) == (dtype, dtype)
    for i, j, power in np.ndindex(3, 3, 3):
        expected = ((1 if weight is None else weight) * X[:, 0] ** i * X[:, 1] ** j) @ y**power
        assert_array_equal((merged * rows[:, 0] ** i * rows[:, 1] ** j) @ targets**power, expected)


def test_weights_equal_repeats_in_any_order():
    X, y, weight = repeated()
    times = weight.astype(int)
    order = np.random.RandomState(1).permutation(times.sum())
    expected = merge_equal_rows(X, y, weight)
    found = merge_equal_rows(
        np.repeat(X, times, axis=0)[order], np.repeat(y, times, axis=0)[order], None
    )
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)


def test_distinct_rows_have_no_weights():
    """Equal rows with different targets are distinct."""
    X, y = np.array([[2.0], [1.0], [2.0]]), np.array([[5.0], [6.0], [4.0]])
    rows, targets, weight = merge_equal_rows(X, y, None)
    assert weight is None
    assert_array_equal(np.column_stack([rows, targets]), [[1, 6], [2, 4], [2, 5]])
    assert_array_equal(merge_equal_rows(X, y, np.array([1.0, 2.0, 0.5]))[2], [2, 0.5, 1])


# Scale


@pytest.mark.parametrize("use_weights", [False, True])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("size", [1.0, 1e200, 1e-200])
def test_scale_is_that_of_repeated_targets(use_weights, center, size):
    """Squares of 1e200 overflow and those of 1e-200 vanish: their scale does neither."""
    rng = np.random.RandomState(0)
    y, weight = rng.standard_normal((30, 2)) * [1, 30] + 2, rng.randint(1, 4, 30)
    alike = np.repeat(y, weight, axis=0) if use_weights else y
    mean = alike.mean(axis=0) if center else np.zeros(2)
    found = TargetScale.of(size * y, weight if use_weights else None, center=center)
    expected = mean, np.sqrt(np.mean((alike - mean) ** 2, axis=0))
    assert_allclose(np.array([found.mean, found.scale]) / size, expected, rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 3.0, -1e8 - 0.1, 1e300])
def test_constant_targets_have_scale_one(value):
    """Whatever rounding leaves of their mean."""
    y = np.column_stack([np.full(7, value), np.arange(7.0)])
    y[0, 0] = np.nextafter(value, np.inf) if value else value
    targets = TargetScale.of(y, np.linspace(0.1, 0.7, 7), center=True)
    assert targets.mean[0] == pytest.approx(value, rel=1e-14)
    assert targets.scale[0] == 1.0 < targets.scale[1]
    for constant, scale in ((0.0, 1.0), (2.0, 2.0)):
        targets = TargetScale.of(np.full((3, 1), constant), None, center=False)
        assert (targets.mean, targets.scale) == (0.0, scale)


def test_unit_of_the_loss_is_the_mean_square_of_the_scales():
    y = np.random.RandomState(0).standard_normal((50, 2)) * [1, 30]
    targets = TargetScale.of(y, None, center=True)
    rows = targets.rows(np.zeros((50, 1)), y, None, None)
    loss = np.sum((rows.y - 0.5) ** 2)  # with each output at the same scale
    expected = sum(np.sum((targets.scale[o] * (rows.y[:, o] - 0.5)) ** 2) for o in range(2))
    assert rows.y.std(axis=0) == pytest.approx([1, 1])
    assert targets.loss_unit == pytest.approx(np.mean(y.var(axis=0)))
    assert min(y.var(axis=0)) < expected / loss < max(y.var(axis=0))
