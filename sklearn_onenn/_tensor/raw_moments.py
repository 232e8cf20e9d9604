"""Algorithm 1 with the raw moments of the paper.

1. P_2 = M_{j2}(I, I, a, ..): its k leading eigenvectors by absolute value span the units.
2. R_3 = P_3(V, V, V), P_3 = M_{j3}(I, I, I, a, ..), from the rows projected on that span V.
3. The components of R_3 are the directions V^T w_i / |w_i|.
4. Magnitudes and signs (RecMagSign) from M_{l1} and M_{l2} in least squares.

j2, j3, l1 and l2 are the lowest usable orders, those whose Hermite coefficient is not zero. With
``split`` the steps 1, 2 and 4 have a third of the rows each, as in the theorem.
K. Zhong et al., arXiv:1706.03175, Algorithm 1 and section 5.
"""

from collections.abc import Callable, Iterable

import numpy as np
from scipy.linalg import eigh, lstsq, qr

from .._activation_base import Activation
from .._data.blocks import Block
from .._data.coordinates import Coordinates
from .._data.floating_point import TINY
from .._data.rows import ArrayRows
from .._network.network import Network
from .._typing import Array
from . import hermite as moments
from .joint_diagonalization import tensor_components

# Up to this many features P_2 is formed and decomposed; with more, vectors are multiplied by it.
DENSE_FEATURES = 1000

# A Hermite coefficient below this share of the largest one is taken for zero.
NEGLIGIBLE = 1e-6

HIGHEST_ORDER = 4

REMEDY = "Use init='random' (or starting arrays) with this activation."


def lowest_order(activation: Activation, orders: Iterable[int]) -> int:
    """The first of ``orders`` whose Hermite coefficient at sigma = 1 is not zero; raises if none is."""
    scale = max(abs(activation.hermite_coefficient(j)) for j in range(1, HIGHEST_ORDER + 1))
    for j in orders:
        if abs(activation.hermite_coefficient(j)) > NEGLIGIBLE * scale:
            return j
    raise ValueError(
        f"init='tensor' needs an activation whose Hermite coefficients of order 2 or 3 and of "
        f"order 3 or 4 do not vanish, got {activation!r}. {REMEDY}"
    )


def check_activation(activation: Activation) -> None:
    """Raise where the tensor method cannot work: property 3.2 fails or moments vanish."""
    found = activation.properties()
    if not found.rho_positive:
        raise ValueError(
            f"init='tensor' needs an activation with property 3.2 (rho > 0), got {activation!r} "
            f"with rho = {found.rho:.3g}: its units cannot be told apart. {REMEDY}"
        )
    for orders in ((3, 4), (2, 3)):
        lowest_order(activation, orders)


def raw_moment_start(
    rows: ArrayRows,
    coordinates: Coordinates,
    k: int,
    activation: Activation,
    *,
    split: bool,
    random_state: np.random.RandomState,
) -> Network:
    """Start of the paper: Algorithm 1 on the targets as they are.

    Parameters
    ----------
    rows : ArrayRows
        With one output.
    coordinates : Coordinates
        In which rows are taken for N(0, I).
    k : int
        At most the rank of the coordinates.
    activation : Activation
    split : bool
    random_state : numpy.random.RandomState

    Returns
    -------
    Network
        In the coordinates, without biases.
    """
    thirds = [rows] * 3
    if split and rows.n_rows >= 3:
        order = random_state.permutation(rows.n_rows)
        thirds = [rows.take(np.sort(third)) for third in np.array_split(order, 3)]
    V = moment_span(thirds[0], coordinates, k, activation, random_state)
    R3 = projected_tensor(thirds[1], coordinates, V, activation, random_state)
    U, _ = tensor_components(R3, random_state=random_state)
    return magnitudes_and_signs(thirds[2], coordinates, V, U, activation, random_state)


def moment_span(
    rows: ArrayRows,
    coordinates: Coordinates,
    k: int,
    activation: Activation,
    random_state: np.random.RandomState,
) -> Array:
    """V (r, k): orthonormal leading eigenvectors of P_2 by absolute value."""
    r = coordinates.rank
    order = lowest_order(activation, (2, 3))
    a = unit_vector(random_state, r)
    if r <= DENSE_FEATURES:

        def sums(block: Block) -> Array:
            z, t = white_rows(block, coordinates)
            if order == 2:
                return moments.second_moment(z, t)
            return moments.third_moment_slice(z, t, a)

        eigenvalues, vectors = eigh(rows.sum(sums))
        return vectors[:, np.argsort(-np.abs(eigenvalues))[:k]]

    def product(V: Array) -> Array:
        def sums(block: Block) -> Array:
            z, t = white_rows(block, coordinates)
            if order == 2:
                return moments.second_moment_product(z, t, V)
            return moments.third_moment_slice_product(z, t, a, V)

        return rows.sum(sums)

    return orthogonal_iteration(product, r, k, random_state)


def orthogonal_iteration(
    product: Callable[[Array], Array],
    r: int,
    k: int,
    random_state: np.random.RandomState,
    *,
    n_extra: int = 8,
    n_iter: int = 30,
) -> Array:
    """Leading eigenvectors (r, k) by absolute value of a symmetric matrix given by its product.

    The iterate holds some vectors more than wanted, and the Rayleigh-Ritz values decide by absolute
    value, which serves eigenvalues of both signs in one run.
    """
    V = qr(random_state.standard_normal((r, min(r, k + n_extra))), mode="economic")[0]
    for _ in range(n_iter):
        V = qr(product(V), mode="economic")[0]
    values, vectors = eigh(V.T @ product(V))
    return V @ vectors[:, np.argsort(-np.abs(values))[:k]]


def projected_tensor(
    rows: ArrayRows,
    coordinates: Coordinates,
    V: Array,
    activation: Activation,
    random_state: np.random.RandomState,
) -> Array:
    """R_3 (k, k, k), from the rows projected on V."""
    order = lowest_order(activation, (3, 4))
    a = unit_vector(random_state, V.shape[1])

    def sums(block: Block) -> Array:
        z, t = white_rows(block, coordinates)
        if order == 3:
            return moments.third_moment(z @ V, t)
        return moments.fourth_moment_slice(z @ V, t, a)

    return rows.sum(sums) / rows.weight_sum


def magnitudes_and_signs(
    rows: ArrayRows,
    coordinates: Coordinates,
    V: Array,
    U: Array,
    activation: Activation,
    random_state: np.random.RandomState,
) -> Network:
    """RecMagSign: v_i, s_i and |w_i| from two moments in least squares.

    z_i and r_i solve sum z_i u_i = M_{l1}(V, a, ..) and sum r_i u_i u_i^T = M_{l2}(V, V, a, ..), hence
    z_i = v_i m_{l1}(|w_i|) s_i^{l1} (a . u_i)^{l1 - 1} and
    r_i = v_i m_{l2}(|w_i|) s_i^{l2} (a . u_i)^{l2 - 2}.
    """
    k = U.shape[1]
    first, second = lowest_order(activation, (1, 3)), lowest_order(activation, (2, 4, 3))
    a = unit_vector(random_state, k)
    third = moments.third_moment_slice

    def sums(block: Block) -> tuple[Array, Array]:
        z, t = white_rows(block, coordinates)
        u = z @ V
        odd = moments.first_moment if first == 1 else lambda u, t: third(u, t, a) @ a
        vector = odd(u, t)
        if second == 2:
            return vector, moments.second_moment(u, t)
        if second == 3:
            return vector, third(u, t, a)
        return vector, moments.fourth_moment_slice(u, t, a) @ a

    vector, matrix = (total / rows.weight_sum for total in rows.sum(sums))
    along = a @ U
    z = lstsq(U, vector)[0] / along ** (first - 1)
    squares = (U[:, None, :] * U[None, :, :]).reshape(k * k, -1)
    r = lstsq(squares, matrix.ravel())[0] / along ** (second - 2)
    # Both are known up to the signs: for even l2 r has the sign of v_i m_{l2}, otherwise only
    # v_i s_i is identified, and v_i = 1.
    v = np.ones(k)
    if second % 2 == 0:
        v = np.sign(r * activation.hermite_coefficient(second))
    v[v == 0] = 1.0
    s = np.sign(z * v * activation.hermite_coefficient(first))
    s[s == 0] = 1.0
    length = magnitudes(np.abs(z), np.abs(r), first, second, activation)
    return Network(V @ U * (s * length), np.zeros(k), v[:, None], np.zeros(1))


def magnitudes(z: Array, r: Array, first: int, second: int, activation: Activation) -> Array:
    """|w_i| from |v_i m_{l1}(|w_i|)| and |v_i m_{l2}(|w_i|)|.

    A homogeneous unit has |v_i| = 1 and m_l(s) = s^degree m_l(1). Otherwise the ratio of the two
    moments gives |w_i| where it is monotone (H. Fu, Y. Chi, Y. Liang, 2020, arXiv:1802.06463); it is
    read off a grid.
    """
    if activation.degree is not None:
        return (z / abs(activation.hermite_coefficient(first))) ** (1 / activation.degree)
    grid = np.geomspace(0.1, 10, 200)
    ratio = np.abs(activation.hermite_coefficient(second, grid))
    ratio = ratio / np.abs(activation.hermite_coefficient(first, grid))
    peak = np.argmax(ratio) + 1
    return np.interp(r / np.maximum(z, TINY), ratio[:peak], grid[:peak])


def white_rows(block: Block, coordinates: Coordinates) -> tuple[Array, Array]:
    """White rows (rows, r) and targets times weights (rows,) of a block with one output."""
    t = block.y[:, 0]
    return coordinates.whiten(block.X), t if block.weight is None else t * block.weight[:, 0]


def unit_vector(random_state: np.random.RandomState, d: int) -> Array:
    """A random vector of length one."""
    a = random_state.standard_normal(d)
    return a / np.linalg.norm(a)
