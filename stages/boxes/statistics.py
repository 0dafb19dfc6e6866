"""How well boxes stand for masks: the fill rate and the IoU, per class and split."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from stages.arrays import VOID, Classes
from stages.errors import UserError

FEW_IMAGES = 3
"""Of a class, fewer are told about."""


@dataclass
class Tally:
    """Counts of one or more images; tallies add up.

    Attributes:
        classes: Of the dataset.
        counts: By class with boxes: instances found, group regions among them, boxes kept, instances dropped as too
            small.
        pixels: By task: valid (not void) training pixels by mask value (row) and box target (column).
        images: By class with boxes: images with a pixel of it.
    """

    classes: Classes
    counts: dict[str, dict[str, int]] = field(init=False)
    pixels: dict[str, np.ndarray] = field(init=False)
    images: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        """Start with nothing counted."""
        keys = ("instances", "groups", "boxes", "dropped")
        self.counts = {name: dict.fromkeys(keys, 0) for name in self.classes.boxed}
        self.images = dict.fromkeys(self.classes.boxed, 0)
        values = {task: max(len(self.classes.names(task)), 3) for task in self.classes.tasks}
        self.pixels = {task: np.zeros((n, n), np.int64) for task, n in values.items()}

    def add_pixels(self, task: str, mask: np.ndarray, target: np.ndarray) -> None:
        """Count one image's mask against its box target, both uint8 (H, W)."""
        valid = (mask != VOID) & (target != VOID)
        n = len(self.pixels[task])
        cells = mask[valid].astype(np.int64) * n + target[valid]
        self.pixels[task] += np.bincount(cells, minlength=n**2).reshape(n, -1)

    def __iadd__(self, other: "Tally") -> Self:
        for name, counts in other.counts.items():
            for key, value in counts.items():
                self.counts[name][key] += value
        for task, pixels in other.pixels.items():
            self.pixels[task] += pixels
        for name, count in other.images.items():
            self.images[name] += count
        return self

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return per class the counts, `mask_share` (percent of valid pixels), and `fill_rate` and `iou` of its boxes.

        `fill_rate` (0 to 1) is the share of a class's box-target pixels that its mask covers; `iou` (percent) compares
        the two. Void pixels count in neither; None where there is no such pixel. Both are of the first task that knows
        the class; `multi_class` has those of the last task, where a smaller box of another class may lie on top.
        """
        return {name: self._of_class(label, name) for label, name in enumerate(self.classes.boxed, start=1)}

    def _of_class(self, label: int, name: str) -> dict[str, Any]:
        own = next(task for task in self.classes.tasks if name in self.classes.of_boxes(task))
        valid = self.pixels[own]
        return {
            **self.counts[name],
            "mask_share": _ratio(valid[label].sum(), valid.sum(), 100),
            **_agreement(valid, label),
            "images": self.images[name],
            "multi_class": _agreement(self.pixels[self.classes.tasks[-1]], label),
        }


def check(dataset: str, summary: dict[str, dict[str, Any]]) -> list[str]:
    """Check that the training images show every class, and return a line about each that few of them show.

    Args:
        dataset: Its name.
        summary: Of the training images, as `Tally.summary` returns it.

    Raises:
        UserError: No training image has a class: its labels are not those that the profile names.
    """
    for name, entry in summary.items():
        if not entry["images"]:
            raise UserError(
                f"{dataset}: no training image has the class {name}; take it out of the profile's classes in "
                f"configs/datasets.yaml, or correct its label ids (in a palette image an id is a place, not a colour)"
            )
    return [
        f"{dataset}: only {entry['images']} training images have the class {name}"
        for name, entry in summary.items()
        if entry["images"] < FEW_IMAGES
    ]


def table(dataset: str, images: dict[str, int], summaries: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Return the statistics as a short text table."""
    width = max(len("class"), *(len(name) for summary in summaries.values() for name in summary))
    head = f"split  images  {'class':<{width}}  boxes  fill rate  IoU of boxes with masks"
    lines = [f"{dataset}: boxes against masks", head]
    for split, summary in summaries.items():
        for name, entry in summary.items():
            fill = "-" if entry["fill_rate"] is None else f"{entry['fill_rate']:.3f}"
            iou = "-" if entry["iou"] is None else f"{entry['iou']:.1f} %"
            lines.append(f"{split:<5}  {images[split]:>6}  {name:<{width}}  {entry['boxes']:>5}  {fill:>9}  {iou:>23}")
    return "\n".join(lines)


def _agreement(pixels: np.ndarray, label: int) -> dict[str, float | None]:
    both, masked, boxed = pixels[label, label], pixels[label].sum(), pixels[:, label].sum()
    return {"fill_rate": _ratio(both, boxed, 1), "iou": _ratio(both, masked + boxed - both, 100)}


def _ratio(part: int, whole: int, scale: int) -> float | None:
    return round(float(scale * part / whole), 6) if whole else None
