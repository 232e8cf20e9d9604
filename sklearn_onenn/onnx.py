"""The estimator in ONNX files, by the converter of skl2onnx.

ONNX runtimes have no kernels in double precision for some operators (Erf, Softplus, LeakyRelu): here
they are made of those that have.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.special import ive

from ._regressor import OneHiddenLayerRegressor
from ._typing import Array
from .activations import (
    GELU,
    Activation,
    Erf,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Softplus,
    Square,
    SquaredReLU,
    Tanh,
    get_activation,
)

# From there on erf is 1 in double precision.
ERF_RANGE = 6.0
# The next coefficient of erf(z) / z as a Chebyshev series in z^2 is below 1e-17.
ERF_DEGREE = 38


def register() -> None:
    """Tell skl2onnx how to convert an OneHiddenLayerRegressor, alone or in a Pipeline.

    Once it has been called, ``skl2onnx.to_onnx`` and ``skl2onnx.convert_sklearn`` take fitted
    estimators with any activation of this package. Inputs may be float, double or integer; several,
    as of a dataframe whose columns are inputs of their own, are joined. The output is of shape
    (n_samples, n_outputs), with one output too, in double where an input is and in float otherwise.
    It needs the extra ``onnx``.

    Returns
    -------
    None

    Raises
    ------
    ImportError
        skl2onnx is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from onnxruntime import InferenceSession
    >>> from skl2onnx import to_onnx
    >>> from sklearn_onenn import OneHiddenLayerRegressor
    >>> from sklearn_onenn.datasets import make_one_hidden_layer
    >>> from sklearn_onenn.onnx import register
    >>> X, y, teacher = make_one_hidden_layer(500, 4, 2, activation="gelu", random_state=0)
    >>> model = OneHiddenLayerRegressor(k=2, activation="gelu", random_state=0).fit(X, y)
    >>> register()
    >>> session = InferenceSession(to_onnx(model, X).SerializeToString())
    >>> (predicted,) = session.run(None, {"X": X})
    >>> np.allclose(predicted[:, 0], model.predict(X), rtol=1e-12)
    True
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError as error:
        raise ImportError(
            "sklearn_onenn.onnx needs skl2onnx: pip install 'sklearn-onenn[onnx]'"
        ) from error
    update_registered_converter(
        OneHiddenLayerRegressor, "SklearnOnennOneHiddenLayerRegressor", _output_type, _convert
    )


def _output_type(operator: Any) -> None:
    """Shape calculator of skl2onnx: one output (n_samples, n_outputs), of a type by the inputs'."""
    from skl2onnx.common import data_types
    from skl2onnx.common.utils import check_input_and_output_numbers, check_input_and_output_types

    check_input_and_output_numbers(operator, input_count_range=[1, None], output_count_range=1)
    kinds = ("Float", "Double", "Int64", "Int32")
    good = [getattr(data_types, f"{kind}TensorType") for kind in kinds]
    check_input_and_output_types(operator, good_input_types=good)
    found = [data_types.guess_tensor_type(rows.type) for rows in operator.inputs]
    doubles = [kind for kind in found if isinstance(kind, data_types.DoubleTensorType)]
    kind = (doubles or found)[0]
    kind.shape = [operator.inputs[0].get_first_dimension(), operator.raw_operator.n_outputs_]
    operator.outputs[0].type = kind


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Converter of skl2onnx: adds the nodes of V^T phi(W^T x + b) + c."""
    model, outputs = operator.raw_operator, operator.outputs[0]
    (W, V), (b, c) = model.coefs_, model.intercepts_
    graph = _Graph(scope, container, outputs.type)
    P = graph("Add", graph("MatMul", graph.joined(operator.inputs), W), b)
    units = graph.activation(get_activation(model.activation), P)
    graph("Add", graph("MatMul", units, V), c, output=outputs.full_name)


class _Graph:
    """An ONNX graph in one floating type: a call adds a node and returns the name of its output."""

    def __init__(self, scope: Any, container: Any, kind: Any) -> None:
        from skl2onnx.common.data_types import guess_numpy_type, guess_proto_type

        self.scope, self.container = scope, container
        self.dtype, self.proto = guess_numpy_type(kind), guess_proto_type(kind)

    def __call__(self, operator: str, *inputs: Any, output: str | None = None, **attributes: Any) -> str:
        """Add one operator; inputs are names, or numbers and arrays, which become constants."""
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        node: str = output or self.scope.get_unique_variable_name(operator.lower())
        label = self.scope.get_unique_operator_name(operator)
        self.container.add_node(operator, names, node, name=label, **attributes)
        return node

    def joined(self, inputs: Any) -> str:
        """The columns of all inputs, in the type of the graph."""
        from skl2onnx.common.data_types import guess_proto_type

        columns = [
            rows.full_name
            if guess_proto_type(rows.type) == self.proto
            else self("Cast", rows.full_name, to=self.proto)
            for rows in inputs
        ]
        return columns[0] if len(columns) == 1 else self("Concat", *columns, axis=1)

    def constant(self, values: Any) -> str:
        """Add a constant and return its name."""
        name: str = self.scope.get_unique_variable_name("constant")
        values = np.asarray(values, dtype=self.dtype)
        self.container.add_initializer(name, self.proto, values.shape, values.ravel())
        return name

    def activation(self, activation: Activation, z: str) -> str:
        """Add phi(z).

        Raises
        ------
        ValueError
            The activation is not one of this package.
        """
        # By type: a subclass may compute something else.
        slope = getattr(activation, "slope", None)  # which LeakyReLU has
        nodes: dict[type[Activation], Callable[[], str]] = {
            Identity: lambda: z,
            ReLU: lambda: self("Relu", z),
            LeakyReLU: lambda: self("Max", z, self("Mul", z, slope)),
            SquaredReLU: lambda: self.square(self("Relu", z)),
            Sigmoid: lambda: self("Sigmoid", z),
            Tanh: lambda: self("Tanh", z),
            Erf: lambda: self.erf(z),
            GELU: lambda: self.gelu(z),
            Softplus: lambda: self.softplus(z),
            Square: lambda: self.square(z),
        }
        if type(activation) not in nodes:
            names = ", ".join(sorted(kind.name for kind in nodes))
            raise ValueError(
                f"activation must be one of {names} for ONNX, got {activation!r}. Write a converter "
                f"for it and register it by skl2onnx.update_registered_converter."
            )
        return nodes[type(activation)]()

    def square(self, z: str) -> str:
        """Add z^2."""
        return self("Mul", z, z)

    def softplus(self, z: str) -> str:
        """Add max(z, 0) + log(1 + exp(-|z|))."""
        tail = self("Exp", self("Neg", self("Abs", z)))
        return self("Add", self("Max", z, 0.0), self("Log", self("Add", tail, 1.0)))

    def gelu(self, z: str) -> str:
        """Add max(z, 0) - r (1 - erf(r / sqrt(2))) / 2 with r = |z|, bounded where the term is zero."""
        r = self("Min", self("Abs", z), ERF_RANGE * math.sqrt(2))
        tail = self("Sub", 0.5, self("Mul", self.erf(self("Mul", r, math.sqrt(0.5))), 0.5))
        return self("Sub", self("Max", z, 0.0), self("Mul", r, tail))

    def erf(self, z: str) -> str:
        """Add erf(z): in double u q(u^2), u = z clipped, with q a Chebyshev series by Clenshaw."""
        if self.dtype == np.float32:
            return self("Erf", z)
        first, *others, second_last, last = _erf_coefficients()
        u = self("Max", self("Min", z, ERF_RANGE), -ERF_RANGE)
        t = self("Sub", self("Mul", self.square(u), 2 / ERF_RANGE**2), 1.0)
        double_t = self("Add", t, t)
        newer, older = self("Add", self("Mul", double_t, last), second_last), last
        for coefficient in reversed(others):
            step = self("Add", self("Mul", double_t, newer), coefficient)
            newer, older = self("Sub", step, older), newer
        series = self("Sub", self("Add", self("Mul", t, newer), first), older)
        return self("Mul", u, series)


def _erf_coefficients() -> Array:
    """Chebyshev coefficients of erf(z) / z in t = 2 z^2 / ERF_RANGE^2 - 1.

    erf(z) / z is 2 / sqrt(pi) times the integral of exp(-z^2 x^2) from x = 0 to 1, and
    exp(-a (1 + t)) = exp(-a) (I_0(a) + 2 sum_k (-1)^k I_k(a) T_k(t)) by
    https://dlmf.nist.gov/10.35.E2, with I_k the modified Bessel functions.
    """
    x, weight = leggauss(60)
    orders = np.arange(ERF_DEGREE + 1)
    bessel = ive(orders[:, None], ERF_RANGE**2 / 2 * ((1 + x) / 2) ** 2) @ (weight / 2)
    coefficients: Array = 4 / math.sqrt(math.pi) * (-1.0) ** orders * bessel
    coefficients[0] /= 2
    return coefficients
