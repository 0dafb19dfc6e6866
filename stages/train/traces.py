"""The labels of a fixed set of in-box pixels, followed over a training.

Only predictions and targets are written. The masks of box images stay unknown here; the evaluation compares with them.
"""

import numpy as np
import torch
from torch import Tensor

from stages.arrays import Packed
from stages.config import Row
from stages.model.predictor import Predictor, covers_of

IMAGES = 16
MAX_PIXELS = 1 << 15  # of all images together, so that large images cost no more than small ones
MOMENTS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85, 1.0)  # shares of the steps


def moments(steps: int) -> list[int]:
    """Return the numbers of finished steps at which the pixels are predicted."""
    return sorted({max(1, round(share * steps)) for share in MOMENTS})


class Trace:
    """In-box pixels of up to IMAGES box images, the last of `pp_order`, so the same ones in all rows.

    Attributes:
        images: (K,) int64, training indices; none where the row has no box images.
        pixels: (P,) int64, indices into the flattened (K, H, W) of these images.
        taken: By number of finished steps, the predictions by name, (P,) on the CPU.
    """

    def __init__(self, packed: Packed, row: Row, box: np.ndarray, proposals: np.ndarray | None = None):
        self._packed = packed
        split, known = packed.train, set(box.tolist())
        self.images = np.array([i for i in packed.pp_order[::-1] if int(i) in known][:IMAGES], np.int64)
        self._pictures = torch.from_numpy(np.array(split.images[self.images]))
        self._targets = torch.from_numpy(np.array(split.targets(row.classes)[self.images]))
        self._boxes = torch.from_numpy(np.array(split.indices(row.classes)[self.images]).astype(np.int64))
        self._proposals = None if proposals is None else torch.from_numpy(np.array(proposals[self.images]))
        inside = np.flatnonzero(self._boxes.numpy())
        self.pixels = inside[:: max(1, -(-len(inside) // MAX_PIXELS))]
        self.taken: dict[int, dict[str, Tensor]] = {}

    def take(self, step: int, predictor: Predictor) -> None:
        """Predict the pixels after `step` finished steps; do nothing where the row has no box images."""
        if len(self.pixels) == 0:
            return
        given = self._targets, self._boxes
        own = predictor(self._pictures, *given)
        maps, prediction = {"output": own.output.to(torch.uint8)}, predictor.decider(self._pictures, own, *given)
        if predictor.chosen.has_variance:
            maps["log_variance"] = predictor.label_log_variance(prediction, self._targets).half()
        if predictor.flipper is not None:
            covers = covers_of(predictor.chosen, self._packed, self.images)
            flips = predictor.label_flips(prediction, self._targets, self._boxes, covers)
            maps["target"] = predictor.relabel(prediction, self._targets, flips, covers).to(torch.uint8)
        if self._proposals is not None:
            maps["target"] = self._proposals
        chosen = torch.from_numpy(self.pixels)
        self.taken[step] = {name: value.cpu().flatten()[chosen].clone() for name, value in maps.items()}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the content of trace.npz.

        Returns:
            steps: (M,) int64, numbers of finished steps.
            images: (K,) int64, training indices.
            pixels: (P,) int64, indices into the flattened (K, H, W) of these images.
            output: (M, P) uint8, the class.
            log_variance: (M, P) fp16, of rows that have one, see `Predictor.label_log_variance`.
            target: (M, P) uint8, the bootstrapped target, of bootstrapping rows, or that of rows with proposals.
        """
        steps = sorted(self.taken)
        names = self.taken[steps[0]] if steps else ()
        stacked = {name: torch.stack([self.taken[step][name] for step in steps]).numpy() for name in names}
        return {"steps": np.array(steps, np.int64), "images": self.images, "pixels": self.pixels, **stacked}
