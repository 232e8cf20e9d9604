"""What the README says is what happens."""

import contextlib
import io
import os
import re
import runpy
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

import sklearn_onenn

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    """Contents of the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def printed_by(example):
    """What an example of the README prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(example, "README.md", "exec"), {"__name__": "__main__"})
    return output.getvalue()


def test_examples_recover_the_planted_network_and_predict_real_data():
    real, planted = blocks("python")
    (error,) = re.findall(r"recovery error: (\S+)", printed_by(planted))
    assert float(error) < 1e-6
    ((score, inside),) = re.findall(r"R2 (\S+), (\d+)% inside", printed_by(real))
    assert float(score) >= 0.3
    assert 80 <= int(inside) <= 98


def test_commands_are_one_line_each_and_start_from_nothing():
    commands = blocks("bash")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert len(commands) == 2
    for command in commands:
        assert command.count("\n") == 1
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
        assert re.search(r'"\.\[(\w+)\]"', command)[1] in project["optional-dependencies"]
        for script in re.findall(r"\S+\.py", command):
            assert (ROOT / script).is_file()


def test_ci_runs_the_test_command(tmp_path):
    script = ROOT / ".ci" / "run"
    dry_run = subprocess.run(
        ["bash", script, "--dry-run"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert dry_run.stdout == blocks("bash")[1]


# In place of Python, of the pytest of the environment and of its Python: they tell what they are asked.
FAKE_PYTHON3 = """#!/bin/sh
echo "python3 $*"
mkdir -p "$3/bin" && cp "$0.pytest" "$3/bin/pytest" && cp "$0.python" "$3/bin/python"
"""
FAKE_PYTEST = """#!/bin/sh
echo "pytest with ${OPENBLAS_CORETYPE:-its own}: $*"
echo "closing line"
[ "${OPENBLAS_CORETYPE:-its own}" != "$FAILING" ]
"""
FAKE_PYTHON = """#!/bin/sh
echo Haswell && echo Prescott
"""


@pytest.mark.parametrize(
    ("failing", "expected"),
    [
        ("none", ["its own", "Haswell", "Prescott"]),
        ("its own", ["its own"]),
        ("Haswell", ["its own", "Haswell"]),
        ("Prescott", ["its own", "Haswell", "Prescott"]),
    ],
)
def test_ci_runs_pages_and_snippets_with_more_kernels(tmp_path, failing, expected):
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / "README.md").write_text("python3 -m venv .venv && .venv/bin/pytest\n")
    for name, text in [("", FAKE_PYTHON3), (".pytest", FAKE_PYTEST), (".python", FAKE_PYTHON)]:
        program = tmp_path / f"python3{name}"
        program.write_text(text)
        program.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "FAILING": failing}
    environment.pop("OPENBLAS_CORETYPE", None)
    run = subprocess.run(
        ["bash", tmp_path / ".ci" / "run"], env=environment, capture_output=True, text=True, check=False
    )
    assert (run.returncode == 0) == (failing == "none")
    assert run.stdout.splitlines()[-1] == "closing line"
    runs = re.findall("^pytest with (.*): (.*)$", run.stdout, flags=re.MULTILINE)
    assert [kernel for kernel, _ in runs] == expected
    for _, arguments in runs[1:]:
        *files, package = arguments.split()
        assert [Path(file).stem for file in files] == ["test_docs", "test_docstrings", "test_readme"]
        assert all((ROOT / path).exists() for path in (*files, package))


KERNELS = runpy.run_path(str(ROOT / ".ci" / "kernels.py"))


@pytest.mark.parametrize(
    ("picked", "flags", "expected"),
    [
        ("SkylakeX", {"pni", "avx", "avx2", "fma", "avx512f"}, ["Haswell", "Prescott"]),
        ("Haswell", {"pni", "avx", "avx2", "fma"}, ["Prescott", "Sandybridge"]),
        ("Sandybridge", {"pni", "sse4_2", "avx"}, ["Prescott", "Nehalem"]),
        ("Prescott", {"pni"}, []),
        ("mkl", {"pni", "avx", "avx2", "fma"}, []),
        ("neoversen1", set(), []),
    ],
)
def test_kernels_are_others_that_the_processor_can_run(picked, flags, expected):
    """By their names in force: a library that knows but one has the same, whatever is asked for."""

    def in_force(kernel=None):
        known = picked in ("SkylakeX", *KERNELS["CANDIDATES"])
        return kernel if kernel and known else picked

    assert KERNELS["others"](in_force, flags) == expected


def test_flags_are_those_of_linux(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    assert KERNELS["flags"](cpuinfo) == set()
    cpuinfo.write_text("model\t: 1\nflags\t\t: fpu pni avx\n")
    assert KERNELS["flags"](cpuinfo) >= {"fpu", "pni", "avx"}


def test_the_kernel_asked_for_is_in_force():
    """By the variable of OpenBLAS. Libraries may hold one kernel under two names."""
    asked = os.environ.get("OPENBLAS_CORETYPE")
    libraries = [found for found in threadpool_info() if found["internal_api"] == "openblas"]
    if not asked or not libraries:
        pytest.skip("no kernel of OpenBLAS is asked for")
    names = {asked.lower(), {"prescott": "katmai", "zen": "haswell"}.get(asked.lower())}
    assert {library["architecture"].lower() for library in libraries} <= names


def test_second_sentence_is_not_about_neighbours():
    sentences = re.split(r"(?<=\.)\s+", README.split("\n\n")[1])
    assert len(sentences) == 2
    assert "not about nearest neighbours" in sentences[1]


def test_version_is_in_one_place():
    holders = [
        path.relative_to(ROOT).as_posix()
        for path in [*ROOT.glob("*.*"), *(ROOT / "sklearn_onenn").rglob("*.py")]
        if path.is_file() and f'"{sklearn_onenn.__version__}"' in path.read_text()
    ]
    assert holders == ["sklearn_onenn/_version.py"]
