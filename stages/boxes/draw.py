"""From full resolution to training size: photographs, masks and boxes.

One rule places everything: a training pixel stands for the point at its centre. Boxes are drawn by it exactly, and
masks settle ties by it, so that boxes and masks shrink alike and neither grows.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from stages.boxes.instances import Instance
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


def draw_covers(
    boxes: Iterable[tuple[int, tuple[int, int, int, int]]], full: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """Draw which classes have a box over a pixel, not only the one on top.

    Args:
        boxes: The class and the bbox of each, in pixels of the full size.
        full: Width and height of the image.
        size: Of the map.

    Returns:
        (H, W) uint16, bit c where a box of class c covers the pixel; bit 0, the background's, everywhere.
    """
    covers = np.ones(size[::-1], np.uint16)
    for label, bbox in boxes:
        covers[pixels(bbox, full, size)] |= np.uint16(1 << label)
    return covers


def pixels(bbox: tuple[int, int, int, int], full: tuple[int, int], size: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and columns that a box (x, y, width, height) of an image of `full` covers in a map of `size`."""
    x, y, width, height = bbox
    return span(y, y + height, full[1], size[1]), span(x, x + width, full[0], size[0])


def span(start: int, stop: int, full: int, small: int) -> slice:
    """Return the pixels of a side of length `small` whose centres lie in [start, stop) of the side of `full` pixels.

    Where there is none, the one pixel in which the middle of [start, stop) lies: no box vanishes. In whole numbers,
    so exact: pixel i counts if start <= (i + 1/2) full / small < stop.
    """
    first, last = (-((full - 2 * edge * small) // (2 * full)) for edge in (start, stop))
    if first == last:
        first = (start + stop) * small // (2 * full)
        last = first + 1
    return slice(first, last)


def _centres(full: int, small: int) -> np.ndarray:
    """Return the full-resolution pixel in which each training pixel's centre lies."""
    return (2 * np.arange(small) + 1) * full // (2 * small)
