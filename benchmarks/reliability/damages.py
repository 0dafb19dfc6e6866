"""Every kind of file that a stage reads, and what may have happened to it."""

import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from ruamel.yaml import YAML

PACKED, SCENES, PROPOSALS = (f"data/synthetic/{name}" for name in ("packed", "scenes", "proposals"))
STABLE, MIXED, GRABCUT = "bootstrap-500-2280-stable", "bce-500-2280", "grabcut-500-2280"
"""Rows: one with a teacher, one that reads nothing but the packed arrays, one that reads proposals."""
RUN = f"runs/{STABLE}/seed-0"
TRAIN, TRAIN_AGAIN, TRAIN_GRABCUT, EVALUATE = (
    (f"stages.{stage}", "--row", row, "--seed", "0")
    for stage, row in (("train", MIXED), ("train", STABLE), ("train", GRABCUT), ("evaluate", STABLE))
)
GATHER, REPORT = ("stages.evaluate.gather",), ("stages.report",)
DAMAGES = {
    "bit": "a flipped bit at a random place",
    "rot": "the same, time and size kept",
    "truncated": "the first half alone",
    "empty": "no byte",
    "older": "as an older version might have written it",
}


@dataclass(frozen=True)
class Kind:
    """A kind of file that a stage reads.

    Attributes:
        name: For readers.
        file: Where one lies in the project.
        program: What reads it, as words after `python -m`; none where dvc alone does.
        target: The stage of that program, for `dvc repro`; none where dvc never sees the file.
        older: Its content as an older version might have written it.
    """

    name: str
    file: str
    program: tuple[str, ...]
    target: str
    older: Callable[[bytes], bytes]


def without(*keys: str | int) -> Callable[[bytes], bytes]:
    """Return what takes a key out of a JSON file, where the last of `keys` lies in the others."""

    def change(content: bytes) -> bytes:
        value = json.loads(content)
        place: Any = value
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]
        return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()

    return change


def without_in_lines(key: str) -> Callable[[bytes], bytes]:
    """Return what takes a key out of each line of a JSON-lines file."""
    change = without(key)
    return lambda content: b"\n".join(json.dumps(json.loads(change(line))).encode() for line in content.splitlines())


def half_as_many(content: bytes) -> bytes:
    """Return a .npy file with the first half of its entries."""
    stream = io.BytesIO()
    array = np.load(io.BytesIO(content))
    np.save(stream, array[: len(array) // 2])
    return stream.getvalue()


def smaller(content: bytes) -> bytes:
    """Return a picture at half its size."""
    stream = io.BytesIO()
    image = Image.open(io.BytesIO(content))
    image.resize((image.width // 2, image.height // 2), Image.Resampling.NEAREST).save(stream, image.format)
    return stream.getvalue()


def renamed(content: bytes) -> bytes:
    """Return a state of torch with another name of its first entry."""
    state = torch.load(io.BytesIO(content), weights_only=True)
    first = next(iter(state))
    stream = io.BytesIO()
    torch.save({f"module.{first}" if key == first else key: value for key, value in state.items()}, stream)
    return stream.getvalue()


def without_array(name: str) -> Callable[[bytes], bytes]:
    """Return what takes an array out of an .npz file."""

    def change(content: bytes) -> bytes:
        with np.load(io.BytesIO(content)) as file:
            arrays = {key: file[key] for key in file.files if key != name}
        stream = io.BytesIO()
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
        return stream.getvalue()

    return change


def notebook_3(content: bytes) -> bytes:
    """Return a notebook in the third version of its format, where cells lie in worksheets."""
    notebook = json.loads(content)
    old = {"metadata": {}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": notebook["cells"]}]}
    return json.dumps(old).encode()


def lock_1(content: bytes) -> bytes:
    """Return a dvc.lock in the first version of its format, which names no version."""
    stream = io.BytesIO()
    YAML().dump(YAML(typ="safe").load(content)["stages"], stream)
    return stream.getvalue()


def kinds(project: Path) -> list[Kind]:
    """Return all kinds.

    Args:
        project: In which everything has run.
    """
    train, again = f"train-mixed@{MIXED}-0", f"train-bootstrap@{STABLE}-0"
    evaluate, grabcut = again.replace("train", "evaluate"), f"train-methods@{GRABCUT}-0"
    scene = sorted((project / SCENES).rglob("*leftImg8bit.png"))[0].relative_to(project).as_posix()
    labels = sorted((project / SCENES).rglob("*labelIds.png"))[0].relative_to(project).as_posix()
    state = next((project / ".checkpoints").glob("*/state.pt")).relative_to(project).as_posix()
    reference = "reference/runs/synthetic/bce-500-2280-0.json"
    return [
        Kind("scene picture", scene, ("stages.boxes",), "boxes", smaller),
        Kind("label picture", labels, ("stages.boxes",), "boxes", smaller),
        Kind("manifest.json", f"{SCENES}/manifest.json", ("stages.boxes",), "boxes", without("images", 0, "sha256")),
        Kind("packed array", f"{PACKED}/train/images.npy", TRAIN, train, half_as_many),
        Kind("arrays.json", f"{PACKED}/arrays.json", TRAIN, train, without("train/masks.npy", "dtype")),
        Kind("split.json", f"{PACKED}/split.json", TRAIN, train, without("val_parts")),
        Kind("boxes.json", f"{PACKED}/boxes.json", ("stages.proposals",), "proposals", without("images", 0, "window")),
        Kind("statistics.json", f"{PACKED}/statistics.json", REPORT, "report", without("images")),
        Kind("proposals", f"{PROPOSALS}/grabcut.npy", TRAIN_GRABCUT, grabcut, half_as_many),
        Kind("checkpoint", state, TRAIN_AGAIN, "", renamed),
        Kind("weights.pt", f"{RUN}/train/weights.pt", EVALUATE, evaluate, renamed),
        Kind("teacher.pt", f"{RUN}/train/teacher.pt", EVALUATE, evaluate, renamed),
        Kind("run.json", f"{RUN}/train/run.json", EVALUATE, evaluate, without("resolutions")),
        Kind("trace.npz", f"{RUN}/train/trace.npz", EVALUATE, evaluate, without_array("pixels")),
        Kind("history.jsonl", f"{RUN}/train/history.jsonl", GATHER, "gather", without_in_lines("iou")),
        Kind("record.json", f"{RUN}/record.json", GATHER, "gather", without("versions")),
        Kind("metrics.json", f"{RUN}/evaluate/metrics.json", GATHER, "gather", without("mean_iou")),
        Kind("pictures.npz", f"{RUN}/evaluate/pictures.npz", REPORT, "report", without_array("output")),
        Kind("results", f"results/{STABLE}.json", REPORT, "report", without("runs", 0, "iou")),
        Kind("executed notebook", "reports/figure1.ipynb", REPORT, "report", notebook_3),
        Kind("reference run", reference, REPORT, "report", without("recipe")),
        Kind("cost.json", "reference/cost.json", REPORT, "report", without("device")),
        Kind("dvc.lock", "dvc.lock", (), "gather", lock_1),
        Kind("cache object", cached(project, f"{RUN}/evaluate/metrics.json"), (), "gather", without("mean_iou")),
    ]


def cached(project: Path, file: str) -> str:
    """Return the object of dvc's cache with the content of a file, by its path in the project."""
    content = (project / file).read_bytes()
    objects = (project / ".dvc" / "cache").rglob("*")
    same = (path for path in objects if path.is_file() and path.read_bytes() == content)
    return next(same).relative_to(project).as_posix()


def damaged(kind: Kind, damage: str, content: bytes, seed: int) -> bytes:
    """Return a file's content after a damage.

    Args:
        kind: Of the file.
        damage: A key of DAMAGES.
        content: What it was.
        seed: Of the place of a bit.
    """
    if damage in ("bit", "rot"):
        place = random.Random(f"{seed} {kind.name}").randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        return bytes(flipped)
    if damage == "truncated":
        return content[: len(content) // 2]
    return b"" if damage == "empty" else kind.older(content)
