"""Pictures by the names that annotation files call them."""

import unicodedata

import numpy as np
import pytest

from stages.download.coco_items import Finder, NotFound
from tests.download.fabricated import polygon, save, write_json

MASK = {"segmentation": [polygon(2, 3, 8, 6)]}
NAMES = ("a.png", "train/a.png", "train/b c.png", "val/deep/ü.png", "val/only.png", "x/twice.png", "y/twice.png")


@pytest.fixture
def finder(tmp_path):
    return Finder(tmp_path, [tmp_path / name for name in NAMES])


@pytest.mark.parametrize(
    ("name", "beside", "found"),
    [
        ("a.png", ".", "a.png"),
        ("a.png", "train", "train/a.png"),
        ("train/a.png", "annotations", "train/a.png"),
        ("./train/a.png", ".", "train/a.png"),
        ("../train/b c.png", "annotations", "train/b c.png"),
        ("b c.png", "annotations", "train/b c.png"),
        ("deep\\ü.png", ".", "val/deep/ü.png"),
        (unicodedata.normalize("NFD", "ü.png"), ".", "val/deep/ü.png"),
        ("upload/1/only.png", ".", "val/only.png"),
        ("/home/someone/images/only.png", "/elsewhere", "val/only.png"),
        ("../../../y/twice.png", ".", "y/twice.png"),
    ],
)
def test_a_picture_is_found(finder, tmp_path, name, beside, found):
    assert finder.find(name, tmp_path / beside) == found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.png", "missing.png is not in .*; put it there, or take it out of the file"),
        ("train/only.png", "train/only.png is not in"),
        ("twice.png", "twice.png may be x/twice.png or y/twice.png in .*; write the folder into file_name"),
        ("upload/twice.png", "may be"),
        ("", "is not in"),
        ("..", "is not in"),
    ],
)
def test_none_or_several_are_refused(finder, tmp_path, name, said):
    with pytest.raises(NotFound, match=said):
        finder.find(name, tmp_path)


def test_a_decomposed_name_on_disk_is_found_and_kept(coco, entries):
    name = unicodedata.normalize("NFD", "Käfer é.png")
    coco.object(coco.picture(name, file_name="Käfer é.png"), segmentation=[[1, 1, 9, 1, 9, 9, 1, 9]])
    coco.write()
    assert list(entries()) == [name]


def test_a_missing_picture(coco, refusal):
    coco.picture("a.png")
    coco.picture("b.png")
    (coco.root / "b.png").unlink()
    file = coco.write()
    assert refusal() == f"{file}: b.png is not in {coco.root}; put it there, or take it out of the file"


def test_two_images_of_one_name_or_one_id(coco, refusal):
    first = coco.picture("a.png")
    coco.picture("a.png")
    coco.object(first)
    file = coco.write()
    assert refusal() == f"{file}: lists a.png, which it lists too; take it out of one"


def test_two_images_of_one_id(coco, refusal):
    coco.picture("a.png", id=5)
    coco.picture("b.png", id=5)
    file = coco.write()
    assert refusal() == f"{file}: two images have the id 5: a.png, b.png"


def test_one_picture_in_two_files(coco, refusal):
    coco.object(coco.picture("a.png"))
    coco.write("train.json")
    coco.object(coco.picture("a.png"))
    coco.write("val.json")
    first, second = (coco.root / name for name in ("train.json", "val.json"))
    assert refusal() == f"{second}: lists a.png, which {first} lists too; take it out of one"


def test_two_categories_of_one_id(coco, refusal):
    coco.object(coco.picture("a.png"))
    content = coco.content()
    content["categories"].append({"id": 3, "name": "other"})
    file = write_json(coco.root / "instances.json", content)
    assert refusal() == f"{file}: two categories have the id 3: cat, other"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Background", "is called Background, which means something else here; rename it"),
        ("mean", "is called mean, which means something else here; rename it"),
        ("", "is called ''; allowed: 1 to 60 printable characters; rename it"),
        ("a" * 61, "allowed: 1 to 60 printable characters"),
        ("two\nlines", "is called 'two\\nlines'; allowed"),
    ],
)
@pytest.mark.parametrize("used", [True, False])
def test_a_category_whose_name_a_report_cannot_bear_is_refused_where_it_is_used(
    coco, refusal, entries, name, said, used
):
    coco.object(coco.picture("a.png"), **MASK)
    coco.object(coco.picture("b.png"), **MASK)
    coco.categories[40] = name
    if used:
        coco.object(coco.picture("c.png"), category=40, **MASK)
    coco.write()
    if used:
        assert said in refusal()
    else:
        assert set(entries()) == {"a.png", "b.png"}


def test_an_unknown_image_or_category(coco, refusal):
    coco.object(coco.picture("a.png"))
    coco.object(77)
    coco.object(10, category=5)
    file = coco.write()
    assert refusal() == f"{file}: annotation 101 is of image 77, which the file does not list (and 1 more)"
    coco.picture("b.png")
    coco.object(10, category=5, id=None)
    file = coco.write()
    assert refusal() == f"{file}: annotation number 1 is of category 5, which is not among its categories"


def test_a_name_that_is_not_utf8(coco, refusal, tmp_path):
    coco.object(coco.picture("caf\udce9.png"))
    coco.write()
    assert refusal() == f"{coco.root}/caf\\xe9.png: its name is not UTF-8; rename it"
    (coco.root / "caf\udce9.png").unlink()


def test_a_latin1_name_that_no_annotation_uses_does_not_matter(coco, entries):
    coco.object(coco.picture("a.png"), segmentation=[[1, 1, 9, 1, 9, 9, 1, 9]])
    coco.write()
    save(coco.root / "caf\udce9.png", np.zeros((9, 9), np.uint8))
    assert list(entries()) == ["a.png"]
