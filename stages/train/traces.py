"""What a training makes of some of its box labels, from its first steps to its last.

Only predictions and targets are written: the masks of box images stay unknown here, the evaluation compares with them.
"""

import numpy as np
import torch
from torch import Tensor

from stages.arrays import Packed
from stages.params import Row
from stages.train.model import Predictor
from stages.train.objectives import UNCERTAIN

IMAGES = 16
PIXELS = 1 << 15  # of all images together, so that large images cost no more than small ones
MOMENTS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85, 1.0)  # shares of the steps


def moments(steps: int) -> list[int]:
    """The numbers of finished steps after which a trace is taken."""
    return sorted({max(1, round(share * steps)) for share in MOMENTS})


class Trace:
    """Follows in-box pixels of up to 16 box images: those last to become pixel-perfect, so the same ones in all rows.

    A row trained without boxes has no pixels to follow.
    """

    def __init__(self, packed: Packed, row: Row, box: np.ndarray):
        split, known = packed.train, set(box.tolist())
        self._row = row
        self.images = np.array([i for i in packed.pp_order[::-1] if int(i) in known][:IMAGES], np.int64)
        self._pictures = torch.from_numpy(np.array(split.images[self.images]))
        self._targets = torch.from_numpy(np.array(split.targets(row.task)[self.images]))
        self._boxes = torch.from_numpy(np.array(split.indices(row.task)[self.images]).astype(np.int64))
        inside = np.flatnonzero(self._boxes.numpy())
        self.pixels = inside[:: max(1, -(-len(inside) // PIXELS))]
        self.taken: dict[int, dict[str, Tensor]] = {}

    def take(self, step: int, predictor: Predictor) -> None:
        """Predict the followed pixels after `step` finished steps."""
        if len(self.pixels) == 0:
            return
        prediction = predictor(self._pictures)
        maps = {"output": prediction.output.to(torch.uint8)}
        if self._row.loss in UNCERTAIN:
            maps["log_variance"] = predictor.doubt(prediction, self._targets).half()
        if self._row.bootstraps:
            flips = predictor.flips(prediction, self._targets, self._boxes)
            maps["target"] = predictor.relabel(prediction, self._targets, flips).to(torch.uint8)
        chosen = torch.from_numpy(self.pixels)
        self.taken[step] = {name: value.cpu().flatten()[chosen].clone() for name, value in maps.items()}

    def arrays(self) -> dict[str, np.ndarray]:
        """The content of trace.npz.

        steps (M,), images (K,) training indices, pixels (P,) places in the flattened (K, H, W) of these images, and for
        each of output, log_variance (of the label, see `Predictor.doubt`) and target (the bootstrapped one): (M, P).
        """
        steps = sorted(self.taken)
        names = self.taken[steps[0]] if steps else ()
        stacked = {name: torch.stack([self.taken[step][name] for step in steps]).numpy() for name in names}
        return {"steps": np.array(steps, np.int64), "images": self.images, "pixels": self.pixels, **stacked}
