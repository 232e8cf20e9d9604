"""What people try first: messages that say what to do instead, and things that simply work."""

import pickle
import re
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_onenn import OneHiddenLayerRegressor, RowBlocks, displays
from sklearn_onenn.activations import ReLU
from sklearn_onenn.datasets import make_one_hidden_layer


@pytest.fixture(scope="module")
def data():
    X, y, _ = make_one_hidden_layer(300, 3, 2, noise=0.1, random_state=0)
    return X, y


@pytest.fixture(scope="module")
def model(data):
    return OneHiddenLayerRegressor(2, activation="relu", random_state=0).fit(*data)


class Lazy:
    """A frame that is not computed yet, as polars and Spark have them."""

    def collect(self):
        return np.zeros((3, 2))


@pytest.mark.parametrize(
    ("X", "words"),
    [
        (Lazy(), "X must be in memory, got .*Lazy.*: pass X.collect()"),
        (lambda: iter([]), "X must be an array, got <function.* RowBlocks"),
        ((block for block in []), "X must be an array, got <generator.* RowBlocks"),
    ],
)
def test_what_is_no_array_yet_is_refused_with_the_remedy(model, X, words):
    with pytest.raises(TypeError, match=words):
        OneHiddenLayerRegressor().fit(X, np.zeros(3))
    with pytest.raises(TypeError, match=words):
        model.predict(X)


@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_are_scored_as_arrays_are(data, model, weighted):
    X, y = data
    weight = np.random.RandomState(0).rand(len(y))
    blocks = RowBlocks(
        lambda: (
            (X[some], y[some], weight[some]) if weighted else (X[some], y[some])
            for some in np.array_split(np.arange(len(y)), 4)
        )
    )
    expected = r2_score(y, model.predict(X), sample_weight=weight if weighted else None)
    assert model.score(blocks) == pytest.approx(expected, rel=1e-12)
    assert model.score(X, y, weight if weighted else None) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match="in the blocks: pass None"):
        model.score(blocks, y)
    with pytest.raises(ValueError, match="y must be given"):
        model.score(X)


@pytest.mark.parametrize(
    "use",
    [
        lambda model, blocks: make_pipeline(StandardScaler(), model).fit(blocks),
        lambda model, blocks: GridSearchCV(model, {"k": [1, 2]}).fit(blocks),
        lambda model, blocks: cross_val_score(model, blocks),
        lambda model, blocks: train_test_split(blocks),
        lambda model, blocks: np.asarray(blocks),
    ],
    ids=["pipeline", "search", "cross-validation", "split", "array"],
)
def test_blocks_where_arrays_are_needed_are_refused_with_the_remedy(data, model, use):
    X, y = data
    with pytest.raises(TypeError, match="X must be an array here, got RowBlocks.*partial_fit.*sample"):
        use(model, RowBlocks(lambda: [(X, y)]))
    alone = make_pipeline("passthrough", model).fit(RowBlocks(lambda: [(X, y)]))
    assert alone.score(RowBlocks(lambda: [(X, y)])) == pytest.approx(model.score(X, y), abs=0.01)


def test_displays_name_the_step_of_a_pipeline(data, model):
    pytest.importorskip("matplotlib")
    pipeline = make_pipeline(StandardScaler(), OneHiddenLayerRegressor(2, random_state=0)).fit(*data)
    draw = [
        lambda: displays.LossCurveDisplay.from_estimator(pipeline),
        lambda: displays.WeightMatchingDisplay.from_estimators(pipeline, model),
        lambda: displays.HessianSpectrumDisplay.from_estimator(pipeline, data[0]),
    ]
    for one in draw:
        with pytest.raises(
            TypeError, match=re.escape("got a Pipeline: pass its last step, pipeline[-1]")
        ):
            one()
    displays.LossCurveDisplay.from_estimator(pipeline[-1])


def test_a_class_for_an_activation_is_refused_with_its_public_path(data):
    with pytest.raises(TypeError, match=re.escape("an instance, sklearn_onenn.activations.ReLU(), not")):
        OneHiddenLayerRegressor(activation=ReLU).fit(*data)


@pytest.mark.parametrize("of", ["target", "held out"])
def test_held_out_targets_of_another_scale_warn(data, of):
    """Inside TransformedTargetRegressor y is transformed, y_val is not."""
    X, y = data
    y = 1000 + 100 * y
    regressor = OneHiddenLayerRegressor(2, random_state=0)
    scaler = StandardScaler().fit(y[:200, None])
    scaled = scaler.transform(y[200:, None])[:, 0]
    words = "y_val has mean .* are both transformed"
    if of == "target":
        model = TransformedTargetRegressor(regressor, transformer=StandardScaler())
        with pytest.warns(UserWarning, match=words):
            model.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    else:
        with pytest.warns(UserWarning, match=words):
            regressor.fit(X[:200], y[:200], X_val=X[200:], y_val=scaled)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        regressor.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
        regressor.fit(X[:200], y[:200], X_val=X[200:201], y_val=y[200:201])


def test_a_certificate_has_a_form_for_notebooks(data, model):
    certificate = model.certificate(*data)
    html = certificate._repr_html_()
    verdict = certificate.verdict.capitalize()
    assert html.startswith("<div")
    assert f"<p>{verdict}, judged on the rows of the fit." in html
    assert html.index("<details>") < html.index("Assumptions of the theorem") < html.index("</details>")
    assert "<" not in re.sub(r"</?(div|p|details|summary|pre)\b[^>]*>", "", html)  # all else is escaped
    assert_array_equal(pickle.loads(pickle.dumps(certificate)).checks, certificate.checks)
