"""Fitted networks as those of scikit-learn's MLPRegressor and of torch."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.neural_network import MLPRegressor
from sklearn.utils.validation import check_is_fitted

from ._network.network import Network
from ._network.symmetries import canonical
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

# By type: a subclass may compute something else.
MLP_NAMES = {Identity: "identity", ReLU: "relu", Sigmoid: "logistic", Tanh: "tanh"}


class ConversionMixin:
    """Methods that turn the fitted network into that of another library, and back."""

    # Of the estimator:
    activation: str | Activation
    coefs_: list[Array]
    intercepts_: list[Array]
    k_: int
    alpha_: float
    feature_names_in_: Array

    def to_mlp(self) -> MLPRegressor:
        """The same network as a fitted MLPRegressor of scikit-learn.

        It predicts the same up to rounding, and ``partial_fit``, or ``fit`` with ``warm_start=True``,
        goes on from there. Its parameters that the network does not determine have their defaults,
        and the record of its training is empty: ``n_iter_`` and ``t_`` are zero, ``loss_`` is
        infinite.

        Returns
        -------
        mlp : sklearn.neural_network.MLPRegressor

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            MLPRegressor has no such activation: it has relu, tanh, sigmoid and identity.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_onenn import OneHiddenLayerRegressor
        >>> from sklearn_onenn.datasets import make_one_hidden_layer
        >>> X, y, teacher = make_one_hidden_layer(500, 4, 2, activation="tanh", random_state=0)
        >>> model = OneHiddenLayerRegressor(k=2, activation="tanh", random_state=0).fit(X, y)
        >>> mlp = model.to_mlp()
        >>> mlp
        MLPRegressor(activation='tanh', hidden_layer_sizes=(2,))
        >>> np.allclose(mlp.predict(X), model.predict(X))
        True
        """
        check_is_fitted(self)
        activation = get_activation(self.activation)
        if type(activation) not in MLP_NAMES:
            raise ValueError(
                f"activation must be one that MLPRegressor has, relu, tanh, sigmoid or identity, "
                f"got {activation!r}. to_torch() knows all that have a name."
            )
        W, V = self.coefs_
        mlp = MLPRegressor(hidden_layer_sizes=(W.shape[1],), activation=MLP_NAMES[type(activation)])
        for name in ("n_features_in_", "n_outputs_", "out_activation_"):
            setattr(mlp, name, getattr(self, name))
        if hasattr(self, "feature_names_in_"):
            mlp.feature_names_in_ = self.feature_names_in_.copy()
        mlp.coefs_ = [W.copy(), V.copy()]
        mlp.intercepts_ = [intercepts.copy() for intercepts in self.intercepts_]
        mlp.n_layers_ = 3
        # What MLPRegressor holds before its first epoch, and goes on from.
        mlp.n_iter_ = mlp.t_ = mlp._no_improvement_count = 0
        mlp.loss_ = mlp.best_loss_ = np.inf
        mlp.loss_curve_ = []
        mlp.validation_scores_ = mlp.best_validation_score_ = None
        return mlp

    @classmethod
    def from_mlp(cls, mlp: MLPRegressor) -> Self:
        """The network of a fitted MLPRegressor of scikit-learn, to predict with or to polish.

        Weights are brought to the form of `coefs_`: units are scaled, flipped and reordered where
        that leaves the function as it is. Attributes that record a fit, such as `loss_`, are
        missing until ``fit``, which with ``warm_start=True`` starts from these weights; intervals and
        standard deviations need that fit, with ``keep_covariance=True``. `init` is "random" where a
        tensor start cannot tell units of the activation apart (identity). `alpha_` is
        zero: the penalty of MLPRegressor is none of this package, since it is on weights of columns
        that are not brought to unit scale.

        Parameters
        ----------
        mlp : sklearn.neural_network.MLPRegressor
            With one hidden layer, fitted with the loss "squared_error".

        Returns
        -------
        model : OneHiddenLayerRegressor

        Raises
        ------
        TypeError
            mlp is no MLPRegressor.
        NotFittedError
            mlp is not fitted.
        ValueError
            mlp has several hidden layers or none, or its output is not linear.

        Examples
        --------
        >>> from sklearn.neural_network import MLPRegressor
        >>> from sklearn_onenn import OneHiddenLayerRegressor
        >>> from sklearn_onenn.datasets import make_one_hidden_layer
        >>> X, y, teacher = make_one_hidden_layer(500, 4, 2, activation="relu", random_state=0)
        >>> mlp = MLPRegressor(hidden_layer_sizes=(2,), tol=0.1, random_state=1).fit(X, y)
        >>> model = OneHiddenLayerRegressor.from_mlp(mlp)
        >>> polished = model.set_params(warm_start=True, random_state=0).fit(X, y)
        >>> polished.score(X, y) > mlp.score(X, y)
        True
        """
        if not isinstance(mlp, MLPRegressor):
            raise TypeError(f"mlp must be a fitted MLPRegressor, got {mlp!r}.")
        check_is_fitted(mlp)
        n_hidden = len(mlp.coefs_) - 1
        if n_hidden != 1:
            raise ValueError(f"mlp must have one hidden layer, got {n_hidden}.")
        if mlp.out_activation_ != "identity":
            raise ValueError(
                f"mlp must have the output activation 'identity', got {mlp.out_activation_!r}. "
                f"Fit it with loss='squared_error'."
            )
        estimator: Callable[..., Self] = cls  # whose parameters are those of the estimator
        activation = get_activation(mlp.activation)
        # A start that the activation has, for what needs one: a new fit, the certificate.
        init = "tensor" if activation.properties().rho_positive else "random"
        model = estimator(mlp.coefs_[0].shape[1], activation=mlp.activation, init=init)
        (W, V), (b, c) = mlp.coefs_, mlp.intercepts_
        network = Network(W, b, V, c.copy())  # of the others the new order makes copies
        network = canonical(network, activation, fit_intercept=True)
        network = network.astype(W.dtype)
        model.coefs_, model.intercepts_ = [network.W, network.V], [network.b, network.c]
        model.k_, model.alpha_ = W.shape[1], 0.0
        for name in ("n_features_in_", "n_outputs_", "out_activation_"):
            setattr(model, name, getattr(mlp, name))
        if hasattr(mlp, "feature_names_in_"):
            model.feature_names_in_ = mlp.feature_names_in_.copy()
        return model

    def to_torch(self) -> Any:
        """The same network as a torch module, for gradients, devices and layers to come.

        Returns
        -------
        module : torch.nn.Sequential
            A linear layer, the activation and a linear layer, in the floating type of `coefs_`. It
            maps (n_samples, n_features) to (n_samples, n_outputs), with one output too.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ImportError
            torch is not installed.
        ValueError
            The activation is not one of this package.
        """
        check_is_fitted(self)
        try:
            import torch
        except ImportError as error:
            raise ImportError("to_torch() needs torch: pip install torch") from error
        phi = torch_activation(get_activation(self.activation))
        layers = []
        for weights, intercepts in zip(self.coefs_, self.intercepts_, strict=True):
            layer = torch.nn.Linear(*weights.shape)
            layer.weight = torch.nn.Parameter(torch.tensor(weights.T))
            layer.bias = torch.nn.Parameter(torch.tensor(intercepts))
            layers.append(layer)
        return torch.nn.Sequential(layers[0], phi, layers[1])


def torch_activation(activation: Activation) -> Any:
    """The torch module that computes an activation.

    Raises
    ------
    ValueError
        It is not one of this package.
    """
    from torch import nn

    slope = getattr(activation, "slope", None)  # which LeakyReLU has
    modules: dict[type[Activation], Callable[[], Any]] = {
        Identity: nn.Identity,
        ReLU: nn.ReLU,
        LeakyReLU: lambda: nn.LeakyReLU(slope),
        SquaredReLU: lambda: elementwise("squared_relu"),
        Sigmoid: nn.Sigmoid,
        Tanh: nn.Tanh,
        Erf: lambda: elementwise("erf"),
        GELU: nn.GELU,
        # From the threshold on it is z, which has to be right to rounding: exp(-40) < 1e-17.
        Softplus: lambda: nn.Softplus(threshold=40),
        Square: lambda: elementwise("square"),
    }
    if type(activation) not in modules:
        names = ", ".join(sorted(kind.name for kind in modules))
        raise ValueError(
            f"activation must be one of {names} for torch, got {activation!r}. Write it as a "
            f"torch.nn.Module and put it between two torch.nn.Linear with coefs_ and intercepts_."
        )
    return modules[type(activation)]()


def elementwise(name: str) -> Any:
    """A torch module for an activation for which torch has none."""
    import torch

    functions = {
        "erf": torch.erf,
        "square": torch.square,
        "squared_relu": lambda z: torch.relu(z).square(),
    }

    class Elementwise(torch.nn.Module):
        def forward(self, z: Any) -> Any:
            return functions[name](z)

        def extra_repr(self) -> str:
            return name

        def __reduce__(
            self,
        ) -> tuple[Any, ...]:  # a class made in a function cannot be pickled, a call of it can
            return elementwise, (name,)

    return Elementwise()
