"""Runs to export, and their files."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from stages.export.__main__ import main
from tests.predict.conftest import predictor_of, run_of, scenes  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def exported(run_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:  # noqa: F811
    """A function that returns the file of a row's run in a format."""

    @cache
    def export(row: str, kind: str) -> Path:
        file = tmp_path_factory.mktemp("exported") / f"network.{kind}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["export", "--run", str(run_of(row)), "--format", kind, "--out", str(file)])
            main()
        return file

    return export
