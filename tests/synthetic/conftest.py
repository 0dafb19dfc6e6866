"""What the tests of synthetic scenes share."""

from pathlib import Path

import pytest


@pytest.fixture
def out(tmp_path) -> Path:
    """Where the stage writes."""
    return tmp_path / "data" / "dataset" / "scenes"
