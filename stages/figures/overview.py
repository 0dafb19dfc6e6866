"""All rows at one glance: each run's IoU as a dot beside the paper's number."""

from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stages.analysis.naming import RECIPE_NAMES, dataset_title
from stages.analysis.paper import Paper
from stages.analysis.results import Result
from stages.config import Settings
from stages.figures.style import FONT_SIZE, LINE, MUTED, RECIPE_COLOURS, RULES, WIDTH, Picture

PLAIN = "no recipe"


def runs_frame(paper: Paper, settings: Settings, results: Mapping[str, Result]) -> pd.DataFrame:
    """Return one line per run: row, recipe, measure (`car`, or `mean` over classes), seed, iou, and the paper's number.

    `iou` is in percent; `paper` is NaN where the paper prints no number.
    """
    lines = []
    for name in settings.rows:
        row = settings.rows[name]
        measure = "car" if row.task == "car" else "mean"
        printed = paper.row(name, row.recipe)
        for run in results[name].runs:
            iou = run["mean_iou"] if measure == "mean" else run["iou"][measure]
            recipe = RECIPE_NAMES[row.recipe] if row.recipe else PLAIN
            number = printed.iou.get(measure) if printed else None
            lines.append((name, recipe, measure, run["seed"], iou, number))
    frame = pd.DataFrame(lines, columns=["row", "recipe", "measure", "seed", "iou", "paper"])
    return frame.astype({"iou": float, "paper": float})


def draw(paper: Paper, settings: Settings, results: Mapping[str, Result]) -> Picture:
    """Draw a dot for each run and a diamond for the paper's number, a line per row: cars above, three classes below."""
    frame = runs_frame(paper, settings, results)
    counts = [frame[frame.measure == measure].row.nunique() for measure in ("car", "mean")]
    title = dataset_title(settings.params.dataset)
    with rc_context(RULES):
        figure = Figure(figsize=(WIDTH, 0.19 * sum(counts) + 1.6), layout="constrained")
        panels = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": counts})
        for axes, (measure, heading) in zip(
            panels, [("car", "Car or background: car IoU"), ("mean", "Background, car, person: mean IoU")], strict=True
        ):
            part = frame[frame.measure == measure]
            sns.stripplot(
                part,
                x="iou",
                y="row",
                hue="recipe",
                palette=RECIPE_COLOURS,
                size=5,
                jitter=False,
                legend=False,
                ax=axes,
            )
            first = part.drop_duplicates("row").reset_index(drop=True)
            axes.scatter(first.paper, first.index, marker="D", s=20, facecolor="none", edgecolor=MUTED, linewidth=0.9)
            axes.set_title(f"{heading} · {title}", loc="left", fontweight="bold")
            axes.set(xlim=(0, 100), xlabel="", ylabel="")
            axes.grid(axis="both", color=LINE, linewidth=0.5)
            axes.set_axisbelow(True)
            sns.despine(ax=axes, left=True)
        panels[-1].set_xlabel("IoU in percent")
        marks = [
            Line2D([], [], linestyle="", marker="o", markersize=5, color=colour, label=f"here, {name}")
            for name, colour in RECIPE_COLOURS.items()
        ]
        marks.append(Line2D([], [], linestyle="", marker="D", markersize=5, markerfacecolor="none", color=MUTED))
        marks[-1].set_label("paper, Cityscapes")
        figure.legend(handles=marks, loc="outside upper center", ncols=4, frameon=False, fontsize=FONT_SIZE)
    best = frame.groupby("row", sort=False).iou.mean()
    said = ", ".join(f"{row} {iou:.1f}" for row, iou in best.items())
    return Picture(
        figure, f"Dot plot of the IoU in percent of every row on {title}, beside the paper's on Cityscapes: {said}."
    )
