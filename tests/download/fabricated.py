"""Tiny data sets in the layouts of the real ones."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from stages.download.camvid import CamvidScenes
from stages.download.cityscapes import CityscapesScenes
from stages.download.coco import CocoScenes
from stages.download.nuclei import NucleiScenes
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
COCO = profile(CocoScenes(source="coco"))
NUCLEI = profile(NucleiScenes(source="nuclei"))


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


def write_json(path: Path, content: Any) -> Path:
    """Write a file of annotations."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@dataclass
class Coco:
    """A COCO folder under construction: `picture` and `object` add to it, `write` makes its annotation file."""

    root: Path
    categories: dict[int, str] = field(default_factory=lambda: {3: "cat", 7: "big dog"})
    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)

    def picture(self, name: str, size: tuple[int, int] = (32, 24), listed: bool = True, **changes: Any) -> int:
        """Save a picture of noise and list it; return its id."""
        noise = np.random.default_rng(len(self.images)).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
        save(self.root / name, noise)
        number = 10 + len(self.images)
        entry = {"id": number, "file_name": name, "width": size[0], "height": size[1]} | changes
        if listed:
            self.images.append(entry)
        return number

    def object(self, image: int, category: int = 3, bbox: Any = (2, 3, 8, 6), **changes: Any) -> None:
        """Add an object with a box; `segmentation` gives it a mask."""
        entry = {"id": 100 + len(self.annotations), "image_id": image, "category_id": category, "iscrowd": 0}
        self.annotations.append(entry | ({"bbox": list(bbox)} if bbox is not None else {}) | changes)

    def content(self) -> dict[str, Any]:
        """What a file says of all that was added."""
        categories = [{"id": number, "name": name, "supercategory": ""} for number, name in self.categories.items()]
        return {"info": {}, "images": self.images, "annotations": self.annotations, "categories": categories}

    def write(self, name: str = "instances.json") -> Path:
        """Write all that was added, and forget images and annotations for another file."""
        path = write_json(self.root / name, self.content())
        self.images, self.annotations = [], []
        return path


def polygon(x: int, y: int, width: int, height: int) -> list[float]:
    """The outline of a rectangle, which pycocotools fills exactly."""
    return [x, y, x + width, y, x + width, y + height, x, y + height]


BACKGROUNDS = {  # of each staining: background, nuclei
    "fluorescence": ((8, 8, 8), (150, 150, 150)),
    "grey stain": ((225, 225, 225), (70, 70, 70)),
    "purple on white": ((203, 204, 208), (120, 60, 140)),
    "purple on lilac": ((176, 157, 205), (90, 40, 160)),
    "pink tissue": ((201, 110, 180), (110, 40, 120)),
}


def draw_slide(staining: str, size: tuple[int, int], seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """A slide uint8 (H, W, 3) with round, soft nuclei, and a mask bool (H, W) of each; some lie on any line."""
    rng, (width, height) = np.random.default_rng(seed), size
    background, colour = (np.array(part) for part in BACKGROUNDS[staining])
    y, x = np.mgrid[:height, :width]
    masks = []
    cover = np.zeros((height, width))
    for _ in range(width * height // 150):
        centre, radius = rng.uniform((0, 0), size), rng.uniform(4, 7)
        mask = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
        if not any((mask & other).any() for other in masks):
            masks.append(mask)
            cover[mask] = rng.uniform(0.7, 1)
    picture = background + gaussian_filter(cover, 2)[..., None] * (colour - background)
    picture = picture + rng.integers(-2, 3, (height, width, 1))
    return picture.clip(0, 255).astype(np.uint8), masks


def make_nuclei(root: Path, slides: dict[str, int], size: tuple[int, int] = (80, 80)) -> dict[str, list[str]]:
    """Four crops of each of some slides by staining, in the release's layout; ids by slide."""
    made = {}
    for staining, count in slides.items():
        for number in range(count):
            picture, masks = draw_slide(staining, (2 * size[0], 2 * size[1]), seed=len(made))
            names = []
            for k, (top, left) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
                place = (slice(top * size[1], (top + 1) * size[1]), slice(left * size[0], (left + 1) * size[0]))
                names.append(hashlib.sha256(f"{staining}{number}{k}".encode()).hexdigest()[:12])
                folder = root / "stage1_train" / names[-1]
                crop = picture[place]
                save(folder / "images" / f"{names[-1]}.png", np.dstack([crop, np.full(crop.shape[:2], 255, np.uint8)]))
                for n, mask in enumerate(mask[place] for mask in masks if mask[place].any()):
                    save(folder / "masks" / f"mask{n}.png", (mask * 255).astype(np.uint8))
            made[f"{staining} {number}"] = names
    return made
