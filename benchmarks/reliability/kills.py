"""SIGKILL at random moments of the whole pipeline, and what is lost by it.

A miniature of the last commit runs undisturbed, twice, which shows what differs between equal runs, such as times. Then
it runs anew, is killed at a random moment, goes on by the same command, is killed again, until it ends; and its outputs
are compared byte by byte with those of the undisturbed run. A pass runs `dvc repro`, or `make queue J=2`'s program and
then `dvc repro`. Moments that take little of the time are seldom hit: one pass waits for them, the save of a checkpoint
and the stage that gathers results. And one row is trained by two processes of torchrun, of which one is killed.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.reliability.clones import ENVIRONMENT, commit, digests, edit, miniature, processes
from stages import paths
from stages.errors import UserError
from stages.reproduce import mend

KILLS = 100
KILLS_A_PASS = {"repro": 25, "queue": 10, "aimed": 25}
"""How many may fall in the time of an undisturbed run; each makes a run longer, so more do. A queue goes on later."""
ORPHAN_SECONDS = 60.0
AIM_SECONDS = 20.0
"""For how long an aimed kill waits for its moment before another is drawn."""
KINDS = {
    "all": "everything at once, as by a reboot",
    "save": "everything while a checkpoint was saved",
    "gather": "everything while results were gathered",
    "dvc": "`dvc repro` alone; what it had started must end by itself",
    "queue": "`make queue`'s program alone; DVC's workers go on",
    "worker": "a worker of DVC's queue alone; the program must go on with another",
    "rank": "one of two processes of torchrun; the other must end by itself",
}
COMMANDS = {
    "repro": ["-m", "dvc", "repro"],
    "aimed": ["-m", "dvc", "repro"],
    "queue": ["-m", "stages.reproduce", "--queue", "--jobs", "2"],
    "boxes": ["-m", "dvc", "repro", "boxes"],
    "torchrun": ["-m", "stages.train", "--row", "bce-500-2280", "--seed", "0"],
}
CHANCES = {
    "repro": {"all": 0.5, "dvc": 0.5},
    "aimed": {"save": 0.5, "gather": 0.5},
    "queue": {"all": 0.4, "queue": 0.2, "worker": 0.4},
    "torchrun": {"rank": 1.0},
}
TORCHRUN_KILLS = 8


@dataclass(frozen=True)
class Kill:
    """One SIGKILL.

    Attributes:
        kind: A key of KINDS.
        stage: That ran, as dvc calls it; `dvc` between two.
        saving: Whether it left a file under its unfinished name, so fell into a save; None where nobody looked.
        lived: For how many seconds what was started lived on, where it has to end; -1 where it had to be ended.
    """

    kind: str
    stage: str
    saving: bool | None
    lived: float | None


def drill(root: Path, folder: Path, found: dict[str, Any], keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Run the pipeline undisturbed and disturbed, until KILLS have fallen; then once with aimed ones.

    Args:
        root: The project.
        folder: Where clones go.
        found: What an earlier call found; its passes count if it ran the same commit.
        keep: Is given what was found so far, after each pass.

    Returns:
        commit: That ran. seconds: Of an undisturbed run. files: How many outputs there are, and timed: which of them
        differ between equal runs. passes: Of each, its command, its kills, the seconds that it took, the outputs that
        differ, and how often a file of dvc was cut.

    Raises:
        UserError: An undisturbed run failed.
    """
    here = commit(root)
    passes = found["passes"] if found.get("commit") == here else []
    (seconds, outputs), (_, again) = (undisturbed(root, folder / f"whole-{number}") for number in range(2))
    timed = sorted(name for name in outputs if outputs[name] != again.get(name))
    found = {"commit": here, "seconds": round(seconds, 1), "files": len(outputs), "timed": timed}
    found["passes"] = passes
    while command := next_pass(passes):
        number = len(passes)
        copy = miniature(root, folder / f"pass-{number}")
        kills, took, cut = disturbed(copy, command, random.Random(number), seconds / KILLS_A_PASS[command])
        passes.append(compared(command, kills, took, outputs, digests(copy), timed) | {"cut": cut})
        print(f"pass {number}: {len(kills)} kills, {took:.0f} s, {len(passes[-1]['differ'])} differ", flush=True)
        keep(found)
        shutil.rmtree(copy)
    if not any(one["command"] == "torchrun" for one in passes):
        passes.append(shared(root, folder / "torchrun"))
        keep(found)
    return found


def next_pass(passes: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what the next pass runs, a key of KILLS_A_PASS; None when KILLS have fallen, and a pass was aimed."""
    if sum(len(one["kills"]) for one in passes) < KILLS:
        return ("repro", "queue", "repro")[len(passes) % 3]
    return None if any(one["command"] == "aimed" for one in passes) else "aimed"


def compared(
    command: str,
    kills: list[Kill],
    took: float,
    outputs: Mapping[str, str],
    made: Mapping[str, str],
    timed: list[str],
) -> dict[str, Any]:
    """Return a pass as it is kept: which outputs, but for the timed ones, are not those of the undisturbed run."""
    names = sorted({*outputs, *made} - set(timed))
    differ = [name for name in names if outputs.get(name) != made.get(name)]
    return {"command": command, "kills": [asdict(kill) for kill in kills], "seconds": round(took, 1), "differ": differ}


def undisturbed(root: Path, copy: Path) -> tuple[float, dict[str, str]]:
    """Run the miniature once, remove it, and return its seconds and its outputs' digests.

    Raises:
        UserError: It failed.
    """
    miniature(root, copy)
    started = time.monotonic()
    process, log = start(copy, "repro")
    if process.wait():
        raise UserError(f"the undisturbed run failed: {log.read_text()[-2000:]}")
    seconds, made = time.monotonic() - started, digests(copy)
    shutil.rmtree(copy)
    return seconds, made


def disturbed(copy: Path, command: str, moments: random.Random, mean: float) -> tuple[list[Kill], float, int]:
    """Run the miniature, kill it at random moments, and let it go on, until it has ended.

    Args:
        copy: The clone.
        command: A key of COMMANDS; what it leaves undone, `dvc repro` does in the end.
        moments: Draws the times between two kills, exponential, and the kind of each.
        mean: Of these times, in seconds.

    Returns:
        The kills, the seconds that all runs took together, and how often a file of dvc was cut and taken away.

    Raises:
        UserError: A run ended by itself with an error.
    """
    kills: list[Kill] = []
    cut, seen = 0, set()
    started, left = time.monotonic(), [command, "repro"] if command == "queue" else [command]
    process, log = start(copy, left[0])
    while True:
        chances = CHANCES[left[0]]
        kind = moments.choices(list(chances), list(chances.values()))[0]
        status = wait(process, moments.expovariate(1 / mean))
        if status and mend(copy):
            cut += 1
        elif status:
            raise UserError(f"after {len(kills)} kills a run failed: {log.read_text()[-2000:]}")
        elif status == 0:
            left.pop(0)
            until_gone(copy)  # DVC's workers end a while after their last task
            if not left:
                return kills, time.monotonic() - started, cut
        else:
            if kind in AIMS and not aimed(copy, process, log, kind):
                continue
            stage = running(log.read_text(), copy)
            if not kill(copy, process, kind, moments):
                continue  # nothing of that kind runs
            if kind == "worker":
                kills.append(Kill(kind, stage, None, None))
                continue
            process.wait()
            lived = until_gone(copy) if kind != "queue" else None
            files = unfinished(copy)
            kills.append(Kill(kind, stage, bool(files - seen) if kind in ("all", *AIMS) else None, lived))
            seen |= files
        process, log = start(copy, left[0])


def aimed(copy: Path, process: subprocess.Popen, log: Path, kind: str) -> bool:
    """Wait for the moment of a key of AIMS, and stop all that runs there, so that the kill falls into it.

    Returns:
        Whether it came within AIM_SECONDS, before the process ended.
    """
    until, looked, numbers = time.monotonic() + AIM_SECONDS, -1.0, []
    while (now := time.monotonic()) < until and process.poll() is None:
        if now - looked > 0.5:  # a save is over sooner than all processes are listed
            looked, numbers = now, [*processes(copy), process.pid]
        if AIMS[kind](copy, log):
            for number in numbers:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGSTOP)
            return True
    return False


def saves(copy: Path, _: Path) -> bool:
    """Return whether a checkpoint is being saved in a clone."""
    with suppress(OSError):  # a folder goes when its training has ended
        return any(paths.checkpoints(copy).glob("*/*.tmp"))
    return False


def gathers(copy: Path, log: Path) -> bool:
    """Return whether results are being gathered in a clone."""
    time.sleep(0.05)
    return running(log.read_text(), copy) == "gather"


AIMS: dict[str, Callable[[Path, Path], bool]] = {"save": saves, "gather": gathers}
"""Kinds of kills that wait for their moment, and how it is known."""


def wait(process: subprocess.Popen, seconds: float) -> int | None:
    """Return a process's exit status, or None if it has none after so many seconds."""
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None


def kill(copy: Path, process: subprocess.Popen, kind: str, moments: random.Random) -> bool:
    """Send SIGKILL to what a key of KINDS says, and return whether there was such a process."""
    numbers = {
        **dict.fromkeys(("all", *AIMS), lambda: [*processes(copy), process.pid]),
        "dvc": lambda: [process.pid],
        "queue": lambda: [process.pid],
        "worker": lambda: list(of_command(copy, "queue-worker")),
        "rank": lambda: list(of_command(copy, "stages.train", of=process.pid)),
    }[kind]()
    if kind in ("worker", "rank") and numbers:
        numbers = [moments.choice(sorted(numbers))]
    for number in numbers:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return bool(numbers)


def of_command(copy: Path, word: str, of: int | None = None) -> Iterator[int]:
    """Yield the processes of a clone with a word in their command; with `of`, those that it started, alone."""
    for number in processes(copy):
        with suppress(psutil.Error):
            process = psutil.Process(number)
            if any(word in part for part in process.cmdline()) and of in (None, process.ppid()):
                yield number


def shared(root: Path, folder: Path) -> dict[str, Any]:
    """Let two processes train one row, once undisturbed, and kill one of them, until TORCHRUN_KILLS have fallen."""
    moments, kills, took = random.Random(0), [], 0.0
    whole, copy = (miniature(root, folder / name) for name in ("whole", "killed"))
    for clone in (whole, copy):
        edit(clone / "params.yaml", lambda params: params.update(processes=2, steps=60))
        if start(clone, "boxes")[0].wait():
            raise UserError("the data of the drill could not be drawn")
    started = time.monotonic()
    if start(whole, "torchrun")[0].wait():
        raise UserError("the undisturbed training by two processes failed")
    seconds, differ = time.monotonic() - started, set()
    while True:
        started = time.monotonic()
        process, log = start(copy, "torchrun")
        moment = moments.uniform(0, seconds) if len(kills) < TORCHRUN_KILLS else 10 * seconds
        killed = wait(process, moment) is None and kill(copy, process, "rank", moments)
        if killed:
            kills.append(Kill("rank", "torchrun", None, until_gone(copy)))
        status, took = process.wait(), took + time.monotonic() - started
        if status and not killed:
            raise UserError(f"after {len(kills)} kills a training failed: {log.read_text()[-2000:]}")
        if status == 0:
            found = compared("torchrun", kills, took, digests(whole), digests(copy), [])
            differ |= set(found["differ"])
            if len(kills) >= TORCHRUN_KILLS:
                return found | {"differ": sorted(differ), "undisturbed": round(seconds, 1)}
            shutil.rmtree(copy / "runs")


def start(copy: Path, command: str) -> tuple[subprocess.Popen, Path]:
    """Start a key of COMMANDS in a clone, and return its process and the file of its output."""
    log = copy.with_suffix(".log")
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, *COMMANDS[command]],
            cwd=copy,
            env=ENVIRONMENT,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return process, log


def running(log: str, copy: Path) -> str:
    """Return the stage that runs, without its row: by dvc's output so far, or by the processes of a queue's copies."""
    for number in processes(copy / ".dvc"):
        with suppress(psutil.Error):
            words = psutil.Process(number).cmdline()
            if modules := [word for word in words if word.startswith("stages.")]:
                return f"queue: {modules[0].removeprefix('stages.')}"
    lines = [line for line in log.splitlines() if line.startswith(("Running stage '", "Updating lock file"))]
    if not lines or lines[-1].startswith("Updating"):
        return "dvc"
    return lines[-1].split("'")[1].split("@")[0]


def unfinished(copy: Path) -> set[tuple[Path, int]]:
    """Return the files that are written under another name than their own, with their times."""
    found = set()
    for path in copy.rglob("*"):
        with suppress(OSError):
            if path.suffix in (".tmp", ".partial"):
                found.add((path, path.stat().st_mtime_ns))
    return found


def until_gone(copy: Path) -> float:
    """Wait until no process works in a clone, and return the seconds; end those that stay, and return -1."""
    started = time.monotonic()
    while left := list(processes(copy)):
        if time.monotonic() - started > ORPHAN_SECONDS:
            for number in left:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            return -1.0
        time.sleep(0.1)
    return round(time.monotonic() - started, 1)


def table(found: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return what came out as lines of Markdown, and the bars that were missed."""
    passes = found["passes"]
    kills = [kill for one in passes for kill in one["kills"]]
    by_kind = Counter(kill["kind"] for kill in kills)
    by_stage = Counter(kill["stage"] for kill in kills)
    repro = [one for one in passes if one["command"] == "repro"]
    lost = sum(one["seconds"] - found["seconds"] for one in repro) / max(1, sum(len(one["kills"]) for one in repro))
    differ = sorted({name for one in passes for name in one["differ"]})
    lived = [kill["lived"] for kill in kills if kill["lived"] is not None]
    looked = [kill["saving"] for kill in kills if kill["saving"] is not None]
    saves = f"- Of {len(looked)} kills of everything {sum(looked)} left an unfinished file: they fell into a save."
    stayed = sum(seconds < 0 for seconds in lived)
    lines = [
        f"{len(kills)} kills in {len(passes)} run{'s' * (len(passes) > 1)}; an undisturbed one takes "
        f"{found['seconds']:.0f} s. After each kill the same command goes on, until it ends; a run of the queue is "
        "followed by `dvc repro`.",
        "",
        f"- Differences: {len(differ)}. Of {found['files']} outputs {len(found['timed'])} hold times in pages or "
        "pictures and differ between equal runs; the others are compared byte by byte, JSON without its times.",
        f"- Lost by a kill of `dvc repro`: {lost:.0f} s on average, the start of the next one included.",
        *([saves] if looked else []),
        f"- What has to end with a killed process was gone within {max(lived, default=0):.0f} s; {stayed} times it was "
        f"not within {ORPHAN_SECONDS:.0f} s.",
        f"- {sum(one.get('cut', 0) for one in passes)} kills cut a file that dvc writes piece by piece (dvc.lock, "
        "rwlock): `dvc repro` refuses to run, `make reproduce` takes the file away, and nothing is trained again.",
        "",
        "| what was killed | times |",
        "|---|---:|",
        *(f"| {what} | {by_kind[kind]} |" for kind, what in KINDS.items()),
        "",
        "| where the kill fell | times |",
        "|---|---:|",
        *(f"| `{stage}` | {count} |" for stage, count in by_stage.most_common()),
    ]
    missed = [f"{len(kills)} of {KILLS} kills"] if len(kills) < KILLS else []
    missed += [f"no kill of {what.split(',')[0].split(';')[0]}" for kind, what in KINDS.items() if not by_kind[kind]]
    missed += [f"{len(differ)} outputs differ, such as {differ[0]}"] if differ else []
    return lines, missed + ([f"{stayed} orphans"] if stayed else [])
