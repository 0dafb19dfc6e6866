"""The rule of label flips: Eq 11 and Eq 16 as the recipe reads or replaces them, for training and evaluation alike."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from stages.model import losses
from stages.model.numerics import constants
from stages.model.recipes import Recipe

BISECTIONS = 40  # of a range of 100 logits: to 1e-10


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


def box_posterior(mean: Tensor, box: Tensor, low: float, high: float) -> Tensor:
    """Return sigmoid(mean) of in-box pixels, shifted so that each box's mean probability lies in [low, high].

    A box whose mean probability lies there already is left alone; in another one the same constant is added to every
    logit, such that the nearer end is its mean: the posterior under a prior share of foreground of this box.

    Args:
        mean: (P,) mu, logits of the box's class; computed in fp32.
        box: (P,) as in `may_flip`.
        low, high: The ends, in (0, 1).

    Returns:
        (P,) fp32 in [0, 1].
    """
    logit = mean.float().clamp(-30, 30)
    of_box = torch.searchsorted(torch.sort(box).values, box)  # one place of a list of P for each box
    count = torch.zeros_like(logit).scatter_add_(0, of_box, torch.ones_like(logit)).clamp(min=1)

    def shares(shift: Tensor) -> Tensor:
        probability = torch.sigmoid(logit + shift[of_box])
        return torch.zeros_like(logit).scatter_add_(0, of_box, probability) / count

    wanted = shares(torch.zeros_like(logit)).clamp(low, high)
    below, above = torch.full_like(logit, -50), torch.full_like(logit, 50)
    for _ in range(BISECTIONS):
        middle = (below + above) / 2
        short = shares(middle) < wanted
        below, above = torch.where(short, middle, below), torch.where(short, above, middle)
    return torch.sigmoid(logit + ((below + above) / 2)[of_box])


@dataclass(frozen=True)
class LabelFlipper:
    """The rule by which a bootstrapping row flips box labels.

    Means and variances are those of what decides: the trained network, or the recipe's teacher.

    Attributes:
        recipe: Decides whether the fill-rate cap holds, and which variance triggers.
        tau: Threshold on sigma^2, in logit^2 (Eq 11, Eq 16); None with `decides: rank`.
        temperature: Of Eq 11, in logit^2; None in multi-class rows (Eq 16 is hard).
        fill_rate: (C,) rho of each class, see `batches.fill_rate`; entry 0 (background) is unused.
        masks_only: How many of the C classes, the last ones, have no boxes.
        fill_range: The fill rates' quantiles of the first class, see `batches.fill_range`; read by `decides: posterior`
            alone.
    """

    recipe: Recipe
    tau: float | None
    temperature: float | None
    fill_rate: tuple[float, ...]
    masks_only: int = 0
    fill_range: tuple[float, float] | None = None

    def binary(self, mean: Tensor, log_variance: Tensor, box: Tensor) -> Tensor:
        """Return 1 - W of Eq 11, or of what the recipe's `decides` has in its place, after the cap.

        Args:
            mean: (P,) mu of in-box pixels.
            log_variance: (P,) s.
            box: (P,) as in `may_flip`.

        Returns:
            (P,) in [0, 1].

        Raises:
            ValueError: The rule needs tau and a temperature, or the range of the fill rates, and lacks them.
        """
        if self.recipe.decides == "rank":
            return self._allowed(mean, torch.ones_like(box), box).to(mean.dtype)
        if self.temperature is None or self.tau is None:
            raise ValueError("Eq 11 needs tau and a temperature")
        if self.recipe.decides == "posterior":
            if self.fill_range is None:
                raise ValueError("decides: posterior needs the range of the fill rates")
            return 1 - box_posterior(mean, box, *self.fill_range)
        flip = self._allowed(mean, torch.ones_like(box), box).to(mean.dtype)
        if self.recipe.decides in ("variance", "both"):
            flip = flip * (1 - losses.keep_weight(log_variance, self.tau, self.temperature))
        if self.recipe.decides in ("mean", "both"):
            flip = flip * (mean < 0)
        return flip

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
        index = target.unsqueeze(-1)
        rival = mean.scatter(-1, index, -math.inf).amax(dim=-1)
        margin = mean.gather(-1, index).squeeze(-1) - rival
        flip = self._allowed(margin, target, box)
        if self.recipe.decides in ("variance", "both"):
            assert self.tau is not None
            flip = flip & losses.exceeds_threshold(log_variance, target, self.tau, self.recipe.trigger)
        if self.recipe.decides in ("mean", "both"):
            flip = flip & (margin < 0)
        return flip

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
