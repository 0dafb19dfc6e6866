"""The table of other methods, from committed trainings of known numbers."""

import json
import shutil
from pathlib import Path

import pytest

from stages.analysis import methods
from stages.analysis.paper import load as load_paper
from tests.miniature import REPOSITORY

FULL, MIXED, STABLE = "bce-2780", "bce-500-2280", "bootstrap-500-2280-stable"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "studies", tmp_path / "studies")
    for name, ious, seconds in (
        (FULL, (80, 82, 84), 100),
        (MIXED, (70, 70, 70), 100),
        (STABLE, (76, 77, 78), 150),
        ("bootstrap-500-2280", (72, 73, 74), 98),
        ("bce-500-2280-oracle", (80, 80, 80), 100),
    ):
        put(tmp_path, "runs", name, ious, seconds, target=77.0 if "bootstrap" in name else None)
    put(tmp_path, "methods", "grabcut-500-2280", (75, 76, 77), 50, target=71.0, proposals=0.1)
    put(tmp_path, "methods", "self-training-500-2280", (77, 79, 81), 100, target=75.0)
    put(tmp_path, "methods", "grabcut-0-2780", (74, 74, 74), 50, target=71.0, proposals=0.1, masks=0)
    put(tmp_path, "methods", "projection-500-2280", (50, 51, 52), 60, projection=1.0)
    return tmp_path


def put(root, folder, name, ious, seconds, target=None, proposals=None, masks=72, projection=0.0):
    """Write the trainings of an entry: IoU by seed, the labels' IoU when training ends, and seconds of its labels."""
    place = root / "reference" / folder / "synthetic"
    place.mkdir(parents=True, exist_ok=True)
    trace = {"steps": [5, 10], "box": {"iou": 67.0}}
    if target is not None:
        trace["target"] = {"iou": [67.0, target]}
    for seed, iou in enumerate(ious):
        run = {"variant": name, "row": name, "recipe": None, "seed": seed, "settings": {}}
        run |= {"classes": ["background", "car"], "iou": {"car": iou}}
        run |= {"counts": {"pp": masks, "box": 328, "train": 400}, "seconds": seconds, "device": "a core"}
        run |= {"resolutions": {"projection": projection}, "changes": {"oracle": True} if "oracle" in name else {}}
        run |= {"trace": None if name == FULL else trace}
        if proposals:
            run["proposals"] = {"seconds": proposals, "memory": 90, "parameters": {"trials": 8}}
        (place / f"{name}-{seed}.json").write_text(json.dumps(run))


def loaded(root: Path) -> dict[str, methods.Method]:
    return {one.name: one for one in methods.load(load_paper(REPOSITORY), root)["synthetic"]}


def test_methods_are_listed_from_the_best_with_their_shares_of_the_gap(root):
    found = loaded(root)
    assert list(found)[0] == FULL and list(found)[-1] == "projection-500-2280"
    # (77 - 70) / (80 - 70), and so on: the ratio of the means
    assert found["self-training-500-2280"].share.mean == pytest.approx(100 * 9 / 12)
    assert found["self-training-500-2280"].iou.values == (77, 79, 81)
    assert found[MIXED].share.mean == 0


def test_the_stable_recipe_is_compared_seed_by_seed_and_not_with_itself(root):
    found = loaded(root)
    behind = found["self-training-500-2280"].behind
    assert behind.values == {0: -1, 1: -2, 2: -3} and behind.mean == -2 and behind.low < -2 < behind.high
    assert found[STABLE].behind is None


def test_each_is_compared_with_the_masks_alone(root):
    assert loaded(root)["self-training-500-2280"].over_masks is None
    put(root, "runs", "bce-500", (70, 75, 80), 100)
    found = loaded(root)
    assert found["self-training-500-2280"].over_masks.values == {0: 7, 1: 4, 2: 1}
    assert found["bce-500"].over_masks is None


def test_the_labels_are_those_when_training_ends(root):
    found = loaded(root)
    assert found["self-training-500-2280"].labels.mean == 75.0
    assert found[MIXED].labels.mean == 67.0  # the boxes
    assert found["bce-500-2280-oracle"].labels.mean == 100.0
    assert found[FULL].labels is None and found["projection-500-2280"].labels is None


def test_costs_are_multiples_of_plain_training_at_the_same_time(root):
    found = loaded(root)
    assert found[STABLE].time == 1.5
    assert found["self-training-500-2280"].time == 2.0  # of GrabCut's row, which trains as plain BCE does
    assert found["grabcut-500-2280"].share_of_plain == pytest.approx(100 * 0.1 * 400 / 50)
    choosing = root / "reference" / "methods" / "synthetic" / "grabcut-500-2280-0.json"
    run = json.loads(choosing.read_text())
    run["proposals"]["choosing"] = 5.0
    choosing.write_text(json.dumps(run))
    assert loaded(root)["grabcut-500-2280"].share_of_plain == pytest.approx(100 * (0.1 * 400 + 5) / 50)
    assert found["grabcut-500-2280"].trials == 8 and found["grabcut-500-2280"].memory == 90
    assert found[STABLE].seconds is None and found[STABLE].share_of_plain is None


def test_without_times_there_is_no_cost(root):
    for file in (root / "reference" / "methods" / "synthetic").glob("*.json"):
        run = json.loads(file.read_text())
        del run["seconds"]
        file.write_text(json.dumps(run))
    found = loaded(root)
    assert found["self-training-500-2280"].time is None and found["grabcut-500-2280"].share_of_plain is None


def test_the_best_is_one_that_does_not_see_all_masks(root):
    found = list(loaded(root).values())
    assert methods.best(found, masks=True).name == "self-training-500-2280"
    assert methods.best(found, masks=False).name == "grabcut-0-2780"
    assert methods.best([], masks=True) is None


def test_a_gap_that_is_not_clear_has_no_shares(root):
    put(root, "runs", FULL, (60, 71, 82), 100)
    assert loaded(root)["self-training-500-2280"].share is None


def test_without_trainings_there_is_nothing(tmp_path):
    shutil.copytree(REPOSITORY / "studies", tmp_path / "studies")
    assert methods.load(load_paper(REPOSITORY), tmp_path) == {}


def test_tried_counts_the_settings_of_the_studies_that_chose(root):
    (root / "studies" / "choices.yaml").write_text("runs:\n  mixed: {row: bce-500-2280}\n  one: {}\n  two: {}\n")
    (root / "studies" / "remedies.yaml").write_text("runs:\n  full: {row: bce-2780}\n  a: {}\n  few: {pp: 100}\n")
    assert methods.tried(root) == {STABLE: 1, "projection-500-2280": 2}
