"""GrabCut in each box."""

import numpy as np
import pytest

from stages.proposals import grabcut
from stages.proposals.boxes import Box
from stages.proposals.grabcut import cut, refine


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Two red discs on a grey ground with some noise; the discs."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :80]
    discs = np.stack([(y - 24) ** 2 + (x - at) ** 2 < 14**2 for at in (20, 58)])
    image = np.where(discs.any(axis=0)[..., None], (210, 40, 40), (120, 125, 130)) + rng.normal(0, 8, (48, 80, 3))
    return image.clip(0, 255).astype(np.uint8), discs


def around(mask: np.ndarray, label: int = 1) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Box(label, slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))


def iou(found: np.ndarray, mask: np.ndarray) -> float:
    return float((found & mask).sum() / (found | mask).sum())


def test_a_box_becomes_its_object():
    image, discs = scene()
    image[:, 40:] = (120, 125, 130)
    box = around(discs[0])
    labels = refine(image, [box])
    assert iou(labels == 1, discs[0]) > 0.97
    assert not labels[:, :5].any() and not labels[:, 40:].any()


def test_the_same_picture_gives_the_same_labels():
    image, discs = scene()
    boxes = [around(discs[0]), around(discs[1])]
    assert np.array_equal(refine(image, boxes), refine(image, boxes))


def test_a_box_of_the_whole_picture_stays_a_box():
    image, _ = scene()
    assert cut(image, Box(1, slice(0, 48), slice(0, 80))).all()


def test_a_cut_of_less_than_half_of_its_box_is_put_back_to_the_box(monkeypatch):
    image, discs = scene()
    narrow = discs[0].copy()
    narrow[22:] = False
    image[~narrow] = (120, 125, 130)
    box = around(discs[0])
    assert cut(image, box).all()
    monkeypatch.setattr(grabcut, "LEAST", 0.0)
    found = np.zeros(narrow.shape, bool)
    found[box.rows, box.columns] = cut(image, box)
    assert iou(found, narrow) > 0.9


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_where_boxes_overlap_the_one_on_top_decides(order):
    image, discs = scene()
    image[:, 40:] = (120, 125, 130)
    first, second = (around(discs[0], label) for label in order)
    labels = refine(image, [first, second])
    assert set(np.unique(labels)) == {0, order[1]}


def test_where_the_one_on_top_finds_nothing_the_one_below_decides(monkeypatch):
    found = {1: np.ones((8, 8), bool), 2: np.arange(16).reshape(4, 4) < 4}
    monkeypatch.setattr(grabcut, "cut", lambda image, box, iterations: found[box.label])
    boxes = [Box(1, slice(0, 8), slice(0, 8)), Box(2, slice(2, 6), slice(2, 6))]
    labels = refine(np.zeros((10, 10, 3), np.uint8), boxes)
    expected = np.zeros((10, 10), np.uint8)
    expected[:8, :8] = 1
    expected[2, 2:6] = 2
    assert np.array_equal(labels, expected)
