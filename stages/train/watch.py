"""A look at held-out images while a row trains, for studies that ask when a training was at its best."""

import numpy as np
import torch

from stages.arrays import VOID, Packed, task_masks
from stages.model.hyperparameters import Hyperparameters
from stages.model.predictor import Predictor

IMAGES, BATCH = 64, 16


class Watch:
    """Up to IMAGES images of the evaluation split, which in such studies is held out of the training images."""

    def __init__(self, packed: Packed, chosen: Hyperparameters):
        """Open the images; nothing is read of them unless the row is watched.

        Args:
            packed: The data.
            chosen: The row's hyperparameters.
        """
        self._split, self._task, self._classes = packed.val, chosen.row.classes, len(chosen.classes)
        self._indices = np.linspace(0, len(packed.val), min(IMAGES, len(packed.val)), endpoint=False, dtype=np.int64)

    def iou(self, predictor: Predictor) -> float | None:
        """Return the first class's IoU over all of the images, in percent; None where it is nowhere."""
        both = either = 0
        for start in range(0, len(self._indices), BATCH):
            chosen = self._indices[start : start + BATCH]
            output = predictor(torch.from_numpy(np.ascontiguousarray(self._split.images[chosen]))).output.cpu().numpy()
            truth = task_masks(self._split.masks(self._task)[chosen], self._classes)
            predicted, true = (output == 1) & (truth != VOID), truth == 1
            both += int((predicted & true).sum())
            either += int((predicted | true).sum())
        return round(100 * both / either, 3) if either else None
