"""What happens where the system refuses: every stage, in a process of its own, under a limit on the size of files."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.paths import ROOT

LIMITS = {
    "stages.download": 2_000,
    "stages.boxes": 100_000,
    "stages.proposals": 50_000,
    "stages.train": 150_000,
    "stages.evaluate": 1_000,
}
"""Bytes that a file of each stage may have: less than the largest of them needs."""
ARGUMENTS = {
    "stages.train": ["--row", "bce-500", "--seed", "0"],
    "stages.evaluate": ["--row", "bce-500", "--seed", "0"],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a few scenes and steps, in which nothing has run."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "configs", root / "configs")
    shutil.copy(ROOT / "dvc.yaml", root)
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params |= {"steps": 3, "device": "cpu"}
    yaml.dump(params, root / "params.yaml")
    profiles = yaml.load(root / "configs" / "datasets.yaml")
    profiles["profiles"]["synthetic"]["scenes"]["images"] = {"train": 24, "val": 4}
    profiles["profiles"]["synthetic"]["train"]["width"] = 0.25
    yaml.dump(profiles, root / "configs" / "datasets.yaml")
    return root


def run(project: Path, module: str, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run a stage's program in the project, under a limit on the size of files."""

    def lower() -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, "-B", "-m", module, *ARGUMENTS.get(module, [])],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lower,  # noqa: PLW1509 - the test's process has no threads of its own
    )


def left(project: Path) -> set[str]:
    """Names of what is unfinished anywhere in the project."""
    return {path.name for path in project.rglob("*") if path.suffix in (".tmp", ".partial")}


@pytest.mark.integration
def test_every_stage_says_in_one_line_what_it_could_not_write_and_goes_on_when_it_can(project: Path):
    for module, limit in LIMITS.items():
        refused = run(project, module, limit)
        said = [line for line in refused.stderr.replace("\r", "\n").splitlines() if line.startswith("error: ")]
        assert refused.returncode == 1 and "Traceback" not in refused.stderr, (module, refused.stderr)
        assert len(said) == 1 and "file too large; raise the limit on the size of a file" in said[0], (module, said)
        assert str(project) in said[0], (module, said)
        assert not left(project), module
        done = run(project, module)
        assert done.returncode == 0, (module, done.stderr)
