"""Another folder of data, or a changed file in it, is other data: real dvc, real `source`, `download` and `boxes`."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.studies import queue
from tests.download.fabricated import make_camvid
from tests.pipeline.clones import ENVIRONMENT, TWO_ROWS, Clone, copy_project, keep_rows, ran

pytestmark = pytest.mark.integration

Repro = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone for CamVid, beside two copies of it of the same content, a and b."""
    folder = tmp_path_factory.mktemp("source")
    clone = copy_project(folder / "project")
    keep_rows(clone, TWO_ROWS)
    clone.edit("params.yaml", "dataset", "camvid")
    clone.commit()
    for name in "ab":
        make_camvid(folder / name)
    return clone


@pytest.fixture
def repro(project: Clone) -> Repro:
    """Run `dvc repro boxes` with CAMVID_ROOT on one of the copies, another path, or unset."""

    def call(root: str | None) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in ENVIRONMENT.items() if name not in ("CAMVID_ROOT", "DVC_ROOT")}
        environ |= {} if root is None else {"CAMVID_ROOT": str(project.path.parent / root)}
        command = [sys.executable, "-m", "dvc", "repro", "boxes"]
        return subprocess.run(command, cwd=project.path, env=environ, capture_output=True, text=True, check=False)

    return call


def listed_root(project: Clone) -> Path:
    """The place that the manifest says."""
    return Path(json.loads((project.path / "data/camvid/scenes/manifest.json").read_text())["root"])


def test_other_data_run_again_and_the_same_do_not(project: Clone, repro: Repro) -> None:
    a, b = (project.path.parent / name for name in "ab")
    assert {"download", "boxes"} <= ran(repro("a").stdout)
    assert listed_root(project) == a
    assert not ran(repro("a").stdout)
    assert {"download", "boxes"} <= ran(repro("b").stdout)
    assert listed_root(project) == b
    assert not ran(repro("b").stdout)

    # A label file that was written again
    file = b / "trainannot" / "train_000000.png"
    file.write_bytes(file.read_bytes())
    assert ran(repro("b").stdout) == {"download"}  # the manifest is the same, so boxes are

    # A place that there is not, though results are there
    done = repro("nope")
    assert done.returncode != 0 and "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "CAMVID_ROOT is" in errors[0] and "which is no folder" in errors[0]
    assert listed_root(project) == b

    # No variable: the place of before, and a line that says so
    done = repro(None)
    assert not ran(done.stdout)
    assert f"note: CAMVID_ROOT is not set; using {b}, which it named before" in done.stderr

    # What was cached of a does not come back under b
    assert not ran(repro("a").stdout)
    assert listed_root(project) == a
    project.run("make", "clean")
    assert repro("b").returncode == 0
    assert listed_root(project) == b
    project.run("make", "clean")
    (project.path / "dvc.lock").unlink()
    assert repro("b").returncode == 0
    assert listed_root(project) == b


@pytest.mark.slow
def test_a_queued_copy_finds_the_place_that_the_main_repository_remembers(
    project: Clone, repro: Repro, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert repro("a").returncode == 0
    project.commit()
    monkeypatch.delenv("CAMVID_ROOT", raising=False)
    monkeypatch.setattr(queue, "POLL_SECONDS", 1.0)
    monkeypatch.setattr(queue, "PATIENCE", 60)
    queue.work(project.path, [queue.Task("other", "boxes", ("data_seed=7",))], 1, lambda task, left: None)
    said = project.dvc("queue", "logs", "other")
    assert f"CAMVID_ROOT is not set; using {project.path.parent / 'a'}" in said.stdout + said.stderr
