"""Footprints and the order of painting: what is in front is painted last."""

import math

import numpy as np
import pytest

from stages.synthetic.ordering import Thing, apart, back_to_front, in_front, rectangle
from stages.synthetic.vehicles import Pose

BUS = rectangle(Pose(3.5, 15, 0.0), 12, 2.5)  # along the street, from 9 to 21 metres


def thing(ground, z=None):
    return Thing(np.mean([deep for _, deep in ground]) if z is None else z, lambda: None, ground)


def test_a_rectangle_turns_with_its_heading():
    assert sorted(rectangle(Pose(1, 10, 0), 4, 2)) == [(0, 8), (0, 12), (2, 8), (2, 12)]
    across = rectangle(Pose(1, 10, math.pi / 2), 4, 2, margin=1)
    np.testing.assert_allclose(np.sort(across, axis=0), [(-2, 8), (-2, 8), (4, 12), (4, 12)])


@pytest.mark.parametrize(
    ("other", "are"),
    [
        ([(3.5, 15.0)], False),
        ([(6.0, 15.0)], True),
        ([(0.0, 15.0), (8.0, 15.0)], False),
        ([(0.0, 8.0), (8.0, 8.0)], True),
        (rectangle(Pose(5.5, 15, 0.0), 4, 2), False),
        (rectangle(Pose(6.5, 15, 0.0), 4, 2), True),
        (rectangle(Pose(1.0, 8.0, math.pi / 4), 3, 1), True),
    ],
)
def test_apart(other, are):
    assert apart(BUS, other) == apart(other, BUS) == are


def test_behind_a_flank_though_nearer_than_the_middle():
    behind, ahead = [(5.5, 12.0)], [(1.5, 18.0)]
    assert in_front(BUS, behind) is True and in_front(behind, BUS) is False
    assert in_front(BUS, ahead) is False and in_front(ahead, BUS) is True
    assert in_front(BUS, [(-9.0, 12.0)]) is None  # elsewhere in the picture


def test_the_order_is_by_depth_but_for_long_things():
    bus, behind, ahead, far, near = (
        thing(ground) for ground in (BUS, [(5.5, 12.0)], [(1.5, 18.0)], [(0, 40.0)], [(0, 3.0)])
    )
    order = back_to_front([near, behind, bus, ahead, far])
    assert [order.index(one) for one in (far, behind, bus, ahead, near)] == sorted(
        order.index(one) for one in (far, behind, bus, ahead, near)
    )


def test_short_things_keep_the_order_of_their_depths():
    rng = np.random.default_rng(0)
    things = [thing([(x, z)]) for x, z in rng.uniform((-5, 3), (5, 50), (40, 2)).tolist()]
    things += [thing(rectangle(Pose(x, z, 0.3), 4.6, 1.8)) for x, z in rng.uniform((-5, 6), (5, 50), (9, 2)).tolist()]
    assert back_to_front(things) == sorted(things, key=lambda one: -one.z)


def test_a_circle_of_things_is_painted_whole():
    # Each of three long things has an end in front of the next one.
    turns = [2 * math.pi * i / 3 for i in range(3)]
    ring = [thing(rectangle(Pose(3.5 * math.cos(t), 20 + 3.5 * math.sin(t), -t + 0.5), 11, 0.5)) for t in turns]
    assert sorted(map(id, back_to_front(ring))) == sorted(map(id, ring))
