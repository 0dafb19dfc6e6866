"""From the network's output to the picture: means and variances in bands of rows, brought to the picture's size.

Bands keep the memory of a large picture small: of the network's maps, only a row of tiles is held at a time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stages.model.hyperparameters import Hyperparameters
from stages.model.objectives import predict
from stages.model.predictor import Prediction, Predictor
from stages.predict.scales import Size, tile_side, tile_starts, tile_weights

LARGEST_VARIANCE = 1e30  # finite in fp32, and beyond what a picture of it shows
CHUNK = 1 << 24  # numbers of the maps at the picture's size that are held at a time

LEVELS = 255
DECADES = (-2, 2)
"""The variances that level 0 and level LEVELS stand for, as powers of ten; levels are even steps of the logarithm."""


@dataclass(frozen=True)
class Answer:
    """What the network says of a picture of H x W pixels.

    Attributes:
        classes: (H, W) uint8.
        probability: (H, W) fp16 in [0, 1], that the pixel has its class; in background pixels of binary rows, that it
            is foreground. By the means alone: sigmoid or softmax, in L2 rows the mean itself.
        variance: (H, W) uint8, the level of the largest variance of the pixel's logits, see `levels`; None where the
            row has no variance.
    """

    classes: np.ndarray
    probability: np.ndarray
    variance: np.ndarray | None = None


def stacked(prediction: Prediction) -> Tensor:
    """Return the means and, where there are some, the variances of N images as fp32 maps (N, K, H, W) on the CPU."""
    if prediction.variance is None:
        return prediction.mean.cpu()
    return torch.cat([prediction.mean, prediction.variance.clamp(max=LARGEST_VARIANCE)], dim=1).cpu()


def tiled(predictor: Predictor, image: np.ndarray, batch: int) -> Iterator[Tensor]:
    """Predict tiles of the training size and blend them.

    Args:
        predictor: Of a finished run.
        image: (h, w, 3) uint8, at the training's scale.
        batch: Tiles in a batch.

    Yields:
        (K, rows, w), see `stacked`: bands of rows, from the top; h rows in all.
    """
    (height, width), training = image.shape[:2], predictor.chosen.size
    across, down = tile_side(width, training[0]), tile_side(height, training[1])
    beyond = [(0, max(0, down - height)), (0, max(0, across - width)), (0, 0)]
    pixels = torch.from_numpy(np.pad(image, beyond, mode="edge"))
    full = pixels.shape[1]
    lefts, tops = tile_starts(full, across), tile_starts(len(pixels), down)
    column_weights, row_weights = (
        torch.from_numpy(tile_weights(starts, side)) for starts, side in ((lefts, across), (tops, down))
    )
    held: Tensor | None = None
    for number, top in enumerate(tops):
        row = pixels[top : top + down]
        for first in range(0, len(lefts), batch):
            places = range(first, min(first + batch, len(lefts)))
            maps = stacked(predictor(torch.stack([row[:, lefts[k] : lefts[k] + across] for k in places])))
            if held is None:
                held = maps.new_zeros(maps.shape[1], down, full)
            for k, tile in zip(places, maps, strict=True):
                weight = row_weights[number].unsqueeze(1) * column_weights[k]
                held[:, :, lefts[k] : lefts[k] + across] += tile * weight
        assert held is not None
        done = tops[number + 1] - top if number + 1 < len(tops) else height - top
        yield held[:, :done, :width].clone()
        held = torch.cat([held[:, done:], torch.zeros_like(held[:, :done])], dim=1)


def answer(bands: Iterable[Tensor], small: Size, full: Size, chosen: Hyperparameters) -> Answer:
    """Bring maps to the picture's size, bilinearly, and take the classes there.

    Args:
        bands: (K, rows, width) as `stacked` gives, from the top.
        small: Width and height of the maps.
        full: Width and height of the picture.
        chosen: The row's hyperparameters.
    """
    (width, height), source = full, small[1]
    kinds = (np.uint8, np.float16, np.uint8) if chosen.has_variance else (np.uint8, np.float16)
    found = [np.empty((height, width), kind) for kind in kinds]
    # Row y of the picture lies at this row of the maps, between the two whole ones `above` and `below`.
    place = ((np.arange(height) + 0.5) * source / height - 0.5).clip(0, source - 1)
    above = place.astype(int)
    below = np.minimum(above + 1, source - 1)
    share = torch.from_numpy((place - above).astype(np.float32)).view(1, -1, 1)
    held, first, done = torch.empty(0), 0, 0
    for band in bands:
        held = torch.cat([held, band], dim=1) if held.numel() else band
        known = first + held.shape[1]
        ready = int(np.searchsorted(below, known))
        step = max(1, CHUNK // (len(held) * width))
        for start in range(done, ready, step):
            rows = slice(start, min(start + step, ready))
            upper, lower = (held[:, part[rows] - first] for part in (above, below))
            maps = torch.lerp(upper, lower, share[:, rows])
            if width != maps.shape[2]:
                maps = functional.interpolate(maps[None], (maps.shape[1], width), mode="bilinear")[0]
            for whole, part in zip(found, _read(maps, chosen), strict=True):
                whole[rows] = part
        done = ready
        if done < height:
            needed = min(int(above[done]), known)
            held, first = held[:, needed - first :], needed
    return Answer(*found)


def levels(variance: Tensor) -> Tensor:
    """Return the levels of variances, uint8: 0 for 10^-2 and less, 255 for 10^2 and more, even steps in between."""
    low, high = DECADES
    return ((variance.log10() - low) * (LEVELS / (high - low))).round().clamp(0, LEVELS).to(torch.uint8)


def _read(maps: Tensor, chosen: Hyperparameters) -> list[np.ndarray]:
    """Return the classes, probabilities and, where there are variances, their levels of maps (K, rows, width)."""
    mean, variance = maps[: chosen.logits], maps[chosen.logits :]
    classes = predict(mean[None], chosen)[0]
    if chosen.multi_class:
        probability = mean.softmax(dim=0).amax(dim=0)
    else:
        probability = mean[0].clamp(0, 1) if chosen.loss == "regression" else mean[0].sigmoid()
    read = [classes.to(torch.uint8), probability.half()]
    return [part.numpy() for part in (*read, *([levels(variance.amax(dim=0))] if len(variance) else []))]
