"""Any classes: label ids to mask values by task, classes without boxes, boxes that the source gives."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages.arrays import VOID, Classes, open_packed
from stages.boxes import statistics
from stages.boxes.classes import label_ids
from stages.errors import UserError
from tests.boxes.painted import CAR, PERSON, PROFILE, region

MANY = PROFILE.model_copy(
    update={
        "classes": {"car": (26,), "person": (24,), "rider": (25,), "truck": (27, 28)},
        "masks_only": {"road": (7,), "sky": (23,)},
        "void": (0, 25),
    }
)
LABELS = np.array([[26, 24, 25, 27], [28, 7, 23, 0], [11, 255, 26, 7]], np.uint8)


def test_a_task_has_the_classes_that_it_knows():
    assert Classes(("a",)).tasks == ("one",)
    assert Classes(("a", "b")).tasks == ("one", "few")
    many = Classes(("a", "b", "c", "d"), ("road",))
    assert many.tasks == ("one", "few", "all")
    assert many.names("one") == ("background", "a")
    assert many.names("few") == ("background", "a", "b")
    assert many.names("all") == ("background", "a", "b", "c", "d", "road")
    assert many.of_boxes("all") == ("a", "b", "c", "d")


def test_label_ids_become_values_and_a_class_that_a_task_lacks_is_background_or_void():
    ids = label_ids(MANY, None, Path("manifest.json"))
    assert ids.mask(LABELS, "few").tolist() == [[1, 2, VOID, 0], [0, 0, 0, VOID], [0, 0, 1, 0]]
    assert ids.mask(LABELS, "all").tolist() == [[1, 2, 3, 4], [4, 5, 6, VOID], [0, 0, 1, 5]]
    assert [ids.value(label) for label in (26, 28, 7, 0)] == [1, 4, None, None]


def test_the_source_may_name_the_classes_and_has_to_where_the_profile_does_not():
    auto = PROFILE.model_copy(update={"classes": "auto", "void": (), "instances": "given"})
    ids = label_ids(auto, ("cell", "größe 2"), Path("manifest.json"))
    assert ids.classes == Classes(("cell", "größe 2"))
    assert ids.mask(np.array([[0, 1, 2, 255]], np.uint8), "all").tolist() == [[0, 1, 2, VOID]]
    with pytest.raises(UserError, match=r"manifest.json: names no classes; `classes` in configs/datasets.yaml must"):
        label_ids(auto, None, Path("manifest.json"))
    with pytest.raises(
        UserError, match=r"manifest.json: names 15 classes; allowed: 14; name those .*\{class 0: \[1\]\}"
    ):
        label_ids(auto, tuple(f"class {k}" for k in range(15)), Path("manifest.json"))


def test_every_task_is_packed_with_its_own_masks_targets_and_boxes(folder, tmp_path):
    folder.add("a", [(region(0, 0, 32, 8), 23), (region(2, 2, 8, 8), CAR * 1000), (region(20, 4, 8, 8), 27 * 1000)])
    folder.add("b", split="val")
    out = folder.pack(tmp_path / "packed", size=(32, 16), **MANY.model_dump(include={"classes", "masks_only", "void"}))
    opened = open_packed(out)
    assert opened.classes == Classes(("car", "person", "rider", "truck"), ("road", "sky"))
    few, everything = opened.train.masks("few")[0], opened.train.masks("all")[0]
    assert sorted(np.unique(few)) == [0, 1]
    assert sorted(np.unique(everything)) == [1, 4, 5, 6]
    np.testing.assert_array_equal(few == 1, everything == 1)
    assert sorted(np.unique(opened.train.targets("few")[0])) == [0, 1]
    assert sorted(np.unique(opened.train.targets("all")[0])) == [0, 1, 4]
    assert opened.train.indices("few")[0].max() == 1
    assert opened.train.indices("all")[0].max() == 2
    coco = json.loads((out / "boxes.json").read_text())
    assert [category["name"] for category in coco["categories"]] == ["car", "person", "rider", "truck"]
    assert [a["category_id"] for a in coco["annotations"]] == [1, 4]


def give(folder, name: str, boxes: list[tuple[int, list[int], bool]], pixel_perfect: bool) -> None:
    """Put boxes (label, bbox, masked) into an image's entry of the manifest."""
    entry = next(entry for entry in folder.images if entry["id"] == name)
    entry["boxes"] = [{"label": x, "bbox": bbox, "crowd": False, "masked": masked} for x, bbox, masked in boxes]
    entry["pixel_perfect"] = pixel_perfect


def test_given_boxes_are_drawn_as_they_are(folder, tmp_path):
    folder.add("a", [(region(4, 4, 4, 4), CAR)], instances=False)
    folder.add("b", split="val", instances=False)
    give(folder, "a", [(PERSON, [20, 2, 8, 8], True), (CAR, [2, 2, 8, 8], True), (7, [0, 0, 9, 9], True)], True)
    give(folder, "b", [], True)
    opened = open_packed(folder.pack(tmp_path / "packed", instances="given", size=(32, 16)))
    target = np.zeros((16, 32), np.uint8)
    target[2:10, 2:10], target[2:10, 20:28] = 1, 2
    np.testing.assert_array_equal(opened.train.targets("few")[0], target)
    assert (opened.train.masks("few")[0] == 1).sum() == 16


def test_an_image_without_every_mask_is_a_box_image_whose_masks_are_used_where_they_are(folder, tmp_path):
    for name in ("a", "c"):
        folder.add(name, [(region(4, 4, 4, 4), CAR)], instances=False)
    folder.add("b", split="val", instances=False)
    boxes = [(CAR, [2, 2, 8, 8], True), (CAR, [16, 2, 8, 8], False)]
    give(folder, "a", boxes, False)
    give(folder, "b", [], True)
    give(folder, "c", boxes, True)
    opened = open_packed(folder.pack(tmp_path / "packed", instances="given", size=(32, 16)))
    assert opened.contents.masked == 1
    assert not opened.contents.complete
    assert opened.pp_order.tolist() == [1, 0]
    split = opened.train
    known, box = np.zeros((16, 32), bool), np.zeros((16, 32), bool)
    known[4:8, 4:8], box[2:10, 16:24] = True, True
    np.testing.assert_array_equal(split.targets("one")[0] == 1, known | box)
    np.testing.assert_array_equal(split.indices("one")[0] > 0, box)  # only there may a label be wrong
    np.testing.assert_array_equal(split.masks("few")[0], np.where(box, VOID, known))


def test_a_class_that_no_training_image_has_is_an_error_and_one_that_few_have_a_note(folder, tmp_path):
    for name in ("a", "c"):
        folder.add(name, [(region(2, 2, 8, 8), CAR * 1000)])
    folder.add("b", split="val")
    out = folder.pack(tmp_path / "packed")
    summary = json.loads((out / "statistics.json").read_text())["train"]
    with pytest.raises(UserError, match=r"^tiny: no training image has the class person; take it out of the profile's"):
        statistics.check("tiny", summary)
    assert statistics.check("tiny", {"car": summary["car"]}) == ["tiny: only 2 training images have the class car"]
    assert statistics.check("tiny", {"car": summary["car"] | {"images": 3}}) == []
