"""Traffic signs and lights: one instance a plate or a housing; posts are poles."""

import numpy as np
import pytest

from stages.synthetic import signals
from stages.synthetic.solids import Solid
from stages.synthetic.vehicles import Pose
from stages.synthetic.world import POLE
from tests.synthetic.alone import alone, empty_world, finished, stray


@pytest.mark.parametrize("choose", [signals.sign, signals.traffic_light])
def test_all_that_is_painted_is_a_post_or_an_instance(choose):
    for seed in range(30):
        drawing = alone(choose, seed=seed, z=8, x=2)
        assert stray(drawing) < 0.005
        labels = {value if value < 1000 else value // 1000 for value in np.unique(drawing.ids).tolist()}
        assert labels <= {0, POLE, 20 if choose is signals.sign else 19}
        assert drawing.instances


@pytest.mark.parametrize(
    ("kind", "fill"),
    [("limit", np.pi / 4), ("warning", 0.5), ("yield", 0.5), ("stop", 0.83), ("priority", 0.5), ("parking", 1.0)],
)
def test_shapes_of_plates_fill_their_boxes_as_geometry_says(kind, fill):
    world = empty_world()
    signals._layers(Solid(world, Pose(0, 6, np.pi, lift=1.6), 20000), signals.PLATES[kind], 0.8)
    height, width, filled = finished(world).box(20000)
    assert filled == pytest.approx(fill, abs=0.04)
    assert width == pytest.approx(height, rel=0.2)


def test_a_parking_sign_is_not_mirrored():
    world = empty_world()
    signals._layers(Solid(world, Pose(0, 6, np.pi, lift=1.6), 20000), signals.PLATES["parking"], 0.8)
    letter = (finished(world).picture.min(axis=-1) > 200).nonzero()[1]
    assert np.median(letter) < 256  # the stem is on the left


def test_one_lamp_is_lit_and_all_three_colours_occur():
    brightest = set()
    for seed in range(40):
        world = empty_world(seed)
        signals.lights(world, 0.0, 1.3, 6.0)
        drawing = finished(world)
        inside = drawing.picture[drawing.ids == 19000].astype(int)
        vivid = inside[(inside.max(axis=1) > 235) & (np.ptp(inside, axis=1) > 150)]
        colours = {tuple(colour) for colour in vivid.tolist()}
        assert len(colours) == 1
        brightest |= colours
    np.testing.assert_allclose(sorted(brightest), sorted(lamp.tolist() for lamp in signals.LAMPS), atol=1)


def test_a_light_is_tall_and_a_second_plate_is_a_second_thing():
    counts = set()
    for seed in range(40):
        height, width, fill = alone(signals.traffic_light, seed=seed, z=12, x=3).box(19000)
        assert 1.2 < height / width < 3.5 and fill > 0.6
        counts.add(len(alone(signals.sign, seed=seed, z=12, x=3).instances))
    assert counts == {1, 2}
