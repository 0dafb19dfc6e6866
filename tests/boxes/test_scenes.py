"""What `download` lists is what `boxes` reads: places, boxes, upright pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from stages.boxes import scenes
from stages.download.listing import GivenBox, Listing, Pair
from stages.download.manifest import write
from stages.errors import UserError

BOXES = (GivenBox(1, (1, 2, 3, 4), crowd=False, masked=True), GivenBox(2, (0, 0, 10, 12), crowd=True, masked=False))
GREY = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (16, 1))


@pytest.fixture
def listing(tmp_path):
    """Pictures in one folder, one of them turned by its EXIF; their labels in another."""
    pictures, labels = tmp_path / "pictures", tmp_path / "scenes"
    (pictures / "deep").mkdir(parents=True)
    labels.mkdir()
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(GREY).save(pictures / "a.png", exif=turned)
    Image.fromarray(GREY.astype(np.uint16) * 257).save(pictures / "deep" / "b.png")
    ids = np.zeros((24, 16), np.uint8)
    ids[3, 5] = 1
    Image.fromarray(ids).save(labels / "a.png")
    Image.fromarray(ids.T).save(labels / "b.png")
    pairs = (
        Pair("a", "train", "a.png", "a.png", None, BOXES, pixel_perfect=False),
        Pair("b", "val", "deep/b.png", "b.png", None),
    )
    return Listing("coco", pictures, pairs, frozenset({0, 1, 2}), labels_root=labels, classes=("cat", "dog"))


def test_an_entry_has_what_the_listing_says(listing, tmp_path):
    manifest, notes = write(listing, "mine", tmp_path / "scenes")
    assert not notes
    assert json.loads(manifest.read_text())["classes"] == ["cat", "dog"]
    assert json.loads(manifest.read_text())["labels_root"] == "."
    a, b = scenes.read_manifest(manifest)
    assert a.boxes == BOXES and not a.pixel_perfect
    assert b.boxes is None and b.pixel_perfect
    assert a.image == tmp_path / "pictures" / "a.png" and b.image == tmp_path / "pictures" / "deep" / "b.png"
    assert b.labels == tmp_path / "scenes" / "b.png"


def test_a_scene_is_upright_and_of_8_bits_as_its_labels_are(listing, tmp_path):
    manifest, _ = write(listing, "mine", tmp_path / "scenes")
    a, b = (scenes.read_scene(entry, instances=False) for entry in scenes.read_manifest(manifest))
    assert a.image.size == (16, 24)
    np.testing.assert_array_equal(np.asarray(a.image)[..., 0], GREY.T[:, ::-1])
    np.testing.assert_array_equal(np.asarray(b.image)[..., 2], GREY)
    assert a.labels[3, 5] == 1 and b.labels[5, 3] == 1


def test_a_manifest_without_the_newer_keys_is_read(listing, tmp_path):
    manifest, _ = write(listing, "mine", tmp_path / "scenes")
    content = json.loads(manifest.read_text())
    for image in content["images"]:
        del image["boxes"], image["pixel_perfect"]
    manifest.write_text(json.dumps(content))
    assert all(entry.boxes is None and entry.pixel_perfect for entry in scenes.read_manifest(manifest))


@pytest.mark.parametrize("boxes", [3, [{"label": 1}], [{"label": 1, "bbox": 7, "crowd": False, "masked": False}]])
def test_boxes_that_are_none_are_one_line(listing, tmp_path, boxes):
    manifest, _ = write(listing, "mine", tmp_path / "scenes")
    content = json.loads(manifest.read_text())
    content["images"][0]["boxes"] = boxes
    manifest.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"manifest.json: not a manifest of scenes \([^\n]*\)$"):
        scenes.read_manifest(manifest)
