"""Fixtures for several test files."""

from importlib.util import find_spec

import pytest

from sklearn_onenn._data import blocks as blocks_module

# A script, which reads the command line; and callbacks came with scikit-learn 1.9.
collect_ignore = ["fingerprints.py"] + ([] if find_spec("sklearn.callback") else ["test_callbacks.py"])


@pytest.fixture
def small_blocks(monkeypatch):
    """Seven rows to a block, so that small data have many; returns the number of rows."""
    monkeypatch.setattr(blocks_module, "BLOCK_BYTES", 1)
    monkeypatch.setattr(blocks_module, "MIN_BLOCK_ROWS", 7)
    return 7
