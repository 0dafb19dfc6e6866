"""Clones of the project with stubs for stages: one of all rows, asked once, and smaller ones for real changes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.clones import FEW_ROWS, TWO_ROWS, Clone, copy_project, keep_rows, use_stubs


@pytest.fixture(scope="session")
def lock(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What dvc resolves and records of the whole pipeline, all rows of it, when every stage is up to date."""
    clone = copy_project(tmp_path_factory.mktemp("whole") / "project")
    use_stubs(clone)
    clone.reproduce()
    return clone.lock()


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with stubs and FEW_ROWS, all up to date and committed. Do not change it: use `clone`."""
    clone = copy_project(tmp_path_factory.mktemp("few") / "project")
    use_stubs(clone)
    keep_rows(clone, FEW_ROWS)
    clone.reproduce()
    clone.commit()
    return clone


@pytest.fixture
def clone(reproduced: Clone) -> Iterator[Clone]:
    """The reproduced clone; what a test changes is put back after it."""
    yield reproduced
    reproduced.run("git", "checkout", "--quiet", "--force", "main")
    reproduced.run("git", "clean", "--quiet", "--force")
    reproduced.dvc("checkout", "--force", "--quiet")


@pytest.fixture
def small(tmp_path: Path) -> Clone:
    """A clone of a test's own with stubs and TWO_ROWS, in which nothing has run."""
    clone = copy_project(tmp_path / "project")
    use_stubs(clone)
    keep_rows(clone, TWO_ROWS)
    clone.commit()
    return clone
