"""Checkpoints of interrupted trainings.

A checkpoint lies outside of DVC's outs, which DVC deletes before a stage runs, in a folder named after everything that
the run depends on, so that a run with another tau, other data or other code never resumes it.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from stages.errors import UserError


class Checkpoint:
    """The one checkpoint of a run: a dictionary of tensors and plain values.

    Args:
        folder: Where it lies.
    """

    def __init__(self, folder: Path):
        self._file = folder / "state.pt"

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """Return the state that was saved last, its tensors on `device`; None if there is none that can be read."""
        if not self._file.exists():
            return None
        try:
            return torch.load(self._file, map_location=device, weights_only=True)
        except Exception:  # noqa: BLE001 - broken bytes lead torch's unpickler to raise anything; starting anew is right
            return None

    def save(self, state: dict[str, Any]) -> None:
        """Write `state` atomically: a kill at any moment leaves the old or the new one."""
        temporary = self._file.with_suffix(".tmp")
        torch.save(state, temporary)
        os.replace(temporary, self._file)


@contextmanager
def exclusive_lock(folder: Path, run: str, wait: bool = False) -> Iterator[None]:
    """Keep other processes from training `run` until the block ends, since all would write to the same files.

    Args:
        folder: Where the lock lies, the folder of all checkpoints.
        run: The row and seed, as `<row>-<seed>`.
        wait: Wait for another process that is training it.

    Raises:
        UserError: Another process is training it, and this one does not wait.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{run}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        if not wait:
            raise UserError(f"{run}: another process is training this row and seed; wait for it, or end it") from None
        print(f"{run}: in training already; waiting for it", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def open_checkpoint(folder: Path) -> Iterator[Checkpoint]:
    """Yield the checkpoint in `folder`, and delete the folder when the block ends without an exception."""
    folder.mkdir(parents=True, exist_ok=True)
    yield Checkpoint(folder)
    shutil.rmtree(folder)
