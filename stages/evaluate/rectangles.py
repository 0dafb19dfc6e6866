"""How rectangular a segmentation is: the share of its own bounding box that each connected component fills."""

import numpy as np
from scipy import ndimage

MIN_AREA = 20  # pixels at training size; specks are left out, since a component of one or two pixels is a rectangle
EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


def extents(labels: np.ndarray, n_classes: int, min_area: int = MIN_AREA) -> np.ndarray:
    """Extent of each connected component (8 neighbours) of each foreground class of each image.

    Extent is the component's area divided by the area of its bounding box, as in scikit-image: 1 for an upright
    rectangle, pi / 4 for a disc.

    Args:
        labels: (N, H, W) integer classes; background 0 and void 255 are no component.
        n_classes: C; components are those of classes 1 to C - 1.
        min_area: components of fewer pixels are left out.

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
