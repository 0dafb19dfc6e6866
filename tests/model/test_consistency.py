"""Colour pairs and projections against loops over pixels."""

import math

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from stages.model.consistency import APART, DIRECTIONS, alike, lab, pairs_loss, projection_loss

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 7, 9, 3)).astype(np.uint8))


def test_colours_are_those_of_cie_lab():
    np.testing.assert_allclose(lab(IMAGES).numpy(), rgb2lab(IMAGES.numpy()), atol=0.02)


def pairs(height: int, width: int):
    for k, (down, right) in enumerate(DIRECTIONS):
        for y in range(height - down):
            for x in range(max(0, -right), width - max(0, right)):
                yield k, y, x, y + down, x + right


def test_pairs_are_two_apart_alike_known_and_touch_a_box():
    rng = np.random.default_rng(1)
    images = torch.from_numpy(rng.choice([0, 3, 200], (2, 7, 9, 1)).repeat(3, 3).astype(np.uint8))
    inside, known = (torch.from_numpy(rng.random((2, 7, 9)) < share) for share in (0.3, 0.9))
    found = alike(images, inside, known)
    colours = rgb2lab(images.numpy())
    expected = torch.zeros_like(found)
    for n in range(2):
        for k, y, x, v, u in pairs(7, 9):
            near = math.exp(-np.linalg.norm(colours[n, y, x] - colours[n, v, u]) / 2) >= 0.1
            expected[n, k, y, x] = near and known[n, y, x] and known[n, v, u] and (inside[n, y, x] or inside[n, v, u])
    assert torch.equal(found, expected)
    assert {max(abs(down), abs(right)) for down, right in DIRECTIONS} == {APART}
    assert 0 < found.sum() < found.numel()


@pytest.mark.parametrize("classes", [2, 4])
def test_the_loss_of_pairs_is_minus_log_of_having_one_class(classes):
    torch.manual_seed(0)
    logits = (3 * torch.randn(2, classes, 7, 9)).requires_grad_()
    agreeing = torch.zeros(2, 4, 7, 9, dtype=torch.bool)
    p, expected = logits.detach().double().softmax(1), torch.zeros(2, 7, 9, dtype=torch.float64)
    for n in range(2):
        for k, y, x, v, u in pairs(7, 9):
            agreeing[n, k, y, x] = (x + y + k) % 3 == 0
            if agreeing[n, k, y, x]:
                expected[n, y, x] -= torch.log((p[n, :, y, x] * p[n, :, v, u]).sum())
    loss = pairs_loss(logits.log_softmax(1), agreeing)
    torch.testing.assert_close(loss.detach().double(), expected, rtol=1e-4, atol=1e-5)
    loss.sum().backward()
    assert torch.isfinite(logits.grad).all() and (logits.grad != 0).any()


def test_the_loss_of_pairs_and_its_gradient_stay_finite_for_large_logits():
    logits = torch.tensor([[[200.0, 0.0, -200.0]], [[-200.0, 0.0, 200.0]]]).unsqueeze(0).requires_grad_()
    agreeing = torch.zeros(1, 4, 1, 3, dtype=torch.bool)
    agreeing[0, 0, 0, 0] = True
    loss = pairs_loss(logits.log_softmax(1), agreeing).sum()
    loss.backward()
    assert loss.item() == pytest.approx(400 - math.log(2), rel=1e-5)
    assert torch.isfinite(logits.grad).all()


def test_each_line_of_a_box_costs_what_its_best_pixel_lacks():
    log_p = torch.tensor([-3.0, -0.5, -2.0, -0.1, -4.0, -9.0], requires_grad=True)
    line = torch.tensor([7, 7, 2, 2, 5, 9])
    counted = torch.tensor([True, True, True, False, True, False])
    loss = projection_loss(log_p, line, counted)
    assert loss.sum().item() == pytest.approx(0.5 + 2.0 + 4.0)
    loss.sum().backward()
    assert log_p.grad.tolist() == [0, -1, -1, 0, -1, 0]
