"""Which row is best on data of one's own."""

import numpy as np
import pytest
from scipy import stats

from stages import config
from stages.analysis.own import ranking, words
from stages.analysis.results import Result

ROWS = config.load().rows
IOUS = {
    "bce-500": (60.0, 62.0, 61.0),
    "bce-500-2280": (55.0, 54.0, 56.0),
    "bootstrap-500-2280-stable": (66.0, 65.0, 67.0),
}


def result(name: str, ious: tuple[float, ...], classes: tuple[str, ...] = ("background", "cell")) -> Result:
    runs = [
        {"seed": seed, "classes": list(classes), "iou": {"background": 90.0, classes[1]: iou}, "mean_iou": iou - 5}
        for seed, iou in enumerate(ious)
    ]
    return Result(name, tuple(runs))


def test_rows_are_ranked_by_their_mean_and_paired_with_the_masks_alone():
    ranked = ranking(ROWS, {name: result(name, ious) for name, ious in IOUS.items()}, 0.95)
    assert [one.row for one in ranked] == ["bootstrap-500-2280-stable", "bce-500", "bce-500-2280"]
    best, alone, plain = ranked
    assert (best.iou.mean, alone.over_masks) == (66.0, None)
    differences = [66.0 - 60.0, 65.0 - 62.0, 67.0 - 61.0]
    low, high = stats.t.interval(0.95, 2, np.mean(differences), stats.sem(differences))
    assert (best.over_masks.low, best.over_masks.high) == pytest.approx((low, high))
    assert plain.over_masks.mean == pytest.approx(-6)


def test_several_classes_are_ranked_by_their_mean():
    names, classes = ("ce-all-500", "ce-all-500-2280"), ("background", "a", "b", "c")
    found = {name: result(name, (iou,), classes) for name, iou in zip(names, (50.0, 60.0), strict=True)}
    ranked = ranking(ROWS, found, 0.95)
    assert [(one.row, one.iou.mean) for one in ranked] == [(names[1], 55.0), (names[0], 45.0)]


def test_one_seed_has_no_interval_and_full_supervision_is_told_apart():
    found = {name: result(name, (iou,)) for name, iou in (("bce-2780", 80.0), ("bce-500", 60.0))}
    full, alone = ranking(ROWS, found, 0.95)
    assert (full.full, alone.full) == (True, False)
    assert (full.over_masks.mean, full.over_masks.low) == (20.0, None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bce-2780", "all masks"),
        ("ce-all-500", "the masks alone"),
        ("bce-500-2280", "masks and boxes, plain loss"),
        ("uncertainty-500-2280-warmup", "masks and boxes, uncertainty, no flips, after a clean-label warm-up"),
        ("ce-bootstrap-all-500-2280-stable", "masks and boxes, the method, stable recipe"),
    ],
)
def test_a_row_is_said_in_words(name, expected):
    assert words(ROWS[name]) == expected
