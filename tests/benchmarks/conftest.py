"""The tiny project as fixtures."""

from pathlib import Path

import pytest

from stages import config
from tests.train.tiny import write_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the tiny dataset, 12 steps of batches of 4 and a quarter-width network."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    write_project(tmp_path)
    return tmp_path


@pytest.fixture
def settings(project: Path) -> config.Settings:
    return config.load(project)
