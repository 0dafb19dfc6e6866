"""Predictions for a few training images at three moments of a training, for Figures 5 and 6."""

import numpy as np
import torch
from torch import Tensor

from stages.arrays import VOID, Packed
from stages.config import Row
from stages.model.predictor import Predictor, covers_of

COUNT = 6
CANDIDATES = 256  # bounds how many images a choice reads
MOMENTS = (0.15, 0.35, 1.0)  # shares of the steps: two early, one at the end


def moments(steps: int) -> list[int]:
    """Return the numbers of finished steps at which snapshots are taken: three, or fewer where they coincide."""
    return sorted({max(1, round(share * steps)) for share in MOMENTS})


def choose(packed: Packed, row: Row, box: np.ndarray) -> np.ndarray:
    """Choose up to COUNT box images of the row that show much of each class, from the boxes alone.

    The candidates are the last of `pp_order`, which are box images in every row that has any. Images of which boxes
    cover under a half come first, then those whose least-covered class of the task covers the most.

    Args:
        packed: The data.
        row: Names the task.
        box: (N,) int64, the training indices of the row's box images.

    Returns:
        (K,) int64 training indices.
    """
    known = set(box.tolist())
    candidates = [i for i in packed.pp_order[::-1][:CANDIDATES] if i in known]
    targets, n_boxed = packed.train.targets(row.classes), len(packed.classes.of_boxes(row.classes))

    def order(i: int) -> tuple[bool, float, float]:
        shares = np.bincount(np.asarray(targets[i]).ravel(), minlength=VOID + 1) / targets[i].size
        classes = shares[1 : 1 + n_boxed]
        return bool(shares[0] < 0.5), -float(classes.min()), -float(classes.sum())

    return np.array(sorted(candidates, key=order)[:COUNT], np.int64)


class Snapshots:
    """The snapshots of a training, kept until its end.

    Attributes:
        indices: (K,) int64, the training images that are predicted.
        taken: By number of finished steps, the predictions by name, (K, ...) on the CPU.
    """

    def __init__(self, packed: Packed, row: Row, box: np.ndarray):
        self._packed = packed
        self.indices = choose(packed, row, box)
        split = packed.train
        self._images = torch.from_numpy(np.array(split.images[self.indices]))
        self._targets = torch.from_numpy(np.array(split.targets(row.classes)[self.indices]))
        self._boxes = torch.from_numpy(np.array(split.indices(row.classes)[self.indices]).astype(np.int64))
        self.taken: dict[int, dict[str, Tensor]] = {}

    def take(self, step: int, predictor: Predictor) -> None:
        """Predict the images after `step` finished steps; do nothing where the row has no box images."""
        if len(self.indices) == 0:
            return
        prediction = predictor(self._images, self._targets, self._boxes)
        taken = {"mean": prediction.mean.half(), "output": prediction.output.to(torch.uint8)}
        if prediction.variance is not None:
            # The literal recipe's variance grows beyond fp16, which ends at 65504.
            taken["variance"] = prediction.variance.clamp(max=6e4).half()
        if predictor.flipper is not None:
            covers = covers_of(predictor.chosen, self._packed, self.indices)
            deciding = predictor.decider(self._images, prediction, self._targets, self._boxes)
            taken["label_flip"] = predictor.label_flips(deciding, self._targets, self._boxes, covers).half()
        self.taken[step] = {name: value.cpu().clone() for name, value in taken.items()}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the content of snapshots.npz.

        Returns:
            steps: (M,) int64, numbers of finished steps.
            indices: (K,) int64, training images.
            mean: (M, K, logits, H, W) fp16.
            output: (M, K, H, W) uint8, the class.
            variance: (M, K, logits, H, W) fp16, of rows that have one.
            label_flip: (M, K, H, W) fp16 in [0, 1], of bootstrapping rows, see `Predictor.label_flips`.
        """
        steps = sorted(self.taken)
        names = self.taken[steps[0]] if steps else ()
        stacked = {name: torch.stack([self.taken[step][name] for step in steps]).numpy() for name in names}
        return {"steps": np.array(steps, np.int64), "indices": self.indices, **stacked}
