"""Masks of COCO annotations: polygons and run lengths, drawn into one label picture."""

from collections.abc import Iterable

import numpy as np
from pycocotools import mask as coco_mask

from stages.download.coco_json import Annotation, Rle

VOID = 255
"""Label of crowd regions: neither an object nor background."""
RunLengths = dict
"""A mask as pycocotools takes it: {"size": [height, width], "counts": bytes}."""


class BadMask(Exception):
    """What is wrong with one mask."""


def encode(annotation: Annotation, size: tuple[int, int]) -> RunLengths:
    """Return an annotation's mask in a picture of size (width, height).

    Raises:
        BadMask: It is damaged, of another size, or has no pixel in the picture.
    """
    width, height = size
    given = annotation.segmentation
    if isinstance(given, Rle):
        found = _run_lengths(given, size)
    else:
        polygons = [polygon for polygon in given or [] if polygon]
        if any(len(polygon) < 6 or len(polygon) % 2 for polygon in polygons):
            raise BadMask("a polygon needs three points or more, x and y of each")
        for polygon in polygons:  # far outside, pycocotools takes as much memory as the polygon is long
            if min(polygon) < -max(size) or max(polygon[::2]) > 2 * width or max(polygon[1::2]) > 2 * height:
                raise BadMask("a polygon reaches far outside the picture")
        found = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    if not coco_mask.area(found):
        raise BadMask("its segmentation has no pixel in the picture")
    return found


def draw(masks: Iterable[tuple[int, RunLengths]], size: tuple[int, int]) -> np.ndarray:
    """Draw (label, mask) into a label picture, uint8 (H, W), of size (width, height): void first, then large to small.

    So a smaller object lies on top of a larger one, and any object on a crowd; of equals the later.
    """
    ids = np.zeros(size[::-1], np.uint8)
    for label, mask in sorted(masks, key=lambda item: (item[0] != VOID, -int(coco_mask.area(item[1])))):
        ids[coco_mask.decode(mask) > 0] = label
    return ids


def box(mask: RunLengths) -> tuple[int, int, int, int]:
    """Return the smallest box around a mask: x, y, width, height."""
    x, y, width, height = (int(value) for value in coco_mask.toBbox(mask))
    return x, y, width, height


def rectangle(box: tuple[int, int, int, int], size: tuple[int, int]) -> RunLengths:
    """Return a box as a mask in a picture of size (width, height)."""
    return coco_mask.frPyObjects(np.array([box], float), *size[::-1])[0]


def _run_lengths(given: Rle, size: tuple[int, int]) -> RunLengths:
    """Check run lengths, since pycocotools reads past the end of short ones, and return them compressed."""
    width, height = size
    if given.size != [height, width]:
        raise BadMask(f"its RLE is of size {given.size}, the picture's is [{height}, {width}]")
    counts = _decompress(given.counts) if isinstance(given.counts, str) else given.counts
    if min(counts, default=-1) < 0 or sum(counts) != width * height:
        raise BadMask(f"its RLE does not have the picture's {width * height} pixels")
    return coco_mask.frPyObjects({"size": given.size, "counts": counts}, height, width)


def _decompress(text: str) -> list[int]:
    """Return the run lengths of a compressed RLE.

    Each is written in groups of five bits, lowest first, as a character from 48 on; the sixth bit says that more
    follow, the fifth of the last is the sign. From the third on, they are differences to the one before the last.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise BadMask("its RLE is damaged")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise BadMask("its RLE is cut off")
    return counts
