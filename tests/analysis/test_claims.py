"""The claims table: verdicts follow from the numbers and their spread."""

import itertools
import math
import re

import numpy as np
import pytest
from scipy import stats

from stages.analysis import claims, paper
from stages.analysis.claims import AGREES, DIFFERS, NOT_REPRODUCED, REPRODUCED, UNDECIDED
from stages.analysis.paper import Check
from stages.analysis.results import Result
from stages.analysis.statistics import Estimate
from stages.paths import ROOT
from stages.yaml_files import read_yaml


def result(row: str, *ious: float, **more) -> Result:
    runs = ({"seed": i, "recipe": None, "iou": {"car": x}} | more for i, x in enumerate(ious))
    return Result(row, tuple(runs))


ASKED = paper.load_claims()


def effect(check: Check, results: list[Result]):
    return claims.measure(check, results, ASKED.confidence)


def judged(printed, rows, found, reference=None) -> dict[str, claims.JudgedClaim]:
    return {one.claim.id: one for one in claims.judge_claims(printed, rows, found, reference or {})}


DIFFERENCE = Check(measure="iou_difference", rows=["a", "b"], above=0)


@pytest.fixture
def found(comparison) -> dict[str, claims.JudgedClaim]:
    return judged(comparison.paper, comparison.rows, comparison.found)


# ---- the list ----


def test_every_row_that_a_statement_asks_about_is_trained_or_is_a_study_of_one(comparison):
    grid = read_yaml(ROOT / "studies" / "reference.yaml")
    entries = {name: {"row": grid["row"]} | entry for name, entry in grid["runs"].items()}
    for claim in comparison.paper.asked.claims + comparison.paper.asked.criteria:
        for row in claim.check.rows:
            assert row in comparison.rows or entries[row]["row"] in comparison.rows, claim.id


def test_ids_are_unique_and_fit_for_file_names(comparison):
    ids = [claim.id for claim in comparison.paper.asked.claims + comparison.paper.asked.criteria]
    assert len(set(ids)) == len(ids)
    assert all(name.replace("-", "").isalnum() and name.islower() for name in ids)


def test_every_claim_in_numbers_holds_for_the_papers_own_numbers(comparison):
    """The thresholds ask for no more than the paper has."""
    printed = comparison.paper
    asked = 0
    for claim in printed.asked.claims:
        rows = [printed.numbers.rows.get(row) for row in claim.check.rows]
        if claim.check.measure not in ("iou_difference", "iou_share") or not all(row and row.iou for row in rows):
            continue
        own = [
            Result("", ({"seed": 0, "recipe": None, "iou": row.iou, "mean_iou": row.iou.get("mean")},)) for row in rows
        ]
        assert claim.check.margin(effect(claim.check, own).mean) > 0, claim.id
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
    found = effect(DIFFERENCE, [result("a", *a), result("b", *b)])
    differences = np.subtract(a, b)
    low, high = stats.t.interval(0.95, 3, differences.mean(), stats.sem(differences))
    assert (found.mean, found.low, found.high) == pytest.approx((differences.mean(), low, high))
    assert found.n == 4


def test_rows_are_paired_by_seed_and_only_shared_seeds_count():
    a = Result("a", tuple({"seed": s, "iou": {"car": 10.0 * s}} for s in (3, 1, 2)))
    b = Result("b", tuple({"seed": s, "iou": {"car": 10.0 * s - 1}} for s in (2, 3, 9)))
    assert effect(DIFFERENCE, [a, b]).values == {3: 1.0, 2: 1.0}


def test_each_measure_by_hand():
    shape = {"component_boxes": 72.0, "component_masks": 60.0, "iou_with_boxes": 50.0, "iou_with_masks": 55.0}
    trace = {"steps": [1, 35, 40, 100], "auroc": [0.4, 0.5, 0.7, 0.9], "box": {"iou": 66.0}}
    trace |= {"target": {"iou": [60.0, 66.0, 70.0, 75.5]}, "flipped_right": [0.0, 9.0, 20.0, 31.5]}
    run = {"seed": 0, "iou": {"car": 60.0}, "mean_iou": 50.0, "rectangularity": shape, "auroc": 0.8, "edge_ratio": 1.5}
    run |= {"seconds": 33.0, "device": "cpu", "threads": 2, "trace": trace, "resolutions": {"warmup_share": 0.3}}
    other = {"seed": 0, "iou": {"car": 48.0}, "mean_iou": 40.0, "seconds": 30.0, "device": "cpu", "threads": 2}
    other["trace"] = {"flipped_right": [9.0, 1.5]}
    rows = [Result("a", (run,)), Result("b", (other,))]
    expected = {
        "iou_difference": 12.0, "iou_share": 125.0, "time_ratio": 1.1, "boxes_over_masks": 12.0, "auroc": 0.8,
        "edge_ratio": 1.5, "iou_distance": 12.0, "early_auroc": 0.7, "labels_gain": 9.5,
        "foreground_flipped": 30.0, "right_flipped": 31.5,
    }  # fmt: skip
    of_datasets = {"gap_share", "seed_spread", "collapsed_runs", "threshold_range"}  # see test_criteria.py
    assert set(expected) == set(paper.MEASURES) - of_datasets == set(claims.MEASURE)
    for measure, value in expected.items():
        taken = rows[: paper.MEASURES[measure][0]]
        check = Check(measure=measure, rows=[r.row for r in taken], above=0)
        assert effect(check, taken).values == pytest.approx({0: value}), measure
    mean = Check(measure="iou_difference", rows=["a", "b"], label="mean", above=0)
    assert effect(mean, rows).values == {0: 10.0}


def test_what_no_row_trains_is_judged_by_the_reference_runs_alone(comparison):
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
    reference = {result.row: result for result in trained}
    found = judged(comparison.paper, comparison.rows, comparison.found, reference)
    asked = found["small-tau-collapses"]
    assert asked.committed
    assert asked.results is reference
    literal, stable = asked.verdicts
    assert (literal.recipe, literal.word, literal.estimate.mean) == ("paper", REPRODUCED, 51.0)
    assert (stable.recipe, stable.word, stable.estimate) == ("stable", claims.NOT_APPLICABLE, None)
    assert "probability that a label is right" in stable.decide
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
    verdict = claims.judge(check, [slow, fast], ASKED)
    assert (verdict.word, verdict.estimate) == (UNDECIDED, None)
    assert effect(check, [slow, result("b", 1.0, seconds=3.0, **how)]).mean == 3.0


def test_what_a_claim_says_of_networks_that_learned_is_not_asked_of_a_collapse(comparison):
    printed, results = comparison.paper, comparison.found
    few, some = "bootstrap-200-2580-stable", "bootstrap-500-2280-stable"

    def row(name: str, ious: tuple, flipped: tuple) -> Result:
        runs = [
            {"seed": seed, "recipe": "stable", "iou": {"car": iou}, "trace": {"flipped_right": [lost]}}
            for seed, (iou, lost) in enumerate(zip(ious, flipped, strict=True))
        ]
        return Result(name, tuple(runs))

    def asked(of_few: Result, name: str = "few-masks") -> claims.Verdict:
        trained = results | {few: of_few, some: row(some, (60.0, 61.0, 62.0), (5.0, 5.0, 5.0))}
        return judged(printed, comparison.rows, trained)[name].verdicts[1]

    one_dead = asked(row(few, (59.0, 3.0, 63.0), (5.0, 99.0, 5.0)))
    assert one_dead.estimate.values == {0: -1.0, 2: 1.0}
    all_dead = asked(row(few, (3.0, 61.0, 3.0), (5.0, 31.0, 5.0)))
    assert (all_dead.word, all_dead.estimate) == (UNDECIDED, None)
    assert all_dead.decide == f"Every training of {few} collapsed."
    # A claim that bootstrapping wins is answered by a collapse as well.
    assert not next(claim for claim in printed.asked.claims if claim.id == "bootstrapping-beats-masks").learned


@pytest.mark.parametrize("untimed", [0, 1])
def test_a_training_without_a_time_is_left_out(untimed):
    check = Check(measure="time_ratio", rows=["a", "b"], below=1.1)
    timed = [{"seed": seed, "seconds": 5.0, "device": "x"} for seed in (0, 1)]
    runs = [list(timed), list(timed)]
    runs[untimed][0] = {"seed": 0, "device": "x"}
    assert effect(check, [Result(row, tuple(r)) for row, r in zip("ab", runs, strict=True)]).values == {1: 1.0}


def test_a_literal_run_is_asked_a_tenth_into_its_training():
    trace = {"steps": [5, 10, 100], "auroc": [0.1, 0.6, 0.9]}
    check = Check(measure="early_auroc", rows=["a"], above=0.5)
    assert effect(check, [result("a", 1.0, trace=trace, resolutions={"warmup_share": 0.0})]).values == {0: 0.6}


# ---- verdicts ----


@pytest.mark.parametrize("direction", ["above", "below"])
def test_a_verdict_needs_the_whole_interval_on_one_side(direction):
    sign = 1 if direction == "above" else -1
    check = Check(measure="iou_difference", rows=["a", "b"], **{direction: 0})
    zero = result("b", 0.0, 0.0, 0.0)
    words = {
        name: claims.judge(check, [result("a", *(sign * x for x in values)), zero], ASKED).word
        for name, values in {"clear": (5, 6, 5.5), "contrary": (-5, -6, -5.5), "wide": (9, -1, 2)}.items()
    }
    assert words == {"clear": REPRODUCED, "contrary": NOT_REPRODUCED, "wide": UNDECIDED}


def test_an_interim_analysis_widens_a_claims_interval_and_is_said(comparison):
    """The stable recipe's shares of full supervision lie above 96.8 % at 95 % confidence, and not after two looks."""
    shares = (97.0, 98.2, 98.6, 98.7)
    low, high = stats.t.interval(1 - 0.05 / 3, 3, np.mean(shares), stats.sem(shares))
    assert stats.t.interval(0.95, 3, np.mean(shares), stats.sem(shares))[0] > 96.8 > low
    trained = comparison.found | {
        "bce-2780": result("bce-2780", *[100.0] * 4),
        "bootstrap-500-2280-stable": result("bootstrap-500-2280-stable", *shares, recipe="stable"),
    }
    verdict = judged(comparison.paper, comparison.rows, trained)["near-full"].verdicts[1]
    assert (verdict.estimate.low, verdict.estimate.high) == pytest.approx((low, high))
    assert (verdict.word, verdict.detail) == (UNDECIDED, "98.3 % interval")


@pytest.mark.parametrize(("ours", "word"), [(70.0, AGREES), (50.0, DIFFERS), (60.0, DIFFERS)])
def test_one_seed_decides_nothing_and_says_where_it_points(ours, word):
    verdict = claims.judge(DIFFERENCE, [result("a", ours), result("b", 60.0)], ASKED)
    assert (verdict.word, verdict.single, verdict.estimate.low) == (word, True, None)
    assert str(verdict.estimate) == f"{ours - 60:.2f}, n = 1"
    assert verdict.decide == "More seeds."


def test_the_undecided_say_how_many_seeds_would_decide():
    values = (3.0, 1.0, -1.0, 2.0)
    verdict = claims.judge(DIFFERENCE, [result("a", *values), result("b", 0, 0, 0, 0)], ASKED)
    assert verdict.word == UNDECIDED
    (said,) = map(int, re.findall(r"^About (\d+) seeds, if mean and spread stay\.$", verdict.decide))
    effect_size = np.mean(values) / np.std(values, ddof=1)

    def power(n: int) -> float:  # of a two-sided t-test, by the noncentral t distribution
        edge = stats.t.ppf(0.975, n - 1)
        beyond = stats.nct(n - 1, effect_size * math.sqrt(n))
        return beyond.sf(edge) + beyond.cdf(-edge)

    assert said == next(n for n in itertools.count(3) if power(n) >= 0.8)


def test_an_effect_at_the_threshold_needs_more_seeds_than_anyone_has():
    verdict = claims.judge(DIFFERENCE, [result("a", 1.0, -1.0), result("b", 0, 0)], ASKED)
    assert verdict.decide.startswith("More than 1000 seeds")


def test_a_row_that_was_not_trained_leaves_its_claim_undecided(found):
    verdict = found["small-tau-collapses"].verdicts[0]
    assert (verdict.word, verdict.estimate) == (UNDECIDED, None)
    assert "bootstrap-500-2280-tau-1" in verdict.decide


def test_each_recipe_has_its_own_verdict_and_its_own_rows(found):
    literal, stable = found["bootstrapping-beats-regression"].verdicts
    assert (literal.recipe, literal.rows) == ("paper", ["bootstrap-500-2280", "regression-500-2280"])
    assert (stable.recipe, stable.rows) == ("stable", ["bootstrap-500-2280-stable", "regression-500-2280"])
    assert literal.estimate.mean < 0 < stable.estimate.mean
    assert [verdict.recipe for verdict in found["mixing-hurts"].verdicts] == [None]


def test_the_summary_counts_each_recipe(found):
    literal, stable = claims.summary(list(found.values()))
    n = len(found)
    assert re.match(rf"With the literal recipe, of {n} claims \d+ undecided, \d+ of \d+ with one seed point", literal)
    others = {"regression-finer", "masks-not-boxes", "bce-beats-regression"}  # the miniature's box rows draw boxes
    assert others < set(found)
    points = f"4 undecided, {n - 4 - len(others)} of {n - 4} with one seed point the paper’s way"
    assert stable == f"With the stable recipe, of {n} claims {points}."


def test_the_summary_of_several_seeds_points_nowhere(found):
    claim = found["near-full"].claim
    estimate = Estimate({0: 99.0, 1: 98.0}, 98.5, 97.0, 100.0)
    verdicts = [
        claims.Verdict("stable", REPRODUCED, [], estimate),
        claims.Verdict("paper", NOT_REPRODUCED, [], estimate),
    ]
    assert claims.summary([claims.JudgedClaim(claim, "", verdicts, {})]) == [
        "With the stable recipe, of 1 claims 1 reproduced.",
        "With the literal recipe, of 1 claims 1 not reproduced.",
    ]


# ---- what paper/claims.yaml may say ----


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
    assert len(paper.load().asked.claims) >= 20


@pytest.mark.parametrize(("several", "word"), [(True, REPRODUCED), (False, UNDECIDED)])
def test_a_claim_about_all_classes_needs_trainings_with_more_than_three(comparison, several, word):
    classes = ["background", "car", "person", "truck"][: 4 if several else 3]
    rows = ("ce-all-2780", "ce-bootstrap-all-500-2280") if several else ("bce-2780",)
    found = {row: result(row, *((60.0, 62.0) if row.endswith("2780") else (5.0, 6.0)), classes=classes) for row in rows}
    for run in found.get("ce-bootstrap-all-500-2280", Result("", ())).runs:
        run |= {"recipe": "paper", "trace": {"flipped_right": [0.0, 60.0 + run["seed"]]}}
    [verdict] = judged(comparison.paper, comparison.rows, found)["more-classes-fail"].verdicts
    assert verdict.word == word
    assert verdict.decide == ("" if several else "No training tells that many classes apart.")


def test_p_counts_interim_analyses_and_all_verdicts_of_the_page():
    """Two statements, one with a look before: its p counts twice; then Holm over the two."""
    results = [result("a", 62.0, 63.5, 63.0), result("b", 60.0, 60.5, 61.0)]
    alone = stats.ttest_1samp([2.0, 3.0, 2.0], 0).pvalue
    plain = claims.judge(DIFFERENCE, results, ASKED)
    looked = claims.judge(DIFFERENCE, results, ASKED, 1 - (1 - ASKED.confidence) / 2)
    assert (plain.p, looked.p) == (pytest.approx(alone), pytest.approx(2 * alone))
    together = claims.adjusted([claims.JudgedClaim(None, "", [plain, looked], {})])[0].verdicts
    assert together[0].adjusted == pytest.approx(2 * alone)
    assert together[1].adjusted == pytest.approx(2 * alone)
    one_seed = claims.judge(DIFFERENCE, [result("a", 62.0), result("b", 60.0)], ASKED)
    assert one_seed.p is None
    assert claims.adjusted([claims.JudgedClaim(None, "", [one_seed], {})])[0].verdicts[0].adjusted is None


def test_an_auroc_stands_beside_what_the_mean_alone_tells_and_its_controls(found):
    literal, stable = found["variance-marks-wrong"].verdicts
    assert literal.estimate.mean == pytest.approx(0.45) and stable.estimate.mean == pytest.approx(0.85)
    assert stable.detail.startswith("−μ alone 0.70; ")
    assert "σ² of regression-0-2780 0.85" in stable.detail and "−μ of bce-0-2780 0.70" in stable.detail
    assert "σ² of bce-0-2780" not in stable.detail  # it has none
    assert found["boxes-edges"].verdicts[0].detail == ""


def test_an_early_auroc_stands_beside_that_of_its_controls(found):
    """Taken a tenth into the training with boxes: at step 50 of 100 after a warm-up of 30, at 35 without one."""
    _, stable = found["learned-early"].verdicts
    assert stable.estimate.mean == pytest.approx(0.6)
    assert stable.detail == "σ² of uncertainty-500-2280 0.50; σ² of regression-0-2780 0.50"
