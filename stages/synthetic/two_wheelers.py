"""Bicycles and motorcycles, each with its rider as one thing: solid figures, so that every heading is drawn right."""

import math
from functools import partial

import numpy as np

from stages.synthetic.people import Clothes, dressed
from stages.synthetic.solids import BLACK, RED, Blueprint, Point, Solid
from stages.synthetic.vehicles import TYRE, Pose, paint
from stages.synthetic.world import BICYCLE, MOTORCYCLE, World, mixed

STEEL = np.full(3, 120.0)


def bicycle(world: World) -> Blueprint:
    """Choose a bicycle with somebody who pedals."""
    return Blueprint(1.8, 0.6, partial(_bicycle, world))


def motorcycle(world: World) -> Blueprint:
    """Choose a motorcycle or a scooter with its rider."""
    kind = world.pick(("naked", "naked", "sport", "scooter")) if world.chance(world.difficulty.variety) else "naked"
    return Blueprint(2.1, 0.8, partial(_motorcycle, world, kind))


def _bicycle(world: World, pose: Pose) -> None:
    solid = Solid(world, pose, world.instance(BICYCLE))
    clothes = dressed(world, world.canvas.colour_at(np.array([pose.x, 1.2, pose.z])))
    colour = world.hue((0.3, 0.95), (0.25, 0.9))
    solid.shadow(1.7, 0.35, 1.5)
    rear, front, radius, tyre = (-0.52, 0.34), (0.53, 0.34), 0.34, 0.06
    crank, saddle, head, grip = (-0.08, 0.3), (-0.24, 0.92), (0.36, 0.88), (0.34, 1.06)
    turn = world.uniform(0, 2 * math.pi)
    pedals = {side: (crank[0] + side * 0.17 * math.cos(turn), crank[1] + side * 0.17 * math.sin(turn))
              for side in (-1, 1)}  # fmt: skip
    upright = world.chance(0.55)
    shoulder = (0.02, 1.46) if upright else (0.16, 1.36)
    near = solid.side(0.0) or 1

    def wheel(centre: tuple[float, float]) -> None:
        solid.ring(centre, radius, tyre, TYRE)
        if radius * solid.scale() > 14:
            for spoke in range(4):
                angle = turn + spoke * math.pi / 4
                reach = (math.cos(angle) * (radius - tyre), math.sin(angle) * (radius - tyre))
                ends = ((centre[0] + way * reach[0], centre[1] + way * reach[1], 0.0) for way in (-1, 1))
                solid.limb(*ends, (0.006, 0.006), STEEL)

    def frame() -> None:
        for start, end in ((rear, crank), (rear, saddle), (crank, saddle), (crank, head), ((-0.2, 0.82), head)):
            solid.limb((*start, 0.0), (*end, 0.0), (0.028, 0.028), colour)
        solid.limb((*saddle, 0.0), (saddle[0] - 0.02, 0.95, 0.0), (0.1, 0.07), BLACK)

    def steering() -> None:
        solid.limb((*front, 0.0), (*head, 0.0), (0.025, 0.03), colour)
        solid.limb((*head, 0.0), (*grip, 0.0), (0.025, 0.025), STEEL)
        solid.limb((*grip, -0.29), (*grip, 0.29), (0.025, 0.025), BLACK)
        if solid.eye[0] > 0.6:
            solid.ball((0.42, 0.88, 0.0), 0.055, np.array([250.0, 250, 225]))

    def rider() -> None:
        for side in (-near, near):
            hip, pedal = (saddle[0] + 0.02, 0.95), pedals[side]
            _leg(solid, hip, pedal, side * 0.1, clothes, 0.98 if side == near else 0.72)
        _upper_body(solid, (saddle[0], 0.93), shoulder, grip, (0.19, 0.27), clothes)
        _head(solid, (shoulder[0] + 0.07, shoulder[1] + 0.26), clothes, world.chance(0.55), full=False)

    solid.from_far(
        [(rear[0], partial(wheel, rear)), (front[0], partial(wheel, front)), (-0.1, frame), (0.38, steering),
         (-0.05, rider)]
    )  # fmt: skip
    if solid.eye[0] < -0.6:
        solid.ball((-0.36, 0.72, 0.0), 0.05, RED)


def _motorcycle(world: World, kind: str, pose: Pose) -> None:
    solid = Solid(world, pose, world.instance(MOTORCYCLE))
    clothes = dressed(world, world.canvas.colour_at(np.array([pose.x, 1.2, pose.z])))
    colour = paint(world, pose.x, 1.0, pose.z)
    scooter, sport = kind == "scooter", kind == "sport"
    radius = 0.24 if scooter else 0.32
    rear, front = (-0.68, radius), (0.7, radius)
    seat, grip = 0.78, (0.34, 1.02) if not sport else (0.4, 0.92)
    shoulder = (0.02, 1.38) if not sport else (0.16, 1.28)
    near = solid.side(0.0) or 1
    solid.shadow(2.0, 0.5, 1.4)

    def wheel(centre: tuple[float, float]) -> None:
        solid.wheel(centre, radius, (-near * 0.08, near * 0.08), STEEL)

    def body() -> None:
        if scooter:
            solid.prism([(-0.75, 0.42), (-0.15, 0.3), (-0.05, 0.72), (-0.8, 0.76)], (-0.19, 0.19), colour)
            solid.box((-0.2, 0.42), (0.24, 0.34), (-0.2, 0.2), colour * 0.6)
        else:
            solid.prism([(-0.35, 0.25), (0.3, 0.25), (0.36, 0.62), (-0.4, 0.62)], (-0.19, 0.19), BLACK * 1.7)
            solid.limb((0.1, 0.3, near * 0.2), (-0.75, 0.34, near * 0.22), (0.05, 0.07), np.full(3, 165.0))
            solid.prism([(-0.8, 0.72), (-0.3, 0.62), (-0.25, 0.8), (-0.95, 0.88)], (-0.12, 0.12), colour)
            solid.prism([(-0.2, 0.64), (0.4, 0.66), (0.36, 0.96), (-0.1, 0.9)], (-0.17, 0.17), colour)
        solid.prism([(-0.78, seat - 0.04), (0.0, seat - 0.04), (-0.05, seat + 0.05), (-0.78, seat + 0.06)],
                    (-0.15, 0.15), BLACK)  # fmt: skip
        if solid.eye[0] < -0.9:
            solid.box((-0.95, -0.9), (0.66, 0.8), (-0.12, 0.12), RED * 1.1)
            solid.box((-0.97, -0.95), (0.44, 0.6), (-0.11, 0.11), np.array([232.0, 226, 190]))

    def fork() -> None:
        for side in (-1, 1):
            solid.limb((*front, side * 0.1), (0.42, 0.95, side * 0.1), (0.035, 0.035), STEEL)
        if scooter:
            solid.prism([(0.4, 0.3), (0.52, 0.34), (0.42, 0.98), (0.32, 0.95)], (-0.24, 0.24), colour)
        elif sport:
            solid.prism([(0.2, 0.4), (0.6, 0.55), (0.66, 0.85), (0.42, 1.12), (0.25, 0.95)], (-0.2, 0.2), colour)
        solid.limb((*grip, -0.36), (*grip, 0.36), (0.03, 0.03), BLACK)
        solid.prism([(0.45, radius * 2 - 0.02), (0.85, radius * 2 - 0.08), (0.6, radius * 2 + 0.05)], (-0.08, 0.08),
                    colour)  # fmt: skip
        solid.ball((0.56 if not scooter else 0.48, 0.86, 0.0), 0.1, np.array([252.0, 250, 228]))
        for side in (-1, 1):
            solid.limb((*grip, side * 0.25), (grip[0] - 0.05, grip[1] + 0.2, side * 0.36), (0.015, 0.05), BLACK)

    def rider() -> None:
        foot = (0.2, 0.36) if scooter else (-0.12, 0.33)
        for side in (-near, near):
            _leg(solid, (-0.3, seat + 0.06), foot, side * 0.2, clothes, 0.98 if side == near else 0.72)
        _upper_body(solid, (-0.32, seat + 0.04), shoulder, grip, (0.21, 0.33), clothes)
        _head(solid, (shoulder[0] + 0.07, shoulder[1] + 0.27), clothes, True, full=True)

    solid.from_far([(rear[0], partial(wheel, rear)), (front[0], partial(wheel, front)), (-0.2, body), (0.5, fork),
                    (0.0, rider)])  # fmt: skip


def _leg(
    solid: Solid, hip: tuple[float, float], foot: tuple[float, float], across: float, clothes: Clothes, shade: float
) -> None:
    """Draw a leg bent forwards at the knee; both bones are 0.46 metres long."""
    (hf, hu), (ff, fu) = hip, (foot[0], foot[1] + 0.06)
    reach = math.hypot(ff - hf, fu - hu)
    bend = math.sqrt(max(0.46**2 - (reach / 2) ** 2, 0.0))
    along = ((ff - hf) / max(reach, 1e-6), (fu - hu) / max(reach, 1e-6))
    knee = ((hf + ff) / 2 - along[1] * bend, (hu + fu) / 2 + along[0] * bend)
    trousers = clothes.trousers * shade
    solid.limb((hf, hu, across * 0.8), (*knee, across * 1.25), (0.095, 0.07), trousers)
    solid.limb((*knee, across * 1.25), (ff, fu, across), (0.07, 0.05), trousers)
    solid.limb((ff - 0.06, fu - 0.03, across), (ff + 0.14, fu - 0.05, across), (0.05, 0.04), clothes.shoes)


def _upper_body(
    solid: Solid, hip: tuple[float, float], shoulder: tuple[float, float], grip: tuple[float, float],
    wide: tuple[float, float], clothes: Clothes,
) -> None:  # fmt: skip
    """Draw trunk and arms, which hide each other; `wide` is from the middle to a shoulder and to a grip."""
    (hf, hu), (sf, su), (gf, gu) = hip, shoulder, grip
    near = solid.side(0.0) or 1
    corners: list[Point] = []
    for side in (-1, 1):
        corners += [(hf - 0.12, hu, side * 0.14), (hf + 0.12, hu, side * 0.14), (sf - 0.13, su - 0.06, side * wide[0]),
                    (sf + 0.1, su - 0.1, side * (wide[0] - 0.01)), (sf, su + 0.04, side * 0.1)]  # fmt: skip

    def arm(side: int) -> None:
        coat = clothes.coat * (0.95 if side == near else 0.75)
        elbow = ((sf + gf) / 2 - 0.02, (su + gu) / 2 - 0.08, side * (wide[1] + 0.03))
        solid.limb((sf, su - 0.05, side * wide[0]), elbow, (0.065, 0.055), coat)
        solid.limb(elbow, (gf, gu, side * wide[1]), (0.055, 0.045), coat)
        solid.ball((gf, gu, side * wide[1]), 0.045, clothes.skin)

    ahead, aside = solid.eye[0], abs(solid.eye[2])
    behind = [side for side in (-near, near) if ahead < (-2 * aside if side == near else aside)]
    for side in behind:
        arm(side)
    solid.hull(corners, clothes.coat)
    for side in (-near, near):
        if side not in behind:
            arm(side)


def _head(solid: Solid, centre: tuple[float, float], clothes: Clothes, helmet: bool, full: bool) -> None:
    """Draw the head: hair, or a helmet on it; a `full` one goes around it, with a visor in front."""
    forward, up = centre
    tone = solid.world.pick((clothes.coat * 1.2, np.full(3, 235.0), np.full(3, 30.0), RED, np.array([240.0, 210, 30])))
    cover = tone if helmet else clothes.hair
    solid.limb((forward - 0.05, up - 0.2, 0.0), (forward - 0.02, up - 0.08, 0.0), (0.055, 0.055), clothes.skin)
    if full:
        solid.ball((forward, up, 0.0), 0.15, tone)
        if solid.eye[0] > 0 or abs(solid.eye[2]) > abs(solid.eye[0]):
            solid.ball((forward + 0.07, up + 0.01, 0.0), 0.085, mixed(BLACK, solid.world.canvas.haze, 0.2))
        return
    parts = [
        (forward, partial(solid.ball, (forward + 0.01, up - 0.015, 0.0), 0.105, clothes.skin)),
        (forward - 0.1, partial(solid.ball, (forward - 0.04, up + 0.035, 0.0), 0.12 if helmet else 0.115, cover)),
    ]
    if abs(solid.eye[2]) > abs(solid.eye[0]):
        parts.reverse()
        for _, draw in parts:
            draw()
    else:
        solid.from_far(parts)
    if helmet:
        crown = [(0.1, 0.03, 0.08), (-0.12, 0.0, 0.1), (0.0, 0.15, 0.05)]
        shell = [(forward + f, up + u, side * a) for f, u, a in crown for side in (-1, 1)]
        solid.hull(shell, cover)
