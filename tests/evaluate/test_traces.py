"""What became of box labels: constructed traces, whose every number can be told by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from stages.config import Row
from stages.evaluate.traces import trace_metrics
from tests.two_classes import CLASSES

BOOTSTRAP = Row(classes="one", loss="bootstrap", pp=500, box=2280, recipe="paper")
MULTI_CLASS = Row(classes="few", loss="ce_bootstrap", pp=500, box=2280, recipe="paper")
PLAIN = Row(classes="one", loss="bce", pp=0, box=2780)

# The second of three images: six box pixels, the mask says car, car, car, background, person, void.
MASKS = np.zeros((3, 2, 4), np.uint8)
MASKS[1].flat[:6] = 1, 1, 1, 0, 2, 255
CAR, BOTH = np.zeros_like(MASKS), np.zeros_like(MASKS)
CAR[1].flat[:6] = 1
BOTH[1].flat[:6] = 1, 1, 1, 1, 2, 2
PACKED = SimpleNamespace(
    classes=CLASSES, train=SimpleNamespace(masks=lambda _: MASKS, targets={"one": CAR, "few": BOTH}.__getitem__)
)


def trace(**maps):
    followed = {"steps": np.array([5, 10]), "images": np.array([1]), "pixels": np.arange(6)}
    followed["output"] = np.zeros((2, 6), np.uint8)
    return followed | {name: np.array(value) for name, value in maps.items()}


def test_targets_that_lose_and_then_gain():
    flipped_away = [0, 0, 1, 1, 1, 0]  # two of three cars gone, both wrong pixels kept
    cleaned = [1, 1, 1, 0, 0, 1]  # every wrong pixel found
    found = trace_metrics(trace(target=np.array([flipped_away, cleaned], np.uint8)), PACKED, BOOTSTRAP)
    assert found["steps"] == [5, 10]
    assert found["box"] == pytest.approx({"precision": 60.0, "recall": 100.0, "iou": 60.0})
    assert found["target"]["precision"] == pytest.approx([100 / 3, 100.0])
    assert found["target"]["recall"] == pytest.approx([100 / 3, 100.0])
    assert found["target"]["iou"] == pytest.approx([20.0, 100.0])
    assert found["flipped_right"] == pytest.approx([200 / 3, 0.0])
    assert found["flipped_wrong"] == pytest.approx([0.0, 100.0])


def test_a_person_is_an_object_to_a_task_that_has_the_class():
    found = trace_metrics(trace(target=np.array([[1, 1, 1, 0, 2, 2]] * 2, np.uint8)), PACKED, MULTI_CLASS)
    assert found["box"] == pytest.approx({"precision": 80.0, "recall": 100.0, "iou": 80.0})
    assert found["target"]["iou"] == [100.0, 100.0]


def test_variances_by_kind_of_pixel():
    log_variance = np.array([[0, 0, 0, 1, 3, 50], [2, 2, 2, 1, 1, 50]], np.float16)
    found = trace_metrics(trace(log_variance=log_variance), PACKED, BOOTSTRAP)
    assert found["auroc"] == [1.0, 0.0]
    assert found["variance_right"] == pytest.approx([1.0, math.exp(2)])
    assert found["variance_wrong"] == pytest.approx([math.exp(2), math.e])
    assert "target" not in found


def test_a_row_without_variance_has_its_boxes_and_outputs_alone():
    found = trace_metrics(trace(output=np.array([[0] * 6, [1, 1, 0, 1, 0, 1]], np.uint8)), PACKED, PLAIN)
    assert set(found) == {"steps", "box", "output"}
    assert found["output"]["precision"] == [None, pytest.approx(200 / 3)]  # no output, no precision
    assert found["output"]["recall"] == pytest.approx([0.0, 200 / 3])
    assert found["output"]["iou"] == pytest.approx([0.0, 50.0])


def test_a_row_without_boxes_has_none():
    empty = {"steps": np.array([], int), "images": np.array([], int), "pixels": np.array([], int)}
    assert trace_metrics(empty, PACKED, PLAIN) is None
