"""Files that a user asked for: never written over unasked, never half written."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stages.errors import UserError

LONGEST_NAME = 255
"""Bytes of a name, on Linux and macOS."""


def out_path(name: str) -> Path:
    """Return the path that `--out` names.

    Raises:
        UserError: The name is empty, which a path would take for the working directory.
    """
    if not name:
        raise UserError("--out is empty; allowed: a path to write to, such as out")
    return Path(name)


def check_outputs(files: Iterable[Path], force: bool, inputs: Iterable[Path] = ()) -> None:
    """Check, before any work, that files can be written and what that would write over.

    Args:
        files: To be written.
        force: Whether regular files that exist are written over.
        inputs: Files that are read. They are never written over, whatever path leads to them.

    Raises:
        UserError: A file is an input, exists without `force`, is no regular file, or has a name or a folder in which
            it cannot be written; names the first of them.
    """
    files, read = list(files), set()
    for file in inputs:
        with suppress(OSError):  # whoever reads it says so
            read.add(_identity(file.stat()))
    for folder in dict.fromkeys(file.parent for file in files):
        _check_folder(folder)
    found = []
    for file in files:
        status = _status(file)
        if status is None:
            _check_name(file)
            continue
        if _identity(status) in read:
            raise UserError(f"{file}: is one of the pictures and would be written over; take another --out")
        found.append(file)
    if found and not force:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise UserError(f"{found[0]}: exists already{more}; take another --out, or --force to overwrite")


@contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """Give a path beside `file` to write to, and rename it to `file` at the end; after an error neither is left.

    Raises:
        UserError: It cannot be written, its folder cannot be made, or it exists and is no regular file.
    """
    _status(file)
    unfinished = _unfinished(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield unfinished
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{file}: cannot be written: {error.strerror or error}") from None


def _unfinished(file: Path) -> Path:
    return file.with_name(f".{file.name}.partial")


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _status(file: Path) -> os.stat_result | None:
    """Return the status of a regular file, None where there is none.

    Raises:
        UserError: It is a link, a folder, a device or the like, which a rename would replace; or it cannot be reached.
    """
    try:
        status = file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        _check_name(file)
        raise UserError(f"{file}: cannot be written: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{file}: exists and is no regular file; take another --out")
    return status


def _check_name(file: Path) -> None:
    """Check the lengths of a new file's name, as it is while it is written, and of its folders' names."""
    longest = max(len(os.fsencode(part)) for part in _unfinished(file).parts)
    if longest > LONGEST_NAME:
        raise UserError(
            f"{file}: cannot be written: a name in it takes {longest} bytes while it is written; "
            f"allowed: {LONGEST_NAME}; shorten the picture's name, or take another --out"
        )


def _check_folder(folder: Path) -> None:
    """Check that a folder is one that files can be written in, or can be made."""
    nearest = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    if not os.path.isdir(nearest):
        raise UserError(f"{nearest}: is no folder; take another --out")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UserError(f"{nearest}: no permission to write in this folder; take another --out")
