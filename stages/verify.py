"""Whether what is kept is still what was written: python -m stages.verify

Hashes anew every object of DVC's cache, which is named after its content, and every file of reference/ that is
committed. A disk that loses a bit keeps the time and the size of a file, by which DVC and git take it for unchanged.
"""

import argparse
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from stages.errors import UserError, run
from stages.paths import ROOT
from stages.progress import bar
from stages.studies import queue

OBJECTS = Path("files") / "md5"  # in DVC's cache: ab/cdef... is the object with the MD5 abcdef...
KEPT = "reference"


def main() -> None:
    """Hash everything, name what is broken, and say how much there was.

    Raises:
        UserError: Something is not what was written.
    """
    argparse.ArgumentParser(prog="python -m stages.verify", description=(__doc__ or "").splitlines()[0]).parse_args()
    objects, committed = cached(cache(ROOT)), in_git(ROOT)
    broken = [*broken_objects(objects), *changed_files(ROOT, committed)]
    for line in broken:
        print(line, file=sys.stderr)
    if broken:
        raise UserError(f"{len(broken)} of {len(objects) + len(committed)} files are not what was written")
    print(f"DVC's cache: {len(objects)} objects; {KEPT}: {len(committed)} files; all as they were written")


def cache(root: Path) -> Path:
    """Return the folder of DVC's cache.

    Raises:
        UserError: `root` is no DVC project.
    """
    return Path(queue.ask(root, "cache", "dir").strip())


def cached(folder: Path) -> list[Path]:
    """Return the objects of a cache, sorted; none where it has not been made."""
    return sorted(path for path in (folder / OBJECTS).glob("??/*") if path.is_file())


def broken_objects(objects: list[Path]) -> Iterator[str]:
    """Yield a line for each object whose content is not what its name says, under a progress bar.

    Args:
        objects: See `cached`.
    """
    with bar(len(objects), "DVC's cache") as progress:
        for path in objects:
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            if found != path.parent.name + path.name.removesuffix(".dir"):
                yield f"{path}: its content is not what its name says; delete it, and `dvc repro` makes it again"
            progress.update()


def in_git(root: Path) -> dict[str, str]:
    """Return git's hash of each committed file of the reference, by path.

    Args:
        root: The project.

    Raises:
        UserError: There is no commit to compare with.
    """
    done = _git(root, "ls-tree", "-r", "-z", "HEAD", "--", KEPT)
    entries = (entry.split("\t") for entry in done.split("\0") if entry)
    return {path: about.split()[2] for about, path in entries}


def changed_files(root: Path, committed: dict[str, str]) -> Iterator[str]:
    """Yield a line for each committed file that is missing or has another content.

    Args:
        root: The project.
        committed: See `in_git`.
    """
    there = [path for path in committed if (root / path).is_file()]
    for path in committed.keys() - set(there):
        yield f"{path}: is missing; `git checkout -- {path}` brings it back"
    found = _git(root, "hash-object", "--no-filters", "--stdin-paths", given="".join(f"{path}\n" for path in there))
    for path, value in zip(there, found.split(), strict=True):
        if value != committed[path]:
            yield f"{path}: is not what is committed; `git checkout -- {path}` brings it back"


def _git(root: Path, *arguments: str, given: str | None = None) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=root, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"git {arguments[0]} failed in {root}, so {KEPT} has nothing to be compared with")
    return done.stdout


if __name__ == "__main__":
    run(main)
