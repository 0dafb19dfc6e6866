"""Clones of the project in miniature: every stage, few images and rows, a checkpoint at each step, quick polls."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages import paths

MADE = ("data", "runs", "results", "reports", "metrics.json")
TIMES = ("seconds", "images_per_second", "started", "resumed", "commit", "memory")
"""Keys of JSON files that say when, how long, in how much memory, how often interrupted, and of which clone."""
ENVIRONMENT = os.environ | {
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    "PYTHONUNBUFFERED": "1",
}


def miniature(root: Path, copy: Path) -> Path:
    """Clone the project, with few images, rows and steps, and a checkpoint at each step."""
    subprocess.run(["git", "clone", "--quiet", str(root), str(copy)], check=True)

    def params(data: dict[str, Any]) -> None:
        data.update(steps=12, device="cpu")

    def datasets(data: dict[str, Any]) -> None:
        profile = data["profiles"]["synthetic"]
        profile["scenes"]["images"] = {"train": 24, "val": 8}
        profile["train"]["width"] = 0.25

    def rows(data: dict[str, Any]) -> None:
        for entries in data["rows"].values():
            for name in [name for name, row in entries.items() if row["classes"] == "all" or _unusual(row)]:
                del entries[name]

    changes = {copy / "params.yaml": params, paths.datasets(copy): datasets, paths.rows(copy): rows}
    for file, change in changes.items():
        edit(file, change)
    sooner = {"train/trainer.py": ("CHECKPOINT_SECONDS", 15.0, 0.0), "studies/queue.py": ("POLL_SECONDS", 20.0, 2.0)}
    for name, (constant, usual, seconds) in sooner.items():
        file = copy / "stages" / name
        text = file.read_text()
        if f"{constant} = {usual}" not in text:
            raise ValueError(f"{file}: no {constant} = {usual}")
        file.write_text(text.replace(f"{constant} = {usual}", f"{constant} = {seconds}"))
    author = ["-c", "user.name=drill", "-c", "user.email=drill@localhost"]
    subprocess.run(["git", *author, "commit", "--quiet", "--all", "--message=drill"], cwd=copy, check=True)
    return copy


def commit(root: Path) -> str:
    """Return a project's last commit, short."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def edit(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Let `change` change the content of a YAML file."""
    yaml = YAML()
    data = yaml.load(file)
    change(data)
    yaml.dump(data, file)


def _unusual(row: Mapping[str, Any]) -> bool:
    return "labels" in row and not row.get("usual")


def processes(copy: Path) -> Iterator[int]:
    """Yield the numbers of the processes that work in a clone."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if Path(os.readlink(entry / "cwd")).is_relative_to(copy):
                yield int(entry.name)


def digests(copy: Path) -> dict[str, str]:
    """Return the SHA-256 of every file that the pipeline has made, by its path in the clone."""
    files = [path for name in MADE for path in [copy / name, *(copy / name).rglob("*")] if path.is_file()]
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=copy, capture_output=True, text=True, check=True).stdout
    known = set(tracked.split("\0"))
    names = {path.relative_to(copy).as_posix(): path for path in files}
    return {
        name: hashlib.sha256(content(path)).hexdigest() for name, path in sorted(names.items()) if name not in known
    }


def content(file: Path) -> bytes:
    """Return a file's bytes, of JSON without the times that no two runs share."""
    if file.suffix != ".json":
        return file.read_bytes()
    return json.dumps(without_times(json.loads(file.read_bytes())), sort_keys=True).encode()


def without_times(value: Any) -> Any:
    """Return a JSON value without the entries of TIMES, at any depth."""
    if isinstance(value, dict):
        return {key: without_times(inner) for key, inner in value.items() if key not in TIMES}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value
