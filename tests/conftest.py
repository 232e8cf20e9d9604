"""Fixtures for several test files."""

import pytest

from sklearn_onenn import _blocks


@pytest.fixture
def small_blocks(monkeypatch):
    """Seven rows to a block, so that small data have many; returns the number of rows."""
    monkeypatch.setattr(_blocks, "BLOCK_ENTRIES", 1)
    monkeypatch.setattr(_blocks, "MIN_BLOCK_ROWS", 7)
    return 7
