"""Imports point down the layers, and the numerical modules need numpy and scipy only."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sklearn_onenn"

# From the ground up. A module imports from the layers below its own, never sideways.
LAYERS = [
    {"_activation", "scores", "_blocks", "_version"},
    {"activations"},
    {"_network", "_targets", "_sources", "_moments", "_joint_diagonalization", "_whitening", "metrics"},
    {
        "_algorithm_1",
        "_span",
        "_slices",
        "_descent",
        "_preconditioner",
        "_canonical",
        "theory",
        "_single_precision",
    },
    {"_gauss_newton"},
    {"_units", "_evidence", "_smoothing", "_progress", "_spectrum", "_score_slices", "_jacobian"},
    {"_score_span", "_structure"},
    {"_residual_start", "_score_start", "_polish_stages", "_residual_tests", "_uncertainty"},
    {"_initialization", "_checks", "_parts"},
    {"_polish"},
    {"_one_start"},
    {"_starts"},
    {"_samples", "_width", "_validation", "_callbacks", "_conversion", "_persistence"},
    {"_refits", "_cluster_blocks"},
    {"certificate"},
    {"_regressor", "_cluster", "datasets"},
    {"_fit_displays", "dask", "onnx"},
    {"_spectrum_displays", "_weight_displays", "_comparison_displays"},
    {"displays"},
    {"__init__"},
]
LAYER = {name: height for height, names in enumerate(LAYERS) for name in names}

# What modules up to the search over starts may import beside the standard library, as prefixes.
NUMERICAL = {name for name in LAYER if LAYER[name] <= LAYER["_starts"]} | {"datasets"}
NUMERICAL_IMPORTS = {"numpy", "scipy", "sklearn.utils.check_random_state"}
MORE_IMPORTS = {
    "_blocks": {"threadpoolctl"},
    "_starts": {"sklearn.utils.parallel"},
    # Public functions, which validate what they are given:
    "_initialization": {"sklearn.utils"},
    "datasets": {"sklearn.utils"},
    "scores": {"sklearn.utils"},
    "metrics": {"sklearn.utils"},
}


def requirements():
    """Import names of the run-time dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in project["dependencies"]}
    return {"sklearn" if name == "scikit-learn" else name for name in names}


def dotted_names(node):
    """Full names that an import statement binds; those of the package itself start with a dot."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif node.level == 1 and node.module is None:
        names = [f".{alias.name}" for alias in node.names]
    else:
        prefix = "." * node.level + (node.module or "")
        names = [f"{prefix}.{alias.name}" for alias in node.names]
    return [re.sub(r"^sklearn_onenn\.", ".", name) for name in names]


def imports(tree):
    """All full names imported anywhere below a node."""
    statements = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    return [name for statement in statements for name in dotted_names(statement)]


def at_import_time(tree):
    """The statements of a module that run when it is imported, nested functions left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from dotted_names(node)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from at_import_time(node)


def violations(module, source):
    """Sentences about what a module imports and should not."""
    if module not in LAYER:
        return [f"{module} has no place in LAYERS"]
    tree = ast.parse(source)
    found = []
    for name in imports(tree):
        if name.startswith("."):
            sibling = name.split(".")[1]
            if LAYER.get(sibling, len(LAYERS)) >= LAYER[module]:
                found.append(f"{module} imports {sibling}, which is not below it")
        elif module in NUMERICAL and not allowed_in_numerical(module, name):
            found.append(f"{module} imports {name}, which is not for numerical modules")
    for name in at_import_time(tree):
        top = name.split(".")[0]
        if top and top not in requirements() | sys.stdlib_module_names:
            found.append(f"importing {module} needs {top}, which is optional")
    return found


def allowed_in_numerical(module, name):
    """Whether a numerical module may import this name from outside the package."""
    allowed = NUMERICAL_IMPORTS | MORE_IMPORTS.get(module, set()) | sys.stdlib_module_names
    return any(f"{name}.".startswith(f"{prefix}.") for prefix in allowed)


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports_point_down(path):
    assert path.parent == PACKAGE
    assert violations(path.stem, path.read_text()) == []


@pytest.mark.parametrize(
    ("module", "source", "reason"),
    [
        ("surprise", "", "no place in LAYERS"),
        ("_network", "from ._moments import moments", "not below"),
        ("_network", "from . import _network", "not below"),
        ("_network", "def f():\n    from ._regressor import OneHiddenLayerRegressor", "not below"),
        ("_moments", "import sklearn_onenn._descent", "not below"),
        ("_moments", "from sklearn_onenn import _descent", "not below"),
        ("_moments", "from .surprise import x", "not below"),
        ("_moments", "import sklearn", "not for numerical modules"),
        ("_moments", "from sklearn.utils import check_array", "not for numerical modules"),
        ("_moments", "def f():\n    import threadpoolctl", "not for numerical modules"),
        ("displays", "class A:\n    import matplotlib.pyplot as plt", "optional"),
        ("onnx", "try:\n    import onnx\nexcept ImportError:\n    onnx = None", "optional"),
    ],
)
def test_a_wrong_import_is_seen(module, source, reason):
    (violation,) = violations(module, source) or [""]
    assert reason in violation


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("_moments", "import numpy as np\nfrom scipy.linalg import eigh\nfrom math import comb"),
        ("_moments", "from sklearn.utils import check_random_state"),
        ("_descent", "from . import _network\nfrom .activations import get_activation"),
        ("_initialization", "from sklearn.utils.validation import check_X_y"),
        ("displays", "def plot():\n    import matplotlib.pyplot as plt"),
        ("__init__", "from ._regressor import OneHiddenLayerRegressor"),
    ],
)
def test_a_right_import_is_not(module, source):
    assert violations(module, source) == []


def test_reading_order_lists_the_modules():
    docstring = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text()))
    listed = re.findall(r"^(\w+)\.py +\S", docstring, flags=re.MULTILINE)
    assert sorted(listed) == sorted({path.stem for path in MODULES} - {"__init__"})
