"""What a display asks of an estimator."""

from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted


def check_network(estimator: Any, attribute: str = "coefs_") -> None:
    """Refuse what is no fitted network; of a pipeline the message names the step that is one.

    Raises
    ------
    TypeError
        A pipeline.
    NotFittedError
        Not fitted.
    ValueError
        It has weights, but not what a fit alone leaves, as a network of ``from_mlp``.
    """
    if isinstance(estimator, Pipeline):
        raise TypeError(
            "estimator must be a network, got a Pipeline: pass its last step, pipeline[-1], and rows as "
            "that step sees them, pipeline[:-1].transform(X)."
        )
    check_is_fitted(estimator, "coefs_")
    if not hasattr(estimator, attribute):
        raise ValueError(
            f"estimator must have {attribute}, which a fit leaves, got weights from elsewhere: fit it, "
            f"by warm_start=True from these weights on."
        )
