"""Where trucks, buses, trams, riders, signs and lights stand: the classes that a profile may add to cars and people."""

import math
from collections.abc import Callable, Iterable
from functools import partial

from stages.synthetic import buses, lorries, signals, trams, two_wheelers
from stages.synthetic.ordering import Ground, Thing, apart, rectangle
from stages.synthetic.solids import Blueprint
from stages.synthetic.vehicles import Pose
from stages.synthetic.world import BICYCLE, BUS, LIGHT, MOTORCYCLE, SIGN, TRAM, TRUCK, World

RATES = {TRUCK: 0.5, BUS: 0.45, TRAM: 0.4, MOTORCYCLE: 0.6, BICYCLE: 0.8, LIGHT: 0.8, SIGN: 1.2}
"""Mean number of things of a class in a scene; in the order in which they find their place."""
BLUEPRINTS: dict[int, Callable[[World], Blueprint]] = {
    TRUCK: lorries.truck, BUS: buses.bus, TRAM: trams.tram, MOTORCYCLE: two_wheelers.motorcycle,
    BICYCLE: two_wheelers.bicycle, LIGHT: signals.traffic_light, SIGN: signals.sign,
}  # fmt: skip
TRIES = 8
NEAREST = 3.2  # metres from the camera to the nearest corner
CLEAR = 0.35  # metres between two things
HORIZON = 1e6  # metres; what is there is painted before all else


def extras(world: World) -> list[Thing]:
    """Place the things of the classes that are switched on, no two on the same ground."""
    things: list[Thing] = []
    for label, rate in RATES.items():
        if label in world.things:
            for _ in range(world.rng.poisson(rate)):
                things += _placed(world, label, [thing.ground for thing in things])
    return things


def without(things: Iterable[Thing], taken: Iterable[Thing]) -> list[Thing]:
    """Return those of `things` that stand on ground that no thing of `taken` covers."""
    return [thing for thing in things if all(apart(thing.ground, other.ground) for other in taken)]


def _placed(world: World, label: int, taken: list[Ground]) -> list[Thing]:
    """Place one thing of a class and, under a tram, its rails; nothing where no place is found."""
    blueprint = BLUEPRINTS[label](world)
    place = {TRAM: _on_rails, MOTORCYCLE: _riding, BICYCLE: _riding, LIGHT: _at_kerb, SIGN: _at_kerb}.get(
        label, _in_lane
    )
    for _ in range(TRIES):
        pose = place(world, blueprint)
        ground = rectangle(pose, blueprint.length, blueprint.width, CLEAR)
        if (
            min(z for _, z in ground) > NEAREST
            and world.visible(pose.x, pose.z, 0.0)
            and all(apart(ground, other) for other in taken)
        ):
            thing = Thing(pose.z, partial(blueprint.draw, pose), ground)
            track = Thing(HORIZON, partial(trams.rails, world, pose), [(pose.x, HORIZON)])
            return [thing, track] if label == TRAM else [thing]
    return []


def _reach(world: World, nearest: float, farthest: float, easy: float) -> float:
    """Choose a distance in metres, near ones more often; without difficulty in distance at most `easy`."""
    limit = easy + (farthest - easy) * world.difficulty.distance
    return nearest * math.exp(world.rng.random() * math.log(limit / nearest))


def _in_lane(world: World, blueprint: Blueprint) -> Pose:
    """Choose a pose of a long vehicle: in its lane, at the kerb, or crossing."""
    left, right = world.street.road
    kind, away = world.rng.random(), world.chance(0.5)
    heading = 0.0 if away else math.pi
    start = _reach(world, 4.0, 60.0, 34.0)
    if kind < 0.2:
        heading = world.pick((math.pi / 2, -math.pi / 2)) + world.rng.normal(0, 0.25)
        return Pose(world.uniform(left, right), start + 0.6 * blueprint.length, heading)
    half = blueprint.width / 2
    side = right if away else left
    lane = (left + right) / 4 + side / 2
    if kind < 0.4:
        lane = side - math.copysign(half + world.uniform(0.0, 0.4), side)
    heading += world.rng.normal(0, 0.04) if kind < 0.85 else world.rng.normal(0, 0.4)
    return Pose(lane + world.rng.normal(0, 0.25), start + blueprint.length / 2 * abs(math.cos(heading)), heading)


def _on_rails(world: World, blueprint: Blueprint) -> Pose:
    """Choose a pose of a tram: along the street, or crossing it."""
    left, right = world.street.road
    if world.chance(0.25):
        z = _reach(world, 4.0, 60.0, 20.0) + 0.6 * blueprint.length
        return Pose(world.uniform(left, right), z, world.pick((math.pi / 2, -math.pi / 2)))
    away = world.chance(0.5)
    lane = (left + right) / 2 + (1.0 if away else -1.0) * world.uniform(1.6, 2.4)
    start = _reach(world, 4.0, 60.0, 32.0)
    return Pose(lane, start + blueprint.length / 2, 0.0 if away else math.pi)


def _riding(world: World, blueprint: Blueprint) -> Pose:
    """Choose a pose of a rider: along the kerb mostly, now and then crossing."""
    left, right = world.street.road
    z = _reach(world, 4.2, 30.0, 15.0)
    if world.chance(0.4):
        heading = world.pick((math.pi / 2, -math.pi / 2)) + world.rng.normal(0, 0.35)
        return Pose(world.uniform(left - 1, right + 1), z, heading)
    away = world.chance(0.5)
    side = right if away else left
    x = side - math.copysign(world.uniform(-1.0, 2.4), side)
    return Pose(x, z, (0.0 if away else math.pi) + world.rng.normal(0, 0.3))


def _at_kerb(world: World, blueprint: Blueprint) -> Pose:
    """Choose a pose of something on a post: beside the road, facing along it."""
    edge = world.pick(world.street.road)
    x = edge + math.copysign(world.uniform(0.3, 1.3) + blueprint.width / 2, edge)
    return Pose(x, _reach(world, 4.5, 40.0, 16.0), 0.0)
