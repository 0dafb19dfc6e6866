"""Trams: one instance each, whose mask is what was painted; rails that change no label."""

import numpy as np
import pytest

from stages.synthetic import trams
from stages.synthetic.vehicles import Pose
from tests.synthetic.alone import drawings, empty_world, finished, stray

pytestmark = pytest.mark.usefixtures("no_shadows")


def test_the_mask_is_what_was_painted():
    for drawing in drawings(trams.tram, 24):
        assert drawing.instances == [31000]
        assert stray(drawing) < 0.005


def test_shapes_are_those_of_trams():
    boxes = np.array([drawing.box(31000) for drawing in drawings(trams.tram, 24)])
    assert boxes[:, 2].min() > 0.6
    wide = boxes[:, 1] / boxes[:, 0]
    assert wide.min() < 0.9 and wide.max() > 3


def test_a_tram_is_as_long_as_chosen_and_reaches_up_to_its_wire():
    world = empty_world()
    trams._draw(world, 2, 16.0, Pose(0, 25, np.pi / 2))
    height, width, _ = finished(world).box(31000)
    metre = 256 * 2 / (25 - trams.HALF)
    assert width / metre == pytest.approx(16, rel=0.1)
    assert trams.HIGH < height / metre < trams.WIRE + 0.2


@pytest.mark.parametrize("heading", [0.0, np.pi, np.pi / 2])
def test_rails_lie_on_the_ground_and_change_no_label(heading):
    world = empty_world()
    trams.rails(world, Pose(1.0, 20, heading))
    drawing = finished(world)
    assert not drawing.ids.any()
    below = drawing.painted[193:]
    assert below.any() and not drawing.painted[150:190, :100].any()
