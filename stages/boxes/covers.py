"""Which classes have a box over a pixel of packed images: what `flip_to: covered` may turn a label to."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.arrays import Packed, read_json
from stages.boxes.spans import draw_covers


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
    known = len(packed.classes.of_boxes(task))
    maps = []
    for index in indices:
        image, boxes = _boxes_of(packed.path)[packed.train.ids[int(index)]]
        left, top, *full = image["window"]
        moved = [
            (box["category_id"], (box["bbox"][0] - left, box["bbox"][1] - top, *box["bbox"][2:]))
            for box in boxes
            if box["category_id"] <= known
        ]
        maps.append(draw_covers(moved, (full[0], full[1]), (width, height)))
    return np.stack(maps) if maps else np.zeros((0, height, width), np.uint16)


@functools.lru_cache(maxsize=2)
def _boxes_of(folder: Path) -> dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Return the entry of each image in boxes.json, and its boxes, by its id."""
    coco = read_json(folder / "boxes.json")
    by_number: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in coco["images"]}
    for box in coco["annotations"]:
        by_number[box["image_id"]].append(box)
    return {image["file_name"]: (image, by_number[image["id"]]) for image in coco["images"]}
