"""A tiny packed data set: coloured rectangles whose boxes are wrong in their corners."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from stages import arrays, params, paths

SIZE = (32, 16)  # width, height
IMAGES = {"train": 24, "val": 6}
REPOSITORY = Path(__file__).resolve().parents[2]


def paint(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One image: a car (an ellipse in its box), a person in a smaller box that may lie on top, a void strip."""
    width, height = SIZE
    image = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
    mask = np.zeros((height, width), np.uint8)
    entry = {
        f"{kind}-{task}": np.zeros((height, width), np.uint8)
        for kind in ("targets", "indices")
        for task in arrays.TASKS
    }
    y, x = np.mgrid[:height, :width]
    for number, (label, w, h) in enumerate([(1, 12, 8), (2, 4, 6)], start=1):
        left, top = rng.integers(0, width - w), rng.integers(0, height - h)
        box = (x >= left) & (x < left + w) & (y >= top) & (y < top + h)
        shape = box & (((x - left - w / 2 + 0.5) / w * 2) ** 2 + ((y - top - h / 2 + 0.5) / h * 2) ** 2 <= 1)
        mask[shape] = label
        image[shape] = (200, 60, 60) if label == 1 else (60, 200, 60)
        entry["targets-car-person"][box] = label
        entry["indices-car-person"][box] = number
        if label == 1:
            entry["targets-car"][box] = 1
            entry["indices-car"][box] = 1
    mask[-1] = arrays.VOID
    indices = {name: value.astype(np.uint16) for name, value in entry.items() if name.startswith("indices")}
    return {"images": image, "masks": mask} | entry | indices


def write_packed(folder: Path) -> None:
    """Write the packed folder of the tiny data set."""
    rng = np.random.default_rng(5)
    arrays.create(folder, IMAGES, SIZE)
    for split, count in IMAGES.items():
        for index in range(count):
            arrays.write(folder, split, index, paint(rng))
    names = {split: [f"{split}{i}" for i in range(count)] for split, count in IMAGES.items()}
    order = [int(i) for i in rng.permutation(IMAGES["train"])]
    arrays.write_json(folder / "split.json", names | {"pp_order": order})
    arrays.seal(folder)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project with the tiny data set, 12 steps of batches of 4 and a quarter-width network."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    for name in ("params.yaml", "rows.yaml", "datasets.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    for name, old, new in [
        ("params.yaml", "batch_size: 8", "batch_size: 4"),
        ("params.yaml", "steps: auto", "steps: 12"),
        ("params.yaml", "device: auto", "device: cpu"),
        ("datasets.yaml", "width: 0.5", "width: 0.25"),
    ]:
        text = (tmp_path / name).read_text()
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new))
    write_packed(paths.packed("synthetic", tmp_path))
    return tmp_path


@pytest.fixture
def settings(project):
    return params.load(project)


@pytest.fixture
def packed(project):
    return arrays.open_packed(paths.packed("synthetic", project))
