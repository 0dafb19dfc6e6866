"""Verdicts follow from the numbers."""

from dataclasses import replace

import pytest

from stages.report import claims
from stages.report.claims import AWAY, OTHER, SAME, TOWARDS, UNDECIDED
from stages.report.records import Result


def result(row: str, *ious: float) -> Result:
    return Result(row, tuple({"seed": i, "iou": {"car": x}} for i, x in enumerate(ious)))


ORDER = claims.Ordering("a beats b", "", "a", "b")
NEAR = claims.NearFull("near", "", "row", "few", "full")


@pytest.fixture
def found(inputs) -> dict[str, claims.Finding]:
    return {finding.statement: finding for finding in claims.findings(*inputs)}


def test_orderings_that_the_numbers_show_are_the_same(found):
    assert [v.verdict for v in found["Adding box images to plain BCE hurts"].verdicts] == [TOWARDS]


def test_each_recipe_has_its_own_verdict(found):
    verdicts = {v.recipe: v.verdict for v in found["Bootstrapping beats regression"].verdicts}
    assert verdicts == {"paper": AWAY, "stable": TOWARDS}


def test_the_papers_shares_of_full_supervision_are_its_printed_ones(found):
    assert found["Bootstrapping comes near full supervision"].paper.startswith("98.3 % ")
    assert found["Multi-class bootstrapping comes near full supervision"].paper.startswith("97.4 % ")


def test_rectangles_are_judged_by_overlap_with_boxes_and_masks(found):
    assert found["Trained on boxes alone, the output is rectangular"].verdicts[0].verdict == TOWARDS


@pytest.mark.parametrize("worse", [60.0, 50.0])  # reversed, and a tie
def test_one_seed_points_somewhere_and_several_that_agree_give_a_verdict(worse):
    assert ORDER.judge({"a": result("a", 50.0), "b": result("b", worse)})[0] == AWAY
    assert ORDER.judge({"a": result("a", 50.0, 50.0), "b": result("b", worse, worse)})[0] == OTHER
    assert ORDER.judge({"a": result("a", 70.0), "b": result("b", worse)})[0] == TOWARDS
    assert ORDER.judge({"a": result("a", 70.0, 71.0), "b": result("b", worse, worse)})[0] == SAME


def test_seeds_are_counted_pairwise_and_decide_nothing_where_they_differ():
    verdict, numbers = ORDER.judge({"a": result("a", 60.0, 50.0, 70.0), "b": result("b", 55.0, 55.0, 55.0)})
    assert verdict == UNDECIDED
    assert numbers.endswith("in 2 of 3 seeds")


@pytest.mark.parametrize(("ours", "verdict"), [(66.0, TOWARDS), (64.0, AWAY), (40.0, AWAY)])
def test_near_full_means_more_than_half_of_the_gap(ours, verdict):
    rows = {"row": result("row", ours), "few": result("few", 60.0), "full": result("full", 70.0)}
    assert NEAR.judge(rows)[0] == verdict


def test_without_a_gap_nothing_is_decided():
    rows = {"row": result("row", 66.0), "few": result("few", 70.0), "full": result("full", 70.0)}
    assert NEAR.judge(rows)[0] == UNDECIDED


def test_the_summary_counts_each_recipe(inputs):
    found = claims.findings(*inputs)
    literal, stable = claims.summary(found)
    n = len(found)
    assert stable == f"With the stable recipe, {n} of {n} statements point the paper’s way in a single run."
    assert literal.startswith("With the literal recipe, ")
    assert literal != stable


def test_headlines_name_the_papers_share_as_cityscapes(inputs):
    binary, several = claims.headlines(*inputs)
    assert "5.9 % (literal recipe) and 98.0 % (stable recipe)" in binary
    assert "the paper reports 98.3 % on Cityscapes. Plain BCE on the same labels reaches" in binary
    assert binary.endswith("(paper: 79.9 %).")
    assert "the paper reports 97.4 % on Cityscapes. Plain CE on the same labels reaches" in several
    assert several.endswith("(paper: no number).")


def test_every_statement_holds_for_the_papers_own_numbers(inputs):
    printed, _, results = inputs
    for statement in claims.STATEMENTS:
        if isinstance(statement, claims.Rectangles):
            continue
        own = {
            row: replace(
                results[row],
                runs=({"seed": 0, "iou": printed.rows[row].iou, "mean_iou": printed.rows[row].iou.get("mean")},),
            )
            for row in statement.rows
        }
        assert statement.judge(own)[0] == TOWARDS, statement.statement
