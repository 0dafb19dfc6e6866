"""A small 2-D rasteriser with a pinhole camera: colours and Cityscapes instance ids are drawn by the same calls.

World coordinates are metres: x to the right, y up from the ground, z forward from the camera. Image coordinates are
pixels of the supersampled canvas. Things are drawn from far to near, so the id map holds each thing's visible extent.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

SUPERSAMPLING = 2
NEAR = 0.8  # metres; points closer to the camera are drawn as if they stood here

Colour = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Camera:
    """A camera over a flat street. Lengths in metres, the rest in pixels of the finished picture and in radians."""

    focal: float
    centre: tuple[float, float]  # the vanishing point of the street
    height: float
    roll: float

    def project(self, points: np.ndarray) -> np.ndarray:
        """Map world points (..., 3) in metres to supersampled pixels (..., 2)."""
        return self.pixels(points[..., 0], points[..., 1], points[..., 2])

    def pixels(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Map as `project`, of coordinates that broadcast to one shape (...,)."""
        zoom = self.focal * SUPERSAMPLING / np.maximum(z, NEAR)
        right, down = zoom * x, zoom * (self.height - y)
        cosine, sine = math.cos(self.roll), math.sin(self.roll)
        column = self.centre[0] * SUPERSAMPLING + cosine * right - sine * down
        result = np.empty((*np.shape(column), 2))
        result[..., 0] = column
        result[..., 1] = self.centre[1] * SUPERSAMPLING + sine * right + cosine * down
        return result

    def corners(self, points: Iterable[Sequence[float]]) -> list[float]:
        """Map as `project`, of a few world points (x, y, z), best plain floats: x, y, x, y ... in pixels.

        Most of what is drawn has four corners: arrays of so few take seven times as long.
        """
        cosine, sine = math.cos(self.roll), math.sin(self.roll)
        column, row = self.centre[0] * SUPERSAMPLING, self.centre[1] * SUPERSAMPLING
        result = []
        for x, y, z in points:
            zoom = self.focal * SUPERSAMPLING / (z if z > NEAR else NEAR)
            right, down = zoom * x, zoom * (self.height - y)
            result += (column + cosine * right - sine * down, row + sine * right + cosine * down)
        return result

    def scale(self, depth: float) -> float:
        """Return pixels of the finished picture per metre at `depth` metres."""
        return self.focal / max(depth, NEAR)


class Canvas:
    """The picture that is being drawn, its id map, and the haze between the camera and things far away."""

    def __init__(self, size: tuple[int, int], camera: Camera, haze: Colour, visibility: float):
        """`size` is (width, height) in pixels, `haze` an RGB colour (0-255), `visibility` metres to 63 % haze."""
        self.width, self.height = size
        self.camera = camera
        self.haze = tuple(float(value) for value in haze)
        self.visibility = visibility
        large = (self.width * SUPERSAMPLING, self.height * SUPERSAMPLING)
        self.picture = Image.new("RGB", large)
        self.ids = Image.new("I", large, 0)
        self._solid = ImageDraw.Draw(self.picture)
        self._blend = ImageDraw.Draw(self.picture, "RGBA")
        self._labels = ImageDraw.Draw(self.ids)

    def hazed(self, colour: Colour, depth: float) -> tuple[int, int, int]:
        """Return `colour` as it is seen through `depth` metres of haze, as integers from 0 to 255."""
        clear = math.exp(-depth / self.visibility)
        red, green, blue = colour.tolist() if isinstance(colour, np.ndarray) else colour
        veil = 1 - clear
        far_red, far_green, far_blue = self.haze
        return (
            _byte(red * clear + far_red * veil),
            _byte(green * clear + far_green * veil),
            _byte(blue * clear + far_blue * veil),
        )

    def polygon(self, pixels: np.ndarray | list[float], colour: tuple[int, ...], label: int | None = None) -> None:
        """Fill a polygon, (N, 2) or x, y, x, y ... in supersampled pixels.

        A fourth value of the colour blends; without a label, the ids stay.
        """
        corners = pixels if isinstance(pixels, list) else pixels.ravel().tolist()
        (self._blend if len(colour) == 4 else self._solid).polygon(corners, fill=colour)
        if label is not None:
            self._labels.polygon(corners, fill=label)

    def ellipse(self, box: Sequence[float], colour: tuple[int, ...], label: int | None = None) -> None:
        """Fill the ellipse within `box` (left, top, right, bottom) in supersampled pixels, as `polygon` does."""
        (self._blend if len(colour) == 4 else self._solid).ellipse(box, fill=colour)
        if label is not None:
            self._labels.ellipse(box, fill=label)

    def colour_at(self, point: np.ndarray) -> np.ndarray:
        """Return what has been drawn so far near a world point (3,): an RGB colour, without the haze of its depth."""
        column, row = self.camera.project(point)
        column = int(np.clip(column, 0, self.picture.width - 1))
        row = int(np.clip(row, 0, self.picture.height - 1))
        return np.asarray(self.picture.getpixel((column, row)), dtype=float)

    def finish(self) -> tuple[Image.Image, np.ndarray]:
        """Return the antialiased picture (RGB) and the id map (H, W) int32 at the finished size."""
        ids = np.asarray(self.ids.resize((self.width, self.height), Image.Resampling.NEAREST), dtype=np.int32)
        return self.picture.reduce(SUPERSAMPLING), ids


def _byte(value: float) -> int:
    return 0 if value < 0 else 255 if value > 255 else int(value)
