"""What all tests share."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny tensors: a second thread costs more than it brings


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked `gpu` where there is none."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in miniature that no test may change."""
    from tests import miniature

    return miniature.make(tmp_path_factory.mktemp("miniature") / "project")


@pytest.fixture
def project(untouched: Path, tmp_path: Path) -> Path:
    """A project in miniature of a test's own."""
    return Path(shutil.copytree(untouched, tmp_path / "project"))


@pytest.fixture(scope="session")
def comparison(untouched: Path) -> Any:
    """The miniature's results beside the paper's numbers."""
    from stages import config
    from stages.analysis import paper, results
    from stages.report.paper_tables import Comparison

    settings = config.load(untouched)
    found, skipped = results.results(settings, untouched), results.left_out_rows(untouched)
    return Comparison(paper.load(untouched), settings.rows, "synthetic", found, skipped)


@pytest.fixture
def with_reference(project: Path) -> Path:
    """A project whose every row has reference runs on synthetic scenes."""
    from tests import miniature

    miniature.write_reference(project)
    return project
