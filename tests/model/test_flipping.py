"""Which labels flip: the fill-rate cap against a slow loop, and one straight walk of tau from params.yaml to Eq 11."""

import math
from dataclasses import replace

import pytest
import torch

from stages.model import losses
from stages.model.flipping import LabelFlipper, box_posterior, may_flip
from stages.model.hyperparameters import resolve
from stages.model.predictor import flipper_of
from stages.model.recipes import RECIPES
from tests.two_classes import CLASSES

CAPPED = replace(RECIPES["paper"], fill_cap=True)


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


def test_the_recipes_flip_by_eq_11_alone_and_a_cap_keeps_the_highest_means():
    mean, log_variance = torch.linspace(-3, 3, 40), torch.full((40,), math.log(5.0))
    box = torch.ones(40, dtype=torch.int64)
    for recipe in ("paper", "stable"):
        found = LabelFlipper(RECIPES[recipe], 2.5, 0.2, (1.0, 0.7)).binary(mean, log_variance, box)
        torch.testing.assert_close(found, 1 - losses.keep_weight(log_variance, 2.5, 0.2))
    capped = LabelFlipper(CAPPED, 2.5, 0.2, (1.0, 0.7)).binary(mean, log_variance, box)
    assert (capped[:12] > 0.99).all()
    assert (capped[12:] == 0).all()


def test_the_multi_class_cap_goes_by_the_margin_of_the_boxs_class_and_the_fill_rate_of_each_class():
    mean = torch.tensor([[0.0, 5.0, 4.9], [0.0, 1.0, 0.0], [3.0, 0.0, 0.0], [3.0, 0.0, 1.0]]).repeat(2, 1)
    target, box = torch.tensor([1] * 4 + [2] * 4), torch.tensor([1] * 4 + [2] * 4)
    log_variance = torch.full((8, 3), math.log(5.0))
    flip = LabelFlipper(CAPPED, 2.5, None, (1.0, 0.5, 0.75)).multi_class(mean, log_variance, target, box)
    # margins of the car box: 0.1, 1, -3, -3; two of four may flip. Of the person box: -0.1, -1, -3, -2; one of four.
    assert flip.tolist() == [False, False, True, True, False, False, True, False]
    literal = LabelFlipper(RECIPES["paper"], 2.5, None, (1.0, 0.5, 0.75))
    assert literal.multi_class(mean, log_variance, target, box).all()


def test_eq_11_needs_a_temperature():
    x = torch.zeros(2)
    with pytest.raises(ValueError, match="temperature"):
        LabelFlipper(RECIPES["paper"], 2.5, None, (1.0, 0.5, 0.5)).binary(x, x, x.long())


def test_a_changed_tau_reaches_the_weight_of_eq_11_in_exactly_the_rows_that_bootstrap(settings):
    """params.tau -> Hyperparameters.tau -> LabelFlipper.tau -> keep_weight, and no other row sees it."""
    log_variance = torch.tensor([1.0, 2.0, 3.0]).log()
    box = torch.ones(3, dtype=torch.int64)
    for name, row in settings.rows.items():
        flippers = {}
        for tau in (1.0, 3.0):
            changed = replace(settings, params=settings.params.model_copy(update={"tau": tau}))
            chosen = resolve(changed, name, CLASSES)
            assert chosen.tau == (tau if row.bootstraps else None)
            flippers[tau] = flipper_of(chosen, (1.0, 0.0, 0.0))  # of empty boxes a cap would keep nothing
        if not row.bootstraps:
            assert flippers[1.0] == flippers[3.0] and (flippers[1.0] is None) == (not row.ranks)
            assert resolve(settings, name, CLASSES) == chosen
            continue
        for tau, flipper in flippers.items():
            assert flipper.tau == tau
            if row.loss == "bootstrap":
                weight = losses.keep_weight(log_variance, tau, settings.params.temperature)
                torch.testing.assert_close(1 - flipper.binary(torch.zeros(3), log_variance, box), weight)
            else:
                s = log_variance.unsqueeze(1).expand(3, 3)
                assert flipper.multi_class(torch.zeros(3, 3), s, box, box).tolist() == (s[:, 0].exp() > tau).tolist()


def test_a_boxs_posterior_is_the_sigmoid_shifted_until_its_share_is_in_range():
    """Three boxes: one emptier than allowed, one in range, one too full. The shift is one number for each box."""
    generator = torch.Generator().manual_seed(0)
    box = torch.tensor([7] * 40 + [2] * 30 + [5] * 50)[torch.randperm(120, generator=generator)]
    mean = torch.randn(120, generator=generator) * 3 + torch.tensor([0.0, 0, 0, 0, 0, 8, 0, -6])[box]
    found = box_posterior(mean, box, 0.4, 0.8)
    shares = {number: found[box == number].mean().item() for number in (7, 2, 5)}
    free = torch.sigmoid(mean[box == 2])
    assert 0.4 < free.mean() < 0.8
    assert shares == pytest.approx({7: 0.4, 2: free.mean().item(), 5: 0.8}, abs=1e-4)
    torch.testing.assert_close(found[box == 2], free, atol=1e-4, rtol=0)
    for number in (7, 5):
        shift = torch.logit(found[box == number].double()) - mean[box == number]
        inside = found[box == number] > 1e-3
        assert (shift[inside] - shift[inside][0]).abs().max() < 1e-2
    assert box_posterior(mean[:0], box[:0], 0.4, 0.8).numel() == 0


def test_a_posterior_of_confident_boxes_still_reaches_its_range():
    box = torch.ones(10, dtype=torch.int64)
    for logit in (-1e4, 1e4):
        share = box_posterior(torch.full((10,), logit), box, 0.3, 0.6).mean().item()
        assert share == pytest.approx(0.3 if logit < 0 else 0.6, abs=1e-4)


@pytest.mark.parametrize(
    ("decides", "expected"), [("variance", [1, 1, 0, 0]), ("mean", [1, 0, 1, 0]), ("both", [1, 0, 0, 0])]
)
def test_what_decides_is_the_variance_or_the_sign_of_the_mean_or_both(decides, expected):
    mean, variance = torch.tensor([-2.0, 2.0, -2.0, 2.0]), torch.tensor([9.0, 9.0, 0.5, 0.5])
    recipe = replace(RECIPES["paper"], decides=decides)
    box = torch.ones(4, dtype=torch.int64)
    flip = LabelFlipper(recipe, 2.5, 0.2, (1.0, 0.5)).binary(mean, variance.log(), box)
    assert flip.round().tolist() == expected
    means = torch.stack([-mean, mean], dim=1)  # the box's class is 1, and argmax is another where the mean is negative
    variances = variance.log().unsqueeze(1).repeat(1, 2)
    several = LabelFlipper(recipe, 2.5, None, (1.0, 0.5)).multi_class(means, variances, box, box)
    assert several.int().tolist() == expected


def test_the_posterior_is_the_weight_of_the_label_and_needs_a_range():
    mean, box = torch.linspace(-4, 4, 20), torch.ones(20, dtype=torch.int64)
    recipe = replace(CAPPED, decides="posterior")  # which reads no cap
    flip = LabelFlipper(recipe, 2.5, 0.2, (1.0, 0.7), fill_range=(0.7, 0.9)).binary(mean, mean, box)
    torch.testing.assert_close(flip, 1 - box_posterior(mean, box, 0.7, 0.9))
    with pytest.raises(ValueError, match="range"):
        LabelFlipper(recipe, 2.5, 0.2, (1.0, 0.7)).binary(mean, mean, box)
