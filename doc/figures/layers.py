"""The folders of the package from the ground up, and what they import, as the code has them."""

import ast
import re
from itertools import groupby
from pathlib import Path

import matplotlib.pyplot as plt

ROOT = Path("../..")  # the plot directive runs in this folder
PACKAGE = ROOT / "sklearn_onenn"


def strings(node):
    """The strings in a piece of code, as they stand there."""
    found = [part for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return [part.value for part in sorted(found, key=lambda part: (part.lineno, part.col_offset))]


def imported(file):
    """First names, below the package, of what a file imports from outside its folder."""
    depth = len(file.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (name.split(".")[0] for name in names)


tree = ast.parse((ROOT / "tests" / "test_architecture.py").read_text())
order = next(
    strings(node.value)
    for node in tree.body
    if isinstance(node, ast.Assign) and node.targets[0].id == "ORDER"
)
files = {name: [*(PACKAGE / name).glob("*.py")] or [PACKAGE / f"{name}.py"] for name in order}
docstring = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text()))
says = dict(re.findall(r"^(_\w+)(?:\.py)? {2,}(.*)$", docstring, flags=re.MULTILINE))


def is_box(name):
    """Whether this has a box of its own: a folder, or the estimator. Other modules share lines."""
    return name in says or len(files[name]) > 1


figure, axes = plt.subplots(figsize=(6, 6.6), layout="constrained")
middle, top = {}, 0.0
for boxes, names in groupby(order, is_box):
    if not boxes:
        x = 0.15
        for name in names:
            width = 0.165 * len(name) + 0.35
            if x + width > 10:
                x, top = 0.15, top + 0.3
            color = "0.35" if name.startswith("_") else "tab:blue"
            axes.text(x, top + 0.15, name, family="monospace", fontsize=8.5, va="center", color=color)
            x += width
        top += 0.42
        continue
    for name in names:
        n_modules = len(files[name]) - 1  # the docstring is none
        height = 0.9 if name in says else 0.6
        is_public = not name.startswith("_")
        face, color = ("tab:blue", "white") if is_public else ("#cfe0f0", "black")
        axes.add_patch(plt.Rectangle((0, top), 10, height, color=face, linewidth=0))
        y = top + (0.62 * height if name in says else height / 2)
        style = {"va": "center", "color": color}
        axes.text(0.15, y, name, family="monospace", fontsize=11, weight="bold", **style)
        axes.text(0.15, top + 0.24, says.get(name, ""), fontsize=8, **style)
        if n_modules:
            axes.text(9.85, y, f"{n_modules} modules", fontsize=9.5, ha="right", **style)
        middle[name] = top + height / 2
        top += height + 0.12

for name, start in middle.items():
    for other in {other for file in files[name] for other in imported(file)} & middle.keys() - {name}:
        arc = {"arrowstyle": "-|>", "connectionstyle": "arc3,rad=0.45", "shrinkA": 0, "shrinkB": 1}
        color = {"color": "0.35", "linewidth": 0.7, "mutation_scale": 8}
        axes.annotate("", (0, middle[other]), (0, start), arrowprops=arc | color)
axes.text(-3.25, top / 2, "imports point down", rotation=90, ha="center", va="center", fontsize=11)
axes.set(xlim=(-3.5, 10), ylim=(-0.1, top))
axes.axis("off")
