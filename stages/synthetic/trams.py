"""Trams on their rails: sections with bellows between them, skirts over the wheels, a bow that takes the current."""

from functools import partial

import numpy as np

from stages.synthetic.buses import AMBER
from stages.synthetic.solids import BLACK, RED, WHITE, Blueprint, Solid
from stages.synthetic.vehicles import GLASS, Pose, paint
from stages.synthetic.world import TRAM, World, mixed

CREAM = np.array([238.0, 226, 190])
HALF = 1.2  # metres from the middle to a flank
HIGH = 3.45
NOSE = 1.1  # metres over which an end slants back
BELLOWS = 0.5
GAUGE = 1.435
WIRE = 4.5  # metres from the ground to the contact wire


def tram(world: World) -> Blueprint:
    """Choose a tram of one to three sections."""
    sections = world.pick((1, 2, 2, 3))
    length = sections * world.uniform(6.5, 8.5) + (4.0 if sections == 1 else 0.0)
    return Blueprint(length, 2 * HALF, partial(_draw, world, sections, length))


def rails(world: World, pose: Pose) -> None:
    """Draw a track through `pose` as far as one sees, and the wire above it; the ground keeps its labels."""
    solid = Solid(world, pose, 0)
    forward = solid.cosine
    ends = (-60.0, 60.0) if abs(forward) < 0.5 else sorted(((1.2 - pose.z) / forward, (90.0 - pose.z) / forward))
    steps = np.linspace(0, 1, 7) ** (2 if forward > 0 or abs(forward) < 0.5 else 0.5)
    cuts = (ends[0] + (ends[1] - ends[0]) * steps).tolist()
    for start, end in zip(cuts, cuts[1:], strict=False):
        bed = [(start, 0.0, -1.15), (end, 0.0, -1.15), (end, 0.0, 1.15), (start, 0.0, 1.15)]
        world.canvas.polygon(solid.pixels(bed), (120, 116, 110, 70))
        for across in (-GAUGE / 2, GAUGE / 2):
            for wide, tone in ((0.09, np.full(3, 58.0)), (0.035, np.full(3, 165.0))):
                strip = [(start, 0.0, across - wide), (end, 0.0, across - wide), (end, 0.0, across + wide),
                         (start, 0.0, across + wide)]  # fmt: skip
                solid.mark(strip, tone)
    wire = [(ends[0], WIRE, -0.02), (ends[1], WIRE, -0.02), (ends[1], WIRE, 0.02), (ends[0], WIRE, 0.02)]
    solid.mark(wire, np.full(3, 55.0))


def _draw(world: World, sections: int, length: float, pose: Pose) -> None:
    solid = Solid(world, pose, world.instance(TRAM))
    camouflaged = world.chance(world.difficulty.camouflage)
    body = paint(world, pose.x, HIGH, pose.z) if camouflaged else world.hue((0.55, 0.95), (0.4, 0.85))
    pale = world.pick((WHITE, CREAM))
    upper = world.pick((body * 0.7, body)) if world.chance(0.5 * world.difficulty.variety) else pale
    solid.shadow(length, 2 * HALF, HIGH)
    back, front = -length / 2, length / 2
    each = (length - BELLOWS * (sections - 1)) / sections
    starts = [back + i * (each + BELLOWS) for i in range(sections)]
    bow = starts[sections // 2] + each / 2
    parts = [(bow, partial(_bow, solid, bow))]
    for i, start in enumerate(starts):
        ends = (i == 0, i == sections - 1)
        parts.append((start + each / 2, partial(_section, solid, (start, start + each), ends, (body, upper))))
        if i:
            folds = partial(solid.box, (start - BELLOWS, start), (0.4, HIGH - 0.15), (1 - HALF, HALF - 1), BLACK * 1.6)
            parts.append((start - BELLOWS / 2, partial(folds)))
    solid.from_far(parts)
    if solid.eye[0] > front:
        _face(solid, front, 1, (body, upper), rear=False)
    elif solid.eye[0] < back:
        _face(solid, back, -1, (body, upper), rear=True)


def _section(
    solid: Solid, along: tuple[float, float], ends: tuple[bool, bool], colours: tuple[np.ndarray, np.ndarray]
) -> None:
    """Draw one section; `ends` says whether its rear and its front are the tram's own, which slant."""
    back, front = along
    body, upper = colours
    lower = [(back + (0.25 if ends[0] else 0), 0.3), (front - (0.25 if ends[1] else 0), 0.3)]
    solid.box((back + 1.2, front - 1.2), (0.1, 0.35), (-HALF + 0.15, HALF - 0.15), BLACK)
    profile = [
        *lower,
        *([(front, 0.9), (front - 0.12, 1.5), (front - NOSE * 0.7, 3.0), (front - NOSE, HIGH)] if ends[1]
          else [(front, HIGH)]),
        *([(back + NOSE, HIGH), (back + NOSE * 0.7, 3.0), (back + 0.12, 1.5), (back, 0.9)] if ends[0]
          else [(back, HIGH)]),
    ]  # fmt: skip
    solid.box((back + NOSE + 0.6, front - NOSE - 0.6), (HIGH - 0.05, HIGH + 0.2), (-0.8, 0.8), upper * 0.75)
    solid.prism(profile, (-HALF, HALF), body)
    side = solid.side(HALF)
    if side:
        _flank(solid, along, ends, side, (body, upper))


def _flank(
    solid: Solid, along: tuple[float, float], ends: tuple[bool, bool], side: int, colours: tuple[np.ndarray, np.ndarray]
) -> None:
    """Draw a long band of windows between two colours, and double doors down to the skirt."""
    across, shade = side * HALF, solid.light(0, 0, side)
    body, upper = (colour * shade for colour in colours)
    back, front = along
    rear, nose = (0.25 if ends[0] else 0.0), (0.25 if ends[1] else 0.0)
    slant = [NOSE * 0.7 if end else 0.0 for end in ends]
    roof = [(back + slant[0], 2.75), (front - slant[1], 2.75), (front - (NOSE if ends[1] else 0), HIGH - 0.08),
            (back + (NOSE if ends[0] else 0), HIGH - 0.08)]  # fmt: skip
    solid.mark([(f, u, across) for f, u in roof], upper)
    solid.on_flank((back + rear, front - nose), (1.25, 1.4), across, upper)
    glass = mixed(GLASS, solid.world.canvas.haze, solid.world.uniform(0.0, 0.35))
    band = [(back + 0.2 + slant[0] * 0.5, 1.5), (front - 0.2 - slant[1] * 0.5, 1.5), (front - 0.2 - slant[1], 2.65),
            (back + 0.2 + slant[0], 2.65)]  # fmt: skip
    solid.mark([(f, u, across) for f, u in band], glass)
    for at in np.arange(back + 1.5, front - 0.8, 1.9).tolist():
        solid.on_flank((at, at + 0.07), (1.5, 2.65), across, glass * 0.5)
    for middle in (back + 0.3 * (front - back), back + 0.7 * (front - back)):
        solid.on_flank((middle - 0.7, middle + 0.7), (0.38, 2.7), across, upper * 0.9)
        for leaf in (middle - 0.62, middle + 0.04):
            solid.on_flank((leaf, leaf + 0.58), (0.6, 2.6), across, glass * 0.85)
    solid.on_flank((back + rear, front - nose), (0.3, 0.42), across, body * 0.5)


def _face(solid: Solid, at: float, way: int, colours: tuple[np.ndarray, np.ndarray], rear: bool) -> None:
    """Draw an end: one slanting pane, the line's number in lights, lamps low down, a coupler; `way` is 1 in front."""

    def on_slope(low: float, high: float, wide: float, colour: np.ndarray) -> None:
        f0, f1 = (at - way * (0.12 + (NOSE * 0.7 - 0.12) * (u - 1.5) / 1.5) for u in (low, high))
        solid.mark([(f0, low, -wide), (f0, low, wide), (f1, high, wide * 0.97), (f1, high, -wide * 0.97)], colour)

    body, upper = colours
    on_slope(1.4, 3.0, HALF, upper * 0.95)
    on_slope(1.5, 2.6, 1.05, mixed(GLASS, solid.world.canvas.haze, solid.world.uniform(0.0, 0.35)))
    on_slope(2.65, 3.0, 0.85, BLACK)
    on_slope(2.72, 2.93, 0.55, AMBER)
    solid.on_end(at, (0.72, 0.92), (-0.95, -0.62), RED if rear else np.array([252.0, 250, 230]))
    solid.on_end(at, (0.72, 0.92), (0.62, 0.95), RED if rear else np.array([252.0, 250, 230]))
    solid.on_end(at - way * 0.15, (0.35, 0.6), (-0.3, 0.3), BLACK)
    solid.on_end(at - way * 0.06, (1.0, 1.12), (-HALF, HALF), body * 0.6)


def _bow(solid: Solid, forward: float) -> None:
    """Draw the pantograph up to the wire."""
    steel = np.full(3, 60.0)
    knee = (forward - 0.9, (HIGH + WIRE) / 2, 0.0)
    solid.limb((forward, HIGH + 0.15, 0.0), knee, (0.06, 0.05), steel)
    solid.limb(knee, (forward, WIRE - 0.05, 0.0), (0.05, 0.05), steel)
    solid.limb((forward, WIRE - 0.05, -0.6), (forward, WIRE - 0.05, 0.6), (0.05, 0.05), steel)
