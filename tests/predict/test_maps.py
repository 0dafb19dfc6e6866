"""Maps of the network at the picture's size."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from stages import config
from stages.model.predictor import Prediction
from stages.predict import maps
from tests.predict.trained import BINARY, L2, MULTI_CLASS, PLAIN
from tests.train.tiny import hyperparameters

ROWS = {"bce": PLAIN, "regression": L2, "bootstrap": BINARY, "ce": "ce-500-2280", "ce_bootstrap": MULTI_CLASS}


def chosen(loss="bootstrap"):
    return hyperparameters(config.load().rows[ROWS[loss]])


@pytest.mark.parametrize("chunk", [1 << 24, 40])
@pytest.mark.parametrize("full", [(24, 16), (61, 37), (9, 5), (24, 50), (1, 1), (300, 2)])
@pytest.mark.parametrize("heights", [(16,), (8, 8), (1, 6, 2, 7)])
def test_bands_come_to_the_pictures_size_as_the_whole_does(monkeypatch, heights, full, chunk):
    monkeypatch.setattr(maps, "CHUNK", chunk)
    torch.manual_seed(0)
    whole = torch.stack([torch.randn(16, 24), torch.rand(16, 24) * 20 + 0.01])
    expected = functional.interpolate(whole[None], full[::-1], mode="bilinear")[0]
    found = maps.answer(whole.split(heights, dim=1), (24, 16), full, chosen())
    certain = expected[0].abs() > 1e-5
    assert torch.equal(torch.from_numpy(found.classes)[certain], (expected[0] > 0)[certain].to(torch.uint8))
    np.testing.assert_allclose(found.probability, expected[0].sigmoid(), atol=1e-3)
    assert np.abs(found.variance.astype(int) - maps.levels(expected[1]).numpy()).max() <= 1


def test_the_levels_of_variances():
    variance = torch.tensor([0.0, 1e-9, 0.01, 0.1, 1.0, 10.0, 100.0, 1e30])
    assert maps.levels(variance).tolist() == [0, 0, 0, 64, 128, 191, 255, 255]


def test_probabilities_are_those_of_the_means():
    read = maps.answer([torch.tensor([[[1.0, -2.0]]])], (2, 1), (2, 1), chosen("bce"))
    np.testing.assert_allclose(read.probability, [[1 / (1 + np.exp(-1)), 1 / (1 + np.exp(2))]], atol=1e-3)
    assert read.classes.tolist() == [[1, 0]] and read.variance is None
    read = maps.answer([torch.tensor([[[1.3, 0.6]], [[1.0, 1.0]]])], (2, 1), (2, 1), chosen("regression"))
    np.testing.assert_allclose(read.probability, [[1, 0.6]], atol=1e-3)
    assert read.classes.tolist() == [[1, 1]]
    read = maps.answer([torch.tensor([[[0.0]], [[1.0]], [[2.0]]])], (1, 1), (1, 1), chosen("ce"))
    np.testing.assert_allclose(read.probability, [[np.exp(2) / (1 + np.e + np.exp(2))]], atol=1e-3)
    assert read.classes.tolist() == [[2]]


def test_of_several_variances_the_largest_is_shown():
    read = maps.answer(
        [torch.tensor([0.0, 1.0, 2.0, 0.01, 1.0, 0.1]).view(6, 1, 1)], (1, 1), (1, 1), chosen("ce_bootstrap")
    )
    assert read.variance.tolist() == [[128]]


class PerPixel:
    """A predictor whose maps depend on each pixel alone; it notes the sizes of its batches."""

    chosen = SimpleNamespace(size=(32, 16))

    def __init__(self):
        self.batches = []

    def __call__(self, images):
        self.batches.append(tuple(images.shape))
        red, green, _ = images.float().unbind(-1)
        return Prediction(red[:, None] / 10 - 5, green[:, None] / 50, (red > 50).long())


@pytest.mark.parametrize("size", [(1, 1), (32, 16), (5, 40), (70, 9), (100, 61)])
def test_tiles_blend_to_the_whole(size):
    predictor = PerPixel()
    image = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    found = torch.cat(list(maps.tiled(predictor, image, 3)), dim=1)
    red, green = torch.from_numpy(image[..., :2]).float().unbind(-1)
    torch.testing.assert_close(found, torch.stack([red / 10 - 5, (green / 50).exp()]))
    assert all(count <= 3 and rows <= 16 and columns <= 32 for count, rows, columns, _ in predictor.batches)


def test_a_variance_beyond_fp32_stays_a_number():
    prediction = Prediction(torch.zeros(1, 1, 1, 2), torch.tensor([90.0, 0.0]).view(1, 1, 1, 2), torch.zeros(1, 1, 2))
    found = maps.answer([maps.stacked(prediction)[0]], (2, 1), (8, 3), chosen())
    assert found.variance[0, 0] == 255 and found.variance[0, -1] == 128
