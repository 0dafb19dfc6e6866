"""Own data: which images are pixel-perfect, their boxes and label pictures, and what is refused or told."""

import numpy as np
import pytest
from PIL import Image

from stages.boxes.scenes import read_scene
from stages.download.coco_listing import turn_box
from stages.download.listing import GivenBox
from stages.pictures import turn
from tests.download.fabricated import polygon, write_json

MASK = {"segmentation": [polygon(2, 3, 8, 6)]}


def labels_of(entry) -> np.ndarray:
    return np.asarray(Image.open(entry.labels))


def rectangle(x, y, width, height, value=1, size=(32, 24)) -> np.ndarray:
    ids = np.zeros(size[::-1], np.uint8)
    ids[y : y + height, x : x + width] = value
    return ids


# ---- kinds of images -------------------------------------------------------------------------------------------------


def test_an_image_is_pixel_perfect_when_every_object_has_a_mask(coco, entries, capsys):
    full, boxes, mixed, empty = (coco.picture(f"{name}.png") for name in ("full", "boxes", "mixed", "empty"))
    coco.object(full, **MASK)
    coco.object(full, 7, (20, 10, 5, 5), segmentation=[polygon(20, 10, 5, 5)])
    coco.object(boxes)
    coco.object(mixed, **MASK)
    coco.object(mixed, 7, (20, 10, 5, 5))
    coco.write()
    found = entries()
    assert {name: entry.pixel_perfect for name, entry in found.items()} == {
        "full.png": True,
        "boxes.png": False,
        "mixed.png": False,
        "empty.png": True,
    }
    assert found["full.png"].boxes == (
        GivenBox(1, (2, 3, 8, 6), crowd=False, masked=True),
        GivenBox(2, (20, 10, 5, 5), crowd=False, masked=True),
    )
    assert [box.masked for box in found["mixed.png"].boxes] == [True, False]
    assert found["boxes.png"].boxes == (GivenBox(1, (2, 3, 8, 6), crowd=False, masked=False),)
    assert found["empty.png"].boxes == ()
    np.testing.assert_array_equal(
        labels_of(found["full.png"]), rectangle(2, 3, 8, 6) + rectangle(20, 10, 5, 5, value=2)
    )
    np.testing.assert_array_equal(labels_of(found["mixed.png"]), rectangle(2, 3, 8, 6))
    assert not labels_of(found["boxes.png"]).any() and not labels_of(found["empty.png"]).any()
    said = capsys.readouterr().err
    assert "note: 1 of 4 images have no annotation: all background" in said and "(the first: empty.png)" in said
    assert "note: 1 of 4 images have masks for some objects: box images, their masks are used" in said


def test_a_crowd_is_void_with_or_without_a_mask_and_below_objects(coco, entries):
    number = coco.picture("a.png")
    coco.object(number, **MASK)
    coco.object(number, 7, (0, 0, 16, 12), segmentation=[polygon(0, 0, 16, 12)], iscrowd=1)
    coco.object(number, 3, (20, 12, 6, 6), iscrowd=1)
    coco.write()
    entry = entries()["a.png"]
    expected = np.maximum(rectangle(0, 0, 16, 12, 255), rectangle(20, 12, 6, 6, 255))
    expected[3:9, 2:10] = 1
    np.testing.assert_array_equal(labels_of(entry), expected)
    assert entry.pixel_perfect
    assert [(box.label, box.crowd, box.masked) for box in entry.boxes] == [
        (1, False, True),
        (2, True, True),
        (1, True, False),
    ]


def test_categories_with_gaps_are_numbered_by_their_ids_and_named(coco, manifest):
    coco.categories = {90: "Zürich, große Straße", 3: "cat", 17: "a b"}
    number = coco.picture("a.png")
    for x, category in enumerate((90, 3, 17)):
        coco.object(number, category, (9 * x, 3, 8, 6), segmentation=[polygon(9 * x, 3, 8, 6)])
    coco.write()
    content = manifest()
    assert content["classes"] == ["cat", "a b", "Zürich, große Straße"]
    assert content["checks"]["label_ids"] == [0, 1, 2, 3]
    assert [box["label"] for box in content["images"][0]["boxes"]] == [3, 1, 2]


def test_a_category_without_annotation_is_no_class(coco, manifest, capsys):
    """Roboflow lists one of its own, sometimes of a class's name."""
    coco.categories = {0: "animals", 1: "cat", 2: "animals", 3: "dog"}
    number = coco.picture("a.png")
    coco.object(number, 1, **MASK)
    coco.object(number, 2, (20, 10, 5, 5), segmentation=[polygon(20, 10, 5, 5)])
    coco.write()
    content = manifest()
    assert content["classes"] == ["cat", "animals"]
    assert [box["label"] for box in content["images"][0]["boxes"]] == [1, 2]
    assert "note: no annotation is of the category dog: left out" in capsys.readouterr().err


def test_a_name_is_one_class_though_files_number_it_differently(coco, manifest):
    for category in (7, 3):
        coco.object(coco.picture(f"a{category}.png"), category, **MASK)
    coco.write("train.json")
    coco.categories = {1: "big dog", 2: "cat", 3: "bird"}
    for category in (2, 3):
        coco.object(coco.picture(f"b{category}.png"), category, **MASK)
    coco.write("val.json")
    content = manifest()
    assert content["classes"] == ["cat", "big dog", "bird"]
    assert {image["id"]: image["boxes"][0]["label"] for image in content["images"]} == {
        "a7.png": 2,
        "a3.png": 1,
        "b2.png": 1,
        "b3.png": 3,
    }


# ---- boxes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bbox", "expected"),
    [
        ((2, 3, 8, 6), (2, 3, 8, 6)),
        ((2.4, 3.6, 8.2, 6), (2, 4, 9, 6)),
        ((2.4, 3.6, 0.1, 0.1), (2, 4, 1, 1)),
        ((-4, -2.2, 8, 6), (0, 0, 4, 4)),
        ((30, 20, 9, 9), (30, 20, 2, 4)),
        ((31.7, 2, 0.2, 5), (31, 2, 1, 5)),
        ((0, 0, 32.4, 24), (0, 0, 32, 24)),
    ],
)
def test_a_box_is_as_given_clipped_and_in_whole_pixels(coco, entries, capsys, bbox, expected):
    number = coco.picture("a.png")
    coco.object(number, bbox=bbox, segmentation=[polygon(20, 3, 8, 6)])
    coco.write()
    assert [box.bbox for box in entries()["a.png"].boxes] == [expected]
    reaches_out = min(bbox[:2]) < 0 or bbox == (30, 20, 9, 9)
    assert ("1 boxes reached out of their pictures and were clipped" in capsys.readouterr().err) == reaches_out


def test_a_box_that_is_missing_is_made_from_its_mask(coco, entries):
    number = coco.picture("a.png")
    coco.object(number, bbox=None, segmentation=[polygon(2, 3, 8, 6), polygon(20, 1, 2, 4)])
    coco.write()
    assert [box.bbox for box in entries()["a.png"].boxes] == [(2, 1, 20, 8)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_box_is_around_the_turned_mask(orientation):
    ids = rectangle(3, 4, 10, 6)
    turned = turn(ids, orientation)
    rows, columns = np.nonzero(turned)
    expected = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
    assert turn_box((3, 4, 10, 6), turned.shape[::-1], orientation) == expected


# ---- pictures of all kinds -------------------------------------------------------------------------------------------


def turned_picture(coco, orientation, size, json_size):
    """A picture with an EXIF orientation, listed at a size, with one object at x 2 to 10, y 3 to 9 of that frame."""
    number = coco.picture("a.png", size, listed=False)
    tags = Image.Exif()
    tags[0x0112] = orientation
    Image.open(coco.root / "a.png").save(coco.root / "a.png", exif=tags)
    coco.images.append({"id": number, "file_name": "a.png", "width": json_size[0], "height": json_size[1]})
    coco.object(number, **MASK)
    coco.write()


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_annotations_of_the_stored_picture_are_turned_with_it(coco, entries, orientation):
    turned_picture(coco, orientation, (32, 24), (32, 24))
    entry = entries()["a.png"]
    expected = turn(rectangle(2, 3, 8, 6), orientation)
    assert entry.size == (24, 32)
    np.testing.assert_array_equal(labels_of(entry), expected)
    rows, columns = np.nonzero(expected)
    assert entry.boxes[0].bbox == (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_annotations_of_the_upright_picture_stay(coco, entries, orientation):
    turned_picture(coco, orientation, (32, 24), (24, 32))
    entry = entries()["a.png"]
    np.testing.assert_array_equal(labels_of(entry), rectangle(2, 3, 8, 6, size=(24, 32)))
    assert entry.boxes[0].bbox == (2, 3, 8, 6)


@pytest.mark.parametrize(("orientation", "size"), [(3, (32, 24)), (6, (24, 24))])
def test_where_sizes_do_not_tell_annotations_are_of_the_upright_picture_and_it_is_said(
    coco, entries, capsys, orientation, size
):
    turned_picture(coco, orientation, size, size)
    np.testing.assert_array_equal(labels_of(entries()["a.png"]), rectangle(2, 3, 8, 6, size=size))
    assert "1 of 1 images are turned by their EXIF orientation" in capsys.readouterr().err


def test_pictures_of_any_mode_and_size_arrive_as_rgb(coco, entries):
    grey = np.add.outer(np.arange(24), np.arange(32)).astype(np.uint8)
    kinds = {
        "grey.png": Image.fromarray(grey),
        "deep.png": Image.fromarray(grey.astype(np.uint16) * 257),
        "palette.gif": Image.fromarray(grey).convert("P"),
        "rgba.png": Image.fromarray(grey).convert("RGBA"),
        "cmyk.jpg": Image.fromarray(grey).convert("CMYK"),
        "one bit.bmp": Image.fromarray(grey).convert("1"),
        "large.webp": Image.fromarray(np.tile(grey, (2, 3))),
    }
    for name, image in kinds.items():
        number = coco.picture(name, image.size)
        image.save(coco.root / name)
        coco.object(number, **MASK)
    coco.write()
    found = entries()
    assert set(found) == set(kinds)
    for name, entry in found.items():
        scene = read_scene(entry, instances=False)
        assert scene.image.mode == "RGB" and scene.image.size == kinds[name].size
        assert scene.labels.shape == kinds[name].size[::-1] and scene.labels[4, 4] == 1
    for name in ("grey.png", "deep.png", "rgba.png"):
        image = read_scene(found[name], instances=False).image
        np.testing.assert_array_equal(np.asarray(image)[..., 0], grey)


# ---- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bbox": [40, 3, 8, 6]}, "its box [40.0, 3.0, 8.0, 6.0] is outside of the picture of 32x24 pixels"),
        ({"bbox": [-9, 3, 8, 6]}, "is outside of the picture"),
        ({"bbox": [2, 3, 0, 6]}, "its box is [2.0, 3.0, 0.0, 6.0]; allowed: x, y, width and height in pixels"),
        ({"bbox": [2, 3, 8, -6]}, "the last two above 0"),
        ({"bbox": [2, 3, 8]}, "allowed: x, y, width and height"),
        ({"bbox": [1e308, 3, 1e308, 6]}, "allowed: x, y, width and height in pixels"),
        ({"bbox": []}, "it has neither a box nor a segmentation"),
        ({"segmentation": [polygon(40, 3, 8, 6)]}, "its segmentation has no pixel in the picture"),
        ({"segmentation": {"size": [9, 9], "counts": [81]}}, "its RLE is of size [9, 9]"),
        ({"segmentation": {"size": [24, 32], "counts": "0"}}, "its RLE does not have the picture's 768 pixels"),
    ],
)
def test_an_object_that_is_none(coco, refusal, changes, said):
    first, second = coco.picture("a.png"), coco.picture("b.png")
    coco.object(first, **MASK)
    coco.object(second, **changes)
    file = coco.write()
    message = refusal()
    assert message.startswith(f"{file}: annotation 101 of b.png: ") and said in message
    assert message.endswith("; correct it, or delete it")


def test_no_masks_at_all(coco, refusal):
    coco.object(coco.picture("a.png"))
    coco.picture("b.png")
    file = coco.write()
    assert refusal().startswith(
        f"{file}: no annotation has a segmentation, only boxes; draw a mask around every object"
    )


def test_no_boxes_at_all_is_no_mistake_they_are_made_from_masks(coco, entries):
    coco.object(coco.picture("a.png"), bbox=None, **MASK)
    coco.write()
    assert [box.bbox for box in entries()["a.png"].boxes] == [(2, 3, 8, 6)]


def test_a_file_without_annotations(coco, refusal):
    coco.picture("a.png")
    file = coco.write()
    assert refusal() == f"{file}: has no annotation; annotate its 1 images, or leave the file out"


def test_a_validation_image_without_masks(coco, refusal):
    coco.object(coco.picture("a.png"), **MASK)
    coco.write("train.json")
    coco.object(coco.picture("b.png"), **MASK)
    coco.object(coco.picture("c.png"))
    file = coco.write("val.json")
    assert refusal().startswith(f"{file}: c.png is for validation and lacks masks; draw a mask around every object")


def test_a_picture_that_is_none(coco, refusal):
    names = [f"{name}.png" for name in "abc"]
    for name in names:
        coco.object(coco.picture(name, (64, 48)), **MASK)
    coco.write()
    whole = (coco.root / "b.png").read_bytes()
    (coco.root / "b.png").write_bytes(whole[:-200])
    assert f"{coco.root}/b.png: not an image, or a truncated one" in refusal()
    (coco.root / "b.png").write_text("no image")
    (coco.root / "c.png").write_text("no image")
    message = refusal()
    assert f"{coco.root}/b.png: not an image" in message and message.endswith("(and 1 more)")


def test_a_picture_of_one_pixel(coco, refusal):
    coco.object(coco.picture("a.png", (1, 1)))
    coco.write()
    assert refusal().startswith(f"{coco.root}/a.png: its size is 1x1 pixels; allowed: 8x8 up to 100 million pixels")


def test_a_size_that_is_not_the_pictures(coco, refusal):
    coco.object(coco.picture("a.png", (32, 24), width=64, height=48), **MASK)
    file = coco.write()
    assert refusal() == (
        f"{file}: says 64x48 pixels of a.png, which has 32x24; export the annotations at the size of the pictures"
    )


def test_a_size_that_is_not_said_is_the_pictures(coco, entries):
    number = coco.picture("a.png")
    coco.images[0].pop("width"), coco.images[0].pop("height")
    coco.object(number, **MASK)
    coco.write()
    assert entries()["a.png"].size == (32, 24)


def test_too_many_classes(coco, refusal):
    coco.categories = {number: f"class {number}" for number in range(255)}
    image = coco.picture("a.png")
    for category in coco.categories:
        coco.object(image, category, **MASK)
    file = coco.write()
    assert refusal() == f"{file}: 255 categories; allowed: at most 254"


def test_every_class_of_254_has_a_label(coco, manifest):
    coco.categories = {number: f"class {number}" for number in range(254)}
    image = coco.picture("a.png")
    for category in coco.categories:
        coco.object(image, category, **MASK)
    coco.write()
    assert manifest()["checks"]["label_ids"] == [0, 254]  # of equals the last lies on top


def test_classes_that_cannot_flip_or_have_no_annotation_are_told(coco, entries, capsys):
    coco.categories = {1: "cat", 2: "dog", 3: "bird", 4: "fish"}
    both, boxes = coco.picture("a.png"), coco.picture("b.png")
    coco.object(both, 1, **MASK)
    coco.object(boxes, 1)
    coco.object(boxes, 2)
    coco.write("train.json")
    coco.object(coco.picture("c.png"), 4, **MASK)
    coco.write("val.json")
    entries()
    said = capsys.readouterr().err.splitlines()
    assert "note: no annotation is of the category bird: left out" in said
    flips = [line for line in said if "can never flip" in line]
    assert [line.split(":")[1].split()[-1] for line in flips] == ["dog", "fish"]
    assert "draw the masks of one image with it" in flips[0]


def test_a_file_of_another_kind_is_one_line(coco, refusal):
    coco.object(coco.picture("a.png"), **MASK)
    coco.write()
    file = write_json(coco.root / "instances.json", {"shapes": []})
    assert refusal().startswith(f"{file}: not a COCO instance file, it has no images, annotations, categories")


def test_a_label_picture_that_cannot_be_written_names_the_file(coco, refusal):
    name = f"{'a' * 250}.png"  # with .png once more it is too long
    coco.object(coco.picture(name), **MASK)
    coco.write()
    assert "its labels cannot be written (File name too long); rename the picture" in refusal()
