"""What may surround a stage: a full disk, a clock that jumps, no place to write, no home, a second run."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.reliability.clones import ENVIRONMENT
from benchmarks.reliability.damages import EVALUATE, GATHER, GRABCUT, MIXED, REPORT, TRAIN
from benchmarks.reliability.outcomes import PLACES, Ended, Project, judge
from stages import paths

PYTHON = "python"
REPRO = (PYTHON, "-m", "dvc", "repro")
FULL = {
    "download": ("data/synthetic/scenes", ("stages.download",)),
    "boxes": ("data/synthetic/packed", ("stages.boxes",)),
    "proposals": ("data/synthetic/proposals", ("stages.proposals",)),
    "train": (f"runs/{MIXED}/seed-0", TRAIN),
    "train, its checkpoints": (".checkpoints", TRAIN),
    "evaluate": (f"runs/{EVALUATE[2]}/seed-0/evaluate", EVALUATE),
    "gather": ("results", GATHER),
    "a notebook": ("reports", ("stages.report.notebooks", "figure1")),
    "report": ("reports/claims", REPORT),
}
"""By stage: the folder whose disk is full, and its program."""
ROOM = "16k"
HOUR = 3600
NO_HOME = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR")
JUMP = """
import time
_time, _calls = time.time, iter(range(10**9))
time.time = lambda: _time() - (3600 if next(_calls) > 20 else 0)
"""
"""A sitecustomize.py by which time.time(), after some calls, is an hour earlier. What asks the system itself, such as
datetime and the times of files, sees no jump."""

Case = Callable[[Project], tuple[str, str]]
"""Runs in a project; returns what came of it and what was said."""


class NotAllowed(Exception):
    """The system does not let this process make the surroundings."""


def cases() -> dict[str, Case]:
    """Return every case by its name, which says what the surroundings are."""
    full = {
        f"disk full: {stage}": (lambda project, at=at, program=program: disk_full(project, at, program))
        for stage, (at, program) in FULL.items()
    }
    return full | {
        "disk full: dvc's cache": cache_full,
        "clock: every file is of an hour later": files_from_the_future,
        "clock: an hour back during a training": clock_jumps,
        "read-only project: a program": lambda project: read_only(project, PYTHON, "-m", *TRAIN),
        "read-only project: dvc repro": lambda project: read_only(project, *REPRO, "gather"),
        "no $HOME": lambda project: no_home(project, None),
        "a $HOME that is not there": lambda project: no_home(project, "/nonexistent/home"),
        "two trainings of one row at once": two_trainings,
        "two dvc repro at once": two_repros,
    }


def run(name: str, case: Case, project: Project) -> dict[str, Any]:
    """Run a case and bring the project back to what it was.

    Returns:
        surroundings: The name. outcome: a key of OUTCOMES. said: the line that says what went wrong, or why not run.
    """
    try:
        outcome, said = case(project)
    except NotAllowed as reason:
        outcome, said = "not run", str(reason)
    finally:
        project.put_back()
    return {"surroundings": name, "outcome": outcome, "said": said}


@contextmanager
def mounted(where: Path, *mount: str) -> Iterator[None]:
    """Mount something on a folder while the block runs.

    Args:
        where: The folder.
        mount: The words of the command before the folder.

    Raises:
        NotAllowed: Mounting is not allowed here.
    """
    done = subprocess.run(["mount", *mount, str(where)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotAllowed(f"mount: {done.stderr.strip().splitlines()[-1].replace(str(where), 'PROJECT')}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


def disk_full(project: Project, at: str, program: tuple[str, ...]) -> tuple[str, str]:
    """Run a program whose outputs go to a disk with room for 16 KiB, and again with room: it has to go on."""
    where = project.path / at
    where.mkdir(parents=True, exist_ok=True)
    with mounted(where, "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs"):
        refused = project.run(PYTHON, "-m", *program)
        left = [path.name for path in where.rglob("*") if path.suffix in (".tmp", ".partial")]
    outcome = judge(project, refused, [at, "PROJECT: "]) if refused.status else ""
    if outcome not in ("", "named") or left:
        return outcome or "wrong", project.said(refused) or f"left {left}"
    again = project.run(PYTHON, "-m", *program)
    after = judge(project, again, [])
    return (outcome or "harmless", project.said(refused)) if after == "harmless" else (after, project.said(again))


def cache_full(project: Project) -> tuple[str, str]:
    """Evaluate a run anew with dvc, whose cache has room for 16 KiB."""
    objects = project.path / ".dvc" / "cache"
    with mounted(objects, "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs"):
        ended = project.run(*REPRO, "--force", "--single-item", "gather", "tables")
    return judge(project, ended, [".dvc/cache", "No space left"]), project.said(ended)


def files_from_the_future(project: Project) -> tuple[str, str]:
    """Let dvc bring all up to date where every file has a time an hour ahead, as after a clock that went back."""
    later = time.time_ns() + HOUR * 10**9
    for place in PLACES:
        for path in [project.path / place, *(project.path / place).rglob("*")]:
            os.utime(path, ns=(later, later))
    ended = project.run(*REPRO, "report")
    return judge(project, ended, []), project.said(ended)


def clock_jumps(project: Project) -> tuple[str, str]:
    """Train while time.time() goes back by an hour, see JUMP."""
    with folder_beside(project, "clock") as folder:
        (folder / "sitecustomize.py").write_text(JUMP)
        ended = project.run(PYTHON, "-m", *TRAIN, environ={"PYTHONPATH": str(folder)})
    return judge(project, ended, []), project.said(ended)


@contextmanager
def folder_beside(project: Project, name: str) -> Iterator[Path]:
    """Yield an empty folder beside the project, and take it away with what is in it."""
    folder = project.path.with_name(name)
    folder.mkdir()
    try:
        yield folder
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def read_only(project: Project, *command: str) -> tuple[str, str]:
    """Run a command in a project on a file system that cannot be written to; root ignores a file's mode."""
    where = str(project.path)
    with mounted(project.path, "--bind", where):
        done = subprocess.run(["mount", "-o", "remount,ro,bind", where], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotAllowed("mount: remounting read-only is not allowed")
        ended = project.run(*command)
    return judge(project, ended, ["PROJECT", "Read-only file system"]), project.said(ended)


def no_home(project: Project, home: str | None) -> tuple[str, str]:
    """Run a notebook, the report and dvc without a home, or with one that is not there."""
    environ = {} if home is None else {"HOME": home}
    hidden = tuple(name for name in NO_HOME if name not in environ)
    ended = project.run(*REPRO, "--force", "--single-item", "figure1", "report", environ=environ, without=hidden)
    return judge(project, ended, ["HOME"]), project.said(ended)


def two_trainings(project: Project) -> tuple[str, str]:
    """Train a row while another process, which is halted as soon as it has begun, trains it."""
    words = (PYTHON, "-m", *TRAIN)
    record = paths.record(MIXED, 0, project.path)
    before = record.stat().st_mtime_ns
    first = project.start(*words)
    try:
        while first.poll() is None and record.stat().st_mtime_ns == before:
            time.sleep(0.01)
        first.send_signal(signal.SIGSTOP)
        second = project.run(*words)
    finally:
        first.send_signal(signal.SIGCONT)
        text, _ = first.communicate()
    refused = judge(project, second, [MIXED]) if second.status else "wrong"
    went_on = judge(project, Ended(first.returncode, text), [])
    return (refused, project.said(second)) if went_on == "harmless" else (went_on, project.said(Ended(1, text)))


def two_repros(project: Project) -> tuple[str, str]:
    """Start dvc twice at once on what has to run anew: both may end well, or one with a line that says why not."""
    words = (*REPRO, "--force", "--single-item", f"train-methods@{GRABCUT}-0", f"evaluate-methods@{GRABCUT}-0")
    both = [project.start(*words, environ=ENVIRONMENT) for _ in range(2)]
    ended = [Ended(process.wait(), text) for process, (text, _) in [(one, one.communicate()) for one in both]]
    if all(one.status for one in ended):
        return "unclear", " | ".join(project.said(one) for one in ended)
    outcomes = [judge(project, one, ["lock", "busy"]) for one in ended]
    worst = next((pair for pair in zip(outcomes, ended, strict=True) if pair[0] != "harmless"), ("harmless", ended[0]))
    return worst[0], project.said(worst[1])
