"""Rows over machines: each job in a clone of its own, all of them through a DVC remote."""

import shutil
import subprocess
from pathlib import Path

import pytest

from stages.config import load, stage_name
from tests.pipeline.clones import ENVIRONMENT, TWO_ROWS, Clone, ran

pytestmark = pytest.mark.integration

SCRIPT = "cluster/rows.sbatch"


@pytest.fixture
def project(small: Clone, tmp_path: Path) -> Clone:
    """The small clone with a folder as its DVC remote."""
    small.dvc("remote", "add", "--local", "--default", "store", str(tmp_path / "store"))
    return small


def job(project: Clone, index: int) -> subprocess.CompletedProcess[str]:
    """What SLURM runs for one index of the array."""
    environ = ENVIRONMENT | {"SLURM_SUBMIT_DIR": str(project.path), "SLURM_ARRAY_TASK_ID": str(index)}
    return subprocess.run(["bash", SCRIPT], cwd=project.path, env=environ, capture_output=True, text=True, check=False)


def last_step(project: Clone, elsewhere: Path) -> set[str]:
    """The stages that run in a new clone which has only the remote's address."""
    project.run("git", "clone", "--quiet", str(project.path), str(elsewhere))
    clone = Clone(elsewhere)
    shutil.copy(project.path / ".dvc" / "config.local", elsewhere / ".dvc")
    return ran(clone.dvc("repro", "--pull", "gather").stdout)


@pytest.mark.slow
def test_two_jobs_share_the_rows_and_the_last_step_trains_nothing(project, tmp_path):
    for index, row in enumerate(TWO_ROWS):
        done = job(project, index)
        assert done.returncode == 0, done.stderr
        assert stage_name("evaluate", row, load().rows[row], 0) in done.stdout
        assert not (project.path / ".clones" / str(index)).exists()
    stages = last_step(project, tmp_path / "elsewhere")
    assert "gather" in stages
    assert not {name for name in stages if name.startswith(("train", "evaluate"))}
    for row in TWO_ROWS:
        assert (tmp_path / "elsewhere" / "runs" / row / "seed-0" / "record.json").is_file()
    again = job(project, 0)
    assert again.returncode == 0, again.stderr
    assert not {name for name in ran(again.stdout) if name.startswith(("train", "evaluate"))}


@pytest.mark.slow
def test_jobs_that_share_a_cache_pack_the_data_once(project, tmp_path):
    project.dvc("cache", "dir", "--local", str(tmp_path / "cache"))
    project.dvc("repro", "boxes")
    done = job(project, 0)
    assert done.returncode == 0, done.stderr
    assert ran(done.stdout) == {f"train-one-pool@{TWO_ROWS[0]}-0", f"evaluate-one-pool@{TWO_ROWS[0]}-0"}


@pytest.mark.slow
def test_a_job_that_is_cut_off_leaves_its_clone_to_the_next_one(project):
    (project.path / "stub.py").write_text("import sys; sys.exit('out of luck')\n")
    project.commit()
    assert job(project, 1).returncode != 0
    clone = project.path / ".clones" / "1"
    (clone / ".checkpoints").mkdir()
    assert job(project, 1).returncode != 0
    assert (clone / ".checkpoints").is_dir()
    shutil.rmtree(clone / ".git")  # what is left of a clone that was being made, or deleted, is no clone
    assert job(project, 1).returncode != 0
    assert (clone / ".git").is_dir()
    assert not (clone / ".checkpoints").exists()
    (clone / ".checkpoints").mkdir()
    (project.path / "README.md").write_text("another commit\n")
    project.commit()
    assert job(project, 1).returncode != 0
    assert not (clone / ".checkpoints").exists()


@pytest.mark.parametrize(
    ("spoil", "index", "message"),
    [
        (lambda project: None, 2, "array index 2; allowed with 2 rows and seeds: 0 to 1"),
        (lambda project: project.edit("params.yaml", "tau", 2.0), 0, "has changes that are not committed"),
        (lambda project: (project.path / ".dvc" / "config.local").unlink(), 0, "has no default DVC remote"),
    ],
)
def test_what_cannot_be_trained_is_told_in_one_line(project, spoil, index, message):
    spoil(project)
    done = job(project, index)
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.skipif(
    not shutil.which("sbatch") or subprocess.run(["sinfo"], capture_output=True, check=False).returncode != 0,
    reason="needs a SLURM that runs",
)
def test_slurm_runs_the_array_as_it_is(project, tmp_path):
    submitted = subprocess.run(
        ["sbatch", "--wait", f"--array=0-{len(TWO_ROWS) - 1}", "--cpus-per-task=1", SCRIPT],
        cwd=project.path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    logs = "".join(log.read_text() for log in sorted(project.path.glob("rows-*.log")))
    assert submitted.returncode == 0, submitted.stderr + logs
    assert not {name for name in last_step(project, tmp_path / "elsewhere") if name.startswith(("train", "evaluate"))}
