"""Where data lie: a user's own copy, which an environment variable names, or a folder that is fetched into."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from stages.download.listing import is_text, unwritable
from stages.errors import UserError


@dataclass(frozen=True)
class Place:
    """A folder of data, and what of it counts."""

    root: Path
    parts: tuple[Path, ...]
    """Files, and folders with all that lies below them: a change of one of them makes `download` run again."""


def cache_dir(folder: Path, environ: Mapping[str, str]) -> Path:
    """Return `folder` (data/<dataset>), in queued copies the main repository's: downloads outlive a copy."""
    main = environ.get("DVC_ROOT")
    return Path(main).resolve() / "data" / folder.name if main else folder.resolve()


@contextmanager
def exclusive_lock(place: Path) -> Iterator[None]:
    """Hold `place` while something is fetched into it: queued copies of the project share it (see `cache_dir`)."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_name(f"{place.name}.lock")):
        yield


def user_path(
    variable: str, environ: Mapping[str, str], need: tuple[str, ...], within: tuple[str, ...] = ()
) -> Path | None:
    """Return the folder that an environment variable names, absolute; None where it is not set.

    The folder, or one of `within` in it, must hold the folders `need`.

    Raises:
        UserError: the variable names no such folder.
    """
    value = environ.get(variable)
    if not value:
        return None
    roots = absolute(value, variable, environ)
    for root in (root / inner for root in roots for inner in ("", *within)):
        if root.is_dir() and all((root / name).is_dir() for name in need):
            if not is_text(str(root)):
                raise UserError(unwritable(root))
            return Path(os.path.normpath(root))
    wanted = f" {', '.join(f'{name}/' for name in need)}" if need else ""
    state = "has not all of" if roots[0].is_dir() else f"is no folder{'; it should hold' if need else ''}"
    raise UserError(f"{variable} is {value}, which {state}{wanted}")


def absolute(value: str, what: str, environ: Mapping[str, str]) -> list[Path]:
    """Return what a path may mean: it starts at the working directory or, in DVC's queued copies, at the main one.

    Raises:
        UserError: it starts in the home of a user that there is not; `what` says what names the path.
    """
    starts = [Path.cwd(), *([Path(environ["DVC_ROOT"])] if environ.get("DVC_ROOT") else [])]
    try:
        return [(start / Path(value).expanduser()).resolve() for start in starts]
    except RuntimeError:
        raise UserError(f"{what} is {value}, and there is no such user's home") from None


def scan(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Give every file at any depth below a folder but those whose name or folder's name begins with a dot.

    Links are followed, but for those to a folder above and to nothing.

    Raises:
        OSError: A folder cannot be read.
    """
    waiting: list[tuple[str, tuple[tuple[int, int], ...]]] = [(str(folder), ())]
    while waiting:
        place, above = waiting.pop()
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in above:
            continue
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    waiting.append((entry.path, (*above, (status.st_dev, status.st_ino))))
                elif entry.is_file():
                    yield entry


def statuses(part: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Give the path and the status of a file, or of every file below a folder as `scan` gives them.

    Raises:
        OSError: One of them cannot be read, or there is nothing of that name.
    """
    if part.is_dir():
        yield from ((entry.path, entry.stat()) for entry in scan(part))
    else:
        yield str(part), part.stat()


def files(folder: Path, depth: int | None = None) -> list[Path]:
    """Return the files below a folder as `scan` gives them, sorted; with `depth`, those just so many folders down.

    Raises:
        OSError: A folder cannot be read.
    """
    found = sorted(Path(entry.path) for entry in scan(folder))
    return [path for path in found if depth is None or len(path.parts) - len(folder.parts) == depth]
