"""A project that has its settings and grids, and nothing else."""

import shutil
from pathlib import Path

import pytest

from stages.paths import ROOT


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with params.yaml, configs/ and studies/."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    for folder in ("configs", "studies"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path
