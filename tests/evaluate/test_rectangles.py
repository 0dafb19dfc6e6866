"""Extents of shapes whose extent is known, and scikit-image's."""

import numpy as np
import pytest

from stages.evaluate.rectangles import extents


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
