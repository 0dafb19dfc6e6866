"""Clones of public repositories of data, kept for the next run."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stages.download import user_paths
from stages.errors import UserError


@dataclass(frozen=True)
class Repository:
    """A public repository, of which one folder is data."""

    title: str
    address: str
    variable: str
    """Begins the names of two variables: of a local copy (_ROOT) and of another address to clone (_REPOSITORY)."""
    folder: str
    """The folder to clone; it alone is fetched."""
    need: tuple[str, ...]
    """What must lie in a complete copy, relative to the repository."""


def fetch(repository: Repository, folder: Path, environ: Mapping[str, str]) -> Path:
    """Clone a repository into a folder of data/<dataset> (`folder`), sparse and shallow; return the clone.

    An earlier clone is used as it is. Queued copies of the project share it, see `user_paths.cache_dir`.

    Raises:
        UserError: there is no git, no network, or no such repository.
    """
    place = user_paths.cache_dir(folder, environ) / Path(repository.address).name
    with user_paths.exclusive_lock(place):
        if not _missing(repository, place):
            return place
        _clone(repository, place, environ)
    return place


def _clone(repository: Repository, place: Path, environ: Mapping[str, str]) -> None:
    address = environ.get(f"{repository.variable}_REPOSITORY") or repository.address
    unfinished = place.with_name(f"{place.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    options = ["--quiet", "--depth", "1", "--filter=blob:none", "--sparse"]
    for arguments in (
        ["clone", *options, address, str(unfinished)],
        ["-C", str(unfinished), "sparse-checkout", "set", repository.folder],
    ):
        if problem := _git(arguments, environ):
            raise _failed(repository, address, problem)
    if missing := _missing(repository, unfinished):
        raise _failed(repository, address, f"it has no {missing}/")
    if place.exists():
        raise UserError(
            f"{place} is no complete clone of {repository.title}; move it away, or set {repository.variable}_ROOT"
        )
    unfinished.rename(place)


def _missing(repository: Repository, place: Path) -> str | None:
    """Return the first folder that a clone lacks."""
    return next((name for name in repository.need if not (place / name).is_dir()), None)


def _git(arguments: list[str], environ: Mapping[str, str]) -> str | None:
    """Run git, which asks no questions and does not take the calling repository for its own; return what went wrong."""
    clean = {name: value for name, value in environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *arguments],
            env=clean | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        return "git is not installed"
    said = [line for line in done.stderr.splitlines() if line.startswith(("fatal:", "error:"))] or ["git failed"]
    return said[0] if done.returncode else None


def _failed(repository: Repository, address: str, reason: str) -> UserError:
    return UserError(
        f"cannot clone {repository.title} from {address} ({reason}); set {repository.variable}_ROOT to a local copy "
        f"with {', '.join(Path(name).name for name in repository.need)}"
    )
