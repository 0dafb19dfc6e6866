"""Why the literal loss collapses: where box pixels drift by its gradients, and what became of them in real trainings.

A network does not know which of its box pixels are wrongly labelled, so all pixels that look alike share one mean and
one variance. Pixel-perfect images pull these to the mask, box images to the box label or, once it is flipped, away from
it. The pictures follow the two under the gradients of the functions that training uses, the mean at a rate of its own,
and nothing else: no network, no neighbours, no optimiser. They tell fates apart, not when these are met.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter, NullLocator
from torch import Tensor

from stages import style
from stages.paths import ROOT
from stages.report import records
from stages.report.pictures import RECIPES as RECIPE_TITLES
from stages.report.pictures import percent
from stages.report.surfaces import heading
from stages.style import Picture
from stages.train import losses
from stages.train.recipes import RECIPES, Recipe, bound_log_variance, raw_start

MEANS = (-4.0, 4.0)  # mu, what the pictures show
VARIANCES = (0.1, 20.0)  # sigma^2
GRID = (65, 49)  # starts along mu and sigma^2
ARROWS = (15, 11)
STEP, STEPS = 0.5, 500  # of the flow; the gradients of a pixel are at most 1
SLOW = 0.1  # mean_rate of a network that has yet to learn what tells its pixels apart
FATES = {"ends as background": style.CLASS_COLOURS[0], "ends as foreground": style.CLASS_COLOURS[1]}
RATE_TITLES = {1.0: "mean as fast as variance", SLOW: "mean ten times slower"}
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
class Law:
    """What moves a pixel.

    Attributes:
        tau, temperature: of Eq 11. recipe: how the paper is read.
        pp_share: share of the pixel's draws that are pixel-perfect, in (0, 1); the others are box images.
        mean_rate: how fast the mean follows its gradient, the variance's rate being 1. Below 1 stands for a network
            whose mean has yet to tell the pixel from the many of clear background, while the variance, which learns
            from box pixels alone, has nothing to tell apart.

    The numbers may be tensors that broadcast against the pixels: several laws of one recipe at once.
    """

    tau: float | Tensor
    temperature: float | Tensor
    pp_share: float | Tensor
    mean_rate: float | Tensor = 1.0
    recipe: Recipe = RECIPES["paper"]


def velocity(mean: Tensor, raw: Tensor, pixel: Pixel, law: Law) -> tuple[Tensor, Tensor]:
    """(-dL/dmu, -dL/draw) of a pixel's expected loss under the detach rule, the first times the mean's rate.

    Args:
        mean: mu. raw: the network's raw output, which the recipe's bound maps to log sigma^2; of one shape.

    Returns: two tensors of that shape.

    The fill-rate cap ranks the pixels of a box against each other, so it has no place here.
    """
    mean, raw = (x.detach().clone().requires_grad_() for x in (mean, raw))
    truth, label = torch.full_like(mean, pixel.truth), torch.full_like(mean, pixel.boxed)
    loss = losses.bce(mean, truth)
    if pixel.boxed:
        log_variance = bound_log_variance(raw, law.recipe).to(mean.dtype)
        weight = losses.keep_weight(log_variance, law.tau, law.temperature)
        flipped = 1 - label if law.recipe.flip_target == "opposite" else (mean.detach() > 0).to(mean.dtype)
        uncertainty, bootstrap = losses.bootstrapping_loss(mean, log_variance, label, flipped, weight)
        boxes = uncertainty + bootstrap + law.recipe.prior * losses.variance_prior(log_variance)
        loss = law.pp_share * loss + (1 - law.pp_share) * boxes
    along = torch.autograd.grad(loss.sum(), (mean, raw), allow_unused=True, materialize_grads=True)
    return -law.mean_rate * along[0], -along[1]


def flow(mean: Tensor, variance: Tensor, pixel: Pixel, law: Law) -> Iterator[tuple[Tensor, Tensor]]:
    """Where pixels that start at (mu, sigma^2) go: both at the start and after each of STEPS steps, float64.

    Args:
        mean, variance: of one shape, within the recipe's bound.
    """
    raw = _raw(variance, law.recipe)
    yield mean, variance
    for _ in range(STEPS):
        along_mean, along_raw = velocity(mean, raw, pixel, law)
        mean, raw = mean + STEP * along_mean, raw + STEP * along_raw
        yield mean, bound_log_variance(raw, law.recipe).double().exp()


def fate(mean: Tensor, variance: Tensor, pixel: Pixel, law: Law) -> Tensor:
    """Whether pixels that start at (mu, sigma^2) end as foreground: bool, their shape."""
    ((last, _),) = deque(flow(mean, variance, pixel, law), maxlen=1)
    return last > 0


def boundary(pixel: Pixel, laws: Sequence[Law]) -> tuple[np.ndarray, np.ndarray]:
    """The sigma^2 above which a pixel ends as background: mu (M,) over MEANS, and sigma^2 (len(laws), M) in VARIANCES.

    NaN where every sigma^2 of the picture has one fate.
    """
    mean = torch.linspace(*MEANS, GRID[0], dtype=torch.float64)
    found = torch.full((len(laws), len(mean)), torch.nan, dtype=torch.float64)
    for recipe in dict.fromkeys(law.recipe for law in laws):
        places = [place for place, law in enumerate(laws) if law.recipe == recipe]
        found[places] = _boundary_of(mean, pixel, _together([laws[place] for place in places]))
    return mean.numpy(), found.numpy()


def _together(laws: Sequence[Law]) -> Law:
    """Laws of one recipe as one, whose numbers are (len(laws), 1, 1)."""

    def column(name: str) -> Tensor:
        return torch.tensor([getattr(law, name) for law in laws], dtype=torch.float64).view(-1, 1, 1)

    return Law(*map(column, ("tau", "temperature", "pp_share", "mean_rate")), laws[0].recipe)


def _boundary_of(mean: Tensor, pixel: Pixel, law: Law) -> Tensor:
    """`boundary` of laws put together, at means (M,)."""
    low, high = (torch.full((len(law.tau), 1, len(mean)), end).double() for end in _log_variances(law.recipe))
    share = torch.linspace(0, 1, SECTIONS, dtype=torch.float64)[:, None]
    crossed = torch.ones(len(law.tau), len(mean), dtype=torch.bool)
    for _ in range(2):
        log_variance = low + share * (high - low)
        foreground = fate(mean.expand_as(log_variance), log_variance.exp(), pixel, law).sum(dim=1, keepdim=True)
        crossed &= ((foreground > 0) & (foreground < SECTIONS))[:, 0]
        above = foreground.clamp(1, SECTIONS - 1)
        low, high = (log_variance.gather(1, index) for index in (above - 1, above))
    return torch.where(crossed, ((low + high) / 2).exp()[:, 0], torch.nan)


def _raw(variance: Tensor, recipe: Recipe) -> Tensor:
    """The raw outputs that the recipe's bound maps to these variances."""
    raws = [raw_start(replace(recipe, start=value, start_per_tau=0.0)) for value in variance.flatten().tolist()]
    return torch.tensor(raws, dtype=torch.float64).reshape(variance.shape)


def _log_variances(recipe: Recipe) -> tuple[float, float]:
    """The ends of VARIANCES, as logarithms, as far as the recipe's bound reaches them."""
    low, high = np.log(VARIANCES)
    reach = 0.999 * recipe.smax if recipe.bound == "tanh" else np.inf
    return max(low, -reach), min(high, reach)


def _grid(law: Law, means: int, variances: int) -> tuple[Tensor, Tensor]:
    """Points of the pictures' plane: mu and sigma^2, (variances, means) each."""
    mean = torch.linspace(*MEANS, means, dtype=torch.float64)
    log_variance = torch.linspace(*_log_variances(law.recipe), variances, dtype=torch.float64)
    grid_log_variance, grid_mean = torch.meshgrid(log_variance, mean, indexing="ij")
    return grid_mean, grid_log_variance.exp()


# ---- the phase portrait ----------------------------------------------------------------------------------------------


@rc_context(style.RULES)
def portrait(tau: float, temperature: float, pp_share: float) -> Picture:
    """The phase portrait of (mu, sigma^2) of each type of pixel under the paper's loss, its mean fast and slow."""
    figure = Figure(figsize=(style.WIDTH, 6.5))
    for row, rate in enumerate((1.0, SLOW)):
        law = Law(tau, temperature, pp_share, rate)
        for column, pixel in enumerate((FOREGROUND, WRONG, CLEAR)):
            place = (0.085 + 0.309 * column, 0.53 - 0.41 * row, 0.289, 0.345)
            axes = _plane(figure, place, first=column == 0, last=row == 1)
            if row == 0:
                axes.set_title(pixel.name, fontweight="bold")
            _basins(axes, pixel, law)
            _arrows(axes, pixel, law)
            if pixel.boxed:
                axes.axhline(tau, color=style.INK, lw=0.8, ls=(0, (4, 2)))
                axes.text(MEANS[1] - 0.1, tau * 1.08, "τ", ha="right")
            _walk(axes, *UNTRAINED, pixel, law)
        figure.text(0.012, 0.7 - 0.41 * row, RATE_TITLES[rate], rotation=90, va="center", ha="center", weight="bold")
    legend = [Patch(color=_tint(colour), label=label) for label, colour in FATES.items()]
    legend.append(Line2D([], [], color=style.INK, marker="o", markersize=4, label="one start and its way"))
    figure.legend(handles=legend, loc="lower center", ncols=3, frameon=False)
    heading(
        figure,
        "Where a pixel drifts under the paper’s loss",
        f"literal recipe, τ = {tau:g}, temperature {temperature:g}, {pp_share:.0%} pixel-perfect draws; computed from "
        "the loss functions, no data",
    )
    return Picture(
        figure,
        f"Six planes of mean and variance with arrows, tau {tau:g}, {pp_share:.0%} pixel-perfect draws: three types of "
        "pixel, with a mean that learns as fast as the variance and one ten times slower. Pixels in boxes end as "
        "foreground from a low variance and as background from a high one; with the slow mean, a start at a negative "
        "mean passes tau before the mean has turned. Background outside of boxes always ends as background.",
    )


@rc_context(style.RULES)
def boundaries(tau: float, temperature: float, pp_share: float) -> Picture:
    """Where the two basins of a box pixel meet: by threshold, share of masks, speed of the mean, and remedy."""
    base = Law(tau, temperature, pp_share)
    slow = replace(base, mean_rate=SLOW)
    columns = {
        "threshold τ": {f"{value:g}": replace(base, tau=value) for value in (1.0, 1.5, 2.5, 5.0, 10.0)},
        "pixel-perfect draws": {f"{q:.0%}": replace(base, pp_share=q) for q in (0.05, 0.25, 0.45, 0.55)},
        "speed of the mean": {f"{rate:g}": replace(base, mean_rate=rate) for rate in (1.0, 0.3, 0.1, 0.03)},
        f"remedies, speed {SLOW:g}": {name: replace(slow, recipe=recipe) for name, recipe in _remedies().items()},
    }
    figure = Figure(figsize=(style.WIDTH, 5.6))
    every = list(dict.fromkeys(law for laws in columns.values() for law in laws.values()))
    for row, pixel in enumerate((FOREGROUND, WRONG)):
        mean, variances = boundary(pixel, every)
        found = dict(zip(every, variances, strict=True))
        for column, (title, laws) in enumerate(columns.items()):
            place = (0.075 + 0.233 * column, 0.5 - 0.42 * row, 0.215, 0.355)
            axes = _plane(figure, place, first=column == 0, last=row == 1)
            if row == 0:
                axes.set_title(title, fontweight="bold")
            colours = matplotlib.colormaps[style.SEQUENTIAL](np.linspace(0.1, 0.8, len(laws)))
            lines = ((found[law], name, colour) for (name, law), colour in zip(laws.items(), colours, strict=True))
            handles = [_boundary(axes, mean, *line) for line in lines]
            axes.plot([0] * len(STARTS), STARTS, "o", color=style.INK, markersize=3.5, zorder=5)
            axes.legend(
                handles=handles, loc="lower right", frameon=False, fontsize=style.FONT_SIZE - 2, handlelength=1.2
            )
        figure.text(0.012, 0.677 - 0.42 * row, pixel.name, rotation=90, va="center", ha="center", weight="bold")
    heading(
        figure,
        "Where the two basins meet",
        "above a line the pixel ends as background, below it as foreground; dots: starts at μ = 0; literal recipe with "
        f"τ = {tau:g} and {pp_share:.0%} pixel-perfect draws where nothing else is said",
    )
    return Picture(
        figure,
        "Eight planes of mean and variance with the line above which box pixels end as background, for foreground and "
        "for background pixels: it rises with the threshold; it moves little with the share of pixel-perfect draws "
        "until they are half, where one fate is left; it falls to the left of mean 0 when the mean is slow.",
    )


# ---- real trainings --------------------------------------------------------------------------------------------------

CURVES = {
    "labels flipped (%)": ("flipped_right", "flipped_wrong"),
    "mean σ² (geometric, logit²)": ("variance_right", "variance_wrong"),
    "IoU with the masks (%)": ("output", "target", "box"),
}
LINES = {
    "flipped_right": ("true foreground", style.CLASS_COLOURS[1]),
    "flipped_wrong": ("true background", style.CLASS_COLOURS[2]),
    "variance_right": ("true foreground", style.CLASS_COLOURS[1]),
    "variance_wrong": ("true background", style.CLASS_COLOURS[2]),
    "output": ("output", style.INK),
    "target": ("training target", style.MARK),
    "box": ("boxes", style.MUTED),
}


def trainings(dataset: str, seed: int, root: Path = ROOT) -> Picture:
    """What became of box pixels in this pipeline's trainings of `bootstrap-500-2280`, in both recipes."""
    runs = {}
    for recipe, row in (("paper", "bootstrap-500-2280"), ("stable", "bootstrap-500-2280-stable")):
        trained = records.result(row, dataset, root)
        runs[RECIPE_TITLES[recipe]] = trained.runs[trained.seeds.index(seed)]
    return _trainings(runs, f"{style.dataset_title(dataset)} · seed {seed}")


def ablated(dataset: str, variants: Sequence[str], root: Path = ROOT) -> Picture:
    """The same of two committed trainings of ablation.yaml, seed 0."""
    folder = root / "reference" / "ablation" / dataset
    runs = {variant: records.kept(folder / f"{variant}-0.json", root) for variant in variants}
    return _trainings(runs, f"{style.dataset_title(dataset)} · ablation, held-out training images")


@rc_context(style.RULES)
def _trainings(runs: Mapping[str, Mapping[str, Any]], where: str) -> Picture:
    figure = Figure(figsize=(style.WIDTH, 4.9))
    said = []
    for row, (title, run) in enumerate(runs.items()):
        for column, (label, names) in enumerate(CURVES.items()):
            axes = figure.add_axes((0.105 + 0.31 * column, 0.5 - 0.4 * row, 0.235, 0.315))
            for name in names:
                _curve(axes, run["trace"], name)
            _scale(axes, label, run, last=row == len(runs) - 1)
        said.append(f"{title}: {_told(run)}")
        figure.text(0.012, 0.657 - 0.4 * row, title, rotation=90, va="center", ha="center", weight="bold")
    heading(figure, f"Box pixels over two trainings · {where}", "\n".join(said))
    return Picture(figure, f"Share of flipped labels, variance and IoU over two trainings. {' '.join(said)}")


def _told(run: Mapping[str, Any]) -> str:
    trace = run["trace"]
    right, wrong = (percent(trace[name][-1]) for name in ("flipped_right", "flipped_wrong"))
    return (
        f"in the end {right} of true foreground and {wrong} of true background in its boxes is flipped; "
        f"car IoU {percent(run['iou']['car'])}."
    )


def _curve(axes: Axes, trace: Mapping[str, Any], name: str) -> None:
    label, colour = LINES[name]
    if name == "box":
        axes.axhline(trace["box"]["iou"], color=colour, lw=1, ls="--", label=label)
        return
    values = trace[name]["iou"] if name in ("output", "target") else trace[name]
    axes.plot(trace["steps"], np.array(values, float), "o-", color=colour, markersize=2.5, lw=1.2, label=label)


def _scale(axes: Axes, label: str, run: Mapping[str, Any], last: bool) -> None:
    axes.set_ylabel(label)
    axes.set_xlabel("training step" if last else "")
    axes.spines[["top", "right"]].set_visible(False)
    if "σ²" in label:
        axes.set_yscale("log")
        axes.axhline(run["settings"]["tau"], color=style.INK, lw=0.8, ls=(0, (4, 2)), label="τ")
        low, high = np.log10(axes.get_ylim())
        axes.set_ylim(10 ** np.floor(low), 10 ** np.ceil(high))  # whole decades, so some are named
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(-2, 102)
    start = run["resolutions"]["pp_only"] * run["trace"]["steps"][-1]
    if start:
        axes.axvspan(0, start, color=style.LINE, alpha=0.45, lw=0, label="masks alone")
    axes.legend(frameon=False, fontsize=style.FONT_SIZE - 2)


# ---- drawing ---------------------------------------------------------------------------------------------------------


def _remedies() -> dict[str, Recipe]:
    """The ablation's remedies that act on a pixel by itself, one at a time on the literal recipe."""
    literal = RECIPES["paper"]
    return {
        "none": literal,
        "bounded σ²": replace(literal, bound="tanh", smax=3.0),
        "prior on σ²": replace(literal, prior=0.25),
        "flip to the output": replace(literal, flip_target="model"),
    }


def _plane(figure: Figure, place: tuple[float, float, float, float], first: bool, last: bool = True) -> Axes:
    """An empty plane of mu and sigma^2."""
    axes = figure.add_axes(place)
    axes.set(xlim=MEANS, ylim=VARIANCES, yscale="log")
    axes.set_yticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"] if first else [""] * 5)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("mean μ" if last else "")
    axes.set_ylabel("variance σ² (logit²)" if first else "")
    return axes


def _basins(axes: Axes, pixel: Pixel, law: Law) -> None:
    mean, variance = _grid(law, *GRID)
    foreground = fate(mean, variance, pixel, law)
    colours = ListedColormap([_tint(colour) for colour in FATES.values()])
    plane = (x.numpy() for x in (mean, variance, foreground))
    axes.pcolormesh(*plane, cmap=colours, vmin=0, vmax=1, shading="nearest", rasterized=True)


def _tint(colour: str) -> tuple[float, ...]:
    """A colour half way to white: arrows and words are drawn upon it."""
    return tuple(0.5 + 0.5 * part for part in to_rgb(colour))


def _arrows(axes: Axes, pixel: Pixel, law: Law) -> None:
    """The direction of drift, as arrows of one length."""
    mean, variance = _grid(law, *ARROWS)
    mean, variance = mean[1:-1, 1:-1], variance[1:-1, 1:-1]
    along = velocity(mean, _raw(variance, law.recipe), pixel, law)
    x, y = along[0] / np.ptp(MEANS), along[1] / np.log(VARIANCES[1] / VARIANCES[0])  # in widths and heights
    length = torch.hypot(x, y)
    arrows = (part.numpy() for part in (mean, variance, x / length, y / length))
    axes.quiver(*arrows, color=style.MUTED, scale=19, width=0.005, headwidth=4.5, pivot="mid")


def _walk(axes: Axes, mean: float, variance: float, pixel: Pixel, law: Law) -> None:
    """The way of one pixel from its start."""
    start = (torch.tensor(value, dtype=torch.float64) for value in (mean, variance))
    means, variances = (np.array([float(x) for x in values]) for values in zip(*flow(*start, pixel, law), strict=True))
    axes.plot(means, variances, color=style.INK, lw=1.3)
    axes.plot(means[:1], variances[:1], "o", color=style.INK, markersize=4)


def _boundary(axes: Axes, mean: np.ndarray, variance: np.ndarray, label: str, colour: Any) -> Line2D:
    """The line between the basins, where there are two; its entry in the legend."""
    axes.plot(mean, variance, color=colour, lw=1.6)
    return Line2D([], [], color=colour, lw=1.6, label=f"{label} (none)" if np.isnan(variance).all() else label)
