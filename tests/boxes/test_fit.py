"""Windows of pictures: whole, their centre, or with void around them."""

import json

import numpy as np
import pytest

from stages.arrays import VOID, open_packed
from stages.boxes.fit import Window, window
from stages.errors import UserError
from tests.boxes.painted import CAR, PERSON, region

WIDE, TALL = (40, 16), (16, 40)


@pytest.mark.parametrize(
    ("picture", "fit", "expected"),
    [
        ((32, 16), "whole", Window(0, 0, 32, 16)),
        (WIDE, "whole", Window(0, 0, 40, 16)),
        (WIDE, "centre", Window(4, 0, 32, 16)),
        (TALL, "centre", Window(0, 16, 16, 8)),
        (WIDE, "pad", Window(0, -2, 40, 20)),
        (TALL, "pad", Window(-32, 0, 80, 40)),
        ((32, 16), "centre", Window(0, 0, 32, 16)),
        ((32, 16), "pad", Window(0, 0, 32, 16)),
        ((1, 1), "centre", Window(0, 0, 1, 1)),
    ],
)
def test_the_window_has_the_training_sizes_aspect_or_is_the_picture(picture, fit, expected):
    assert window(picture, (16, 8), fit) == expected


def test_boxes_are_clipped_to_the_window_or_lost():
    part = Window(4, 0, 32, 16)
    assert part.clip((4, 2, 5, 3)) == (0, 2, 5, 3)
    assert part.clip((0, 2, 6, 3)) == (0, 2, 2, 3)
    assert part.clip((34, 2, 6, 30)) == (30, 2, 2, 14)
    assert part.clip((0, 2, 4, 3)) is None
    assert Window(0, -2, 40, 20).clip((0, 0, 3, 3)) == (0, 2, 3, 3)


def packed(folder, tmp_path, size, fit, regions):
    folder.add("a", regions, size=size)
    folder.add("b", split="val", size=size)
    out = folder.pack(tmp_path / "packed", fit=fit, size=(16, 8))
    return open_packed(out), json.loads((out / "boxes.json").read_text())


def test_the_centre_has_tight_boxes_of_what_is_left_of_a_thing(folder, tmp_path):
    regions = [(region(0, 4, 10, 8), CAR * 1000 + 1), (region(20, 4, 4, 4), PERSON * 1000 + 1)]
    opened, coco = packed(folder, tmp_path, WIDE, "centre", regions)
    assert [a["bbox"] for a in coco["annotations"]] == [[4, 4, 6, 8], [20, 4, 4, 4]]  # in pixels of the picture
    assert {(image["width"], image["height"]) for image in coco["images"]} == {WIDE}
    assert [image["window"] for image in coco["images"]] == [[4, 0, 32, 16]] * 2
    assert (opened.train.masks("few")[0, 2:6, :3] == 1).all()
    assert not opened.train.masks("few")[0, :, 3:8].any()


def test_padding_is_black_and_void_and_no_class_whatever_its_label_id(folder, tmp_path):
    opened, coco = packed(folder, tmp_path, WIDE, "pad", [(region(0, 0, 40, 16), CAR * 1000 + 1)])
    assert [a["bbox"] for a in coco["annotations"]] == [[0, 0, 40, 16]]
    assert coco["images"][0]["window"] == [0, -2, 40, 20]
    mask = opened.train.masks("few")[0]
    np.testing.assert_array_equal(mask[0], VOID)
    np.testing.assert_array_equal(mask[-1], VOID)
    assert (mask[1:-1] == 1).all()
    assert opened.train.images[0, 0].mean() < opened.train.images[0, 4].mean() / 2  # a fifth of it is picture


def test_the_whole_picture_has_to_have_the_training_sizes_aspect(folder, tmp_path):
    with pytest.raises(UserError, match=r"40x16, which does not have the aspect .*`fit: centre` or `pad` take any"):
        packed(folder, tmp_path, WIDE, "whole", [])
