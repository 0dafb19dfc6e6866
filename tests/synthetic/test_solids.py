"""Solid shapes against geometry that is computed another way."""

from functools import partial

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from stages.synthetic.solids import Solid, convex_hull
from stages.synthetic.vehicles import Body, Pose
from tests.synthetic.alone import HEADINGS, empty_world, finished

WHITE = np.full(3, 200.0)


def test_hulls_are_scipys():
    points = np.random.default_rng(0).normal(size=(40, 2))
    corners = np.reshape(convex_hull([tuple(p) for p in points.tolist()]), (-1, 2))
    expected = points[ConvexHull(points).vertices]
    assert sorted(map(tuple, corners.tolist())) == sorted(map(tuple, expected.tolist()))


@pytest.mark.parametrize("points", [[(1.0, 2.0)], [(1.0, 2.0), (1.0, 2.0)], [(0.0, 0.0), (1.0, 1.0), (2.0, 2.0)]])
def test_hulls_of_points_on_a_line(points):
    assert set(zip(*[iter(convex_hull(points))] * 2, strict=True)) <= set(points)


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_frame_is_a_vehicles(heading):
    world, pose = empty_world(), Pose(2.0, 15.0, heading)
    body, solid = Body(world, pose, 4.0, 1.5, 2.0), Solid(world, pose, 1)
    expected = body.place([0.0, 1.0, 0.25], [0.0, 1.0, 0.5], [-1.0, 1.0, 0.3])
    points = [(2.0, 0.0, -1.0), (-2.0, 1.0, 1.0), (1.0, 0.5, 0.3)]
    np.testing.assert_allclose(np.reshape(solid.pixels(points), (-1, 2)), expected)
    for side in (-1, 1):
        assert (solid.side(1.0) == side) == body.faces(side)


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_box_covers_the_hull_of_its_corners(heading):
    world = empty_world()
    solid = Solid(world, Pose(2.0, 15.0, heading), 27000)
    solid.box((-3.0, 3.0), (0.0, 2.5), (-1.0, 1.0), WHITE)
    boxed = finished(world).ids == 27000
    other = empty_world()
    corners = [(f, u, a) for f in (-3.0, 3.0) for u in (0.0, 2.5) for a in (-1.0, 1.0)]
    Solid(other, Pose(2.0, 15.0, heading), 27000).hull(corners, WHITE)
    assert (boxed != (finished(other).ids == 27000)).sum() < 0.01 * boxed.sum()


def test_marks_change_no_label():
    world = empty_world()
    Solid(world, Pose(0, 10, 0), 27000).on_end(0.0, (0, 1), (-1, 1), WHITE)
    assert finished(world).painted.any() and not finished(world).ids.any()


def test_a_ring_is_open_from_the_side_and_closed_edge_on():
    filled = {}
    for heading in (np.pi / 2, 0.0):
        world = empty_world()
        Solid(world, Pose(0, 3, heading), 33000).ring((0.0, 1.6), 0.5, 0.1, WHITE)
        drawing = finished(world)
        filled[heading] = drawing.ids[192, 256] == 33000
        assert drawing.box(33000)[0] == pytest.approx(2 * 0.5 * 256 * 2 / 3, rel=0.05)
    assert filled == {np.pi / 2: False, 0.0: True}


def test_parts_are_drawn_from_far_to_near():
    for heading, order in ((0.0, "cba"), (np.pi, "abc")):
        drawn = []
        solid = Solid(empty_world(), Pose(0, 20, heading), 1)
        solid.from_far([(i * 2.0, partial(drawn.append, name)) for i, name in enumerate("abc")])
        assert "".join(drawn) == order
