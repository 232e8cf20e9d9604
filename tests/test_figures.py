"""The figures of the start page show something."""

import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

FIGURES = Path(__file__).parents[1] / "doc" / "figures"


@pytest.fixture
def figure_of(monkeypatch):
    """The figure that a script of the documentation draws, in the folder where the site runs it."""

    def draw(name):
        monkeypatch.chdir(FIGURES)
        plt.close("all")
        runpy.run_path(str(FIGURES / name))
        return plt.gcf()

    yield draw
    plt.close("all")


def test_peers_have_bars_as_high_as_their_shares(figure_of):
    axes = figure_of("peers.py").axes[0]
    n_sizes, models = len(axes.get_xticks()), axes.get_legend_handles_labels()[1]
    assert len(models) == 5
    assert n_sizes >= 3
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    assert [len(of_model) for of_model in heights] == [n_sizes] * 5
    assert heights[models.index("sklearn_onenn")] == [1.0] * n_sizes
    assert all(0 <= height <= 1 for of_model in heights for height in of_model)
    assert max(heights[models.index("MLPRegressor (L-BFGS)")]) > 0


@pytest.mark.parametrize("name", ["weights.py", "layers.py"])
def test_other_figures_are_not_empty(figure_of, name):
    figure = figure_of(name)
    drawn = [
        artist for axes in figure.axes for artist in (*axes.collections, *axes.lines, *axes.patches)
    ]
    assert drawn
