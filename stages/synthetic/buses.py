"""Buses: city buses, coaches, double-deckers and minibuses, with rows of windows and doors on the kerb's side."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from stages.synthetic.solids import BLACK, RED, WHITE, Blueprint, Solid
from stages.synthetic.vehicles import GLASS, Pose, paint
from stages.synthetic.world import BUS, World, mixed

AMBER = np.array([255.0, 176, 40])


@dataclass(frozen=True)
class Kind:
    """A kind of bus; metres."""

    length: tuple[float, float]
    height: tuple[float, float]
    half: float
    decks: tuple[tuple[float, float], ...]  # from the lower to the upper edge of each row of windows
    doors: tuple[float, ...]  # middles of the doors, from the front
    pitch: float  # from pillar to pillar


KINDS = {
    "city": Kind((10.5, 12.5), (2.95, 3.2), 1.27, ((1.25, 2.4),), (0.9, 5.6), 1.5),
    "coach": Kind((11.0, 13.0), (3.4, 3.7), 1.27, ((1.75, 2.95),), (0.9,), 1.7),
    "double-decker": Kind((9.5, 11.0), (4.1, 4.4), 1.27, ((1.2, 2.1), (2.75, 3.6)), (0.9, 4.2), 1.4),
    "minibus": Kind((6.2, 7.5), (2.6, 2.8), 1.05, ((1.3, 2.15),), (2.0,), 1.2),
}


def bus(world: World) -> Blueprint:
    """Choose a bus."""
    kind = KINDS[world.pick(tuple(KINDS)) if world.chance(world.difficulty.variety) else "city"]
    length = world.uniform(*kind.length)
    return Blueprint(length, 2 * kind.half, partial(_draw, world, kind, length))


def _draw(world: World, kind: Kind, length: float, pose: Pose) -> None:
    solid = Solid(world, pose, world.instance(BUS))
    back, front, half, high = -length / 2, length / 2, kind.half, world.uniform(*kind.height)
    camouflaged = world.chance(world.difficulty.camouflage)
    body = paint(world, pose.x, high, pose.z) if camouflaged else world.hue((0.55, 0.95), (0.45, 0.92))
    second = world.pick((WHITE, body * 0.55, body, world.hue((0.5, 0.9), (0.4, 0.9))))
    solid.shadow(length, 2 * half, high)
    near = solid.side(half)
    axles = (front - 0.22 * length, back + 0.24 * length)
    _wheels(solid, axles, half, [side for side in (-1, 1) if side != near])
    if kind.decks[-1][1] < high - 0.4 or world.chance(0.5):
        start = back + world.uniform(0.2, 0.5) * length
        solid.box((start, start + 0.2 * length), (high - 0.05, high + 0.22), (-0.8 * half, 0.8 * half), second * 0.9)
    _mirrors(solid, front, half, kind.decks[0][1])
    profile = [(back, 0.38), (front - 0.05, 0.32), (front, 0.9), (front - 0.06, 0.62 * high),
               (front - 0.3, high - 0.06), (front - 0.45, high), (back + 0.2, high), (back, high - 0.2)]  # fmt: skip
    solid.prism(profile, (-half, half), body)
    if near:
        _flank(solid, kind, (back, front), near, high, (body, second))
        _wheels(solid, axles, half, [near])
    if solid.eye[0] > front:
        _front(solid, kind, front, high, second)
    elif solid.eye[0] < back:
        _rear(solid, kind, back, high, body)


def _flank(
    solid: Solid, kind: Kind, along: tuple[float, float], side: int, high: float, colours: tuple[np.ndarray, np.ndarray]
) -> None:
    """Draw the livery, rows of windows parted by pillars, doors towards the kerb, arches over the wheels."""
    world, (back, front) = solid.world, along
    across, shade = side * kind.half, solid.light(0, 0, side)
    body, second = (colour * shade for colour in colours)
    skirt = world.pick((0.55, 0.75, 0.95))
    solid.on_flank((back, front - 0.05), (0.38, skirt), across, second)
    if world.chance(0.4):
        solid.on_flank((back + 0.1, front - 0.5), (high - 0.28, high - 0.05), across, second)
    glass = _glass(solid)
    for low, top in kind.decks:
        solid.on_flank((back + 0.35, front - 0.35), (low, top), across, glass * 0.75)
        for start in np.arange(back + 0.4, front - 0.7, kind.pitch).tolist():
            pane = mixed(glass, world.canvas.haze, world.uniform(0, 0.35))
            solid.on_flank((start, min(start + kind.pitch - 0.16, front - 0.4)), (low + 0.05, top - 0.05), across, pane)
            solid.on_flank((start - 0.16, start), (low, top), across, body * 0.8)
    for door in kind.doors if side > 0 else ():
        middle, (_, top) = front - door, kind.decks[0]
        solid.on_flank((middle - 0.65, middle + 0.65), (0.4, top + 0.05), across, second * 0.35)
        for leaf in (middle - 0.58, middle + 0.06):
            solid.on_flank((leaf, leaf + 0.52), (0.6, top - 0.05), across, mixed(GLASS, solid.world.canvas.haze, 0.3))
    turns = np.linspace(0, np.pi, 8)
    for forward in (front - 0.22 * (front - back), back + 0.24 * (front - back)):
        arch = [(forward + 0.66 * np.cos(t), 0.42 + 0.66 * np.sin(t), across) for t in turns.tolist()]
        solid.mark(arch, BLACK)


def _wheels(solid: Solid, axles: tuple[float, ...], half: float, sides: list[int]) -> None:
    for side in sides:
        for forward in sorted(axles, key=lambda at: -abs(at - solid.eye[0])):
            solid.wheel((forward, 0.48), 0.48, (side * (half - 0.35), side * half), np.full(3, 140.0))


def _mirrors(solid: Solid, front: float, half: float, top: float) -> None:
    """Draw the mirrors that stand out like ears beside the windscreen."""
    for side in (-1, 1):
        near, far = side * half, side * (half + 0.24)
        ear = [(front - 0.04, top - 0.75, near), (front - 0.04, top - 0.75, far), (front - 0.04, top - 0.05, far),
               (front - 0.04, top, near)]  # fmt: skip
        solid.fill(ear, BLACK)


def _front(solid: Solid, kind: Kind, front: float, high: float, second: np.ndarray) -> None:
    """Draw the windscreen over the whole width, the line's number in lights above it, lamps, a bumper, a plate."""
    half = kind.half
    _, top = kind.decks[0]
    low = 1.0
    for floor, (down, up) in enumerate([(low, top + 0.05), *kind.decks[1:]]):
        pane = [(front - 0.03, down, -half * 0.93), (front - 0.03, down, half * 0.93),
                (front - 0.1, up, half * 0.9), (front - 0.1, up, -half * 0.9)]  # fmt: skip
        solid.mark(pane, _glass(solid))
        if floor == 0:
            solid.on_end(front - 0.05, (down, up), (-0.03, 0.03), BLACK)
    sign = min(top + 0.08, high - 0.5)
    solid.on_end(front - 0.2, (sign, sign + 0.36), (-half * 0.85, half * 0.85), BLACK)
    solid.on_end(front - 0.2, (sign + 0.08, sign + 0.28), (-half * 0.7, -half * 0.4), AMBER)
    solid.on_end(front - 0.2, (sign + 0.1, sign + 0.26), (-half * 0.25, half * 0.7), AMBER * 0.9)
    solid.on_end(front - 0.04, (0.34, 0.5), (-half, half), second * 0.5)
    solid.on_end(front, (0.4, 0.52), (-0.27, 0.27), WHITE)
    for side in (-1, 1):
        solid.on_end(front, (0.6, 0.8), (side * half * 0.95, side * half * 0.62), np.array([250.0, 248, 225]))


def _rear(solid: Solid, kind: Kind, back: float, high: float, body: np.ndarray) -> None:
    """Draw a smaller window over the engine's grille, tall lamps at the corners, the line's number."""
    half = kind.half
    for low, top in kind.decks:
        solid.on_end(back, (low + 0.25, top), (-half * 0.8, half * 0.8), _glass(solid))
    solid.on_end(back, (0.55, 1.05), (-half * 0.68, half * 0.68), body * 0.4)
    for slit in (0.65, 0.8, 0.95):
        solid.on_end(back, (slit, slit + 0.05), (-half * 0.62, half * 0.62), body * 0.7)
    for side in (-1, 1):
        edge, inner = side * half * 0.98, side * half * 0.8
        solid.on_end(back, (0.6, 1.0), (edge, inner), RED * 1.1)
        solid.on_end(back, (1.0, 1.15), (edge, inner), AMBER)
    solid.on_end(back, (0.38, 0.5), (-half, half), body * 0.35)
    solid.on_end(back, (1.08, 1.2), (-0.26, 0.26), np.array([235.0, 225, 150]))
    if kind.decks[0][1] + 0.35 < high:
        solid.on_end(back, (kind.decks[0][1] + 0.08, kind.decks[0][1] + 0.32), (-half * 0.75, -half * 0.3), AMBER)


def _glass(solid: Solid) -> np.ndarray:
    return mixed(GLASS, solid.world.canvas.haze, solid.world.uniform(0.0, 0.4))
