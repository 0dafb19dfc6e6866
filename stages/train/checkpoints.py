"""Checkpoints of interrupted trainings.

A checkpoint lies outside of DVC's outs, which DVC deletes before a stage runs, in a folder named after everything that
the run depends on, so that a run with another tau, other data or other code never resumes it.
"""

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from stages.errors import UserError, writing
from stages.state_files import read_state


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
            return read_state(self._file, device)
        except Exception:  # noqa: BLE001 - broken bytes lead torch's unpickler to raise anything; starting anew is right
            return None

    def save(self, state: dict[str, Any]) -> None:
        """Write `state` atomically, see `write_state`."""
        write_state(self._file, state)


def write_state(file: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values, as `torch.load` reads them.

    A kill at any moment leaves the old file or the new one. Both are put together in memory: torch, writing to a full
    disk, raises what does not say so.

    Args:
        file: To write.
        state: Of tensors and plain values.

    Raises:
        OSError: The file cannot be written; the old one is as it was, and nothing unfinished is left.
    """
    content = io.BytesIO()
    torch.save(state, content)
    temporary = file.with_suffix(".tmp")
    with writing(file, temporary):
        temporary.write_bytes(content.getbuffer())
        os.replace(temporary, file)


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
