"""Checks of what a data source holds. A broken file is named in one line, with the count of the others."""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from stages.errors import UserError

LABELS = range(34)  # Cityscapes' label ids
# Cityscapes' classes with instances, person to bicycle; drawn scenes count traffic lights (19) and signs (20) as well
INSTANCE_CLASSES = frozenset({19, 20, *range(24, 34)})
LABEL_MODES = ("L", "P")  # one byte a pixel, with or without a palette
INSTANCE_MODES = ("L", "I", "I;16", "I;16B")


@dataclass(frozen=True)
class Pair:
    """One image and its labels; paths relative to the source's root, with forward slashes."""

    id: str
    split: str
    image: str
    labels: str
    instances: str | None


@dataclass(frozen=True)
class InspectedFiles:
    """What the files of a pair hold. Sizes in pixels; `bytes` of image, labels and, where there are, instances."""

    width: int
    height: int
    bytes: tuple[int, ...]
    sha256: str
    label_ids: frozenset[int]


class Broken(Exception):
    """One thing that is wrong with one file."""


def refuse(problems: list[str]) -> None:
    """Raise the first of some problems with the count of the others, if there are any.

    Raises:
        UserError: there is at least one problem.
    """
    if problems:
        others = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UserError(f"{problems[0]}{others}")


def complete(root: Path, pairs: Iterable[Pair], labels: Iterable[str], required: Iterable[str]) -> tuple[Pair, ...]:
    """Return pairs by id, after a check that each has its files, no label file is left over and no id is twice.

    `labels` are all label files under `root` (relative paths), `required` the splits that must not be empty.

    Raises:
        UserError: naming the first file or split that is missing.
    """
    pairs = tuple(sorted(pairs, key=lambda pair: pair.id))
    splits = {pair.split for pair in pairs}
    problems = [f"{root}: no images of the split {split}" for split in required if split not in splits]
    for pair in pairs:
        for what, path in (("labels", pair.labels), ("instance ids", pair.instances)):
            if path and not (root / path).is_file():
                problems.append(f"{root / pair.image}: its {what} are missing, expected {root / path}")
    expected = {pair.labels for pair in pairs}
    problems += [f"{root / path}: a label file without its image" for path in sorted(set(labels) - expected)]
    for first, second in zip(pairs, pairs[1:], strict=False):
        if first.id == second.id:
            problems.append(f"{root}: two images are called {first.id}: {first.image}, {second.image}")
    refuse(problems)
    return pairs


def inspect_all(root: Path, pairs: Iterable[Pair], known_ids: frozenset[int]) -> list[InspectedFiles]:
    """Open every file of every pair, in the order of `pairs`.

    Raises:
        UserError: naming the first file that cannot be read, has another size than its image or unknown label ids.
    """
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda pair: _inspect(root, pair, known_ids), pairs))
    refuse([result for result in results if isinstance(result, str)])
    return [result for result in results if not isinstance(result, str)]


def _inspect(root: Path, pair: Pair, known_ids: frozenset[int]) -> InspectedFiles | str:
    """Return what a pair holds, or what is wrong with it."""
    try:
        size = _open(root / pair.image).size
        label_ids = _label_ids(root / pair.labels, size, known_ids)
        if pair.instances:
            _check_instances(root / pair.instances, size)
        files = [root / path for path in (pair.image, pair.labels, pair.instances) if path]
        sizes = tuple(path.stat().st_size for path in files)
        checksum = hashlib.sha256((root / pair.labels).read_bytes()).hexdigest()
    except Broken as error:
        return str(error)
    return InspectedFiles(*size, sizes, checksum, label_ids)


def _open(path: Path) -> Image.Image:
    """Open an image and decode it completely."""
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = str(error).replace(str(path), "").strip().splitlines() or [type(error).__name__]
        raise Broken(f"{path}: cannot be read as an image: {reason[0]}") from None


def _open_map(path: Path, size: tuple[int, int], modes: tuple[str, ...], what: str) -> Image.Image:
    """Open a map of ids in one channel, of the same size as its image."""
    image = _open(path)
    if image.mode not in modes:
        raise Broken(f"{path}: {what} must be one channel of ids, not mode {image.mode}")
    if image.size != size:
        raise Broken(f"{path}: {_by(image.size)} pixels, but its image has {_by(size)}")
    return image


def _label_ids(path: Path, size: tuple[int, int], known_ids: frozenset[int]) -> frozenset[int]:
    histogram = _open_map(path, size, LABEL_MODES, "labels").histogram()
    present = frozenset(label for label, count in enumerate(histogram) if count)
    unknown = sorted(present - known_ids)
    if unknown:
        raise Broken(f"{path}: unknown label id {unknown[0]}; allowed: {min(known_ids)} to {max(known_ids)}")
    return present


def _check_instances(path: Path, size: tuple[int, int]) -> None:
    for value in np.unique(np.asarray(_open_map(path, size, INSTANCE_MODES, "instance ids"))).tolist():
        if not (value in LABELS or value // 1000 in INSTANCE_CLASSES):
            raise Broken(f"{path}: unknown instance id {value}; allowed: a label id, or label id * 1000 + n")


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
