"""Why the literal loss may collapse: where box pixels drift under its gradients.

A network does not know which of its box pixels are wrongly labelled, so all pixels that look alike share one mean and
one variance. Pixel-perfect images pull these to the mask, box images to the box label or, once it is flipped, away from
it. Here the two follow the gradients of the functions that training uses, the mean at a rate of its own, and nothing
else: no network, no neighbours, no optimiser. That tells basins of attraction apart, not when a pixel reaches them.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stages.model import losses
from stages.model.recipes import RECIPES, Recipe, bound_log_variance, raw_start

MEANS = (-4.0, 4.0)  # mu, what the pictures show
VARIANCES = (0.1, 20.0)  # sigma^2
GRID = (65, 49)  # starts along mu and sigma^2
STEP, STEPS = 0.5, 500  # of the flow; the gradients of a pixel are at most 1
SLOW = 0.1  # mean_rate of a network that has yet to learn what tells its pixels apart
SECTIONS = 24  # of the search for a boundary
UNTRAINED = (-2.5, 1.0)  # (mu, sigma^2) of a network that has learnt only how rare the foreground is
STARTS = (0.25, 1.0, 4.0)  # sigma^2 of an untrained network, whose mean is about 0


@dataclass(frozen=True)
class Pixel:
    """Pixels that look alike. `truth`: their mask. `boxed`: whether they lie in boxes, so that their box label is 1."""

    name: str
    truth: int
    boxed: bool


FOREGROUND = Pixel("foreground, in a box", truth=1, boxed=True)
WRONG = Pixel("background, in a box", truth=0, boxed=True)
CLEAR = Pixel("background, outside of boxes", truth=0, boxed=False)


@dataclass(frozen=True)
class Dynamics:
    """What moves a pixel.

    Attributes:
        tau, temperature: of Eq 11. recipe: how the paper is read.
        pp_share: share of the pixel's draws that are pixel-perfect, in (0, 1); the others are box images.
        mean_rate: how fast the mean follows its gradient, the variance's rate being 1. Below 1 stands for a network
            whose mean has yet to tell the pixel from the many of clear background, while the variance, which learns
            from box pixels alone, has nothing to tell apart.

    The numbers may be tensors that broadcast against the pixels: several settings of one recipe at once.
    """

    tau: float | Tensor
    temperature: float | Tensor
    pp_share: float | Tensor
    mean_rate: float | Tensor = 1.0
    recipe: Recipe = RECIPES["paper-exp"]


def velocity(mean: Tensor, raw: Tensor, pixel: Pixel, setting: Dynamics) -> tuple[Tensor, Tensor]:
    """Return (-dL/dmu, -dL/draw) of a pixel's expected loss under the detach rule, the first times the mean's rate.

    Args:
        mean: mu. raw: the network's raw output, which the recipe's bound maps to log sigma^2; of one shape.

    Returns: two tensors of that shape.

    The fill-rate cap ranks the pixels of a box against each other, so it has no place here.
    """
    mean, raw = (x.detach().clone().requires_grad_() for x in (mean, raw))
    truth, label = torch.full_like(mean, pixel.truth), torch.full_like(mean, pixel.boxed)
    loss = losses.bce(mean, truth)
    if pixel.boxed:
        log_variance = bound_log_variance(raw, setting.recipe).to(mean.dtype)
        weight = losses.keep_weight(log_variance, setting.tau, setting.temperature)
        flipped = 1 - label if setting.recipe.flip_target == "opposite" else (mean.detach() > 0).to(mean.dtype)
        uncertainty, bootstrap = losses.bootstrapping_loss(mean, log_variance, label, flipped, weight)
        boxes = uncertainty + bootstrap + setting.recipe.prior * losses.variance_prior(log_variance)
        loss = setting.pp_share * loss + (1 - setting.pp_share) * boxes
    along = torch.autograd.grad(loss.sum(), (mean, raw), allow_unused=True, materialize_grads=True)
    return -setting.mean_rate * along[0], -along[1]


def log_variance_velocity(raw: Tensor, along_raw: Tensor, recipe: Recipe) -> Tensor:
    """Return how fast log sigma^2 changes where the raw output changes at the rate `along_raw`."""
    raw = raw.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(bound_log_variance(raw, recipe).sum(), raw)
    return slope * along_raw


def flow(mean: Tensor, variance: Tensor, pixel: Pixel, setting: Dynamics) -> Iterator[tuple[Tensor, Tensor]]:
    """Return where pixels that start at (mu, sigma^2) go: both at the start and after each of STEPS steps, float64.

    Args:
        mean, variance: of one shape, within the recipe's bound.
    """
    raw = raw_outputs(variance, setting.recipe)
    yield mean, variance
    for _ in range(STEPS):
        along_mean, along_raw = velocity(mean, raw, pixel, setting)
        mean, raw = mean + STEP * along_mean, raw + STEP * along_raw
        yield mean, bound_log_variance(raw, setting.recipe).double().exp()


def ends_as_foreground(mean: Tensor, variance: Tensor, pixel: Pixel, setting: Dynamics) -> Tensor:
    """Return whether pixels that start at (mu, sigma^2) end as foreground: bool, their shape."""
    ((last, _),) = deque(flow(mean, variance, pixel, setting), maxlen=1)
    return last > 0


def boundary(pixel: Pixel, settings: Sequence[Dynamics]) -> tuple[np.ndarray, np.ndarray]:
    """Find the boundary between the basins: the sigma^2 above which a pixel ends as background.

    Returns:
        mu (M,) over MEANS, and sigma^2 (len(settings), M) in VARIANCES; NaN where the picture has one basin alone.
    """
    mean = torch.linspace(*MEANS, GRID[0], dtype=torch.float64)
    found = torch.full((len(settings), len(mean)), torch.nan, dtype=torch.float64)
    for recipe in dict.fromkeys(setting.recipe for setting in settings):
        places = [place for place, setting in enumerate(settings) if setting.recipe == recipe]
        found[places] = _boundary_of(mean, pixel, _together([settings[place] for place in places]))
    return mean.numpy(), found.numpy()


def _together(settings: Sequence[Dynamics]) -> Dynamics:
    """Return laws of one recipe as one, whose numbers are (len(settings), 1, 1)."""

    def column(name: str) -> Tensor:
        return torch.tensor([getattr(setting, name) for setting in settings], dtype=torch.float64).view(-1, 1, 1)

    return Dynamics(*map(column, ("tau", "temperature", "pp_share", "mean_rate")), settings[0].recipe)


def _boundary_of(mean: Tensor, pixel: Pixel, setting: Dynamics) -> Tensor:
    """Return the `boundary` of settings put together, at means (M,)."""
    low, high = (
        torch.full((len(setting.tau), 1, len(mean)), end).double() for end in log_variance_range(setting.recipe)
    )
    share = torch.linspace(0, 1, SECTIONS, dtype=torch.float64)[:, None]
    crossed = torch.ones(len(setting.tau), len(mean), dtype=torch.bool)
    for _ in range(2):
        log_variance = low + share * (high - low)
        foreground = ends_as_foreground(mean.expand_as(log_variance), log_variance.exp(), pixel, setting).sum(
            dim=1, keepdim=True
        )
        crossed &= ((foreground > 0) & (foreground < SECTIONS))[:, 0]
        above = foreground.clamp(1, SECTIONS - 1)
        low, high = (log_variance.gather(1, index) for index in (above - 1, above))
    return torch.where(crossed, ((low + high) / 2).exp()[:, 0], torch.nan)


def raw_outputs(variance: Tensor, recipe: Recipe) -> Tensor:
    """Return the raw outputs that the recipe's bound maps to these variances."""
    raws = [
        raw_start(replace(recipe, initial_variance=value, initial_variance_per_tau=0.0))
        for value in variance.flatten().tolist()
    ]
    return torch.tensor(raws, dtype=torch.float64).reshape(variance.shape)


def log_variance_range(recipe: Recipe) -> tuple[float, float]:
    """Return the ends of VARIANCES, as logarithms, as far as the recipe's bound reaches them."""
    low, high = np.log(VARIANCES)
    reach = 0.999 * recipe.smax if recipe.bound == "tanh" else np.inf
    return max(low, -reach), min(high, reach)


def plane(setting: Dynamics, means: int, variances: int) -> tuple[Tensor, Tensor]:
    """Return points of the pictures' plane: mu and sigma^2, (variances, means) each."""
    mean = torch.linspace(*MEANS, means, dtype=torch.float64)
    log_variance = torch.linspace(*log_variance_range(setting.recipe), variances, dtype=torch.float64)
    grid_log_variance, grid_mean = torch.meshgrid(log_variance, mean, indexing="ij")
    return grid_mean, grid_log_variance.exp()
