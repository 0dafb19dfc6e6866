"""The pictures that a user names, as files, folders and patterns, and what their outputs are called."""

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.errors import UserError

SUFFIXES = (".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""What pictures in a folder end with; a file that is named itself may end with anything."""


@dataclass(frozen=True)
class Source:
    """One picture.

    Attributes:
        file: Where it is.
        file_name: Its name in predictions.json: its place below the folder that the user named.
        output: What the names of its outputs begin with, below the folder of outputs.
    """

    file: Path
    file_name: Path
    output: Path

    def outputs(self) -> tuple[Path, ...]:
        """Return the names of all files that a prediction may write, below the folder of outputs."""
        return tuple(
            self.output.with_name(self.output.name + ending)
            for ending in (".png", "_overlay.jpg", "_overlay.png", "_uncertainty.png")
        )


def find(named: Sequence[str], out: Path) -> list[Source]:
    """Find the pictures that a user names.

    A folder gives all pictures below it, without those whose name, or whose folder's name, begins with a dot. A picture
    keeps its place below the folder that was named; one that was named itself, or by a pattern, is called by its name
    alone. Where two would be called alike, all are called by their place below the folder that holds them all; and two
    that differ in their suffix alone keep it in the names of their outputs. One that several paths through linked
    folders lead to is found once.

    Args:
        named: Files, folders and patterns (`*`, `?`, `[..]`, `**`).
        out: The folder of outputs; what lies in it is no input, but for files that are named themselves.

    Raises:
        UserError: A name leads to no picture, or into `out`; or outputs of two pictures would have one name.
    """
    places: dict[str, tuple[str, Path]] = {}  # a picture's absolute path and the folder that the user named
    for name in named:
        pictures = list(_pictures(name, out))
        if not pictures:
            if any(os.path.isdir(match) and _place(match).is_relative_to(_place(out)) for match in _matches(name)):
                raise UserError(f"{name}: lies in --out {out}; give another --out")
            raise UserError(
                f"{name}: no picture found; allowed: a picture, a folder or a pattern of {' '.join(SUFFIXES)}"
            )
        for path, base in pictures:
            places.setdefault(os.path.join(_place(os.path.dirname(path)), os.path.basename(path)), (path, base))
    found = dict(places.values())
    files = [Path(file).relative_to(base) for file, base in found.items()]
    if len(set(files)) < len(files):
        common = os.path.commonpath([os.path.dirname(file) for file in found])
        files = [Path(file).relative_to(common) for file in found]
    alike = Counter(file.with_suffix("") for file in files)
    sources = [
        Source(Path(path), file, file if alike[file.with_suffix("")] > 1 else file.with_suffix(""))
        for path, file in zip(found, files, strict=True)
    ]
    owner: dict[Path, Source] = {}
    for source in sources:
        for output in source.outputs():
            if output in owner:
                raise UserError(
                    f"{owner[output].file} and {source.file}: both would write {output}; rename one of them"
                )
            owner[output] = source
    return sources


def _pictures(name: str, out: Path) -> Iterator[tuple[str, Path]]:
    """Give the absolute path of each picture that a name leads to, and the folder that it is called by."""
    for match in _matches(name):
        path = Path(os.path.abspath(match))
        if path.is_file():
            yield str(path), path.parent
        for file in sorted(path.rglob("*")) if path.is_dir() else ():
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            inside = _place(file.parent).is_relative_to(_place(out))
            if file.suffix.lower() in SUFFIXES and file.is_file() and not hidden and not inside:
                yield str(file), path


def _matches(name: str) -> list[str]:
    return [name] if os.path.exists(name) else sorted(glob.glob(name, recursive=True))


def _place(folder: str | Path) -> Path:
    """Return where a folder is, with all links to it followed."""
    return Path(os.path.realpath(folder))
