"""The tiny project as fixtures."""

from pathlib import Path

import pytest

from stages import arrays, config, paths
from stages.train import loop
from tests.train.tiny import write_project


@pytest.fixture(scope="session")
def code() -> str:
    """The hash of the training's code, computed once: it takes as long as a tiny training."""
    return loop.fingerprint(loop.PROGRAMS["train"])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> Path:
    """A project with the tiny dataset, 12 steps of batches of 4 and a quarter-width network."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(loop, "fingerprint", lambda modules: code)
    write_project(tmp_path)
    return tmp_path


@pytest.fixture
def settings(project: Path) -> config.Settings:
    return config.load(project)


@pytest.fixture
def packed(project: Path) -> arrays.Packed:
    return arrays.open_packed(paths.packed("synthetic", project))
