"""Processes beside others: those that train ahead of `dvc repro`, and how one ends with what has started it."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

STARTED_BY = "TRAINS_AHEAD_OF"
"""Environment variable of a process that trains ahead, set to the number of the one that started it."""
WAITS = "TRAINS_BESIDE"
"""Environment variable, set where other processes train ahead, to the threads of each. A training then takes as many,
and waits for a process that is at its row. What comes after the trainings has every core."""
PARENT_SECONDS = 1.0


@contextmanager
def trained_ahead(root: Path, runs: Sequence[tuple[str, int]], jobs: int) -> Iterator[dict[str, str]]:
    """Train `jobs` - 1 at a time while the block runs, the last run first, so as to meet DVC's own trainings halfway.

    Args:
        root: The project.
        runs: Rows and seeds, in DVC's order.
        jobs: How many train at a time, DVC's own one included.

    Yields:
        What DVC must see in its environment.
    """
    # More threads than cores would wait for each other.
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, len(os.sched_getaffinity(0)) // jobs))
    environ = {WAITS: threads} if jobs > 1 else {}
    own = os.environ | {"OMP_NUM_THREADS": threads, STARTED_BY: str(os.getpid())}
    command = [sys.executable, "-m", "stages.train.ahead", *(f"{row}:{seed}" for row, seed in reversed(runs))]
    helpers = [
        # What one of them cannot train, DVC's stage tries and complains about.
        subprocess.Popen(command, cwd=root, env=own, stderr=subprocess.DEVNULL)
        for _ in range(min(jobs, len(runs)) - 1)
    ]
    try:
        yield environ
    finally:
        for helper in helpers:
            helper.terminate()
        for helper in helpers:
            helper.wait()


def end_with(parent: int) -> None:
    """End this process once the one that started it is gone, however that ended. Returns at once; a thread looks.

    Args:
        parent: The number of that process, told by itself: it may be gone before this process could ask for it.
    """
    _end_unless(lambda: os.getppid() == parent)


def end_with_dvc() -> None:
    """End this process, a stage's, once the dvc that started it is gone, however that ended. Returns at once.

    Or it would train on for nobody, and keep the next `dvc repro` from its row. A process that dvc did not start, such
    as one under `nohup`, goes on.
    """
    if "DVC_STAGE" not in os.environ:  # dvc sets it
        return
    import psutil

    ancestors = psutil.Process().parents()  # a shell may stand between
    dvc = next((process for process in ancestors if _is_dvc(process)), None)
    if dvc is not None:
        _end_unless(lambda: dvc.is_running() and dvc.status() != psutil.STATUS_ZOMBIE)


def _end_unless(lives: Callable[[], bool]) -> None:
    """End this process once `lives()` is false; a thread asks."""

    def look() -> None:
        while lives():
            time.sleep(PARENT_SECONDS)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


def _is_dvc(process: "psutil.Process") -> bool:
    """Return whether a process runs dvc, by the first words of its command: `dvc`, `python dvc`, `python -m dvc`."""
    import psutil

    with suppress(psutil.Error):
        return any(Path(word).name == "dvc" for word in process.cmdline()[:4])
    return False
