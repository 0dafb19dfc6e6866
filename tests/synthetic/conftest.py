"""What the tests of synthetic scenes share."""

from pathlib import Path

import pytest

from stages.synthetic.solids import Solid


@pytest.fixture
def out(tmp_path) -> Path:
    """Where the stage writes."""
    return tmp_path / "data" / "dataset" / "scenes"


@pytest.fixture
def no_shadows(monkeypatch):
    """Things leave the ground as it is, so that all that they paint is their own."""
    monkeypatch.setattr(Solid, "shadow", lambda *_: None)
