"""Annotations against pycocotools' own encoder."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from stages.predict.coco import annotations, categories, encode
from stages.predict.maps import Answer


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 1])
@pytest.mark.parametrize(
    ("left", "top", "w", "h"), [(0, 0, 13, 9), (3, 2, 5, 4), (8, 0, 5, 9), (0, 5, 13, 4), (12, 8, 1, 1)]
)
def test_a_part_is_encoded_as_the_whole_mask_is(share, left, top, w, h):
    part = np.random.default_rng(0).random((h, w)) < share
    whole = np.zeros((9, 13), np.uint8, order="F")
    whole[top : top + h, left : left + w] = part
    found = encode(part, left, top, 13, 9)
    assert found["size"] == [9, 13]
    assert found["counts"].encode() == coco_mask.encode(whole)["counts"]


def test_each_connected_part_of_each_class_is_an_annotation():
    classes = np.array([[1, 0, 0, 2], [0, 1, 0, 2], [0, 0, 0, 2], [1, 1, 0, 0]], np.uint8)
    probability = np.where(classes == 2, 0.75, 0.5).astype(np.float16)
    probability[3, 0] = 1
    found = annotations(Answer(classes, probability), 3)
    assert [part["category_id"] for part in found] == [1, 1, 2]
    assert [part["bbox"] for part in found] == [[0, 0, 2, 2], [0, 3, 2, 1], [3, 0, 1, 3]]
    assert [part["area"] for part in found] == [2, 2, 3]
    assert [part["score"] for part in found] == [0.5, 0.75, 0.75]
    assert all(part["iscrowd"] == 0 for part in found)
    for part, expected in zip(found, ([[0, 0], [1, 1]], [[3, 0], [3, 1]], [[0, 3], [1, 3], [2, 3]]), strict=True):
        assert np.argwhere(coco_mask.decode(part["segmentation"])).tolist() == expected


def test_background_alone_has_none():
    assert annotations(Answer(np.zeros((2, 2), np.uint8), np.ones((2, 2), np.float16)), 3) == []
    assert categories(("background", "car", "person")) == [{"id": 1, "name": "car"}, {"id": 2, "name": "person"}]
