"""Imports point down, without circles; numerical folders need numpy and scipy only; all is short."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sklearn_onenn"

# From the ground up: the folders and flat modules of the package. Each imports from those before it, and
# inside a folder modules may import each other as long as there is no circle.
ORDER = [
    *("_typing", "_version", "_activation_properties", "_activation_base", "activations", "scores"),
    *("_data", "_network", "_probabilistic_metrics", "metrics", "theory"),
    *("_optimization", "_tensor", "_selection", "_search", "_inference", "certificate", "datasets"),
    *("_validation", "_callbacks", "_conversion", "_persistence", "_prediction"),
    *("_regressor", "displays", "dask", "onnx"),
]
# Lines of a module, and of the body of a function without its docstring.
MODULE_LINES, FUNCTION_LINES = 350, 40
# Modules that are long because of documentation: of one class, and of one class for each activation.
LONG_MODULES = {"_regressor", "activations"}
# The method itself, and what it imports beside the standard library, as prefixes.
NUMERICAL = {"_data", "_network", "_optimization", "_tensor", "_selection", "_search", "datasets"}
NUMERICAL_IMPORTS = {"numpy", "scipy", "sklearn.utils.check_random_state"}
MORE_IMPORTS = {
    "_data.rows": {"threadpoolctl"},
    "_search.multistart": {"sklearn.utils.parallel"},
    "_search.reference": {"sklearn.linear_model", "sklearn.neighbors"},
    # Public functions, which validate what they are given:
    "_tensor.initialization": {"sklearn.utils"},
    "datasets": {"sklearn.utils"},
}


def requirements():
    """Import names of the run-time dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in project["dependencies"]}
    return {"sklearn" if name == "scikit-learn" else name for name in names}


def dotted_names(node, folder):
    """Full names that an import statement binds; those of the package itself start with a dot.

    ``folder`` is that of the module, as a list: empty for the flat modules.
    """
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif node.level == 0:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        prefix = [*folder[: len(folder) - node.level + 1], *(node.module or "").split(".")]
        prefix = "".join(f".{part}" for part in prefix if part)
        names = [f"{prefix}.{alias.name}" for alias in node.names]
    return [re.sub(r"^sklearn_onenn\.", ".", name) for name in names]


def folder_of(module):
    """The folder of a module, as a list: a package is the module ``__init__`` of its own."""
    return module.split(".")[:-1]


def imports(module, tree):
    """All full names imported anywhere below a node."""
    statements = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    return [name for statement in statements for name in dotted_names(statement, folder_of(module))]


def at_import_time(module, tree):
    """The statements of a module that run when it is imported, nested functions left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from dotted_names(node, folder_of(module))
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from (name for branch in node.orelse for name in at_import_time(module, branch))
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from at_import_time(module, node)


def violations(module, source):
    """Sentences about what a module imports and should not."""
    top = module.split(".")[0]
    if top not in ORDER and top != "__init__":
        return [f"{module} has no place in ORDER"]
    height = len(ORDER) if top == "__init__" else ORDER.index(top)
    tree = ast.parse(source)
    found = []
    for name in imports(module, tree):
        if name.startswith("."):
            target = name.split(".")[1]
            is_inside = target == top and "." in module
            if not is_inside and target not in ORDER[:height]:
                found.append(f"{module} imports {name}, which is not below it")
        elif top in NUMERICAL and not allowed_in_numerical(module, name):
            found.append(f"{module} imports {name}, which is not for numerical modules")
    for name in at_import_time(module, tree):
        package = name.split(".")[0]
        if package and package not in requirements() | sys.stdlib_module_names:
            found.append(f"importing {module} needs {package}, which is optional")
    return found


def allowed_in_numerical(module, name):
    """Whether a numerical module may import this name from outside the package."""
    allowed = NUMERICAL_IMPORTS | MORE_IMPORTS.get(module, set()) | sys.stdlib_module_names
    return any(f"{name}.".startswith(f"{prefix}.") for prefix in allowed)


def circles(sources):
    """Chains of modules that import each other, of a dict from modules to their sources."""
    below = {
        module: {
            other
            for name in imports(module, ast.parse(source))
            for other in sources
            if f"{name}.".startswith(f".{other}.")
        }
        for module, source in sources.items()
    }

    def walk(module, chain):
        if module in chain:
            yield " -> ".join([*chain[chain.index(module) :], module])
            return
        for other in below[module]:
            yield from walk(other, [*chain, module])

    return sorted({circle for module in sources for circle in walk(module, [])})


def name_of(path):
    """A module by its path below the package, such as ``_data.rows``."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


MODULES = {name_of(path): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
FOLDERS = sorted({module.split(".")[0] for module in MODULES if "." in module})


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    assert violations(module, MODULES[module]) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_no_circle(folder):
    inside = {name: source for name, source in MODULES.items() if name.startswith(f"{folder}.")}
    assert len(inside) > 2
    assert circles(inside) == []


@pytest.mark.parametrize(
    ("module", "source", "reason"),
    [
        ("surprise", "", "no place in ORDER"),
        ("_network.loss", "from .._tensor.hermite import third_moment", "not below"),
        ("_network.loss", "from .. import _tensor", "not below"),
        ("_network.loss", "def f():\n    from .._regressor import OneHiddenLayerRegressor", "not below"),
        ("_network.loss", "import sklearn_onenn._search.polish", "not below"),
        ("_network.loss", "from sklearn_onenn._search import polish", "not below"),
        ("certificate", "from .surprise import x", "not below"),
        ("_network.loss", "import sklearn", "not for numerical modules"),
        ("_network.loss", "from sklearn.utils import check_array", "not for numerical modules"),
        ("_data.targets", "def f():\n    import threadpoolctl", "not for numerical modules"),
        ("displays.loss", "class A:\n    import matplotlib.pyplot as plt", "optional"),
        ("displays.loss", "if TYPE_CHECKING:\n    from ..surprise import x", "not below"),
        ("onnx", "try:\n    import onnx\nexcept ImportError:\n    onnx = None", "optional"),
    ],
)
def test_a_wrong_import_is_seen(module, source, reason):
    (violation,) = violations(module, source) or [""]
    assert reason in violation


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("_network.loss", "import numpy as np\nfrom scipy.linalg import eigh\nfrom math import comb"),
        ("_network.loss", "from sklearn.utils import check_random_state"),
        ("_network.loss", "from . import network\nfrom ..activations import get_activation"),
        ("_tensor.initialization", "from sklearn.utils.validation import check_X_y"),
        ("displays.loss", "def plot():\n    import matplotlib.pyplot as plt"),
        ("displays.loss", "if TYPE_CHECKING:\n    from matplotlib.axes import Axes"),
        ("__init__", "from ._regressor import OneHiddenLayerRegressor"),
    ],
)
def test_a_right_import_is_not(module, source):
    assert violations(module, source) == []


def test_a_circle_is_seen():
    sources = {"a.x": "from .y import f", "a.y": "from . import z", "a.z": "from ..a.x import g"}
    assert "a.x -> a.y -> a.z -> a.x" in circles(sources)
    assert circles({"a.x": "from .y import f", "a.y": "from .z import x", "a.z": ""}) == []


def long_functions(source):
    """Names of the functions of a module whose bodies are too long, with their lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[ast.get_docstring(node) is not None :]
            n_lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            if n_lines > FUNCTION_LINES:
                found.append(f"{node.name}: {n_lines}")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_functions_fit_a_screen(module):
    assert long_functions(MODULES[module]) == []


def test_modules_fit():
    long = {module for module, source in MODULES.items() if source.count("\n") > MODULE_LINES}
    assert long == LONG_MODULES


def test_a_long_function_is_seen():
    docstring, statement = '    """A\n\n    B"""\n', "    x = 1\n"
    assert long_functions("def f():\n" + docstring + FUNCTION_LINES * statement) == []
    longer = "class A:\n  def f():\n" + docstring + (FUNCTION_LINES + 1) * statement
    assert long_functions(longer) == [f"f: {FUNCTION_LINES + 1}"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_says_what_its_modules_are(folder):
    """Its docstring names every module of it, in 3 to 10 lines."""
    docstring = ast.get_docstring(ast.parse(MODULES[f"{folder}.__init__"])) or ""
    if folder.startswith("_"):
        assert 3 <= len(docstring.splitlines()) <= 10
        inside = {name.split(".")[1] for name in MODULES if name.startswith(f"{folder}.")}
        assert set(re.findall(r"``(\w+)``", docstring)) >= inside - {"__init__", "floating_point"}


def test_reading_order_lists_the_folders():
    docstring = ast.get_docstring(ast.parse(MODULES["__init__"]))
    listed = re.findall(r"^(_\w+)(?:\.py)? {2,}\S", docstring, flags=re.MULTILINE)
    assert listed == [name for name in ORDER if name in [*FOLDERS, "_regressor"] and name[0] == "_"]
