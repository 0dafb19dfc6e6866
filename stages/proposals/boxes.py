"""The boxes of packed images, in training pixels."""

import math
from dataclasses import dataclass

from stages.arrays import Packed
from stages.boxes.covers import boxes_of


@dataclass(frozen=True)
class Box:
    """A box of an image.

    Attributes:
        label: Its class, from 1.
        rows, columns: The training pixels that it covers.
    """

    label: int
    rows: slice
    columns: slice

    def centre(self, share: float) -> tuple[slice, slice]:
        """Return the rows and columns of a box of `share` of the area, shape and middle alike, at least a pixel."""
        return _middle(self.rows, math.sqrt(share)), _middle(self.columns, math.sqrt(share))


def _middle(side: slice, share: float) -> slice:
    length = side.stop - side.start
    kept = max(1, round(length * share))
    first = side.start + (length - kept) // 2
    return slice(first, first + kept)


def packed_boxes(packed: Packed, task: str, index: int) -> list[Box]:
    """Return the boxes of a training image, see `boxes_of`."""
    return [Box(*one) for one in boxes_of(packed, task, index)]
