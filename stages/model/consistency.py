"""What a box image says besides its labels: pixels alike in colour share a class, and each line of a box has its class.

Not in the paper. Source: Tian et al. 2021, BoxInst, sections 3.1 and 3.2, there for the masks of instances; here for
the classes of pixels. Its authors measure colours in CIE LAB, compare pixels two apart, and call colours alike from a
similarity exp(-distance / 2) of 0.1 on.
"""

import math

import torch
from torch import Tensor

APART = 2  # pixels
DIRECTIONS = ((0, APART), (APART, 0), (APART, APART), (APART, -APART))  # (down, right) to the other pixel of a pair
FARTHEST = -2 * math.log(0.1)  # distance of colours that are alike, in LAB
WHITE = (0.95047, 1.0, 1.08883)  # D65, 2 degrees
TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))


def lab(images: Tensor) -> Tensor:
    """Return the colours of sRGB images (N, H, W, 3) uint8 in CIE LAB under D65: fp32, the same shape."""
    value = images.float() / 255
    linear = torch.where(value > 0.04045, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)
    xyz = linear @ linear.new_tensor(TO_XYZ).T / linear.new_tensor(WHITE)
    root = torch.where(xyz > (6 / 29) ** 3, xyz.clamp(min=1e-6) ** (1 / 3), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = root.unbind(-1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-1)


def alike(images: Tensor, inside: Tensor, known: Tensor) -> Tensor:
    """Return which pairs of pixels must agree.

    Args:
        images: (N, H, W, 3) uint8.
        inside: (N, H, W) bool, pixels of which a pair needs one or two.
        known: (N, H, W) bool, pixels that may be in a pair.

    Returns:
        (N, 4, H, W) bool: for each of DIRECTIONS, whether the pixel and the one that lies there are alike; False where
        there is none.
    """
    colour = lab(images)
    found = torch.zeros(len(images), len(DIRECTIONS), *inside.shape[1:], dtype=torch.bool, device=images.device)
    for k, direction in enumerate(DIRECTIONS):
        (one, other), place = _pair(colour, direction), _own(direction)
        near = (one - other).square().sum(-1) <= FARTHEST**2
        either, both = (_pair(x, direction) for x in (inside, known))
        found[:, k][place] = near & (either[0] | either[1]) & both[0] & both[1]
    return found


def pairs_loss(log_probability: Tensor, agreeing: Tensor) -> Tensor:
    """Return -log of the probability that a pair has one class, summed over the pairs of a pixel: (N, H, W).

    Args:
        log_probability: (N, C, H, W) fp32, of the classes.
        agreeing: (N, 4, H, W) bool, see `alike`.
    """
    last = log_probability.movedim(1, -1)
    total = torch.zeros_like(last[..., 0])
    for k, direction in enumerate(DIRECTIONS):
        one, other = _pair(last, direction)
        apart = -torch.logsumexp(one + other, dim=-1)
        total[_own(direction)] += torch.where(agreeing[:, k][_own(direction)], apart, 0)
    return total


def projection_loss(log_probability: Tensor, line: Tensor, counted: Tensor) -> Tensor:
    """Return -log of the largest probability of a box's class on each of its rows or columns.

    Args:
        log_probability: (P,) fp32, of the class of the pixel's box.
        line: (P,) int64, one number for each row of each box, or for each column.
        counted: (P,) bool, the pixels that count.

    Returns:
        (P,), at one pixel of each line that has a counted one; 0 elsewhere.
    """
    line = torch.where(counted, line, -1)
    place = torch.searchsorted(torch.sort(line).values, line)  # one place of a list of P for each line
    best = torch.full_like(log_probability, -math.inf).scatter_reduce(0, place, log_probability, "amax")
    of_counted = torch.zeros_like(counted).scatter_reduce(0, place, counted, "amax")
    return torch.where(of_counted, -torch.where(of_counted, best, 0), 0)


def _pair(x: Tensor, direction: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return a map (N, H, W, ...) at the pixels that have another one in a direction, and at that one."""
    down, right = direction
    height, width = x.shape[1:3]
    left, first = max(0, -right), max(0, right)
    one = x[:, : height - down, left : width - first]
    return one, x[:, down:, left + right : width - first + right]


def _own(direction: tuple[int, int]) -> tuple[slice, slice, slice]:
    """Return where the first pixels of `_pair` lie in maps (N, H, W)."""
    down, right = direction
    return slice(None), slice(None, -down or None), slice(max(0, -right), -max(0, right) or None)
