"""The readings of the paper where it is open: one table of recipes, and the meaning of their fields.

`paper` is the literal reading, bounded only as far as needed to stay finite. `stable` goes beyond it: its variance
learns from the masks' own boxes whether a label is right, and a running mean of the network decides.
docs/method-notes.md says what each of them does, and what else was tried.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, tanh, where
from torch.nn.functional import softplus

from stages.config import Row

FINITE = (-20.0, 90.0)  # log sigma^2 for which every loss and gradient is finite, see losses.py
SMALLEST_LOG_VARIANCE = -2.0
POSTERIOR_QUANTILES = (0.1, 0.9)


@dataclass(frozen=True)
class Recipe:
    """One reading of the paper. Every field is recorded with each run ("resolutions" in run.json).

    Attributes:
        name: Its key in RECIPES.
        variance: How sigma^2 is read from the network's raw output, see `read_log_variance`: `exp`, `softplus`,
            `one_plus_elu`, `square` or `sigma`.
        variance_weights: Initial weights of the layer that makes the raw variance: `zero`, so that it is the same
            everywhere at the first step, or `torch`.
        variance_sees: What the network makes sigma^2 of: the `image` (the paper's), or also the box `label` that it may
            doubt, and where in its box a pixel lies, see `network.label_maps`. The mean sees the image alone.
        mean_start: Where the means start: `share`, at the constants of least loss, or `torch`, near zero.
        reduction: How the losses of pixels add up to a batch's: `pooled`, their mean; or `two_means`, half the mean
            over pixel-perfect images and half of that over box images, the two sums of Eq 3.
        foreground_weight: What the losses of a pixel count whose label, as given, is no background, against those of
            others; the paper names none. A flip does not change it, and what teaches sigma^2 alone does not have it.
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
        decides: What turns a label over (binary: in Eq 10, with 1 - W; multi-class: in Eq 16): `variance`, above tau
            (the paper's); `mean`, on the side of another class; `both`; or, binary alone, `rank`, nothing but the cap
            (of rows whose labels are `fill` or `top`), or `posterior`: 1 - W is the
            probability of the background, shifted in each box so that the foreground's share of the box stays between
            the fill rates' quantiles POSTERIOR_QUANTILES.
        teacher_decay: The teacher is a second network whose weights follow the trained ones as a running mean, by this
            decay a step (Tarvainen and Valpola 2017, Mean teachers are better role models). Where it is above 0, the
            teacher's outputs decide instead of the network's own, averaged over the image and its mirror image.
        keep_attenuation: In Eq 10, whether the term of the kept label is that of Eq 9, its sigma^2 without gradient,
            as if no label were flipped; else plain BCE (the paper's), which weighs a doubtful label fully until W
            falls.
        own_boxes: Whether sigma^2 learns from the boxes of pixel-perfect images, too: Eq 9 against the box's label
            where the mean has learned from the mask.
        variance_loss: What teaches sigma^2 of bootstrapping rows: `uncertainty`, Eq 9 or 13 (the paper's); or
            `supervised`, with `own_boxes` and on those alone: the cross-entropy of W, the weight of Eq 11 that keeps a
            label, as the probability that the mask confirms it (multi-class: of the variance that triggers).
        fill_quantile: Take as rho this quantile of the fill rates of the class's boxes (0.1: a tenth of them are
            emptier). None: the fill rate of all of them together, so of an average box.
        pairs: Weight of the loss of neighbours in boxes that are alike in colour and not in class, see
            `consistency.pairs_loss`, of bootstrapping rows.
        projection: Weight of the loss of rows and columns of a box without its class, see
            `consistency.projection_loss`, of bootstrapping rows.
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
    decides: str = "variance"
    teacher_decay: float = 0.0
    keep_attenuation: bool = False
    own_boxes: bool = False
    variance_loss: str = "uncertainty"
    pairs: float = 0.0
    projection: float = 0.0
    warmup_share: float = 0.0
    trigger: str = "max"
    estimator: str = "monte_carlo"
    flip_to: str = "any"
    last_layer: str = "torch"
    variance: str = "exp"
    variance_weights: str = "zero"
    variance_sees: str = "image"
    mean_start: str = "share"
    reduction: str = "pooled"
    foreground_weight: float = 1.0

    def first_variance(self, tau: float | None = None) -> float:
        """Return sigma^2 everywhere at the first step, in logit^2.

        Args:
            tau: In logit^2; None for rows that do not read it.
        """
        per_tau = self.initial_variance_per_tau
        return per_tau * tau if tau and per_tau else self.initial_variance


# Of the readings with tau against sigma^2 under which the literal loss lives (studies/readings.yaml), the one with both
# sums of Eq 3 and torch's start: sigma^2 = softplus(raw) from softplus(0).
PAPER = Recipe(
    "paper", "finite", initial_variance=0.6931, variance="softplus", mean_start="torch", reduction="two_means"
)

RECIPES = {
    "paper": PAPER,
    # What studies/remedies.yaml found beyond the paper, with the fewest parts
    "stable": replace(
        PAPER, name="stable", reduction="pooled", own_boxes=True, variance_loss="supervised", teacher_decay=0.99
    ),
    # Kendall and Gal's reading of a variance, under which the literal loss collapses
    "paper-exp": Recipe("paper-exp", "finite"),
    # Losses without a variance
    "plain": Recipe("plain", "finite"),
    # Eq 2 has no lower bound in s: without the floor, the weight exp(-s) of a few well-fitted pixels explodes.
    "regression": Recipe("regression", "floor"),
}
OF_LOSS = {"bce": "plain", "ce": "plain", "regression": "regression"}  # else `paper`


def recipe_of(row: Row) -> Recipe:
    """Return the row's own recipe, else that of its loss; with the row's overrides."""
    recipe = RECIPES[row.recipe or OF_LOSS.get(row.loss, "paper")]
    if row.ranks:
        recipe = replace(recipe, decides="rank", fill_cap=True)
    return replace(recipe, **row.overrides.model_dump(exclude_none=True))


def read_log_variance(raw: Tensor, variance: str) -> Tensor:
    """Return s = log sigma^2 of the network's raw output, unbounded.

    The paper says that the network predicts "a mean and a variance", and nothing of how a variance stays positive.
    `exp`: sigma^2 = exp(raw), so s is the raw output (Kendall and Gal 2017). `softplus`: log(1 + exp(raw)).
    `one_plus_elu`: 1 + ELU(raw), exp(raw) below 0 and 1 + raw above. `square`: raw^2, the raw output being sigma of
    either sign. `sigma`: the square of sigma = softplus(raw). Under `exp` d sigma^2 / d raw grows with sigma^2; under
    the others it does not (`softplus`, `one_plus_elu`), or as sigma (`square`, `sigma`).

    Args:
        raw: fp32, any shape.
        variance: One of these names.

    Returns:
        The shape of `raw`; finite for |raw| < 1e18. But for `exp` and `one_plus_elu`, s has a least value, near that of
        FINITE or twice it.

    Raises:
        ValueError: The name is none of the five.
    """
    if variance == "exp":
        return raw
    if variance == "one_plus_elu":
        return where(raw < 0, raw, torch.log1p(raw.clamp(min=0)))
    if variance == "square":
        return torch.log(raw.square() + math.exp(FINITE[0]))  # at zero a logarithm has no gradient
    if variance in ("softplus", "sigma"):
        log = torch.log(softplus(raw.clamp(min=FINITE[0])))
        return log if variance == "softplus" else 2 * log
    raise ValueError(f"variance={variance!r}: use 'exp', 'softplus', 'one_plus_elu', 'square' or 'sigma'")


def bound_log_variance(raw: Tensor, recipe: Recipe) -> Tensor:
    """Map the network's raw output to s = log sigma^2 in the recipe's bound.

    `finite` clamps s to [-20, 90], where the losses stay finite. `floor` bends towards -2 below 0. `tanh` is
    smax tanh(s / smax). The last two are smooth: a clamp would leave no gradient to return by. Each sends 0 to 0, that
    is sigma^2 = 1 to itself.

    Args:
        raw: Any shape and floating point type.
        recipe: Names the reading of the raw output and the bound.

    Returns:
        fp32, the shape of `raw`.

    Raises:
        ValueError: The recipe's bound is none of the three, or there is no such reading.
    """
    s = read_log_variance(raw.float(), recipe.variance)
    if recipe.bound == "finite":
        return s.clamp(*FINITE)
    if recipe.bound == "floor":
        floor = SMALLEST_LOG_VARIANCE
        return where(s > 0, s, floor * tanh(s / floor))
    if recipe.bound == "tanh" and recipe.smax:
        return recipe.smax * tanh(s / recipe.smax)
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
        return _raw_of(s, recipe.variance)
    if abs(s) >= abs(scale):
        highest = f" and below {math.exp(scale):.3g}" if scale > 0 else ""
        allowed = f"above {math.exp(-abs(scale)):.3g}{highest}"
        raise ValueError(f"the initial variance is {start:g}; allowed with bound {recipe.bound}: {allowed}")
    return _raw_of(scale * math.atanh(s / scale), recipe.variance)


def _raw_of(s: float, variance: str) -> float:
    """Return the raw output that `read_log_variance` maps to s; of two, the larger."""
    if variance == "exp":
        return s
    if variance == "one_plus_elu":
        return s if s < 0 else math.exp(s) - 1
    if variance == "square":
        return math.sqrt(max(math.exp(s) - math.exp(FINITE[0]), 0.0))
    positive = math.exp(s if variance == "softplus" else s / 2)
    return positive + math.log(-math.expm1(-positive))  # the inverse of softplus
