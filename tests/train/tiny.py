"""A tiny packed dataset and project: coloured ellipses whose boxes are wrong in their corners, 12 steps of training."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from stages import arrays, paths
from stages.config import Row
from stages.model.hyperparameters import MULTI_CLASS, Hyperparameters
from stages.model.recipes import recipe_of
from tests.two_classes import CLASSES, TASKS, content

SIZE = (32, 16)  # width, height
IMAGES = {"train": 24, "val": 6}
REPOSITORY = Path(__file__).resolve().parents[2]
FILES = ("params.yaml", "configs/rows.yaml", "configs/datasets.yaml")


def paint(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One image: a car (an ellipse in its box), a person in a smaller box that may lie on top, a void strip."""
    width, height = SIZE
    image = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
    mask = np.zeros((height, width), np.uint8)
    entry = {f"{kind}-{task}": np.zeros((height, width), np.uint8) for kind in ("targets", "indices") for task in TASKS}
    y, x = np.mgrid[:height, :width]
    for number, (label, w, h) in enumerate([(1, 12, 8), (2, 4, 6)], start=1):
        left, top = rng.integers(0, width - w), rng.integers(0, height - h)
        box = (x >= left) & (x < left + w) & (y >= top) & (y < top + h)
        shape = box & (((x - left - w / 2 + 0.5) / w * 2) ** 2 + ((y - top - h / 2 + 0.5) / h * 2) ** 2 <= 1)
        mask[shape] = label
        image[shape] = (200, 60, 60) if label == 1 else (60, 200, 60)
        entry["targets-few"][box] = label
        entry["indices-few"][box] = number
        if label == 1:
            entry["targets-one"][box] = 1
            entry["indices-one"][box] = 1
    mask[-1] = arrays.VOID
    indices = {name: value.astype(np.uint16) for name, value in entry.items() if name.startswith("indices")}
    return {"images": image, "masks": mask} | entry | indices


def write_packed(folder: Path) -> None:
    """Write the packed folder of the tiny dataset."""
    rng = np.random.default_rng(5)
    arrays.create(folder, IMAGES, SIZE, CLASSES.tasks)
    for split, count in IMAGES.items():
        for index in range(count):
            arrays.write(folder, split, index, paint(rng))
    names = {split: [f"{split}{i}" for i in range(count)] for split, count in IMAGES.items()}
    order = [int(i) for i in rng.permutation(IMAGES["train"])]
    arrays.write_json(folder / "split.json", content(names, order))
    arrays.seal(folder)


def change(file: Path, *replacements: tuple[str, str]) -> None:
    """Replace texts that must be there in a file."""
    text = file.read_text()
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    file.write_text(text)


def write_project(root: Path) -> None:
    """Write a project with the tiny dataset, 12 steps of batches of 4 and a quarter-width network."""
    for name in FILES:
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, root / name)
    change(
        root / "params.yaml",
        ("batch_size: 8", "batch_size: 4"),
        ("steps: auto", "steps: 12"),
        ("device: auto", "device: cpu"),
    )
    change(root / "configs" / "datasets.yaml", ("width: 0.5", "width: 0.25"))
    write_packed(paths.packed("synthetic", root))


def hyperparameters(row: Row, **changed: Any) -> Hyperparameters:
    """Hyperparameters of a row, of which a test says only what it is about."""
    chosen: dict[str, Any] = {
        "name": "a-row",
        "row": row,
        "recipe": recipe_of(row),
        "dataset": "synthetic",
        "classes": CLASSES.names(row.classes),
        "masks_only": 0,
        "size": SIZE,
        "batch_size": 4,
        "steps": 12,
        "learning_rate": 0.003,
        "schedule": "polynomial",
        "weight_decay": 0.0,
        "width": 0.25,
        "horizontal_flip": 0.5,
    }
    if row.mixes:
        chosen |= {"pp_chance": 0.25, "sampler": "coin"}
    if row.bootstraps:
        chosen |= {"tau": 2.5} | ({"mc_samples": 4} if row.loss in MULTI_CLASS else {"temperature": 0.2})
    return Hyperparameters(**chosen | changed)
