"""From full resolution to training size: photographs, masks and boxes.

One rule places everything: a training pixel stands for the point at its centre. Boxes are drawn by it exactly, and
masks settle ties by it, so that boxes and masks shrink alike and neither grows.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from stages.boxes.instances import Instance
from stages.boxes.spans import pixels
from stages.errors import UserError

SHARE_STEPS = 2**16
"""Shares of a training pixel are compared in steps of this fraction: sums that differ in the last bit are ties."""
MOST_BOXES = 2**15 - 1
"""Boxes of an image that an int16 can number, as which batches hold the index maps; 0 is none."""


def shrink_image(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Shrink a photograph to (width, height) by a box filter (mean over area, so antialiased): uint8 (H, W, 3)."""
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def shrink_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Shrink a mask to (width, height), uint8: a training pixel takes the value that covers most of it, void too.

    A tie goes to the value at the pixel's centre if that is among the best, else to the lowest of the best.
    """
    rows, columns = (_centres(full, small) for full, small in zip(mask.shape, reversed(size), strict=True))
    centre = mask[rows[:, None], columns]
    best, best_share = np.zeros_like(centre), np.full(centre.shape, -1.0)
    centre_share = np.zeros(centre.shape)
    for value in np.flatnonzero(np.bincount(mask.ravel())):
        cover = Image.fromarray((mask == value).astype(np.float32)).resize(size, Image.Resampling.BOX)
        share = np.rint(np.asarray(cover, np.float64) * SHARE_STEPS)
        better = share > best_share
        best[better], best_share[better] = value, share[better]
        centre_share[centre == value] = share[centre == value]
    return np.where(centre_share == best_share, centre, best)


def draw_boxes(
    instances: Sequence[Instance], full: tuple[int, int], size: tuple[int, int], overlap: str
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the box target uint8 and index map uint16, (H, W) at `size` (width, height), of an image of size `full`.

    The target is 0 outside boxes, else the class of the box on top; the index map 0, else 1 + that box's place in
    `instances`. On top lies the box with the smaller area at full resolution (`overlap` "larger": the larger one);
    of equal ones the later. Boxes of things whose mask is known are left out.

    Raises:
        UserError: There are more boxes than an index map can number.
    """
    if len(instances) > MOST_BOXES:
        raise UserError(
            f"{len(instances)} boxes in one image; allowed: {MOST_BOXES}; a larger min_area leaves out some"
        )
    width, height = size
    target, index = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint16)
    sign = -1 if overlap == "smaller" else 1
    for place in sorted(range(len(instances)), key=lambda i: sign * instances[i].bbox[2] * instances[i].bbox[3]):
        if not instances[place].masked:
            where = pixels(instances[place].bbox, full, size)
            target[where], index[where] = instances[place].label, place + 1
    return target, index


def _centres(full: int, small: int) -> np.ndarray:
    """Return the full-resolution pixel in which each training pixel's centre lies."""
    return (2 * np.arange(small) + 1) * full // (2 * small)
