"""Representatives of a network among those that scaling or flipping its units leaves equal."""

import numpy as np

from .._activation_base import Activation
from .._data.floating_point import TINY
from .._data.targets import TargetScale
from .._typing import Array
from .loss import SquaredLoss
from .network import Network

# Units with shorter weights are dead: in single precision a division by their length would overflow.
DEAD = np.sqrt(np.finfo(np.float32).tiny)


def with_output_norm(network: Network, size: float, degree: int | None) -> Network:
    """Scale units so that |v_i| = size in every homogeneous unit that is not dead."""
    length = np.linalg.norm(network.V, axis=1)
    alive = length > 0
    if degree is None or not alive.any():
        return network
    scale = np.where(alive, length / size, 1.0)
    root = scale ** (1 / degree)
    return network._replace(W=network.W * root, b=network.b * root, V=network.V / scale[:, None])


def with_unit_directions(network: Network) -> Network:
    """Scale units of degree one so that |w_i| = 1 in every unit that is not dead."""
    length = np.linalg.norm(network.W, axis=0)
    length = np.where(length > DEAD, length, 1.0)
    return network._replace(W=network.W / length, b=network.b / length, V=network.V * length[:, None])


def min_norm_scaling(network: Network, penalty: Array, degree: int | None) -> Network:
    """Scale homogeneous units so that tr W^T P W + |V|^2 is smallest, P of diagonal ``penalty`` (r,)."""
    w = penalty @ network.W**2
    v = (network.V**2).sum(axis=1)
    # Units whose squares are smaller than this are dead, and quotients of these overflow.
    alive = np.minimum(w, v) > np.sqrt(TINY)
    if degree is None or not alive.any():
        return network
    # w s^2 + v s^(-2 degree) is smallest at s^(2 degree + 2) = degree v / w.
    s = np.where(alive, degree * v / np.where(alive, w, 1.0), 1.0) ** (1 / (2 * degree + 2))
    return network._replace(W=network.W * s, b=network.b * s, V=network.V / (s**degree)[:, None])


def caller_network(network: Network, problem: SquaredLoss, targets: TargetScale) -> Network:
    """The network of the rows and the targets as they were given, from one of white coordinates.

    Parameters
    ----------
    network : Network
        In white coordinates, for targets at mean zero and scale one.
    problem : SquaredLoss
    targets : TargetScale

    Returns
    -------
    Network
        In the form of :func:`canonical`.
    """
    network = of_inputs(network, problem, targets)
    network = network._replace(c=network.c + targets.mean)
    network = canonical(network, problem.activation, problem.fit_intercept)
    return network.astype(problem.rows.dtype)


def of_inputs(network: Network, problem: SquaredLoss, targets: TargetScale) -> Network:
    """The network of the rows as they were given, and of targets about their mean."""
    W, b = problem.coordinates.weights_to_inputs(network.W, network.b)
    scale = np.where(targets.is_constant, 0.0, targets.scale)
    return Network(W, b, network.V * scale, network.c * scale)


def canonical(network: Network, activation: Activation, fit_intercept: bool) -> Network:
    """Make |v_i| one in homogeneous units, v_i positive where its sign is free, and sort the units.

    They are sorted by |w_i|, the longest first.
    """
    network = with_output_norm(network, 1.0, activation.degree)
    network = with_positive_outputs(network, activation, fit_intercept)
    order = np.argsort(-np.linalg.norm(network.W, axis=0), kind="stable")
    return Network(network.W[:, order], network.b[order], network.V[order], network.c)


def inner_network(network: Network, problem: SquaredLoss, targets: TargetScale) -> Network:
    """The network of white coordinates and scaled targets: the inverse of :func:`caller_network`.

    It is not brought to a canonical form.
    """
    W, b = problem.coordinates.weights_from_inputs(network.W, network.b)
    if not problem.fit_intercept:
        b = np.zeros_like(b)
    return Network(W, b, network.V / targets.scale, (network.c - targets.mean) / targets.scale)


def with_positive_outputs(network: Network, activation: Activation, fit_intercept: bool) -> Network:
    """Flip units with v_i < 0 where the activation's symmetry leaves the sign free."""
    point = activation.symmetry == "point" and fit_intercept
    if activation.symmetry != "odd" and not point:
        return network
    sign = np.where(network.V[:, 0] < 0, -1.0, 1.0)
    c = network.c
    if point:  # v phi(z) = -v phi(-z) + 2 v phi(0)
        c = c + 2 * activation.value(np.zeros(1)) * network.V[sign < 0].sum(axis=0)
    return Network(network.W * sign, network.b * sign, network.V * sign[:, None], c)


class TangentBasis:
    """The weights of a network that may vary when homogeneous units keep the length of v_i.

    A vector of them is packed like :meth:`Network.pack`, with the components of v_i across v_i alone in
    homogeneous units, and without b and c where the model has none.

    Parameters
    ----------
    network : Network
        Where they vary about.
    degree : int or None
        Of the activation.
    fit_intercept : bool
    normals : array of shape (k, m) or None
        Directions across which V varies; V itself if None.

    Attributes
    ----------
    size : int
    """

    def __init__(
        self,
        network: Network,
        *,
        degree: int | None,
        fit_intercept: bool,
        normals: Array | None = None,
    ) -> None:
        k, m = network.V.shape
        self.shape, self.fit_intercept = network, fit_intercept
        self.basis = np.broadcast_to(np.eye(m), (k, m, m))
        if degree is not None:
            normals = network.V if normals is None else normals
            self.basis = np.linalg.qr(normals[:, :, None], mode="complete")[0][:, :, 1:]
        self.size = network.W.size + (k + m if fit_intercept else 0) + k * self.basis.shape[2]

    def expand(self, changes: Array) -> Network:
        """The change of all weights, from a change (size,) of the free ones, or (..., size) of them."""
        shape, several = self.shape, changes.shape[:-1]
        k, m = shape.V.shape
        W_end, V_start, V_end = shape.W.size, shape.W.size, self.size
        b, c = np.zeros((*several, k)), np.zeros((*several, m))
        if self.fit_intercept:
            V_start, V_end = W_end + k, self.size - m
            b, c = changes[..., W_end:V_start], changes[..., V_end:]
        free_V = changes[..., V_start:V_end].reshape(*several, k, self.basis.shape[2])
        V = np.einsum("imj,...ij->...im", self.basis, free_V)
        return Network(changes[..., :W_end].reshape(*several, *shape.W.shape), b, V, c)

    def reduce(self, gradient: Network) -> Array:
        """The gradient (size,) by the free weights, from that by all; transposes :meth:`expand`."""
        V = np.einsum("imj,im->ij", self.basis, gradient.V).ravel()
        if not self.fit_intercept:
            return np.concatenate([gradient.W.ravel(), V])
        return np.concatenate([gradient.W.ravel(), gradient.b, V, gradient.c])
