"""Extents of shapes whose extent is known, and scikit-image's."""

import numpy as np
import pytest

from stages.evaluate.rectangles import agreements, extents


def test_rectangles_have_extent_one():
    labels = np.zeros((2, 40, 60), np.uint8)
    labels[0, 3:10, 5:25] = 1
    labels[0, 20:35, 30:50] = 2
    labels[1, :20, :30] = 1
    assert extents(labels, 3).tolist() == [1, 1, 1]
    assert extents(labels, 2).tolist() == [1, 1]


def test_disc_and_triangle():
    y, x = np.mgrid[-50:51, -50:51]
    assert extents((y**2 + x**2 <= 50**2)[None].astype(int), 2)[0] == pytest.approx(np.pi / 4, abs=0.02)
    assert extents((y >= x)[None].astype(int), 2)[0] == pytest.approx(0.5, abs=0.01)


def test_specks_void_and_empty_images_count_nowhere():
    labels = np.zeros((1, 30, 30), np.uint8)
    labels[0, 0, 0] = 1
    labels[0, 10:, :] = 255
    assert extents(labels, 2).size == 0
    assert extents(labels, 2, min_area=1).tolist() == [1]
    assert extents(np.zeros((0, 4, 4), np.uint8), 2).size == 0


def test_agrees_with_scikit_image():
    measure = pytest.importorskip("skimage.measure")
    noise = np.random.default_rng(0).random((3, 40, 60)) < 0.35
    expected = [
        region.extent
        for image in noise
        for region in measure.regionprops(measure.label(image, connectivity=2))
        if region.area >= 20
    ]
    assert len(expected) > 5
    assert sorted(extents(noise.astype(int), 2)) == pytest.approx(sorted(expected))


@pytest.fixture
def ellipses():
    """Two ellipses of classes 1 and 2, each in its box: (mask, box target, box numbers), all (1, H, W)."""
    y, x = np.mgrid[:60, :120]
    mask, target, boxes = (np.zeros((1, 60, 120), int) for _ in range(3))
    for label, number, cx, rx, ry in ((1, 3, 30, 20, 12), (2, 7, 90, 10, 25)):
        inside = ((x - cx) / rx) ** 2 + ((y - 30) / ry) ** 2 <= 1
        mask[0][inside] = label
        box = (0, slice(30 - ry, 30 + ry + 1), slice(cx - rx, cx + rx + 1))
        target[box], boxes[box] = label, number
    return mask, target, boxes


def test_an_output_that_is_the_mask_agrees_with_masks_and_one_that_is_the_box_with_boxes(ellipses):
    mask, target, boxes = ellipses
    fill = [(mask == c).sum() / (target == c).sum() for c in (1, 2)]
    assert agreements(mask, mask, target, boxes) == pytest.approx(np.array([(fill[0], 1), (fill[1], 1)]))
    assert agreements(target, mask, target, boxes) == pytest.approx(np.array([(1, fill[0]), (1, fill[1])]))
    assert all(0.7 < share < 0.85 for share in fill)


def test_a_component_is_compared_with_the_box_that_covers_most_of_it(ellipses):
    mask, target, boxes = ellipses
    touching = target.copy()
    touching[0, 18:43, 51:80] = 1  # another car, right beside the first
    numbers = np.where(touching != target, 9, boxes)
    output = np.zeros_like(mask)
    output[0, 18:43, 45:80] = 1  # six columns of the first box, all 29 of the second
    ((with_box, with_mask),) = agreements(output, np.where(numbers == 9, 1, mask), touching, numbers)
    assert with_box == with_mask == pytest.approx(29 / 35)


def test_components_outside_of_boxes_specks_void_and_other_classes_are_left_out(ellipses):
    mask, target, boxes = ellipses
    output = np.zeros_like(mask)
    output[0, :10, :10] = 1  # no box there
    output[0, 25:35, 85:95] = 1  # a car in a person's box
    output[0, 30, 30:34] = 1  # a speck
    assert agreements(output, mask, target, boxes).shape == (0, 2)
    void = np.where(boxes == 3, 255, 0)
    layers = [np.where(void == 255, 255, layer) for layer in (mask, mask, target)]
    assert len(agreements(*layers, boxes)) == 1
