"""The annotation-cost curve as a picture: each method's points, by share and by time."""

from stages.analysis.annotation import MASKS, STABLE, Curve, Point
from stages.analysis.statistics import Estimate
from stages.figures.annotation import draw

POINTS = [
    Point(MASKS, 3.6, 0.8, Estimate({0: 60.0, 1: 64.0}, 62.0, 58.0, 66.0)),
    Point(MASKS, 100.0, 21.9, Estimate({0: 80.0, 1: 82.0}, 81.0, 80.0, 82.0)),
    Point(STABLE, 3.6, 2.7, Estimate({0: 75.0}, 75.0)),
]


def test_each_method_is_drawn_by_share_and_by_time():
    picture = draw([Curve("nuclei", "nucleus", POINTS, 0.95)])
    by_share, by_hours = picture.figure.axes
    for axes, places in ((by_share, [3.6, 100.0]), (by_hours, [0.8, 21.9])):
        masks = axes.containers[0]
        assert masks.get_label() == MASKS
        assert list(masks.lines[0].get_xdata()) == places
        assert list(masks.lines[0].get_ydata()) == [62.0, 81.0]
        first = masks.lines[2][0].get_segments()[0]
        assert [end[1] for end in first] == [58.0, 66.0]
    assert "masks alone: 3.6 % 62.0, 100.0 % 81.0" in picture.alt
    assert "stable recipe on both: 3.6 % 75.0" in picture.alt
    assert picture.png().startswith(b"\x89PNG")


def test_each_dataset_has_a_line_of_panels():
    picture = draw([Curve(name, "thing", POINTS, 0.95) for name in ("nuclei", "synthetic")])
    assert len(picture.figure.axes) == 4
