"""docs/extending.md: its blocks, applied to a copy of the project, do what the page says."""

import importlib
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch

from stages import config, paths
from stages.boxes.pack import pack
from stages.download.run import download

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = dict(
    re.findall(
        r"```(?:yaml|python)\n# ([^\n]*)\n(.*?)```", (ROOT / "docs" / "extending.md").read_text(), flags=re.DOTALL
    )
)
ROW = "configs/rows.yaml, under rows: mixed:"
DATASET = "configs/datasets.yaml, under profiles:"
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
    assert set(BLOCKS) == {ROW, DATASET, LOSS, FIGURE}


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


def test_a_loss_is_a_function() -> None:
    from stages.model import losses

    scope = dict(vars(losses))
    exec(BLOCKS[LOSS], scope)
    logit = torch.tensor([-1.0, 0.5, 3.0], dtype=torch.float64)
    for target in (0.0, 1.0):
        p = torch.sigmoid(logit) if target else 1 - torch.sigmoid(logit)
        expected = (1 - p) ** 2 * -p.log()
        torch.testing.assert_close(scope["focal"](logit, torch.full_like(logit, target)), expected)
