"""Does the learned variance mark the wrong box pixels, and the edges of boxes? Counts that add up over batches.

In-box pixels of training box images, as in box_errors.py; the score is log sigma^2 of the label.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

EDGE = 2  # pixels from a box's border, at training size
SHIFT = 12  # bits of fp32 dropped: numbers of one bin differ by less than 1 part in 2048
BINS = 1 << (32 - SHIFT)


def doubt_table(log_variance: Tensor, wrong: Tensor) -> Tensor:
    """Count pixels by whether their label is wrong and by the bin of their log variance.

    Args:
        log_variance: (P,) floating point, finite. wrong: (P,) bool, the mask says something else than the box.

    Returns:
        (2, BINS) int64: [wrong, bin]; bins rise with the log variance. Add the tables of batches.
    """
    bits = log_variance.float().contiguous().view(torch.int32).long()
    ordered = torch.where(bits < 0, -(bits & 0x7FFFFFFF), bits)  # a float's bits rise with its size, not with its sign
    place = (ordered >> SHIFT) + BINS // 2
    return torch.bincount(place + BINS * wrong.long(), minlength=2 * BINS).reshape(2, BINS)


def auroc(table: Tensor) -> float | None:
    """The chance that a wrong pixel has a larger variance than a right one, ties counted half; in [0, 1].

    0.5 says nothing, 1 separates all. None where there is no wrong, or no right pixel.
    """
    right, wrong = table.double()
    if not right.sum() or not wrong.sum():
        return None
    below = right.cumsum(0) - right / 2
    return ((wrong * below).sum() / (right.sum() * wrong.sum())).item()


def edges(box_index: Tensor) -> Tensor:
    """The in-box pixels at most EDGE pixels from another box or from outside: (N, H, W) int64 -> (N, H, W) bool.

    The picture's border is no edge: a box that it cuts goes on behind it.
    """
    index = box_index.unsqueeze(1).float()
    width = 2 * EDGE + 1
    largest, smallest = (sign * functional.max_pool2d(sign * index, width, 1, EDGE) for sign in (1, -1))
    return (box_index > 0) & (largest != smallest).squeeze(1)


def edge_sums(log_variance: Tensor, box_index: Tensor) -> Tensor:
    """[[sum, count] of log sigma^2 at the edges of boxes, and in the rest], (2, 2) fp64; add those of batches."""
    near, inside = edges(box_index), box_index > 0
    chosen = [log_variance[where].double() for where in (near, inside & ~near)]
    return torch.stack([torch.stack([values.sum(), values.new_tensor(values.numel())]) for values in chosen])


def edge_ratio(sums: Tensor) -> float | None:
    """Geometric mean of sigma^2 at the edges over that of the rest; None where there is no pixel of one kind."""
    (edge, n_edge), (rest, n_rest) = sums.tolist()
    return math.exp(edge / n_edge - rest / n_rest) if n_edge and n_rest else None
