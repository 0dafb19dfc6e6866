"""The ablation's summary: constructed results, whose numbers can be told by hand."""

import json
import shutil
from pathlib import Path

import pytest

from stages.analysis import ablation
from stages.errors import UserError
from stages.figures.ablation import draw
from stages.paths import ROOT
from stages.report.ablation_table import ablation_table


def write(
    root: Path, variant: str, seed: int, iou: float, flipped: tuple[float, float] | None = None, steps: int = 360
) -> None:
    trace = None
    if flipped:
        right, wrong = flipped
        trace = {"flipped_right": [0.0, right], "flipped_wrong": [0.0, wrong], "auroc": [0.5, 0.75]}
    file = root / "reference" / "ablation" / "synthetic" / f"{variant}-{seed}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    run = {"variant": variant, "row": "bootstrap-500-2280-stable", "iou": {"car": iou}, "trace": trace}
    run |= {"settings": {"steps": steps}, "seed": seed, "recipe": "stable"}
    file.write_text(json.dumps(run))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("studies", "paper"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    write(tmp_path, "full", 0, 60.0)
    write(tmp_path, "full", 1, 64.0)
    write(tmp_path, "tau-1", 0, 62.0, (31.0, 50.0))
    write(tmp_path, "base", 0, 62.0, (10.0, 40.0))
    write(tmp_path, "base", 1, 60.0, (20.0, 44.0))
    write(tmp_path, "bare", 0, 30.9, (5.0, 10.0))
    return tmp_path


def test_variants_keep_the_grids_order_and_the_means_of_their_seeds(root):
    found = ablation.load(root)["synthetic"]
    assert list(found) == ["full", "base", "tau-1", "bare"]
    assert found["full"].false_flip_rate is None
    assert found["base"].iou.mean == 61.0
    assert found["base"].false_flip_rate.mean == 15.0
    assert found["base"].recall.mean == 42.0
    assert found["base"].auroc.mean == 0.75


def test_a_collapse_is_half_of_full_supervision_or_a_third_of_the_foreground(root):
    found = ablation.load(root)["synthetic"]
    assert {name: variant.collapsed for name, variant in found.items()} == {
        "full": 0, "base": 0, "tau-1": 1, "bare": 1
    }  # fmt: skip


def test_a_picture_keeps_the_grids_order_whichever_dataset_has_an_entry(root):
    folder = root / "reference" / "ablation"
    shutil.copytree(folder / "synthetic", folder / "camvid")
    (folder / "camvid" / "base-0.json").unlink()
    (folder / "camvid" / "base-1.json").unlink()
    picture = draw(ablation.load(root))
    names = [label.get_text() for label in picture.figure.axes[0].get_yticklabels()]
    assert names == ["full", "base", "tau-1", "bare"]


def test_a_dataset_without_full_supervision_is_one_clear_line(root):
    for seed in (0, 1):
        (root / "reference" / "ablation" / "synthetic" / f"full-{seed}.json").unlink()
    with pytest.raises(UserError, match=r"^reference/ablation/synthetic has no training of full: `python -m stages"):
        ablation.load(root)


def test_a_longer_training_is_compared_with_full_supervision_of_its_length(root):
    write(root, "full-720-steps", 0, 80.0, steps=720)
    write(root, "bare-720-steps", 0, 39.0, (5.0, 10.0), steps=720)
    write(root, "cap-per-tau-720-steps", 0, 60.0, (5.0, 10.0), steps=720)
    write(root, "one-cycle", 0, 33.0, (5.0, 10.0), steps=100)
    found = ablation.load(root)["synthetic"]
    assert [found[name].collapsed for name in ("bare-720-steps", "cap-per-tau-720-steps", "one-cycle")] == [1, 0, 0]
    lines = {line[0].text: line[3].text for line in ablation_table("synthetic", found).body}
    assert lines["cap-per-tau-720-steps"] == "75.0 %"
    assert lines["base"] == "98.4 %"
    assert lines["one-cycle"] == "–"


def test_the_table_says_it(root):
    table = ablation_table("synthetic", ablation.load(root)["synthetic"])
    lines = {line[0].text: [cell.text for cell in line[1:]] for line in table.body}
    assert lines["base"] == ["2", "61.00 ± 1.41", "98.4 %", "15.00 ± 7.07", "42.00 ± 2.83", "0.75 ± 0.00", ""]
    assert lines["tau-1"][-1] == "1 of 1"
    assert lines["full"][3:] == ["–", "–", "–", ""]
    assert len(table.records) == 6


def test_the_picture_has_a_dot_for_each_training_and_names_the_dead(root):
    picture = draw(ablation.load(root))
    (axes,) = picture.figure.axes
    dots = sorted(x for line in axes.get_lines() if line.get_marker() == "o" for x in line.get_xdata())
    assert dots == [30.9, 60.0, 60.0, 62.0, 62.0, 64.0]
    assert "tau-1 on synthetic, bare on synthetic" in picture.alt
    assert picture.png().startswith(b"\x89PNG")


def test_without_trainings_there_is_nothing(root):
    for file in (root / "reference" / "ablation" / "synthetic").iterdir():
        file.unlink()
    assert ablation.load(root) == {}


def test_a_broken_result_is_one_line(root):
    (root / "reference" / "ablation" / "synthetic" / "full-0.json").write_text("{")
    with pytest.raises(
        UserError, match=r"^reference/ablation/synthetic/full-0\.json is not JSON \(line 1\): `git checkout -- "
    ):
        ablation.load(root)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[]", r"is no training's result \(all of it\)"),
        (b"null", r"is no training's result \(all of it\)"),
        (b"{}", r"is no training's result \(variant\)"),
        (b"\xff", r"is not JSON \(byte 0\)"),
        (b'{"variant": "full", "seed": "0"}', r"is no training's result \(seed\)"),
    ],
)
def test_what_is_no_training_is_one_line(root, content, said):
    (root / "reference" / "ablation" / "synthetic" / "full-0.json").write_bytes(content)
    with pytest.raises(UserError, match=rf"^reference/ablation/synthetic/full-0\.json {said}: `git checkout -- "):
        ablation.load(root)


def test_a_training_under_anothers_name_is_one_line(root):
    folder = root / "reference" / "ablation" / "synthetic"
    (folder / "full-9.json").write_bytes((folder / "full-0.json").read_bytes())
    with pytest.raises(UserError, match=r"^reference/ablation/synthetic/full-9\.json is that of full, seed 0: `git"):
        ablation.load(root)
