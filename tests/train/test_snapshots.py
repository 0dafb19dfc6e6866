"""Which training images Figures 5 and 6 show, and when."""

import numpy as np
import pytest

from stages import arrays
from stages.model.network import build
from stages.model.predictor import Predictor, flipper_of
from stages.train.snapshots import COUNT, Snapshots, choose, moments
from tests.train.tiny import hyperparameters
from tests.two_classes import CLASSES


@pytest.mark.parametrize(("steps", "expected"), [(100, [15, 35, 100]), (12, [2, 4, 12]), (2, [1, 2]), (1, [1])])
def test_snapshots_are_taken_early_and_at_the_end(steps, expected):
    assert moments(steps) == expected


@pytest.mark.parametrize("name", ["bce-500-2280", "ce-500-2280"])
def test_box_images_with_much_of_each_class_are_chosen(name, packed, settings):
    row = settings.rows[name]
    _, box = arrays.pools(packed, row)
    shares = {}
    for i in box:
        pixels = np.bincount(packed.train.targets(row.classes)[i].ravel(), minlength=len(CLASSES.names(row.classes)))
        shares[int(i)] = pixels[1:].min() / pixels.sum()
    chosen = choose(packed, row, box)
    assert len(chosen) == COUNT
    assert set(chosen.tolist()) <= set(box.tolist())
    assert min(shares[int(i)] for i in chosen) >= max(share for i, share in shares.items() if i not in chosen)
    assert len(choose(packed, row, box[:2])) <= 2
    assert len(choose(packed, row, box[:0])) == 0


def test_a_variance_beyond_fp16_stays_finite(packed, settings):
    row = settings.rows["bootstrap-500-2280"]
    chosen = hyperparameters(row)
    network = build(chosen)
    network.head.bias.data[1] = 1e17  # sigma^2, under softplus
    snapshots = Snapshots(packed, row, arrays.pools(packed, row)[1])
    snapshots.take(3, Predictor(network, chosen, flipper_of(chosen, (1.0, 0.7))))
    content = snapshots.arrays()
    assert content["steps"].tolist() == [3]
    assert np.isfinite(content["variance"]).all() and content["variance"].max() == np.float16(6e4)
    assert set(np.unique(content["label_flip"])) == {0, 1}  # everything in boxes flips
    assert content["label_flip"].shape == (1, COUNT, 16, 32)
