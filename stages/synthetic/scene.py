"""One street scene from its random numbers: the plan, the light, then everything from far to near."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from PIL import Image

from stages.synthetic import lookalikes, photograph, scenery, traffic
from stages.synthetic.canvas import Camera, Canvas
from stages.synthetic.ordering import Thing, back_to_front, rectangle
from stages.synthetic.people import person
from stages.synthetic.vehicles import Pose, car
from stages.synthetic.world import CAR, LABELS, PERSON, Difficulty, Street, World, hsv

CAR_LENGTH, CAR_WIDTH = 4.6, 1.8  # metres of ground that a car takes


def draw(
    rng: np.random.Generator, size: tuple[int, int], difficulty: Difficulty, things: Collection[str]
) -> tuple[Image.Image, np.ndarray]:
    """Draw a scene of `size` (width, height): the picture (RGB) and the instance ids (H, W) int32, as in Cityscapes.

    `things` names the classes of `world.LABELS` that are drawn as things with instance ids.
    """
    world = _world(rng, size, difficulty, frozenset(LABELS[name] for name in things))
    scenery.skyline(world)
    scenery.ground(world)
    scenery.buildings(world)
    for thing in _things(world):
        thing.paint()
    scenery.bonnet(world)
    picture, ids = world.canvas.finish()
    return photograph.expose(world, picture, ids), ids


def _world(rng: np.random.Generator, size: tuple[int, int], difficulty: Difficulty, things: frozenset[int]) -> World:
    """Make the empty scene: camera, street, light, and the sky that sets the colour of the haze."""
    width, height = size
    spread = difficulty.variety
    camera = Camera(
        focal=width * rng.uniform(0.72, 1.2),
        centre=(width * (0.5 + rng.uniform(-0.17, 0.17) * spread), height * rng.uniform(0.36, 0.52)),
        height=rng.uniform(1.25, 2.1),
        roll=float(np.clip(rng.normal(0, 0.02 * spread), -0.06, 0.06)),
    )
    top, horizon = _sky_colours(rng, spread)
    visibility = 400 * (1 - 0.8 * difficulty.wear * rng.random())
    canvas = Canvas(size, camera, horizon, visibility)
    left, right = -rng.uniform(2.6, 8.5), rng.uniform(2.6, 8.5)
    street = Street(
        road=(left, right),
        kerb=(left - rng.uniform(1.6, 5.5), right + rng.uniform(1.6, 5.5)),
        kind=str(rng.choice(["canyon", "suburb", "park"], p=[0.5, 0.33, 0.17])),
    )
    world = World(canvas, rng, difficulty, street, sun=rng.uniform(-1, 1), shade=rng.uniform(0, 0.6), things=things)
    scenery.sky(world, top, horizon)
    return world


def _sky_colours(rng: np.random.Generator, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Return top and horizon of a blue, grey, white, evening or dusky sky."""
    kind = rng.random() / max(spread, 0.2)
    if kind < 0.35:
        return hsv(rng.uniform(0.54, 0.64), rng.uniform(0.3, 0.65), rng.uniform(0.65, 0.95)), hsv(0.58, 0.12, 0.93)
    if kind < 0.65:
        value = rng.uniform(0.55, 0.9)
        return hsv(0.6, 0.06, value), hsv(0.6, 0.03, min(value * 1.08, 1))
    if kind < 0.8:
        return hsv(rng.uniform(0.58, 0.7), 0.4, 0.5), hsv(rng.uniform(0.03, 0.12), rng.uniform(0.2, 0.5), 0.9)
    if kind < 0.9:
        return hsv(0.65, 0.4, 0.3), hsv(0.68, 0.25, 0.48)
    return hsv(0.6, 0.02, 0.98), hsv(0.6, 0.01, 1.0)


def _things(world: World) -> list[Thing]:
    """Return everything that stands in the street, in the order of painting.

    What a profile adds to cars and people has random numbers of its own, so that the street stays the same street.
    """
    cars = [*_parked(world), *_driving(world)] if CAR in world.things else []
    people = _people(world) if PERSON in world.things else []
    around = [*_clutter(world), *_furniture(world)]
    crowd = _crowd(world) if PERSON in world.things else []
    things = [*cars, *people, *around, *crowd]
    if world.things <= {CAR, PERSON}:
        return sorted(things, key=lambda thing: -thing.z)
    extras = traffic.extras(replace(world, rng=world.rng.spawn(1)[0]))
    return back_to_front([*traffic.without(things, extras), *extras])


def _parked(world: World) -> list[Thing]:
    """Place rows of parked cars at the kerbs, with gaps and skips."""
    things: list[Thing] = []
    close = world.difficulty.occlusion
    for side in (0, 1):
        if not world.chance(0.72):
            continue
        outward = -1 if side == 0 else 1
        x = world.street.road[side] - outward * world.uniform(0.6, 1.3)
        slanted = world.uniform(0.5, 1.57) if world.chance(0.22 * world.difficulty.variety) else 0.0
        filled = world.uniform(0.25, 0.55 + 0.4 * close)
        z = world.uniform(4.5, 16)
        reach = world.uniform(14, 24 + 56 * world.difficulty.distance)
        while z < reach:
            if world.chance(filled):
                heading = outward * slanted + world.rng.normal(0, 0.03) + (np.pi if world.chance(0.4) else 0)
                spot = Pose(x + world.rng.normal(0, 0.12) + outward * slanted * 0.8, z, heading)
                if world.visible(spot.x, z, 0.3):
                    things.append(_car(world, spot))
            z += (world.uniform(5.2, 7.5) if slanted < 0.4 else world.uniform(2.6, 4.0)) * (1.25 - 0.25 * close)
    return things


def _driving(world: World) -> list[Thing]:
    """Place cars in the lanes, crossing, or standing anywhere at any angle."""
    things: list[Thing] = []
    left, right = world.street.road
    for _ in range(world.rng.poisson(2.2)):
        z = 4.5 * np.exp(world.rng.random() ** 0.8 * np.log(5 + 13 * world.difficulty.distance))
        kind = world.rng.random()
        lane = world.uniform(left * 0.75, right * 0.75)
        if kind < 0.6:
            heading = (np.pi if lane < (left + right) / 2 else 0) + world.rng.normal(0, 0.12)
        elif kind < 0.6 + 0.2 * world.difficulty.variety:
            heading = world.uniform(-np.pi, np.pi)
        else:
            heading = world.pick((np.pi / 2, -np.pi / 2)) + world.rng.normal(0, 0.15)
            lane *= 1.4
        if world.visible(lane, z):
            things.append(_car(world, Pose(lane, z, heading)))
    return things


def _car(world: World, pose: Pose) -> Thing:
    return Thing(pose.z, lambda: car(world, pose), rectangle(pose, CAR_LENGTH, CAR_WIDTH))


def _people(world: World) -> list[Thing]:
    """Place walkers on the pavements and crossing, alone and in groups."""
    things: list[Thing] = []
    for _ in range(world.rng.poisson(6.0)):
        z = 3.2 * np.exp(world.rng.random() * np.log(4 + 4 * world.difficulty.distance))
        x = _beside(world) if world.chance(0.75) else world.uniform(*world.street.road)
        for _ in range(1 + int(world.rng.geometric(0.62) - 1)):
            spot = x + world.rng.normal(0, 0.6), z + world.rng.normal(0, 0.4)
            if world.visible(*spot, 0.03) and spot[1] > 2.2:
                things.append(Thing(spot[1], lambda spot=spot: person(world, *spot), [spot]))
    return things


def _beside(world: World) -> float:
    """Choose a place on one of the pavements."""
    side = int(world.chance(0.5))
    edges = sorted((world.street.road[side], world.street.kerb[side]))
    return world.uniform(edges[0] + 0.2, edges[1] - 0.2)


def _clutter(world: World) -> list[Thing]:
    """Place look-alikes: on the pavement, at the kerb, beyond the pavement, sometimes in the road."""
    things: list[Thing] = []
    for makers, rate in ((lookalikes.LIKE_CARS, 7.0), (lookalikes.LIKE_PEOPLE, 7.0)):
        for _ in range(world.rng.poisson(rate * world.difficulty.clutter)):
            z = 4.5 * np.exp(world.rng.random() * np.log(11))
            x = (
                _beside(world)
                if world.chance(0.7)
                else world.uniform(world.street.kerb[0] - 4, world.street.kerb[1] + 4)
            )
            make = world.pick(makers)
            if world.visible(x, z, 0.1):
                things.append(Thing(z, lambda make=make, x=x, z=z: make(world, x, z), [(x, z)]))
    return things


def _furniture(world: World) -> list[Thing]:
    """Place trees, poles and fences, many of them in front of what matters."""
    things: list[Thing] = []
    dense = world.difficulty.occlusion
    for _ in range(world.rng.poisson((3 if world.street.kind == "canyon" else 9) * (0.5 + dense))):
        z = 4 * np.exp(world.rng.random() * np.log(25))
        x = _beside(world) if world.chance(0.6) else world.pick((-1, 1)) * world.uniform(8, 40)
        if world.visible(x, z, 0.2):
            things.append(Thing(z, lambda x=x, z=z: scenery.tree(world, x, z), [(x, z)]))
    for _ in range(world.rng.poisson(3 + 6 * dense)):
        z = 3.2 * np.exp(world.rng.random() * np.log(16))
        side = int(world.chance(0.5))
        x = world.street.road[side] + (-0.5 if side == 0 else 0.5) * world.uniform(0.4, 1.6)
        if world.visible(x, z):
            things.append(Thing(z, lambda x=x, z=z: scenery.pole(world, x, z), [(x, z)]))
    if world.chance(0.15 + 0.4 * dense):
        side = int(world.chance(0.5))
        x, near = world.street.road[side] + (-0.3 if side == 0 else 0.3), world.uniform(3, 12)
        ground = [(x, near), (x, near + 5)]
        things.append(Thing(near + 3, lambda: scenery.fence(world, x, near, near + world.uniform(5, 16)), ground))
    return things


def _crowd(world: World) -> list[Thing]:
    """Place, rarely, a crowd too far off to count: a group region, whose instance id is the plain label id."""
    if not world.chance(0.06):
        return []
    z, x = world.uniform(22, 35), _beside(world)
    spots = [(x + dx, z + world.uniform(0, 1)) for dx in np.arange(0, 3.2, 0.4)]
    return [Thing(z, lambda x=x, z=z: person(world, x, z, PERSON), [(x, z)]) for x, z in spots]
