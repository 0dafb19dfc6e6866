"""How each row reads the paper where the paper is open: one table of recipes, and what its entries mean.

`paper` is the literal reading, bounded only as far as needed to stay finite; `stable` adds three remedies against its
collapse. Rows of the two never mix; the report shows them side by side.

What the remedies did, in the trainings of ablation.yaml on CamVid's held-out training images (reference/ablation; car
IoU in percent, seeds 0 and 1 or 0 alone; full supervision 62.6 and 57.2, the literal recipe 1.7 with every box label
flipped):

- `fill_cap` stops the collapse by itself (59.8): however wrong the means of an early network are, no more of a box can
  flip than the clean masks say is wrong.
- `pp_only` makes of it flips that are worth having: with the cap and a start at tau 64.2 and 59.5, without `pp_only`
  60.1 and 58.4. A network that has seen clean masks alone knows which part of a box to flip; what flips first confirms
  itself later. Without the cap it saves nothing (5.5 and 3.5). With 100 masks these are soon known by heart (56.7).
- `start_per_tau` of 1 lets the sign of the mean decide at once which way a pixel goes (0.6 gave 62.2 and 57.8), and
  makes tau a matter of taste: 63.4, 64.2 and 61.5 for tau 1, 2.5 and 10. The cap and `pp_only` without it, from a
  variance of 1, have 62.7 for tau 2.5. With a fixed start of 1 (and the other remedies, `bound` and `prior`) it was
  64.2, 62.9, 57.0, 54.8 and 55.4 for 1, 1.5, 2.5, 5 and 10, since few labels flip before the training ends.
- `prior` adds nothing to the three (61.4 and 55.1), saves little in place of the cap (50.5 and 20.0) and nothing alone
  (5.9).
- Other flips did no better than these 64.2 and 59.5: towards the output alone (`flip_target: model`) 63.5 and 57.5,
  only after half of the steps 59.1 and 57.8, fewer (`fill_quantile: 0.75`) 59.1 and 52.9. Without any, BCE with
  uncertainty that draws the same images, clean masks first, has 59.6 and 51.8.

What flips add on other images is another question, which the bars of finals.yaml ask: on CamVid's evaluation split they
cost 1.5 points, where the variance alone has full supervision's IoU already, and on the drawn scenes' they add 0.6.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stages.params import Row
from stages.train import losses

ESTIMATORS = {"monte_carlo": losses.ce_uncertainty, "rao_blackwell": losses.ce_uncertainty_rao_blackwell}
FINITE = (-20.0, 90.0)  # log sigma^2 for which every loss and gradient is finite, see losses.py
SMALLEST_LOG_VARIANCE = -2.0


@dataclass(frozen=True)
class Recipe:
    """One reading of the paper. Every field is recorded with each run ("resolutions" in run.json).

    Attributes:
        bound: how s = log sigma^2 is kept in range, see `bound_log_variance`: `finite`, `floor` or `tanh`.
        smax: the bound of `tanh`, in log(logit^2); above log tau, or nothing would ever flip.
        start: sigma^2 everywhere at the first step, in logit^2. The paper gives none; with 1, W of Eq 11 starts near 1
            for tau = 2.5, and at 1/2 for tau = 1.
        start_per_tau: sigma^2 at the first step as a share of tau instead, in rows that read tau. A pixel flips once
            sigma^2 has grown from its start to tau, so with a fixed start tau also sets how long that takes. 0: none.
        flip_target: binary y* of Eq 10, `opposite` (1 - y, Figure 4) or `model` ([mu > 0], introduction and Eq 16).
        prior: weight beta of `losses.variance_prior` on in-box pixels (binary). 0: none.
        fill_cap: in each box, only the (1 - rho) share of pixels with the lowest mean (multi-class: the lowest margin
            of the box's class) may flip; rho is the class's fill rate, measured on the row's pixel-perfect masks.
        fill_quantile: rho is this quantile of the fill rates of the class's boxes (0.1: a tenth of them are emptier).
            None: the fill rate of all of them together, so of an average box.
        pp_only: share of the steps, from the first on, in which every draw is pixel-perfect.
        trigger: the variance that Eq 16 compares with tau, `max` over classes or that of the `target` class.
        estimator: of the multi-class uncertainty loss, a key of ESTIMATORS.
        last_layer: how its weights start, which draw the four pixels of each 2x2 block apart from each other: `torch`,
            each its own; `icnr`, all alike (Aitken et al. 2017, Checkerboard artifact free sub-pixel convolution).
    """

    name: str
    bound: str
    smax: float | None = None
    start: float = 1.0
    start_per_tau: float = 0.0
    flip_target: str = "opposite"
    prior: float = 0.0
    fill_cap: bool = False
    fill_quantile: float | None = None
    pp_only: float = 0.0
    trigger: str = "max"
    estimator: str = "monte_carlo"
    last_layer: str = "torch"

    def first_variance(self, tau: float | None = None) -> float:
        """sigma^2 everywhere at the first step, in logit^2, of a row with this tau or without one."""
        return self.start_per_tau * tau if tau and self.start_per_tau else self.start


RECIPES = {
    "paper": Recipe("paper", bound="finite"),
    "stable": Recipe("stable", bound="finite", start_per_tau=1.0, fill_cap=True, pp_only=0.3),
    # Without the floor, the weight exp(-s) of a few well-fitted pixels explodes (Eq 2 has no lower bound in s).
    "regression": Recipe("regression", bound="floor"),
}


def recipe_of(row: Row) -> Recipe:
    """The recipe of a row, with its overrides: its own, else `regression` for the L2 rows, else `paper`.

    An overridden `start` stands for itself: without a `start_per_tau` beside it, tau has no say in it.
    """
    recipe = RECIPES[row.recipe or ("regression" if row.loss == "regression" else "paper")]
    overrides = row.overrides.model_dump(exclude_none=True)
    if "start" in overrides:
        overrides = {"start_per_tau": 0.0} | overrides
    return replace(recipe, **overrides)


def bound_log_variance(raw: Tensor, recipe: Recipe) -> Tensor:
    """Map the network's raw output to s = log sigma^2; every mapping sends 0 to 0, that is to sigma^2 = 1.

    `finite` clamps to [-20, 90], where the losses stay finite. `floor` bends towards -2 below 0. `tanh` is
    smax tanh(raw / smax). The last two are smooth: a clamp would leave no gradient to return by.

    Returns: fp32, the shape of `raw`.
    """
    raw = raw.float()
    if recipe.bound == "finite":
        return raw.clamp(*FINITE)
    if recipe.bound == "floor":
        floor = SMALLEST_LOG_VARIANCE
        return torch.where(raw > 0, raw, floor * torch.tanh(raw / floor))
    if recipe.bound == "tanh":
        return recipe.smax * torch.tanh(raw / recipe.smax)
    raise ValueError(f"bound={recipe.bound!r}: use 'finite', 'floor' or 'tanh'")


def raw_start(recipe: Recipe, tau: float | None = None) -> float:
    """The raw output that `bound_log_variance` maps to the logarithm of the first variance.

    Raises:
        ValueError: the bound does not reach it.
    """
    start = recipe.first_variance(tau)
    s = math.log(start)
    scale = {"finite": None, "floor": SMALLEST_LOG_VARIANCE if s < 0 else None, "tanh": recipe.smax}[recipe.bound]
    if scale is None:
        return s
    if abs(s) >= abs(scale):
        highest = f" and below {math.exp(scale):.3g}" if scale > 0 else ""
        raise ValueError(f"start={start:g}: the bound keeps it above {math.exp(-abs(scale)):.3g}{highest}")
    return scale * math.atanh(s / scale)


def may_flip(score: Tensor, box: Tensor, share: Tensor) -> Tensor:
    """The fill-rate cap: which pixels are among their box's lowest `share` by score.

    Args:
        score: (P,) float, the mean or the margin of the box's class; compared in fp32.
        box: (P,) int64 in [0, 2^31), any number for each box.
        share: (P,) float in [0, 1], the share of the pixel's box that may flip, 1 - rho.

    Returns: (P,) bool; in a box of n pixels, the floor(share n) with the lowest score (ties: the earlier pixel).
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
class Flipper:
    """Decides the flips of a bootstrapping row; training and evaluation ask the same object.

    Attributes:
        recipe, tau, temperature: as in Recipe and Eq 11; temperature is None in multi-class rows (Eq 16 is hard).
        fill_rate: (C,) rho of each class, see `batches.fill_rate`; entry 0 (background) is unused.
    """

    recipe: Recipe
    tau: float
    temperature: float | None
    fill_rate: tuple[float, ...]

    def binary(self, mean: Tensor, log_variance: Tensor, box: Tensor) -> Tensor:
        """1 - W of Eq 11 after the cap. (P,) in-box pixels, `box` as in `may_flip` -> (P,) in [0, 1]."""
        flip = 1 - losses.keep_weight(log_variance, self.tau, self.temperature)
        return flip * self._allowed(mean, torch.ones_like(box), box)

    def multi_class(self, mean: Tensor, log_variance: Tensor, target: Tensor, box: Tensor) -> Tensor:
        """Whether Eq 16 flips, after the cap. (P, C), (P, C), (P,) int64, (P,) -> (P,) bool.

        A flipped pixel's new target is argmax(mu), which may be the class it had.
        """
        flip = losses.exceeds_threshold(log_variance, target, self.tau, self.recipe.trigger)
        index = target.unsqueeze(-1)
        rival = mean.scatter(-1, index, -math.inf).amax(dim=-1)
        margin = mean.gather(-1, index).squeeze(-1) - rival
        return flip & self._allowed(margin, target, box)

    def _allowed(self, score: Tensor, target: Tensor, box: Tensor) -> Tensor:
        if not self.recipe.fill_cap:
            return torch.ones_like(box, dtype=torch.bool)
        return may_flip(score.detach(), box, 1 - losses.constants(self.fill_rate, score.dtype, score.device)[target])
