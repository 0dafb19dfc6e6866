"""The drift of a pixel: against closed forms, and the basins of attraction that follow from them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from stages.analysis import dynamics
from stages.analysis.dynamics import CLEAR, FOREGROUND, SLOW, WRONG, Dynamics, log_variance_velocity
from stages.model.recipes import RECIPES, bound_log_variance

LITERAL = Dynamics(tau=2.5, temperature=0.2, pp_share=0.25)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def point(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("pixel", [FOREGROUND, WRONG])
@pytest.mark.parametrize(("mean", "log_variance"), [(-2.0, 0.0), (1.5, 0.9), (0.3, 2.0)])
def test_the_drift_of_a_box_pixel_in_closed_form(pixel, mean, log_variance):
    along_mean, along_raw = dynamics.velocity(point(mean), point(log_variance), pixel, LITERAL)
    keep = sigmoid((2.5 - math.exp(log_variance)) / 0.2)
    masks, boxes = pixel.truth - sigmoid(mean), keep - sigmoid(mean)
    assert along_mean == pytest.approx(0.25 * masks + 0.75 * boxes, rel=1e-6)
    adapted = mean / math.sqrt(1 + math.pi / 8 * math.exp(log_variance))
    along_log_variance = 0.5 * adapted * (1 - sigmoid(adapted)) * sigmoid(log_variance + math.log(math.pi / 8))
    assert along_raw == pytest.approx(-0.75 * along_log_variance, rel=1e-6)


def test_clear_background_moves_its_mean_alone():
    along_mean, along_raw = dynamics.velocity(point(1.0), point(0.0), CLEAR, LITERAL)
    assert along_mean == pytest.approx(-sigmoid(1.0))
    assert along_raw == 0


def test_a_slow_mean_is_slow_and_its_variance_is_not():
    fast, slow = (
        dynamics.velocity(point(-1.0), point(0.0), FOREGROUND, Dynamics(2.5, 0.2, 0.25, r)) for r in (1.0, SLOW)
    )
    assert slow[0] == pytest.approx(SLOW * fast[0])
    assert slow[1] == fast[1]


def end(mean: float, variance: float, pixel: dynamics.Pixel, setting: Dynamics) -> tuple[float, float]:
    *_, (last_mean, last_variance) = dynamics.flow(point(mean), point(variance), pixel, setting)
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
    start = dynamics.UNTRAINED
    assert end(*start, FOREGROUND, LITERAL)[0] > 0
    assert end(*start, FOREGROUND, Dynamics(2.5, 0.2, 0.25, SLOW))[0] < 0


def test_with_more_than_half_of_clean_draws_there_is_one_basin():
    setting = Dynamics(2.5, 0.2, 0.55)
    for pixel, foreground in ((FOREGROUND, True), (WRONG, False)):
        assert np.isnan(dynamics.boundary(pixel, [setting])[1]).all()
        assert dynamics.ends_as_foreground(point(-3.0), point(10.0), pixel, setting) == foreground


def test_a_boundary_parts_the_basins_and_rises_with_tau():
    mean, (variance, higher) = dynamics.boundary(FOREGROUND, [LITERAL, Dynamics(5.0, 0.2, 0.25)])
    assert not np.isnan(variance).any()
    at = torch.from_numpy(mean)
    edge = torch.from_numpy(variance)
    assert dynamics.ends_as_foreground(at, edge / 1.05, FOREGROUND, LITERAL).all()
    assert not dynamics.ends_as_foreground(at, edge * 1.05, FOREGROUND, LITERAL).any()
    assert (higher > variance).all()


def test_a_bound_keeps_the_starts_of_a_picture_within_its_reach():
    recipe = replace(RECIPES["paper-exp"], bound="tanh", smax=3.0)
    mean, variances = dynamics.boundary(WRONG, [LITERAL, Dynamics(2.5, 0.2, 0.25, SLOW, recipe)])
    assert variances.shape == (2, len(mean))
    assert np.nanmax(variances[1]) < math.exp(recipe.smax)


def test_settings_taken_together_are_taken_as_each_by_itself():
    settings = [
        LITERAL,
        Dynamics(1.0, 0.2, 0.45, 0.3),
        Dynamics(2.5, 0.2, 0.25, SLOW, replace(RECIPES["paper-exp"], prior=0.25)),
    ]
    _, together = dynamics.boundary(WRONG, settings)
    for setting, variance in zip(settings, together, strict=True):
        np.testing.assert_allclose(dynamics.boundary(WRONG, [setting])[1][0], variance)


@pytest.mark.parametrize("variance", ["exp", "softplus", "one_plus_elu", "square", "sigma"])
def test_the_speed_of_log_variance_is_that_of_the_raw_output_through_its_reading(variance):
    recipe = replace(RECIPES["paper-exp"], variance=variance)
    raw, along = torch.tensor([-1.5, 0.4, 2.0], dtype=torch.float64), torch.tensor([0.3, -1.0, 2.0]).double()
    found = log_variance_velocity(raw, along, recipe)
    step = 1e-2
    ahead, behind = (bound_log_variance(raw + sign * step * along, recipe).double() for sign in (1, -1))
    torch.testing.assert_close(found, (ahead - behind) / (2 * step), atol=1e-3, rtol=1e-3)  # s is fp32
