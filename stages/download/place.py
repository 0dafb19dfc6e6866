"""`python -m stages.download.place`: write where a dataset's data lie, and a fingerprint of what lies there.

DVC runs this every time, and `download` again when what it writes has changed: another place, or a file that is new,
gone, of another size or of another time. data/<dataset>/source.json:

{"dataset": name, "source": name, "variable": the environment variable that named the place, or null,
 "root": absolute path or null, "files": count, "fingerprint": SHA-256 (hex) over names, sizes and times, or null}

Where the variable is not set any more, the place that it named before is used as long as it is there.
"""

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages import config, paths
from stages.download import user_paths
from stages.download.registry import DataSource, source
from stages.download.user_paths import Place
from stages.errors import UserError, run
from stages.fields import Scenes


def main() -> None:
    """Find the data of the dataset that params.yaml chooses, and write data/<dataset>/source.json.

    Raises:
        UserError: The data are not there and cannot be had, or cannot be read.
    """
    settings = config.load()
    dataset, file = settings.params.dataset, paths.source(settings.params.dataset)
    content, notes = describe(settings.profile.scenes, dataset, paths.scenes(dataset), os.environ, _remembered(file))
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    _write(file, content)


def describe(
    scenes: Scenes, dataset: str, out: Path, environ: Mapping[str, str], remembered: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return what source.json says of a dataset, and notes for the user.

    Args:
        scenes: The section `scenes` of its profile.
        dataset: Its name.
        out: The folder that `download` writes.
        environ: May name the place.
        remembered: What source.json said before; empty for nothing.

    Raises:
        UserError: as `main`.
    """
    entry = source(scenes.source)
    content = {"dataset": dataset, "source": scenes.source, "variable": None, "root": None}
    if entry.place is None:
        return content | {"files": 0, "fingerprint": None}, []
    environ, notes = _with_memory(entry, environ, remembered if remembered.get("source") == scenes.source else {})
    try:
        place = entry.place(scenes, out, environ)
        files, fingerprint = _fingerprint(place)
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}; it must be readable for this user") from None
    content |= {"variable": _named_by(entry, place, environ), "root": str(place.root)}
    return content | {"files": files, "fingerprint": fingerprint}, notes


def recorded(scenes: Scenes, file: Path, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment with the place that `file`, a source.json, says, unless it names one itself."""
    variable, content = source(scenes.source).variable, _read(file)
    if variable is None or environ.get(variable) or content.get("source") != scenes.source or not content["root"]:
        return environ
    return {**environ, variable: content["root"]}


def _with_memory(
    entry: DataSource, environ: Mapping[str, str], remembered: Mapping[str, Any]
) -> tuple[Mapping[str, str], list[str]]:
    """Return the environment with the place that the variable named before, if it names none now and that is there."""
    variable, root = remembered.get("variable"), remembered.get("root")
    if variable is None or root is None or variable != entry.variable or environ.get(variable):
        return environ, []
    if not Path(root).is_dir():
        return environ, [f"{variable} is not set, and {root}, which it named before, is gone"]
    return {**environ, variable: root}, [
        f"{variable} is not set; using {root}, which it named before (`make clean` forgets it)"
    ]


def _named_by(entry: DataSource, place: Place, environ: Mapping[str, str]) -> str | None:
    """Return the variable, if it is what named the place."""
    value = environ.get(entry.variable) if entry.variable else None
    roots = user_paths.absolute(value, entry.variable or "", environ) if value else []
    return entry.variable if any(place.root.is_relative_to(root) for root in roots) else None


def _fingerprint(place: Place) -> tuple[int, str]:
    """Return how many files count, and a hash of their names, sizes and times of change."""
    lines = []
    for part in place.parts:
        for path, status in user_paths.statuses(part):
            name = os.path.relpath(path, place.root) if part.is_relative_to(place.root) else path
            lines.append(os.fsencode(name) + f"\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return len(lines), hashlib.sha256(b"".join(sorted(lines))).hexdigest()


def _remembered(file: Path) -> dict[str, Any]:
    """Return what a source.json says; in a queued copy that has none, what the main repository's says."""
    main = os.environ.get("DVC_ROOT")
    return _read(file) or (_read(paths.source(file.parent.name, Path(main))) if main else {})


def _read(file: Path) -> dict[str, Any]:
    """Return a source.json's content; empty where there is none, or a damaged one: it will be written anew."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and "root" in content else {}


def _write(file: Path, content: dict[str, Any]) -> None:
    """Write source.json if it says something else now; a kill at any moment leaves the old or the new one."""
    if _read(file) != content:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f".{file.name}.partial")
        unfinished.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        unfinished.replace(file)


if __name__ == "__main__":
    run(main)
