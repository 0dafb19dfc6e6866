"""Tiny data sets in the layouts of the real ones."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from stages.download.camvid import CamvidScenes
from stages.download.cityscapes import CityscapesScenes
from stages.synthetic.schema import SyntheticScenes

DIFFICULTY = {"clutter": 0.5, "camouflage": 0.3, "occlusion": 0.5, "variety": 1.0, "distance": 1.0, "wear": 0.5}


def synthetic(train: int, val: int, size=(256, 128), seed: int = 0, **difficulty: float) -> SyntheticScenes:
    """A profile's scenes section."""
    return SyntheticScenes.model_validate(
        {
            "source": "synthetic",
            "seed": seed,
            "size": list(size),
            "images": {"train": train, "val": val},
            "difficulty": DIFFICULTY | difficulty,
        }
    )


def profile(scenes) -> SimpleNamespace:
    """As much of a profile as `download` reads."""
    return SimpleNamespace(scenes=scenes)


CAMVID = profile(CamvidScenes(source="camvid"))
CITYSCAPES = profile(CityscapesScenes(source="cityscapes"))


def snapshot(root: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of change of every file under `root`."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def save(path: Path, values: np.ndarray) -> None:
    """Write an array as an image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def make_camvid(root: Path, suffix: str = ".png") -> Path:
    """Two photographs in each of train, val and test."""
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for number in range(2):
            name = f"{split}_{number:06d}"
            save(root / split / f"{name}{suffix}", rng.integers(0, 255, (24, 32, 3), dtype=np.uint8))
            save(root / f"{split}annot" / f"{name}.png", rng.integers(0, 12, (24, 32), dtype=np.uint8))
    return root


def make_cityscapes(root: Path) -> Path:
    """Three photographs: two of train, one of val, each with a car."""
    rng = np.random.default_rng(0)
    for split, city, number in (("train", "aachen", 0), ("train", "ulm", 1), ("val", "munster", 0)):
        name = f"{split}/{city}/{city}_{number:06d}_000019"
        labels = rng.integers(0, 24, (16, 32), dtype=np.uint8)
        instances = labels.astype(np.uint16)
        labels[4:9, 5:20], instances[4:9, 5:20] = 26, 26001
        save(root / "leftImg8bit" / f"{name}_leftImg8bit.png", rng.integers(0, 255, (16, 32, 3), dtype=np.uint8))
        save(root / "gtFine" / f"{name}_gtFine_labelIds.png", labels)
        save(root / "gtFine" / f"{name}_gtFine_instanceIds.png", instances)
    return root
