"""From label and instance ids to class masks and tight boxes, at full resolution."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from stages.arrays import CLASSES, VOID
from stages.boxes.scenes import Entry, Scene
from stages.config import Boxes, BoxLabels
from stages.errors import UserError

IDS_PER_LABEL = 1000
"""Cityscapes' instance ids are label id * 1000 + n; a smaller one is a plain label id (no instance, or a group)."""

EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Instance:
    """The visible extent of one instance, or of one connected region of a group."""

    label: int
    """Mask value of its class: 1 car, 2 person."""
    bbox: tuple[int, int, int, int]
    """x, y, width, height in pixels at full resolution: the smallest box with every visible pixel."""
    area: int
    """Visible pixels at full resolution."""
    group: bool


def class_mask(labels: np.ndarray, ids: BoxLabels) -> np.ndarray:
    """Return the mask values of label ids, uint8 (H, W) in 0..255: 0 background, 1 car, 2 person, 255 void."""
    table = np.zeros(256, np.uint8)
    for value, members in ((1, ids.car), (2, ids.person), (VOID, ids.void)):
        table[list(members)] = value
    return table[labels]


def find(scene: Scene, entry: Entry, profile: Boxes) -> tuple[list[Instance], np.ndarray]:
    """Find all instances of a scene, of any area, and its mask uint8 (H, W), values as in `class_mask`.

    Instances come by class, then groups after single instances, then by instance id or by first pixel in reading
    order. A group region (a plain class id among instance ids) is by `profile.groups` either one instance per
    8-connected region (`box`), or void in the mask and no instance (`void`). An instance under the minimum area is
    still among those returned: it gets no box, and its pixels stay the class in the mask.

    Raises UserError that names the file when label and instance ids disagree about a car's or a person's pixel.
    """
    mask = class_mask(scene.labels, profile.labels)
    if profile.instances == "components":
        return [found for label in _foreground(mask) for found in _components(mask == label, label, False)], mask
    semantic = np.where(scene.instances < IDS_PER_LABEL, scene.instances, scene.instances // IDS_PER_LABEL)
    _check_agreement(semantic, scene.labels, entry, profile.labels)
    instances = []
    for label in _foreground(mask):
        group = (mask == label) & (scene.instances < IDS_PER_LABEL)
        instances += _by_id(scene.instances, (mask == label) & ~group, label)
        if profile.groups == "box":
            instances += _components(group, label, True)
        else:
            mask[group] = VOID
    return instances, mask


def _foreground(mask: np.ndarray) -> list[int]:
    """Return the classes that have a pixel in a mask."""
    return [label for label in range(1, len(CLASSES)) if (mask == label).any()]


def _check_agreement(semantic: np.ndarray, labels: np.ndarray, entry: Entry, ids: BoxLabels) -> None:
    """Check that every pixel that is a car or a person by its label or by its instance id is so by both."""
    known = [*ids.car, *ids.person]
    wrong = (np.isin(labels, known) | np.isin(semantic, known)) & (semantic != labels)
    if wrong.any():
        y, x = np.argwhere(wrong)[0]
        raise UserError(
            f"{entry.instances}: does not fit {entry.labels.name}: {wrong.sum()} pixels differ in class, "
            f"the first at x={x}, y={y}"
        )


def _by_id(ids: np.ndarray, selected: np.ndarray, label: int) -> list[Instance]:
    """Return one instance per id of the selected pixels, which may lie in several parts (behind a pole)."""
    markers = np.zeros(ids.shape, np.int32)
    _, inverse = np.unique(ids[selected], return_inverse=True)
    markers[selected] = inverse + 1
    return _extents(markers, label, False)


def _components(selected: np.ndarray, label: int, group: bool) -> list[Instance]:
    markers, _ = ndimage.label(selected, EIGHT_NEIGHBOURS)
    return _extents(markers, label, group)


def _extents(markers: np.ndarray, label: int, group: bool) -> list[Instance]:
    """Return box and area of each marker 1..n of an image of markers (0: none)."""
    areas = np.bincount(markers.ravel())[1:]
    return [
        Instance(label, (x.start, y.start, x.stop - x.start, y.stop - y.start), int(area), group)
        for (y, x), area in zip(ndimage.find_objects(markers), areas, strict=True)
    ]
