"""Box labels refined by GrabCut (Rother, Kolmogorov and Blake 2004), box by box: OpenCV's, started from the rectangle.

It is the paper's [16]. Simple Does It (Khoreva et al. 2017, section 3.2) has a variant of its own, with learned edges.
"""

import cv2
import numpy as np

from stages.proposals.boxes import Box

ITERATIONS = 5
SEED = 0  # of the colour clusters that GrabCut starts from
LEAST = 0.5
"""Where less than this share of a box is found to be its class, its labels are those of the box (Simple Does It)."""


def refine(image: np.ndarray, boxes: list[Box], iterations: int = ITERATIONS) -> np.ndarray:
    """Return the pixels of each class inside its boxes.

    Each box is cut out by itself, with all that lies outside of it as background. Where boxes overlap, the one on top
    decides, and where it finds none of its class, the one below.

    Args:
        image: (H, W, 3) uint8, RGB.
        boxes: From the bottom to the top.
        iterations: Of GrabCut.

    Returns:
        (H, W) uint8, the class.
    """
    labels = np.zeros(image.shape[:2], np.uint8)
    for box in boxes:
        found = labels[box.rows, box.columns]
        found[cut(image, box, iterations)] = box.label
    return labels


def cut(image: np.ndarray, box: Box, iterations: int = ITERATIONS) -> np.ndarray:
    """Return the pixels of a box that GrabCut finds in front: (h, w) bool; all, where nothing lies outside or too few.

    Args:
        image: (H, W, 3) uint8, RGB.
        box: Whose pixels are asked for.
        iterations: Of GrabCut.
    """
    state = np.full(image.shape[:2], cv2.GC_BGD, np.uint8)
    state[box.rows, box.columns] = cv2.GC_PR_FGD
    whole = np.ones((box.rows.stop - box.rows.start, box.columns.stop - box.columns.start), bool)
    if not (state == cv2.GC_BGD).any():
        return whole
    cv2.setRNGSeed(SEED)
    background, front = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(image[..., ::-1])
    cv2.grabCut(bgr, state, (0, 0, 0, 0), background, front, iterations, cv2.GC_INIT_WITH_MASK)
    found = np.isin(state[box.rows, box.columns], (cv2.GC_FGD, cv2.GC_PR_FGD))
    return found if found.mean() >= LEAST else whole


def use_one_core() -> None:
    """Keep OpenCV to one core: as many processes as cores work at a time."""
    cv2.setNumThreads(1)
