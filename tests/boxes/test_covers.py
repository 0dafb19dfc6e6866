"""Which classes cover a pixel, read back from boxes.json."""

import numpy as np
import pytest

from stages.arrays import open_packed, read_json, write_json
from stages.boxes.covers import boxes_of, covers
from stages.errors import UserError
from tests.boxes.painted import CAR, PERSON, region

CAR_1, PERSON_1 = CAR * 1000 + 1, PERSON * 1000 + 1


@pytest.mark.parametrize("fit", ["whole", "centre", "pad"])
def test_a_hidden_box_covers_too_in_any_window(folder, tmp_path, fit):
    size = (32, 16) if fit == "whole" else (40, 16)
    left = {"whole": 0, "centre": 4, "pad": 0}[fit]
    for name, split in (("a", "train"), ("c", "train"), ("b", "val")):
        people = [(region(10, 4, 4, 8), PERSON_1)] if name == "c" else []
        folder.add(name, [(region(6, 2, 16, 12), CAR_1), *people], split=split, size=size)
    opened = open_packed(folder.pack(tmp_path / "packed", fit=fit, size=(32, 16)))
    found = covers(opened, "few", [1, 0])
    assert found.shape == (2, 16, 32) and found.dtype == np.uint16
    targets = opened.train.targets("few")
    np.testing.assert_array_equal((found[1] & 0b010) > 0, targets[0] == 1)
    np.testing.assert_array_equal((found[0] & 0b100) > 0, targets[1] == 2)
    np.testing.assert_array_equal((found[0] & 0b010) > 0, targets[1] > 0)  # the person stands before the car
    assert (found & 1).all()
    assert not (covers(opened, "one", [1]) & 0b100).any()
    if fit == "centre":
        assert found[1][4, 6 - left] & 0b010


@pytest.mark.parametrize(
    ("file", "key"), [("boxes.json", "images"), ("boxes.json", "window"), ("statistics.json", "settings")]
)
def test_what_an_older_version_wrote_is_one_line(folder, tmp_path, file, key):
    folder.add("a", [(region(6, 2, 16, 12), CAR_1)], split="train")
    folder.add("b", [(region(6, 2, 16, 12), CAR_1)], split="val")
    packed = folder.pack(tmp_path / "packed")
    content = read_json(packed / file)
    for place in content["images"] if key == "window" else [content]:
        del place[key]
    write_json(packed / file, content)
    with pytest.raises(
        UserError, match=rf"packed/{file}: not what this version writes \(KeyError\('{key}'\)\); make it"
    ):
        boxes_of(open_packed(packed), "one", 0)
