"""The dense CRF against sums over all pairs of pixels, and the labels that it makes of boxes."""

import numpy as np
import pytest

from stages.proposals import crf
from stages.proposals.boxes import Box
from stages.proposals.crf import Settings, mean_field, refine
from stages.proposals.lattice import Lattice


def kernel(features: np.ndarray) -> np.ndarray:
    """D^-1/2 K D^-1/2 of all pairs."""
    gauss = np.exp(-0.5 * ((features[:, None] - features[None]) ** 2).sum(axis=-1))
    scale = 1 / np.sqrt(gauss.sum(axis=1))
    return scale[:, None] * gauss * scale


def softmax(logits: np.ndarray) -> np.ndarray:
    exponent = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponent / exponent.sum(axis=1, keepdims=True)


def brute_force(image: np.ndarray, cost: np.ndarray, settings: Settings) -> np.ndarray:
    height, width = image.shape[:2]
    place = np.array([(y, x) for y in range(height) for x in range(width)], float)
    scale = width / 500
    apart = place / (settings.colour_distance * scale)
    colour = kernel(np.hstack([apart, image.reshape(-1, 3) / settings.colour_range]))
    smooth = kernel(place / max(settings.smooth_distance * scale, 0.5))
    q = softmax(-cost)
    for _ in range(settings.iterations):
        q = softmax(settings.colour_weight * colour @ q + settings.smooth_weight * smooth @ q - cost)
    return q


def picture(height: int = 24, width: int = 32, noise: float = 3) -> tuple[np.ndarray, np.ndarray]:
    """A red ellipse on green, both noisy, and where it is."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    inside = ((y - height / 2) / (height / 3)) ** 2 + ((x - width / 2) / (width / 3)) ** 2 < 1
    image = np.where(inside[..., None], (200, 60, 50), (40, 120, 60)) + rng.normal(0, noise, (height, width, 3))
    return image.clip(0, 255).astype(np.uint8), inside


@pytest.mark.parametrize(("dimensions", "spread"), [(2, 3.0), (2, 10.0), (5, 1.5), (5, 3.0)])
def test_the_lattice_filters_as_the_sum_over_all_pairs(dimensions, spread):
    rng = np.random.default_rng(dimensions)
    features, values = rng.normal(0, spread, (400, dimensions)), rng.random((400, 2))
    error = np.abs(Lattice(features).filter(values) - kernel(features) @ values)
    assert error.mean() < 0.02 and error.max() < 0.12


@pytest.mark.parametrize("noise", [3, 25])
@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(colour_range=10.0),
        Settings(colour_range=20.0, smooth_distance=20.0),
        Settings(colour_range=40.0, colour_distance=30.0, iterations=3),
    ],
)
def test_the_mean_field_agrees_with_that_over_all_pairs(settings, noise):
    """On the clean picture so closely that a term of twice the weight, or none, would show."""
    image, inside = picture(noise=noise)
    cost = np.random.default_rng(1).random((inside.size, 2)) * 2
    cost[:, 1] += np.where(inside.ravel(), -0.5, 0.5)
    found, expected = mean_field(image, cost, settings), brute_force(image, cost, settings)
    assert found.sum(axis=1) == pytest.approx(1)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.97
    assert np.abs(found - expected).mean() < (0.0007 if noise == 3 else 0.015)


def test_a_box_becomes_its_object():
    image, inside = picture(48, 64)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    box = Box(1, slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    found = refine(image, [box], 2)
    drawn = np.zeros(inside.shape, bool)
    drawn[box.rows, box.columns] = True
    assert not found[~drawn].any()
    assert ((found == 1) & inside).sum() / ((found == 1) | inside).sum() > 0.95 > inside.sum() / drawn.sum()


def test_the_centre_is_the_box_without_doubt_and_the_last_box_lies_on_top():
    image = np.zeros((20, 20, 3), np.uint8)
    below, top = Box(1, slice(0, 20), slice(0, 20)), Box(2, slice(5, 15), slice(5, 15))
    found = refine(image, [below, top], 3, Settings(colour_weight=0.0, smooth_weight=0.0))
    rows, columns = top.centre(0.2)
    assert (rows, columns) == (slice(8, 12), slice(8, 12))  # sqrt(0.2) of 10 pixels
    assert (found[rows, columns] == 2).all()
    assert not refine(image, [], 3).any()


def test_what_no_box_covers_is_background_even_where_colours_say_otherwise():
    image = np.full((16, 24, 3), 90, np.uint8)
    box = Box(1, slice(4, 12), slice(4, 12))
    found = refine(image, [box], 2, Settings(colour_weight=8.0, colour_range=20.0))
    outside = np.ones(found.shape, bool)
    outside[box.rows, box.columns] = False
    assert not found[outside].any()
    assert crf.USUAL.iterations == 10
