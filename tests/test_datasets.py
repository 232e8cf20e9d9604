"""The planted network is the one that the docstring describes, and y is its output."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_onenn.activations import LeakyReLU
from sklearn_onenn.datasets import make_one_hidden_layer


@pytest.mark.parametrize("kappa", [1.0, 2.0, 7.5])
@pytest.mark.parametrize(("d", "k"), [(10, 5), (5, 5), (4, 9), (6, 1), (1, 6), (1, 1)])
def test_singular_values(d, k, kappa):
    W, V = make_one_hidden_layer(3, d, k, kappa=kappa, random_state=0)[2].coefs_
    assert W.shape == (d, k)
    assert V.shape == (k, 1)
    found = np.linalg.svd(W, compute_uv=False)
    assert_allclose(np.sort(found), np.linspace(1.0, kappa, min(d, k)), rtol=1e-12)


def test_hidden_weights_have_no_preferred_direction():
    """Their mean over 500 teachers is zero: entries of W (3 x 2) have variance 2.5 / 6."""
    teachers = [make_one_hidden_layer(1, 3, 2, random_state=seed)[2] for seed in range(500)]
    mean = np.mean([teacher.coefs_[0] for teacher in teachers], axis=0)
    assert np.abs(mean).max() < 4 * np.sqrt(2.5 / 6 / 500)


def test_output_weights_are_signs_with_equal_chance():
    V = make_one_hidden_layer(1, 1, 10_000, random_state=0)[2].coefs_[1]
    assert set(V.ravel()) == {-1.0, 1.0}
    assert abs(V.mean()) < 4 / np.sqrt(10_000)


def test_biases():
    b, c = make_one_hidden_layer(1, 1, 10_000, bias=0.5, random_state=0)[2].intercepts_
    assert b.shape == (10_000,)
    assert_array_equal(c, [0.0])
    assert abs(b.std() / 0.5 - 1) < 4 / np.sqrt(2 * 10_000)
    assert_array_equal(make_one_hidden_layer(1, 2, 3)[2].intercepts_[0], np.zeros(3))


def test_inputs_are_standard_normal():
    """Entries of the mean and of the covariance have standard errors up to sqrt(2 / n)."""
    n = 20_000
    X = make_one_hidden_layer(n, 3, 2, random_state=0)[0]
    assert np.abs(X.mean(axis=0)).max() < 4 / np.sqrt(n)
    assert np.abs(X.T @ X / n - np.eye(3)).max() < 4 * np.sqrt(2 / n)
    assert abs(np.mean(X**4) - 3) < 4 * np.sqrt(96 / (3 * n))


def test_outputs_are_those_of_the_formula():
    X, y, teacher = make_one_hidden_layer(
        50, 4, 3, activation=LeakyReLU(slope=0.2), bias=1.0, random_state=1
    )
    (W, V), (b, c) = teacher.coefs_, teacher.intercepts_
    expected = np.zeros(50)
    for i in range(3):
        z = X @ W[:, i] + b[i]
        expected += V[i, 0] * np.where(z > 0, z, 0.2 * z)
    assert y.shape == (50,)
    assert_allclose(y, expected + c[0], rtol=1e-12, atol=1e-12)
    assert_array_equal(teacher.predict(X), y)


def test_noise_is_relative_to_the_signal():
    n = 20_000
    X, y, teacher = make_one_hidden_layer(n, 5, 3, noise=0.3, random_state=0)
    signal = teacher.predict(X)
    ratio = (y - signal).std() / signal.std()
    assert abs(ratio / 0.3 - 1) < 4 / np.sqrt(2 * n)
    assert abs(np.corrcoef(y - signal, signal)[0, 1]) < 4 / np.sqrt(n)


def test_teacher_depends_on_the_seed_and_not_on_the_number_of_rows():
    X, _, teacher = make_one_hidden_layer(10, 4, 3, bias=1.0, random_state=0)
    more_X, _, same = make_one_hidden_layer(25, 4, 3, bias=1.0, noise=1.0, random_state=0)
    other = make_one_hidden_layer(10, 4, 3, bias=1.0, random_state=1)[2]
    for name in ("coefs_", "intercepts_"):
        for found, expected in zip(getattr(same, name), getattr(teacher, name), strict=True):
            assert_array_equal(found, expected)
    assert_array_equal(more_X[:10], X)
    assert not np.allclose(other.coefs_[0], teacher.coefs_[0])


def test_random_state_instance_goes_on():
    rng = np.random.RandomState(0)
    first, second = (make_one_hidden_layer(5, 3, 2, random_state=rng) for _ in range(2))
    assert_array_equal(first[0], make_one_hidden_layer(5, 3, 2, random_state=0)[0])
    assert not np.allclose(first[0], second[0])


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("n_samples", 0, r"an int in the range \[1, inf\). Got 0"),
        ("n_samples", 10.0, r"an int in the range \[1, inf\). Got 10.0"),
        ("n_features", -1, "an int"),
        ("k", True, "an int"),
        ("kappa", 0.5, r"a float in the range \[1.0, inf\). Got 0.5"),
        ("kappa", np.nan, "a float"),
        ("kappa", np.inf, "a float"),
        ("bias", -0.1, r"a float in the range \[0.0, inf\)"),
        ("noise", "1", "a float"),
        ("activation", "step", "'step'"),
    ],
)
def test_bad_parameters(parameter, value, message):
    parameters = {"n_samples": 10, "n_features": 3, "k": 2} | {parameter: value}
    with pytest.raises(ValueError, match=f"{parameter}.*{message}"):
        make_one_hidden_layer(**parameters)


def test_teacher_rejects_other_rows_and_changes():
    X, _, teacher = make_one_hidden_layer(10, 3, 2)
    with pytest.raises(ValueError, match="X has 2 features, but the teacher has 3"):
        teacher.predict(X[:, :2])
    with pytest.raises(ValueError, match="NaN"):
        teacher.predict(np.full((2, 3), np.nan))
    with pytest.raises(dataclasses.FrozenInstanceError):
        teacher.coefs_ = []
