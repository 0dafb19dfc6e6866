"""Packed arrays: how they are written once by `stages.boxes` and read by every later stage.

A packed folder holds, beside its JSON files, one folder per split (train, val) of uint8 / uint16 .npy files with one
entry per image at training size. They are opened as read-only memory maps, so a stage holds in memory only what it
reads. `arrays.json` records each file's shape, dtype and SHA-256; it is written last: a folder that has one is whole.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stages.config import FEW, PAPER_IMAGES, Row
from stages.errors import UserError, writing

BACKGROUND = "background"
"""Name of the mask value 0."""

VOID = 255
"""Mask value of pixels that training on masks and evaluation ignore."""

PAPER_MASKS = 500
"""The masks that the paper mixes with boxes. Where some training images have none, this count stands for all masks."""

SPLITS = ("train", "val")

REMEDY = "make it again with `dvc repro --force boxes`"
"""What to do about a broken packed folder; ends the messages."""


@dataclass(frozen=True)
class Classes:
    """The classes of a dataset, and how many of them each task tells apart.

    A task is `one` (the first class), `few` (the first two) or `all` (three or more). Values of masks and targets are
    0 for the background, 1, 2 ... for the classes with boxes, then, in task `all`, those that have masks only.

    Attributes:
        boxed: Names of the classes with boxes, in order.
        masks_only: Names of the classes that have masks and no boxes; background in the other tasks.
    """

    boxed: tuple[str, ...]
    masks_only: tuple[str, ...] = ()

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that there are classes for."""
        return ("one", "few", "all")[: len(self.boxed)]

    def of_boxes(self, task: str) -> tuple[str, ...]:
        """Return the names of a task's classes with boxes: those of the values 1, 2 ..."""
        return self.boxed[: {"one": 1, "few": FEW}.get(task)]

    def names(self, task: str) -> tuple[str, ...]:
        """Return the names of all classes of a task, by value."""
        return (BACKGROUND, *self.of_boxes(task), *(self.masks_only if task == "all" else ()))


@dataclass(frozen=True)
class Split:
    """One split's packed arrays, N images of H x W pixels, read-only memory maps."""

    images: np.ndarray
    """uint8 (N, H, W, 3), RGB."""
    ids: tuple[str, ...]
    """Scene ids, in packed order."""
    classes: Classes
    """Of the dataset."""
    maps: dict[str, np.ndarray] = field(repr=False)
    """Masks, box targets and index maps by file stem."""

    def __len__(self) -> int:
        return len(self.ids)

    def masks(self, task: str) -> np.ndarray:
        """Return the masks of a task: uint8 (N, H, W), values of `Classes`, 255 void; for `one` those of `few`.

        `task_masks` takes out what a task does not tell apart. An image without a mask is void inside of its boxes.
        """
        return self.maps["masks-all" if task == "all" else "masks"]

    def targets(self, task: str) -> np.ndarray:
        """Return the targets that a task's boxes draw: uint8 (N, H, W), 0 outside, else the class of the box on top."""
        return self.maps[f"targets-{task}"]

    def indices(self, task: str) -> np.ndarray:
        """Return which box a pixel's target is of: uint16 (N, H, W), 0 outside, else 1 + the box's index in its image.

        The index counts the image's annotations of the task's classes, in the order of boxes.json.
        """
        return self.maps[f"indices-{task}"]


@dataclass(frozen=True)
class Contents:
    """What a packed folder holds, read without opening an array.

    Attributes:
        ids: Scene ids by split, in packed order.
        pp_order: See `Packed`.
        masked: How many training images have a mask; they come first in `pp_order`.
        classes: Of the dataset.
        val_parts: The source's own split of each validation image, such as val and test; empty where there is but one.
    """

    ids: dict[str, tuple[str, ...]]
    pp_order: np.ndarray
    masked: int
    classes: Classes
    val_parts: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every training image has a mask."""
        return self.masked == len(self.ids["train"])


@dataclass(frozen=True)
class Packed:
    """An opened packed folder."""

    path: Path
    contents: Contents
    train: Split
    val: Split
    pp_order: np.ndarray
    """int64 (N,): the training indices in the order in which they become pixel-perfect; k images = the first k."""
    fingerprint: str
    """SHA-256 (hex) over arrays.json and split.json, hence over every array's checksum and the order of images."""

    @property
    def classes(self) -> Classes:
        """The classes of the dataset."""
        return self.contents.classes


def specs(count: int, size: tuple[int, int], tasks: Sequence[str]) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shape and dtype of each array of a split with `count` images of size (width, height), by file name."""
    width, height = size
    plane = (count, height, width)
    files: dict[str, tuple[tuple[int, ...], str]] = {
        "images.npy": ((*plane, 3), "uint8"),
        "masks.npy": (plane, "uint8"),
    }
    for task in tasks:
        files[f"targets-{task}.npy"] = (plane, "uint8")
        files[f"indices-{task}.npy"] = (plane, "uint16")
        if task == "all":
            files["masks-all.npy"] = (plane, "uint8")
    return files


def create(path: Path, counts: dict[str, int], size: tuple[int, int], tasks: Sequence[str]) -> None:
    """Create the zero-filled arrays of each split.

    An existing file is unlinked, never written through: it may be a link into DVC's cache; an array of another task is
    taken away.

    Args:
        path: The packed folder.
        counts: Images by split.
        size: Their width and height.
        tasks: Those of the dataset, see `Classes.tasks`.
    """
    (path / "arrays.json").unlink(missing_ok=True)
    for split, count in counts.items():
        (path / split).mkdir(parents=True, exist_ok=True)
        for stale in (path / split).glob("*.npy"):
            stale.unlink()
        for name, (shape, dtype) in specs(count, size, tasks).items():
            allocate(path / split / name, dtype, shape)


def allocate(file: Path, dtype: str, shape: tuple[int, ...]) -> np.memmap:
    """Create a .npy file full of zeros, and return a memory map of it that can be written to.

    Its place on the disk is taken at once: a map that a full disk has no room for would end the process with a signal.

    Args:
        file: To create; an existing one is written over.
        dtype, shape: Of the array.

    Raises:
        OSError: There is no room; nothing unfinished is left.
    """
    with writing(file):
        array = np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=shape)
        if hasattr(os, "posix_fallocate"):
            with file.open("r+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, file.stat().st_size)
    return array


def write(path: Path, split: str, index: int, entry: dict[str, np.ndarray]) -> None:
    """Write one image's arrays at `index` of a split.

    Args:
        path: The packed folder, see `create`.
        split: `train` or `val`.
        index: The image's place.
        entry: By file stem, as in `specs`.
    """
    for stem, value in entry.items():
        # Opened anew for each image: a map that stays open piles up the pages written in the process.
        np.load(path / split / f"{stem}.npy", mmap_mode="r+")[index] = value


def seal(path: Path) -> None:
    """Record shape, dtype and SHA-256 of each array in arrays.json: the last step of writing."""
    record = {}
    for file in sorted(path.glob("*/*.npy")):
        array = np.load(file, mmap_mode="r")
        name = file.relative_to(path).as_posix()
        record[name] = {"shape": list(array.shape), "dtype": array.dtype.name, "sha256": checksum(file)}
    write_json(path / "arrays.json", record)


def checksum(file: Path) -> str:
    """Return the SHA-256 of a file, in hex, read in blocks."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def open_packed(path: Path) -> Packed:
    """Open a packed folder; arrays are mapped, not read.

    Raises UserError that names the file when one is missing, truncated, or not of the recorded shape and dtype.
    """
    path = Path(path)
    record, contents = read_json(path / "arrays.json"), read_contents(path)
    opened = {name: _open_split(path, name, contents, record) for name in SPLITS}
    digest = hashlib.sha256((path / "arrays.json").read_bytes() + (path / "split.json").read_bytes())
    return Packed(path, contents, **opened, pp_order=contents.pp_order, fingerprint=digest.hexdigest())


def read_contents(path: Path) -> Contents:
    """Read what a packed folder holds.

    Raises:
        UserError: split.json is missing, or is none.
    """
    file = Path(path) / "split.json"
    split = read_json(file)
    try:
        order = np.array(split["pp_order"], dtype=np.int64)
        ids = {name: tuple(split[name]) for name in SPLITS}
        classes = Classes(tuple(split["classes"]), tuple(split["masks_only"]))
        masked, val_parts = int(split["masked"]), tuple(map(str, split["val_parts"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(
            f"{file}: not a split with train, val, val_parts, pp_order, masked and classes ({error!r})"
        ) from None
    if not np.array_equal(np.sort(order), np.arange(len(ids["train"]))):
        raise UserError(f"{file}: pp_order is not a permutation of the {len(ids['train'])} train images")
    order.flags.writeable = False
    if val_parts and len(val_parts) != len(ids["val"]):
        raise UserError(
            f"{file}: val_parts names {len(val_parts)} images; allowed: none, or the {len(ids['val'])} of val"
        )
    return Contents(ids, order, masked, classes, val_parts)


def task_masks(masks: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the masks as a task of `n_classes`, the background's included, sees them: uint8, a copy.

    A class that the task lacks is background; void stays 255.
    """
    seen = np.array(masks)
    seen[(seen >= n_classes) & (seen != VOID)] = 0
    return seen


def pools(packed: Packed, row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Return the training indices of a row's pixel-perfect and box images: two sorted, disjoint int64 arrays.

    The row's counts are of the paper's 2780 and scale by share. Where some training images have no mask, the paper's
    500 stand for all masks that there are. Both pools are runs of `pp_order`, so the pixel-perfect sets of all rows are
    nested and do not depend on the training seed.

    Raises UserError when the dataset has too few training images to give each pool that the row asks for one image.
    """
    images = len(packed.train)
    masks = (images, PAPER_IMAGES) if packed.contents.complete else (packed.contents.masked, PAPER_MASKS)
    first = _share(row.pp, *masks)
    last = max(first, _share(row.pp + row.box, images, PAPER_IMAGES)) if row.box else first
    if row.box and first == last:
        raise UserError(
            f"{packed.path}: {images} training images are too few to give box images to a row with "
            f"{row.pp} pixel-perfect and {row.box} box images of {PAPER_IMAGES}"
        )
    return np.sort(packed.pp_order[:first]), np.sort(packed.pp_order[first:last])


def read_json(file: Path, remedy: str = REMEDY) -> Any:
    """Read a JSON file; raises UserError that names it, and ends with `remedy`, when it is missing or broken."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; {remedy}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: not valid JSON ({error}); {remedy}") from None


def read_npz(file: Path, keys: Sequence[str], remedy: str) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz file.

    Args:
        file: Its path.
        keys: Those that it has to hold.
        remedy: What the user can do; ends the message.

    Raises:
        UserError: It is missing or damaged, or lacks a key.
    """
    try:
        with np.load(file) as opened:
            arrays = dict(opened)
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; {remedy}") from None
    except Exception:  # noqa: BLE001 - damaged bytes lead zip, zlib and numpy to raise anything
        raise UserError(f"{file}: damaged; {remedy}") from None
    if missing := [key for key in keys if key not in arrays]:
        raise UserError(f"{file}: lacks {', '.join(missing)}; {remedy}")
    return arrays


def write_json(file: Path, value: Any) -> None:
    """Write a JSON file with sorted keys, the same bytes for the same value; a linked file is replaced, not changed.

    A kill at any moment leaves the old file or the new one, never a part.
    """
    unfinished = file.with_name(f".{file.name}.partial")
    with writing(file, unfinished):
        unfinished.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        unfinished.replace(file)


def _share(count: int, images: int, paper: int) -> int:
    """Return a count of the paper's as one of `images`: at least one if any, and all of them for `paper`."""
    return min(images, max(1, round(count / paper * images))) if count else 0


def _open_split(path: Path, split: str, contents: Contents, record: dict[str, Any]) -> Split:
    arrays, ids = {}, contents.ids[split]
    try:
        recorded = {name: (tuple(entry["shape"]), entry["dtype"]) for name, entry in record.items()}
        _, height, width = recorded[f"{split}/masks.npy"][0]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"{path / 'arrays.json'}: not a record of packed arrays; {REMEDY}") from None
    for name, (shape, dtype) in specs(len(ids), (width, height), contents.classes.tasks).items():
        if recorded.get(f"{split}/{name}") != (shape, dtype):
            raise UserError(
                f"{path / 'arrays.json'}: {split}/{name} should be {dtype} {list(shape)} for the images of split.json, "
                f"is {recorded.get(f'{split}/{name}', 'absent')}; {REMEDY}"
            )
        arrays[name.removesuffix(".npy")] = _open_array(path / split / name, shape, dtype)
    return Split(arrays.pop("images"), ids, contents.classes, maps=arrays)


def _open_array(file: Path, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Map one array read-only after checking its header and its size in bytes."""
    if not file.is_file():
        raise UserError(f"{file}: no such file; {REMEDY}")
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception:  # noqa: BLE001 - a damaged header leads numpy's parser to raise anything
        raise UserError(f"{file}: truncated or not a .npy file ({file.stat().st_size} bytes); {REMEDY}") from None
    if array.shape != shape or array.dtype != np.dtype(dtype):
        raise UserError(
            f"{file}: holds {array.dtype} {list(array.shape)}, arrays.json says {dtype} {list(shape)}; {REMEDY}"
        )
    excess = file.stat().st_size - array.offset - array.nbytes
    if excess:
        raise UserError(f"{file}: {excess} bytes more than its array has; {REMEDY}")
    return array
