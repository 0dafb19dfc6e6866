"""What masks are worth: IoU by the share of images with a mask, and by the time that annotation takes."""

from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from stages.analysis.annotation import MASKS, METHODS, MIXED, STABLE, Curve, Point
from stages.analysis.naming import dataset_title
from stages.figures import style
from stages.figures.style import Picture

COLOURS = {MASKS: style.RECIPE_COLOURS["no recipe"], MIXED: "#c08a2e", STABLE: style.RECIPE_COLOURS["stable"]}
MARKERS = {MASKS: "o", MIXED: "s", STABLE: "D"}
SHARES = (0, 3.6, 7.2, 18, 50, 100)
HOURS = (0.5, 1, 2, 5, 10, 20, 50)


@rc_context(style.RULES)
def draw(curves: Sequence[Curve]) -> Picture:
    """Draw two panels for each dataset, one method a line: means, and intervals over seeds."""
    figure = Figure(figsize=(style.WIDTH, 0.3 + 2.9 * len(curves)), layout="constrained")
    for line, curve in zip(figure.subplots(len(curves), 2, sharey="row", squeeze=False), curves, strict=True):
        by_share, by_hours = line
        for method in METHODS:
            points = curve.of(method)
            _line(by_share, points, [one.share for one in points], method)
            _line(by_hours, points, [one.hours for one in points], method)
        by_share.set_xscale("symlog", linthresh=3.6, linscale=0.6)
        by_share.set(xlabel="images with a mask (%)", ylabel=f"{curve.object} IoU (%)", xlim=(-0.4, 115))
        _ticks(by_share, SHARES)
        by_hours.set_xscale("log")
        by_hours.set(xlabel="hours of annotation for 1000 objects")
        _ticks(by_hours, [hour for hour in HOURS if _inside(hour, curve)])
        for axes in line:
            axes.axhline(curve.full.iou.mean, color=style.MUTED, lw=0.8, ls="--", zorder=0)
            axes.grid(color=style.LINE, lw=0.4)
            axes.spines[["top", "right"]].set_visible(False)
        by_share.set_title(f"{dataset_title(curve.dataset)}: the same images", loc="left", fontweight="bold")
        by_hours.set_title("the same time", loc="left", fontweight="bold")
        by_share.legend(frameon=False, loc="lower right", fontsize=style.FONT_SIZE - 2)
    return Picture(figure, " ".join(map(_words, curves)))


def _line(axes: Axes, points: Sequence[Point], at: Sequence[float], method: str) -> None:
    means = [one.iou.mean for one in points]
    low, high = ([getattr(one.iou, end) for one in points] for end in ("low", "high"))
    spread = [
        [mean - (mean if a is None else a) for mean, a in zip(means, low, strict=True)],
        [(mean if b is None else b) - mean for mean, b in zip(means, high, strict=True)],
    ]
    axes.errorbar(
        at, means, yerr=spread, fmt=f"{MARKERS[method]}-", color=COLOURS[method], markersize=4, lw=1.2,
        elinewidth=0.8, capsize=2, label=method,
    )  # fmt: skip


def _ticks(axes: Axes, places: Sequence[float]) -> None:
    axes.set_xticks(places)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _inside(hour: float, curve: Curve) -> bool:
    every = [one.hours for one in curve.points]
    return min(every) / 1.3 <= hour <= max(every) * 1.3


def _words(curve: Curve) -> str:
    listed = "; ".join(
        f"{method}: " + ", ".join(f"{one.share:.1f} % {one.iou.mean:.1f}" for one in curve.of(method))
        for method in METHODS
    )
    return f"{curve.object} IoU on {dataset_title(curve.dataset)} by the share of images with a mask. {listed}."
