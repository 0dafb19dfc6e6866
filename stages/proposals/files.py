"""Where proposals lie, and how a training reads them."""

import hashlib
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stages.arrays import Packed, write_json
from stages.config import Settings
from stages.errors import UserError

TASK: Literal["one"] = "one"
"""Proposals are of the first class, which the rows of Tables 1 and 2 tell from the background."""
REMEDY = "make it again with `dvc repro --force proposals`"


def file(folder: Path, method: str) -> Path:
    """Return the file of a method's label maps."""
    return folder / f"{method}.npy"


def write_needs(folder: Path, settings: Settings) -> None:
    """Write for each row of the group `methods` whether it is trained, and a hash of the labels that it is trained on.

    A row's DVC stages depend on its file alone, so that another row's labels do not train it again.

    Args:
        folder: The proposals.
        settings: Name the rows.
    """
    place = folder / "rows"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name, row in settings.rows.items():
        if row.group != "methods":
            continue
        needs: dict[str, Any] = {"trained": name in settings.methods}
        if needs["trained"] and row.proposed:
            with file(folder, row.labels).open("rb") as stream:
                needs["labels"] = hashlib.file_digest(stream, "sha256").hexdigest()
        write_json(place / f"{name}.json", needs)


def read(folder: Path, method: str, packed: Packed) -> np.ndarray:
    """Return a method's label maps of all training images, a read-only memory map: uint8 (N, H, W), the class.

    Args:
        folder: The proposals.
        method: Its name.
        packed: The data that they are of.

    Raises:
        UserError: The file is missing, damaged, or of other images.
    """
    place = file(folder, method)
    if not (folder / "proposals.json").is_file() or not place.is_file():
        raise UserError(f"{place}: no such file, or not finished; {REMEDY}")
    try:
        maps = np.load(place, mmap_mode="r", allow_pickle=False)
    except Exception:  # noqa: BLE001 - a damaged header leads numpy's parser to raise anything
        raise UserError(f"{place}: truncated or not a .npy file; {REMEDY}") from None
    if maps.shape != packed.train.images.shape[:3] or maps.dtype != np.uint8:
        raise UserError(f"{place}: holds {maps.dtype} {list(maps.shape)}, not a label map of each image; {REMEDY}")
    return maps
