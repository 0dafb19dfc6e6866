"""The committed reference: tables, ledger and pictures follow from reference/finals, and README from these."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from stages.params import UserError
from stages.report import reference

MARKS = "".join(f"<!-- {part}: begin -->\nstale\n<!-- {part}: end -->\n" for part in ("ledger", "bars", "tables"))


@pytest.fixture
def finals(finals: Path) -> Path:
    """With labels of the rows that the picture of masks shows, and a README."""
    labels = {name: np.zeros((2, 24, 48), np.uint8) for name in ("mask", "target", "output")}
    for row in reference.SHOWN:
        np.savez(finals / "reference" / "finals" / "synthetic" / f"{row}-0.npz", **labels)
    (finals / "README.md").write_text(f"before\n{MARKS}after\n")
    return finals


def test_everything_is_written_beside_the_trainings_and_into_the_readme(finals: Path):
    tables = finals / "reference" / "synthetic" / "tables"
    tables.mkdir(parents=True)
    (tables / "variations.md").write_text("of trainings that are gone")
    (folder,) = reference.write(finals)
    assert folder == finals / "reference" / "synthetic"
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert names >= {"claims.md", "overview.png", "masks.png", "table1.md", "table2.csv", "table3.md"}
    readme = (finals / "README.md").read_text()
    assert readme.startswith("before\n")
    assert readme.endswith("after\n")
    assert "stale" not in readme
    assert (folder / "tables" / "table2.md").read_text() in readme
    assert "variations.md" not in names
    assert "mean ± standard deviation over n = 2 seeds" in readme
    (line,) = (line for line in readme.splitlines() if line.startswith("| Bootstrapping beats the masks alone |"))
    literal, stable = line.split("|")[3:5]
    assert literal.strip().startswith("not reproduced: ")
    assert stable.strip().startswith("reproduced: ")
    assert "| No training of the recipe collapses, of at least 30 | undecided: 0 of " in readme


def test_trainings_with_another_threshold_stand_beside_their_row(finals: Path):
    folder = finals / "reference" / "finals" / "synthetic"
    for seed in (0, 1):
        run = json.loads((folder / f"bootstrap-500-2280-{seed}.json").read_text())
        run |= {"variant": "bootstrap-500-2280-tau-10", "settings": {"tau": 10.0}, "iou": {"car": 63.0 + seed}}
        run["trace"]["flipped_right"] = [0.0, 12.0 + seed]
        (folder / f"bootstrap-500-2280-tau-10-{seed}.json").write_text(json.dumps(run))
    (written,) = reference.write(finals)
    table = (written / "tables" / "variations.md").read_text()
    assert table in (finals / "README.md").read_text()
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in table.splitlines()
        if line.startswith(("| b", "| u"))
    ]
    plain, uncertainty, literal, tau_10, stable = lines
    assert plain[:6] == ["bce-500-2280", "–", "–", "–", "–", "0 %"]
    assert plain[7:10] == ["–", "–", "+10.0"]  # components: 75 % with boxes, 65 % with masks
    assert plain[11] == "–", "compared with itself"
    assert uncertainty[:6] == ["uncertainty-500-2280", "–", "–", "1", "–", "0 %"]
    assert literal[:4] == ["bootstrap-500-2280", "literal", "2.5", "1"]
    assert literal[6] == "4.75 ± 0.71 (2) † 2 of 2"
    # Car IoU of the miniature: masks alone 63.6, plain 54.43, regression 68.04, full 71.9; one point more with seed 1.
    assert tau_10 == [
        "bootstrap-500-2280", "literal", "10", "1", "–", "0 %", "63.50 ± 0.71 (2)", "12.5", "60.0", "+10.0",
        "-0.6 [-0.6, -0.6]", "+8.6 [8.6, 8.6]", "-5.0 [-5.0, -5.0]", "87.7 [86.6, 88.8]",
    ]  # fmt: skip
    assert stable[1:6] == ["stable", "2.5", "1.5", "–", "30 %"]


def test_writing_again_changes_nothing(finals: Path):
    reference.write(finals)
    before = (finals / "README.md").read_bytes()
    reference.write(finals)
    assert (finals / "README.md").read_bytes() == before


def test_a_dataset_on_which_a_row_is_not_trained_is_named_and_left_out(finals: Path, capsys):
    folder = finals / "reference" / "finals"
    shutil.copytree(folder / "synthetic", folder / "camvid")
    for file in (folder / "camvid").glob("ce-500-[01].json"):
        file.unlink()
    assert reference.write(finals) == [finals / "reference" / "synthetic"]
    assert "left out: reference/finals/camvid lacks ce-500: " in capsys.readouterr().err
    assert "on CamVid" not in (finals / "README.md").read_text()


def test_the_readme_prefers_photographs_once_they_have_three_seeds_of_every_row(finals: Path):
    folder = finals / "reference" / "finals"
    shutil.copytree(folder / "synthetic", folder / "camvid")
    reference.write(finals)
    assert "**Table 1 on CamVid" in (finals / "README.md").read_text()
    for file in list((folder / "synthetic").glob("*-1.json")):
        run = json.loads(file.read_text()) | {"seed": 2}
        file.with_name(file.name.replace("-1.json", "-2.json")).write_text(json.dumps(run))
    reference.write(finals)
    readme = (finals / "README.md").read_text()
    assert "**Table 1 on drawn street scenes" in readme
    assert "**Table 1 on CamVid" not in readme
    assert "| What the stable recipe has to reach | CamVid | drawn street scenes (synthetic) |" in readme


def test_without_a_complete_dataset_nothing_is_written(finals: Path):
    for file in (finals / "reference" / "finals" / "synthetic").glob("ce-500-[01].json"):
        file.unlink()
    with pytest.raises(UserError, match=r"^reference/finals/synthetic lacks ce-500: "):
        reference.write(finals)
    assert "stale" in (finals / "README.md").read_text()


def test_a_readme_without_marks_is_refused():
    with pytest.raises(UserError, match="allowed"):
        reference.insert("no marks", "tables", "table")


def test_without_trainings_the_readme_says_nothing(project: Path):
    (project / "README.md").write_text(MARKS)
    assert reference.write(project) == []
    assert "stale" not in (project / "README.md").read_text()
