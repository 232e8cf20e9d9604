"""The layers of the package, as tests/test_architecture.py holds them."""

import ast
from pathlib import Path

import matplotlib.pyplot as plt

ROOT = Path("../..")  # the plot directive runs in this folder
tree = ast.parse((ROOT / "tests" / "test_architecture.py").read_text())
layers = next(
    ast.literal_eval(node.value)
    for node in tree.body
    if isinstance(node, ast.Assign) and node.targets[0].id == "LAYERS"
)
# Modules that are not there yet have a place in the list, but none in the picture.
layers = [sorted(m for m in layer if (ROOT / "sklearn_onenn" / f"{m}.py").exists()) for layer in layers]
layers = [layer for layer in layers if layer]


def rows_of(layer, width=100):
    """The modules of a layer in rows of at most so many letters."""
    rows = [[]]
    for module in layer:
        if rows[-1] and sum(len(name) + 4 for name in rows[-1]) + len(module) > width:
            rows.append([])
        rows[-1].append(module)
    return rows


heights, height = [], 0.0
for layer in layers:
    rows = rows_of(layer)
    heights.append([height + 0.62 * number for number in range(len(rows))])
    height += 0.62 * len(rows) + 0.38

figure, axes = plt.subplots(figsize=(9, 0.5 * height), layout="constrained")
for layer, places in zip(layers, heights, strict=True):
    for row, y in zip(rows_of(layer), places, strict=True):
        x = -sum(len(name) + 4 for name in row) / 2
        for module in row:
            public = not module.startswith("_")
            axes.text(
                x + len(module) / 2 + 2, y, module, ha="center", va="center", family="monospace",
                fontsize=8.5, color="white" if public else "black",
                bbox={"boxstyle": "round,pad=0.35", "edgecolor": "none",
                      "facecolor": "tab:blue" if public else "0.88"},
            )  # fmt: skip
            x += len(module) + 4
axes.annotate("", (-56, -0.3), (-56, height - 0.6), arrowprops={"arrowstyle": "->", "color": "0.4"})
axes.text(-58, height / 2 - 0.5, "imports", rotation=90, ha="center", va="center", color="0.4")
axes.set(xlim=(-60, 56), ylim=(-0.5, height - 0.4))
axes.axis("off")
