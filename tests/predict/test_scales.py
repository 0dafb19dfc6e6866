"""Sizes that the network takes, and tiles."""

import numpy as np
import pytest
from PIL import Image

from stages.predict.scales import fit_size, resize, tile_side, tile_starts, tile_weights


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ((128, 64), (128, 64)),
        ((4096, 2048), (128, 64)),
        ((500, 500), (88, 88)),  # sqrt(8192) = 90.5
        ((64, 128), (64, 128)),
        ((1, 1), (88, 88)),
        ((1, 10_000), (8, 9048)),  # 0.9 by 9051
        ((10_000, 1), (9048, 8)),
    ],
)
def test_a_picture_keeps_its_aspect_and_takes_the_trainings_area(picture, expected):
    assert fit_size(picture, (128, 64)) == expected


def test_shrinking_averages_over_areas_and_enlarging_interpolates():
    checks = np.tile(np.array([[0, 200], [200, 0]], np.uint8), (4, 8))
    picture = Image.fromarray(checks).convert("RGB")
    assert (resize(picture, (8, 4)) == 100).all()
    assert (resize(picture, (16, 8))[..., 0] == checks).all()
    ramp = Image.fromarray(np.array([[0, 100]], np.uint8)).convert("RGB")
    assert resize(ramp, (4, 1))[0, :, 0].tolist() == [0, 25, 75, 100]


@pytest.mark.parametrize("length", [1, 7, 8, 63, 64, 65, 100, 112, 113, 1000])
def test_tiles_cover_every_pixel_overlap_and_their_weights_sum_to_one(length):
    side = tile_side(length, 64)
    assert side % 8 == 0 and side == min(64, -(-length // 8) * 8)
    covered = max(length, side)
    starts = tile_starts(covered, side)
    assert starts[0] == 0 and starts[-1] + side == covered
    assert all(0 < later - earlier <= side * 3 // 4 for earlier, later in zip(starts, starts[1:], strict=False))
    total = np.zeros(covered)
    for start, weights in zip(starts, tile_weights(starts, side), strict=True):
        assert (weights > 0).all()
        total[start : start + side] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)
