"""All rows at one glance: each run's IoU as a dot beside the paper's number."""

from collections.abc import Mapping, Sequence

import pandas as pd
import seaborn as sns
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stages.analysis.naming import FIRST, RECIPE_NAMES, class_head, dataset_title, sentence
from stages.analysis.paper import Paper
from stages.analysis.results import Result, iou_of
from stages.config import Settings
from stages.figures.style import FONT_SIZE, LINE, MUTED, RECIPE_COLOURS, RULES, WIDTH, Picture

PLAIN = "no recipe"


def runs_frame(paper: Paper, settings: Settings, results: Mapping[str, Result]) -> pd.DataFrame:
    """Return one line per run: row, recipe, task, seed, iou, and the paper's number.

    `iou` is in percent, of the first class in task `one` and the mean over classes in the others; `paper` is NaN where
    the paper prints no number.
    """
    lines = []
    for name, result in results.items():
        row = settings.rows[name]
        label = FIRST if row.classes == "one" else "mean"
        printed = paper.row(name, row.recipe)
        recipe = RECIPE_NAMES[row.recipe] if row.recipe else PLAIN
        number = printed.iou.get(label) if printed else None
        lines += [(name, recipe, row.classes, run["seed"], iou_of(run, label), number) for run in result.runs]
    frame = pd.DataFrame(lines, columns=["row", "recipe", "task", "seed", "iou", "paper"])
    return frame.astype({"iou": float, "paper": float})


def _heading(classes: Sequence[str]) -> str:
    if len(classes) == 2:
        return f"{class_head(classes[1])} or background: {classes[1]} IoU"
    if len(classes) == 3:
        return sentence(f"{', '.join(classes)}: mean IoU")
    return f"Background and {len(classes) - 1} classes: mean IoU"


def draw(paper: Paper, settings: Settings, results: Mapping[str, Result]) -> Picture:
    """Draw a dot for each run and a diamond for the paper's number, a line per row, a panel for each task."""
    frame = runs_frame(paper, settings, results)
    headings = {settings.rows[name].classes: _heading(result.classes) for name, result in results.items()}
    counts = [frame[frame.task == task].row.nunique() for task in headings]
    title = dataset_title(settings.params.dataset)
    with rc_context(RULES):
        figure = Figure(figsize=(WIDTH, 0.19 * sum(counts) + 0.6 + 0.5 * len(counts)), layout="constrained")
        ratios = {"height_ratios": counts}
        panels = figure.subplots(len(counts), 1, sharex=True, squeeze=False, gridspec_kw=ratios)[:, 0]
        for axes, (task, heading) in zip(panels, headings.items(), strict=True):
            part = frame[frame.task == task]
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
            first = part.drop_duplicates("row").reset_index(drop=True).dropna(subset="paper")
            axes.plot(
                first.paper, first.index, "D", markersize=4.5, markerfacecolor="none", color=MUTED, markeredgewidth=0.9
            )
            axes.set_title(f"{heading} · {title}", loc="left", fontweight="bold")
            axes.set(xlim=(0, 100), ylim=(part.row.nunique() - 0.45, -0.55), xlabel="", ylabel="")
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
