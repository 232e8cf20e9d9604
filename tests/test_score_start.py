"""The start for rows of known density: where Hermite moments mislead, invariances, what is refused."""

import pickle

import numpy as np
import pytest
from _planted import bimodal_score, gaussian_problem, mixture_rows, separated_network
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import subspace_angles
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from sklearn.base import clone

from sklearn_onenn import OneHiddenLayerRegressor, tensor_initialization
from sklearn_onenn._blocks import RowBlocks
from sklearn_onenn._network import forward
from sklearn_onenn._score_span import narrow, score_span
from sklearn_onenn._span import AffineFit, unit_span
from sklearn_onenn._whitening import whitening
from sklearn_onenn.activations import ReLU, Tanh
from sklearn_onenn.metrics import recovery_error
from sklearn_onenn.scores import GaussianMixtureScore


class OwnScore:
    """The methods that a score function must have, and no more."""

    def __init__(self, score):
        self.score = score

    def __call__(self, X):
        return self.score(X)

    def contract(self, X, U):
        return self.score.contract(X, U)


def bimodal_data(activation, n, *, d=12, k=3, separation=4.0, seed=0):
    score, truth = bimodal_score(d, separation, seed=seed), separated_network(d, k, seed=seed)
    X = mixture_rows(score, n, seed=seed)
    return X, forward(X, truth, activation)[:, 0], truth, score


def worst_angle(W, truth):
    """Largest angle between matched directions, in degrees."""
    unit = [A / np.linalg.norm(A, axis=0) for A in (W, truth.W)]
    cosine = np.abs(unit[0].T @ unit[1])
    return np.degrees(np.arccos(min(1, cosine[linear_sum_assignment(-cosine)].min())))


@pytest.mark.parametrize("activation", [ReLU(), Tanh()], ids=repr)
def test_directions_on_bimodal_rows(activation):
    """d = 12, k = 3, 6000 rows, five mixtures: worst angle of a unit, median over the mixtures."""
    with_score, without, own = [], [], []
    for seed in range(5):
        X, y, truth, score = bimodal_data(activation, 6000, seed=seed)
        for found, function in ((with_score, score), (without, None), (own, OwnScore(score))):
            W, _, _ = tensor_initialization(
                X, y, 3, activation=activation, score_function=function, random_state=seed
            )
            found.append(worst_angle(W, truth))
    assert np.median(with_score) < 12
    assert np.median(own) < 12
    assert np.median(without) > 1.5 * np.median(with_score)
