"""Reading of scenes: the manifest that `download` wrote, and the image files that it names."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stages import pictures
from stages.arrays import read_json
from stages.config import Boxes
from stages.download.listing import GivenBox
from stages.errors import UserError

ENTRY_KEYS = {"id", "split", "image", "labels", "instances", "width", "height", "bytes", "sha256"}
REMEDY = "if the scenes changed on purpose, `dvc repro --force download` lists them again"


@dataclass(frozen=True)
class Entry:
    """One image of the manifest, its files as absolute paths."""

    id: str
    split: str
    """The source's own: train, val or test."""
    image: Path
    labels: Path
    instances: Path | None
    size: tuple[int, int]
    """Width and height in pixels, upright."""
    bytes: tuple[int, ...]
    """Sizes of the files in bytes, as `download` found them: image, labels and, if there is one, instances."""
    sha256: str
    """Of the label file, in hex."""
    boxes: tuple[GivenBox, ...] | None = None
    """The boxes that the data give; None where they are to be made from the masks."""
    pixel_perfect: bool = True
    """Whether every object in the image has its mask; of a box image, some objects may."""
    group: str | None = None
    """What images of one drive, city or slide share; None where nothing is known."""


@dataclass(frozen=True)
class Scene:
    """One decoded image at full resolution, W x H pixels."""

    image: Image.Image
    """RGB."""
    labels: np.ndarray
    """uint8 (H, W): the source's label ids."""
    instances: np.ndarray | None
    """int32 (H, W): label id * 1000 + n for instances, the plain label id elsewhere (groups too)."""
    outside: np.ndarray | None = None
    """bool (H, W): what lies beyond the picture, where a window is larger than it; None where nothing does."""


def read_manifest(file: Path) -> list[Entry]:
    """Read the manifest's images.

    Raises UserError when the manifest is missing, broken, empty, or names an id twice.
    """
    manifest = read_json(file, remedy="`dvc repro download` makes it")
    try:
        root = (file.parent / manifest["root"]).resolve()
        labels_root = (file.parent / (manifest.get("labels_root") or manifest["root"])).resolve()
        entries = [_entry(root, labels_root, image) for image in manifest["images"]]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file}: not a manifest of scenes ({error!r})") from None
    if not entries:
        raise UserError(f"{file}: names no image")
    ids = [entry.id for entry in entries]
    if len(set(ids)) != len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise UserError(f"{file}: the id {twice} stands there twice; ids must be unique")
    return entries


def read_classes(file: Path) -> tuple[str, ...] | None:
    """Return the names of the label ids 1, 2 ... of a manifest's source; None where it does not know them."""
    named = read_json(file, remedy="`dvc repro download` makes it").get("classes")
    return tuple(map(str, named)) if named else None


def check(entries: list[Entry], profile: Boxes) -> None:
    """Check what can be checked before any file is read, so that a long run does not fail at its end.

    Raises UserError that names the file: an image whose aspect is not that of the training size (one training pixel
    of rounding is allowed), or one without an instance file where the profile reads instance ids.
    """
    width, height = profile.size
    for entry in entries:
        if profile.fit == "whole" and abs(entry.size[0] * height - width * entry.size[1]) > max(entry.size):
            raise UserError(
                f"{entry.image}: is {entry.size[0]}x{entry.size[1]}, which does not have the aspect of the training "
                f"size {width}x{height} (boxes.size in configs/datasets.yaml; `fit: centre` or `pad` take any)"
            )
        if profile.instances == "ids" and entry.instances is None:
            raise UserError(f"{entry.labels}: has no instance file; boxes.instances must be `components`, not `ids`")


def read_scene(entry: Entry, instances: bool) -> Scene:
    """Read and decode one image's files; `instances`: also its instance ids.

    Raises UserError that names the file when it is missing, changed since `download`, cannot be decoded, or is not of
    the manifest's size and a fitting type.
    """
    files = _read_files(entry)
    labels = np.asarray(_fitting(entry.labels, pictures.open_stored(entry.labels, files[entry.labels]), entry))
    if labels.ndim != 2 or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 255:
        raise UserError(f"{entry.labels}: label ids must be one channel of whole numbers from 0 to 255")
    ids = None
    if instances:
        opened = pictures.open_stored(entry.instances, files[entry.instances])
        ids = np.asarray(_fitting(entry.instances, opened, entry))
        if ids.ndim != 2 or ids.dtype.kind not in "iu":
            raise UserError(f"{entry.instances}: instance ids must be one channel of whole numbers")
        ids = ids.astype(np.int32)
    image = _fitting(entry.image, pictures.open_rgb(entry.image, files[entry.image]), entry)
    return Scene(image, labels.astype(np.uint8), ids)


def _entry(root: Path, labels_root: Path, image: dict[str, Any]) -> Entry:
    missing = ENTRY_KEYS - set(image)
    if missing:
        raise ValueError(f"an image has no {min(missing)}")
    sizes = [size for size in image["bytes"] if size]
    if len(sizes) != (3 if image["instances"] else 2):
        raise ValueError(f"{image['id']} has the sizes of {len(sizes)} files")
    return Entry(
        id=image["id"],
        split=image["split"],
        image=root / image["image"],
        labels=labels_root / image["labels"],
        instances=labels_root / image["instances"] if image["instances"] else None,
        size=(int(image["width"]), int(image["height"])),
        bytes=tuple(sizes),
        sha256=image["sha256"],
        boxes=_boxes(image.get("boxes")),
        pixel_perfect=image.get("pixel_perfect", True),
        group=image.get("group"),
    )


def _boxes(given: list[dict[str, Any]] | None) -> tuple[GivenBox, ...] | None:
    return None if given is None else tuple(GivenBox(**box | {"bbox": tuple(box["bbox"])}) for box in given)


def _read_files(entry: Entry) -> dict[Path, bytes]:
    """Read each of an entry's files and check them against the sizes and the checksum in the manifest."""
    contents = dict(_contents(entry))
    if hashlib.sha256(contents[entry.labels]).hexdigest() != entry.sha256:
        raise UserError(f"{entry.labels}: its content differs from the manifest's checksum; {REMEDY}")
    return contents


def _contents(entry: Entry) -> Iterator[tuple[Path, bytes]]:
    files = [file for file in (entry.image, entry.labels, entry.instances) if file is not None]
    for file, size in zip(files, entry.bytes, strict=True):
        try:
            content = file.read_bytes()
        except OSError as error:
            raise UserError(f"{file}: cannot be read ({error.strerror}); {REMEDY}") from None
        if len(content) != size:
            raise UserError(f"{file}: has {len(content)} bytes, the manifest says {size}; {REMEDY}")
        yield file, content


def _fitting(file: Path, image: Image.Image, entry: Entry) -> Image.Image:
    """Return an image, after a check that it has the manifest's size."""
    if image.size != entry.size:
        raise UserError(f"{file}: is {image.width}x{image.height}, the manifest says {entry.size[0]}x{entry.size[1]}")
    return image
