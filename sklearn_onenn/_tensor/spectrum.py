"""How many units the moments show: singular values of moment slices, against those of permuted targets.

Of the residual of an affine fit, E[r He_2(z)] = sum_i v_i m_2 u_i u_i^T has as many singular values that
are not zero as there are units; for odd units, whose m_2 vanishes, the slices E[r He_3(z)](., ., a) do.
Targets that are permuted over the rows show what noise alone gives (J. L. Horn, 1965, parallel
analysis, doi:10.1007/BF02289447).
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr

from .._data.blocks import weighted
from .._data.coordinates import Coordinates
from .._data.floating_point import TINY
from .._data.rows import ArrayRows
from .._data.rules import DATA
from .._typing import Array
from .span import AffineFit, second_moment, third_moment_slices

# Directions a of the slices of third order: the first moment, and random ones.
DIRECTIONS = 8


@dataclass(frozen=True)
class Spectrum:
    """Singular values of moment slices.

    Attributes
    ----------
    values : array of shape (r,)
        In decreasing order. Targets are scaled so that the affine fit leaves variance one.
    null : array of shape (n_permutations, r)
        Those of permuted targets.
    order : int
        2 or 3: the order of the moment.
    """

    values: Array
    null: Array
    order: int


def moment_spectrum(
    rows: ArrayRows,
    coordinates: Coordinates,
    *,
    n_permutations: int,
    random_state: np.random.RandomState,
) -> Spectrum:
    """Singular values of the moment slices of lowest order that the data have.

    Parameters
    ----------
    rows : ArrayRows
    coordinates : Coordinates
        White ones, in which rows are taken for N(0, I).
    n_permutations : int
    random_state : numpy.random.RandomState
        Draws permutations and directions.

    Returns
    -------
    Spectrum
    """
    affine = AffineFit(rows, coordinates)
    slopes, residuals = affine(rows.y)
    squares = np.asarray((weighted(residuals**2, rows.weight)).sum(axis=0))
    sd = np.sqrt(np.maximum(squares / rows.weight_sum, TINY))
    residuals, slopes = residuals / sd, slopes / sd
    seen = [second_moment(affine, target[:, None])[1] for target in residuals.T]
    order = 2 if max(seen) > DATA.significant else 3
    r = coordinates.rank
    directions = random_state.standard_normal((r, min(r, DIRECTIONS)))
    directions[:, 0] = slopes.sum(axis=1)
    directions = qr(directions, mode="economic")[0]

    def singular_values(targets: Array) -> Array:
        if order == 2:
            slices = [second_moment(affine, target[:, None])[0] for target in targets.T]
        else:
            slices = [
                third_moment_slices(rows.with_targets(target[:, None]), coordinates, directions)
                / rows.weight_sum
                for target in targets.T
            ]
        return np.linalg.svd(np.concatenate(slices, axis=1), compute_uv=False)

    null = [
        # The affine fit is subtracted again, since permuted targets have some of it by chance.
        singular_values(affine(random_state.permutation(residuals))[1])
        for _ in range(n_permutations)
    ]
    return Spectrum(singular_values(residuals), np.array(null), order)
