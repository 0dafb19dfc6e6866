"""The annotation-cost curve: what a label takes, which labels are enough, and whether boxes are worth their time."""

import json
import math
from pathlib import Path

import pytest

from stages import config
from stages.analysis import annotation
from stages.analysis.annotation import MASKS, MIXED, STABLE, Curve, Point
from stages.analysis.statistics import Estimate
from stages.errors import UserError


@pytest.fixture
def curve(project: Path) -> Curve:
    """The miniature's: nuclei, two seeds."""
    settings = config.load(project)
    [found] = annotation.load(settings.rows, settings.params, 0.95, project)
    return found


def point(method: str, share: float, hours: float, iou: float) -> Point:
    return Point(method, share, hours, Estimate({0: iou}, iou))


def test_time_is_that_of_a_mask_or_a_box_for_each_object(curve: Curve):
    """79 s a mask and 7 s a box, 1000 objects: all masks 21.94 hours, all boxes 1.94."""
    assert curve.full.hours == pytest.approx(79 * 1000 / 3600)
    assert [one.hours for one in curve.of(MIXED)] == [pytest.approx(7 * 1000 / 3600)]
    [stable] = curve.of(STABLE)
    assert stable.share == pytest.approx(100 * 100 / 2780)
    assert stable.hours == pytest.approx((100 * 79 + 2680 * 7) / 2780 * 1000 / 3600)
    assert [one.share for one in curve.of(MASKS)] == pytest.approx([100 * pp / 2780 for pp in (100, 500, 2780)])
    assert (curve.object, stable.iou.mean, stable.iou.n) == ("nucleus", 75.0, 2)


def test_seconds_are_params(project: Path):
    params = config.load(project).params.model_copy(update={"box_seconds": 36.0, "mask_seconds": 360.0})
    assert annotation.hours(0.5, 0.5, params) == pytest.approx(0.5 * 100 + 0.5 * 10)


def test_the_lead_is_over_masks_of_the_same_time(curve: Curve):
    """The masks alone have 61 % at 100 masks and 77 % at 500; in between the logarithm of the time counts."""
    [stable] = curve.of(STABLE)
    low, high = (1000 * 79 * pp / 2780 / 3600 for pp in (100, 500))
    share = math.log(stable.hours / low) / math.log(high / low)
    assert annotation.lead(curve, stable) == pytest.approx(75 - (61 + 16 * share))
    assert annotation.lead(curve, point(STABLE, 0, low / 2, 50)) is None
    assert annotation.lead(curve, point(STABLE, 0, 2 * curve.full.hours, 50)) is None


def test_nearly_full_supervision_is_the_least_time_within_5_percent_of_its_iou(curve: Curve):
    assert annotation.near_full(curve).iou.mean == 77.0  # 96 % of 80; the stable recipe's 75 are 94 %


def test_the_sentence_says_what_to_buy_and_whether_boxes_pay(curve: Curve):
    said = annotation.advice(curve)
    assert said.startswith("Nuclei: masks on 18 % of the images give 96 % of full supervision (77.0 of 80.0 %)")
    assert "for 3.9 instead of 21.9 hours of annotation for 1000 objects" in said
    [stable] = curve.of(STABLE)
    ahead = annotation.lead(curve, stable)
    assert ahead > 0 and f"masks on 3.6 % of the images and boxes on the rest give {ahead:.1f} points more" in said
    worse = Curve("nuclei", "nucleus", [*curve.of(MASKS), point(STABLE, 3.6, 2.0, 60.0)])
    assert "boxes are worth their time at no share: at best" in annotation.advice(worse)
    assert annotation.advice(Curve("nuclei", "nucleus", curve.of(MASKS))).endswith("for 1000 objects.")


def test_an_entry_without_trainings_takes_those_of_the_reference(project: Path, curve: Curve):
    settings = config.load(project)
    own = project / "reference" / "annotation" / "nuclei" / "bce-500-0.json"
    run = json.loads(own.read_text()) | {"iou": {"nucleus": 50.0}}
    reference = project / "reference" / "runs" / "nuclei"
    reference.mkdir(parents=True)
    (reference / "bce-500-0.json").write_text(json.dumps(run))
    [found] = annotation.load(settings.rows, settings.params, 0.95, project)
    assert found.of(MASKS)[1].iou.mean == 77.0
    for file in own.parent.glob("bce-500-?.json"):
        file.unlink()
    [found] = annotation.load(settings.rows, settings.params, 0.95, project)
    assert found.of(MASKS)[1].iou.mean == 50.0


def test_without_full_supervision_there_is_no_curve(project: Path):
    settings = config.load(project)
    for file in (project / "reference" / "annotation" / "nuclei").glob("bce-2780-*.json"):
        file.unlink()
    with pytest.raises(UserError, match="reference/annotation has no curve"):
        annotation.load(settings.rows, settings.params, 0.95, project)
