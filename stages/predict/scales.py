"""How a picture comes to the network: scaled to the training's area, or in overlapping tiles."""

import math

import numpy as np
from PIL import Image

MULTIPLE = 8
"""The network halves its input three times."""
OVERLAP = 4
"""Neighbouring tiles share at least one part in OVERLAP of their side."""

Size = tuple[int, int]
"""Width and height in pixels."""


def fit_size(picture: Size, training: Size) -> Size:
    """Return the size nearest to the picture's aspect and the training size's area whose sides are multiples of 8."""
    width = math.sqrt(training[0] * training[1] * picture[0] / picture[1])
    height = width * picture[1] / picture[0]
    across, down = (max(MULTIPLE, MULTIPLE * round(side / MULTIPLE)) for side in (width, height))
    return across, down


def resize(picture: Image.Image, size: Size) -> np.ndarray:
    """Resize a picture: uint8 (H, W, 3). A smaller one is the mean over areas, as the training's images are."""
    smaller = size[0] <= picture.width and size[1] <= picture.height
    return np.array(picture.resize(size, Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR))


def tile_side(length: int, training: int) -> int:
    """Return the side of the tiles of a length: the training's, or the next multiple of 8 where that is shorter."""
    return min(training, MULTIPLE * math.ceil(length / MULTIPLE))


def tile_starts(length: int, side: int) -> list[int]:
    """Return where tiles that cover a length, at least `side`, begin: evenly, the first at 0, the last at the end."""
    overlap = side // OVERLAP
    count = max(1, math.ceil((length - overlap) / (side - overlap)))
    return np.linspace(0, length - side, count).round().astype(int).tolist()


def tile_weights(starts: list[int], side: int) -> np.ndarray:
    """Return how much each pixel of each tile counts along one axis: (tiles, side) fp32.

    The weight of a tile rises from its ends over the least overlap; those of all tiles sum to 1 at every pixel.
    """
    place = np.arange(side)
    ramp = np.minimum(place + 1, side - place).clip(max=side // OVERLAP).astype(np.float64)
    total = np.zeros(starts[-1] + side)
    for start in starts:
        total[start : start + side] += ramp
    return np.stack([ramp / total[start : start + side] for start in starts]).astype(np.float32)
