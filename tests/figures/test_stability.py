"""The figure of the multi-class loss's stability: what is drawn is what was measured."""

import pandas as pd

from stages.figures.stability import draw

BROKEN = pd.DataFrame(
    [
        ("printed", 5, 1, 0.0, 0.0),
        ("printed", 5, 10, 20.0, 40.0),
        ("sound", 5, 1, 0.0, 0.0),
        ("sound", 5, 10, 0.0, 0.0),
    ],
    columns=["form", "classes", "scale", "loss", "gradient"],
)
NOISE = pd.DataFrame(
    [("Monte Carlo", 5, 1, 2.0), ("Monte Carlo", 5, 20, 0.5), ("mean field", 5, 1, 0.0), ("mean field", 5, 20, 0.0)],
    columns=["estimator", "classes", "T", "sd"],
)
ERRORS = pd.DataFrame(
    [("Monte Carlo", 5, 1.0, 0.0, 0.1), ("Monte Carlo", 5, 10.0, 0.0, 0.2), ("Monte Carlo", 2, 1.0, 0.0, 0.9)],
    columns=["estimator", "classes", "variance", "bias", "error"],
)


def test_each_panel_has_a_line_a_form_or_estimator_of_the_classes_asked_for():
    picture = draw(BROKEN, NOISE, ERRORS)
    left, middle, right = picture.figure.axes
    assert {line.get_label(): list(line.get_ydata()) for line in left.lines} == {"printed": [0, 40], "sound": [0, 0]}
    assert {line.get_label(): list(line.get_ydata()) for line in middle.lines} == {"Monte Carlo": [2.0, 0.5]}
    assert {line.get_label(): list(line.get_ydata()) for line in right.lines} == {"Monte Carlo": [0.1, 0.2]}
    assert "printed 40 %, sound 0 %" in picture.alt
    assert picture.png().startswith(b"\x89PNG")
