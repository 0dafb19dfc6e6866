"""What is no COCO instance file is one line that names the file and the value."""

import json

import pytest

from stages.download.coco_json import read
from stages.errors import UserError
from tests.download.fabricated import write_json

GOOD = {
    "images": [{"id": 1, "file_name": "a.png", "width": 32, "height": 24, "license": 3}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2.5, 3, 4], "segmentation": [], "iscrowd": 0},
        {"image_id": 1, "category_id": 1, "segmentation": {"size": [24, 32], "counts": "PQ"}, "iscrowd": 1},
        {"image_id": 1, "category_id": 1, "segmentation": [[1, 1, 2, 2, 3, 3.5]], "attributes": {"occluded": False}},
    ],
    "categories": [{"id": 1, "name": "cat"}],
}


def refusal(file) -> str:
    with pytest.raises(UserError) as error:
        read(file)
    assert str(error.value).startswith(f"{file}: ") and "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{file}: ")


def test_what_tools_write_is_read(tmp_path):
    document = read(write_json(tmp_path / "a.json", GOOD))
    boxed, crowd, masked = document.annotations
    assert (boxed.has_box, boxed.has_mask) == (True, False) and boxed.bbox == [1, 2.5, 3, 4]
    assert (crowd.has_box, crowd.has_mask, crowd.iscrowd) == (False, True, 1)
    assert masked.has_mask and masked.segmentation == [[1, 1, 2, 2, 3, 3.5]]
    assert document.images[0].file_name == "a.png"


@pytest.mark.parametrize("segmentation", [None, [], [[]]])
def test_an_empty_segmentation_is_none(tmp_path, segmentation):
    content = json.loads(json.dumps(GOOD))
    content["annotations"][0]["segmentation"] = segmentation
    assert not read(write_json(tmp_path / "a.json", content)).annotations[0].has_mask


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON, or cut off"),
        (json.dumps(GOOD)[:-40], "not JSON, or cut off"),
        ("[" * 100_000, "not JSON, or cut off"),
        ("\xff\xfe", "not"),
        ("[]", "not a COCO instance file, it has no images, annotations, categories; export it again in COCO's format"),
        ('{"images": [], "shapes": []}', "not a COCO instance file, it has no annotations, categories"),
        ('{"images": {}, "annotations": [], "categories": []}', "images is {}: input should be a valid list"),
    ],
)
def test_what_is_no_coco_file(tmp_path, text, said):
    (tmp_path / "a.json").write_text(text, encoding="latin-1")
    assert refusal(tmp_path / "a.json").startswith(said)


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("images", 0, "id"), "1", 'images[0].id is "1": input should be a valid integer'),
        (("images", 0, "width"), "32", 'images[0].width is "32"'),
        (("images", 0, "file_name"), 5, "images[0].file_name is 5: input should be a valid string"),
        (("annotations", 0, "bbox"), ["1", 2, 3, 4], 'annotations[0].bbox[0] is "1": input should be a valid number'),
        (("annotations", 0, "bbox"), [1, 2, float("nan"), 4], "annotations[0].bbox[2] is .nan"),
        (("annotations", 2, "image_id"), None, "annotations[2].image_id is null"),
        (("annotations", 2, "segmentation"), [["1", 2]], 'annotations[2].segmentation[0][0] is "1"'),
        (("annotations", 2, "segmentation"), [1, 2, 3, 4, 5, 6], "annotations[2].segmentation[0] is 1"),
        (("annotations", 1, "segmentation"), {"size": [1], "counts": []}, "annotations[1].segmentation"),
        (("annotations", 1, "iscrowd"), "no", 'annotations[1].iscrowd is "no"'),
        (("categories", 0, "name"), 7, "categories[0].name is 7"),
    ],
)
def test_a_value_of_another_kind_is_named_with_its_place(tmp_path, keys, value, said):
    content = json.loads(json.dumps(GOOD))
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    message = refusal(write_json(tmp_path / "a.json", content))
    assert message.startswith(said) and "export it again in COCO's format" in message


def test_a_file_that_may_not_be_read(tmp_path):
    assert refusal(tmp_path / "missing.json") == "cannot be read (No such file or directory)"
