"""What the README says is what happens."""

import contextlib
import io
import re
import subprocess
import tomllib
from pathlib import Path

import sklearn_onenn

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language):
    """Contents of the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def test_example_recovers_the_planted_network():
    (example,) = blocks("python")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(example, "README.md", "exec"), {"__name__": "__main__"})
    (error,) = re.findall(r"recovery error: (\S+)", output.getvalue())
    assert float(error) < 1e-6


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
