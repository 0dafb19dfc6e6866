"""The readings of the paper where it is open: one table of recipes, and the meaning of their fields.

`paper` is the literal reading, bounded only as far as needed to stay finite; `stable` adds three remedies against its
collapse (`initial_variance_per_tau`, `fill_cap`, `warmup_share`). docs/method-notes.md says what each of them does.
"""

import math
from dataclasses import dataclass, replace

from torch import Tensor, tanh, where

from stages.config import Row

FINITE = (-20.0, 90.0)  # log sigma^2 for which every loss and gradient is finite, see losses.py
SMALLEST_LOG_VARIANCE = -2.0


@dataclass(frozen=True)
class Recipe:
    """One reading of the paper. Every field is recorded with each run ("resolutions" in run.json).

    Attributes:
        name: Its key in RECIPES.
        bound: How s = log sigma^2 is kept in range, see `bound_log_variance`: `finite`, `floor` or `tanh`.
        smax: The bound of `tanh`, in log(logit^2); above log tau, or nothing would ever flip. None for other bounds.
        initial_variance: sigma^2 everywhere at the first step, in logit^2. The paper gives none; with 1, W of Eq 11
            starts near 1 for tau = 2.5, and at 1/2 for tau = 1.
        initial_variance_per_tau: sigma^2 at the first step as a share of tau instead, in rows that read tau. A pixel
            flips once sigma^2 has grown from there to tau, so with a fixed initial variance tau also sets how long
            that takes. 0: use `initial_variance`.
        flip_target: Binary y* of Eq 10, `opposite` (1 - y, Figure 4) or `model` ([mu > 0], introduction and Eq 16).
        prior: Weight beta of `losses.variance_prior` on in-box pixels (binary). 0: no prior.
        fill_cap: Whether, in each box, only the (1 - rho) share of pixels with the lowest mean (multi-class: the lowest
            margin of the box's class) may flip; rho is the class's fill rate, measured on the row's pixel-perfect
            masks.
        fill_quantile: Take as rho this quantile of the fill rates of the class's boxes (0.1: a tenth of them are
            emptier). None: the fill rate of all of them together, so of an average box.
        warmup_share: Share of the steps, from the first on, in which every draw is pixel-perfect (clean-label
            warm-up).
        trigger: The variance that Eq 16 compares with tau, `max` over classes or that of the `target` class.
        estimator: Of the multi-class uncertainty loss, a key of `objectives.SAMPLED` or `mean_field`.
        flip_to: The classes that Eq 16 may turn a label to, `any` (the paper's), or `covered`: those without boxes, and
            those of which a box covers the pixel.
        last_layer: Initial weights of the layer that makes four pixels of each 2x2 block: `torch`, each with its own;
            `icnr`, all alike (Aitken et al. 2017, Checkerboard artifact free sub-pixel convolution).
    """

    name: str
    bound: str
    smax: float | None = None
    initial_variance: float = 1.0
    initial_variance_per_tau: float = 0.0
    flip_target: str = "opposite"
    prior: float = 0.0
    fill_cap: bool = False
    fill_quantile: float | None = None
    warmup_share: float = 0.0
    trigger: str = "max"
    estimator: str = "monte_carlo"
    flip_to: str = "any"
    last_layer: str = "torch"

    def first_variance(self, tau: float | None = None) -> float:
        """Return sigma^2 everywhere at the first step, in logit^2.

        Args:
            tau: In logit^2; None for rows that do not read it.
        """
        per_tau = self.initial_variance_per_tau
        return per_tau * tau if tau and per_tau else self.initial_variance


RECIPES = {
    "paper": Recipe("paper", bound="finite"),
    "stable": Recipe("stable", bound="finite", initial_variance_per_tau=1.0, fill_cap=True, warmup_share=0.3),
    # Eq 2 has no lower bound in s: without the floor, the weight exp(-s) of a few well-fitted pixels explodes.
    "regression": Recipe("regression", bound="floor"),
}


def recipe_of(row: Row) -> Recipe:
    """Return the row's own recipe, else `regression` for the L2 rows, else `paper`; with the row's overrides.

    An overridden `initial_variance` also switches `initial_variance_per_tau` off, unless that is overridden as well.
    """
    recipe = RECIPES[row.recipe or ("regression" if row.loss == "regression" else "paper")]
    overrides = row.overrides.model_dump(exclude_none=True)
    if "initial_variance" in overrides:
        overrides = {"initial_variance_per_tau": 0.0} | overrides
    return replace(recipe, **overrides)


def bound_log_variance(raw: Tensor, recipe: Recipe) -> Tensor:
    """Map the network's raw output to s = log sigma^2; each mapping sends 0 to 0, that is to sigma^2 = 1.

    `finite` clamps to [-20, 90], where the losses stay finite. `floor` bends towards -2 below 0. `tanh` is
    smax tanh(raw / smax). The last two are smooth: a clamp would leave no gradient to return by.

    Args:
        raw: Any shape and floating point type.
        recipe: Names the bound.

    Returns:
        fp32, the shape of `raw`.

    Raises:
        ValueError: The recipe's bound is none of the three.
    """
    raw = raw.float()
    if recipe.bound == "finite":
        return raw.clamp(*FINITE)
    if recipe.bound == "floor":
        floor = SMALLEST_LOG_VARIANCE
        return where(raw > 0, raw, floor * tanh(raw / floor))
    if recipe.bound == "tanh" and recipe.smax:
        return recipe.smax * tanh(raw / recipe.smax)
    raise ValueError(f"bound={recipe.bound!r}: use 'finite', 'floor', or 'tanh' with smax")


def raw_start(recipe: Recipe, tau: float | None = None) -> float:
    """Return the raw output that `bound_log_variance` maps to the logarithm of the initial variance.

    Args:
        recipe: Gives the initial variance and the bound.
        tau: In logit^2, of rows that read it.

    Raises:
        ValueError: The bound keeps the initial variance out of reach.
    """
    start = recipe.first_variance(tau)
    s = math.log(start)
    scale = {"finite": None, "floor": SMALLEST_LOG_VARIANCE if s < 0 else None, "tanh": recipe.smax}[recipe.bound]
    if scale is None:
        return s
    if abs(s) >= abs(scale):
        highest = f" and below {math.exp(scale):.3g}" if scale > 0 else ""
        allowed = f"above {math.exp(-abs(scale)):.3g}{highest}"
        raise ValueError(f"the initial variance is {start:g}; allowed with bound {recipe.bound}: {allowed}")
    return scale * math.atanh(s / scale)
