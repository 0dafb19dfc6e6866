"""Measures of how rectangular a segmentation is, by connected component.

A component is compared with its own bounding box, and with the box target and the mask of the object that it shows.
"""

import numpy as np
from scipy import ndimage

from stages.arrays import VOID

MIN_AREA = 20  # pixels at training size: smaller components are rectangles by themselves
EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


def extents(labels: np.ndarray, n_classes: int, min_area: int = MIN_AREA) -> np.ndarray:
    """Return the extent of each connected component (8 neighbours) of each foreground class of each image.

    Extent is the component's area divided by the area of its bounding box, as in scikit-image: 1 for an upright
    rectangle, pi / 4 for a disc.

    Args:
        labels: (N, H, W) integer classes; background 0 and void 255 are no component.
        n_classes: C; components are those of classes 1 to C - 1.
        min_area: In pixels; smaller components are left out.

    Returns:
        (M,) float64 in (0, 1], M components, in the order of images, classes, scan lines.
    """
    found = [_extents(image == c, min_area) for image in labels for c in range(1, n_classes)]
    return np.concatenate(found) if found else np.zeros(0)


def _extents(mask: np.ndarray, min_area: int) -> np.ndarray:
    components, _ = ndimage.label(mask, EIGHT_NEIGHBOURS)
    area = np.bincount(components.ravel())[1:]
    box_area = np.array([(y.stop - y.start) * (x.stop - x.start) for y, x in ndimage.find_objects(components)])
    kept = area >= min_area
    return area[kept] / box_area[kept] if kept.any() else np.zeros(0)


def agreements(
    labels: np.ndarray, truth: np.ndarray, targets: np.ndarray, boxes: np.ndarray, min_area: int = MIN_AREA
) -> np.ndarray:
    """Return the IoU of each connected component (8 neighbours) with its box, and with the mask in that box.

    A component's box is the one of its class that covers most of its pixels; components outside of all boxes of their
    class are left out. An output that is the mask has (fill rate, 1), one that fills the box (1, fill rate).

    Args:
        labels: (N, H, W) integer classes of the output; void pixels are 255 here, in `truth` and in `targets`.
        truth: (N, H, W) integer classes of the mask.
        targets: (N, H, W) integer classes of the box target.
        boxes: (N, H, W) integer, 1 + the number of the box on top, 0 outside.
        min_area: In pixels; smaller components are left out.

    Returns:
        (M, 2) float64 in [0, 1]: [component, with its box or with the mask], in the order of images, classes, scan
        lines.
    """
    found: list[tuple[float, float]] = []
    for output, mask, target, numbers in zip(labels, truth, targets, boxes, strict=True):
        for c in np.unique(target[(target > 0) & (target != VOID)]):
            found += _agreements(output == c, mask == c, target == c, numbers, min_area)
    return np.array(found, np.float64).reshape(-1, 2)


def _agreements(
    output: np.ndarray, mask: np.ndarray, inside: np.ndarray, boxes: np.ndarray, min_area: int
) -> list[tuple[float, float]]:
    """Return `agreements` of one class of one image: (H, W) bool, and the numbers of the boxes."""
    components, count = ndimage.label(output, EIGHT_NEIGHBOURS)
    found = []
    for component in (components == number for number in range(1, count + 1)):
        covering = boxes[component & inside]
        if component.sum() >= min_area and covering.size:
            box = inside & (boxes == np.bincount(covering).argmax())
            found.append((_iou(component, box), _iou(component, box & mask)))
    return found


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())
