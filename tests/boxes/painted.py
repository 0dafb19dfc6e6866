"""Tiny scenes in Cityscapes' and CamVid's layouts, painted by hand."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stages.boxes.pack import pack
from stages.config import Boxes

CAR, PERSON, VOID, ROAD = 26, 24, 3, 7
PROFILE = Boxes(
    classes={"car": (26,), "person": (24,)},
    void=(0, 1, 2, 3),
    instances="ids",
    groups="box",
    min_area=4,
    overlap="smaller",
    split="official",
    size=(16, 8),
)


def region(x: int, y: int, width: int, height: int) -> tuple[slice, slice]:
    """A rectangle as an index into an image (rows, columns)."""
    return slice(y, y + height), slice(x, x + width)


@dataclass
class Folder:
    """A folder of scenes under construction; `add` writes an image's files, `manifest` the list of them."""

    root: Path
    images: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self,
        name: str,
        regions: list[tuple[tuple[slice, slice], int]] = (),
        split: str = "train",
        size: tuple[int, int] = (32, 16),
        instances: bool = True,
    ) -> None:
        """Paint regions (place, instance id or plain label id) in their order on a road."""
        ids = np.full(size[::-1], ROAD, np.uint16)
        for place, value in regions:
            ids[place] = value
        labels = np.where(ids >= 1000, ids // 1000, ids).astype(np.uint8)
        photo = np.random.default_rng(len(self.images)).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
        files = {"image": photo, "labels": labels, "instances": ids if instances else None}
        self.store(name, split, files, size)

    def store(self, name: str, split: str, files: dict[str, np.ndarray | None], size: tuple[int, int]) -> None:
        """Write one image's arrays and its entry for the manifest."""
        entry = {"id": name, "split": split, "width": size[0], "height": size[1], "bytes": []}
        for key, value in files.items():
            entry[key] = None if value is None else f"{name}_{key}.png"
            if value is not None:
                Image.fromarray(value).save(self.root / entry[key])
                entry["bytes"].append((self.root / entry[key]).stat().st_size)
        entry["sha256"] = hashlib.sha256((self.root / entry["labels"]).read_bytes()).hexdigest()
        self.images.append(entry)

    def manifest(self) -> Path:
        """Write manifest.json and return its path."""
        file = self.root / "manifest.json"
        images = sorted(self.images, key=lambda entry: entry["id"])
        file.write_text(json.dumps({"dataset": "tiny", "layout": "cityscapes", "root": ".", "images": images}))
        return file

    def pack(self, out: Path, data_seed: int = 0, workers: int = 1, **changes: Any) -> Path:
        """Pack the scenes with `PROFILE` and the given changes to it; returns `out`."""
        profile = PROFILE.model_copy(update=changes)
        pack(profile, data_seed, "tiny", self.manifest(), out, workers)
        return out


def crowd(folder: Folder, train: int, val: int, seed: int = 0) -> None:
    """Add many images with cars, persons, groups and void at random places, overlapping and cut by the border."""
    rng = np.random.default_rng(seed)
    for number in range(train + val):
        regions = []
        for n in range(rng.integers(2, 9)):
            x, y = int(rng.integers(0, 30)), int(rng.integers(0, 15))
            place = region(x, y, int(rng.integers(1, 14)), int(rng.integers(1, 9)))
            label = int(rng.choice([CAR, PERSON]))
            regions.append((place, int(rng.choice([label * 1000 + n, label * 1000 + n, label, VOID, ROAD]))))
        folder.add(f"scene{number:03}", regions, "train" if number < train else "val")
