"""docs/extending.md: its blocks, applied to a copy of the project, do what the page says."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from stages import config, paths
from stages.boxes.pack import pack
from stages.download.run import download
from tests.download.fabricated import save

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = dict(
    re.findall(
        r"```(?:yaml|python)\n# ([^\n]*)\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), flags=re.DOTALL
    )
)
ROW = "configs/rows.yaml, under rows: mixed:"
DATASET = "configs/datasets.yaml, under profiles:"
SOURCE = "stages/download/pairs.py"
REGISTRY = "stages/download/registry.py"
LOSS = "stages/model/losses.py"
FIGURE = "stages/figures/fill_rates.py"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    return tmp_path


def put(file: Path, below: str, block: str, indent: int) -> None:
    """Insert a block, indented, after the line that begins with `below`."""
    lines = file.read_text().split("\n")
    place = next(k for k, line in enumerate(lines) if line.startswith(below))
    lines[place + 1 : place + 1] = [" " * indent + line for line in block.rstrip().split("\n")]
    file.write_text("\n".join(lines))


def test_the_page_has_an_example_of_each() -> None:
    assert set(BLOCKS) == {ROW, DATASET, SOURCE, REGISTRY, LOSS, FIGURE}


def test_a_row_is_one_line(copy: Path) -> None:
    put(copy / "configs" / "rows.yaml", "  mixed:", BLOCKS[ROW], 4)
    row = config.load(copy).rows["bce-250-2530"]
    assert (row.pp, row.box, row.group) == (250, 2530, "mixed")


@pytest.fixture
def hard(copy: Path) -> Path:
    """A copy with the dataset of the page, drawn and packed."""
    put(copy / "configs" / "datasets.yaml", "profiles:", BLOCKS[DATASET], 2)
    (copy / "params.yaml").write_text((copy / "params.yaml").read_text().replace("dataset: synthetic", "dataset: hard"))
    profile = config.load(copy).profile
    manifest = download(profile, "hard", paths.scenes("hard", copy), {})
    pack(profile.boxes, 0, "hard", manifest, paths.packed("hard", copy), workers=1)
    return copy


def test_a_dataset_is_a_profile_and_a_figure_shows_it(
    hard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "code" / "fill_rates.py"
    module.parent.mkdir()
    module.write_text(BLOCKS[FIGURE])
    monkeypatch.syspath_prepend(str(module.parent))
    monkeypatch.setattr(paths, "packed", lambda dataset: hard / "data" / dataset / "packed")
    picture = importlib.import_module("fill_rates").draw("hard")
    sys.modules.pop("fill_rates")
    assert picture.png().startswith(b"\x89PNG")
    car = float(re.search(r"'car': ([\d.]+)", picture.alt)[1])
    assert 0.3 < car < 1


@pytest.fixture
def extended(copy: Path) -> Path:
    """A copy with the source of the page, a profile for it, and its data in `pairs`."""
    shutil.copytree(ROOT / "stages", copy / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "dvc.yaml").touch()
    (copy / SOURCE).write_text(BLOCKS[SOURCE])
    registry = (copy / REGISTRY).read_text()
    (copy / REGISTRY).write_text(re.sub(r"^SOURCES = .*\n", BLOCKS[REGISTRY], registry, flags=re.MULTILINE))
    yaml, file = YAML(), copy / "configs" / "datasets.yaml"
    profiles = yaml.load(file)
    profiles["profiles"]["pairs"] = dict(profiles["profiles"]["camvid"]) | {"scenes": {"source": "pairs"}}
    yaml.dump(profiles, file)
    (copy / "params.yaml").write_text(
        (copy / "params.yaml").read_text().replace("dataset: synthetic", "dataset: pairs")
    )
    for name in ("a.png", "b.png"):
        save(copy / "pairs" / "pictures" / name, np.zeros((24, 32, 3), np.uint8))
        save(copy / "pairs" / "labels" / name, np.full((24, 32), 8, np.uint8))
    return copy


def run(project: Path, *command: str, root: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PYTHONPATH": str(project), "PAIRS_ROOT": root}
    return subprocess.run([sys.executable, *command], cwd=project, env=environ, capture_output=True, text=True)


def test_a_source_is_a_module_and_a_name(extended: Path) -> None:
    root = str(extended / "pairs")
    for module in ("stages.download.place", "stages.download"):
        done = run(extended, "-m", module, root=root)
        assert done.returncode == 0, done.stderr
    place = json.loads((extended / "data" / "pairs" / "source.json").read_text())
    assert (place["source"], place["root"], place["files"]) == ("pairs", root, 4)
    manifest = json.loads((extended / "data" / "pairs" / "scenes" / "manifest.json").read_text())
    assert [image["id"] for image in manifest["images"]] == ["a.png", "b.png"]
    assert manifest["checks"]["label_ids"] == [8]
    (extended / "pairs" / "labels" / "b.png").unlink()
    done = run(extended, "-m", "stages.download", root=root)
    assert done.returncode == 1 and "pictures/b.png: its labels are missing" in done.stderr


def test_a_sources_code_decides_about_download_alone(extended: Path) -> None:
    code = (
        "from stages.fingerprint import PROGRAMS, closure\nfor name in PROGRAMS: print(name, *closure(PROGRAMS[name]))"
    )
    lines = run(extended, "-c", code, root="").stdout.splitlines()
    assert [line.split()[0] for line in lines if "stages.download.pairs" in line.split()] == ["download"]


def test_a_loss_is_a_function() -> None:
    from stages.model import losses

    scope = dict(vars(losses))
    exec(BLOCKS[LOSS], scope)
    logit = torch.tensor([-1.0, 0.5, 3.0], dtype=torch.float64)
    for target in (0.0, 1.0):
        p = torch.sigmoid(logit) if target else 1 - torch.sigmoid(logit)
        expected = (1 - p) ** 2 * -p.log()
        torch.testing.assert_close(scope["focal"](logit, torch.full_like(logit, target)), expected)
