"""Things that look like cars or people and are neither: what makes a box-trained network's mistakes plausible."""

import numpy as np

from stages.synthetic.canvas import SUPERSAMPLING
from stages.synthetic.coaches import block, coach
from stages.synthetic.people import Clothes, cyclist, person
from stages.synthetic.vehicles import GLASS, Pose, car, paint
from stages.synthetic.world import (
    BICYCLE,
    BUILDING,
    BUS,
    CARAVAN,
    DYNAMIC,
    POLE,
    SIGN,
    STATIC,
    TRAILER,
    TRUCK,
    WALL,
    World,
    mixed,
)


def skip(world: World, x: float, z: float) -> None:
    """Draw a rubbish skip: a car-coloured box, wider at the top, with ribs."""
    size = (world.uniform(2.6, 4.2), world.uniform(1.1, 1.7), world.uniform(1.5, 1.9))
    pose = Pose(x, z, world.pick((0.0, 0.1, np.pi / 2, 1.3)))
    colour = paint(world, x, 1.0, z)
    body = block(world, pose, size, colour, DYNAMIC, flare=world.uniform(1.1, 1.35))
    for side in (-1, 1):
        if body.faces(side):
            for along in (0.2, 0.4, 0.6, 0.8):
                rib = body.place(
                    [along, along, along + 0.03, along + 0.03],
                    np.array([0.1, 0.95, 0.95, 0.1]) * size[1],
                    side * body.half * 1.08,
                )
                body.fill(rib, colour * 0.65)


def kiosk(world: World, x: float, z: float) -> None:
    """Draw a kiosk or a parked stall: windows over a body, an awning."""
    size = (world.uniform(2.0, 3.6), world.uniform(1.7, 2.5), world.uniform(1.6, 2.2))
    colour = paint(world, x, 1.5, z)
    body = block(world, Pose(x, z, world.pick((0.0, np.pi / 2))), size, colour, BUILDING)
    for side in (-1, 1):
        if body.faces(side):
            pane = body.place([0.1, 0.1, 0.9, 0.9], np.array([0.5, 0.85, 0.85, 0.5]) * size[1], side * body.half)
            body.fill(pane, body.glass())
    pane = body.place(1.0, np.array([0.5, 0.85, 0.85, 0.5]) * size[1], body.half * np.array([-0.85, -0.85, 0.85, 0.85]))
    body.fill(pane, mixed(GLASS, colour, 0.2))


def boulder(world: World, x: float, z: float) -> None:
    """Draw a rock, a hedge or a heap under a tarpaulin with about a car's outline and colour."""
    canvas = world.canvas
    scale = canvas.camera.scale(z) * SUPERSAMPLING
    long, high = world.uniform(1.2, 4.2), world.uniform(0.6, 1.6)
    along = np.linspace(0, np.pi, 11)
    rough = 1 + world.rng.normal(0, 0.09, 11)
    outline = np.stack(
        [np.cos(along) * long / 2 * rough, -(np.sin(along) ** world.uniform(0.4, 0.9)) * high * rough], axis=1
    )
    foot = canvas.camera.project(np.array([x, 0.0, z]))
    colour = paint(world, x, high, z) * 0.8
    canvas.polygon(foot + outline * scale, canvas.hazed(colour, z), STATIC)
    light = outline * (0.8, 0.7) + (world.sun * long * 0.06, -0.28 * high)
    canvas.polygon(foot + light * scale, canvas.hazed(colour * 1.2, z))
    reach = long * 0.3
    dark = np.array([[-reach, -0.3], [-reach * 0.8, -0.55], [reach * 0.8, -0.55], [reach, -0.3]]) * (1, high)
    if world.chance(0.5):
        canvas.polygon(foot + dark * scale, canvas.hazed(GLASS, z))


def bench(world: World, x: float, z: float) -> None:
    """Draw a park bench, side on."""
    colour = world.hue((0.1, 0.6), (0.15, 0.6))
    facing = world.uniform(1.2, 2.0)
    for low, high in ((0.0, 0.42), (0.42, 0.5), (0.6, 0.85)):
        if low == 0.0:
            for end in (-0.8, 0.72):
                _panel(world, x + end, z, 0.08, low, high, colour * 0.6, STATIC)
        else:
            _panel(world, x - facing / 2, z, facing, low, high, colour, STATIC)


def cabinet(world: World, x: float, z: float) -> None:
    """Draw a switch box, a bin or a vending machine, about as tall as a person or a car."""
    size = (world.uniform(0.5, 1.1), world.uniform(0.9, 1.8), world.uniform(0.5, 1.2))
    block(world, Pose(x, z, 0.0), size, paint(world, x, 1.0, z) * 0.85, DYNAMIC)


def bollard(world: World, x: float, z: float) -> None:
    """Draw a post with a head: person-like from afar."""
    tall = world.uniform(0.9, 1.9)
    colour = world.hue((0, 0.7), (0.15, 0.7))
    _panel(world, x - 0.09, z, 0.18, 0, tall * 0.55, colour * 0.7, POLE)
    _panel(world, x - 0.2, z, 0.4, tall * 0.45, tall * 0.82, colour, POLE)
    canvas = world.canvas
    radius = 0.13 * canvas.camera.scale(z) * SUPERSAMPLING
    column, row = canvas.camera.project(np.array([x, tall * 0.9, z]))
    canvas.ellipse((column - radius, row - radius, column + radius, row + radius), canvas.hazed(colour * 1.3, z), POLE)


def statue(world: World, x: float, z: float) -> None:
    """Draw a stone or bronze figure on a pedestal."""
    tone = world.pick(((120, 118, 110), (70, 95, 80), (85, 65, 45), (165, 160, 150), (200, 195, 185)))
    tone = np.array(tone, dtype=float) * world.uniform(0.75, 1.15)
    tall = world.uniform(0.3, 1.2)
    block(world, Pose(x, z, 0.0), (0.8, tall, 0.8), tone * 0.85, STATIC)
    person(world, x, z, STATIC, Clothes(tone, tone * 0.93, tone * 0.8, tone * 1.08, tone * 0.9), lift=tall)


def dummy(world: World, x: float, z: float) -> None:
    """Draw a shop's window doll or a printed figure before a pane: a person's shape in one flat colour."""
    _panel(world, x - 0.5, z, 1.0, 0.1, 2.1, mixed(GLASS, world.canvas.haze, 0.3), BUILDING)
    tone = world.hue((0, 0.5), (0.3, 0.9))
    person(world, x, z, BUILDING, Clothes(tone, tone * 0.8, tone * 0.6, tone, tone * 0.5), lift=0.2)


def billboard(world: World, x: float, z: float) -> None:
    """Draw a board with a picture of a car or of a person; it is no traffic sign where those are things."""
    label = STATIC if SIGN in world.things else SIGN
    high = world.uniform(0.6, 2.2)
    wide, tall = world.uniform(3.0, 5.0), world.uniform(1.9, 2.6)
    for leg in (-0.4, 0.4):
        _panel(world, x + leg * wide - 0.06, z, 0.12, 0, high, np.full(3, 70.0), POLE)
    _panel(world, x - wide / 2 - 0.1, z, wide + 0.2, high - 0.1, high + tall + 0.1, np.full(3, 55.0), label)
    _panel(world, x - wide / 2, z, wide, high, high + tall, world.hue((0.05, 0.7), (0.5, 0.95)), label)
    if world.chance(0.7):
        heading = world.pick((np.pi / 2, -np.pi / 2))
        car(world, Pose(x, z, heading, lift=high + 0.2, flat=0.02, size=0.62 * wide / 4), label)
    else:
        person(world, x, z, label, lift=high + 0.1)


def post(world: World, x: float, z: float) -> None:
    """Draw a parking meter or a sign with a figure on it."""
    tall = world.uniform(1.3, 2.4)
    _panel(world, x - 0.05, z, 0.1, 0, tall, np.full(3, 85.0), POLE)
    wide = world.uniform(0.3, 0.75)
    board = world.pick(((30, 70, 160), (190, 30, 30), (225, 225, 220), (235, 195, 30)))
    label = world.instance(SIGN) if SIGN in world.things else SIGN
    _panel(world, x - wide / 2, z, wide, tall - 0.1, tall + wide, np.array(board, dtype=float), label)
    mark = np.array([245.0, 245, 240]) if sum(board) < 500 else np.array([25.0, 25, 30])
    _panel(world, x - wide * 0.12, z, wide * 0.24, tall, tall + wide * 0.6, mark, None)


def wall(world: World, x: float, z: float) -> None:
    """Draw a low wall with a dark opening or a coloured panel."""
    long = world.uniform(2.0, 5.0)
    colour = paint(world, x, 1.0, z) * 0.9
    body = block(world, Pose(x, z, 0.0), (long, world.uniform(0.8, 1.5), 0.4), colour, WALL)
    body.fill(
        body.place([0.1, 0.1, 0.5, 0.5], np.array([0.4, 0.8, 0.8, 0.4]) * body.height, -np.sign(x) * body.half),
        colour * 0.4,
    )


def vehicle(world: World, x: float, z: float) -> None:
    """Draw a truck, bus, caravan or trailer by the kerb, unless its kind is a thing."""
    kind = world.pick((TRUCK, TRUCK, BUS, CARAVAN, TRAILER, TRAILER))
    heading = world.pick((0.0, np.pi)) + world.rng.normal(0, 0.03)
    if kind not in world.things:
        coach(world, Pose(x, z, heading), kind)


def rider(world: World, x: float, z: float) -> None:
    """Draw somebody on a bicycle, unless bicycles are things."""
    if BICYCLE not in world.things:
        cyclist(world, x, z)


def _panel(
    world: World, x: float, z: float, wide: float, low: float, high: float, colour: np.ndarray, label: int | None
) -> None:
    """Draw an upright rectangle that faces the camera, its left edge at x; metres."""
    corners = [[x, low, z], [x, high, z], [x + wide, high, z], [x + wide, low, z]]
    world.ground(corners, world.canvas.hazed(colour, z), label)


LIKE_CARS = (skip, skip, kiosk, boulder, boulder, billboard, cabinet, vehicle, vehicle, wall)
LIKE_PEOPLE = (bollard, bollard, statue, dummy, post, post, cabinet, rider, rider, bench)
