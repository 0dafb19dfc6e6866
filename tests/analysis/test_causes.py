"""What the trainings of studies/causes.yaml say: each switch against its recipe as it is, paired by seed."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages.analysis import causes
from stages.analysis.causes import CONTROL, Variant
from stages.report.causes_table import causes_table
from stages.studies import grids

LITERAL, STABLE = "ce-bootstrap-all-500-2280", "ce-bootstrap-all-500-2280-stable"
SWITCHES = {
    "literal": {}, "literal-printed": {"estimator": "printed"}, "literal-target": {"trigger": "target"},
    "stable": {}, "stable-mean-field": {"estimator": "mean_field"},
}  # fmt: skip


def write(root: Path, variant: str, seed: int, mean: float | None, **more: Any) -> None:
    recipe = "paper" if variant.startswith("literal") else "stable"
    run = {"variant": variant, "seed": seed, "recipe": recipe, "row": LITERAL if recipe == "paper" else STABLE}
    run |= {"changes": {"overrides": SWITCHES[variant]} if SWITCHES[variant] else {}, "settings": {"steps": 100}}
    run |= {"iou": {"car": 50.0}, "mean_iou": mean} if mean is not None else {"iou": {}, "stopped": 120 + seed}
    folder = root / "reference" / "causes" / "synthetic-classes"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{variant}-{seed}.json").write_text(json.dumps(run | more))


@pytest.fixture
def variants(project: Path) -> dict[str, Variant]:
    trace = {"flipped_right": [0.0, 80.0], "flipped_wrong": [0.0, 90.0]}
    counted = {"flipped": [5.0] * 10, "exceeds_max": [*[0.0] * 5, *[100.0] * 5], "exceeds_target": [10.0] * 10}
    for seed, mean in enumerate((10.0, 11.0, 12.0)):
        write(project, "literal", seed, mean, trace=trace, counted=counted)
        write(project, "literal-printed", seed, None)
        write(project, "literal-target", seed, mean + 5 + seed / 10)
        write(project, "stable", seed, 36.0)
    write(project, "stable-mean-field", 2, 35.0)
    [(dataset, found)] = causes.load(0.95, project).items()
    assert dataset == "synthetic-classes"
    return {one.name: one for one in found}


def test_a_switch_is_compared_with_its_recipe_as_it_is(variants: dict[str, Variant]):
    assert list(variants) == list(SWITCHES)  # in the order of the file
    over = variants["literal-target"].over
    assert over.mean == pytest.approx(5.1)
    assert over.low == pytest.approx(5.1 - 4.302653 * 0.1 / 3**0.5, rel=1e-5)
    assert variants["stable-mean-field"].over.values == {2: -1.0}
    assert variants["literal"].over is None and variants["literal"].changed == CONTROL
    assert (variants["literal-target"].base, variants["literal-target"].changed) == (
        "literal", "the label’s variance triggers"
    )  # fmt: skip


def test_a_training_without_a_finite_loss_has_its_step_and_no_iou(variants: dict[str, Variant]):
    printed = variants["literal-printed"]
    assert printed.stopped == {0: 120, 1: 121, 2: 122}
    assert printed.iou() is None and printed.over is None


def test_what_flips_and_how_often_a_variance_is_above_the_threshold(variants: dict[str, Variant]):
    literal = variants["literal"]
    assert (literal.flipped("right").mean, literal.flipped("wrong").mean) == (80.0, 90.0)
    assert (literal.above("max").mean, literal.above("target").mean) == (100.0, 10.0)
    assert variants["stable"].above("max") is None  # nothing counted


def test_the_answer_says_what_is_certain_and_what_broke(variants: dict[str, Variant]):
    said = causes.answer(list(variants.values()))
    assert "Literal recipe: better for certain with the label’s variance triggers +5.1 points" in said
    assert "Stable recipe: no switch is better for certain (the best: mean field, no samples, -1.00, n = 1)" in said
    assert said.endswith("Losses that stopped being finite: literal-printed from step 120 on.")


def test_the_table_has_a_line_an_entry(variants: dict[str, Variant]):
    table = causes_table("synthetic-classes", list(variants.values()))
    lines = {line[0].text: [cell.text for cell in line[1:]] for line in table.body}
    assert lines["literal"] == [
        "literal",
        CONTROL,
        "3",
        "11.00 ± 1.00",
        "–",
        "50.0",
        "80.0",
        "90.0",
        "100.0",
        "10.0",
    ]
    assert lines["literal-printed"][2:] == ["3", "3 not finite, step 120", "–", "–", "–", "–", "–", "–"]
    assert lines["literal-target"][4] == "+5.1 [+4.9, +5.3]"


def test_every_switch_of_the_file_has_words():
    for name, entry in grids.load("causes").runs.items():
        known = [item for item in entry.overrides.model_dump(exclude_none=True).items() if item in causes.WORDS]
        assert len(known) == (0 if name in ("literal", "stable", "no-flips") else 1), name
