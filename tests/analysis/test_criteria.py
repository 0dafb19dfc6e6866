"""What the stable recipe has to reach: verdicts follow from the trainings."""

import re

import numpy as np
import pytest
from scipy import stats

from stages.analysis import claims, paper
from stages.analysis.claims import AGREES, MET, MISSED, UNDECIDED
from stages.analysis.paper import Statement
from stages.analysis.results import Result
from stages.errors import UserError
from stages.paths import ROOT
from stages.studies import grids

ROW = "bootstrap-500-2280-stable"
PAPER = paper.load()


def entry(name: str, *ious: float, row: str = ROW, tau: float = 2.5, flipped: float = 5.0, recipe="stable"):
    runs = [
        {
            "variant": name,
            "row": row,
            "seed": seed,
            "recipe": recipe,
            "iou": {"car": iou},
            "settings": {"tau": tau},
            "changes": {} if tau == 2.5 else {"set": {"tau": tau}},
            "resolutions": {},
            "mean_iou": iou,
            "trace": {"flipped_right": [90.0, flipped]},
        }
        for seed, iou in enumerate(ious)
    ]
    return {name: Result(name, tuple(runs))}


FULL = entry("bce-2780", 80.0, 80.5, 81.0, row="bce-2780", recipe=None)
SHARE = {"measure": "iou_share", "rows": [ROW, "bce-2780"], "above": 95}
SHIPPED = {criterion.check.measure: criterion for criterion in PAPER.asked.criteria}


def judged(reference, criterion: Statement | None = None, **more) -> claims.Verdict:
    criterion = criterion or Statement(id="enough", says="enough", check=SHARE, **more)
    asked = PAPER.asked.model_copy(update={"criteria": [criterion]})
    (found,) = claims.judge_criteria(PAPER.model_copy(update={"asked": asked}), reference)
    (verdict,) = found.verdicts
    return verdict


def collapses(reference) -> claims.Verdict:
    return judged(reference, SHIPPED["collapsed_runs"])


def thresholds(reference) -> claims.Verdict:
    return judged(reference, SHIPPED["threshold_range"].model_copy(update={"by_construction": {}}))


def steadiness(reference) -> claims.Verdict:
    return judged(reference, SHIPPED["seed_spread"])


def test_a_criterion_asks_its_number_of_the_interval_and_its_mean_of_the_mean():
    close = FULL | entry(ROW, 78.0, 78.4, 79.0)  # 97.5 %, give or take 0.2
    assert judged(close).word == MET
    assert judged(close, mean=97.0).word == MET
    assert judged(close, mean=98.3).word == MISSED
    assert judged(FULL | entry(ROW, 70.0, 70.4, 71.0)).word == MISSED
    assert judged(FULL | entry(ROW, 70.0, 80.4, 81.0)).word == UNDECIDED
    assert judged(FULL | entry(ROW, 80.0)).word == AGREES  # one seed has no interval
    missing = judged(FULL)
    assert (missing.word, missing.decide) == (UNDECIDED, f"Trainings of {ROW}.")


@pytest.mark.parametrize(
    ("iou", "flipped", "dead"),
    [(41.0, 5.0, False), (40.0, 5.0, True), (75.0, 30.0, False), (75.0, 31.0, True)],
)
def test_a_training_collapses_by_its_iou_or_by_its_flips(iou, flipped, dead):
    reference = FULL | entry(ROW, *[79.0] * 29, flipped=1.0) | entry("tau-10", iou, flipped=flipped)
    found = collapses(reference)
    assert found.word == (MISSED if dead else MET)
    assert found.detail == ("1 of 30 (tau-10 seed 0)" if dead else "0 of 30")


def test_the_literal_recipes_collapses_do_not_count_and_few_trainings_decide_nothing():
    found = collapses(FULL | entry("bootstrap-500-2280", 5.0, recipe="paper") | entry(ROW, 79.0))
    assert (found.word, found.detail) == (UNDECIDED, "0 of 1")


def test_trainings_with_another_last_layer_are_not_the_stable_recipes():
    other = entry("icnr", 10.0, 11.0)
    for run in other["icnr"].runs:
        run["resolutions"] = {"last_layer": "icnr"}
    assert collapses(FULL | entry(ROW, 79.0) | other).detail == "0 of 1"


def test_thresholds_are_compared_on_the_seeds_that_all_of_them_have():
    others = entry("tau-1", 77.0, 79.0, tau=1.0) | entry("pp-100", 60.0, row="bootstrap-100-2680-stable", tau=1.0)
    few = entry("pp-52", 50.0, 50.0, tau=1.0)
    for run in few["pp-52"].runs:
        run["changes"]["pp"] = 52  # of the row, but not its threshold alone
    reference = FULL | entry(ROW, 78.0, 80.0, 20.0) | others | few
    assert thresholds(reference).word == UNDECIDED  # none near 10
    found = thresholds(reference | entry("tau-10", 76.0, 78.5, tau=10.0))
    assert (found.word, found.detail) == (  # 8.33 of a table of the studentised range (3 means, 2 degrees) by 0.1443
        MET,
        "1.75 between τ 2.5 and 10, by chance alone up to 1.20 (τ 1: 78.00, τ 2.5: 79.00, τ 10: 77.25; n = 2)",
    )
    assert thresholds(reference | entry("tau-10", 76.0, 77.0, tau=10.0)).word == MISSED


@pytest.mark.integration
def test_equal_thresholds_are_as_far_apart_by_chance_as_said_in_one_study_of_twenty():
    rng, beyond, studies = np.random.default_rng(1), 0, 200
    for _ in range(studies):
        seeds = rng.normal(0, 3, 3)  # what thresholds share
        table = 70 + seeds + rng.normal(0, 1, (4, 3))
        reference = entry(ROW, 70.0)
        for tau, ious in zip((1.0, 2.0, 5.0, 10.0), table, strict=True):
            reference |= entry(f"tau-{tau}", *ious, tau=tau)
        reference |= entry(ROW, *table[1], tau=2.0)
        apart, by_chance = re.match(r"([\d.]+) between .* up to ([\d.]+) ", thresholds(reference).detail).groups()
        beyond += float(apart) > float(by_chance)
    assert 2 <= beyond <= 20  # 10 expected, standard deviation 3


def test_an_interim_analysis_widens_the_interval():
    close = FULL | entry(ROW, 78.0, 78.4, 79.0)
    shares = [100 * a / b for a, b in ((78.0, 80.0), (78.4, 80.5), (79.0, 81.0))]
    for interim, level in ((0, 0.95), (1, 0.975)):
        low, high = stats.t.interval(level, 2, np.mean(shares), stats.sem(shares))
        found = judged(close, interim_analyses=interim)
        assert (found.estimate.low, found.estimate.high) == pytest.approx((low, high))
        assert found.detail == ("97.5 % interval" if interim else "")


def test_a_comparison_that_is_judged_once_shows_nothing_before():
    def judged_with(seeds: int) -> claims.Verdict:
        ours, others = entry(ROW, *[80.0 + seed / 10 for seed in range(seeds)]), entry("a", *[70.0] * seeds)
        check = {"measure": "iou_difference", "rows": [ROW, "a"], "above": 0}
        return judged(ours | others, Statement(id="once", says="once", check=check, runs=3))

    early, late = judged_with(2), judged_with(3)
    assert (early.word, early.estimate, early.p) == (UNDECIDED, None, None)
    assert early.decide == "Judged once, with 3 seeds; 2 are there."
    assert (late.word, late.estimate.mean) == (MET, pytest.approx(10.1))


def test_the_spread_of_full_supervision_has_an_interval_of_its_own():
    ious = (80.0, 81.0, 83.5, 79.0, 82.0)
    found = steadiness(entry("bce-2780", *ious, row="bce-2780", recipe=None))
    sd = np.std(ious, ddof=1)
    low, high = (sd * np.sqrt(4 / stats.chi2(4).ppf(q)) for q in (0.975, 0.025))
    assert found.word == MISSED
    assert (found.estimate.mean, found.estimate.low, found.estimate.high) == pytest.approx((sd, low, high))
    assert steadiness(FULL).word == MET
    assert steadiness(entry("bce-2780", 80.0, row="bce-2780", recipe=None)).word == UNDECIDED
    assert steadiness({}).word == UNDECIDED


def test_the_projects_criteria_ask_about_entries_of_the_reference_grid():
    grid = grids.load("reference", ROOT)
    assert {row for criterion in PAPER.asked.criteria for row in criterion.check.rows} <= set(grid.runs)
    assert len(PAPER.asked.criteria) >= 10


def test_a_criterion_that_makes_no_sense_is_refused(project):
    file = project / "paper" / "claims.yaml"
    text = file.read_text()
    at = text.index("criteria:")
    file.write_text(text[:at] + text[at:].replace("measure: iou_share", "measure: iou_shore", 1))
    with pytest.raises(UserError, match=r"^paper/claims.yaml: criteria\.4\.check: .*measure iou_shore; allowed: "):
        paper.load(project)


def closing(*mixed: float, above: float = 40) -> claims.Verdict:
    """Of a recipe with 79, 79.5 and 80, and full supervision with 80, 80.5 and 81."""
    reference = FULL | entry("bce-500-2280", *mixed, row="bce-500-2280", recipe=None) | entry(ROW, 79.0, 79.5, 80.0)
    check = SHIPPED["gap_share"].check.model_copy(update={"rows": [ROW], "above": above})
    return judged(reference, SHIPPED["gap_share"].model_copy(update={"mean": 80, "check": check}))


def test_a_share_of_the_gap_is_judged_by_its_interval_and_its_mean():
    """Gaps of 10, 10 and 10 of which 9 are closed; then of 4 with 3 closed, so 75 % where 80 are asked."""
    verdict = closing(70.0, 70.5, 71.0)
    assert (verdict.word, verdict.estimate.mean) == (MET, pytest.approx(90))
    assert closing(76.0, 76.5, 77.0).word == MISSED
    assert closing(70.0, 70.5, 71.0, above=95).word == MISSED
    assert closing(68.0, 70.5, 73.0, above=88).word == UNDECIDED


def test_a_gap_that_is_too_small_cannot_be_closed():
    verdict = closing(79.0, 79.5, 80.0)
    assert verdict.word == claims.NOT_APPLICABLE
    assert verdict.decide == "There is no gap of more than 3 points: it is 1.00 [1.00, 1.00], n = 3."
