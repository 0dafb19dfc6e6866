"""A small packed dataset whose images carry the prediction of a pretended network."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from stages import arrays
from stages.config import Row
from tests.train.tiny import hyperparameters
from tests.two_classes import CLASSES, content

HEIGHT, WIDTH = 32, 48
COUNTS = {"train": 10, "val": 20}  # more than one batch of validation images


class PretendedPredictor:
    """Predicts what the image's channels hold: red the class, green 100 (1 - W), blue the logit."""

    def __init__(self, row: Row, /, variance: bool = True, **run):
        self.chosen = hyperparameters(row)
        self.run = {"row": "a-row", "seed": 0, "dataset": "synthetic", "task": row.classes, "recipe": row.recipe} | run
        self._channels = 1 if row.classes == "one" else 3
        self._variance = variance

    def __call__(self, images, target=None, box=None):
        assert images.dtype == torch.uint8 and images.shape[1:] == (HEIGHT, WIDTH, 3)
        output, flip, logit = images.long().unbind(-1)
        maps = [x.float().unsqueeze(1).repeat(1, self._channels, 1, 1) for x in (logit, flip)]
        return SimpleNamespace(mean=maps[0], variance=maps[1] * 1e6 if self._variance else None, output=output)

    def decider(self, images, own, target, box):
        return own

    def label_log_variance(self, prediction, box_target):
        return torch.log1p(prediction.variance[:, 0])

    def label_flips(self, prediction, box_target, box_index, covers):
        assert torch.equal(box_target > 0, box_index > 0)
        return prediction.variance[:, 0] / 1e8 * (box_index > 0)


def draw(rng, height=HEIGHT, width=WIDTH):
    """One scene: ellipses in boxes (cars and persons), void at the bottom. Returns the arrays of one packed image."""
    y, x = np.mgrid[:height, :width]
    entry = {"masks": np.zeros((height, width), np.uint8)}
    boxes = []
    for label in (1, 2, 1):
        h, w = rng.integers(9, 16, 2)
        top, left = rng.integers(0, height - h), rng.integers(0, width - w)
        boxes.append((label, (y >= top) & (y < top + h) & (x >= left) & (x < left + w)))
        ellipse = ((y - top - (h - 1) / 2) / (h / 2)) ** 2 + ((x - left - (w - 1) / 2) / (w / 2)) ** 2 <= 1
        entry["masks"][ellipse] = label
    entry["masks"][-3:] = 255
    for task, classes in (("one", (1,)), ("few", (1, 2))):
        target, index = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint16)
        for number, (label, inside) in enumerate([box for box in boxes if box[0] in classes], start=1):
            target[inside], index[inside] = label, number
        entry |= {f"targets-{task}": target, f"indices-{task}": index}
    return entry


@pytest.fixture
def make_packed(tmp_path):
    """A function that writes and opens a packed folder; `output` is what the network predicts: a function of the entry,
    or a number of classes to choose from at random."""

    def make(output, path=tmp_path / "packed"):
        rng = np.random.default_rng(0)
        arrays.create(path, COUNTS, (WIDTH, HEIGHT), CLASSES.tasks)
        for split, count in COUNTS.items():
            for i in range(count):
                entry = draw(rng)
                predicted = output(entry) if callable(output) else rng.integers(0, output, (HEIGHT, WIDTH))
                channels = predicted, rng.integers(0, 101, (HEIGHT, WIDTH)), rng.integers(0, 9, (HEIGHT, WIDTH))
                arrays.write(path, split, i, entry | {"images": np.stack(channels, -1).astype(np.uint8)})
        arrays.seal(path)
        split = {name: [f"{name}-{i}" for i in range(count)] for name, count in COUNTS.items()}
        arrays.write_json(path / "split.json", content(split, rng.permutation(COUNTS["train"]).tolist()))
        return arrays.open_packed(path)

    return make


@pytest.fixture
def pretend():
    """The class of pretended predictors."""
    return PretendedPredictor
