"""Wrong input by the thousand: every file and flag that a user writes, mutated by hypothesis, given to its program.

Each kind of input has a process of its own, in a project of its own, in which `attempts` calls the programs' `main` as
`python -m` does. A case is refused or accepted; what must never happen is a traceback, a refusal in other than one
line, one with exit status 0, or a file that a refused program has changed.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.reliability.clones import edit
from stages.arrays import write_json
from stages.errors import UserError

LEAST = 2000
"""How many cases have to be refused."""
CASES = {
    "params": 500,
    "rows": 400,
    "datasets": 400,
    "paper": 300,
    "studies": 200,
    "coco": 500,
    "pictures": 250,
    "new pictures": 150,
    "flags": 500,
}
WHAT = {
    "params": "params.yaml",
    "rows": "configs/rows.yaml",
    "datasets": "configs/datasets.yaml",
    "paper": "paper/claims.yaml, numbers.yaml, readings.yaml",
    "studies": "studies/*.yaml",
    "coco": "COCO files of own data: `source`, `download`, `boxes`",
    "pictures": "pictures of own data: the same stages",
    "new pictures": "pictures for `stages.predict`",
    "flags": "command lines of train, evaluate, predict, export, studies, reproduce",
}
DEFECTS = ("traceback", "several lines", "no message", "status 0", "changed files")
ROW = "bce-500"


def drill(root: Path, folder: Path, found: dict[str, Any], keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Try all cases.

    Args:
        root: The project.
        folder: Where projects to try them in go.
        found: Not read: each call tries all.
        keep: Is given what was found so far, after each kind.

    Returns:
        By kind of input, how often each outcome came, and of what must never happen the cases.

    Raises:
        UserError: The process of a kind has failed.
    """
    result: dict[str, Any] = {}
    for kind, cases in CASES.items():
        result[kind] = tried(root, folder, kind, cases)
        print(f"{kind}: {result[kind]['outcomes']}", flush=True)
        keep(result)
    return result


def tried(root: Path, folder: Path, kind: str, cases: int, seed: int = 0) -> dict[str, Any]:
    """Try some cases of one kind in a process of its own, see `drill`."""
    place = project(root, folder / kind.replace(" ", "-"), kind)
    command = [sys.executable, "-B", "-m", "benchmarks.reliability.attempts", kind, str(cases), str(seed)]
    environ = os.environ | {"PYTHONPATH": str(root), "COCO_ROOT": str(place / "own"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=place, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"the cases of {kind} could not be tried: {done.stderr[-2000:]}")
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    wrong = [line for line in lines if line["outcome"] in DEFECTS]
    return {"outcomes": dict(Counter(line["outcome"] for line in lines)), "defects": wrong[:20]}


def project(root: Path, place: Path, kind: str) -> Path:
    """Make a project without its code in an empty folder, with what a kind of input needs, and return the folder."""
    for name in ("configs", "paper", "studies"):
        shutil.copytree(root / name, place / name)
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(root / name, place)
    edit(place / "params.yaml", lambda params: params.update(device="cpu", steps=3))

    def small(profiles: dict[str, Any]) -> None:
        profiles["profiles"]["synthetic"]["scenes"]["images"] = {"train": 16, "val": 4}
        profiles["profiles"]["synthetic"]["train"]["width"] = 0.25
        profiles["profiles"]["mine"]["boxes"]["size"] = [32, 32]

    edit(place / "configs" / "datasets.yaml", small)
    if kind in ("coco", "pictures"):
        edit(place / "params.yaml", lambda params: params.update(dataset="mine"))
    if kind in ("new pictures", "flags"):
        environ = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
        for words in (["download"], ["boxes"], ["train", "--row", ROW, "--seed", "0"]):
            command = [sys.executable, "-B", "-m", f"stages.{words[0]}", *words[1:]]
            subprocess.run(command, cwd=place, env=environ, capture_output=True, check=True)
    own(place / "own")
    return place


def own(folder: Path) -> None:
    """Make eight pictures, and a COCO file for them: polygons, run lengths, boxes alone, a crowd."""
    folder.mkdir(parents=True)
    images, objects = [], []
    noise = np.random.default_rng(0)
    for number in range(8):
        name = f"{number}.{'png' if number % 2 else 'jpg'}"
        Image.fromarray(noise.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(folder / name)
        images.append({"id": number, "file_name": name, "width": 32, "height": 24})
        for part in range(2):
            left = 2 + 14 * part
            entry: dict[str, Any] = {"id": 2 * number + part, "image_id": number, "category_id": 1 + part, "iscrowd": 0}
            entry |= {"bbox": [left, 4, 10, 12], "area": 120.0}
            if number < 6:
                entry["segmentation"] = [[left, 4, left + 10, 4, left + 10, 16, left, 16]]
            if number == 4:
                entry |= {"segmentation": {"size": [24, 32], "counts": [24 * left, 24, 24 * 31 - 24 * left]}}
            objects.append(entry)
    objects[-1]["iscrowd"] = 1
    categories = [{"id": 1, "name": "thing"}, {"id": 2, "name": "other"}]
    write_json(folder / "train.json", {"images": images, "annotations": objects, "categories": categories})


def table(found: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return what came out as lines of Markdown, and the bars that were missed."""
    kinds = [kind for kind in CASES if kind in found]
    total: Counter[str] = Counter()
    lines = ["| input | cases | refused in one line | accepted | defects |", "|---|---:|---:|---:|---:|"]
    for kind in kinds:
        outcomes = Counter(found[kind]["outcomes"])
        total.update(outcomes)
        wrong = sum(outcomes[name] for name in DEFECTS)
        lines.append(
            f"| {WHAT[kind]} | {outcomes.total()} | {outcomes['refused']} | {outcomes['accepted']} | {wrong} |"
        )
    wrong = sum(total[name] for name in DEFECTS)
    lines.append(f"| all | {total.total()} | {total['refused']} | {total['accepted']} | {wrong} |")
    lines += [
        "",
        "Refused: one line, exit status above 0, no traceback, every file as it was but a stage's own outs, which dvc "
        "deletes before it runs. Accepted: the change was still "
        "allowed, such as another number in its range. Of command lines, argparse prints its usage above the line.",
    ]
    missed = [f"{total['refused']} of {LEAST} cases refused"] if total["refused"] < LEAST else []
    return lines, missed + ([f"{wrong} defects"] if wrong else [])
