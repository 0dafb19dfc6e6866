"""Two measures of the learned variance: its AUROC for wrong in-box pixels, and its ratio at the edges of boxes.

The pixels are those of box_errors.py, the score is log sigma^2 of the label; counts and sums of batches add up.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

EDGE = 2  # pixels from a box's border, at training size
DROPPED_BITS = 12  # of fp32: numbers of one bin differ by less than 1 part in 2048
BINS = 1 << (32 - DROPPED_BITS)


def variance_table(log_variance: Tensor, wrong: Tensor) -> Tensor:
    """Count pixels by whether their label is wrong and by the bin of their log-variance, or of another score.

    Args:
        log_variance: (P,) floating point, finite.
        wrong: (P,) bool, whether the mask's class differs from the box's.

    Returns:
        (2, BINS) int64: [wrong, bin]; bins rise with the log-variance. Add the tables of batches.
    """
    bits = log_variance.float().contiguous().view(torch.int32).long()
    ordered = torch.where(bits < 0, -(bits & 0x7FFFFFFF), bits)  # a float's bits rise with its size, not with its sign
    place = (ordered >> DROPPED_BITS) + BINS // 2
    return torch.bincount(place + BINS * wrong.long(), minlength=2 * BINS).reshape(2, BINS)


def auroc(table: Tensor) -> float | None:
    """Return the chance that a wrong pixel has a larger variance than a right one, ties counted half; in [0, 1].

    0.5 is chance level, 1 separates all pixels. None where there is no wrong, or no right pixel.

    Args:
        table: (2, BINS), see `variance_table`.
    """
    right, wrong = table.double()
    if not right.sum() or not wrong.sum():
        return None
    below = right.cumsum(0) - right / 2
    return ((wrong * below).sum() / (right.sum() * wrong.sum())).item()


def edges(box_index: Tensor) -> Tensor:
    """Return which in-box pixels are at most EDGE pixels from another box or from outside of boxes.

    The image's border is no edge, since a box that it cuts goes on behind it.

    Args:
        box_index: (N, H, W) int64, 1 + the number of the box on top, 0 outside.

    Returns:
        (N, H, W) bool.
    """
    index = box_index.unsqueeze(1).float()
    width = 2 * EDGE + 1
    largest, smallest = (sign * functional.max_pool2d(sign * index, width, 1, EDGE) for sign in (1, -1))
    return (box_index > 0) & (largest != smallest).squeeze(1)


def edge_sums(log_variance: Tensor, box_index: Tensor) -> Tensor:
    """Sum log sigma^2 over the edges of boxes and over the rest of in-box pixels.

    Args:
        log_variance: (N, H, W) floating point.
        box_index: As for `edges`.

    Returns:
        (2, 2) fp64: [edge or rest, sum or count]. Add those of batches.
    """
    near, inside = edges(box_index), box_index > 0
    chosen = [log_variance[where].double() for where in (near, inside & ~near)]
    return torch.stack([torch.stack([values.sum(), values.new_tensor(values.numel())]) for values in chosen])


def edge_ratio(sums: Tensor) -> float | None:
    """Return the geometric mean of sigma^2 at the edges over that of the rest; None where either has no pixel.

    Args:
        sums: (2, 2), see `edge_sums`.
    """
    (edge, n_edge), (rest, n_rest) = sums.tolist()
    return math.exp(edge / n_edge - rest / n_rest) if n_edge and n_rest else None
