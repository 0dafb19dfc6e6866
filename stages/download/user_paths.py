"""Where downloads from elsewhere lie, and how a user's own copy is named."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from stages.errors import UserError


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

    A relative path starts at the working directory or, in DVC's queued copies, at the main repository. The folder, or
    one of `within` in it, must hold the folders `need`.

    Raises:
        UserError: the variable names no such folder.
    """
    value = environ.get(variable)
    if not value:
        return None
    starts = [Path.cwd(), *([Path(environ["DVC_ROOT"])] if environ.get("DVC_ROOT") else [])]
    try:
        roots = [(start / Path(value).expanduser()).resolve() for start in starts]
    except RuntimeError:
        raise UserError(f"{variable} is {value}, and there is no such user's home") from None
    for root in (root / inner for root in roots for inner in ("", *within)):
        if all((root / name).is_dir() for name in need):
            return Path(os.path.normpath(root))
    wanted = ", ".join(f"{name}/" for name in need)
    state = "has not all of" if roots[0].is_dir() else "is no folder; it should hold"
    raise UserError(f"{variable} is {value}, which {state} {wanted}")
