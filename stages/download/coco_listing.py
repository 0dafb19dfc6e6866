"""From COCO instance files to pictures with labels.

An image in which every object has a segmentation is pixel-perfect, also one without any object; any other is a box
image, whose masks are used where they are. Label ids are 0 for background, 1, 2 ... for the annotated categories by
their ids, 255 for crowd regions.
"""

import math
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from stages import pictures, progress
from stages.download import coco_json, coco_masks
from stages.download.coco_items import Item, find_items, name_of
from stages.download.coco_json import Annotation, Document
from stages.download.coco_masks import VOID, BadMask, RunLengths
from stages.download.listing import GivenBox, Listing, Pair, refuse
from stages.errors import UserError
from stages.pictures import Header

MOST_CLASSES = 254
"""Label ids beside background and void."""
FOLDER = "labels"
"""Where label pictures lie, beside the manifest."""
MASKS = "draw a mask around every object of some images; boxes alone cannot say how well a model does"


@dataclass
class Objects:
    """What is known of one picture's objects, upright."""

    boxes: list[GivenBox]
    masks: list[tuple[int, RunLengths]]
    frame: tuple[int, int]
    """Width and height of the picture that the masks were drawn on."""
    turned: int
    """The EXIF orientation that brings it upright; 1 where it was upright."""
    clipped: int = 0
    """Boxes that reached out of the picture."""


def listing(root: Path, index: list[Path], files: Mapping[Path, str], out: Path) -> Listing:
    """Check what annotation files say, and draw their masks as label pictures into `out`.

    Args:
        root: The folder of pictures.
        index: Every file below it.
        files: The annotation files, each with the part of its images: train, val or test.
        out: A folder of this project's own.

    Raises:
        UserError: Naming the first thing that is wrong, with the count of the others.
    """
    documents = {file: coco_json.read(file) for file in files}
    items = find_items(root, index, documents, files)
    refuse(_without_annotation(documents))
    classes = _classes(documents)
    headers = _headers(root, items)
    objects = _objects(items, headers, documents, classes)
    refuse(_what_is_lacking(items, documents))
    _draw(items, objects, out)
    pairs = [
        Pair(item.path, item.split, item.path, _label_file(item), None, tuple(each.boxes), item.pixel_perfect)
        for item, each in zip(items, objects, strict=True)
    ]
    return Listing(
        "coco",
        root,
        tuple(sorted(pairs, key=lambda pair: pair.id)),
        frozenset({*range(len(classes) + 1), VOID}),
        labels_root=out,
        classes=classes,
        notes=tuple(_notes(items, objects, headers, classes, documents)),
    )


def _classes(documents: Mapping[Path, Document]) -> tuple[str, ...]:
    """Return the names of the categories that have annotations: the first file's by their ids, then what others add.

    A name is one class. Tools list categories that nobody uses: Roboflow one of its own.
    """
    names: dict[str, None] = {}
    for document in documents.values():
        used = {annotation.category_id for annotation in document.annotations}
        names |= {part.name: None for part in sorted(document.categories, key=lambda part: part.id) if part.id in used}
    if len(names) > MOST_CLASSES:
        raise UserError(f"{next(iter(documents))}: {len(names)} categories; allowed: at most {MOST_CLASSES}")
    return tuple(names)


def _headers(root: Path, items: list[Item]) -> list[Header]:
    """Read every picture's size and orientation."""

    def read(item: Item) -> Header | str:
        try:
            return pictures.read_header(root / item.path)
        except UserError as error:
            return str(error)

    with ThreadPoolExecutor() as pool:
        found = list(pool.map(read, items))
    refuse([header for header in found if isinstance(header, str)])
    return [header for header in found if not isinstance(header, str)]


# ---- objects ---------------------------------------------------------------------------------------------------------


def _objects(
    items: list[Item], headers: list[Header], documents: Mapping[Path, Document], classes: tuple[str, ...]
) -> list[Objects]:
    """Return each picture's boxes and masks."""
    labels = {
        file: {part.id: classes.index(part.name) + 1 for part in document.categories if part.name in classes}
        for file, document in documents.items()
    }
    problems: list[str] = []
    objects = []
    for item, header in zip(items, headers, strict=True):
        listed = (item.listed.width or header.upright[0], item.listed.height or header.upright[1])
        if listed not in (header.stored, header.upright):
            problems.append(
                f"{item.file}: says {_by(listed)} pixels of {item.path}, which has {_by(header.upright)}; "
                "export the annotations at the size of the pictures"
            )
            continue
        # Where both sizes are the same, upright: that is how browsers show a picture that is annotated.
        each = Objects([], [], listed, header.orientation if listed != header.upright else 1)
        for place, annotation in enumerate(item.annotations):
            try:
                _add(each, annotation, labels[item.file][annotation.category_id], header.upright)
            except BadMask as problem:
                problems.append(
                    f"{item.file}: {name_of(annotation, place)} of {item.path}: {problem}; correct it, or delete it"
                )
        objects.append(each)
    refuse(problems)
    return objects


def _add(each: Objects, annotation: Annotation, label: int, upright: tuple[int, int]) -> None:
    """Add one annotation to a picture's objects."""
    mask = coco_masks.encode(annotation, each.frame) if annotation.has_mask else None
    if annotation.has_box:
        x, y, width, height = _whole(annotation.bbox or [], each.frame)
        left, top = max(x, 0), max(y, 0)
        right, bottom = min(x + width, each.frame[0]), min(y + height, each.frame[1])
        if right <= left or bottom <= top:
            raise BadMask(f"its box {annotation.bbox} is outside of the picture of {_by(each.frame)} pixels")
        box = (left, top, right - left, bottom - top)
        each.clipped += box != (x, y, width, height)
    elif mask is not None:
        box = coco_masks.box(mask)
    else:
        raise BadMask("it has neither a box nor a segmentation")
    crowd = bool(annotation.iscrowd)
    each.boxes.append(GivenBox(label, turn_box(box, upright, each.turned), crowd, mask is not None))
    if mask is not None:
        each.masks.append((VOID if crowd else label, mask))
    elif crowd:
        each.masks.append((VOID, coco_masks.rectangle(box, each.frame)))


def _whole(bbox: list[float], frame: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return a box in whole pixels, of one pixel at least: its edges are rounded.

    One that begins in the last pixel of the `frame` (width, height) has that pixel.
    """
    if len(bbox) != 4 or not bbox[2] > 0 or not bbox[3] > 0 or not all(map(math.isfinite, (*bbox, *_ends(bbox)))):
        raise BadMask(f"its box is {bbox}; allowed: x, y, width and height in pixels, the last two above 0")
    left, top = (
        min(round(start), size - 1) if start < size else round(start)
        for start, size in zip(bbox[:2], frame, strict=True)
    )
    right, bottom = map(round, _ends(bbox))
    return left, top, max(1, right - left), max(1, bottom - top)


def _ends(bbox: list[float]) -> tuple[float, float]:
    return bbox[0] + bbox[2], bbox[1] + bbox[3]


def turn_box(box: tuple[int, int, int, int], upright: tuple[int, int], orientation: int) -> tuple[int, int, int, int]:
    """Return a box that was drawn on a stored picture, as it lies on the upright one of size (width, height)."""
    x, y, width, height = box
    if orientation in pictures.TURNED:
        x, y, width, height = y, x, height, width
    if orientation in (2, 3, 6, 7):  # the upright picture's columns run the other way
        x = upright[0] - x - width
    if orientation in (3, 4, 7, 8):  # and its rows
        y = upright[1] - y - height
    return x, y, width, height


def _draw(items: list[Item], objects: list[Objects], out: Path) -> None:
    shutil.rmtree(out / FOLDER, ignore_errors=True)
    with progress.bar(len(items), "drawing labels") as bar:
        for item, each in zip(items, objects, strict=True):
            file = out / _label_file(item)
            ids = pictures.turn(coco_masks.draw(each.masks, each.frame), each.turned)
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(ids).save(file, compress_level=1)
            except OSError as error:
                raise UserError(
                    f"{file}: its labels cannot be written ({error.strerror}); rename the picture"
                ) from None
            bar.update()


def _label_file(item: Item) -> str:
    return f"{FOLDER}/{item.path}.png"


# ---- what the user should know ---------------------------------------------------------------------------------------


def _without_annotation(documents: Mapping[Path, Document]) -> list[str]:
    """Name the files that say nothing."""
    return [
        f"{file}: has no annotation; annotate its {len(document.images)} images, or leave the file out"
        for file, document in documents.items()
        if not document.annotations
    ]


def _what_is_lacking(items: list[Item], documents: Mapping[Path, Document]) -> list[str]:
    """Return why no training is possible, if it is not."""
    if not any(annotation.has_mask for item in items for annotation in item.annotations):
        return [f"{next(iter(documents))}: no annotation has a segmentation, only boxes; {MASKS}"]
    boxes_alone = [item for item in items if item.split != "train" and not item.pixel_perfect]
    return [f"{item.file}: {item.path} is for validation and lacks masks; {MASKS}" for item in boxes_alone]


def _notes(
    items: list[Item],
    objects: list[Objects],
    headers: list[Header],
    classes: tuple[str, ...],
    documents: Mapping[Path, Document],
) -> list[str]:
    """Return what was decided for the user, with counts."""
    empty = [item for item in items if not item.annotations]
    mixed = [item for item in items if not item.pixel_perfect and any(a.has_mask for a in item.annotations)]
    square = [
        item
        for item, header, each in zip(items, headers, objects, strict=True)
        if header.orientation != 1 and header.stored == header.upright and item.annotations
    ]
    counted = [
        (empty, "have no annotation: all background, as if masks said so; leave out what is not annotated yet"),
        (mixed, "have masks for some objects: box images, their masks are used where they are"),
        (square, "are turned by their EXIF orientation: their annotations are taken as of the upright picture"),
    ]
    notes = [f"{len(some)} of {len(items)} images {said} (the first: {some[0].path})" for some, said in counted if some]
    if clipped := sum(each.clipped for each in objects):
        notes.append(f"{clipped} boxes reached out of their pictures and were clipped")
    return notes + _rare_classes(items, classes, documents)


def _rare_classes(items: Iterable[Item], classes: tuple[str, ...], documents: Mapping[Path, Document]) -> list[str]:
    """Name the categories without annotation, and the classes that no pixel-perfect training image shows."""
    names = {file: {part.id: part.name for part in one.categories} for file, one in documents.items()}
    masked: set[str] = set()
    for item in items:
        if item.pixel_perfect and item.split == "train":
            masked.update(names[item.file][a.category_id] for a in item.annotations if not a.iscrowd)
    unused = sorted({name for known in names.values() for name in known.values()} - set(classes))
    unmasked = [name for name in classes if name not in masked]
    notes = [f"no annotation is of the category {', '.join(unused)}: left out"] if unused else []
    return notes + [
        f"no pixel-perfect training image has {name}: labels in its boxes can never flip, since the cap on flips is "
        "measured on masks; draw the masks of one image with it"
        for name in unmasked
    ]


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
