"""What remedies give: shares of the gap and what flips add, paired by seed, by hand."""

import json
from pathlib import Path

import pytest

from stages.analysis import paper, remedies
from stages.analysis.remedies import Remedy
from stages.errors import UserError
from stages.figures import remedies as drawn
from stages.report.remedies_table import remedies_table

ASKED = paper.load_claims()
IOUS = {
    "full": (80.0, 82.0, 84.0),
    "mixed": (70.0, 71.0, 72.0),
    "uncertainty-warmup": (74.0, 74.0, 75.0),
    "literal": (73.0, 74.0, 10.0),
    "cap-warmup": (77.0, 78.0, 79.5),
    "mixed-100": (68.0,),
    "supervised-teacher-pooled-100": (73.0,),
}


def write(root: Path, name: str, seed: int, iou: float, **more) -> None:
    flips = {"steps": [1, 9], "flipped_right": [0.0, 5.0], "flipped_wrong": [0.0, 60.0 + seed]}
    flips |= {"box": {"iou": 70.0}, "target": {"iou": [70.0, 80.0 + seed]}}
    run = {"variant": name, "seed": seed, "classes": ["background", "car"], "iou": {"car": iou}, "settings": {}}
    run["trace"] = flips if name.startswith(("literal", "cap", "supervised")) else {}
    folder = root / "reference" / "remedies" / "synthetic"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}-{seed}.json").write_text(json.dumps(run | {"row": name, "recipe": None, **more}))


@pytest.fixture
def trained(project: Path) -> Path:
    for name, ious in IOUS.items():
        for seed, iou in enumerate(ious):
            write(project, name, seed, iou)
    return project


@pytest.fixture
def found(trained: Path) -> dict[str, Remedy]:
    [(dataset, listed)] = remedies.load(ASKED, trained).items()
    assert dataset == "synthetic"
    return {one.name: one for one in listed}


def test_a_share_is_of_the_gap_on_the_seeds_that_all_have(found):
    assert list(found) == [
        "full",
        "mixed",
        "uncertainty-warmup",
        "literal",
        "cap-warmup",
        "mixed-100",
        "supervised-teacher-pooled-100",
    ]
    cap = found["cap-warmup"]
    assert cap.share.mean == pytest.approx(100 * (7 + 7 + 7.5) / (10 + 11 + 12))
    assert cap.share.low < cap.share.mean < cap.share.high
    assert found["full"].share.mean == pytest.approx(100.0)
    assert found["supervised-teacher-pooled-100"].share.mean == pytest.approx(100 * 5 / 12)


def test_what_flips_add_is_over_the_same_draws_without_one_and_as_many_masks(found):
    assert found["cap-warmup"].over.values == {0: 3.0, 1: 4.0, 2: 4.5}
    assert found["uncertainty-warmup"].over is None
    assert found["supervised-teacher-pooled-100"].over is None  # no control with as few masks was trained


def test_labels_and_collapses_are_over_seeds(found):
    assert found["literal"].collapsed == 1
    assert found["cap-warmup"].labels == [(1, 70.0), (9, 81.0)]
    assert found["mixed"].labels == () and found["mixed"].recall is None


def test_where_there_is_no_gap_there_is_no_share(trained):
    for seed in range(3):
        write(trained, "mixed", seed, 80.0)
    found = {one.name: one for one in remedies.load(ASKED, trained)["synthetic"]}
    assert found["cap-warmup"].share is None and found["cap-warmup"].over is not None


def test_the_table_and_the_pictures_say_it(trained):
    found = remedies.load(ASKED, trained)
    table = remedies_table("synthetic", found["synthetic"])
    line = next(line for line in table.body if line[0].text == "cap-warmup")
    assert [cell.text for cell in line[1:5]] == ["3", "78.17 ± 1.26", "65 % [57, 77]", "+3.8 [+1.9, +5.7]"]
    assert next(line for line in table.body if line[0].text == "literal")[-1].text == "1 of 3"
    picture = drawn.shares(found, 92.0)
    assert "cap-warmup on synthetic street scenes 65 %" in picture.alt
    assert [label.get_text() for label in picture.figure.axes[0].get_yticklabels()][0] == "uncertainty-warmup"
    curves = drawn.labels(found, ["literal", "cap-warmup"])
    assert "cap-warmup on synthetic street scenes: from 70 to 81 %" in curves.alt
    assert [line.get_label() for line in curves.figure.axes[0].lines] == ["literal", "cap-warmup"]


@pytest.mark.parametrize("end", ["full", "mixed"])
def test_a_missing_end_of_the_gap_is_named(trained, end):
    for file in (trained / "reference" / "remedies" / "synthetic").glob(f"{end}-[0-9].json"):
        file.unlink()
    with pytest.raises(UserError, match=f"^reference/remedies/synthetic has no training of {end}: `python -m stages"):
        remedies.load(ASKED, trained)


def test_without_trainings_there_is_nothing(project):
    assert remedies.load(ASKED, project) == {}
