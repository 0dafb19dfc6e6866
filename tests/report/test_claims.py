"""The ledger: verdicts follow from the numbers and their spread."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from stages.report import claims, paper
from stages.report.claims import NOT_REPRODUCED, REPRODUCED, UNDECIDED
from stages.report.paper import Check
from stages.report.records import Result


def result(row: str, *ious: float, **more) -> Result:
    return Result(row, tuple({"seed": i, "iou": {"car": x}} | more for i, x in enumerate(ious)))


DIFFERENCE = Check(measure="iou_difference", rows=["a", "b"], above=0)


@pytest.fixture
def found(inputs) -> dict[str, claims.Finding]:
    return {finding.claim.id: finding for finding in claims.findings(*inputs, {})}


# ---- the list ----


def test_every_row_that_a_claim_asks_about_is_trained_or_is_a_study_of_one(inputs):
    printed, settings, _ = inputs
    for claim in printed.claims:
        for row in claim.check.rows:
            base = row.split("-tau-")[0].split("-samples-")[0]
            assert base in settings.rows, claim.id


def test_ids_are_unique_and_fit_for_file_names(inputs):
    ids = [claim.id for claim in inputs[0].claims]
    assert len(set(ids)) == len(ids)
    assert all(name.replace("-", "").isalnum() and name.islower() for name in ids)


def test_every_claim_in_numbers_holds_for_the_papers_own_numbers(inputs):
    """The thresholds ask for no more than the paper has."""
    printed = inputs[0]
    asked = 0
    for claim in printed.claims:
        rows = [printed.rows.get(row) for row in claim.check.rows]
        if claim.check.measure not in ("iou_difference", "iou_share") or not all(row and row.iou for row in rows):
            continue
        own = [Result("", ({"seed": 0, "iou": row.iou, "mean_iou": row.iou.get("mean")},)) for row in rows]
        assert claim.check.margin(claims.effect(claim.check, own).mean) > 0, claim.id
        asked += 1
    assert asked >= 10


def test_the_papers_own_shares_are_those_that_it_prints(found):
    assert found["near-full"].paper.startswith("98.3 % ")
    assert found["several-near-full"].paper.startswith("97.4 % ")
    assert found["mixing-hurts"].paper == "+9.17 (78.6 against 69.43)"
    assert found["boxes-edges"].paper == "pictures"


# ---- effects ----


def test_the_interval_is_students_t_of_the_paired_differences():
    a, b = (61.0, 58.5, 63.25, 60.0), (57.0, 57.5, 58.0, 58.75)
    effect = claims.effect(DIFFERENCE, [result("a", *a), result("b", *b)])
    differences = np.subtract(a, b)
    low, high = stats.t.interval(0.95, 3, differences.mean(), stats.sem(differences))
    assert (effect.mean, effect.low, effect.high) == pytest.approx((differences.mean(), low, high))
    assert effect.n == 4


def test_rows_are_paired_by_seed_and_only_shared_seeds_count():
    a = Result("a", tuple({"seed": s, "iou": {"car": 10.0 * s}} for s in (3, 1, 2)))
    b = Result("b", tuple({"seed": s, "iou": {"car": 10.0 * s - 1}} for s in (2, 3, 9)))
    assert claims.effect(DIFFERENCE, [a, b]).values == {3: 1.0, 2: 1.0}


def test_each_measure_by_hand():
    shape = {"component_boxes": 72.0, "component_masks": 60.0, "iou_with_boxes": 50.0, "iou_with_masks": 55.0}
    trace = {"steps": [1, 35, 40, 100], "auroc": [0.4, 0.5, 0.7, 0.9], "box": {"iou": 66.0}}
    trace |= {"target": {"iou": [60.0, 66.0, 70.0, 75.5]}, "flipped_right": [0.0, 9.0, 20.0, 31.5]}
    run = {"seed": 0, "iou": {"car": 60.0}, "mean_iou": 50.0, "rectangularity": shape, "auroc": 0.8, "edge_ratio": 1.5}
    run |= {"seconds": 33.0, "device": "cpu", "threads": 2, "trace": trace, "resolutions": {"pp_only": 0.3}}
    other = {"seed": 0, "iou": {"car": 48.0}, "mean_iou": 40.0, "seconds": 30.0, "device": "cpu", "threads": 2}
    other["trace"] = {"flipped_right": [9.0, 1.5]}
    rows = [Result("a", (run,)), Result("b", (other,))]
    expected = {
        "iou_difference": 12.0, "iou_share": 125.0, "time_ratio": 1.1, "boxes_over_masks": 12.0, "auroc": 0.8,
        "edge_ratio": 1.5, "early_auroc": 0.7, "labels_gain": 9.5,
        "foreground_flipped": 30.0,
    }  # fmt: skip
    assert set(expected) == set(paper.MEASURES) == set(claims.MEASURE)
    for measure, value in expected.items():
        taken = rows[: paper.MEASURES[measure][0]]
        check = Check(measure=measure, rows=[r.row for r in taken], above=0)
        assert claims.effect(check, taken).values == pytest.approx({0: value}), measure
    mean = Check(measure="iou_difference", rows=["a", "b"], label="mean", above=0)
    assert claims.effect(mean, rows).values == {0: 10.0}


def test_what_no_row_trains_is_judged_by_the_committed_trainings_alone(inputs):
    def final(name: str, recipe: str, *flipped: float) -> Result:
        runs = (
            {"seed": i, "recipe": recipe, "iou": {}, "trace": {"flipped_right": [x]}} for i, x in enumerate(flipped)
        )
        return Result(name, tuple(runs))

    tau_1, tau_10 = "bootstrap-500-2280-tau-1", "bootstrap-500-2280-tau-10"
    trained = [
        final(tau_1, "paper", 60.0, 61.0, 62.0),
        final(tau_10, "paper", 10.0, 10.0, 10.0),
        final(f"{tau_1}-stable", "stable", 5.0, 6.0, 7.0),
        final(f"{tau_10}-stable", "stable", 2.0, 2.0, 2.0),
        final(f"{tau_1}.5-stable", "stable", 90.0, 91.0, 92.0),  # another threshold
    ]
    finals = {result.row: result for result in trained}
    found = {finding.claim.id: finding for finding in claims.findings(*inputs, finals)}
    asked = found["small-tau-collapses"]
    assert asked.committed
    assert asked.results is finals
    assert [(v.recipe, v.word, v.effect.mean) for v in asked.verdicts] == [
        ("paper", REPRODUCED, 51.0),
        ("stable", NOT_REPRODUCED, 4.0),
    ]
    missing = found["more-samples"].verdicts[0]
    assert missing.word == UNDECIDED
    assert "ce-bootstrap-500-2280-samples-100" in missing.decide
    assert not found["near-full"].committed


@pytest.mark.parametrize(
    ("key", "value"),
    [("device", "y"), ("threads", 1), ("processes", 2), ("precision", "bfloat16"), ("code", "c"), ("engine", "graph")],
)
def test_times_of_unlike_trainings_are_not_compared(key, value):
    check = Check(measure="time_ratio", rows=["a", "b"], below=1.1)
    how = {"device": "x", "threads": 2, "processes": 1, "precision": "float32"}
    slow, fast = result("a", 1.0, seconds=9.0, **how), result("b", 1.0, seconds=1.0, **(how | {key: value}))
    assert claims.judge(check, [slow, fast])[:2] == (UNDECIDED, None)
    assert claims.effect(check, [slow, result("b", 1.0, seconds=3.0, **how)]).mean == 3.0


def test_what_a_claim_says_of_networks_that_learned_is_not_asked_of_a_collapse(inputs):
    printed, settings, results = inputs
    few, some = "bootstrap-200-2580-stable", "bootstrap-500-2280-stable"

    def row(name: str, ious: tuple, flipped: tuple) -> Result:
        runs = [
            {"seed": seed, "recipe": "stable", "iou": {"car": iou}, "trace": {"flipped_right": [lost]}}
            for seed, (iou, lost) in enumerate(zip(ious, flipped, strict=True))
        ]
        return Result(name, tuple(runs))

    def asked(of_few: Result, name: str = "few-masks") -> claims.Verdict:
        trained = results | {few: of_few, some: row(some, (60.0, 61.0, 62.0), (5.0, 5.0, 5.0))}
        found = {finding.claim.id: finding for finding in claims.findings(printed, settings, trained, {})}
        return found[name].verdicts[1]

    one_dead = asked(row(few, (59.0, 3.0, 63.0), (5.0, 99.0, 5.0)))
    assert one_dead.effect.values == {0: -1.0, 2: 1.0}
    all_dead = asked(row(few, (3.0, 61.0, 3.0), (5.0, 31.0, 5.0)))
    assert (all_dead.word, all_dead.effect) == (UNDECIDED, None)
    assert all_dead.decide == f"Trainings of {few} that do not collapse, as all did."
    # A claim that bootstrapping wins is answered by a collapse as well.
    assert not next(claim for claim in printed.claims if claim.id == "bootstrapping-beats-masks").learned


@pytest.mark.parametrize("untimed", [0, 1])
def test_a_training_without_a_time_is_left_out(untimed):
    check = Check(measure="time_ratio", rows=["a", "b"], below=1.1)
    timed = [{"seed": seed, "seconds": 5.0, "device": "x"} for seed in (0, 1)]
    runs = [list(timed), list(timed)]
    runs[untimed][0] = {"seed": 0, "device": "x"}
    assert claims.effect(check, [Result(row, tuple(r)) for row, r in zip("ab", runs, strict=True)]).values == {1: 1.0}


def test_a_literal_run_is_asked_a_tenth_into_its_training():
    trace = {"steps": [5, 10, 100], "auroc": [0.1, 0.6, 0.9]}
    check = Check(measure="early_auroc", rows=["a"], above=0.5)
    assert claims.effect(check, [result("a", 1.0, trace=trace, resolutions={"pp_only": 0.0})]).values == {0: 0.6}


# ---- verdicts ----


@pytest.mark.parametrize("direction", ["above", "below"])
def test_a_verdict_needs_the_whole_interval_on_one_side(direction):
    sign = 1 if direction == "above" else -1
    check = Check(measure="iou_difference", rows=["a", "b"], **{direction: 0})
    zero = result("b", 0.0, 0.0, 0.0)
    words = {
        name: claims.judge(check, [result("a", *(sign * x for x in values)), zero])[0]
        for name, values in {"clear": (5, 6, 5.5), "contrary": (-5, -6, -5.5), "wide": (9, -1, 2)}.items()
    }
    assert words == {"clear": REPRODUCED, "contrary": NOT_REPRODUCED, "wide": UNDECIDED}


@pytest.mark.parametrize(("ours", "way"), [(70.0, "the paper’s way"), (50.0, "the other way"), (60.0, "the other way")])
def test_one_seed_decides_nothing_and_says_where_it_points(ours, way):
    word, effect, decide = claims.judge(DIFFERENCE, [result("a", ours), result("b", 60.0)])
    assert (word, effect.low, str(effect)) == (UNDECIDED, None, f"{ours - 60:.2f}, n = 1")
    assert decide == f"More seeds: this one points {way}."


def test_the_undecided_say_how_many_seeds_would_decide():
    values = (3.0, 1.0, -1.0, 2.0)
    word, effect, decide = claims.judge(DIFFERENCE, [result("a", *values), result("b", 0, 0, 0, 0)])
    assert word == UNDECIDED
    sd = np.std(values, ddof=1)
    enough = (n for n in itertools.count(5) if stats.t.ppf(0.975, n - 1) * sd / math.sqrt(n) < effect.mean)
    assert decide == f"About {next(enough)} seeds, if mean and spread stay."


def test_an_effect_at_the_threshold_needs_more_seeds_than_anyone_has():
    assert "More than 100 seeds" in claims.judge(DIFFERENCE, [result("a", 1.0, -1.0), result("b", 0, 0)])[2]


def test_a_row_that_was_not_trained_leaves_its_claim_undecided(found):
    verdict = found["small-tau-collapses"].verdicts[0]
    assert (verdict.word, verdict.effect) == (UNDECIDED, None)
    assert "bootstrap-500-2280-tau-1" in verdict.decide


def test_each_recipe_has_its_own_verdict_and_its_own_rows(found):
    literal, stable = found["bootstrapping-beats-regression"].verdicts
    assert (literal.recipe, literal.rows) == ("paper", ["bootstrap-500-2280", "regression-500-2280"])
    assert (stable.recipe, stable.rows) == ("stable", ["bootstrap-500-2280-stable", "regression-500-2280"])
    assert literal.effect.mean < 0 < stable.effect.mean
    assert [verdict.recipe for verdict in found["mixing-hurts"].verdicts] == [None]


def test_the_summary_counts_each_recipe(found):
    literal, stable = claims.summary(list(found.values()))
    n = len(found)
    counts = f"of {n} claims 0 reproduced, 0 not reproduced, {n} undecided; "
    assert literal.startswith(f"With the literal recipe, {counts}")
    others = {"regression-finer", "masks-not-boxes", "bce-beats-regression"}  # the miniature's box rows draw boxes
    assert others < set(found)
    points = f"{n - 2 - len(others)} of {n - 2} measured with one seed point the paper’s way."
    assert stable == f"With the stable recipe, {counts}{points}"


def test_the_summary_of_several_seeds_points_nowhere(found):
    claim = found["near-full"].claim
    effect = claims.Effect({0: 99.0, 1: 98.0}, 97.0, 100.0)
    verdicts = [claims.Verdict("stable", REPRODUCED, [], effect), claims.Verdict("paper", NOT_REPRODUCED, [], effect)]
    assert claims.summary([claims.Finding(claim, "", verdicts, {})]) == [
        "With the stable recipe, of 1 claims 1 reproduced, 0 not reproduced, 0 undecided.",
        "With the literal recipe, of 1 claims 0 reproduced, 1 not reproduced, 0 undecided.",
    ]


def test_the_ledger_as_markdown_has_a_line_for_each_verdict(found):
    lines = claims.markdown(list(found.values()), "somewhere").splitlines()
    assert len(lines) == 4 + sum(len(finding.verdicts) for finding in found.values())
    assert {line.count("|") for line in lines[2:]} == {7}
    near = [line for line in lines if line.startswith("| Bootstrapping reaches 98.3 %")]
    assert [cell.strip() for cell in near[1].split("|")[2:5]] == [
        "98.3 % (85.45 of 86.9)",
        "% of IoU above 96.8",
        "stable",
    ]
    assert "somewhere" in lines[0]


def test_headlines_name_the_papers_share_as_cityscapes(inputs):
    binary, several = claims.headlines(*inputs)
    assert "5.9 % (literal recipe) and 98.0 % (stable recipe)" in binary
    assert "the paper reports 98.3 % on Cityscapes. Plain BCE on the same labels reaches" in binary
    assert binary.endswith("(paper: 79.9 %).")
    assert "the paper reports 97.4 % on Cityscapes. Plain CE on the same labels reaches" in several
    assert several.endswith("(paper: no number).")


# ---- what paper.yaml may say ----


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"measure": "iou", "rows": ["a"], "above": 0}, "measure iou; allowed: iou_difference"),
        ({"measure": "auroc", "rows": ["a", "b"], "above": 0}, "auroc takes 1 rows"),
        ({"measure": "auroc", "rows": ["a"]}, "either above or below"),
        ({"measure": "auroc", "rows": ["a"], "above": 0, "below": 1}, "either above or below"),
    ],
)
def test_a_check_that_makes_no_sense_is_refused(check, message):
    with pytest.raises(ValueError, match=message):
        Check.model_validate(check)


def test_the_file_that_is_shipped_loads():
    assert len(paper.load().claims) >= 20
