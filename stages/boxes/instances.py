"""From label and instance ids to class masks and tight boxes, at full resolution."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from stages.arrays import VOID
from stages.boxes.classes import LabelIds
from stages.boxes.fit import Window
from stages.boxes.scenes import Entry, Scene
from stages.config import Boxes
from stages.errors import UserError

IDS_PER_LABEL = 1000
"""Cityscapes' instance ids are label id * 1000 + n; a smaller one is a plain label id (no instance, or a group)."""

EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Instance:
    """The visible extent of one instance, or of one connected region of a group."""

    label: int
    """Mask value of its class: 1, 2 ..."""
    bbox: tuple[int, int, int, int]
    """x, y, width, height in pixels at full resolution: the smallest box with every visible pixel."""
    area: int
    """Visible pixels at full resolution."""
    group: bool
    masked: bool = False
    """Whether its mask is known in an image that has not all masks: it is drawn by its mask."""


@dataclass(frozen=True)
class Found:
    """What a scene holds at full resolution.

    Attributes:
        instances: All of them, of any area.
        masks: uint8 (H, W) by task: `few`, and `all` where the dataset has that task; values of `arrays.Classes`.
    """

    instances: list[Instance]
    masks: dict[str, np.ndarray]


def find(scene: Scene, entry: Entry, profile: Boxes, ids: LabelIds, part: Window) -> Found:
    """Find all instances of a scene, of any area, and its masks.

    Instances come by class, then groups after single instances, then by instance id or by first pixel in reading
    order. A group region (a plain class id among instance ids) is by `profile.groups` either one instance per
    8-connected region (`box`), or void in the mask and no instance (`void`). An instance under the minimum area is
    still among those returned: it gets no box, and its pixels stay the class in the mask. With `instances: given` the
    boxes are those of the source, clipped to the window.

    Args:
        scene: The window of the scene.
        entry: Names its files, and has the given boxes in pixels of the whole picture.
        profile: Of the dataset.
        ids: The label ids of its classes.
        part: The window.

    Raises:
        UserError: Label and instance ids disagree about a pixel of a class with boxes; names the file.
    """
    tasks = ["few", *(task for task in ids.classes.tasks if task == "all")]
    masks = {task: ids.mask(scene.labels, task) for task in tasks}
    if scene.outside is not None:
        for mask in masks.values():
            mask[scene.outside] = VOID
    mask = masks["all" if "all" in masks else "few"]
    present = [label for label in range(1, len(ids.classes.boxed) + 1) if (mask == label).any()]
    if profile.instances == "given":
        return Found(_given(entry, ids, part), masks)
    if profile.instances == "components":
        return Found([one for label in present for one in _components(mask == label, label, False)], masks)
    assert scene.instances is not None
    semantic = np.where(scene.instances < IDS_PER_LABEL, scene.instances, scene.instances // IDS_PER_LABEL)
    _check_agreement(semantic, scene.labels, entry, ids)
    instances = []
    for label in present:
        group = (mask == label) & (scene.instances < IDS_PER_LABEL)
        instances += _by_id(scene.instances, (mask == label) & ~group, label)
        if profile.groups == "box":
            instances += _components(group, label, True)
        else:
            for each in masks.values():
                each[group] = VOID
    return Found(instances, masks)


def _given(entry: Entry, ids: LabelIds, part: Window) -> list[Instance]:
    """Return the source's own boxes, those of crowds left out, by class and then in the source's order."""
    found = []
    for box in entry.boxes or ():
        value, clipped = ids.value(box.label), part.clip(box.bbox)
        if value is not None and clipped is not None and not box.crowd:
            masked = box.masked and not entry.pixel_perfect
            found.append(Instance(value, clipped, clipped[2] * clipped[3], False, masked))
    return sorted(found, key=lambda instance: instance.label)


def _check_agreement(semantic: np.ndarray, labels: np.ndarray, entry: Entry, ids: LabelIds) -> None:
    """Check that every pixel that is of a class with boxes by its label or by its instance id is so by both."""
    known = [label for label, value in ids.values.items() if value <= len(ids.classes.boxed)]
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
