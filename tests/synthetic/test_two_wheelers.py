"""Bicycles and motorcycles: machine and rider are one instance, whose mask is what was painted."""

import numpy as np
import pytest

from stages.synthetic import two_wheelers
from tests.synthetic.alone import HEADINGS, alone, drawings, stray

pytestmark = pytest.mark.usefixtures("no_shadows")
BOTH = [(two_wheelers.bicycle, 33000), (two_wheelers.motorcycle, 32000)]


@pytest.mark.parametrize(("choose", "value"), BOTH)
def test_rider_and_machine_are_one_instance_as_painted(choose, value):
    for drawing in drawings(choose, 6):
        assert drawing.instances == [value]
        assert stray(drawing) < 0.005


@pytest.mark.parametrize(("choose", "value"), BOTH)
def test_the_box_covers_both_rider_and_machine(choose, value):
    for drawing in drawings(choose, 6):
        height, width, fill = drawing.box(value)
        metre = 256 * 2 / 6  # a wheel that points to the camera is up to a metre nearer
        assert 1.4 < height / metre < 2.2  # wheels on the ground, a head above the saddle
        assert 0.5 < width / metre < 2.4 and 0.2 < fill < 0.65


def test_one_sees_through_the_wheels_of_a_bicycle_and_not_of_a_motorcycle():
    for choose, value, seen_through in ((*BOTH[0], True), (*BOTH[1], False)):
        drawing = alone(choose, np.pi / 2, z=5.0, x=0.0)
        metre = 256 * 2 / 5
        hub = {True: (0.53, 0.34), False: (0.7, 0.32)}[seen_through]
        row, column = int(192 + (1.6 - hub[1]) * metre), int(256 + hub[0] * metre)
        reach = int(0.2 * metre)
        wheel = drawing.ids[row - reach : row + reach, column - reach : column + reach] == value
        assert (wheel.mean() < 0.8) == seen_through


def test_a_cyclist_is_narrow_from_behind_and_wide_from_the_side():
    side, behind = (alone(two_wheelers.bicycle, heading, z=6, x=0).box(33000) for heading in (np.pi / 2, 0.0))
    assert side[1] > 2 * behind[1] and side[0] == pytest.approx(behind[0], rel=0.15)


def test_legs_pedal():
    masks = [alone(two_wheelers.bicycle, HEADINGS[2], seed).ids != 0 for seed in range(4)]
    assert len({mask.tobytes() for mask in masks}) == 4
