"""The table of trainings with all classes: every class of every row, from the committed trainings."""

import json
from pathlib import Path

import pytest

from stages import config
from stages.analysis import paper
from stages.analysis.results import Result
from stages.report.many_classes import many_classes_table, many_classes_tables

ROWS, PRINTED = config.load().rows, paper.load()
CLASSES = ("background", "car", "person", "truck")
NAMES = ("ce-all-500", "ce-bootstrap-all-500-2280-stable")


def run(name: str, seed: int, mean: float, truck: float | None = 10.0) -> dict:
    iou = {"background": 90.0, "car": 50.0 + seed, "person": 20.0, "truck": truck}
    about = {"row": name, "variant": name, "seed": seed, "recipe": ROWS[name].recipe, "settings": {}}
    return about | {"classes": list(CLASSES), "iou": iou, "mean_iou": mean}


def test_a_line_has_the_mean_with_its_spread_and_each_class() -> None:
    found = {name: Result(name, (run(name, 0, 40.0), run(name, 1, 42.0, None))) for name in NAMES}
    table = many_classes_table(found, ROWS, PRINTED, "mine")
    assert [cell.text for cell in table.head[0]] == [
        "Row", "recipe", "n", "Mean", "of the gap", "BG", "Car", "Person", "Truck",
    ]  # fmt: skip
    lines = [[cell.text for cell in line] for line in table.body]
    # Trucks are not in every run
    assert lines[0] == ["ce-all-500", "–", "2", "41.00 ± 1.41", "–", "90.0", "50.5", "20.0", "–"]
    assert lines[1][:2] == ["ce-bootstrap-all-500-2280-stable", "stable"]
    assert table.caption.startswith("All 4 trainings with 4 classes, background counted, ended.")


def test_a_row_closes_a_share_of_the_gap_between_plain_ce_on_the_same_labels_and_all_masks() -> None:
    means = {"ce-all-2780": (60.0, 61.0), "ce-all-500-2280": (50.0, 51.0), NAMES[1]: (55.0, 56.0)}
    found = {
        name: Result(name, tuple(run(name, seed, mean) for seed, mean in enumerate(values)))
        for name, values in means.items()
    }
    lines = [[cell.text for cell in line] for line in many_classes_table(found, ROWS, PRINTED, "mine").body]
    assert [line[4] for line in lines] == ["–", "–", "50 % [50, 50]"]


@pytest.mark.parametrize("present", [True, False])
def test_only_datasets_with_such_trainings_have_a_table(tmp_path: Path, present: bool) -> None:
    for dataset, name in (("few", "bce-500"), ("many", "ce-all-500" if present else "ce-500")):
        folder = tmp_path / "reference" / "runs" / dataset
        folder.mkdir(parents=True)
        (folder / f"{name}-0.json").write_text(json.dumps(run(name, 0, 40.0)))
    assert [table.title for table in many_classes_tables(ROWS, PRINTED, tmp_path)] == ["All classes on many"] * present


def test_the_claim_about_more_classes_stands_below_with_a_verdict_for_each_recipe() -> None:
    flipped = {"ce-all-2780": None, "ce-bootstrap-all-500-2280": 60.0, "ce-bootstrap-all-500-2280-stable": 7.0}
    found = {}
    for name, share in flipped.items():
        runs = tuple(run(name, seed, 40.0) for seed in (0, 1, 2))
        for one in runs:
            one["trace"] = share and {"flipped_right": [0.0, share + one["seed"] / 10]}
        found[name] = Result(name, runs)
    table = many_classes_table(found, ROWS, PRINTED, "mine")
    marks, claim = table.notes
    assert claim.startswith("“With more than three classes, the loss is too unstable to train with”")
    assert "literal recipe reproduced: 60.1" in claim
    assert "stable recipe not reproduced: 7.1" in claim
    assert marks.startswith("† so many of the trainings collapsed")
    assert [cell.text for line in table.body for cell in line if "†" in cell.text] == ["40.00 ± 0.00 † 3 of 3"]


def test_a_training_without_cars_is_marked_as_collapsed() -> None:
    full, dead = run("ce-all-2780", 0, 40.0), run("ce-bootstrap-all-500-2280", 0, 8.0)
    dead["iou"]["car"] = 3.0
    table = many_classes_table({one["row"]: Result(one["row"], (one,)) for one in (full, dead)}, ROWS, PRINTED, "mine")
    assert table.body[1][3].text == "8.00 † 1 of 1"
