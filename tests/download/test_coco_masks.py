"""Polygons and run lengths become the pixels that they mean; damaged ones are refused before pycocotools reads them."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from stages.download.coco_json import Annotation, Rle
from stages.download.coco_masks import VOID, BadMask, box, draw, encode, rectangle
from tests.download.fabricated import polygon

SIZE = (32, 24)


def annotation(segmentation, **changes) -> Annotation:
    return Annotation(image_id=1, category_id=1, segmentation=segmentation, **changes)


def pixels(segmentation) -> np.ndarray:
    return coco_mask.decode(encode(annotation(segmentation), SIZE))


def region(*rectangles: tuple[int, int, int, int]) -> np.ndarray:
    ids = np.zeros(SIZE[::-1], np.uint8)
    for x, y, width, height in rectangles:
        ids[y : y + height, x : x + width] = 1
    return ids


def runs(mask: np.ndarray) -> list[int]:
    """Run lengths of a mask, computed column by column."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return counts if flat[0] == 0 else [0, *counts]


SHAPE = region((3, 4, 10, 6), (20, 0, 5, 24), (0, 22, 2, 2))


def test_one_and_several_polygons():
    np.testing.assert_array_equal(pixels([polygon(3, 4, 10, 6)]), region((3, 4, 10, 6)))
    np.testing.assert_array_equal(
        pixels([polygon(3, 4, 10, 6), [], polygon(5, 6, 20, 2)]), region((3, 4, 10, 6), (5, 6, 20, 2))
    )


def test_a_polygon_is_cut_at_the_pictures_edge():
    np.testing.assert_array_equal(pixels([polygon(28, 20, 10, 10)]), region((28, 20, 4, 4)))


def test_run_lengths_plain_and_compressed():
    given = {"size": [24, 32], "counts": runs(SHAPE)}
    np.testing.assert_array_equal(pixels(Rle(**given)), SHAPE)
    compressed = coco_mask.encode(np.asfortranarray(SHAPE))["counts"].decode()
    np.testing.assert_array_equal(pixels(Rle(size=[24, 32], counts=compressed)), SHAPE)


def test_compressed_run_lengths_of_any_mask():
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask = (rng.random((24, 32)) < rng.random()).astype(np.uint8)
        if mask.any():
            compressed = coco_mask.encode(np.asfortranarray(mask))["counts"].decode()
            np.testing.assert_array_equal(pixels(Rle(size=[24, 32], counts=compressed)), mask)


def test_runs_of_no_length_are_allowed():
    np.testing.assert_array_equal(pixels(Rle(size=[24, 32], counts=[0, 24, 0, 24, 0, 0, 720])), region((0, 0, 2, 24)))


GOOD = coco_mask.encode(np.asfortranarray(SHAPE))["counts"].decode()


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        (Rle(size=[32, 24], counts=[768]), r"RLE is of size \[32, 24\], the picture's is \[24, 32\]"),
        (Rle(size=[24, 32], counts=[1, 2]), "does not have the picture's 768 pixels"),
        (Rle(size=[24, 32], counts=[]), "does not have"),
        (Rle(size=[24, 32], counts=[800, -32]), "does not have"),
        (Rle(size=[24, 32], counts=GOOD[:-1]), "RLE"),
        (Rle(size=[24, 32], counts=GOOD[:-2]), "RLE"),
        (Rle(size=[24, 32], counts="no letters"), "RLE is damaged"),
        (Rle(size=[24, 32], counts="ü"), "RLE is damaged"),
        (Rle(size=[24, 32], counts=[768]), "no pixel"),
        ([[1, 1, 5, 5]], "three points or more"),
        ([[1, 1, 5, 5, 9, 1, 7]], "three points or more"),
        ([[1, 1, 1e9, 1, 5, 5]], "reaches far outside"),
        ([[1, 1, 5, -1e9, 5, 5]], "reaches far outside"),
        ([polygon(-20, 3, 10, 10)], "no pixel in the picture"),
        ([polygon(40, 3, 10, 10)], "no pixel in the picture"),
        ([[3, 3, 3.1, 3, 3.1, 3.1]], "no pixel"),
    ],
)
def test_a_bad_mask_is_refused(segmentation, said):
    with pytest.raises(BadMask, match=said):
        encode(annotation(segmentation), SIZE)


def test_the_smaller_lies_on_top_whatever_the_order_and_void_below_all():
    large, small = (encode(annotation([polygon(*at)]), SIZE) for at in ((2, 2, 20, 20), (5, 5, 4, 4)))
    crowd = encode(annotation([polygon(0, 0, 8, 24)]), SIZE)
    expected = np.zeros((24, 32), np.uint8)
    expected[:, :8] = VOID
    expected[2:22, 2:22] = 1
    expected[5:9, 5:9] = 2
    masks = [(1, large), (2, small), (VOID, crowd)]
    for order in (masks, masks[::-1]):
        np.testing.assert_array_equal(draw(order, SIZE), expected)


def test_of_equals_the_later_lies_on_top():
    first, second = (encode(annotation([polygon(x, 2, 6, 6)]), SIZE) for x in (2, 5))
    assert draw([(1, first), (2, second)], SIZE)[4, 6] == 2
    assert draw([(2, second), (1, first)], SIZE)[4, 6] == 1


def test_boxes_and_masks_of_rectangles():
    assert box(encode(annotation([polygon(3, 4, 10, 6)]), SIZE)) == (3, 4, 10, 6)
    np.testing.assert_array_equal(coco_mask.decode(rectangle((3, 4, 10, 6), SIZE)), region((3, 4, 10, 6)))
