"""Traffic signs of many shapes and traffic lights with one lamp lit, on posts and arms."""

import math
from functools import partial

import numpy as np

from stages.synthetic.solids import BLACK, RED, WHITE, Blueprint, Solid
from stages.synthetic.vehicles import Pose
from stages.synthetic.world import LIGHT, POLE, SIGN, World, mixed

BLUE = np.array([28.0, 74, 168])
YELLOW = np.array([242.0, 200, 36])
GREEN = np.array([20.0, 110, 66])
LAMPS = (np.array([255.0, 48, 36]), np.array([255.0, 190, 40]), np.array([40.0, 240, 130]))

Corners = list[tuple[float, float]]  # (across, up) from a plate's middle, in its radius


def _regular(count: int, turn: float = 0.0, size: float = 1.0) -> Corners:
    steps = (2 * math.pi * i / count + turn for i in range(count))
    return [(math.sin(step) * size, math.cos(step) * size) for step in steps]


def _rectangle(wide: float, tall: float, across: float = 0.0, up: float = 0.0) -> Corners:
    return [
        (across - wide, up - tall),
        (across + wide, up - tall),
        (across + wide, up + tall),
        (across - wide, up + tall),
    ]


def _scaled(corners: Corners, size: float) -> Corners:
    return [(a * size, u * size) for a, u in corners]


ROUND, UP, DOWN = _regular(16), _regular(3, size=1.15), _regular(3, math.pi, 1.15)
OCTAGON, DIAMOND, SQUARE = _regular(8, math.pi / 8), _regular(4, size=1.15), _rectangle(0.88, 0.88)
ARROW = [(-0.12, -0.55), (0.12, -0.55), (0.12, 0.1), (0.4, 0.1), (0.0, 0.6), (-0.4, 0.1), (-0.12, 0.1)]

PLATES: dict[str, list[tuple[Corners, np.ndarray]]] = {
    "limit": [(ROUND, RED), (_scaled(ROUND, 0.74), WHITE), (_rectangle(0.14, 0.34, -0.25), BLACK),
              (_rectangle(0.17, 0.34, 0.22), BLACK), (_rectangle(0.06, 0.2, 0.22), WHITE)],
    "no entry": [(ROUND, RED), (_rectangle(0.68, 0.17), WHITE)],
    "ahead": [(ROUND, BLUE), (ARROW, WHITE)],
    "warning": [(UP, RED), (_scaled(UP, 0.68), WHITE), (_rectangle(0.09, 0.24, 0, 0.12), BLACK),
                (_rectangle(0.09, 0.08, 0, -0.26), BLACK)],
    "yield": [(DOWN, RED), (_scaled(DOWN, 0.6), WHITE)],
    "stop": [(OCTAGON, WHITE), (_scaled(OCTAGON, 0.91), RED),
             *((_rectangle(0.11, 0.25, across), WHITE) for across in (-0.54, -0.18, 0.18, 0.54))],
    "priority": [(DIAMOND, WHITE), (_scaled(DIAMOND, 0.72), YELLOW)],
    "parking": [(SQUARE, BLUE), (_rectangle(0.12, 0.55, -0.25), WHITE), (_rectangle(0.4, 0.33, 0.05, 0.22), WHITE),
                (_rectangle(0.2, 0.14, 0.08, 0.22), BLUE)],
    "crossing": [(SQUARE, BLUE), (_scaled(UP, 0.66), WHITE), (_rectangle(0.1, 0.22, 0, -0.02), BLACK)],
}  # fmt: skip
COMMON = ("limit", "warning", "parking")
BOARDS = ((BLUE, WHITE), (GREEN, WHITE), (YELLOW, BLACK), (WHITE, BLACK))


def sign(world: World) -> Blueprint:
    """Choose a post with one or two plates, or a board with directions on two posts."""
    if world.chance(0.25 * world.difficulty.variety):
        wide, tall = world.uniform(1.5, 2.4), world.uniform(0.45, 0.9)
        return Blueprint(0.2, wide, partial(_board, world, wide, tall))
    return Blueprint(0.2, 0.2, partial(_post, world))


def traffic_light(world: World) -> Blueprint:
    """Choose a traffic light on a post, or on an arm over the road."""
    arm = world.uniform(1.8, 3.6) if world.chance(0.35 * world.difficulty.variety) else 0.0
    return Blueprint(0.2, 0.2, partial(_light, world, arm))


def plate(world: World, x: float, up: float, z: float, radius: float) -> None:
    """Draw one traffic sign that is a new thing, its middle `up` metres over the ground, turned about to the camera."""
    solid = Solid(world, Pose(x, z, _facing(world, 0.35), lift=up), world.instance(SIGN))
    kinds = tuple(PLATES) if world.chance(0.3 + 0.7 * world.difficulty.variety) else COMMON
    _layers(solid, PLATES[world.pick(kinds)], radius)


def lights(world: World, x: float, up: float, z: float) -> None:
    """Draw the lamps of a traffic light, a new thing, the foot of the housing `up` metres over the ground."""
    size = world.uniform(1.0, 1.25)
    lamps, lit = ((0, 2), world.pick((0, 2))) if world.chance(0.2) else ((0, 1, 2), world.pick((0, 0, 1, 2, 2)))
    solid = Solid(world, Pose(x, z, _facing(world, 0.6), lift=up), world.instance(LIGHT))
    half, tall = 0.19 * size, (0.34 * len(lamps) + 0.06) * size
    housing = world.pick((BLACK, BLACK * 1.5, np.array([28.0, 52, 42]), np.array([206.0, 160, 28])))
    if world.chance(0.4):
        for margin, tone in ((0.2, WHITE), (0.15, BLACK)):
            wide = half + margin
            solid.fill([(-0.05, -margin, -wide), (-0.05, -margin, wide), (-0.05, tall + margin, wide),
                        (-0.05, tall + margin, -wide)], tone)  # fmt: skip
    solid.box((-0.1, 0.1), (0.0, tall), (-half, half), housing)
    for place, lamp in enumerate(lamps):
        colour = LAMPS[lamp] if lamp == lit else LAMPS[lamp] * 0.12 + BLACK
        _lamp(solid, tall - (0.2 + 0.34 * place) * size, 0.135 * size, colour, lamp == lit)


def _post(world: World, pose: Pose) -> None:
    up, radius = world.uniform(2.1, 2.7), world.uniform(0.36, 0.52)
    both = world.chance(0.2)
    top = up + radius + (2 * radius + 0.1 if both else 0)
    _pole(world, pose, top)
    plate(world, pose.x, up, pose.z, radius)
    if both:
        plate(world, pose.x, up + 2 * radius + 0.12, pose.z, radius)


def _board(world: World, wide: float, tall: float, pose: Pose) -> None:
    low = world.uniform(1.5, 2.4)
    for side in (-0.35, 0.35):
        _pole(world, Pose(pose.x + side * wide, pose.z, 0.0), low + tall)
    solid = Solid(world, Pose(pose.x, pose.z, _facing(world, 0.2), lift=low + tall / 2), world.instance(SIGN))
    ground, text = world.pick(BOARDS)
    half, high = wide / 2, tall / 2
    point = half + (0.6 * tall if world.chance(0.5) else 0.0)
    way = world.pick((-1, 1))
    outline = [(-half, -high), (half, -high), (point, 0.0), (half, high), (-half, high)]
    for size, tone in ((1.0, text), (0.93, ground)):
        corners = [(a * size, u * (1 - (1 - size) * 2)) for a, u in outline]
        solid.fill([(0.0, u, a * way) for a, u in corners], tone)
    rows = 1 if tall < 0.6 else 2
    for row in range(rows):
        up = (row - (rows - 1) / 2) * tall * 0.42
        end = world.uniform(0.1, 0.75) * half
        solid.on_end(0.0, (up - 0.08 * tall, up + 0.08 * tall), (-half * 0.8, end), text)


def _light(world: World, arm: float, pose: Pose) -> None:
    if arm:
        way = -math.copysign(1, pose.x)
        _pole(world, pose, 5.4)
        solid = Solid(world, Pose(pose.x, pose.z, 0.0), POLE)
        solid.limb((0.0, 5.3, 0.0), (0.0, 5.45, way * arm), (0.08, 0.05), np.full(3, 85.0))
        lights(world, pose.x + way * (arm - 0.1), 4.25, pose.z)
    else:
        low = world.uniform(1.9, 2.5)
        _pole(world, pose, low + 0.3)
        lights(world, pose.x, low, pose.z)


def _pole(world: World, pose: Pose, top: float) -> None:
    solid = Solid(world, Pose(pose.x, pose.z, 0.0), POLE)
    solid.limb((0.0, 0.0, 0.0), (0.0, top, 0.0), (0.05, 0.045), np.full(3, world.uniform(70, 150)))


def _layers(solid: Solid, layers: list[tuple[Corners, np.ndarray]], radius: float) -> None:
    (outline, colour), *marks = layers
    solid.fill([(0.0, u * radius, -a * radius) for a, u in outline], colour)  # its right is the frame's left
    for corners, tone in marks:
        solid.mark([(0.0, u * radius, -a * radius) for a, u in corners], tone)


def _lamp(solid: Solid, up: float, radius: float, colour: np.ndarray, shines: bool) -> None:
    circle = [(0.11, up + math.sin(t) * radius, math.cos(t) * radius) for t in np.linspace(0, 6.28, 11).tolist()]
    if solid.eye[0] < 0.1:
        return
    solid.mark(circle, colour)
    if shines:
        solid.mark([(0.12, up + (u - up) * 0.5, a * 0.5) for _, u, a in circle], mixed(colour, WHITE, 0.6))
    hood = [(0.11, u, a) for _, u, a in circle if u > up + 0.25 * radius]
    rim = [(0.3, u + 0.02, a * 1.1) for _, u, a in reversed(hood)]
    if abs(solid.eye[2]) > 0.3 * abs(solid.eye[0]):
        solid.fill(hood + rim, BLACK)


def _facing(world: World, spread: float) -> float:
    """Return the heading of something that looks back along the street, to the camera, turned by up to `spread`."""
    return math.pi + world.uniform(-spread, spread)
