"""`python -m stages.boxes`, as DVC and a user run it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages import paths
from stages.arrays import open_packed
from tests.boxes.painted import crowd

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path, folder):
    """A project folder with the real settings, whose synthetic scenes are a painted crowd."""
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    shutil.copytree(PROJECT / "configs", tmp_path / "configs")
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    crowd(folder, train=6, val=3)
    folder.manifest()
    scenes = paths.scenes("synthetic", tmp_path)
    scenes.parent.mkdir(parents=True)
    folder.root.rename(scenes)
    return tmp_path


def call(project):
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "stages.boxes"]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_it_packs_the_chosen_dataset_and_prints_the_statistics(project):
    done = call(project)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("synthetic")
    assert [line.split()[:3] for line in lines[2:]] == [
        ["train", "6", "car"],
        ["train", "6", "person"],
        ["val", "3", "car"],
        ["val", "3", "person"],
    ]
    packed = open_packed(paths.packed("synthetic", project))
    assert packed.train.images.shape == (6, 64, 128, 3)
    statistics = json.loads((packed.path / "statistics.json").read_text())
    assert statistics["settings"]["min_area"] == 40


def test_a_missing_manifest_is_one_line_and_status_1(project):
    paths.manifest("synthetic", project).unlink()
    done = call(project)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "manifest.json: no such file; `dvc repro download` makes it" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
