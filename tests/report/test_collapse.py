"""The drift of a pixel: against closed forms, and the fates that follow from them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from stages.report import collapse
from stages.report.collapse import CLEAR, FOREGROUND, SLOW, WRONG, Law
from stages.train.recipes import RECIPES

LITERAL = Law(tau=2.5, temperature=0.2, pp_share=0.25)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def point(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("pixel", [FOREGROUND, WRONG])
@pytest.mark.parametrize(("mean", "log_variance"), [(-2.0, 0.0), (1.5, 0.9), (0.3, 2.0)])
def test_the_drift_of_a_box_pixel_in_closed_form(pixel, mean, log_variance):
    along_mean, along_raw = collapse.velocity(point(mean), point(log_variance), pixel, LITERAL)
    keep = sigmoid((2.5 - math.exp(log_variance)) / 0.2)
    masks, boxes = pixel.truth - sigmoid(mean), keep - sigmoid(mean)
    assert along_mean == pytest.approx(0.25 * masks + 0.75 * boxes, rel=1e-6)
    adapted = mean / math.sqrt(1 + math.pi / 8 * math.exp(log_variance))
    along_log_variance = 0.5 * adapted * (1 - sigmoid(adapted)) * sigmoid(log_variance + math.log(math.pi / 8))
    assert along_raw == pytest.approx(-0.75 * along_log_variance, rel=1e-6)


def test_clear_background_moves_its_mean_alone():
    along_mean, along_raw = collapse.velocity(point(1.0), point(0.0), CLEAR, LITERAL)
    assert along_mean == pytest.approx(-sigmoid(1.0))
    assert along_raw == 0


def test_a_slow_mean_is_slow_and_its_variance_is_not():
    fast, slow = (collapse.velocity(point(-1.0), point(0.0), FOREGROUND, Law(2.5, 0.2, 0.25, r)) for r in (1.0, SLOW))
    assert slow[0] == pytest.approx(SLOW * fast[0])
    assert slow[1] == fast[1]


def end(mean: float, variance: float, pixel: collapse.Pixel, law: Law) -> tuple[float, float]:
    *_, (last_mean, last_variance) = collapse.flow(point(mean), point(variance), pixel, law)
    return float(last_mean), float(last_variance)


def test_box_background_that_is_kept_settles_where_its_labels_balance():
    mean, variance = end(0.0, 1.0, WRONG, LITERAL)
    assert mean == pytest.approx(math.log(3), abs=0.01)  # logit(1 - q): the output is a rectangle
    assert variance < 0.2


def test_foreground_that_is_flipped_stays_flipped():
    mean, variance = end(0.0, 4.0, FOREGROUND, LITERAL)
    assert mean == pytest.approx(-math.log(3), abs=0.01)  # logit(q)
    assert variance > 20


def test_the_race_is_lost_by_a_mean_that_learns_slowly():
    start = collapse.UNTRAINED
    assert end(*start, FOREGROUND, LITERAL)[0] > 0
    assert end(*start, FOREGROUND, Law(2.5, 0.2, 0.25, SLOW))[0] < 0


def test_with_more_than_half_of_clean_draws_there_is_one_fate():
    law = Law(2.5, 0.2, 0.55)
    for pixel, foreground in ((FOREGROUND, True), (WRONG, False)):
        assert np.isnan(collapse.boundary(pixel, [law])[1]).all()
        assert collapse.fate(point(-3.0), point(10.0), pixel, law) == foreground


def test_a_boundary_parts_the_fates_and_rises_with_tau():
    mean, (variance, higher) = collapse.boundary(FOREGROUND, [LITERAL, Law(5.0, 0.2, 0.25)])
    assert not np.isnan(variance).any()
    at = torch.from_numpy(mean)
    edge = torch.from_numpy(variance)
    assert collapse.fate(at, edge / 1.05, FOREGROUND, LITERAL).all()
    assert not collapse.fate(at, edge * 1.05, FOREGROUND, LITERAL).any()
    assert (higher > variance).all()


def test_a_bound_keeps_the_starts_of_a_picture_within_its_reach():
    recipe = replace(RECIPES["paper"], bound="tanh", smax=3.0)
    mean, variances = collapse.boundary(WRONG, [LITERAL, Law(2.5, 0.2, 0.25, SLOW, recipe)])
    assert variances.shape == (2, len(mean))
    assert np.nanmax(variances[1]) < math.exp(recipe.smax)


def test_laws_drawn_together_are_drawn_as_each_by_itself():
    laws = [LITERAL, Law(1.0, 0.2, 0.45, 0.3), Law(2.5, 0.2, 0.25, SLOW, replace(RECIPES["paper"], prior=0.25))]
    _, together = collapse.boundary(WRONG, laws)
    for law, variance in zip(laws, together, strict=True):
        np.testing.assert_allclose(collapse.boundary(WRONG, [law])[1][0], variance)


def test_the_pictures_say_what_they_were_made_for():
    for draw in (collapse.portrait, collapse.boundaries):
        picture = draw(1.75, 0.2, 0.3)
        texts = [text.get_text() for text in picture.figure.texts]
        assert any("τ = 1.75" in text and "30%" in text for text in texts)
        assert picture.png().startswith(b"\x89PNG")


def test_trainings_tell_both_recipes_ends(project):
    picture = collapse.trainings("synthetic", 0, project)
    assert "literal recipe (paper): in the end 95.0 % of true foreground and 60.0 % of true background" in picture.alt
    assert "stable recipe: in the end 5.0 % of true foreground" in picture.alt
    assert "car IoU 4.2 %" in picture.alt
    labels = [axes.get_ylabel() for axes in picture.figure.axes]
    assert labels == list(collapse.CURVES) * 2
    flipped = picture.figure.axes[0].get_lines()[0]
    assert list(flipped.get_ydata()) == [0, 20, 95]


def test_two_committed_trainings_are_told_by_their_own_numbers(project):
    picture = collapse.ablated("camvid", ("bare", "cap-pp-start-at-tau"), project)
    assert "bare: in the end 95.0 % of true foreground" in picture.alt
    assert "cap-pp-start-at-tau: in the end 5.0 % of true foreground" in picture.alt
    assert "car IoU 68.0 %" in picture.alt
    assert "CamVid" in picture.figure.texts[-2].get_text()
