"""Which boxes are found in scenes with known extents, and what boxes.json says of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.arrays import open_packed
from stages.boxes.classes import label_ids
from stages.errors import UserError
from tests.boxes.painted import CAR, PERSON, PROFILE, ROAD, VOID, crowd, region

CAR_1, CAR_2, PERSON_1 = CAR * 1000 + 1, CAR * 1000 + 2, PERSON * 1000 + 1


def shapes(annotations):
    """(category, box, area, crowd) of each annotation."""
    return [(a["category_id"], tuple(a["bbox"]), a["area"], a["iscrowd"]) for a in annotations]


def test_touching_instances_have_a_box_each_by_id_and_one_by_components(folder, tmp_path):
    folder.add("a", [(region(2, 3, 5, 4), CAR_1), (region(7, 5, 6, 6), CAR_2)])
    folder.add("b", split="val")
    by_id, joined = (
        json.loads((folder.pack(tmp_path / how, instances=how) / "boxes.json").read_text())["annotations"]
        for how in ("ids", "components")
    )
    assert shapes(by_id) == [(1, (2, 3, 5, 4), 20, 0), (1, (7, 5, 6, 6), 36, 0)]
    assert shapes(joined) == [(1, (2, 3, 11, 8), 56, 0)]


def test_components_join_at_corners_and_not_across_classes(boxes_of):
    corners = [(region(0, 0, 3, 3), CAR), (region(3, 3, 3, 3), CAR), (region(6, 6, 3, 3), PERSON)]
    assert shapes(boxes_of(corners, instances="components")) == [(1, (0, 0, 6, 6), 18, 0), (2, (6, 6, 3, 3), 9, 0)]


def test_an_instance_in_two_parts_has_one_box_around_its_visible_pixels(boxes_of):
    behind_a_pole = [(region(4, 4, 12, 5), CAR_1), (region(9, 0, 2, 16), ROAD)]
    assert shapes(boxes_of(behind_a_pole)) == [(1, (4, 4, 12, 5), 50, 0)]


def test_an_occluded_end_is_not_in_the_box(boxes_of):
    assert shapes(boxes_of([(region(4, 4, 12, 5), CAR_1), (region(10, 0, 20, 16), ROAD)])) == [(1, (4, 4, 6, 5), 30, 0)]


def test_boxes_at_the_border_end_there(boxes_of):
    cut = [(region(0, 0, 3, 4), CAR_1), (region(28, 10, 9, 9), PERSON_1)]
    assert shapes(boxes_of(cut)) == [(1, (0, 0, 3, 4), 12, 0), (2, (28, 10, 4, 6), 24, 0)]


def test_a_nested_instance_keeps_the_outer_box_whole(boxes_of):
    nested = [(region(4, 2, 16, 12), CAR_1), (region(8, 6, 4, 4), PERSON_1)]
    assert shapes(boxes_of(nested)) == [(1, (4, 2, 16, 12), 176, 0), (2, (8, 6, 4, 4), 16, 0)]


def test_under_the_minimum_area_there_is_no_box_but_the_mask_keeps_its_pixels(folder, tmp_path):
    folder.add("a", [(region(2, 2, 3, 3), CAR_1), (region(10, 2, 5, 2), CAR_2)])
    folder.add("b", split="val")
    out = folder.pack(tmp_path / "packed", min_area=10, size=(32, 16))
    packed = open_packed(out)
    assert shapes(json.loads((out / "boxes.json").read_text())["annotations"]) == [(1, (10, 2, 5, 2), 10, 0)]
    assert (packed.train.masks("few")[0, 2:5, 2:5] == 1).all()
    assert not packed.train.targets("one")[0, 2:5, 2:5].any()
    car = json.loads((out / "statistics.json").read_text())["train"]["car"]
    assert (car["instances"], car["boxes"], car["dropped"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("policy", "expected", "value"),
    [("box", [(1, (20, 8, 5, 4), 20, 0), (1, (2, 2, 6, 4), 24, 1), (1, (10, 2, 4, 4), 16, 1)], 1), ("void", None, 255)],
)
def test_group_regions_become_boxes_or_void_by_policy(folder, tmp_path, policy, expected, value):
    folder.add("a", [(region(2, 2, 6, 4), CAR), (region(10, 2, 4, 4), CAR), (region(20, 8, 5, 4), CAR_1)])
    folder.add("b", split="val")
    out = folder.pack(tmp_path / "packed", groups=policy, size=(32, 16))
    found = shapes(json.loads((out / "boxes.json").read_text())["annotations"])
    assert found == (expected or [(1, (20, 8, 5, 4), 20, 0)])
    mask = open_packed(out).train.masks("few")[0]
    assert set(np.unique(mask[2:6, 2:8])) == {value}
    assert set(np.unique(mask[8:12, 20:25])) == {1}
    statistics = json.loads((out / "statistics.json").read_text())
    assert statistics["settings"]["groups"] == policy
    assert statistics["train"]["car"]["groups"] == (2 if policy == "box" else 0)


def test_labels_become_classes_by_the_profile_and_any_other_is_background():
    labels = np.array([[26, 24, 0, 3], [25, 33, 7, 255]], np.uint8)
    ids = label_ids(PROFILE, None, Path("manifest.json"))
    assert ids.mask(labels, "few").tolist() == [[1, 2, 255, 255], [0, 0, 0, 0]]


def test_boxes_json_is_coco(folder, tmp_path):
    crowd(folder, train=5, val=3)
    out = folder.pack(tmp_path / "packed")
    coco, split = json.loads((out / "boxes.json").read_text()), json.loads((out / "split.json").read_text())
    assert set(coco) == {"info", "images", "annotations", "categories"}
    assert coco["categories"] == [{"id": 1, "name": "car"}, {"id": 2, "name": "person"}]
    assert [image["file_name"] for image in coco["images"]] == split["train"] + split["val"]
    assert all((image["width"], image["height"]) == (32, 16) for image in coco["images"])
    image_ids = [image["id"] for image in coco["images"]]
    assert len(set(image_ids)) == len(image_ids)
    assert [a["id"] for a in coco["annotations"]] == list(range(1, len(coco["annotations"]) + 1))
    assert len(coco["annotations"]) > 10
    for annotation in coco["annotations"]:
        assert set(annotation) == {"id", "image_id", "category_id", "bbox", "area", "iscrowd"}
        assert annotation["image_id"] in image_ids
        assert annotation["category_id"] in (1, 2)
        assert annotation["iscrowd"] in (0, 1)
        x, y, width, height = annotation["bbox"]
        assert all(isinstance(value, int) for value in annotation["bbox"])
        assert 0 <= x < x + width <= 32
        assert 0 <= y < y + height <= 16
        assert PROFILE.min_area <= annotation["area"] <= width * height


def test_every_box_is_tight_and_counts_its_pixels(folder, tmp_path):
    crowd(folder, train=12, val=1, seed=3)
    coco = json.loads((folder.pack(tmp_path / "packed") / "boxes.json").read_text())
    ids = {entry["id"]: np.asarray(Image.open(folder.root / entry["instances"])) for entry in folder.images}
    found = {}
    names = {image["id"]: image["file_name"] for image in coco["images"]}
    for a in coco["annotations"]:
        if not a["iscrowd"]:
            found.setdefault(names[a["image_id"]], []).append((tuple(a["bbox"]), a["area"]))
    for name, image in ids.items():
        expected = []
        for value in np.unique(image[image >= 1000]):
            ys, xs = np.nonzero(image == value)
            if len(xs) >= PROFILE.min_area:
                box = (xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1)
                expected.append((box, len(xs)))
        assert sorted(found.get(name, [])) == sorted(expected)


def test_instance_ids_that_contradict_the_labels_are_named(folder, tmp_path):
    labels = np.full((16, 32), ROAD, np.uint8)
    ids = labels.astype(np.uint16)
    ids[3:6, 4:8] = CAR_1
    photo = np.zeros((16, 32, 3), np.uint8)
    folder.store("a", "train", {"image": photo, "labels": labels, "instances": ids}, (32, 16))
    folder.add("b", split="val")
    with pytest.raises(UserError, match=r"a_instances.png: does not fit a_labels.png: 12 pixels .* x=4, y=3"):
        folder.pack(tmp_path / "packed")


def test_void_instances_are_no_boxes(boxes_of):
    assert boxes_of([(region(2, 2, 8, 8), VOID), (region(12, 2, 8, 8), 33 * 1000)]) == []
