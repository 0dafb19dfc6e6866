"""The project as a web page's archive has it, without git."""

import subprocess
from pathlib import Path

import pytest

from tests.pipeline.clones import ENVIRONMENT, copy_project


def git(root: Path, *command: str) -> str:
    """What git prints in `root`."""
    done = subprocess.run(["git", *command], cwd=root, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return done.stdout


def make(root: Path) -> str:
    """What `make identity`, which every run of the pipeline starts with, prints."""
    command = ["make", "--silent", "identity"]
    return subprocess.run(command, cwd=root, env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout


@pytest.mark.integration
def test_an_unpacked_archive_becomes_a_repository_that_dvc_works_in(tmp_path: Path) -> None:
    clone = copy_project(tmp_path / "project")
    clone.run("rm", "-rf", ".git")
    assert clone.dvc("status", check=False).returncode != 0  # why it has to
    assert make(clone.path) == "no git repository here, as in an archive: making one, with one commit\n"
    assert git(clone.path, "status", "--porcelain") == ""
    assert git(clone.path, "log", "--format=%s") == "The project as unpacked\n"
    assert clone.dvc("status", "--json", "validate").returncode == 0
    assert make(clone.path) == "" and git(clone.path, "log", "--format=%s") == "The project as unpacked\n"
