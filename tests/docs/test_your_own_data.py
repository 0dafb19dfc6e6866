"""docs/your-own-data.md: its commands, one after the other, on a small folder of COCO annotations."""

import csv
import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools.coco import COCO

from stages import left_out, paths
from tests.pipeline.clones import ENVIRONMENT, Clone, copy_project

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "your-own-data.md").read_text(), re.DOTALL)
    for line in block.splitlines()
]
PICTURES, SIZES = 24, [(80, 60), (60, 60), (56, 72)]
NAME = "größere Zelle"


def write_folder(root: Path) -> Path:
    """Pictures of several sizes with red ellipses; every other one has masks, the rest boxes alone."""
    rng, images, annotations = np.random.default_rng(0), [], []
    (root / "pictures").mkdir(parents=True)
    for number in range(1, PICTURES + 1):
        width, height = SIZES[number % len(SIZES)]
        picture = Image.fromarray(rng.integers(60, 110, (height, width, 3), dtype=np.uint8))
        images.append({"id": number, "file_name": f"pictures/no {number}.png", "width": width, "height": height})
        for _ in range(int(rng.integers(1, 3))):
            centre, radius = rng.uniform((14, 14), (width - 14, height - 14)), rng.uniform(6, 12, 2)
            turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
            outline = centre + radius * np.stack([np.cos(turn), np.sin(turn)], 1)
            ImageDraw.Draw(picture).polygon([tuple(point) for point in outline], fill=(200, 80, 60))
            low, high = outline.min(0), outline.max(0)
            entry = {"id": len(annotations) + 1, "image_id": number, "category_id": 7, "iscrowd": 0}
            entry |= {"bbox": [*low.tolist(), *(high - low).tolist()], "area": float(np.pi * radius.prod())}
            annotations.append(entry | ({"segmentation": [outline.ravel().tolist()]} if number % 2 else {}))
        picture.save(root / "pictures" / f"no {number}.png")
    content = {"images": images, "annotations": annotations, "categories": [{"id": 7, "name": NAME}]}
    (root / "annotations.json").write_text(json.dumps(content))
    return root


def run(clone: Clone, command: str) -> None:
    """Run a command of the page with few steps, and with pictures in place of NEW_PICTURES."""
    command = command.replace("NEW_PICTURES", shlex.quote(str(clone.path / "folder" / "pictures")))
    words = shlex.split(command.replace("dataset=mine", "dataset=mine -S steps=6"))
    if words[0] == "dvc":
        clone.dvc(*words[1:])
    else:
        clone.run(sys.executable, *words[1:])


def test_the_page_sets_the_folder_trains_and_uses_what_was_trained() -> None:
    assert [command.split()[0] for command in COMMANDS] == ["export", "dvc", "python", "python", "python"]


@pytest.mark.integration
@pytest.mark.slow
def test_the_walk_from_a_folder_to_a_model_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = copy_project(tmp_path / "clone")
    folder = write_folder(clone.path / "folder")
    first, *commands = COMMANDS
    assert first == "export COCO_ROOT=/path/to/folder"
    monkeypatch.setitem(ENVIRONMENT, "COCO_ROOT", str(folder))
    for command in commands:
        run(clone, command)
    skipped = json.loads((paths.results(clone.path) / left_out.FILE).read_text())
    trained = {"bce-500", "bce-500-2280", "uncertainty-500-2280-warmup", "bootstrap-500-2280-stable"}
    files = {file.stem for file in paths.results(clone.path).glob("*.json")} - {"left_out"}
    assert files - set(skipped) == trained
    assert "training images have masks" in skipped["bce-2780"]
    page = (clone.path / "reports" / "index.html").read_text()
    assert re.search(r'<h1 class="answer">Best is .* IoU on \d+ validation images of mine', page)
    assert NAME in page and "lowest IoU" in page
    predicted = json.loads((clone.path / "masks" / "predictions.json").read_text())
    assert len(predicted["images"]) == PICTURES
    given = COCO(str(folder / "annotations.json"))
    corrected = COCO(str(clone.path / "corrected" / "relabelled.json"))
    names = {image["file_name"]: image for image in given.dataset["images"]}
    for image in corrected.dataset["images"]:  # the tool finds its own pictures again
        assert (image["width"], image["height"]) == tuple(names[image["file_name"]][key] for key in ("width", "height"))
    for box in corrected.dataset["annotations"]:
        x, y, width, height = box["bbox"]
        mask = corrected.annToMask(box)
        assert mask.sum() == mask[y : y + height, x : x + width].sum()
    with (clone.path / "corrected" / "relabelled.csv").open(newline="") as file:
        variances = [float(line["variance"]) for line in csv.DictReader(file)]
    assert variances == sorted(variances, reverse=True) and variances
    assert (clone.path / "network.onnx").stat().st_size > 10_000
