"""What the tests of sources share; fabricated.py makes their data."""

from pathlib import Path

import pytest


@pytest.fixture
def out(tmp_path) -> Path:
    """Where the stage writes."""
    return tmp_path / "data" / "dataset" / "scenes"
