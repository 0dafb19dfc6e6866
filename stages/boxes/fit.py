"""How pictures of any aspect come to the training size's: whole, their centre, or with void around them."""

from dataclasses import dataclass, replace

import numpy as np

from stages.boxes.scenes import Scene


@dataclass(frozen=True)
class Window:
    """The part of a picture that is packed, in pixels of the picture; it may reach beyond it."""

    left: int
    top: int
    width: int
    height: int

    def clip(self, bbox: tuple[int, int, int, int]) -> tuple[int, int, int, int] | None:
        """Return the part of a box (x, y, width, height) that lies inside, in pixels of the window; None for none."""
        x, y, width, height = bbox
        left, right = (min(max(edge - self.left, 0), self.width) for edge in (x, x + width))
        top, bottom = (min(max(edge - self.top, 0), self.height) for edge in (y, y + height))
        return (left, top, right - left, bottom - top) if left < right and top < bottom else None


def window(picture: tuple[int, int], size: tuple[int, int], fit: str) -> Window:
    """Return the window of a picture.

    Args:
        picture: Its width and height.
        size: The training size.
        fit: `whole`: all of it, whatever its aspect. `centre`: the largest window of the training size's aspect in its
            middle. `pad`: the smallest one that holds all of it.
    """
    (width, height), (across, down) = picture, size
    if fit == "whole":
        return Window(0, 0, width, height)
    wide = width * down > height * across  # wider than the training size
    if wide == (fit == "centre"):
        new = (max(1, round(height * across / down)), height)
    else:
        new = (width, max(1, round(width * down / across)))
    return Window((width - new[0]) // 2, (height - new[1]) // 2, *new)


def cut(scene: Scene, part: Window) -> Scene:
    """Return the window of a scene; what lies beyond the picture is black, and marked as outside."""
    width, height = scene.image.size
    box = (part.left, part.top, part.left + part.width, part.top + part.height)
    if box == (0, 0, width, height):
        return scene
    beyond = np.ones((height, width), bool)
    return replace(
        scene,
        image=scene.image.crop(box),
        labels=_cut(scene.labels, part),
        instances=None if scene.instances is None else _cut(scene.instances, part),
        outside=~_cut(beyond, part),
    )


def _cut(array: np.ndarray, part: Window) -> np.ndarray:
    """Return the window of an array (H, W), with zeros beyond it."""
    height, width = array.shape
    out = np.zeros((part.height, part.width), array.dtype)
    top, left = max(0, -part.top), max(0, -part.left)
    inner = array[max(0, part.top) : part.top + part.height, max(0, part.left) : part.left + part.width]
    out[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return out
