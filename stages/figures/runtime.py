"""Time and memory of each stage over the number of images."""

from collections.abc import Mapping
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from stages.figures import style
from stages.figures.style import Picture

SHOWN = {
    "download": ("draw scenes", style.CLASS_COLOURS[2]),
    "boxes": ("boxes, packing", style.MARK),
    "train": ("one training", style.CLASS_COLOURS[1]),
    "evaluate": ("one evaluation", style.BOX_LINE),
    "figure3": ("one notebook (Figure 3)", style.MUTED),
}
HEADROOM = 2048  # MiB that a training may need beyond its arrays


def draw(found: Mapping[str, Any]) -> Picture:
    """Draw seconds and largest resident memory of each stage over the number of images, both axes logarithmic."""
    runs = found["runs"]
    images = [run["images"] for run in runs]
    with rc_context(style.RULES):
        figure = Figure(figsize=(style.WIDTH, 3.4), layout="constrained")
        seconds, memory = figure.subplots(1, 2)
        for name, (label, colour) in SHOWN.items():
            groups = [run["stages"][name] for run in runs]
            each = [group["seconds"] / group["n"] for group in groups]
            seconds.plot(images, each, "o-", color=colour, label=label, markersize=4)
            memory.plot(images, [group["peak_mib"] for group in groups], "o-", color=colour, markersize=4)
        arrays = [run["arrays_mib"] for run in runs]
        memory.plot(images, arrays, "s--", color=style.INK, markersize=3, lw=0.8, label="packed arrays")
        memory.plot(images, [mib + HEADROOM for mib in arrays], ":", color=style.INK, lw=0.8, label="arrays + 2 GiB")
        for axes, title, unit in (
            (seconds, "Time of one run of a stage", "seconds"),
            (memory, "Largest resident memory", "MiB"),
        ):
            axes.set(xscale="log", yscale="log", xlabel="images, training and validation", ylabel=unit)
            axes.set_title(title, loc="left", fontweight="bold")
            axes.set_xticks(images, [str(n) for n in images])
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.minorticks_off()
            axes.grid(color=style.LINE, lw=0.4)
            axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
    most, least = runs[-1], runs[0]
    words = ", ".join(
        f"{label} {least['stages'][name]['seconds'] / least['stages'][name]['n']:.1f} to "
        f"{most['stages'][name]['seconds'] / most['stages'][name]['n']:.1f} s"
        for name, (label, _) in SHOWN.items()
    )
    return Picture(figure, f"Time and memory of stages from {images[0]} to {images[-1]} images: {words}.")
