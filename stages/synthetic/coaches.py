"""Trucks, buses, caravans and trailers as plain boxes with a car's wheels, windows and colours: lookalikes."""

import numpy as np

from stages.synthetic.vehicles import TYRE, Body, Pose, paint
from stages.synthetic.world import BUS, CARAVAN, TRAILER, TRUCK, World


def coach(world: World, pose: Pose, kind: int) -> None:
    """Draw a vehicle that is no car, with a car's wheels, windows and colours: truck, bus, caravan or trailer."""
    length, height, width = {
        TRUCK: (world.uniform(5.5, 9.0), world.uniform(2.4, 3.6), 2.3),
        BUS: (world.uniform(7.0, 11.5), world.uniform(2.7, 3.2), 2.45),
        CARAVAN: (world.uniform(3.8, 5.2), world.uniform(2.0, 2.6), 2.1),
        TRAILER: (world.uniform(2.2, 3.5), world.uniform(1.0, 1.9), 1.6),
    }[kind]
    body = Body(world, pose, length, height, width)
    label = world.instance(kind)
    colour = paint(world, pose.x, height, pose.z)
    body.shadow()
    axles = (0.48, 0.56) if kind in (CARAVAN, TRAILER) else (0.15, 0.82)
    radius = 0.33 if kind in (CARAVAN, TRAILER) else 0.48
    for side in (-1, 1):
        if not body.faces(side):
            body.wheels(side, axles, radius, label, colour)
    crate(body, colour, label, floor=0.35)
    for side in (-1, 1):
        if body.faces(side):
            _rows_of_glass(body, side, kind, colour)
            body.wheels(side, axles, radius, label, colour)
    _back_of_coach(body, kind, label, colour)


def crate(body: Body, colour: np.ndarray, label: int, floor: float, flare: float = 1.0) -> None:
    """Draw a box on the ground; `flare` is how much longer and wider it is at the top (a skip's is over 1)."""
    top, half, spread = body.height, body.half, (flare - 1) / 2
    for side in (-1, 1):
        if body.faces(side):
            face = body.place(
                [0, 1, 1 + spread, -spread], [floor, floor, top, top], side * half * np.array([1, 1, flare, flare])
            )
            body.fill(face, colour * (0.82 + 0.15 * side * body.world.sun), label)
    rear = body.pose.z * body.cosine + body.pose.x * body.sine > 0
    along = np.array([1, 1 + spread, 1 + spread, 1]) if rear else np.array([0, -spread, -spread, 0])
    face = body.place(along, [floor, top, top, floor], half * np.array([-1, -flare, flare, 1]))
    body.fill(face, colour * 0.9, label)
    if top < body.world.canvas.camera.height:
        lid = body.place([-spread, 1 + spread, 1 + spread, -spread], top, half * flare * np.array([-1, -1, 1, 1]))
        body.fill(lid, colour * 1.1 if flare == 1 else colour * 0.35, label)


def _rows_of_glass(body: Body, side: int, kind: int, colour: np.ndarray) -> None:
    """Draw the flank of a coach: a row of windows, a cab's window, or a painted stripe."""
    world = body.world
    if kind == TRAILER or body.pixels_high < 6:
        return
    panes = {
        BUS: [(start, start + 0.12) for start in np.arange(0.04, 0.9, 0.132)],
        CARAVAN: [(0.12, 0.44), (0.6, 0.87)],
        TRUCK: [(0.03, 0.13)],
    }[kind]
    low, high = {BUS: (0.48, 0.86), CARAVAN: (0.5, 0.8), TRUCK: (0.45, 0.72)}[kind]
    up = np.array([low, high, high, low]) * body.height
    for start, end in panes:
        body.fill(body.place([start, start, end, end], up, side * body.half), body.glass())
    if kind == TRUCK:
        gap = body.place([0.2, 0.2, 0.225, 0.225], np.array([0.3, 1, 1, 0.3]) * body.height, side * body.half)
        body.fill(gap, colour * 0.3)
    stripe = world.uniform(0.25, 0.36)
    band = body.place(
        [0, 0, 1, 1], np.array([stripe, stripe + 0.07, stripe + 0.07, stripe]) * body.height, side * body.half
    )
    body.fill(band, world.hue((0.2, 0.9), (0.2, 0.9)), opacity=0.8)


def _back_of_coach(body: Body, kind: int, label: int, colour: np.ndarray) -> None:
    """Draw the end that faces the camera: a window, lamps, a plate, tyres."""
    if abs(body.cosine) < 0.3:
        return
    rear = body.cosine > 0
    at, half, top = (1.0 if rear else 0.0), body.half, body.height
    for side in (-1, 1):
        body.fill(body.place(at, [0, 0.4, 0.4, 0], side * half * np.array([0.95, 0.95, 0.65, 0.65])), TYRE, label)
        lamp = body.place(at, np.array([0.16, 0.26, 0.26, 0.16]) * top, side * half * np.array([0.95, 0.95, 0.8, 0.8]))
        body.fill(lamp, (165, 30, 22) if rear else (230, 230, 220))
    if kind in (BUS, CARAVAN) or (kind == TRUCK and not rear):
        pane = body.place(at, np.array([0.45, 0.82, 0.82, 0.45]) * top, half * np.array([-0.85, -0.8, 0.8, 0.85]))
        body.fill(pane, body.glass())
    else:
        seam = body.place(at, np.array([0.15, 0.97, 0.97, 0.15]) * top, half * np.array([-0.03, -0.03, 0.03, 0.03]))
        body.fill(seam, colour * 0.4)


def block(
    world: World, pose: Pose, size: tuple[float, float, float], colour: np.ndarray, label: int, flare: float = 1.0
) -> Body:
    """Draw a box of (length, height, width) metres with its shadow: the body of skips, kiosks and cabinets."""
    body = Body(world, pose, *size)
    body.shadow()
    crate(body, colour, label, floor=0.0 if flare == 1 else 0.08, flare=flare)
    return body
