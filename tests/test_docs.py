"""The pages say what the code does: snippets run, links lead somewhere, lists are complete."""

import ast
import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest
from test_docstrings import public_objects

ROOT = Path(__file__).parents[1]
DOC = ROOT / "doc"
PACKAGE = ROOT / "sklearn_onenn"
PAGES = {
    path.relative_to(DOC).with_suffix("").as_posix(): path
    for folder in (DOC, DOC / "user_guide", DOC / "api")
    for path in sorted(folder.glob("*.rst"))
}
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def with_snippets():
    """Names of the pages that have Python snippets."""
    return [name for name, path in PAGES.items() if ">>> " in path.read_text()]


@pytest.mark.parametrize("name", with_snippets())
def test_snippets_run(name):
    result = doctest.testfile(str(PAGES[name]), module_relative=False, optionflags=OPTIONS)
    assert result.attempted > 0
    assert result.failed == 0


def test_a_wrong_snippet_is_seen(tmp_path):
    page = tmp_path / "page.rst"
    page.write_text(">>> 1 + 1\n3\n")
    assert doctest.testfile(str(page), module_relative=False, optionflags=OPTIONS, report=False).failed


@pytest.mark.parametrize("name", PAGES)
def test_python_is_shown_as_snippets_that_run(name):
    assert not re.search(r"code(-block)?:: *(python|pycon)", PAGES[name].read_text())


def functions(path):
    """Names of the functions and classes that a file defines at its top."""
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def page_exists(name):
    """Whether a page is in the tree, or is made of an example."""
    if name == "auto_examples/index":
        return (ROOT / "examples" / "GALLERY_HEADER.rst").is_file()
    if name.startswith("auto_examples/"):
        return (ROOT / "examples" / f"{Path(name).name}.py").is_file()
    return any((DOC / f"{name}{suffix}").is_file() for suffix in (".rst", ".md"))


def broken(name, text):
    """What a page refers to and what is not there."""
    folder = (DOC / name).parent
    for target in re.findall(r":doc:`(?:[^`<]*<)?([^`>]+)>?`|:link: (\S+)", text):
        target = next(filter(None, target))
        path = (DOC / target.lstrip("/")) if target.startswith("/") else (folder / target)
        if not page_exists(path.resolve().relative_to(DOC).as_posix()):
            yield f"page {target}"
    for target in re.findall(r":: (\S+\.py)$", text, flags=re.MULTILINE):
        if not (folder / target).is_file():
            yield f"file {target}"
    for target, code in re.findall(r"literalinclude:: (\S+)\n +:pyobject: (\S+)", text):
        if not (folder / target).is_file() or code not in functions(folder / target):
            yield f"{code} of {target}"
    for target, test in re.findall(r"``(tests/[\w/]+\.py)::(\w+)``", text):
        if not (ROOT / target).is_file() or test not in functions(ROOT / target):
            yield f"{target}::{test}"
    for code, target in re.findall(r"(?:``(\w+)`` (?:in|of)\s+)?``([\w/]+\.py)``", text):
        path = next((root / target for root in (ROOT, PACKAGE) if (root / target).is_file()), None)
        if path is None:
            yield f"file {target}"
        elif code and code not in functions(path):
            yield f"{code} of {target}"
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        if not (folder / target).exists():
            yield f"link {target}"


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    assert list(broken(name, PAGES[name].read_text())) == []


def test_links_of_the_readme_lead_somewhere():
    assert list(broken("../README", (ROOT / "README.md").read_text())) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (":doc:`scale`, :doc:`page <user_guide/model>`, :doc:`/benchmarks/noise`", []),
        (":doc:`nowhere`", ["page nowhere"]),
        (":doc:`page </nowhere>`", ["page /nowhere"]),
        (":doc:`auto_examples/plot_nothing`", ["page auto_examples/plot_nothing"]),
        ("   :link: nowhere\n", ["page nowhere"]),
        (".. plot:: figures/nothing.py", ["file figures/nothing.py"]),
        (
            ".. literalinclude:: ../sklearn_onenn/_network/loss.py\n   :pyobject: nothing",
            ["nothing of ../sklearn_onenn/_network/loss.py"],
        ),
        ("``tests/test_docs.py::nothing``", ["tests/test_docs.py::nothing"]),
        ("``tests/dask/test_dask.py::nothing``", ["tests/dask/test_dask.py::nothing"]),
        ("``tests/test_docs.py``, ``SquaredLoss`` in ``_network/loss.py``", []),
        ("``nothing`` in\n  ``_network/loss.py``", ["nothing of _network/loss.py"]),
        ("``_network/nothing.py``", ["file _network/nothing.py"]),
        ("[page](nowhere.md)", ["link nowhere.md"]),
    ],
)
def test_a_broken_link_is_seen(text, found):
    assert list(broken("index", text)) == found


def test_benchmarks_page_lists_every_benchmark():
    listed = re.findall(r":doc:`benchmarks/(\w+)`", PAGES["benchmarks"].read_text())
    assert sorted(listed) == sorted(path.stem for path in (DOC / "benchmarks").glob("*.md"))


def test_api_pages_list_every_public_object():
    pages = {name: path.read_text() for name, path in PAGES.items() if name.startswith("api/")}
    assert set(re.findall(r"^   (api/\w+)$", PAGES["api"].read_text(), flags=re.MULTILINE)) == set(pages)
    listed = [
        name for text in pages.values() for name in re.findall(r"^   (\w[\w.]+)$", text, re.MULTILINE)
    ]
    public = {name.removeprefix("sklearn_onenn.") for name in public_objects()}
    assert len(listed) == len(set(listed))
    assert set(listed) - {"activations.ACTIVATIONS"} == public


def remote_scripts(text):
    """Addresses in a configuration of sphinx, and defaults that would load something from elsewhere."""
    assigned = {
        target.id: node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for name, value in assigned.items():
        strings = [
            n.value for n in ast.walk(value) if isinstance(n, ast.Constant) and isinstance(n.value, str)
        ]
        if name != "intersphinx_mapping":  # of links, from which nothing is loaded with a page
            yield from (string for string in strings if re.match(r"(https?:)?//", string))
    if "sphinx.ext.mathjax" in text and "mathjax_path" not in assigned:
        yield "MathJax"
    if not re.search(r'"write_computation_times": False', text):
        yield "tables of computation times"


def test_pages_load_nothing_from_elsewhere():
    assert list(remote_scripts((DOC / "conf.py").read_text())) == []
    assert [path for path in DOC.glob("_static/*") if re.search(r"(https?:)?//", path.read_text())] == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (
            "mathjax_path = MATHJAX.name",
            'mathjax_path = "https://example.org/m.js"',
            "https://example.org/m.js",
        ),
        ("mathjax_path = MATHJAX.name", "", "MathJax"),
        ('"site.css"', '"//example.org/site.css"', "//example.org/site.css"),
        (
            '"write_computation_times": False',
            '"write_computation_times": True',
            "tables of computation times",
        ),
    ],
)
def test_a_remote_script_is_seen(old, new, found):
    text = (DOC / "conf.py").read_text()
    assert old in text
    assert list(remote_scripts(text.replace(old, new))) == [found]


def linked():
    """Names of scikit-learn that have a link, with their kinds and addresses."""
    lines = (DOC / "sklearn_names.txt").read_text().splitlines()[3:]
    return {name: (kind, address) for name, kind, address in map(str.split, lines)}


def test_names_of_scikit_learn_have_their_links():
    sources = [*PAGES.values(), *PACKAGE.rglob("*.py"), *(ROOT / "examples").glob("*.py")]
    text = "".join(path.read_text() for path in sources)
    mentioned = set(re.findall(r":(class|func|meth):`(?:[^`<]*<)?~?(sklearn\.[\w.]+)>?`", text))
    assert mentioned <= {
        ({"class": "class", "function": "func"}[k], n) for n, (k, _) in linked().items()
    }


@pytest.mark.parametrize("name", linked())
def test_linked_names_are_those_of_scikit_learn(name):
    kind, address = linked()[name]
    assert address == f"modules/generated/{name}.html"
    module, _, short = name.rpartition(".")
    if module == "sklearn.callback":
        pytest.importorskip(module, reason="came with scikit-learn 1.9")
    assert inspect.isclass(getattr(importlib.import_module(module), short)) == (kind == "class")


def test_notation_names_what_the_files_have():
    rows = re.findall(
        r"^     - (``.*``)\n     - ``([\w/]+\.py)``", PAGES["notation"].read_text(), re.MULTILINE
    )
    assert len(rows) == PAGES["notation"].read_text().count(".py``")
    for names, file in rows:
        code = (PACKAGE / file).read_text()
        for name in re.findall(r"``(\w+)``", names):
            assert re.search(rf"\b{name}\b", code), (name, file)
