"""Masks as COCO annotations: a run-length encoding of each connected part of a class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from scipy import ndimage

from stages.predict.maps import Answer

EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


def encode(part: np.ndarray, left: int, top: int, width: int, height: int) -> dict[str, Any]:
    """Return COCO's compressed run-length encoding of a mask.

    Args:
        part: (h, w) bool, the part of the mask that may be True.
        left, top: Its place in the picture.
        width, height: Of the picture.

    Returns:
        {"size": [height, width], "counts": str}.
    """
    column, row = np.divmod(np.flatnonzero(part.T), part.shape[0])  # COCO counts down the columns
    inside = (column + left) * height + row + top
    breaks = np.flatnonzero(np.diff(inside) > 1)
    if len(inside):
        starts, ends = inside[np.r_[0, breaks + 1]], inside[np.r_[breaks, len(inside) - 1]] + 1
        edges = np.stack([starts, ends], axis=1).ravel()
    else:
        edges = np.empty(0, np.int64)
    counts = np.diff(np.r_[0, edges, width * height]).tolist()
    if not counts[-1]:
        counts.pop()  # the last pixel is inside
    encoded = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return {"size": [height, width], "counts": encoded["counts"].decode("ascii")}


def annotations(found: Answer, n_classes: int) -> list[dict[str, Any]]:
    """Return an annotation, without ids, for each 8-connected part of each foreground class.

    Its score is the mean probability of the class over the part.
    """
    height, width = found.classes.shape
    made = []
    for label in range(1, n_classes):
        markers, _ = ndimage.label(found.classes == label, EIGHT_NEIGHBOURS)
        for number, (rows, columns) in enumerate(ndimage.find_objects(markers), start=1):
            part = markers[rows, columns] == number
            score = found.probability[rows, columns][part].mean(dtype=np.float64)
            made.append(
                {
                    "category_id": label,
                    "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
                    "area": int(part.sum()),
                    "score": round(float(score), 4),
                    "segmentation": encode(part, columns.start, rows.start, width, height),
                    "iscrowd": 0,
                }
            )
    return made


def categories(classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return the categories of a row's classes, of which the first is the background."""
    return [{"id": label, "name": name} for label, name in enumerate(classes) if label]
