"""Stands for a stage's command: writes to each out a digest of all that the stage declares to read, and takes no time.

python stub.py [--param=FILE:KEY ...] [--dep=PATH ...] [--out=PATH ...]
"""

import argparse
import functools
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ruamel.yaml import YAML


@functools.lru_cache
def read(text: str) -> dict:
    """A YAML file's content."""
    return YAML(typ="safe").load(text)


def value(param: str) -> object:
    """The value of FILE:KEY, where a dot in KEY goes one map deeper."""
    file, _, key = param.partition(":")
    data = read(Path(file).read_text())
    for part in key.split("."):
        data = data[part]
    return data


def main(words: Sequence[str]) -> None:
    """Digest what is read, write what is promised."""
    parser = argparse.ArgumentParser()
    for kind in ("param", "dep", "out"):
        parser.add_argument(f"--{kind}", action="append", default=[])
    arguments = parser.parse_args(words)
    digest = hashlib.sha256(json.dumps({param: value(param) for param in arguments.param}).encode())
    for dep in map(Path, arguments.dep):
        for path in sorted(dep.rglob("*")) if dep.is_dir() else [dep]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path).encode() + path.read_bytes())
    for out in map(Path, arguments.out):
        file = out if out.suffix else out / "statistics.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"digest": int(digest.hexdigest()[:8], 16)}))


if __name__ == "__main__":
    main(sys.argv[1:])
