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
    that differ in their suffix alone keep it in the names of their outputs.

    Args:
        named: Files, folders and patterns (`*`, `?`, `[..]`, `**`).
        out: The folder of outputs; what lies in it is no input.

    Raises:
        UserError: A name leads to no picture, or outputs of two pictures would have one name.
    """
    found: dict[str, Path] = {}  # the folder that the user named, by the picture's absolute path
    for name in named:
        pictures = dict(_pictures(name, out))
        if not pictures:
            raise UserError(
                f"{name}: no picture found; allowed: a picture, a folder or a pattern of {' '.join(SUFFIXES)}"
            )
        found |= {path: base for path, base in pictures.items() if path not in found}
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
    matches = [name] if os.path.exists(name) else sorted(glob.glob(name, recursive=True))
    for match in matches:
        path = Path(os.path.abspath(match))
        if path.is_file():
            yield str(path), path.parent
        for file in sorted(path.rglob("*")) if path.is_dir() else ():
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            inside = file.is_relative_to(os.path.abspath(out))
            if file.suffix.lower() in SUFFIXES and file.is_file() and not hidden and not inside:
                yield str(file), path
