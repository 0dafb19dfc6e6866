"""The rule of label flips: Eq 11 and Eq 16 under the recipe's fill-rate cap, for training and evaluation alike."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from stages.model import losses
from stages.model.numerics import constants
from stages.model.recipes import Recipe


def may_flip(score: Tensor, box: Tensor, share: Tensor) -> Tensor:
    """Return which pixels are among the lowest `share` of their box by score: the fill-rate cap.

    Args:
        score: (P,) float, the mean or the margin of the box's class; compared in fp32.
        box: (P,) int64 in [0, 2^31), any number for each box.
        share: (P,) float in [0, 1], the share of the pixel's box that may flip, 1 - rho.

    Returns:
        (P,) bool; in a box of n pixels, the floor(share n) with the lowest score (ties: the earlier pixel).
    """
    bits = (score.float() + 0.0).view(torch.int32).long()  # + 0.0: a negative zero is a zero
    rising = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # a float's bits rise with it, but for its sign
    keys, order = torch.sort((box << 32) + rising + (1 << 31), stable=True)
    boxes = keys >> 32
    first = torch.searchsorted(boxes, boxes)
    counts = torch.searchsorted(boxes, boxes, right=True) - first
    rank = torch.arange(len(order), device=order.device) - first
    quota = torch.floor(share[order] * counts + 1e-4)  # 0.3 * 10 is a little under 3 in fp32
    return torch.empty_like(box, dtype=torch.bool).scatter_(0, order, rank < quota)


@dataclass(frozen=True)
class LabelFlipper:
    """The rule by which a bootstrapping row flips box labels.

    Attributes:
        recipe: Decides whether the fill-rate cap holds, and which variance triggers.
        tau: Threshold on sigma^2, in logit^2 (Eq 11, Eq 16).
        temperature: Of Eq 11, in logit^2; None in multi-class rows (Eq 16 is hard).
        fill_rate: (C,) rho of each class, see `batches.fill_rate`; entry 0 (background) is unused.
        masks_only: How many of the C classes, the last ones, have no boxes.
    """

    recipe: Recipe
    tau: float
    temperature: float | None
    fill_rate: tuple[float, ...]
    masks_only: int = 0

    def binary(self, mean: Tensor, log_variance: Tensor, box: Tensor) -> Tensor:
        """Return 1 - W of Eq 11 after the cap.

        Args:
            mean: (P,) mu of in-box pixels.
            log_variance: (P,) s.
            box: (P,) as in `may_flip`.

        Returns:
            (P,) in [0, 1].

        Raises:
            ValueError: The rule has no temperature, as in multi-class rows.
        """
        if self.temperature is None:
            raise ValueError("Eq 11 needs a temperature")
        flip = 1 - losses.keep_weight(log_variance, self.tau, self.temperature)
        return flip * self._allowed(mean, torch.ones_like(box), box)

    def multi_class(self, mean: Tensor, log_variance: Tensor, target: Tensor, box: Tensor) -> Tensor:
        """Return whether Eq 16 flips, after the cap; the new target, argmax(mu), may be the class that a pixel had.

        Args:
            mean: (P, C) mu of in-box pixels, see `reachable`.
            log_variance: (P, C) s.
            target: (P,) int64, the class of the box.
            box: (P,) as in `may_flip`.

        Returns:
            (P,) bool.
        """
        flip = losses.exceeds_threshold(log_variance, target, self.tau, self.recipe.trigger)
        index = target.unsqueeze(-1)
        rival = mean.scatter(-1, index, -math.inf).amax(dim=-1)
        margin = mean.gather(-1, index).squeeze(-1) - rival
        return flip & self._allowed(margin, target, box)

    def reachable(self, mean: Tensor, covers: Tensor | None) -> Tensor:
        """Return the means with minus infinity for each class that the recipe lets no label flip to.

        Args:
            mean: (P, C) mu.
            covers: (P,) int64, bit c where a box of class c covers the pixel; read by `flip_to: covered` alone.

        Raises:
            ValueError: The recipe needs `covers`, and it is None.
        """
        if self.recipe.flip_to == "any":
            return mean
        if covers is None:
            raise ValueError("flip_to: covered needs to know which boxes cover a pixel")
        number = torch.arange(mean.shape[-1], device=mean.device)
        boxless = (number == 0) | (number >= mean.shape[-1] - self.masks_only)
        return mean.masked_fill(~(((covers.unsqueeze(-1) >> number) & 1).bool() | boxless), -math.inf)

    def _allowed(self, score: Tensor, target: Tensor, box: Tensor) -> Tensor:
        """Return which pixels the fill-rate cap lets flip; all of them where the recipe has none."""
        if not self.recipe.fill_cap:
            return torch.ones_like(box, dtype=torch.bool)
        return may_flip(score.detach(), box, 1 - constants(self.fill_rate, score.dtype, score.device)[target])
