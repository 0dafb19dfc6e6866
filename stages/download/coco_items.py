"""The pictures that COCO instance files list, found by their names, each with its annotations."""

import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stages.config import LONGEST_NAME, RESERVED
from stages.download.coco_json import Annotation, Document, Picture
from stages.download.listing import is_text, refuse, unwritable


@dataclass
class Item:
    """One picture and what the files say of it."""

    file: Path
    """The annotation file that lists it."""
    path: str
    """Relative to the root of pictures."""
    split: str
    listed: Picture
    annotations: list[Annotation] = field(default_factory=list)

    @property
    def pixel_perfect(self) -> bool:
        """Whether every object has a mask; of a region of many, the void needs none."""
        return all(annotation.has_mask or annotation.iscrowd for annotation in self.annotations)


def find_items(
    root: Path, index: list[Path], documents: Mapping[Path, Document], files: Mapping[Path, str]
) -> list[Item]:
    """Return each listed picture with its annotations.

    Args:
        root: The folder of pictures.
        index: Every file below it.
        documents: The annotation files, read.
        files: Each file's part: train, val or test.

    Raises:
        UserError: A picture is not there, may be one of several, or is listed twice; an annotation is of an image or
            a category that the file does not list.
    """
    finder = Finder(root, index)
    items: list[Item] = []
    problems: list[str] = []
    for file, document in documents.items():
        by_id: dict[int, Item] = {}
        categories = {category.id for category in document.categories}
        problems += _bad_categories(file, document)
        for listed in document.images:
            try:
                path = finder.find(listed.file_name, file.parent)
            except NotFound as problem:
                problems.append(f"{file}: {problem}")
                continue
            if not is_text(path):
                problems.append(unwritable(root / path))
            elif by_id.setdefault(listed.id, item := Item(file, path, files[file], listed)) is not item:
                problems.append(f"{file}: two images have the id {listed.id}: {by_id[listed.id].path}, {path}")
        refuse(problems)
        for place, annotation in enumerate(document.annotations):
            name = name_of(annotation, place)
            if annotation.image_id not in by_id:
                problems.append(f"{file}: {name} is of image {annotation.image_id}, which the file does not list")
            elif annotation.category_id not in categories:
                problems.append(
                    f"{file}: {name} is of category {annotation.category_id}, which is not among its categories"
                )
            else:
                by_id[annotation.image_id].annotations.append(annotation)
        items += by_id.values()
    refuse(problems + _listed_twice(items))
    return items


def _bad_categories(file: Path, document: Document) -> list[str]:
    """Name the categories that cannot be told apart and, of those in use, whose names a report cannot bear."""
    problems, by_id = [], dict[int, str]()
    used = {annotation.category_id for annotation in document.annotations}
    for category in document.categories:
        first = by_id.setdefault(category.id, category.name)
        if first != category.name:
            problems.append(f"{file}: two categories have the id {category.id}: {first}, {category.name}")
        name, fits = category.name, len(category.name) <= LONGEST_NAME and category.name.isprintable()
        if category.id not in used:
            continue
        if name.lower() in RESERVED:
            problems.append(f"{file}: a category is called {name}, which means something else here; rename it")
        elif not name.strip() or not fits:
            shown = ascii(name[:LONGEST_NAME])
            allowed = f"1 to {LONGEST_NAME} printable characters"
            problems.append(f"{file}: a category is called {shown}; allowed: {allowed}; rename it")
    return problems


def _listed_twice(items: list[Item]) -> list[str]:
    """Name the pictures that two entries list, and the files that do."""
    known: dict[str, Item] = {}
    again = [(known[item.path], item) for item in items if known.setdefault(item.path, item) is not item]
    return [
        f"{b.file}: lists {b.path}, which {'it' if a.file == b.file else a.file} lists too; take it out of one"
        for a, b in again
    ]


class NotFound(Exception):
    """Why a picture is not found."""


class Finder:
    """Pictures by the names that annotation files call them."""

    def __init__(self, root: Path, index: list[Path]):
        self.root = root
        self.paths: dict[str, str] = {}
        self.by_name: dict[str, list[str]] = defaultdict(list)
        self.folders: set[str] = set()
        for file in index:
            path = file.relative_to(root).as_posix()
            normal = _normal(path)
            self.paths[normal] = path
            self.by_name[posixpath.basename(normal)].append(path)
            self.folders.update(normal.split("/")[:-1])

    def find(self, name: str, beside: Path) -> str:
        """Return a picture's path relative to the root.

        It is searched beside the annotation file, from the root, and anywhere below it, by all of its name. If there is
        no folder like the name's, because the pictures were moved, it is searched without its folders.

        Raises:
            NotFound: There is no such picture, or more than one.
        """
        name = _normal(name.replace("\\", "/"))
        here = beside.relative_to(self.root).as_posix() if beside.is_relative_to(self.root) else "."
        for path in (posixpath.normpath(posixpath.join(here, name)), posixpath.normpath(name)):
            if path in self.paths:
                return self.paths[path]
        folders, base = posixpath.split(name.lstrip("./"))
        found = [
            path for path in self.by_name[base] if f"/{_normal(path)}".endswith(posixpath.join("/", folders, base))
        ]
        if not found and posixpath.basename(folders) not in self.folders:
            found = self.by_name[base]
        if not found:
            raise NotFound(f"{name} is not in {self.root}; put it there, or take it out of the file")
        if len(found) > 1:
            raise NotFound(f"{name} may be {found[0]} or {found[1]} in {self.root}; write the folder into file_name")
        return found[0]


def _normal(name: str) -> str:
    """Return a name with each letter in one form: macOS writes accents as characters of their own."""
    return unicodedata.normalize("NFC", name)


def name_of(annotation: Annotation, place: int) -> str:
    """Return how messages call an annotation: by its id, else by its place."""
    return f"annotation {annotation.id if annotation.id is not None else f'number {place + 1}'}"
