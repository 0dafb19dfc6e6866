"""Trainings as processes of their own, as the pipeline and torchrun start them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.train.tiny import REPOSITORY, change


def start(*words: str, cwd: Path, before: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python on this project's code in a folder; `before` is called in the new process first."""
    environ = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=cwd, env=environ, preexec_fn=before, capture_output=True, text=True, check=False, timeout=300
    )


def torchrun(processes: int, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python in several processes that know of each other."""
    options = ["--standalone", f"--nproc-per-node={processes}"]
    return start("-m", "torch.distributed.run", *options, *words, cwd=cwd or REPOSITORY)


def train(root: Path, processes: int, row: str, seed: str = "0") -> subprocess.CompletedProcess[str]:
    """Train as the pipeline does, with `processes` in params.yaml."""
    if processes > 1:
        change(root / "params.yaml", ("processes: 1 ", f"processes: {processes} "))
    (root / "dvc.yaml").touch()  # makes it a project
    return start("-m", "stages.train", "--row", row, "--seed", seed, cwd=root)


def errors(done: subprocess.CompletedProcess[str]) -> str:
    """What a failed process said, in short."""
    return "\n".join(line for line in done.stderr.splitlines() if "Error" in line or "line" in line)[-3000:]
