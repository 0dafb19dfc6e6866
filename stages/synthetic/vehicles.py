"""Cars: a side profile extruded to the vehicle's width, in true perspective.

A body narrower at the ends and at the roof, wheels under a raised floor and mirrors leave about 30 % of a car's box to
what is behind it, as with real cars (the paper's boxes alone score 69 % IoU; CamVid's cars fill 71 % of theirs).
"""

from dataclasses import dataclass

import numpy as np

from stages.synthetic.world import CAR, World, hsv, mixed

GLASS = np.array([38.0, 46.0, 55.0])
TYRE = np.array([24.0, 24.0, 26.0])


@dataclass(frozen=True)
class Style:
    """A kind of car. Lengths in metres (from, to); places along the car from the front (0) to the rear (1)."""

    length: tuple[float, float]
    height: tuple[float, float]
    cowl: float  # where the windscreen begins
    roof: tuple[float, float]
    tail: float  # where the rear window ends
    hood: float  # heights from the ground (0) to the roof (1)
    deck: float
    panelled: bool = False  # no side windows behind the driver's


STYLES = {
    "saloon": Style((4.3, 5.0), (1.38, 1.50), 0.30, (0.45, 0.66), 0.84, 0.60, 0.63),
    "hatchback": Style((3.5, 4.2), (1.40, 1.56), 0.26, (0.43, 0.78), 0.96, 0.60, 0.60),
    "estate": Style((4.4, 4.9), (1.40, 1.52), 0.29, (0.44, 0.87), 0.98, 0.60, 0.60),
    "suv": Style((4.2, 4.9), (1.62, 1.90), 0.27, (0.39, 0.84), 0.97, 0.61, 0.60),
    "people carrier": Style((4.1, 4.8), (1.60, 1.85), 0.14, (0.34, 0.86), 0.98, 0.54, 0.56),
    "coupe": Style((4.1, 4.7), (1.20, 1.34), 0.36, (0.52, 0.63), 0.94, 0.60, 0.66),
    "pickup": Style((4.9, 5.4), (1.66, 1.85), 0.27, (0.37, 0.52), 0.57, 0.60, 0.55),
    "micro": Style((2.5, 3.0), (1.42, 1.56), 0.10, (0.36, 0.78), 0.97, 0.54, 0.56),
    "beetle": Style((3.8, 4.2), (1.42, 1.55), 0.32, (0.44, 0.62), 0.97, 0.55, 0.50),
    "roadster": Style((3.8, 4.3), (1.15, 1.28), 0.38, (0.50, 0.54), 0.60, 0.66, 0.68),
    "van": Style((4.3, 5.0), (1.78, 2.05), 0.13, (0.28, 0.96), 1.00, 0.52, 0.55, panelled=True),
}
COMMON = ("saloon", "hatchback", "estate")


@dataclass(frozen=True)
class Pose:
    """Where a vehicle stands: its middle on the ground (metres), its heading (radians, 0 drives away), its size factor.

    `lift` raises it over the ground, `flat` squeezes its width: a picture of a car on a board.
    """

    x: float
    z: float
    heading: float
    lift: float = 0.0
    flat: float = 1.0
    size: float = 1.0


def paint(world: World, x: float, up: float, z: float) -> np.ndarray:
    """Choose a car's colour (RGB, 0-255): a street's greys, a strong one, or that of what is behind or beside it.

    (x, up, z) is a point of the roof, in metres.
    """
    if world.chance(world.difficulty.camouflage):
        beside = world.pick((-1.4, 0.0, 1.4))
        behind = np.array([x + beside, up * (0.7 if beside else 1.1), z])
        return np.clip(world.canvas.colour_at(behind) * world.uniform(0.85, 1.15) + world.rng.normal(0, 6, 3), 12, 250)
    if world.chance(0.1 + 0.4 * world.difficulty.variety):
        return hsv(world.rng.random(), world.uniform(0, 0.12), world.pick((0.12, 0.2, 0.35, 0.5, 0.7, 0.85, 0.95)))
    return world.hue((0.85 - 0.5 * world.difficulty.variety, 0.95), (0.3, 0.95))


def car(world: World, pose: Pose, label: int | None = None, colour: np.ndarray | None = None) -> None:
    """Draw one car; `label` overrides its instance id (a picture of a car is none)."""
    variety = world.difficulty.variety
    style = STYLES[world.pick(tuple(STYLES)) if world.chance(variety) else world.pick(COMMON)]
    length = world.uniform(*style.length) * pose.size
    height = world.uniform(*style.height) * pose.size
    width = world.uniform(1.62, 1.88) * pose.size
    stretch = 1 + 0.08 * variety * world.rng.normal()
    body = Body(world, pose, length * stretch, height / max(stretch, 0.7), width)
    if colour is None:
        colour = paint(world, pose.x, height, pose.z)
    body.draw(style, colour, world.instance(CAR) if label is None else label)


class Body:
    """One vehicle's geometry: places in its own frame (along, up, across) and their pixels."""

    def __init__(self, world: World, pose: Pose, length: float, height: float, width: float):
        self.world, self.pose = world, pose
        self.length, self.height, self.half = length, height, width / 2 * pose.flat
        self.pixels_high = world.canvas.camera.scale(pose.z) * height
        self.sine, self.cosine = np.sin(pose.heading), np.cos(pose.heading)

    def place(self, along, up, across) -> np.ndarray:
        """Map points to pixels (N, 2): along the vehicle from front (0) to rear (1), up and across in metres."""
        forward = (0.5 - np.asarray(along)) * self.length
        across = np.asarray(across)
        x = self.pose.x + forward * self.sine + across * self.cosine
        z = self.pose.z + forward * self.cosine - across * self.sine
        return self.world.canvas.camera.pixels(x, np.asarray(up) + self.pose.lift, z)

    def fill(self, pixels: np.ndarray, colour, label: int | None = None, opacity: float = 1.0) -> None:
        """Fill a polygon in the haze of this vehicle's depth."""
        hazed = self.world.canvas.hazed(colour, self.pose.z)
        self.world.canvas.polygon(pixels, hazed if opacity >= 1 else (*hazed, int(255 * opacity)), label)

    def draw(self, style: Style, colour: np.ndarray, label: int) -> None:
        """Draw the whole car, from its shadow up to its lamps."""
        world = self.world
        clearance = world.uniform(0.15, 0.23) * self.height
        radius = world.uniform(0.20, 0.235) * self.height * (1.1 if self.height < 1.4 else 1)
        axles = (world.uniform(0.16, 0.20), world.uniform(0.79, 0.84))
        if not self.pose.lift:
            self.shadow()
        for side in (-1, 1):
            if not self.faces(side):
                self.wheels(side, axles, radius, label, colour)
        stations = self.stations(style, clearance)
        self.shell(style, stations, colour, label)
        for side in (-1, 1):
            if self.faces(side):
                self.flank(style, stations, side, colour, label)
                self.wheels(side, axles, radius, label, colour)
        self.ends(stations, clearance, colour, label)
        self.mirrors(style, colour, label)
        if world.chance(0.18 * world.difficulty.variety):
            self.rack(style, label)

    def faces(self, side: int) -> bool:
        """Return whether the camera sees the flank on this side (-1 left, 1 right of the driver)."""
        outward = np.array([side * self.cosine, -side * self.sine])
        middle = np.array([self.pose.x, self.pose.z]) + outward * self.half
        return float(outward @ middle) < 0

    def stations(self, style: Style, clearance: float) -> np.ndarray:
        """Return the profile from front bumper over the roof to rear bumper: (13, 3) of along, up, half-width."""
        world, half, top = self.world, self.half, self.height
        crown = half * world.uniform(0.58, 0.72)
        nose = style.hood - world.uniform(0.06, 0.14)
        first, last = style.roof
        return np.array(
            [
                (0.015, clearance, half * 0.76),
                (0.0, 0.34 * top, half * 0.86),
                (0.02, nose * top, half * 0.84),
                (style.cowl * 0.5, (nose + style.hood) / 2 * top + 0.02, half * 0.93),
                (style.cowl, style.hood * top, half * 0.95),
                (first, 0.96 * top, crown * 1.03),
                (first + 0.25 * (last - first), top, crown),
                (first + 0.75 * (last - first), 0.995 * top, crown),
                (last, 0.95 * top, crown * 1.02),
                (style.tail, style.deck * top, half * 0.93),
                (1.0, (style.deck - 0.05) * top, half * 0.85),
                (1.0, 0.36 * top, half * 0.87),
                (0.985, clearance, half * 0.76),
            ]
        )

    def shell(self, style: Style, stations: np.ndarray, colour: np.ndarray, label: int) -> None:
        """Draw everything between the flanks: bumpers, bonnet, windscreen, roof, rear window, boot."""
        along, up, half = stations.T
        left, right = self.place(along, up, -half), self.place(along, up, half)
        light = np.array([0.72, 0.8, 1.0, 1.08, 1.0, 1.1, 1.18, 1.1, 0.9, 1.0, 0.82, 0.74]) * 0.95
        order = range(12) if self.cosine > 0 else range(11, -1, -1)
        for i in order:
            face = np.stack([left[i], left[i + 1], right[i + 1], right[i]])
            if _turn(face) > 0:  # turned away from the camera
                continue
            self.fill(face, colour * light[i], label)
            if i in (4, 8) and self.pixels_high > 5 and not (i == 8 and style.panelled):
                inset = self.place(
                    np.array([along[i], along[i + 1], along[i + 1], along[i]]) * 0.92
                    + 0.08 * (along[i] + along[i + 1]) / 2,
                    np.array([up[i], up[i + 1], up[i + 1], up[i]]) * 0.92 + 0.08 * (up[i] + up[i + 1]) / 2,
                    np.array([-half[i], -half[i + 1], half[i + 1], half[i]]) * 0.88,
                )
                self.fill(inset, self.glass())

    def glass(self) -> np.ndarray:
        """Return the colour of a window: dark, or with the sky in it."""
        return mixed(GLASS, self.world.canvas.haze, self.world.uniform(0.0, 0.45))

    def flank(self, style: Style, stations: np.ndarray, side: int, colour: np.ndarray, label: int) -> None:
        """Draw one side: the body under the belt line, the cabin over it, windows, a crease, handles."""
        world = self.world
        along, up, half = stations.T
        light = 0.82 + 0.2 * side * world.sun * (1 if self.cosine > 0 else -1)
        belt = [0, 1, 2, 3, 4, 9, 10, 11, 12]
        self.fill(self.place(along[belt], up[belt], side * half[belt]), colour * light, label)
        shoulder = np.array([0.2, 0.46, 0.56, 0.56, 0.48, 0.2]) * self.height
        broad = self.place([0.06, 0.05, 0.2, 0.8, 0.95, 0.94], shoulder, side * self.half)
        self.fill(broad, colour * light, label)
        cabin = [4, 5, 6, 7, 8, 9]
        self.fill(self.place(along[cabin], up[cabin], side * half[cabin]), colour * light * 0.96, label)
        if self.pixels_high < 5:
            return
        self.side_windows(style, side, half[6], colour * light)
        if self.pixels_high > 12:
            crease = self.place(
                [0.05, 0.95, 0.95, 0.05], np.array([0.40, 0.42, 0.45, 0.43]) * self.height, side * self.half
            )
            self.fill(crease, colour * light * world.uniform(0.65, 1.3), opacity=0.7)
            sill = self.place(
                [0.25, 0.75, 0.75, 0.25], np.array([0.17, 0.17, 0.23, 0.23]) * self.height, side * self.half
            )
            self.fill(sill, colour * 0.35, opacity=0.8)

    def side_windows(self, style: Style, side: int, crown: float, colour: np.ndarray) -> None:
        """Draw the glass between belt line and roof, parted by a pillar."""
        first, last = style.roof
        low, high = max(style.hood, style.deck) + 0.03, 0.92
        edges = np.array([style.cowl + 0.04, first + 0.02, last - 0.01, style.tail - 0.05])
        if style.panelled:
            edges[2:] = first + 0.16, first + 0.18
        belt = self.half * 0.93
        glass = self.place(
            edges, np.array([low, high, high, low]) * self.height, side * np.array([belt, crown, crown, belt])
        )
        self.fill(glass, self.glass())
        middle = (edges[1] + edges[2]) / 2 + 0.02
        if self.pixels_high > 10 and not style.panelled:
            up, across = np.array([low, high, high, low]) * self.height, side * np.array([belt, crown, crown, belt])
            pillar = self.place([middle, middle, middle + 0.03, middle + 0.03], up, across)
            self.fill(pillar, colour * 0.8)

    def wheels(self, side: int, axles: tuple[float, float], radius: float, label: int, colour: np.ndarray) -> None:
        """Draw two wheels with rims, and the dark arch over them where the flank is seen."""
        turn = np.linspace(0, 2 * np.pi, 12 if self.pixels_high > 10 else 7, endpoint=False)
        near = self.faces(side)
        rim = self.world.pick(((150, 152, 155), (95, 96, 100), (40, 40, 42)))
        for axle in axles:
            along = axle + np.cos(turn) * radius / self.length
            if near and self.pixels_high > 8:
                arch = self.place(axle + 1.18 * np.cos(turn[turn <= np.pi]) * radius / self.length,
                                  radius + 1.18 * np.sin(turn[turn <= np.pi]) * radius, side * self.half)  # fmt: skip
                self.fill(arch, colour * 0.2, label)
            self.fill(self.place(along, radius + np.sin(turn) * radius, side * self.half * 0.96), TYRE, label)
            if near and self.pixels_high > 12:
                inner = axle + np.cos(turn) * radius * 0.6 / self.length
                self.fill(self.place(inner, radius + np.sin(turn) * radius * 0.6, side * self.half * 0.98), rim)
            if not near:  # seen through under the floor, from the front and the rear: a wheel has a width
                tread = self.place(
                    axle, [0.0, 1.6 * radius, 1.6 * radius, 0.0], side * self.half * np.array([0.96, 0.96, 0.7, 0.7])
                )
                self.fill(tread, TYRE, label)

    def ends(self, stations: np.ndarray, clearance: float, colour: np.ndarray, label: int) -> None:
        """Draw the end that the camera sees: tyres under the bumper, lamps, grille or number plate."""
        rear = self.pose.x * self.sine + self.pose.z * self.cosine > 0
        if abs(self.pose.x * self.sine + self.pose.z * self.cosine) < 0.25 * abs(self.pose.z):
            return
        at, up = (1.0, 0.56) if rear else (0.0, 0.46)
        half, top = self.half * 0.86, self.height
        for side in (-1, 1):
            tread = self.place(0.97 if rear else 0.03, [0.0, clearance + 0.05, clearance + 0.05, 0.0],
                               side * self.half * np.array([0.92, 0.92, 0.66, 0.66]))  # fmt: skip
            self.fill(tread, TYRE, label)
        if self.pixels_high < 6:
            return
        lamp = np.array([170, 25, 20]) if rear else np.array([235, 235, 225])
        lamp = lamp * self.world.uniform(0.6, 1.1)
        inner = self.world.uniform(0.55, 0.78)
        for side in (-1, 1):
            spot = self.place(
                at, np.array([up - 0.10, up, up, up - 0.10]) * top, side * half * np.array([1, 1, inner, inner])
            )
            self.fill(spot, lamp)
        plate = self.place(at, np.array([0.30, 0.38, 0.38, 0.30]) * top, half * np.array([-0.32, -0.32, 0.32, 0.32]))
        self.fill(plate, (215, 212, 190))
        if not rear:
            grille = self.place(at, np.array([0.36, 0.44, 0.44, 0.36]) * top, half * np.array([-0.5, -0.5, 0.5, 0.5]))
            self.fill(grille, (30, 30, 32))
        bumper = self.place(at, np.array([0.18, 0.24, 0.24, 0.18]) * top, half * np.array([-0.9, -0.9, 0.9, 0.9]))
        self.fill(bumper, colour * 0.4)

    def mirrors(self, style: Style, colour: np.ndarray, label: int) -> None:
        """Draw mirrors beside the windscreen."""
        up = np.array([0.60, 0.72, 0.72, 0.60]) * self.height
        for side in (-1, 1):
            out = self.world.uniform(1.15, 1.25)
            across = side * self.half * np.array([0.9, 0.98, out, out])
            self.fill(self.place(style.cowl + 0.05, up, across), colour * 0.7, label)

    def rack(self, style: Style, label: int) -> None:
        """Draw a roof box or a pair of rails."""
        first, last = style.roof
        tall = self.world.uniform(0.06, 0.22)
        narrow = self.half * self.world.uniform(0.25, 0.6)
        tone = np.full(3, self.world.uniform(25, 120))
        for across in (-narrow, narrow):
            side = self.place(
                [first, first + 0.02, last - 0.02, last], self.height + np.array([0, tall, tall, 0]), across
            )
            self.fill(side, tone, label)
        for along in (first + 0.02, last - 0.02):
            end = self.place(along, self.height + np.array([0, tall, tall, 0]), narrow * np.array([-1, -1, 1, 1]))
            self.fill(end, tone * 0.9, label)

    def shadow(self) -> None:
        """Draw the dark ground under the vehicle, stretched away from the sun."""
        shift = -self.world.sun * self.height * 0.7
        around = np.array([-1.12, -1.12, 1.12, 1.12]) * self.half
        under = self.place([-0.03, 1.03, 1.03, -0.03], 0.0, around)
        self.world.canvas.polygon(under, (12, 12, 16, int(255 * min(0.8, self.world.shade + 0.25))))
        cast = self.place([0.0, 1.0, 1.0, 0.0], 0.0, around + shift)
        self.world.canvas.polygon(cast, (12, 12, 16, int(255 * self.world.shade * 0.7)))


def _turn(face: np.ndarray) -> float:
    """Return twice the signed area of a quadrilateral (4, 2): above 0 where its corners run clockwise as seen."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = face.tolist()
    return (cx - ax) * (dy - by) - (dx - bx) * (cy - ay)
