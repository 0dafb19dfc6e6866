"""Pictures of fixed training images at three moments: what Figures 5 and 6 show."""

import numpy as np
import torch
from torch import Tensor

from stages.arrays import Packed
from stages.params import Row
from stages.train.model import Predictor

COUNT = 6
CANDIDATES = 256  # so that a choice among thousands of large images reads few of them
MOMENTS = (0.15, 0.35, 1.0)  # shares of the steps: two early, one at the end


def moments(steps: int) -> list[int]:
    """The numbers of finished steps after which pictures are taken: three, or fewer in a training of under 3 steps."""
    return sorted({max(1, round(share * steps)) for share in MOMENTS})


def choose(packed: Packed, row: Row, box: np.ndarray) -> np.ndarray:
    """Up to COUNT box images of the row that show much of each class: (K,) int64 training indices.

    Chosen from the last of `pp_order`, which are box images in every row that has any, by the boxes alone: the images
    whose least-covered class of the task covers the most, leaving out those of which boxes cover over half.
    """
    candidates = [i for i in packed.pp_order[::-1][:CANDIDATES] if i in set(box.tolist())]
    targets = packed.train.targets(row.task)

    def order(i: int) -> tuple:
        shares = np.bincount(np.asarray(targets[i]).ravel(), minlength=len(row.classes)) / targets[i].size
        return shares[0] < 0.5, -shares[1:].min(), -shares[1:].sum()

    return np.array(sorted(candidates, key=order)[:COUNT], np.int64)


class Samples:
    """Takes the pictures during a training and keeps them until its end."""

    def __init__(self, packed: Packed, row: Row, box: np.ndarray):
        self.indices = choose(packed, row, box)
        split = packed.train
        self._images = torch.from_numpy(np.array(split.images[self.indices]))
        self._targets = torch.from_numpy(np.array(split.targets(row.task)[self.indices]))
        self._boxes = torch.from_numpy(np.array(split.indices(row.task)[self.indices]).astype(np.int64))
        self.taken: dict[int, dict[str, Tensor]] = {}

    def take(self, step: int, predictor: Predictor) -> None:
        """Predict the samples after `step` finished steps; nothing for a row without box images."""
        if len(self.indices) == 0:
            return
        prediction = predictor(self._images)
        taken = {"mean": prediction.mean.half(), "output": prediction.output.to(torch.uint8)}
        if prediction.variance is not None:
            # fp16 ends at 65504; the literal recipe's variance does not.
            taken["variance"] = prediction.variance.clamp(max=6e4).half()
        if predictor.row.bootstraps:
            taken["flip"] = predictor.flips(prediction, self._targets, self._boxes).half()
        self.taken[step] = {name: value.cpu().clone() for name, value in taken.items()}

    def arrays(self) -> dict[str, np.ndarray]:
        """The content of samples.npz: steps (M,), indices (K,), and for each name (M, K, ...)."""
        steps = sorted(self.taken)
        names = self.taken[steps[0]] if steps else ()
        stacked = {name: torch.stack([self.taken[step][name] for step in steps]).numpy() for name in names}
        return {"steps": np.array(steps, np.int64), "indices": self.indices, **stacked}
