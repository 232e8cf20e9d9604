"""Everything public is documented in the numpydoc way, with examples that the tests run."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from numpydoc.validate import ERROR_MSGS, validate

import sklearn_onenn

MODULES = [
    importlib.import_module(f"sklearn_onenn.{module.name}")
    for module in pkgutil.iter_modules(sklearn_onenn.__path__)
    if not module.name.startswith("_")
]


def is_code(member):
    """Whether this is a function or a class of the package."""
    return (inspect.isclass(member) or inspect.isfunction(member)) and (
        member.__module__.startswith("sklearn_onenn")
    )


def public_objects():
    """Functions and classes in ``__all__`` of the package and of its public modules.

    Modules without ``__all__`` count with what they define.
    """
    found = {name: getattr(sklearn_onenn, name) for name in sklearn_onenn.__all__}
    for module in MODULES:
        defined = [
            name
            for name, member in vars(module).items()
            if not name.startswith("_") and getattr(member, "__module__", "") == module.__name__
        ]
        for name in getattr(module, "__all__", defined):
            found[f"{module.__name__}.{name}"] = getattr(module, name)
    return {name: member for name, member in found.items() if is_code(member)}


def public_methods():
    """Public methods that the package defines, of its public classes."""
    return {
        f"{owner_name}.{name}": method
        for owner_name, owner in public_objects().items()
        if inspect.isclass(owner)
        for name, method in inspect.getmembers(owner, inspect.isroutine)
        if not name.startswith("_") and is_code(getattr(method, "__func__", method))
    }


def sections(docstring):
    """Sections of a numpydoc docstring by title; the text before the first is the summary."""
    text = "summary\n-------\n" + inspect.cleandoc(docstring or "")
    parts = re.split(r"^(\w[\w ]*)\n-{3,}$", text, flags=re.MULTILINE)
    return {title: body.strip("\n") for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def documented(section):
    """Names that a Parameters or Attributes section documents, in order."""
    heads = re.findall(r"^(\*{0,2}\w.*?)(?: ?:.*)?$", section, flags=re.MULTILINE)
    return [name.strip("* ") for head in heads for name in head.split(",")]


def problems(member, docstring, required):
    """Sentences about what a docstring lacks."""
    found = sections(docstring)
    missing = [f"no {title} section" for title in required if not found.get(title)]
    if not found["summary"].split("\n\n")[0].endswith("."):
        missing.append("no summary")
    if "Examples" in required and not doctest.DocTestParser().get_examples(docstring or ""):
        missing.append("no runnable example")
    wanted = [name for name in inspect.signature(member).parameters if name != "self"]
    parameters = documented(found.get("Parameters", ""))
    attributes = documented(found.get("Attributes", ""))  # where records document their fields
    if parameters != [name for name in wanted if name in parameters]:
        missing.append(f"Parameters are {wanted}, documented are {parameters}")
    undocumented = sorted(set(wanted) - {*parameters, *attributes})
    return missing + [f"parameter {name} is not documented" for name in undocumented]


@pytest.mark.parametrize("name", public_objects())
def test_public_names_are_documented(name):
    member = public_objects()[name]
    required = ["Examples"] if inspect.isclass(member) else ["Examples", "Returns"]
    if hasattr(member, "fit"):
        required.append("Attributes")
    assert problems(member, member.__doc__, required) == []


@pytest.mark.parametrize(
    "name", ["OneHiddenLayerRegressor", "sklearn_onenn.dask.DaskOneHiddenLayerRegressor"]
)
def test_what_most_users_need_comes_first(name):
    parameters = list(inspect.signature(public_objects()[name]).parameters)
    assert parameters[:4] == ["k", "activation", "keep_covariance", "random_state"]


@pytest.mark.parametrize("name", public_methods())
def test_public_methods_are_documented(name):
    method = public_methods()[name]
    assert problems(method, inspect.getdoc(method), ["Returns"]) == []


# Checks of numpydoc that are not made, and why.
NOT_CHECKED = {
    "ES01": "a summary may say it all",
    "EX01": "examples are asked for above, of methods they are not",
    "GL01": "summaries begin on the first line, which numpydoc allows from 1.11 on",
    "GL08": "overridden methods inherit their docstring, see above",
    "PR01": "records document their fields as attributes, see above",
    "PR07": "a name and a type may say it all",
    "PR08": "formulas begin descriptions",
    "RT02": "a single value may have a name",
    "RT03": "a name and a type may say it all",
    "SA01": "the API page has the neighbours",
    "SS02": "formulas begin summaries",
}


@pytest.mark.parametrize("name", [*public_objects(), *public_methods()])
def test_numpydoc_finds_no_fault(name):
    path = name if name.startswith("sklearn_onenn.") else f"sklearn_onenn.{name}"
    faults = [fault for fault in validate(path)["errors"] if fault[0] not in NOT_CHECKED]
    assert faults == []


def test_checks_that_are_left_out_exist():
    assert NOT_CHECKED.keys() < ERROR_MSGS.keys()


def test_examples_are_run(pytestconfig):
    assert pytestconfig.getoption("doctestmodules")
    assert "sklearn_onenn" in pytestconfig.getini("testpaths")


FINDER = doctest.DocTestFinder(exclude_empty=True)
PACKAGE = Path(sklearn_onenn.__file__).parent


def with_examples(docstrings):
    """Those docstrings that have examples, without their indentation."""
    found = (inspect.cleandoc(docstring or "") for docstring in docstrings)
    return {docstring for docstring in found if doctest.DocTestParser().get_examples(docstring)}


def written_examples():
    """Docstrings with examples that stand in the files of the package."""
    nodes = [node for path in PACKAGE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef
    return with_examples(ast.get_docstring(node) for node in nodes if isinstance(node, kinds))


def collected_examples():
    """Docstrings with examples that doctest finds, module by module."""
    inside = pkgutil.walk_packages(sklearn_onenn.__path__, "sklearn_onenn.")
    modules = [sklearn_onenn, *(importlib.import_module(module.name) for module in inside)]
    return with_examples(test.docstring for module in modules for test in FINDER.find(module))


def failures(method):
    """How many of the examples of a method fail."""
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    return sum(runner.run(test).failed for test in FINDER.find(method, method.__qualname__))


def test_no_example_is_missed():
    """doctest misses methods of a class that stands in one module and is known by another.

    They are run here.
    """
    missed = written_examples() - collected_examples()
    methods = {inspect.getdoc(method): method for method in public_methods().values()}
    assert [docstring for docstring in missed if docstring not in methods] == []
    assert [name for name in missed if failures(methods[name])] == []


def test_a_missed_example_is_seen(monkeypatch):
    method = sklearn_onenn.OneHiddenLayerRegressor.certificate
    assert failures(method) == 0
    monkeypatch.setattr(method, "__doc__", f"{method.__doc__}\n\n        >>> 1 + 1\n        3\n")
    assert with_examples([method.__doc__]).isdisjoint(collected_examples())
    assert failures(method) == 1


GOOD = """Add two numbers.

    Parameters
    ----------
    a, b : float

    Returns
    -------
    float

    Examples
    --------
    >>> 1 + 1
    2
    """


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        (GOOD, ""),
        (None, "no summary"),
        (GOOD.replace("Add two numbers.", "Adds"), "no summary"),
        (GOOD.replace("Returns", "Yields"), "no Returns section"),
        (GOOD.replace(">>>", ""), "no runnable example"),
        (GOOD.replace("a, b", "a"), "parameter b is not documented"),
        (GOOD.replace("a, b", "b, a"), "Parameters are ['a', 'b'], documented are ['b', 'a']"),
        (GOOD.replace("a, b", "a, b, c"), "documented are ['a', 'b', 'c']"),
    ],
)
def test_a_poor_docstring_is_seen(docstring, expected):
    found = problems(lambda a, b: a + b, docstring, ["Returns", "Examples"])
    assert bool(found) == bool(expected)
    assert expected in " ".join(found)
