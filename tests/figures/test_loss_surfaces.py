"""Figures 1 and 4 show the landmarks that follow from the formulas."""

import math

import numpy as np
import pytest
import torch

from stages.figures import figure1, figure4, loss_surfaces

TAU, TEMPERATURE = 2.5, 0.2


def at(loss, mean: float, variance: float) -> float:
    return float(loss(*torch.tensor([mean, max(variance, loss_surfaces.SMALLEST_VARIANCE)], dtype=torch.float64)))


def bootstrap(mean, variance):
    return loss_surfaces.bootstrap_loss(mean, variance, TAU, TEMPERATURE)


@pytest.mark.parametrize(
    ("mean", "variance", "loss"), [(0, 1, 0), (1, 1, 0.5), (2, 1, 2), (2, 4, 1.193), (0, 0.1, -1.151)]
)
def test_figure_1_landmarks(mean, variance, loss):
    assert at(loss_surfaces.regression_loss, mean, variance) == pytest.approx(loss, abs=5e-4)


def test_figure_1_valley_follows_the_squared_mean():
    data = loss_surfaces.surface(loss_surfaces.regression_loss, (-3, 3), (0.1, 5), points=401)
    for column in (np.abs(data.mean - 1.5).argmin(), np.abs(data.mean + 2).argmin()):
        assert data.variance[data.loss[:, column].argmin()] == pytest.approx(data.mean[column] ** 2, abs=0.02)


@pytest.mark.parametrize(
    ("mean", "variance", "loss"), [(-10, 0, 10), (-10, 2.5, 7.104), (-5, 0, 5.007), (-5, 2.5, 3.580)]
)
def test_figure_4a_landmarks(mean, variance, loss):
    assert at(loss_surfaces.uncertainty_loss, mean, variance) == pytest.approx(loss, abs=1e-3)


def test_figure_4a_is_flat_where_the_mean_is_0():
    assert [at(loss_surfaces.uncertainty_loss, 0, v) for v in (0, 2.5, 5)] == pytest.approx([math.log(2)] * 3)


@pytest.mark.parametrize(("variance", "loss"), [(0, 10), (2, 9.241), (2.5, 5.0), (3, 0.759), (5, 8e-5)])
def test_figure_4b_landmarks(variance, loss):
    assert at(bootstrap, -10, variance) == pytest.approx(loss, abs=1e-3)


def test_the_field_pushes_the_mean_to_the_target_below_tau_and_away_above():
    along_mean, along_variance = loss_surfaces.training_field(
        np.array([-4.0, -4.0]), np.array([1.0, 4.0]), TAU, TEMPERATURE
    )
    assert along_mean[0] > 0 > along_mean[1]
    assert (along_variance > 0).all()


def test_the_field_is_not_the_gradient_of_the_sum():
    """With W attached, the bootstrapping loss would move the variance near tau as well."""
    mean, variance = torch.tensor([-4.0, 2.5], dtype=torch.float64).split(1)
    variance.requires_grad_()
    whole = loss_surfaces.uncertainty_loss(mean, variance) + bootstrap(mean, variance)
    (attached,) = torch.autograd.grad(whole.sum(), variance)
    _, field = loss_surfaces.training_field(mean.numpy(), variance.detach().numpy(), TAU, TEMPERATURE)
    assert abs(-attached.item() - field[0]) > 1


@pytest.mark.parametrize("draw", [figure1.draw, lambda: figure4.draw(TAU, TEMPERATURE)])
def test_figures_are_drawn_to_the_same_bytes(draw):
    assert draw().png() == draw().png()


def test_figure_4_follows_tau():
    panels = figure4.draw(1.5, TEMPERATURE).figure.axes
    assert max(axes.get_ylim()[1] for axes in panels if axes.name == "rectilinear") == pytest.approx(3)
