"""Which training pixels a box covers. Apart from what reads pictures, since trainings depend on it."""

from collections.abc import Iterable

import numpy as np


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


def pixels(bbox: tuple[int, int, int, int], full: tuple[int, int], size: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and columns that a box (x, y, width, height) of an image of `full` covers in a map of `size`."""
    x, y, width, height = bbox
    return span(y, y + height, full[1], size[1]), span(x, x + width, full[0], size[0])


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
