"""Where the added classes stand, and how often."""

from dataclasses import replace

import pytest

from stages.synthetic import traffic
from stages.synthetic.ordering import Thing, apart
from stages.synthetic.world import BUS, CAR, LABELS, PERSON, TRAM
from tests.synthetic.alone import empty_world, finished


def test_every_class_but_cars_and_people_is_placed_here():
    assert set(traffic.RATES) == set(traffic.BLUEPRINTS) == set(LABELS.values()) - {CAR, PERSON}


def test_no_two_things_stand_on_the_same_ground_nor_on_the_camera():
    placed = 0
    for seed in range(40):
        things = [one for one in traffic.extras(empty_world(seed)) if len(one.ground) > 1]
        placed += len(things)
        for i, one in enumerate(things):
            assert min(z for _, z in one.ground) > traffic.NEAREST
            assert all(apart(one.ground, other.ground) for other in things[:i])
    assert placed > 100


def test_a_class_that_is_off_is_not_placed():
    for seed in range(20):
        world = replace(empty_world(seed), things=frozenset({CAR, PERSON, BUS}))
        for one in traffic.extras(world):
            one.paint()
        assert {value // 1000 for value in finished(world).instances} <= {BUS}


def test_a_tram_brings_its_rails_first():
    for seed in range(40):
        world = replace(empty_world(seed), things=frozenset({TRAM}))
        things = traffic.extras(world)
        assert len([one for one in things if one.z == traffic.HORIZON]) * 2 == len(things)


@pytest.mark.parametrize(("x", "stays"), [(0.0, False), (9.0, True)])
def test_what_stands_on_taken_ground_is_left_out(x, stays):
    bus = Thing(10, lambda: None, [(-1, 5), (-1, 15), (1, 15), (1, 5)])
    person = Thing(10, lambda: None, [(x, 10.0)])
    assert traffic.without([person], [bus]) == ([person] if stays else [])
