"""Fixtures of the report room's tests."""

import shutil
from pathlib import Path

import miniature
import pytest

from stages import params
from stages.report import paper, records


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in miniature that no test may change."""
    return miniature.make(tmp_path_factory.mktemp("miniature") / "project")


@pytest.fixture
def project(untouched: Path, tmp_path: Path) -> Path:
    """A project in miniature of a test's own."""
    return Path(shutil.copytree(untouched, tmp_path / "project"))


@pytest.fixture(scope="session")
def inputs(untouched: Path) -> tuple:
    """(paper, settings, results) of the miniature."""
    settings = params.load(untouched)
    return paper.load(untouched), settings, records.results(settings, untouched)


@pytest.fixture
def finals(project: Path) -> Path:
    """A project whose every row has committed trainings on the drawn scenes."""
    miniature.write_finals(project)
    return project
