"""Box labels refined by a dense CRF: the labels of WSSL's Bbox-Seg (Papandreou et al. 2015, section 3.3).

The CRF is that of Kraehenbuehl and Koltun 2011, Efficient inference in fully connected CRFs with Gaussian edge
potentials: a bilateral and a smoothness term between all pairs of pixels, a Potts model, and mean-field inference.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from stages.proposals.boxes import Box
from stages.proposals.lattice import Lattice

SURE = 20.0  # nats, of what the boxes leave no doubt about
WIDTH = 500.0  # pixels, of the pictures (PASCAL VOC) for which the usual distances are


@dataclass(frozen=True)
class Settings:
    """The CRF's parameters.

    Attributes:
        centre: The share of a box, around its middle and of its shape, that is its class without doubt.
        colour_weight, colour_distance, colour_range: Of the bilateral term: its weight, and its standard deviations
            in pixels of a picture 500 wide and in units of 8-bit RGB.
        smooth_weight, smooth_distance: Of the smoothness term.
        iterations: Of the mean field.
    """

    centre: float = 0.2
    colour_weight: float = 4.0
    colour_distance: float = 67.0
    colour_range: float = 3.0
    smooth_weight: float = 3.0
    smooth_distance: float = 1.0
    iterations: int = 10


USUAL = Settings()
"""DeepLab's usual parameters, and WSSL's share of the centre."""


def refine(image: np.ndarray, boxes: list[Box], classes: int, settings: Settings = USUAL) -> np.ndarray:
    """Return the pixels of each class inside its boxes.

    Outside boxes all is background without doubt, and in the centre of a box (of several: of the last) its class.
    In between, the background and the classes of all boxes over a pixel are equally likely at first.

    Args:
        image: (H, W, 3) uint8, RGB.
        boxes: From the bottom to the top.
        classes: How many there are, with the background.
        settings: The CRF's parameters.

    Returns:
        (H, W) uint8, the class.
    """
    if not boxes:
        return np.zeros(image.shape[:2], np.uint8)
    cost = np.full((*image.shape[:2], classes), SURE)
    cost[..., 0] = 0
    for box in boxes:
        cost[box.rows, box.columns, box.label] = 0
    for box in boxes:
        rows, columns = box.centre(settings.centre)
        cost[rows, columns] = SURE
        cost[rows, columns, box.label] = 0
    found = mean_field(image, cost.reshape(-1, classes), settings)
    return found.argmax(axis=1).reshape(image.shape[:2]).astype(np.uint8)


def mean_field(image: np.ndarray, cost: np.ndarray, settings: Settings) -> np.ndarray:
    """Return the marginals of each pixel's class under the CRF.

    Args:
        image: (H, W, 3) uint8, RGB.
        cost: (H W, C) float, the unary potentials in nats.
        settings: The CRF's parameters.

    Returns:
        (H W, C) float64, each row a distribution.
    """
    scale = image.shape[1] / WIDTH
    place = np.indices(image.shape[:2]).reshape(2, -1).T.astype(np.float64)
    colour = image.reshape(-1, 3) / settings.colour_range
    near = place / max(settings.smooth_distance * scale, SMALLEST)
    bilateral = Lattice(np.hstack([place / (settings.colour_distance * scale), colour]))
    smooth = Lattice(near)
    q = softmax(-cost, axis=1)
    for _ in range(settings.iterations):
        support = settings.colour_weight * bilateral.filter(q) + settings.smooth_weight * smooth.filter(q)
        q = softmax(support - cost, axis=1)
    return q


SMALLEST = 0.5
"""Pixels: of a narrower smoothness term a pixel has no neighbours."""
