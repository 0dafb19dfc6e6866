"""Which labels flip: the fill-rate cap against a slow loop, and one straight walk of tau from params.yaml to Eq 11."""

import math
from dataclasses import replace

import pytest
import torch

from stages.model import losses
from stages.model.flipping import LabelFlipper, may_flip
from stages.model.hyperparameters import resolve
from stages.model.predictor import flipper_of
from stages.model.recipes import RECIPES
from tests.two_classes import CLASSES


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
    literal = LabelFlipper(RECIPES["paper"], 2.5, 0.2, (1.0, 0.7)).binary(mean, log_variance, box)
    torch.testing.assert_close(literal, 1 - losses.keep_weight(log_variance, 2.5, 0.2))
    capped = LabelFlipper(RECIPES["stable"], 2.5, 0.2, (1.0, 0.7)).binary(mean, log_variance, box)
    assert (capped[:12] > 0.99).all()
    assert (capped[12:] == 0).all()


def test_the_multi_class_cap_goes_by_the_margin_of_the_boxs_class_and_the_fill_rate_of_each_class():
    mean = torch.tensor([[0.0, 5.0, 4.9], [0.0, 1.0, 0.0], [3.0, 0.0, 0.0], [3.0, 0.0, 1.0]]).repeat(2, 1)
    target, box = torch.tensor([1] * 4 + [2] * 4), torch.tensor([1] * 4 + [2] * 4)
    log_variance = torch.full((8, 3), math.log(5.0))
    flip = LabelFlipper(RECIPES["stable"], 2.5, None, (1.0, 0.5, 0.75)).multi_class(mean, log_variance, target, box)
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
            flippers[tau] = flipper_of(chosen, (1.0, 0.0, 0.0))  # nothing is kept by the cap
        if not row.bootstraps:
            assert list(flippers.values()) == [None, None]
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
