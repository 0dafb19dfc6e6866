"""How well boxes stand for masks: the fill rate and the IoU, per class and split."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from stages.arrays import CLASSES, TASKS, VOID

FOREGROUND = CLASSES[1:]


@dataclass
class Tally:
    """Counts of one or more images; tallies add up."""

    counts: dict[str, dict[str, int]] = field(
        default_factory=lambda: {
            name: dict.fromkeys(("instances", "groups", "boxes", "dropped"), 0) for name in FOREGROUND
        }
    )
    """Per class: instances found, group regions among the instances, boxes kept, instances dropped as too small."""
    pixels: dict[str, np.ndarray] = field(
        default_factory=lambda: {task: np.zeros((len(CLASSES), len(CLASSES)), np.int64) for task in TASKS}
    )
    """Per task: valid (not void) training pixels by mask value (row) and box target (column)."""

    def add_pixels(self, task: str, mask: np.ndarray, target: np.ndarray) -> None:
        """Count one image's mask against its box target, both uint8 (H, W)."""
        valid = mask != VOID
        cells = mask[valid].astype(np.int64) * len(CLASSES) + target[valid]
        self.pixels[task] += np.bincount(cells, minlength=len(CLASSES) ** 2).reshape(len(CLASSES), -1)

    def __iadd__(self, other: "Tally") -> Self:
        for name, counts in other.counts.items():
            for key, value in counts.items():
                self.counts[name][key] += value
        for task, pixels in other.pixels.items():
            self.pixels[task] += pixels
        return self

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return per class the counts, `mask_share` (percent of valid pixels), and `fill_rate` and `iou` of its boxes.

        `fill_rate` (0 to 1) is the share of a class's box-target pixels that its mask covers; `iou` (percent) compares
        the two. Void pixels count in neither; None where there is no such pixel. Both are of the binary task for cars
        and of the multi-class task for persons; `multi_class` has the multi-class task's for either, where a smaller
        box of the other class may lie on top.
        """
        return {name: self._of_class(label, name) for label, name in enumerate(FOREGROUND, start=1)}

    def _of_class(self, label: int, name: str) -> dict[str, Any]:
        own = next(task for task, classes in TASKS.items() if name in classes)
        valid = self.pixels[own]
        return {
            **self.counts[name],
            "mask_share": _ratio(valid[label].sum(), valid.sum(), 100),
            **_agreement(valid, label),
            "multi_class": _agreement(self.pixels["car-person"], label),
        }


def table(dataset: str, images: dict[str, int], summaries: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Return the statistics as a short text table."""
    lines = [f"{dataset}: boxes against masks", "split  images  class   boxes  fill rate  IoU of boxes with masks"]
    for split, summary in summaries.items():
        for name, entry in summary.items():
            fill = "-" if entry["fill_rate"] is None else f"{entry['fill_rate']:.3f}"
            iou = "-" if entry["iou"] is None else f"{entry['iou']:.1f} %"
            lines.append(f"{split:<5}  {images[split]:>6}  {name:<6}  {entry['boxes']:>5}  {fill:>9}  {iou:>23}")
    return "\n".join(lines)


def _agreement(pixels: np.ndarray, label: int) -> dict[str, float | None]:
    both, masked, boxed = pixels[label, label], pixels[label].sum(), pixels[:, label].sum()
    return {"fill_rate": _ratio(both, boxed, 1), "iou": _ratio(both, masked + boxed - both, 100)}


def _ratio(part: int, whole: int, scale: int) -> float | None:
    return round(float(scale * part / whole), 6) if whole else None
