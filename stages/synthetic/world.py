"""What everything in a synthetic scene shares: the random numbers, the difficulty, the light, the street's plan."""

import colorsys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from stages.synthetic.canvas import Camera, Canvas, Colour

# Cityscapes label ids (cityscapesscripts.helpers.labels).
EGO, OUT_OF_ROI, STATIC, DYNAMIC, ROAD, SIDEWALK = 1, 3, 4, 5, 7, 8
BUILDING, WALL, FENCE, POLE, LIGHT, SIGN, VEGETATION, TERRAIN, SKY = 11, 12, 13, 17, 19, 20, 21, 22, 23
PERSON, RIDER, CAR, TRUCK, BUS, CARAVAN, TRAILER, TRAM, MOTORCYCLE, BICYCLE = 24, 25, 26, 27, 28, 29, 30, 31, 32, 33

LABELS: dict[str, int] = {
    "car": CAR, "person": PERSON, "truck": TRUCK, "bus": BUS, "tram": TRAM, "motorcycle": MOTORCYCLE,
    "bicycle": BICYCLE, "traffic light": LIGHT, "traffic sign": SIGN,
}  # fmt: skip
"""Label ids of the things that can have instances, by their names in a profile."""


@dataclass(frozen=True)
class Difficulty:
    """How hard the scenes are; every knob runs from 0 (easy) to 1 (hard).

    clutter: how many things stand about that look like cars or people and are none, and how much street furniture.
    camouflage: share of cars and people that wear the colour of what is behind them.
    occlusion: how close things stand together, and how often a pole, a tree or a fence stands in front.
    variety: how widely types, shapes, colours, poses, streets and light spread; 0 draws one kind of car by one light.
    distance: how far away cars and people stand, so how small they are; at 0 few are under 15 pixels of 128 high.
    wear: haze, blur, noise, compression and low contrast of the photograph.
    """

    clutter: float
    camouflage: float
    occlusion: float
    variety: float
    distance: float
    wear: float


@dataclass(frozen=True)
class Street:
    """The plan of a straight street; distances from the camera's line in metres, left negative."""

    road: tuple[float, float]
    kerb: tuple[float, float]  # outer edges of the pavements, where the buildings or gardens begin
    kind: str  # canyon | suburb | park


@dataclass
class World:
    """One scene while it is drawn."""

    canvas: Canvas
    rng: np.random.Generator
    difficulty: Difficulty
    street: Street
    sun: float  # -1 from the left ... 1 from the right
    shade: float  # opacity of shadows, 0 to 1
    things: frozenset[int]  # label ids of the classes that are drawn as things with instance ids
    counts: dict[int, int] = field(default_factory=dict)

    def uniform(self, low: float, high: float) -> float:
        """Draw one number, evenly from low to high."""
        return low + (high - low) * self.rng.random()

    def chance(self, probability: float) -> bool:
        """Return true with this probability."""
        return self.rng.random() < probability

    def pick(self, things):
        """Choose one of a sequence, all equally likely."""
        return things[int(self.rng.random() * len(things))]

    def instance(self, label: int) -> int:
        """Return a new instance id of a class: label * 1000 + n, as in Cityscapes."""
        number = self.counts.get(label, 0)
        self.counts[label] = number + 1
        return label * 1000 + number

    def ground(self, points: Iterable[Sequence[float]], colour: tuple[int, ...], label: int | None = None) -> None:
        """Fill a polygon of points (x, y, z) in metres."""
        self.canvas.polygon(self.canvas.camera.corners(points), colour, label)

    def hue(self, saturation: tuple[float, float], value: tuple[float, float]) -> np.ndarray:
        """Choose a random colour (RGB, 0-255) within ranges of saturation and value."""
        return hsv(self.rng.random(), self.uniform(*saturation), self.uniform(*value))

    def visible(self, x: float, z: float, margin: float = 0.15) -> bool:
        """Return whether a thing at (x, z) stands within the picture's width, plus a margin (a share of the width)."""
        camera: Camera = self.canvas.camera
        column = camera.centre[0] + camera.focal * x / max(z, 1.0)
        return -margin * self.canvas.width < column < (1 + margin) * self.canvas.width


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """Return an RGB colour (0-255) from hue, saturation and value (0-1)."""
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value)) * 255


def mixed(colour: Colour, other: Colour, share: float) -> np.ndarray:
    """Return `colour` with a share of `other`."""
    return np.asarray(colour, dtype=float) * (1 - share) + np.asarray(other, dtype=float) * share
