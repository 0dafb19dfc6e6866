"""The share of the gap that a row closes, by hand."""

import pytest

from stages.analysis import claims, paper
from stages.analysis.gap import gap_share, printed_gap_share, share_over_draws
from stages.analysis.results import Result

PAPER = paper.load()
METHOD = "bootstrap-500-2280-stable"


def found(**ious: tuple[float, ...]) -> dict[str, Result]:
    names = {"full": "bce-2780", "mixed": "bce-500-2280", "method": METHOD}
    return {
        names[key]: Result(names[key], tuple({"seed": seed, "iou": {"car": iou}} for seed, iou in enumerate(values)))
        for key, values in ious.items()
    }


def test_the_paper_closes_92_percent_and_its_regression_78():
    assert printed_gap_share("bootstrap-500-2280", PAPER) == pytest.approx(100 * (85.45 - 69.43) / (86.9 - 69.43))
    assert printed_gap_share(METHOD, PAPER) == printed_gap_share("bootstrap-500-2280", PAPER)
    assert printed_gap_share("regression-500-2280", PAPER) == pytest.approx(77.9, abs=0.05)
    assert printed_gap_share("uncertainty-500-2280", PAPER) is None


def test_the_share_is_of_the_mean_gap():
    share = gap_share(METHOD, PAPER, found(full=(80.0, 82.0), mixed=(70.0, 72.5), method=(78.0, 79.0)))
    assert share.gap.mean == pytest.approx(9.75)
    assert share.gained.mean == pytest.approx(7.25)
    assert share.share.mean == pytest.approx(100 * 7.25 / 9.75)


@pytest.mark.parametrize("mixed", [(77.0,), (78.0, 60.0)])
def test_where_the_gap_is_not_clear_of_three_points_there_is_no_share(mixed):
    full = (80.0, 80.0)[: len(mixed)]
    share = gap_share(METHOD, PAPER, found(full=full, mixed=mixed, method=full))
    assert share.share is None
    assert share.gap.n == len(mixed)


def test_whether_there_is_a_gap_is_asked_of_all_seeds_of_its_own_rows():
    wide, narrow = (80.0, 80.2, 80.4, 70.0), (72.0, 72.0, 72.0, 69.0)
    share = gap_share(METHOD, PAPER, found(full=wide, mixed=narrow, method=(78.0, 78.0, 78.0)))
    assert (share.gap.n, share.share) == (4, None)
    clear = gap_share(METHOD, PAPER, found(full=wide[:3], mixed=narrow[:3], method=(78.0, 78.0)))
    assert (clear.gap.n, clear.share.n) == (3, 2)
    assert clear.share.mean == pytest.approx(100 * 12 / 16.2)


def test_a_collapse_is_no_number():
    assert gap_share(METHOD, PAPER, found(full=(80.0,), mixed=(70.0,), method=(2.0,))).text == "< -100 %"


def test_only_seeds_that_all_rows_share_count_and_a_missing_row_has_no_answer():
    share = gap_share(METHOD, PAPER, found(full=(80.0, 81.0, 82.0), mixed=(70.0,), method=(75.0, 1.0)))
    assert (share.gap.n, share.share.mean, share.share.low) == (1, 50.0, None)
    assert gap_share(METHOD, PAPER, found(full=(80.0,), mixed=(70.0,))) is None


def test_of_several_classes_the_mean_iou_and_its_own_rows_count():
    names = {"full": "ce-2780", "mixed": "ce-500-2280", "method": "ce-bootstrap-500-2280-stable"}
    ious = {"full": 70.0, "mixed": 60.0, "method": 68.0}
    few = {names[key]: Result(names[key], ({"seed": 0, "mean_iou": iou},)) for key, iou in ious.items()}
    share = gap_share("ce-bootstrap-500-2280-stable", PAPER, few, "few")
    assert (share.gap.mean, share.share.mean, share.text) == (10.0, 80.0, "80 %")
    assert gap_share("ce-bootstrap-500-2280-stable", PAPER, few, "all") is None


def regime(**ious: tuple[float, ...]) -> dict[str, tuple[str, float | None]]:
    rows = {"full": "bce-2780", "mixed": "bce-500-2280", "boxes": "bce-0-2780", "masks": "bce-500"}
    results = {
        rows[key]: Result(
            rows[key], tuple({"seed": seed, "recipe": None, "iou": {"car": iou}} for seed, iou in enumerate(values))
        )
        for key, values in ious.items()
    }
    judged = [(one.claim.id, one.verdicts[0]) for one in claims.judge_regime(PAPER, results)]
    return {name: (verdict.word, verdict.estimate.mean if verdict.estimate else None) for name, verdict in judged}


def test_the_papers_own_numbers_are_what_the_regime_asks_for():
    printed = {
        key: (PAPER.iou(row, "car"),)
        for key, row in [("full", "bce-2780"), ("mixed", "bce-500-2280"), ("boxes", "bce-0-2780"), ("masks", "bce-500")]
    }
    assert {word for word, _ in regime(**printed).values()} == {"agrees"}
    assert [one.paper for one in claims.judge_regime(PAPER, {})][0] == "+17.47 (86.9 against 69.43)"


def test_the_regime_is_judged_by_means_and_mixed_and_boxes_may_not_differ_either_way():
    found = regime(full=(80.0, 84.0), mixed=(70.0, 76.0), boxes=(74.0, 72.0), masks=(75.0, 77.0))
    assert found == {
        "mixed-costs": ("met", pytest.approx(9.0)),
        "boxes-cost": ("met", pytest.approx(9.0)),
        "few-masks-cost": ("met", pytest.approx(6.0)),
        "mixed-near-boxes": ("missed", pytest.approx(4.0)),  # 4 apart on each seed, though the means are level
    }


def test_a_plain_row_that_is_missing_leaves_the_regime_open():
    found = regime(full=(80.0,), mixed=(77.0,))
    assert found["mixed-costs"] == ("differs", pytest.approx(3.0))
    assert found["boxes-cost"] == ("undecided", None)


def test_over_draws_the_seeds_of_each_are_averaged_first():
    full, mixed = (80.0, 82.0), (70.0, 72.0)
    entries = found(full=full, mixed=mixed, method=(75.0, 77.0))  # 50 % of 10 points
    assert share_over_draws(METHOD, PAPER, entries) is None
    more = found(full=full, mixed=(72.0, 72.0), method=(79.0, 80.2))  # 7.6 of 9 points
    entries |= {f"{name}-draw-1": result for name, result in more.items() if name != "bce-2780"}
    share = share_over_draws(METHOD, PAPER, entries)
    assert share.values == pytest.approx({0: 500.0, 1: 760.0})
    assert share.mean == pytest.approx(100 * (5 + 7.6) / (10 + 9))
    assert share.low is None or share.low < share.mean < share.high
    level = found(full=full, mixed=(79.0, 80.0), method=(79.0, 80.2))
    entries |= {f"{name}-draw-1": result for name, result in level.items() if name != "bce-2780"}
    assert share_over_draws(METHOD, PAPER, entries) is None
