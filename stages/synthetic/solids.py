"""Solid shapes in a thing's own frame (forward, up, across; metres), drawn in true perspective at any heading."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from stages.synthetic.canvas import NEAR, SUPERSAMPLING
from stages.synthetic.vehicles import TYRE, Pose
from stages.synthetic.world import World

Point = tuple[float, float, float]  # forward, up, across
WHITE = np.array([228.0, 228, 224])
BLACK = np.array([26.0, 27, 30])
RED = np.array([185.0, 28, 26])


@dataclass(frozen=True)
class Blueprint:
    """One thing that is chosen but not placed yet: the ground that it covers (metres), and what draws it at a pose."""

    length: float
    width: float
    draw: Callable[[Pose], None]


class Solid:
    """A thing's frame and its label. Nothing is hidden within a thing: draw its parts from far to near."""

    def __init__(self, world: World, pose: Pose, label: int):
        """Stand at `pose`; every shape but a `mark` gets `label` in the id map."""
        self.world, self.pose, self.label = world, pose, label
        self.camera = world.canvas.camera
        self.sine, self.cosine = math.sin(pose.heading), math.cos(pose.heading)
        self.eye: Point = (
            -(pose.x * self.sine + pose.z * self.cosine),
            self.camera.height - pose.lift,
            -(pose.x * self.cosine - pose.z * self.sine),
        )

    # ---- geometry ----------------------------------------------------------------------------------------------------

    def depth(self, forward: float, across: float) -> float:
        """Return the distance from the camera's plane of a place in the frame, in metres."""
        return self.pose.z + forward * self.cosine - across * self.sine

    def scale(self, forward: float = 0.0, across: float = 0.0) -> float:
        """Return supersampled pixels per metre at a place in the frame."""
        return self.camera.scale(self.depth(forward, across)) * SUPERSAMPLING

    def pixels(self, points: Iterable[Point]) -> list[float]:
        """Map points of the frame to supersampled pixels x, y, x, y ..."""
        x, z, lift, sine, cosine = self.pose.x, self.pose.z, self.pose.lift, self.sine, self.cosine
        return self.camera.corners(
            (x + f * sine + a * cosine, u + lift, z + f * cosine - a * sine) for f, u, a in points
        )

    def side(self, half: float) -> int:
        """Return which flank of a body `half` metres to either side the camera sees: 1 right, -1 left, 0 none."""
        return 1 if self.eye[2] > half else -1 if self.eye[2] < -half else 0

    def from_far(self, parts: Iterable[tuple[float, Callable[[], None]]]) -> None:
        """Draw parts that follow each other along the frame, (middle, what draws it), the farthest first."""
        for _, draw in sorted(parts, key=lambda part: -abs(part[0] - self.eye[0])):
            draw()

    def light(self, forward: float, up: float, across: float) -> float:
        """Return how bright a face with this outward normal is; 1 is its own colour."""
        right = forward * self.sine + across * self.cosine
        return 0.86 + 0.15 * right * self.world.sun + (0.22 if up > 0 else 0.35) * up

    # ---- shapes ------------------------------------------------------------------------------------------------------

    def fill(self, points: Sequence[Point], colour: np.ndarray) -> None:
        """Fill a polygon."""
        self._polygon(self.pixels(points), points, colour, self.label)

    def mark(self, points: Sequence[Point], colour: np.ndarray) -> None:
        """Fill a polygon upon what has been drawn of this thing: the id map stays."""
        self._polygon(self.pixels(points), points, colour, None)

    def hull(self, points: Sequence[Point], colour: np.ndarray) -> None:
        """Fill the outline of a convex body with these corners."""
        flat = self.pixels(points)
        self._polygon(convex_hull(list(zip(flat[::2], flat[1::2], strict=True))), points, colour, self.label)

    def prism(self, profile: Sequence[tuple[float, float]], across: tuple[float, float], colour: np.ndarray) -> None:
        """Draw a convex profile (forward, up), counter-clockwise, extruded from `across[0]` to `across[1]`."""
        left, right = across
        eye_forward, eye_up, _ = self.eye
        for (f0, u0), (f1, u1) in zip(profile, [*profile[1:], profile[0]], strict=True):
            out_f, out_u = u1 - u0, f0 - f1
            if out_f * (eye_forward - f0) + out_u * (eye_up - u0) > 0:
                size = math.hypot(out_f, out_u)
                face = [(f0, u0, left), (f1, u1, left), (f1, u1, right), (f0, u0, right)]
                self.fill(face, colour * self.light(out_f / size, out_u / size, 0))
        for flank, sees in ((left, self.eye[2] < left), (right, self.eye[2] > right)):
            if sees:
                shade = self.light(0, 0, math.copysign(1, flank - (left + right) / 2))
                self.fill([(f, u, flank) for f, u in profile], colour * shade)

    def box(
        self, along: tuple[float, float], up: tuple[float, float], across: tuple[float, float], colour: np.ndarray
    ) -> None:
        """Draw a box between two places on each axis."""
        (f0, f1), (u0, u1) = along, up
        self.prism([(f0, u0), (f1, u0), (f1, u1), (f0, u1)], across, colour)

    def on_flank(self, along: tuple[float, float], up: tuple[float, float], across: float, colour: np.ndarray) -> None:
        """Mark a rectangle on a flank, `across` metres from the middle."""
        (f0, f1), (u0, u1) = along, up
        self.mark([(f0, u0, across), (f1, u0, across), (f1, u1, across), (f0, u1, across)], colour)

    def on_end(self, forward: float, up: tuple[float, float], across: tuple[float, float], colour: np.ndarray) -> None:
        """Mark a rectangle on a front or rear end."""
        (u0, u1), (a0, a1) = up, across
        self.mark([(forward, u0, a0), (forward, u0, a1), (forward, u1, a1), (forward, u1, a0)], colour)

    def limb(self, start: Point, end: Point, radii: tuple[float, float], colour: np.ndarray) -> None:
        """Draw a tapering round bar with a round end."""
        x0, y0, x1, y1 = self.pixels((start, end))
        r0, r1 = radii[0] * self.scale(start[0], start[2]), radii[1] * self.scale(end[0], end[2])
        hazed = self.world.canvas.hazed(colour, self.pose.z)
        long = math.hypot(x1 - x0, y1 - y0)
        if long > 0.1:
            dx, dy = (y0 - y1) / long, (x1 - x0) / long
            corners = [x0 + dx * r0, y0 + dy * r0, x1 + dx * r1, y1 + dy * r1,
                       x1 - dx * r1, y1 - dy * r1, x0 - dx * r0, y0 - dy * r0]  # fmt: skip
            self.world.canvas.polygon(corners, hazed, self.label)
        if r1 > 1:
            self.world.canvas.ellipse((x1 - r1, y1 - r1, x1 + r1, y1 + r1), hazed, self.label)

    def ball(self, centre: Point, radius: float, colour: np.ndarray) -> None:
        """Draw a ball."""
        x, y = self.pixels((centre,))
        size = radius * self.scale(centre[0], centre[2])
        box = (x - size, y - size, x + size, y + size)
        self.world.canvas.ellipse(box, self.world.canvas.hazed(colour, self.pose.z), self.label)

    def disc(self, centre: Point, radius: float, colour: np.ndarray) -> None:
        """Mark a disc on a flank."""
        self.mark(self._circle(centre, radius), colour)

    def wheel(self, centre: tuple[float, float], radius: float, across: tuple[float, float], rim: np.ndarray) -> None:
        """Draw a closed wheel between two places across, its outer side last in `across`."""
        forward, up = centre
        inner, outer = across
        rings = [*self._circle((forward, up, inner), radius), *self._circle((forward, up, outer), radius)]
        self.hull(rings, TYRE)
        if (self.eye[2] - outer) * (outer - inner) > 0 and radius * self.scale(forward) > 5:
            self.disc((forward, up, outer), radius * 0.6, rim)
            self.disc((forward, up, outer), radius * 0.2, rim * 0.5)

    def ring(self, centre: tuple[float, float], radius: float, tyre: float, colour: np.ndarray) -> None:
        """Draw an open wheel in the frame's middle plane, its tyre `tyre` metres thick; one sees through it."""
        forward, up = centre
        spread = math.copysign(tyre / 2, self.sine)  # a tyre has a width where the wheel is seen edge on
        count = 16 if radius * self.scale(forward) > 12 else 10
        turns = [2 * math.pi * i / count for i in range(count + 1)]
        outer = [
            (forward + math.cos(t) * radius, up + math.sin(t) * radius, spread * math.cos(t) * self.cosine)
            for t in turns
        ]
        edge = self.pixels(outer)
        within = radius - tyre
        if abs(self.sine) * within > tyre:
            edge += self.pixels(
                (forward + math.cos(t) * within, up + math.sin(t) * within, 0.0) for t in reversed(turns)
            )
        self._polygon(edge, outer, colour, self.label)

    def shadow(self, length: float, width: float, height: float) -> None:
        """Draw the dark ground under a body, stretched away from the sun."""
        shade, f, a = self.world.shade, length / 2, width / 2
        shift = -self.world.sun * height * 0.6
        for across, strength in ((0.0, min(0.8, shade + 0.25)), (shift, shade * 0.7)):
            ground = [(f, 0.0, a + across), (f, 0.0, -a + across), (-f, 0.0, -a + across), (-f, 0.0, a + across)]
            self.world.canvas.polygon(self.pixels(ground), (12, 12, 16, int(255 * strength)))

    def _circle(self, centre: Point, radius: float) -> list[Point]:
        forward, up, across = centre
        count = 14 if radius * self.scale(forward, across) > 8 else 8
        turns = (2 * math.pi * i / count for i in range(count))
        return [(forward + math.cos(t) * radius, up + math.sin(t) * radius, across) for t in turns]

    def _polygon(self, corners: list[float], points: Sequence[Point], colour: np.ndarray, label: int | None) -> None:
        far = self.depth(sum(f for f, _, _ in points) / len(points), 0.0)
        self.world.canvas.polygon(corners, self.world.canvas.hazed(colour, max(far, NEAR)), label)


def convex_hull(points: list[tuple[float, float]]) -> list[float]:
    """Return the convex hull of points (x, y) as x, y, x, y ... (Andrew's monotone chain)."""
    points = sorted(set(points))
    chains: list[tuple[float, float]] = []
    for way in (points, points[::-1]):
        chain: list[tuple[float, float]] = []
        for x, y in way:
            while len(chain) > 1:
                (ax, ay), (bx, by) = chain[-2:]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                chain.pop()
            chain.append((x, y))
        chains += chain[:-1]
    return [value for point in chains or points for value in point]
