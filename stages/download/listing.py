"""What a source finds: pictures and their labels, by name. Nothing here opens a file."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stages.errors import UserError


@dataclass(frozen=True)
class GivenBox:
    """A box that the data give, at full resolution."""

    label: int
    """The label id of its class, as in the label picture."""
    bbox: tuple[int, int, int, int]
    """x, y, width, height in whole pixels, inside the picture, of at least one pixel."""
    crowd: bool
    """Of a region of many objects rather than of one."""
    masked: bool
    """Whether the label picture shows the object's mask."""


@dataclass(frozen=True)
class Pair:
    """One image and its labels; the image's path relative to the listing's root, the others' to its labels' root."""

    id: str
    split: str
    image: str
    labels: str
    instances: str | None
    boxes: tuple[GivenBox, ...] | None = None
    """None where boxes are to be made from the masks."""
    pixel_perfect: bool = True
    """Whether every object in the image has its mask."""
    group: str | None = None
    """What it shares with images that show the same, such as a drive or a slide; None where nothing is known."""


@dataclass(frozen=True)
class Listing:
    """A folder of pictures with labels."""

    layout: str
    """The source's name, for messages."""
    root: Path
    pairs: tuple[Pair, ...]
    known_ids: frozenset[int]
    """Label ids that a label picture may hold."""
    instance_ids: frozenset[int] = frozenset()
    """Label ids whose objects have instance ids, label id * 1000 + n."""
    labels_root: Path | None = None
    """The folder of label and instance pictures; None where they lie below `root` too."""
    classes: tuple[str, ...] | None = None
    """Names of the label ids 1, 2 ..., where the source knows them."""
    published: dict[str, int] | None = None
    """Images of the complete release, by split."""
    notes: tuple[str, ...] = ()
    """What the user should know, a line each."""

    @property
    def labels_folder(self) -> Path:
        """The folder that paths of label and instance pictures start at."""
        return self.labels_root or self.root


def refuse(problems: list[str]) -> None:
    """Raise the first of some problems with the count of the others, if there are any.

    Raises:
        UserError: there is at least one problem.
    """
    if problems:
        others = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UserError(f"{problems[0]}{others}")


def complete(root: Path, pairs: Iterable[Pair], labels: Iterable[str], required: Iterable[str]) -> tuple[Pair, ...]:
    """Return pairs by id, after a check that each has its files, no label file is left over and no id is twice.

    `labels` are all label files under `root` (relative paths), `required` the splits that must not be empty.

    Raises:
        UserError: naming the first file or split that is missing, or a name that is no text.
    """
    pairs = tuple(sorted(pairs, key=lambda pair: pair.id))
    splits = {pair.split for pair in pairs}
    problems = [f"{root}: no images of the split {split}" for split in required if split not in splits]
    problems += [unwritable(root / path) for pair in pairs for path in (pair.image, pair.labels) if not is_text(path)]
    for pair in pairs:
        for what, path in (("labels", pair.labels), ("instance ids", pair.instances)):
            if path and not (root / path).is_file():
                problems.append(f"{root / pair.image}: its {what} are missing, expected {root / path}")
    expected = {pair.labels for pair in pairs}
    problems += [f"{root / path}: a label file without its image" for path in sorted(set(labels) - expected)]
    refuse(problems + twice(root, pairs))
    return pairs


def twice(root: Path, pairs: Iterable[Pair]) -> list[str]:
    """Return a line for each image that has another's id."""
    known: dict[str, Pair] = {}
    clashes = [(known[pair.id], pair) for pair in pairs if known.setdefault(pair.id, pair) is not pair]
    return [f"{root}: two images are called {b.id}: {a.image}, {b.image}" for a, b in clashes]


def is_text(path: str) -> bool:
    """Return whether a file's name is UTF-8: a byte of another encoding would stop a later stage."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def unwritable(path: Path) -> str:
    """Return the line that refuses a name which is not UTF-8, the bytes at fault as `\\xe9`."""
    return f"{os.fsencode(path).decode('utf-8', 'backslashreplace')}: its name is not UTF-8; rename it"
