"""Why the literal loss may collapse, drawn: basins of attraction, their boundaries, and what happened in trainings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
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

from stages.analysis.dynamics import (
    CLEAR,
    FOREGROUND,
    GRID,
    MEANS,
    SLOW,
    STARTS,
    UNTRAINED,
    VARIANCES,
    WRONG,
    Dynamics,
    Pixel,
    boundary,
    flow,
    log_variance_velocity,
    plane,
    raw_outputs,
    velocity,
)
from stages.analysis.naming import FIRST, PAPER_CLASSES, class_name, dataset_title
from stages.analysis.results import committed_run, iou_of, result
from stages.figures import style
from stages.figures.absent import absent, notice
from stages.figures.labelled_images import percent
from stages.figures.loss_surfaces import heading
from stages.figures.snapshots import RECIPE_TITLES
from stages.figures.style import Picture
from stages.model.recipes import RECIPES, Recipe
from stages.paths import ROOT

ARROWS = (15, 11)
BASINS = {"ends as background": style.CLASS_COLOURS[0], "ends as foreground": style.CLASS_COLOURS[1]}
RATE_TITLES = {1.0: "mean as fast as variance", SLOW: "mean ten times slower"}

# ---- the phase portrait ----------------------------------------------------------------------------------------------


@rc_context(style.RULES)
def portrait(tau: float, temperature: float, pp_share: float) -> Picture:
    """Draw the phase portrait of (mu, sigma^2) of each type of pixel under the paper's loss, its mean fast and slow.

    The variance is read as exp(raw).
    """
    figure = Figure(figsize=(style.WIDTH, 6.5))
    for row, rate in enumerate((1.0, SLOW)):
        setting = Dynamics(tau, temperature, pp_share, rate)
        for column, pixel in enumerate((FOREGROUND, WRONG, CLEAR)):
            place = (0.085 + 0.309 * column, 0.53 - 0.41 * row, 0.289, 0.345)
            axes = _axes(figure, place, first=column == 0, last=row == 1)
            if row == 0:
                axes.set_title(pixel.name, fontweight="bold")
            _flow(axes, UNTRAINED[:1], UNTRAINED[1], pixel, setting)
            _arrows(axes, pixel, setting)
            if pixel.boxed:
                axes.axhline(tau, color=style.INK, lw=0.8, ls=(0, (4, 2)))
                axes.text(MEANS[1] - 0.1, tau * 1.08, "τ", ha="right")
        figure.text(0.012, 0.7 - 0.41 * row, RATE_TITLES[rate], rotation=90, va="center", ha="center", weight="bold")
    _legend(figure, "one start and its trajectory")
    heading(
        figure,
        "Where a pixel drifts under the paper’s loss",
        f"σ² = exp(r), τ = {tau:g}, temperature {temperature:g}, {pp_share:.0%} pixel-perfect draws; computed from "
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
    """Draw where the two basins of a box pixel meet: by threshold, share of masks, speed of the mean, and remedy."""
    base = Dynamics(tau, temperature, pp_share)
    slow = replace(base, mean_rate=SLOW)
    columns = {
        "threshold τ": {f"{value:g}": replace(base, tau=value) for value in (1.0, 1.5, 2.5, 5.0, 10.0)},
        "pixel-perfect draws": {f"{q:.0%}": replace(base, pp_share=q) for q in (0.05, 0.25, 0.45, 0.55)},
        "speed of the mean": {f"{rate:g}": replace(base, mean_rate=rate) for rate in (1.0, 0.3, 0.1, 0.03)},
        f"remedies, speed {SLOW:g}": {name: replace(slow, recipe=recipe) for name, recipe in _remedies().items()},
    }
    figure = Figure(figsize=(style.WIDTH, 5.6))
    every = list(dict.fromkeys(setting for settings in columns.values() for setting in settings.values()))
    for row, pixel in enumerate((FOREGROUND, WRONG)):
        mean, variances = boundary(pixel, every)
        found = dict(zip(every, variances, strict=True))
        for column, (title, settings) in enumerate(columns.items()):
            place = (0.075 + 0.233 * column, 0.5 - 0.42 * row, 0.215, 0.355)
            axes = _axes(figure, place, first=column == 0, last=row == 1)
            if row == 0:
                axes.set_title(title, fontweight="bold")
            colours = matplotlib.colormaps[style.SEQUENTIAL](np.linspace(0.1, 0.8, len(settings)))
            lines = (
                (found[setting], name, colour)
                for (name, setting), colour in zip(settings.items(), colours, strict=True)
            )
            handles = [_boundary(axes, mean, *line) for line in lines]
            axes.plot([0] * len(STARTS), STARTS, "o", color=style.INK, markersize=3.5, zorder=5)
            axes.legend(
                handles=handles, loc="lower right", frameon=False, fontsize=style.FONT_SIZE - 2, handlelength=1.2
            )
        figure.text(0.012, 0.677 - 0.42 * row, pixel.name, rotation=90, va="center", ha="center", weight="bold")
    heading(
        figure,
        "Where the two basins meet",
        "above a line the pixel ends as background, below it as foreground; dots: starts at μ = 0; σ² = exp(r), "
        f"τ = {tau:g} and {pp_share:.0%} pixel-perfect draws where nothing else is said",
    )
    return Picture(
        figure,
        "Eight planes of mean and variance with the line above which box pixels end as background, for foreground and "
        "for background pixels: it rises with the threshold; it moves little with the share of pixel-perfect draws "
        "until they are half, where one basin is left; it falls to the left of mean 0 when the mean is slow.",
    )


READINGS = {
    "exp": "σ² = exp(r)",
    "softplus": "σ² = softplus(r)",
    "one_plus_elu": "σ² = 1 + ELU(r)",
    "sigma": "σ = softplus(r)",
    "square": "σ = r",
}
"""Readings of the variance from the network's raw output r, see `recipes.read_log_variance`."""
RAW_STARTS = {"exp": 1.0, "softplus": math.log(2), "one_plus_elu": 1.0, "sigma": math.log(2) ** 2, "square": 1.0}
"""sigma^2 where r starts at 0, or for `square`, where that is no start, at 1."""


@rc_context(style.RULES)
def readings(tau: float, temperature: float, pp_share: float, loss: str) -> Picture:
    """Draw the phase portrait of box pixels, the mean slow, for each way to read a variance from the network.

    Args:
        tau, temperature: Of Eq 11.
        pp_share: What share of a pixel's pull pixel-perfect draws have.
        loss: What in the loss gives them that share.
    """
    figure = Figure(figsize=(style.WIDTH, 4.9))
    ends = {}
    for column, (name, title) in enumerate(READINGS.items()):
        setting = Dynamics(tau, temperature, pp_share, SLOW, replace(RECIPES["paper-exp"], variance=name))
        for row, pixel in enumerate((FOREGROUND, WRONG)):
            place = (0.075 + 0.186 * column, 0.53 - 0.365 * row, 0.172, 0.31)
            axes = _axes(figure, place, first=column == 0, last=row == 1)
            if row == 0:
                axes.set_title(title, fontweight="bold")
                axes.set_xticklabels([])
            starts = (UNTRAINED[0], 0.0)
            last = _flow(axes, starts, RAW_STARTS[name], pixel, setting)
            _arrows(axes, pixel, setting)
            axes.axhline(tau, color=style.INK, lw=0.8, ls=(0, (4, 2)))
            ends |= {(name, pixel.truth, mean): end > 0 for mean, end in zip(starts, last, strict=True)}
    for row, pixel in enumerate((FOREGROUND, WRONG)):
        figure.text(0.012, 0.685 - 0.365 * row, pixel.name, rotation=90, va="center", ha="center", weight="bold")
    _legend(figure, "starts: the labels’ share, and 0")
    heading(
        figure,
        "The same drift, where the network’s output r is read otherwise",
        f"literal loss, τ = {tau:g}, {loss}: pixel-perfect draws have {pp_share:.0%} of the pull; mean ten times "
        "slower than r; computed from the loss functions, no data",
    )
    kinds = ("background", "foreground")
    said = "; ".join(
        f"{READINGS[name]}: {kinds[pixel.truth]} that starts at mean {mean:g} ends as "
        f"{kinds[ends[name, pixel.truth, mean]]}"
        for name in READINGS
        for pixel in (FOREGROUND, WRONG)
        for mean in (UNTRAINED[0], 0.0)
    )
    return Picture(figure, f"Ten planes of mean and variance for five readings of the variance, {loss}. {said}.")


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
    """Draw what became of box pixels in this pipeline's trainings of `bootstrap-500-2280`, in both recipes."""
    rows = {"paper": "bootstrap-500-2280", "stable": "bootstrap-500-2280-stable"}
    if notice := absent(rows.values(), dataset, seed, root):
        return notice
    runs = {}
    for recipe, row in rows.items():
        trained = result(row, dataset, root)
        runs[RECIPE_TITLES[recipe]] = trained.runs[trained.seeds.index(seed)]
    return _trainings(runs, f"{dataset_title(dataset)} · seed {seed}")


def committed(grid: str, dataset: str, entries: Sequence[str], root: Path = ROOT) -> Picture:
    """Draw the same of two committed trainings of seed 0, or say which of them is missing.

    Args:
        grid: One that is judged on held-out training images.
        dataset, entries: Which of its trainings.
        root: The project.
    """
    files = {entry: root / "reference" / grid / dataset / f"{entry}-0.json" for entry in entries}
    for entry, file in files.items():
        if not file.exists():
            missing = f"{entry} of studies/{grid}.yaml has no training of seed 0"
            return notice(f"Not shown on {dataset_title(dataset)}: {missing}.")
    runs = {entry: committed_run(file, root) for entry, file in files.items()}
    return _trainings(runs, f"{dataset_title(dataset)} · held-out training images")


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
        said.append(f"{title}: {_outcome(run)}")
        figure.text(0.012, 0.657 - 0.4 * row, title, rotation=90, va="center", ha="center", weight="bold")
    heading(figure, f"Box pixels over two trainings · {where}", "\n".join(said))
    return Picture(figure, f"Share of flipped labels, variance and IoU over two trainings. {' '.join(said)}")


def _outcome(run: Mapping[str, Any]) -> str:
    trace = run["trace"]
    right, wrong = (percent(trace[name][-1]) for name in ("flipped_right", "flipped_wrong"))
    return (
        f"in the end {right} of true foreground and {wrong} of true background in its boxes is flipped; "
        f"{class_name(FIRST, run.get('classes', PAPER_CLASSES))} IoU {percent(iou_of(run, FIRST))}."
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
    start = run["resolutions"]["warmup_share"] * run["trace"]["steps"][-1]
    if start:
        axes.axvspan(0, start, color=style.LINE, alpha=0.45, lw=0, label="warm-up")
    axes.legend(frameon=False, fontsize=style.FONT_SIZE - 2)


# ---- drawing ---------------------------------------------------------------------------------------------------------


def _remedies() -> dict[str, Recipe]:
    """Return the remedies that act on a pixel by itself, one at a time on the literal loss with exp."""
    literal = RECIPES["paper-exp"]
    return {
        "none": literal,
        "bounded σ²": replace(literal, bound="tanh", smax=3.0),
        "prior on σ²": replace(literal, prior=0.25),
        "flip to the output": replace(literal, flip_target="model"),
    }


def _axes(figure: Figure, place: tuple[float, float, float, float], first: bool, last: bool = True) -> Axes:
    """Prepare an empty plane of mu and sigma^2."""
    axes = figure.add_axes(place)
    axes.set(xlim=MEANS, ylim=VARIANCES, yscale="log")
    axes.set_yticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"] if first else [""] * 5)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("mean μ" if last else "")
    axes.set_ylabel("variance σ² (logit²)" if first else "")
    return axes


def _legend(figure: Figure, starts: str) -> None:
    """Name the colours of the basins, and what the lines with a dot are."""
    handles: list[Any] = [Patch(color=_tint(colour), label=label) for label, colour in BASINS.items()]
    handles.append(Line2D([], [], color=style.INK, marker="o", markersize=4, label=starts))
    figure.legend(handles=handles, loc="lower center", ncols=3, frameon=False)


def _flow(axes: Axes, starts: Sequence[float], variance: float, pixel: Pixel, setting: Dynamics) -> list[float]:
    """Draw the basins of the plane, and the ways of pixels that start at these means and one variance.

    Returns:
        The means where they end.
    """
    mean, variances = plane(setting, *GRID)
    mine = torch.tensor(starts, dtype=torch.float64)
    every = torch.cat([mean.flatten(), mine]), torch.cat([variances.flatten(), torch.full_like(mine, variance)])
    ways = []
    for last, now in flow(*every, pixel, setting):  # noqa: B007 - the last one is where all end
        ways.append(torch.stack([last[-len(mine) :], now[-len(mine) :]]))
    foreground = (last[: -len(mine)] > 0).reshape(mean.shape)
    colours = ListedColormap([_tint(colour) for colour in BASINS.values()])
    drawn = (x.numpy() for x in (mean, variances, foreground))
    axes.pcolormesh(*drawn, cmap=colours, vmin=0, vmax=1, shading="nearest", rasterized=True)
    for along, across in torch.stack(ways, dim=-1).transpose(0, 1).numpy():
        axes.plot(along, across, color=style.INK, lw=1.3)
        axes.plot(along[:1], across[:1], "o", color=style.INK, markersize=4)
    return last[-len(mine) :].tolist()


def _tint(colour: str) -> tuple[float, ...]:
    """Return a colour half way to white: arrows and words are drawn upon it."""
    return tuple(0.5 + 0.5 * part for part in to_rgb(colour))


def _arrows(axes: Axes, pixel: Pixel, setting: Dynamics) -> None:
    """Draw the direction of drift, as arrows of one length."""
    mean, variance = plane(setting, *ARROWS)
    mean, variance = mean[1:-1, 1:-1], variance[1:-1, 1:-1]
    raw = raw_outputs(variance, setting.recipe)
    along_mean, along_raw = velocity(mean, raw, pixel, setting)
    along_log_variance = log_variance_velocity(raw, along_raw, setting.recipe)
    x = along_mean / np.ptp(MEANS)  # in widths
    y = along_log_variance / np.log(VARIANCES[1] / VARIANCES[0])  # in heights
    length = torch.hypot(x, y)
    arrows = (part.numpy() for part in (mean, variance, x / length, y / length))
    axes.quiver(*arrows, color=style.MUTED, scale=19, width=0.005, headwidth=4.5, pivot="mid")


def _boundary(axes: Axes, mean: np.ndarray, variance: np.ndarray, label: str, colour: Any) -> Line2D:
    """Draw the line between the basins, where there are two, and return its entry in the legend."""
    axes.plot(mean, variance, color=colour, lw=1.6)
    return Line2D([], [], color=colour, lw=1.6, label=f"{label} (none)" if np.isnan(variance).all() else label)
