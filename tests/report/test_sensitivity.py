"""What the sensitivity table says of a training's settings."""

import pytest

from stages.report import sensitivity
from stages.report.sensitivity import NONE


@pytest.mark.parametrize(
    ("settings", "recipe", "shown"),
    [
        ({"mc_samples": 20}, {}, "20"),
        ({"mc_samples": 1}, {"variance_loss": "uncertainty"}, "1"),
        ({}, {"variance_loss": "uncertainty"}, NONE),
        ({"mc_samples": 20}, {"variance_loss": "supervised"}, NONE),
    ],
)
def test_samples_are_shown_where_they_teach_the_variance(settings, recipe, shown) -> None:
    assert sensitivity._samples({"settings": settings, "resolutions": recipe}) == shown
