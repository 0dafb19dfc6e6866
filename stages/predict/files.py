"""Files that a user asked for: never written over unasked, never half written."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.errors import UserError


def refuse_existing(files: Iterable[Path], force: bool) -> None:
    """Check that no file exists, unless `force` allows to write over it.

    Raises:
        UserError: One exists; names the first of them.
    """
    found = [] if force else [file for file in files if file.exists()]
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise UserError(f"{found[0]}: exists already{more}; take another --out, or --force to overwrite")


@contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """Give a path beside `file` to write to, and rename it to `file` at the end; after an error neither is left.

    Raises:
        UserError: It cannot be written, or its folder cannot be made.
    """
    unfinished = file.with_name(f".{file.name}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield unfinished
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{file}: cannot be written: {error.strerror or error}") from None
