"""Your own data: a folder of pictures and COCO instance files, as annotation tools export them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Strict

from stages.download import user_paths
from stages.download.listing import Listing, is_text, unwritable
from stages.download.registry import DataSource
from stages.download.user_paths import Place
from stages.errors import UserError
from stages.fields import Scenes

TITLE, VARIABLE = "own data (COCO)", "COCO_ROOT"
ANNOTATIONS = "annotations"
ROBOFLOW = "_annotations.coco.json"
"""One in each of Roboflow's folders train, valid and test."""


class CocoScenes(Scenes):
    """Where pictures and annotations lie; what is not said here, COCO_ROOT says."""

    source: Literal["coco"]
    images: str | None = Field(None, description="a folder of pictures")
    annotations: str | Annotated[tuple[str, ...], Field(min_length=1), Strict(False)] | None = Field(
        None, description="a COCO instance file, or a list of them"
    )


def place(scenes: CocoScenes, out: Path, environ: Mapping[str, str]) -> Place:
    """Return the folder of pictures, and the annotation files that lie elsewhere.

    Raises:
        UserError: There is no such folder or file, or neither the profile nor COCO_ROOT names one.
    """
    root = _root(scenes, environ)
    return Place(root, (root, *(file for file in _named(scenes, environ) if not file.is_relative_to(root))))


def find(scenes: CocoScenes, out: Path, environ: Mapping[str, str]) -> Listing:
    """Read the annotations, draw the label pictures into `out`, and return the pairs.

    Raises:
        UserError: as `place`; or something in the annotations is not what it should be.
    """
    from stages.download import coco_listing  # numpy, Pillow and pycocotools: not for who reads the schema

    root = place(scenes, out, environ).root
    index = user_paths.files(root)
    return coco_listing.listing(root, index, splits(_named(scenes, environ) or annotation_files(root, index)), out)


def annotation_files(root: Path, index: list[Path]) -> list[Path]:
    """Return the annotation files among all files of a folder.

    They lie at the top, in annotations/, or are Roboflow's, one in each folder. Where some are called instances...,
    the others are of other tasks (captions, key points).

    Raises:
        UserError: There is none.
    """
    found = [file for file in index if file.suffix.lower() == ".json" and _is_annotation(root, file)]
    if not found:
        raise UserError(
            f"{root}: no annotation file; expected COCO instance files (*.json) there or in {ANNOTATIONS}/, or named "
            "as scenes.annotations in configs/datasets.yaml"
        )
    return [file for file in found if file.name.startswith("instances")] or found


def splits(files: list[Path]) -> dict[Path, str]:
    """Return each file's part: val and test where the names of some of several files say so, else train.

    Of Roboflow's files, the folder's name counts. Where no file is for validation, or all are, the profile's
    `boxes.split` decides and every image is of train.
    """
    parts = {file: _part(file.parent.name if file.name == ROBOFLOW else file.stem) for file in files}
    return parts if {"train", "val"} <= set(parts.values()) else dict.fromkeys(files, "train")


def _part(name: str) -> str:
    """Return the part that a name says, as a word of its own: val2017, not interval."""
    for part, words in (("val", "val|valid|validation"), ("test", "test")):
        if re.search(rf"(?<![a-z])({words})(?![a-z])", name.lower()):
            return part
    return "train"


def _is_annotation(root: Path, file: Path) -> bool:
    return file.parent in (root, root / ANNOTATIONS) or (file.name == ROBOFLOW and file.parent.parent == root)


def _root(scenes: CocoScenes, environ: Mapping[str, str]) -> Path:
    if scenes.images is not None:
        root = _existing(scenes.images, "scenes.images", environ, folder=True)
    else:
        named = user_paths.user_path(VARIABLE, environ, need=())
        if named is None:
            raise UserError(
                f"your own data are not here: set {VARIABLE} to a folder of pictures with COCO instance files, or name "
                "both in configs/datasets.yaml (scenes.images, scenes.annotations)"
            )
        root = named
    return root


def _named(scenes: CocoScenes, environ: Mapping[str, str]) -> list[Path]:
    """Return the annotation files that the profile names."""
    names = [scenes.annotations] if isinstance(scenes.annotations, str) else scenes.annotations or []
    return [_existing(name, "scenes.annotations", environ, folder=False) for name in names]


def _existing(value: str, what: str, environ: Mapping[str, str], folder: bool) -> Path:
    for path in user_paths.absolute(value, what, environ):
        if path.is_dir() if folder else path.is_file():
            if not is_text(str(path)):
                raise UserError(unwritable(path))
            return path
    raise UserError(f"configs/datasets.yaml: {what} is {value}, which is no {'folder' if folder else 'file'}")


SOURCE = DataSource(CocoScenes, TITLE, find, place, VARIABLE)
