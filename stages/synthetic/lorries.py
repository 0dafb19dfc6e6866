"""Trucks: a cab before a cargo box, curtains, a flatbed with its load, a tank, a tipper or a mixer drum."""

import math
from functools import partial

import numpy as np

from stages.synthetic.solids import BLACK, RED, WHITE, Blueprint, Solid
from stages.synthetic.vehicles import GLASS, Pose, paint
from stages.synthetic.world import TRUCK, World, hsv, mixed

LENGTHS = {
    "box": (6.0, 9.5), "curtain": (8.0, 10.0), "flatbed": (6.0, 9.0), "tank": (8.0, 10.5), "tipper": (6.5, 8.5),
    "mixer": (7.5, 8.5), "trailer": (12.0, 15.0),
}  # fmt: skip
COMMON = ("box", "flatbed")
HALF = 1.22  # metres from the middle to a flank
DECK = 1.05  # metres from the ground to the cargo's floor
GAP = 0.25  # metres between cab and cargo


def truck(world: World) -> Blueprint:
    """Choose a truck."""
    kind = world.pick(tuple(LENGTHS) if world.chance(world.difficulty.variety) else COMMON)
    length = world.uniform(*LENGTHS[kind])
    return Blueprint(length, 2 * HALF, partial(_draw, world, kind, length))


def _draw(world: World, kind: str, length: float, pose: Pose) -> None:
    solid = Solid(world, pose, world.instance(TRUCK))
    back, front = -length / 2, length / 2
    high = world.uniform(2.6, 3.0) + (0.6 if kind in ("trailer", "curtain") else 0.0)
    cab = (front - world.uniform(1.75, 2.2), front)
    cargo = (back, cab[0] - GAP)
    colour = paint(world, pose.x, high, pose.z)
    axles = [cab[1] - 1.1, back + 1.4, *([back + 2.7] if length > 8 else []), *([cab[0] - 1.0] if length > 11 else [])]
    solid.shadow(length, 2 * HALF, high)
    near = solid.side(HALF)
    _wheels(solid, axles, [side for side in (-1, 1) if side != near])
    solid.box((back + 0.2, front - 0.4), (0.5, DECK - 0.08), (-0.85, 0.85), np.full(3, 48.0))
    load = {"flatbed": _flatbed, "tank": _tank, "tipper": _tipper, "mixer": _mixer}.get(kind)
    boxed = partial(_box, solid, cargo, max(world.uniform(3.1, 3.8), high - 0.1), kind != "box")
    solid.from_far(
        [
            (sum(cargo) / 2, partial(load, solid, cargo) if load else boxed),
            (sum(cab) / 2, partial(_cab, solid, cab, high, colour)),
        ]
    )
    _wheels(solid, axles, [near] if near else [])
    if solid.eye[0] < back:
        _tail(solid, back)


def _wheels(solid: Solid, axles: list[float], sides: list[int]) -> None:
    rim = solid.world.pick((np.full(3, 150.0), np.full(3, 90.0), np.array([170.0, 60, 40])))
    for side in sides:
        for forward in sorted(axles, key=lambda at: -abs(at - solid.eye[0])):
            solid.wheel((forward, 0.5), 0.5, (side * (HALF - 0.4), side * (HALF + 0.01)), rim)


def _cab(solid: Solid, along: tuple[float, float], high: float, colour: np.ndarray) -> None:
    """Draw the cab: a big windscreen over a dark grille, a door with its window, mirrors on arms."""
    back, front = along
    slant = front - 0.22
    profile = [(back, 0.5), (front, 0.45), (front, 0.5 * high), (slant, high - 0.12), (slant - 0.2, high), (back, high)]
    _mirrors(solid, slant, high)
    solid.prism(profile, (-HALF, HALF), colour)
    side = solid.side(HALF)
    if side:
        across = side * HALF
        shade = colour * solid.light(0, 0, side)
        glass = [(back + 0.45, 0.56 * high), (front - 0.12, 0.56 * high), (slant - 0.12, 0.84 * high),
                 (back + 0.45, 0.84 * high)]  # fmt: skip
        solid.mark([(f, u, across) for f, u in glass], _glass(solid))
        for edge in (back + 0.38, front - 0.12):
            solid.on_flank((edge, edge + 0.05), (0.5, 0.88 * high), across, shade * 0.6)
        solid.on_flank((front - 1.75, front - 0.45), (0.45, 1.05), across, shade * 0.3)
    if solid.eye[0] > front:
        lean = (front - slant) / (0.5 * high - 0.12)
        low, top = 0.53 * high, 0.86 * high
        foot, head = front - lean * (low - 0.5 * high), front - lean * (top - 0.5 * high)
        pane = [(foot, low, -1.1), (foot, low, 1.1), (head, top, 1.02), (head, top, -1.02)]
        solid.mark(pane, _glass(solid))
        solid.on_end(front, (0.28 * high, 0.47 * high), (-0.75, 0.75), BLACK * 1.4)
        for bar in (0.32, 0.38, 0.44):
            solid.on_end(front, (bar * high, (bar + 0.02) * high), (-0.75, 0.75), colour * 0.8)
        solid.on_end(front, (0.45, 0.25 * high), (-HALF, HALF), colour * 0.45)
        solid.on_end(front, (0.5, 0.62), (-0.27, 0.27), WHITE)
        for side in (-1, 1):
            solid.on_end(front, (0.66, 0.9), (side * 1.12, side * 0.78), np.array([250.0, 248, 225]))
    elif solid.eye[0] < back:
        solid.on_end(back, (0.6 * high, 0.82 * high), (-0.7, 0.7), _glass(solid))


def _mirrors(solid: Solid, forward: float, high: float) -> None:
    for side in (-1, 1):
        near, far = side * HALF, side * (HALF + 0.28)
        face = [(forward, 0.58 * high, near), (forward, 0.58 * high, far), (forward, 0.82 * high, far),
                (forward, 0.82 * high, near)]  # fmt: skip
        solid.fill(face, BLACK)


def _box(solid: Solid, along: tuple[float, float], top: float, curtain: bool) -> None:
    """Draw a closed body: a firm's band on the flank, doors with bars behind; a curtain hangs in folds."""
    world = solid.world
    back, front = along
    pale = hsv(world.rng.random(), world.uniform(0, 0.12), world.uniform(0.7, 0.97))
    strong = world.hue((0.45, 0.9), (0.35, 0.9))
    colour, band = (strong, pale) if curtain and world.chance(0.6) else (pale, strong)
    solid.box(along, (DECK - 0.1, top), (-HALF, HALF), colour)
    side, tall = solid.side(HALF), top - DECK
    if side:
        across, shade = side * HALF, solid.light(0, 0, side)
        if curtain:
            for at in np.arange(back + 0.4, front - 0.2, 0.6).tolist():
                solid.on_flank((at, at + 0.14), (DECK + 0.1, top - 0.1), across, colour * shade * 0.86)
        start, end = back + world.uniform(0.1, 0.3) * (front - back), front - world.uniform(0.08, 0.25) * (front - back)
        low = DECK + world.uniform(0.25, 0.5) * tall
        solid.on_flank((start, end), (low, low + world.uniform(0.15, 0.35) * tall), across, band * shade)
        for edge in (DECK - 0.1, top - 0.1):
            solid.on_flank(along, (edge, edge + 0.1), across, colour * shade * 0.72)
        guard = [(back + 2.2, 0.45), (front - 0.9, 0.45), (front - 0.9, 0.95), (back + 2.2, 0.95)]
        solid.fill([(f, u, across) for f, u in guard], np.full(3, 62.0))
    if solid.eye[0] < back:
        grey = colour * 0.62
        solid.on_end(back, (DECK, top), (-0.03, 0.03), grey * 0.6)
        for a in (-0.75, -0.35, 0.3, 0.7):
            solid.on_end(back, (DECK, top - 0.1), (a, a + 0.06), grey)
        for edge in (DECK - 0.1, top - 0.12):
            solid.on_end(back, (edge, edge + 0.12), (-HALF, HALF), grey)
        for side in (-1, 1):
            solid.on_end(back, (DECK, top), (side * HALF, side * (HALF - 0.08)), grey)


def _flatbed(solid: Solid, along: tuple[float, float]) -> None:
    """Draw a deck with a headboard, low sides or none, under pipes, crates, sand or nothing."""
    world = solid.world
    back, front = along
    tone = world.hue((0.1, 0.6), (0.3, 0.7))
    solid.box(along, (DECK - 0.15, DECK + 0.05), (-HALF, HALF), tone * 0.6)

    def load() -> None:
        kind = world.pick(("logs", "crates", "crates", "boards", "nothing"))
        if kind == "logs":
            wood = hsv(world.uniform(0.06, 0.1), world.uniform(0.35, 0.55), world.uniform(0.35, 0.6))
            for row, count in enumerate((5, 4, 3)):
                for i in range(count):
                    _log(solid, (back + 0.3, front - 0.4), DECK + 0.25 + 0.36 * row, (i - (count - 1) / 2) * 0.43, wood)
        elif kind == "crates":
            at = back + 0.2
            sizes = []
            while at < front - 1.2:
                long = world.uniform(0.9, 1.6)
                crate = partial(solid.box, (at, at + long), (DECK, DECK + world.uniform(0.6, 1.7)), (-1.0, 1.0),
                                world.hue((0.15, 0.7), (0.35, 0.8)))  # fmt: skip
                sizes.append((at + long / 2, crate))
                at += long + 0.08
            solid.from_far(sizes)
        elif kind == "boards":
            solid.box((back, front - 0.1), (DECK, DECK + 0.5), (-HALF, HALF), tone)
            side = solid.side(HALF)
            for at in np.arange(back + 0.1, front, 1.2).tolist() if side else ():
                solid.on_flank((at, at + 0.1), (DECK, DECK + 0.5), side * HALF, tone * 0.6)

    board = partial(solid.box, (front - 0.12, front), (DECK, DECK + 1.35), (-HALF, HALF), tone * 0.9)
    solid.from_far([((back + front) / 2, load), (front, board)])


def _log(solid: Solid, along: tuple[float, float], up: float, across: float, wood: np.ndarray) -> None:
    back, front = along
    _tube(solid, [(back, 0.2), (front, 0.2)], up, across, wood * solid.world.uniform(0.8, 1.1))
    if solid.eye[0] < back:
        solid.fill(_section(back, 0.17, up, across), mixed(wood, (235, 215, 170), 0.65))


def _tank(solid: Solid, along: tuple[float, float]) -> None:
    """Draw a round tank with bands, bright metal or painted."""
    world = solid.world
    back, front = along
    colour = hsv(0.6, 0.04, world.uniform(0.65, 0.9)) if world.chance(0.6) else world.hue((0.4, 0.8), (0.4, 0.85))
    up, radius = DECK + 1.12, 1.15
    profile = [(back, radius * 0.72), (back + 0.3, radius), (front - 0.3, radius), (front, radius * 0.72)]
    _tube(solid, profile, up, 0.0, colour)
    side = solid.side(HALF)
    if side:
        for low, high, shade in ((-0.75, -0.3, 0.72), (0.35, 0.65, 1.18)):
            edge = [side * math.sqrt(1 - at * at) * radius for at in (low, high)]
            solid.mark(
                [(back + 0.3, up + low * radius, edge[0]), (front - 0.3, up + low * radius, edge[0]),
                 (front - 0.3, up + high * radius, edge[1]), (back + 0.3, up + high * radius, edge[1])],
                colour * shade,
            )  # fmt: skip
        for at in np.linspace(back + 0.3, front - 0.3, 5).tolist():
            solid.on_flank((at - 0.04, at + 0.04), (up - 0.6, up + 0.55), side * radius * 0.95, colour * 0.55)
    if solid.eye[0] < back:
        solid.mark(_section(back, radius * 0.72, up, 0.0), colour * 0.85)
        solid.mark(_section(back, radius * 0.5, up, 0.0), colour * 0.98)
        sign = [(back, up - 0.55, -0.3), (back, up - 0.55, 0.3), (back, up - 0.25, 0.3), (back, up - 0.25, -0.3)]
        solid.mark(sign, np.array([240.0, 140, 20]))
    solid.box((back + 0.4, front - 0.4), (DECK - 0.15, DECK + 0.15), (-0.9, 0.9), np.full(3, 60.0))


def _tipper(solid: Solid, along: tuple[float, float]) -> None:
    """Draw a steel trough with ribs and a heap of sand or rubble."""
    world = solid.world
    back, front = along
    colour, top = world.hue((0.5, 0.9), (0.4, 0.85)), DECK + world.uniform(1.0, 1.4)
    heap = hsv(world.uniform(0.06, 0.12), world.uniform(0.1, 0.5), world.uniform(0.35, 0.75))
    middle = (back + front) / 2
    solid.hull(
        [(f, u, a) for f, u in ((back + 0.2, top - 0.1), (front - 0.2, top - 0.1)) for a in (-1.0, 1.0)]
        + [(middle + at, top + rise, a) for at, rise in ((-0.9, 0.35), (0.4, 0.55)) for a in (-0.5, 0.3)],
        heap,
    )
    profile = [(back + 0.35, DECK - 0.1), (front, DECK - 0.1), (front, top), (back, top)]
    solid.prism(profile, (-HALF, HALF), colour)
    if solid.camera.height > top:  # the heap again, seen from above the trough
        solid.mark([(back + 0.2, top, -1.0), (front - 0.2, top, -1.0), (front - 0.2, top, 1.0), (back + 0.2, top, 1.0)],
                   heap)  # fmt: skip
    side = solid.side(HALF)
    if side:
        for at in np.linspace(back + 0.5, front - 0.15, 6).tolist():
            solid.on_flank((at - 0.06, at + 0.06), (DECK - 0.1, top), side * HALF, colour * 0.68)
        solid.on_flank((back, front), (top - 0.12, top), side * HALF, colour * 0.75)
    if solid.eye[0] < back:
        for a in (-0.8, 0.0, 0.8):
            rib = [(back + 0.35, DECK - 0.1, a - 0.07), (back + 0.35, DECK - 0.1, a + 0.07), (back, top, a + 0.07),
                   (back, top, a - 0.07)]  # fmt: skip
            solid.mark(rib, colour * 0.62)


def _mixer(solid: Solid, along: tuple[float, float]) -> None:
    """Draw a concrete mixer's drum: thick in the middle, tilted up to the rear, with a painted spiral."""
    world = solid.world
    back, front = along
    colour = world.pick((WHITE, hsv(0.6, 0.05, 0.75), world.hue((0.5, 0.9), (0.5, 0.9))))
    rings = [(front - 0.1, 0.75, DECK + 0.9), (front - 1.6, 1.15, DECK + 1.2), (back + 1.9, 1.1, DECK + 1.45),
             (back + 0.3, 0.5, DECK + 1.95)]  # fmt: skip
    solid.box((back + 0.3, front), (DECK - 0.15, DECK + 0.15), (-0.9, 0.9), np.full(3, 60.0))
    order = rings if solid.eye[0] < (back + front) / 2 else rings[::-1]
    stripe = world.hue((0.6, 0.95), (0.5, 0.9))
    for i, (first, second) in enumerate(zip(order, order[1:], strict=False)):
        points = [p for f, radius, up in (first, second) for p in _section(f, radius, up, 0.0)]
        solid.hull(points, (colour, stripe, colour)[i] * (0.92 if i != 1 else 1.0))
    if solid.eye[0] < back:
        solid.fill(_section(back + 0.3, 0.5, DECK + 1.95, 0.0), np.full(3, 55.0))
    for a in (-0.5, 0.5):
        solid.limb((back + 0.35, DECK, a), (back + 0.35, DECK + 1.6, a * 0.8), (0.09, 0.09), np.full(3, 70.0))


def _tail(solid: Solid, back: float) -> None:
    """Draw what every truck has behind: lamps, a plate, a bar with red and white stripes."""
    bar = [(back + 0.1, 0.5, -1.1), (back + 0.1, 0.5, 1.1), (back + 0.1, 0.68, 1.1), (back + 0.1, 0.68, -1.1)]
    solid.fill(bar, WHITE)
    for a in np.arange(-1.1, 1.0, 0.44).tolist():
        solid.on_end(back + 0.1, (0.5, 0.68), (a, a + 0.22), RED)
    solid.fill([(back, 0.72, -1.18), (back, 0.72, 1.18), (back, 1.0, 1.18), (back, 1.0, -1.18)], BLACK)
    for side in (-1, 1):
        solid.on_end(back, (0.78, 0.98), (side * 1.16, side * 0.72), np.array([205.0, 32, 26]))
    solid.on_end(back, (0.74, 0.9), (-0.26, 0.26), np.array([235.0, 225, 150]))


def _tube(solid: Solid, rings: list[tuple[float, float]], up: float, across: float, colour: np.ndarray) -> None:
    """Draw a round body along the frame from its rings (forward, radius)."""
    solid.hull([point for forward, radius in rings for point in _section(forward, radius, up, across)], colour)


def _section(forward: float, radius: float, up: float, across: float) -> list[tuple[float, float, float]]:
    turns = (2 * math.pi * i / 12 for i in range(12))
    return [(forward, up + math.sin(t) * radius, across + math.cos(t) * radius) for t in turns]


def _glass(solid: Solid) -> np.ndarray:
    return mixed(GLASS, solid.world.canvas.haze, solid.world.uniform(0.0, 0.4))
