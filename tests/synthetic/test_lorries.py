"""Trucks: one instance each, whose mask is what was painted."""

import numpy as np
import pytest

from stages.synthetic import lorries
from stages.synthetic.vehicles import Pose
from tests.synthetic.alone import HEADINGS, alone, drawings, empty_world, finished, stray

pytestmark = pytest.mark.usefixtures("no_shadows")


def test_the_mask_is_what_was_painted():
    for drawing in drawings(lorries.truck, 18):
        assert drawing.instances == [27000]
        assert stray(drawing) < 0.01


def test_shapes_are_those_of_trucks():
    boxes = np.array([drawing.box(27000) for drawing in drawings(lorries.truck, 18)])
    assert boxes[:, 2].min() > 0.45 and boxes[:, 2].max() < 0.95
    wide = boxes[:, 1] / boxes[:, 0]
    assert wide.min() < 1.1 and wide.max() > 2.5  # an end, a flank


@pytest.mark.parametrize("kind", lorries.LENGTHS)
def test_every_kind_is_a_cab_with_a_load_of_its_own(kind):
    world = empty_world()
    lorries._draw(world, kind, lorries.LENGTHS[kind][0], Pose(0, 20, np.pi / 2))
    drawing = finished(world)
    height, width, fill = drawing.box(27000)
    metre = 256 * 2 / 20
    assert width / metre == pytest.approx(lorries.LENGTHS[kind][0], rel=0.15)
    assert 2.4 < height / metre < 4.6 and fill < 0.93
    ground = drawing.ids[int(192 + (1.6 - 0.05) * metre)]  # a hand's breadth over the road only the wheels are there
    assert 0.05 < (ground != 0).sum() / width < 0.5


def test_without_variety_trucks_are_of_common_kinds():
    lengths = [lorries.truck(empty_world(seed, variety=0.0)).length for seed in range(60)]
    assert max(lengths) < 9.6 and max(lorries.truck(empty_world(seed)).length for seed in range(60)) > 12


def test_farther_is_smaller():
    near, far = alone(lorries.truck, HEADINGS[2], z=12), alone(lorries.truck, HEADINGS[2], z=36)
    assert far.box(27000)[0] < 0.45 * near.box(27000)[0]
