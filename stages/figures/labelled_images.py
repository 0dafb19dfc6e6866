"""Packed images with their labels, as figures show them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.arrays import Split, task_masks


@dataclass(frozen=True)
class LabelledImage:
    """One image of a figure.

    Attributes:
        image: (H, W, 3) uint8. target: (H, W) uint8, the box target. indices: (H, W) uint16, the number of the box on
            top, 0 outside of boxes. mask: (H, W) uint8, the true mask as the task sees it.
    """

    image: np.ndarray
    target: np.ndarray
    indices: np.ndarray
    mask: np.ndarray

    @property
    def inside(self) -> np.ndarray:
        """Where a box lies, (H, W) bool."""
        return self.indices > 0

    @property
    def aspect(self) -> float:
        """Height over width."""
        height, width = self.target.shape
        return height / width


def labelled_image(split: Split, index: int, task: str) -> LabelledImage:
    """Return an image of a packed split with its labels for a task."""
    return LabelledImage(
        np.array(split.images[index]),
        np.array(split.targets(task)[index]),
        np.array(split.indices(task)[index]),
        task_masks(split.masks(task)[index], len(split.classes.names(task))),
    )


def choose(images: Sequence[LabelledImage], count: int, classes: Sequence[int] = (1,)) -> list[int]:
    """Choose the `count` images that tell most: those whose rarest class has the largest box area, in their order."""
    areas = [min(int((image.target == c).sum()) for c in classes) for image in images]
    best = sorted(range(len(images)), key=lambda k: (-areas[k], k))[:count]
    return sorted(best)


def percent(value: float | None) -> str:
    """Write a percentage with one decimal; a dash for that of a class that is nowhere."""
    return "–" if value is None else f"{value:.1f} %"
