"""Trainings through DVC's queue: several at a time, each in a copy of the project of its own.

An experiment's outs lie in DVC's cache when it has ended, so a later `dvc repro` of the same stages finds them there.
"""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from stages.config import Settings
from stages.errors import UserError

POLL_SECONDS = 20.0  # a look at the queue costs two seconds of a core
PATIENCE = 6  # polls without a worker; a busy machine may answer late
RESTARTS = 3  # of workers that are gone
ENDED = ("Success", "Failed")


@dataclass(frozen=True)
class Task:
    """One experiment: its name in DVC, the stage that it ends with, and DVC's `--set-param` values."""

    name: str
    target: str
    changes: tuple[str, ...] = ()


def dvc(root: Path, *arguments: str, stdout: int | None = subprocess.PIPE, **environ: str) -> subprocess.Popen[str]:
    """Start dvc in `root`, with this interpreter's programs first in the search path, so that `python` is this one.

    Args:
        root: The project.
        arguments: Of dvc.
        stdout: As subprocess has it; None goes to the terminal.
        environ: What it and its children see besides this process's environment.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.Popen(command, cwd=root, env=os.environ | {"PATH": path} | environ, stdout=stdout, text=True)


def check(settings: Settings, jobs: int) -> None:
    """Refuse what does not go with several trainings at a time, on machines with several GPUs each on one of its own.

    Raises:
        UserError: Jobs below 1; jobs above 1 with several processes for each training, or a certain device for all.
    """
    if jobs < 1:
        raise UserError(f"--jobs {jobs}: allowed: a whole number from 1")
    chosen = settings.params
    if jobs > 1 and (chosen.processes > 1 or ":" in chosen.device):
        raise UserError(
            f"params.yaml: processes is {chosen.processes} and device is {chosen.device}; "
            f"allowed with {jobs} trainings at a time: processes 1, and device auto, cpu or cuda"
        )


def fingerprint(*parts: Iterable[Path] | str) -> str:
    """Return eight hexadecimal digits of texts and of files' contents.

    In a task's name, they say what state it was made of: so an interrupted queue goes on, and what was trained in
    another state is no answer.
    """
    digest = hashlib.sha256()
    for part in parts:
        for piece in [part.encode()] if isinstance(part, str) else [file.read_bytes() for file in sorted(part)]:
            digest.update(hashlib.sha256(piece).digest())
    return digest.hexdigest()[:8]


def forget(root: Path, start: str, known: Iterable[str]) -> None:
    """Take tasks whose names begin with `start`, but for the known ones and those that run, out of the queue."""
    states, _ = look(root)
    stale = [name for name in states if name.startswith(start) and name not in set(known)]
    if idle := [name for name in stale if states[name] != "Running"]:
        ask(root, "queue", "remove", *idle)


def work(root: Path, tasks: Sequence[Task], jobs: int, on_success: Callable[[Task, int], None]) -> None:
    """Queue the tasks that are not in the queue yet, run `jobs` at a time, and wait for all of them.

    Where dvc's workers are gone before the queue is empty, killed say, what they left is queued again.

    Args:
        on_success: Called with each task that succeeded and the number of tasks to go, as it ends.

    Raises:
        UserError: Some failed, the others have ended; or dvc's workers were gone again and again.
    """
    waiting, failed, restarts = list(tasks), [], 0
    while waiting:
        _enqueue(root, waiting)
        _start_workers(root, jobs)
        try:
            waiting, ended = _wait(root, waiting, on_success)
        except KeyboardInterrupt:
            print("\nStopped waiting: dvc's workers go on; `dvc queue stop --kill` ends them.", file=sys.stderr)
            raise
        failed += ended
        restarts += 1
        if waiting and restarts > RESTARTS:
            raise UserError(f"dvc's workers were gone {restarts} times, {len(waiting)} runs to go: run this again")
        if waiting:
            print(f"note: dvc's workers are gone, {len(waiting)} runs to go: starting others", file=sys.stderr)
    if failed:
        raise UserError(f"{', '.join(failed)} failed: `dvc queue logs {failed[0]}` says why")


def _enqueue(root: Path, tasks: Iterable[Task]) -> None:
    """Queue the tasks that are not in the queue, that failed before, or that run by no worker."""
    states = _without_stale(root, {task.name for task in tasks})
    for task in tasks:
        state = states.get(task.name)
        if state == "Failed":
            ask(root, "queue", "remove", task.name)
        if state in (None, "Failed"):
            sets = [word for change in task.changes for word in ("--set-param", change)]
            ask(root, "exp", "run", "--queue", "--name", task.name, *sets, task.target)


def _without_stale(root: Path, names: Set[str]) -> dict[str, str]:
    """Return the tasks' states, after what dvc still calls running without any worker was ended, and so failed."""
    silent = 0
    while True:
        states, workers = look(root)
        stale = [name for name in names if states.get(name) == "Running"]
        if workers or not stale:
            return states
        silent += 1
        if silent > PATIENCE:
            ask(root, "queue", "kill", *sorted(stale))
        time.sleep(1)  # what outlived its worker takes a moment to end


def _wait(root: Path, waiting: list[Task], on_success: Callable[[Task, int], None]) -> tuple[list[Task], list[str]]:
    """Wait until all have ended or the workers are gone; return the tasks that have not ended, and who failed."""
    failed, silent = [], 0
    while waiting and silent <= PATIENCE:
        states, workers = look(root)
        silent = 0 if workers else silent + 1
        for task in [task for task in waiting if states.get(task.name) in ENDED]:
            waiting = [other for other in waiting if other is not task]
            if states[task.name] == "Success":
                on_success(task, len(waiting))
            else:
                failed.append(task.name)
        if waiting and silent <= PATIENCE:
            time.sleep(POLL_SECONDS)
    return waiting, failed


def look(root: Path) -> tuple[dict[str, str], int]:
    """Return the state of each named task in DVC's queue (Queued, Running, Success ...), and how many workers run."""
    from dvc.repo import Repo  # takes a second

    with Repo(str(root)) as repo:
        tasks = repo.experiments.celery_queue
        states = {task["name"]: task["status"] for task in tasks.status() if task.get("name")}
        return states, len(tasks.worker_status())


def _start_workers(root: Path, jobs: int) -> None:
    """Start the workers, on machines with several CUDA devices each with one of them.

    They outlive `dvc queue start`, and would hold a pipe to it open until the last run has ended.
    """
    environ, devices = {}, _devices() if jobs > 1 else []
    if jobs > 1 and "OMP_NUM_THREADS" not in os.environ:  # more threads than cores would wait for each other
        environ["OMP_NUM_THREADS"] = str(max(1, len(os.sched_getaffinity(0)) // jobs))
    if len(devices) < 2:
        _start(root, jobs, environ)
        return
    for worker in range(1, jobs + 1):
        _start(root, worker, environ | {"CUDA_VISIBLE_DEVICES": devices[(worker - 1) % len(devices)]})
        for _ in range(PATIENCE):  # dvc starts a worker that does not answer yet once more
            if look(root)[1] >= worker:
                break
            time.sleep(1)


def _start(root: Path, jobs: int, environ: Mapping[str, str]) -> None:
    """Start as many workers as are missing of `jobs`."""
    if dvc(root, "queue", "start", "--jobs", str(jobs), stdout=subprocess.DEVNULL, **environ).wait():
        raise UserError("dvc queue start failed")


def _devices() -> list[str]:
    """Return the CUDA devices that this process may use, as CUDA_VISIBLE_DEVICES calls them."""
    import torch  # takes two seconds

    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return visible or [str(index) for index in range(torch.cuda.device_count())]


def ask(root: Path, *arguments: str) -> str:
    """Return what a dvc command prints.

    Raises:
        UserError: It failed; dvc has said why on stderr.
    """
    process = dvc(root, *arguments)
    out, _ = process.communicate()
    if process.returncode:
        raise UserError(f"dvc {' '.join(arguments[:2])} failed with status {process.returncode}")
    return out
