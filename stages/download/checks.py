"""Checks of what a data source holds. A broken file is named in one line, with the count of the others."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from stages import pictures
from stages.download.listing import Listing, Pair, refuse
from stages.errors import UserError

LABEL_MODES = ("L", "P")  # one byte a pixel, with or without a palette
INSTANCE_MODES = ("L", "I", "I;16", "I;16B")


@dataclass(frozen=True)
class InspectedFiles:
    """What the files of a pair hold. Sizes in pixels; `bytes` of image, labels and, where there are, instances."""

    width: int
    height: int
    bytes: tuple[int, ...]
    sha256: str
    label_ids: frozenset[int]


def inspect_all(listing: Listing) -> list[InspectedFiles]:
    """Open every file of every pair, in the order of the pairs.

    Raises:
        UserError: naming the first file that cannot be read, has another size than its image or unknown label ids.
    """
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(partial(_inspect, listing), listing.pairs))
    refuse([result for result in results if isinstance(result, str)])
    return [result for result in results if not isinstance(result, str)]


def _inspect(listing: Listing, pair: Pair) -> InspectedFiles | str:
    """Return what a pair holds, or what is wrong with it."""
    files = [listing.root / pair.image]
    files += [listing.labels_folder / path for path in (pair.labels, pair.instances) if path]
    try:
        size = pictures.open_rgb(files[0]).size
        label_ids = _label_ids(files[1], size, listing.known_ids)
        if pair.instances:
            _check_instances(files[2], size, listing)
    except UserError as error:
        return str(error)
    sizes = tuple(path.stat().st_size for path in files)
    return InspectedFiles(*size, sizes, hashlib.sha256(files[1].read_bytes()).hexdigest(), label_ids)


def _open_map(path: Path, size: tuple[int, int], modes: tuple[str, ...], what: str) -> Image.Image:
    """Open a map of ids in one channel, of the same size as its image."""
    image = pictures.open_stored(path)
    if image.mode not in modes:
        raise UserError(f"{path}: {what} must be one channel of ids, not mode {image.mode}")
    if image.size != size:
        raise UserError(f"{path}: {_by(image.size)} pixels, but its image has {_by(size)}")
    return image


def _label_ids(path: Path, size: tuple[int, int], known_ids: frozenset[int]) -> frozenset[int]:
    histogram = _open_map(path, size, LABEL_MODES, "labels").histogram()
    present = frozenset(label for label, count in enumerate(histogram) if count)
    unknown = sorted(present - known_ids)
    if unknown:
        raise UserError(f"{path}: unknown label id {unknown[0]}; allowed: {min(known_ids)} to {max(known_ids)}")
    return present


def _check_instances(path: Path, size: tuple[int, int], listing: Listing) -> None:
    for value in np.unique(np.asarray(_open_map(path, size, INSTANCE_MODES, "instance ids"))).tolist():
        if value not in listing.known_ids and value // 1000 not in listing.instance_ids:
            raise UserError(f"{path}: unknown instance id {value}; allowed: a label id, or label id * 1000 + n")


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
