"""Whether what is kept is still what was written: python -m stages.verify

Hashes anew every object of DVC's cache, which is named after its content, every out of the pipeline, whose hash stands
in dvc.lock, and every file of reference/ that is committed. A disk that loses a bit keeps the time and the size of a
file, by which DVC and git take it for unchanged.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from stages.errors import UserError, reading, run
from stages.paths import ROOT
from stages.progress import bar
from stages.studies import queue
from stages.yaml_files import read_yaml

OBJECTS = Path("files") / "md5"  # in DVC's cache: ab/cdef... is the object with the MD5 abcdef...
KEPT = "reference"


def main() -> None:
    """Hash everything, name what is broken, and say how much there was.

    Raises:
        UserError: Something is not what was written.
    """
    argparse.ArgumentParser(prog="python -m stages.verify", description=(__doc__ or "").splitlines()[0]).parse_args()
    objects, committed = cached(cache(ROOT)), in_git(ROOT)
    outs = recorded(ROOT, cache(ROOT))
    broken = [*broken_objects(objects), *rotten_outs(ROOT, outs), *changed_files(ROOT, committed)]
    for line in broken:
        print(line, file=sys.stderr)
    if broken:
        count = len(objects) + len(outs) + len(committed)
        raise UserError(f"{len(broken)} of {count} files are not what was written")
    print(
        f"DVC's cache: {len(objects)} objects; outs: {len(outs)} files; {KEPT}: {len(committed)} files; "
        "all as they were written"
    )


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
            if _md5(path) != path.parent.name + path.name.removesuffix(".dir"):
                yield f"{path}: its content is not what its name says; delete it, and `dvc repro` makes it again"
            progress.update()


def recorded(root: Path, folder: Path) -> dict[str, set[str]]:
    """Return the MD5s that dvc.lock has of each file of the outs that lies in the project, by its path.

    There are several of a file where stages that are no more have written it.

    Args:
        root: The project.
        folder: Of the cache, which lists the files of an out that is a folder.

    Raises:
        UserError: dvc.lock is none.
    """
    file = root / "dvc.lock"
    found: dict[str, set[str]] = {}
    content = read_yaml(file) if file.is_file() else {}
    with reading(file, "`dvc repro` writes it anew once it is deleted"):
        outs = [out for stage in content.get("stages", {}).values() for out in stage.get("outs", ())]
        for path, value in ((out["path"], out["md5"]) for out in outs):
            inside = _listed(folder / OBJECTS / value[:2] / value[2:]) if value.endswith(".dir") else {"": value}
            for name, of_file in inside.items():
                found.setdefault(f"{path}/{name}" if name else path, set()).add(of_file)
    return {path: values for path, values in found.items() if (root / path).is_file()}


def rotten_outs(root: Path, outs: dict[str, set[str]]) -> Iterator[str]:
    """Yield a line for each file of an out with another content than DVC takes it to have, under a progress bar.

    A file that DVC itself knows to be changed, as after a stage that was run by hand, is made again by `dvc repro`.

    Args:
        root: The project.
        outs: See `recorded`.
    """
    found = []
    with bar(len(outs), "outs") as progress:
        for path, values in outs.items():
            if _md5(root / path) not in values:
                found.append(path)
            progress.update()
    known = _changed(root) if found else set()
    for path in found:
        if not known & {path, *map(str, Path(path).parents)}:
            yield f"{path}: is not what dvc.lock says; delete it, and `dvc repro` brings it back"


def _listed(file: Path) -> dict[str, str]:
    """Return the MD5 of each file of a folder, from its object in the cache; none where that is missing or broken."""
    try:
        return {entry["relpath"]: entry["md5"] for entry in json.loads(file.read_bytes())}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _changed(root: Path) -> set[str]:
    """Return the outs that DVC knows to be changed."""
    stages = json.loads(queue.ask(root, "status", "--json")).values()
    changes = [change for stage in stages for change in stage if isinstance(change, dict)]
    return {path for change in changes for path in change.get("changed outs", {})}


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


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
