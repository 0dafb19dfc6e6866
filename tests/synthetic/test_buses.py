"""Buses: one instance each, whose mask is what was painted, with rows of windows."""

import numpy as np
import pytest

from stages.synthetic import buses
from stages.synthetic.vehicles import Pose
from tests.synthetic.alone import drawings, empty_world, finished, stray

pytestmark = pytest.mark.usefixtures("no_shadows")


def test_the_mask_is_what_was_painted():
    for drawing in drawings(buses.bus, 18):
        assert drawing.instances == [28000]
        assert stray(drawing) < 0.005


def test_shapes_are_those_of_buses():
    boxes = np.array([drawing.box(28000) for drawing in drawings(buses.bus, 18)])
    assert boxes[:, 2].min() > 0.75  # a box of glass and steel: fuller than a truck
    wide = boxes[:, 1] / boxes[:, 0]
    assert wide.min() < 1 and wide.max() > 2.5


@pytest.mark.parametrize("kind", buses.KINDS)
def test_size_and_windows_of_every_kind(kind):
    world, of = empty_world(), buses.KINDS[kind]
    buses._draw(world, of, of.length[0], Pose(0, 20, np.pi / 2))
    drawing, metre = finished(world), 256 * 2 / (20 - of.half)
    height, width, _ = drawing.box(28000)
    assert width / metre == pytest.approx(of.length[0], rel=0.1)
    assert of.height[0] - 0.2 < height / metre < of.height[1] + 0.4
    for low, top in of.decks:  # along a row of windows, glass and pillars take turns
        row = drawing.picture[int(192 + (1.6 - (low + top) / 2) * metre)].astype(int)
        inside = row[(drawing.ids[int(192 + (1.6 - (low + top) / 2) * metre)] == 28000)]
        assert (np.abs(np.diff(inside, axis=0)).max(axis=1) > 25).sum() > 6


def test_doors_are_on_the_right():
    def panes(heading):
        world = empty_world()
        buses._draw(world, buses.KINDS["city"], 11.0, Pose(0, 20, heading))
        drawing = finished(world)
        below = int(192 + (1.6 - 0.9) * 256 * 2 / 18.7)  # under the windows only doors have glass
        row = drawing.picture[below][drawing.ids[below] == 28000]
        return len(np.unique(row, axis=0))

    assert panes(np.pi / 2) > panes(-np.pi / 2)
