"""The boxes of packed images, and which classes have one over a pixel: what `flip_to: covered` may turn a label to."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.arrays import REMEDY, Packed, read_json
from stages.boxes.spans import draw_covers, pixels
from stages.errors import reading


def covers(packed: Packed, task: str, indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return maps of the classes that cover each pixel of some training images.

    Args:
        packed: The data.
        task: Whose classes count.
        indices: Of the training images.

    Returns:
        (N, H, W) uint16, see `draw_covers`.

    Raises:
        UserError: boxes.json is missing or broken.
    """
    height, width = packed.train.images.shape[1:3]
    maps = []
    for index in indices:
        boxes, full = _moved(packed, task, int(index))
        maps.append(draw_covers(boxes, full, (width, height)))
    return np.stack(maps) if maps else np.zeros((0, height, width), np.uint16)


def boxes_of(packed: Packed, task: str, index: int) -> list[tuple[int, slice, slice]]:
    """Return the boxes of a training image: class, rows and columns in training pixels, the one on top last.

    Args:
        packed: The data.
        task: Whose classes count.
        index: Of the training image.

    Raises:
        UserError: boxes.json or statistics.json is missing or broken.
    """
    height, width = packed.train.images.shape[1:3]
    boxes, full = _moved(packed, task, index)
    sign = -1 if _overlap(packed.path) == "smaller" else 1
    boxes.sort(key=lambda box: sign * box[1][2] * box[1][3])
    return [(label, *pixels(bbox, full, (width, height))) for label, bbox in boxes]


Labelled = list[tuple[int, tuple[int, int, int, int]]]
"""The class and the bbox (x, y, width, height) of each box."""


def _moved(packed: Packed, task: str, index: int) -> tuple[Labelled, tuple[int, int]]:
    """Return the class and bbox of an image's boxes within the part that was packed, and that part's size."""
    known, listed = len(packed.classes.of_boxes(task)), _listed(packed.path)
    with reading(packed.path / "boxes.json", REMEDY):
        image, boxes = listed[packed.train.ids[index]]
        left, top, width, height = image["window"]
        moved = [
            (box["category_id"], (box["bbox"][0] - left, box["bbox"][1] - top, *box["bbox"][2:]))
            for box in boxes
            if box["category_id"] <= known
        ]
        return moved, (width, height)


@functools.lru_cache(maxsize=2)
def _overlap(folder: Path) -> str:
    file = folder / "statistics.json"
    with reading(file, REMEDY):
        return read_json(file)["settings"]["overlap"]


@functools.lru_cache(maxsize=2)
def _listed(folder: Path) -> dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Return the entry of each image in boxes.json, and its boxes, by its id."""
    file = folder / "boxes.json"
    coco = read_json(file)
    with reading(file, REMEDY):
        by_number: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in coco["images"]}
        for box in coco["annotations"]:
            by_number[box["image_id"]].append(box)
        return {image["file_name"]: (image, by_number[image["id"]]) for image in coco["images"]}
