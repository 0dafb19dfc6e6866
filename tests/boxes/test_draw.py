"""Box targets, index maps, masks and photographs at training size."""

import json

import numpy as np
import pytest
from PIL import Image

from stages.arrays import open_packed
from stages.boxes.draw import draw_boxes, shrink_image, shrink_mask
from stages.boxes.instances import Instance
from stages.errors import UserError
from tests.boxes.painted import crowd
from tests.two_classes import TASKS


def instance(label, x, y, width, height):
    return Instance(label, (x, y, width, height), width * height, False)


def reference(boxes, full, size, overlap):
    """Target and index map, one training pixel and one box at a time, in floating point."""
    target, index = np.zeros(size[::-1], np.uint8), np.zeros(size[::-1], np.uint16)
    for row in range(size[1]):
        for column in range(size[0]):
            best = None
            for place, (label, (x, y, width, height)) in enumerate(boxes):
                inside = True
                for pixel, start, length, side, small in (
                    (column, x, width, full[0], size[0]),
                    (row, y, height, full[1], size[1]),
                ):
                    centres = [(i + 0.5) * side / small for i in range(small)]
                    covered = [i for i, centre in enumerate(centres) if start <= centre < start + length]
                    inside &= pixel in (covered or [int((start + length / 2) * small / side)])
                area = width * height if overlap == "smaller" else -width * height
                if inside and (best is None or area <= best[0]):
                    best = (area, label, place)
            if best:
                target[row, column], index[row, column] = best[1], best[2] + 1
    return target, index


@pytest.mark.parametrize("overlap", ["smaller", "larger"])
@pytest.mark.parametrize("size", [(16, 8), (32, 16), (24, 12)])
def test_targets_and_indices_equal_a_per_pixel_reference_built_from_boxes_json(folder, tmp_path, size, overlap):
    crowd(folder, train=6, val=3)
    out = folder.pack(tmp_path / "packed", size=size, overlap=overlap)
    packed, coco = open_packed(out), json.loads((out / "boxes.json").read_text())
    images = {image["file_name"]: image["id"] for image in coco["images"]}
    labels = {category["name"]: category["id"] for category in coco["categories"]}
    drawn = 0
    for split in (packed.train, packed.val):
        for task, classes in TASKS.items():
            for place, name in enumerate(split.ids):
                boxes = [
                    (a["category_id"], a["bbox"])
                    for a in coco["annotations"]
                    if a["image_id"] == images[name] and a["category_id"] in [labels[c] for c in classes]
                ]
                target, index = reference(boxes, (32, 16), size, overlap)
                np.testing.assert_array_equal(split.targets(task)[place], target)
                np.testing.assert_array_equal(split.indices(task)[place], index)
                drawn += len(boxes)
    assert drawn > 20


@pytest.mark.parametrize(("overlap", "inner"), [("smaller", 2), ("larger", 1)])
def test_the_smaller_or_the_larger_box_lies_on_top_in_any_order(overlap, inner):
    boxes = [instance(2, 4, 4, 4, 4), instance(1, 0, 0, 12, 12)]
    for order in (boxes, boxes[::-1]):
        target, index = draw_boxes(order, (16, 16), (16, 16), overlap)
        assert set(np.unique(target[4:8, 4:8])) == {inner}
        assert set(np.unique(index[4:8, 4:8])) == {1 + [box.label for box in order].index(inner)}
        assert target[0, 0] == 1
        assert target[12, 12] == 0


def test_more_boxes_than_an_index_map_can_number_are_refused():
    with pytest.raises(UserError, match="32768 boxes in one image; allowed: 32767; a larger min_area"):
        draw_boxes([instance(1, 0, 0, 1, 1)] * 2**15, (16, 16), (16, 16), "smaller")


def test_a_box_thinner_than_a_training_pixel_keeps_one():
    for x in range(32):
        target, _ = draw_boxes([instance(1, x, 15, 1, 1)], (32, 16), (8, 4), "smaller")
        assert target.sum() == 1
        assert target[3, x // 4] == 1


def test_at_full_resolution_a_target_is_the_box_itself():
    target, index = draw_boxes([instance(1, 3, 2, 5, 4)], (32, 16), (32, 16), "smaller")
    expected = np.zeros((16, 32), np.uint8)
    expected[2:6, 3:8] = 1
    np.testing.assert_array_equal(target, expected)
    np.testing.assert_array_equal(index, expected)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_masks_take_the_majority_and_ties_the_centre(factor):
    mask = np.random.default_rng(factor).choice(np.array([0, 1, 2, 255], np.uint8), (8 * factor, 16 * factor))
    small = shrink_mask(mask, (16, 8))
    ties = 0
    for row in range(8):
        for column in range(16):
            block = mask[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
            values, counts = np.unique(block, return_counts=True)
            best = values[counts == counts.max()]
            centre = block[factor // 2, factor // 2]
            ties += len(best) > 1
            assert small[row, column] == (centre if centre in best else best[0])
    assert ties > 3


def test_shrinking_keeps_the_area_of_masks_and_boxes_alike():
    """A box-filling mask and its box's target agree, whatever the place: neither grows nor shrinks on its own."""
    for x in range(9):
        for width in range(4, 12):
            mask = np.zeros((16, 32), np.uint8)
            mask[4:12, x : x + width] = 1
            target, _ = draw_boxes([instance(1, x, 4, width, 8)], (32, 16), (16, 8), "smaller")
            np.testing.assert_array_equal(shrink_mask(mask, (16, 8)), target)


def test_photographs_are_averaged_over_area():
    photo = np.random.default_rng(0).integers(0, 256, (16, 32, 3), dtype=np.uint8)
    small = shrink_image(Image.fromarray(photo), (8, 4))
    mean = photo.reshape(4, 4, 8, 4, 3).mean((1, 3))
    assert small.dtype == np.uint8
    assert np.abs(small - mean).max() <= 1  # Pillow rounds after each of two passes
