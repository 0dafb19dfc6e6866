"""The classes of a dataset: which label ids are which value of its masks."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.arrays import VOID, Classes
from stages.config import FEW, MOST_CLASSES, Boxes
from stages.errors import UserError


@dataclass(frozen=True)
class LabelIds:
    """The source's label ids of each class.

    Attributes:
        classes: Their names.
        values: Of each label id, the value of its class in the masks of task `all`: 1, 2 ...
        void: The label ids that are void in tasks that do not know their class.
    """

    classes: Classes
    values: dict[int, int]
    void: tuple[int, ...]

    def mask(self, labels: np.ndarray, task: str) -> np.ndarray:
        """Return the mask values of label ids (H, W) in 0..255: uint8, 0 background, the task's classes, 255 void.

        For task `one`, of which `arrays.task_masks` makes its own, as for `few`.
        """
        table = np.zeros(256, np.uint8)
        table[list(self.void)] = VOID
        for label, value in self.values.items():
            if task == "all" or value <= FEW:
                table[label] = value
        return table[labels]

    def value(self, label: int) -> int | None:
        """Return the value of the class with boxes that a label id is of; None for another label id."""
        value = self.values.get(label)
        return value if value is not None and value <= len(self.classes.boxed) else None


def label_ids(profile: Boxes, named: tuple[str, ...] | None, manifest: Path) -> LabelIds:
    """Return the label ids of a profile's classes; with `classes: auto`, those that the source names.

    Args:
        profile: Of the dataset.
        named: The names of the label ids 1, 2 ... of a source that knows them, else None.
        manifest: Where they stand.

    Raises:
        UserError: The profile leaves the classes to a source that does not name them, or that names too many.
    """
    if profile.classes != "auto":
        every = profile.classes | profile.masks_only
        values = {label: value for value, ids in enumerate(every.values(), start=1) for label in ids}
        return LabelIds(Classes(tuple(profile.classes), tuple(profile.masks_only)), values, profile.void)
    if not named:
        raise UserError(f"{manifest}: names no classes; `classes` in configs/datasets.yaml must, instead of auto")
    if len(named) > MOST_CLASSES:
        raise UserError(
            f"{manifest}: names {len(named)} classes; allowed: {MOST_CLASSES}; name those you want in `classes` of "
            f"the profile in configs/datasets.yaml, by label id, such as {{{named[0]}: [1]}}"
        )
    return LabelIds(Classes(named), {value: value for value in range(1, len(named) + 1)}, (VOID, *profile.void))
