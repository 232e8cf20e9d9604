"""Benchmarks are run by hand: here only that what they take from the package is there."""

import ast
import importlib
from pathlib import Path

import pytest

BENCHMARKS = sorted((Path(__file__).parents[1] / "examples" / "benchmarks").glob("[a-z]*.py"))


def test_benchmarks_are_found():
    assert {"certificate", "recovery", "scale", "uci"} <= {path.stem for path in BENCHMARKS}


@pytest.mark.parametrize("path", BENCHMARKS, ids=[path.stem for path in BENCHMARKS])
def test_what_a_benchmark_takes_from_the_package_is_there(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklearn_onenn"):
            if node.module == "sklearn_onenn.dask":
                pytest.importorskip("distributed")
            module = importlib.import_module(node.module)
            missing = [name.name for name in node.names if not hasattr(module, name.name)]
            assert not missing
