"""What an interrupted training leaves behind, and how the next one finds it.

A checkpoint lies outside of DVC's outs (DVC deletes those before a stage runs), in a folder named after everything that
the run depends on, so that a run with another tau, other data or other code never resumes it.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from stages.params import UserError


def code_hash() -> str:
    """SHA-256 of the sources that a training runs: the ground floor's modules and those of stages/train."""
    digest = hashlib.sha256()
    train = Path(__file__).parent
    for path in sorted([*train.parent.glob("*.py"), *train.glob("*.py")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


class Checkpoint:
    """The one checkpoint of a run; a dictionary of tensors and plain values."""

    def __init__(self, folder: Path):
        self._file = folder / "state.pt"

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The state that was saved last, or None; one that cannot be read counts as none."""
        if not self._file.exists():
            return None
        try:
            return torch.load(self._file, map_location=device, weights_only=True)
        except Exception:  # noqa: BLE001 - broken bytes lead torch's unpickler to raise anything; starting anew is right
            return None

    def save(self, state: dict[str, Any]) -> None:
        """Write `state`; a kill at any moment leaves the old or the new one, never a part."""
        temporary = self._file.with_suffix(".tmp")
        torch.save(state, temporary)
        os.replace(temporary, self._file)


@contextmanager
def alone(folder: Path, run: str) -> Iterator[None]:
    """Until the block ends, no other process trains `run` (a row and seed) with any settings: all write to one place.

    Args:
        folder: where the lock lies, that of the checkpoints.

    Raises:
        UserError: another process is training it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{run}.lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(f"{run}: another process is training this row and seed; wait for it, or end it") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def checkpoint(folder: Path) -> Iterator[Checkpoint]:
    """The checkpoint in `folder`, which is deleted when the block ends without an exception."""
    folder.mkdir(parents=True, exist_ok=True)
    yield Checkpoint(folder)
    shutil.rmtree(folder)
