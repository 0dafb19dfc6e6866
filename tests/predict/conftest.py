"""A project and its runs, made once."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from stages.model.predictor import Predictor
from stages.predict.finished_run import open_run
from tests.predict import trained


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a project with packed scenes that no test may change."""
    return trained.write_project(tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="session")
def run_of(scenes: Path) -> Callable[[str], Path]:
    """A function that returns the folder of a row's run."""
    return cache(lambda row: trained.train_run(scenes, row))


@pytest.fixture(scope="session")
def predictor_of(run_of: Callable[[str], Path]) -> Callable[[str], Predictor]:
    """A function that returns the predictor of a row's run, on the CPU."""
    return cache(lambda row: open_run(run_of(row), torch.device("cpu")))
