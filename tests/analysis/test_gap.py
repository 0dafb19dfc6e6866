"""The share of the gap that a row closes, by hand."""

import pytest

from stages.analysis import paper
from stages.analysis.gap import gap_share, printed_gap_share
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
    assert share.share == pytest.approx(100 * 7.25 / 9.75)


@pytest.mark.parametrize("mixed", [(77.0,), (78.0, 60.0)])
def test_where_the_gap_is_not_clear_of_three_points_there_is_no_share(mixed):
    full = (80.0, 80.0)[: len(mixed)]
    share = gap_share(METHOD, PAPER, found(full=full, mixed=mixed, method=full))
    assert share.share is None
    assert share.gap.n == len(mixed)


def test_only_seeds_that_all_rows_share_count_and_a_missing_row_has_no_answer():
    share = gap_share(METHOD, PAPER, found(full=(80.0, 81.0, 82.0), mixed=(70.0,), method=(75.0, 1.0)))
    assert (share.gap.n, share.share) == (1, 50.0)
    assert gap_share(METHOD, PAPER, found(full=(80.0,), mixed=(70.0,))) is None
