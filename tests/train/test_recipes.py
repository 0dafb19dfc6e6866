import math
from dataclasses import replace

import pytest
import torch

from stages.params import Row
from stages.train import losses
from stages.train.model import build
from stages.train.objectives import split_output
from stages.train.recipes import RECIPES, Flipper, bound_log_variance, may_flip, raw_start, recipe_of

RAW = torch.linspace(-300, 300, 6001)
SQUEEZED = replace(RECIPES["paper"], bound="tanh", smax=3.0)


@pytest.mark.parametrize(
    ("recipe", "low", "high"), [(RECIPES["paper"], -20, 90), (SQUEEZED, -3, 3), (RECIPES["regression"], -2, 300)]
)
def test_each_bound_keeps_its_range_and_starts_at_variance_one(recipe, low, high):
    bounded = bound_log_variance(RAW, recipe)
    assert bounded.min() >= low
    assert bounded.max() <= high
    assert (bounded.diff() >= 0).all()
    near_zero = torch.tensor([-1e-3, 0.0, 1e-3])
    torch.testing.assert_close(bound_log_variance(near_zero, recipe), near_zero, rtol=1e-3, atol=1e-9)


def test_the_smooth_bounds_leave_a_gradient_to_return_by():
    for recipe in (SQUEEZED, RECIPES["regression"]):
        raw = torch.tensor([-6.0, 6.0], requires_grad=True)
        bound_log_variance(raw, recipe).sum().backward()
        assert (raw.grad > 1e-3).all()


def test_may_flip_takes_the_lowest_share_of_each_box():
    generator = torch.Generator().manual_seed(0)
    score = torch.randn(500, generator=generator)
    box = torch.randint(3, 9, (500,), generator=generator)
    share = torch.tensor([0.0, 0.0, 0.0, 0.1, 0.25, 0.3, 0.5, 0.0, 1.0])
    allowed = may_flip(score, box, share[box])
    for number in range(3, 9):
        inside = (box == number).nonzero().squeeze(1).tolist()
        quota = math.floor(share[number].item() * len(inside) + 1e-4)
        lowest = sorted(inside, key=lambda i: score[i].item())[:quota]
        assert {i for i in inside if allowed[i]} == set(lowest)


def test_may_flip_counts_exactly_and_handles_no_pixels():
    box = torch.zeros(10, dtype=torch.int64)
    assert may_flip(torch.arange(10.0), box, torch.full((10,), 0.3)).tolist() == [True] * 3 + [False] * 7
    assert may_flip(torch.zeros(4), box[:4], torch.full((4,), 0.5)).tolist() == [True, True, False, False]
    assert may_flip(torch.empty(0), box[:0], torch.empty(0)).numel() == 0


def test_the_literal_flipper_is_eq_11_alone_and_the_stable_one_is_capped():
    mean, log_variance = torch.linspace(-3, 3, 40), torch.full((40,), math.log(5.0))
    box = torch.ones(40, dtype=torch.int64)
    literal = Flipper(RECIPES["paper"], 2.5, 0.2, (1.0, 0.7)).binary(mean, log_variance, box)
    torch.testing.assert_close(literal, 1 - losses.keep_weight(log_variance, 2.5, 0.2))
    capped = Flipper(RECIPES["stable"], 2.5, 0.2, (1.0, 0.7)).binary(mean, log_variance, box)
    assert (capped[:12] > 0.99).all()
    assert (capped[12:] == 0).all()


def test_the_multi_class_cap_goes_by_the_margin_of_the_boxs_class_and_the_fill_rate_of_each_class():
    mean = torch.tensor([[0.0, 5.0, 4.9], [0.0, 1.0, 0.0], [3.0, 0.0, 0.0], [3.0, 0.0, 1.0]]).repeat(2, 1)
    target, box = torch.tensor([1] * 4 + [2] * 4), torch.tensor([1] * 4 + [2] * 4)
    log_variance = torch.full((8, 3), math.log(5.0))
    flip = Flipper(RECIPES["stable"], 2.5, None, (1.0, 0.5, 0.75)).multi_class(mean, log_variance, target, box)
    # margins of the car box: 0.1, 1, -3, -3; two of four may flip. Of the person box: -0.1, -1, -3, -2; one of four.
    assert flip.tolist() == [False, False, True, True, False, False, True, False]
    everything = Flipper(RECIPES["paper"], 2.5, None, (1.0, 0.5, 0.75)).multi_class(mean, log_variance, target, box)
    assert everything.all()


def test_every_row_has_its_recipe(settings):
    for name, row in settings.rows.items():
        expected = "stable" if name.endswith("-stable") else "regression" if "regression" in name else "paper"
        assert recipe_of(row).name == expected


@pytest.mark.parametrize(
    ("recipe", "changed"),
    [
        (RECIPES["paper"], {}),
        (SQUEEZED, {}),
        (RECIPES["regression"], {}),
        (RECIPES["regression"], {"start": 5.0}),
        (SQUEEZED, {"smax": 2.0}),
    ],
)
@pytest.mark.parametrize("start", [0.2, 1.0, 2.5])
def test_the_network_starts_at_the_recipes_variance(recipe, changed, start):
    recipe = replace(recipe, **{"start": start} | changed)
    s = bound_log_variance(torch.tensor([raw_start(recipe)]), recipe)
    assert s.exp().item() == pytest.approx(recipe.start, rel=1e-5)


def test_a_start_that_goes_with_tau_needs_one():
    recipe = replace(RECIPES["stable"], start=1.0, start_per_tau=0.4)
    assert recipe.first_variance(2.5) == 1.0
    assert recipe.first_variance(5.0) == 2.0
    assert recipe.first_variance() == 1.0
    s = bound_log_variance(torch.tensor([raw_start(recipe, 10.0)]), recipe)
    assert s.exp().item() == pytest.approx(4.0, rel=1e-5)


def test_a_start_out_of_the_bounds_reach_is_an_error():
    with pytest.raises(ValueError, match="start=100"):
        raw_start(replace(SQUEEZED, start=100.0))


def test_a_rows_overrides_change_its_recipe_and_no_other():
    row = Row(
        task="car", loss="bootstrap", pp=500, box=2280, recipe="stable", overrides={"prior": 0.5, "fill_cap": False}
    )
    assert recipe_of(row) == replace(RECIPES["stable"], prior=0.5, fill_cap=False)
    assert RECIPES["stable"].fill_cap
    reloaded = Row(**row.model_dump(exclude_none=True))
    assert recipe_of(reloaded) == recipe_of(row)


def test_a_network_starts_at_a_share_of_its_tau():
    row = Row(task="car", loss="bootstrap", pp=500, box=2280, recipe="stable", overrides={"start_per_tau": 0.4})
    _, log_variance = split_output(build(row, 0.25, tau=5.0)(torch.randn(2, 3, 16, 32)), row, recipe_of(row))
    assert log_variance.exp().detach().numpy() == pytest.approx(2.0, rel=1e-5)


def test_the_first_output_of_a_network_has_the_start_as_its_variance_everywhere():
    row = Row(task="car", loss="bootstrap", pp=500, box=2280, recipe="stable", overrides={"start": 4.0})
    _, log_variance = split_output(build(row, 0.25, tau=2.5)(torch.randn(2, 3, 16, 32)), row, recipe_of(row))
    torch.testing.assert_close(log_variance.exp(), torch.full_like(log_variance, 4.0))


@pytest.mark.parametrize("last_layer", ["torch", "icnr"])
def test_the_four_pixels_of_a_block_start_alike_if_asked(last_layer):
    row = Row(task="car", loss="bootstrap", pp=500, box=2280, recipe="paper", overrides={"last_layer": last_layer})
    with torch.no_grad():
        mean = build(row, 0.25, tau=2.5).eval()(torch.randn(2, 3, 16, 32))[:, 0]
    blocks = mean.unflatten(2, (-1, 2)).unflatten(1, (-1, 2))  # (N, rows, 2, columns, 2)
    alike = torch.allclose(blocks, blocks[:, :, :1, :, :1].expand_as(blocks))
    assert alike == (last_layer == "icnr")
    assert mean.std() > 0.01  # blocks differ
