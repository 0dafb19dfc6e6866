"""The paper's Table 2 as a chart: the IoU of each row here, and beside it the paper's own on Cityscapes."""

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.analysis.naming import FIRST, RECIPE_NAMES, class_name, dataset_title
from stages.analysis.paper import Paper
from stages.analysis.results import Result, Results, recipes_of
from stages.figures import style
from stages.figures.style import Picture

PLAIN = "no recipe"
BAR, BETWEEN = 0.125, 0.07  # inches: a bar, so that it holds its number, and what lies between two rows


@rc_context(style.RULES)
def draw(paper: Paper, dataset: str, found: Results) -> Picture:
    """Draw each row of Table 2: a bar for its mean IoU of the first class, dots for its seeds, and the paper's number.

    Args:
        paper: Gives the rows and the paper's numbers.
        dataset: What the results are of.
        found: The results by row.
    """
    rows = [row for row in paper.numbers.tables["table2"].rows if recipes_of(row, found)]
    name = class_name(FIRST, next(iter(found.values())).classes)
    heights = [BAR * len(recipes_of(row, found)) for row in rows]
    tops = [sum(heights[:k]) + BETWEEN * k for k in range(len(rows))]
    middles = [top + height / 2 for top, height in zip(tops, heights, strict=True)]
    figure = Figure(figsize=(style.WIDTH, 0.65 + sum(heights) + BETWEEN * len(rows)), layout="constrained")
    ours, theirs = figure.subplots(1, 2, sharey=True, gridspec_kw={"width_ratios": [1.25, 1]})
    numbers = {}
    for row, top, middle in zip(rows, tops, middles, strict=True):
        numbers[row] = _draw_row(ours, top, recipes_of(row, found))
        printed = paper.iou(row, FIRST)
        theirs.barh(middle, printed, height=BAR, color=style.LINE)
        theirs.text(printed - 1.5, middle, f"{printed:g}", va="center", ha="right")
    for axes, title in ((ours, f"{name} IoU (%) here, {dataset_title(dataset)}"), (theirs, "in the paper, Cityscapes")):
        axes.set_title(title, loc="left", fontweight="bold")
        axes.set(xlim=(0, 100))
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(left=False)
    ours.set_yticks(middles, [row_title(row) for row in rows])
    ours.tick_params(axis="y", labelcolor=style.INK)
    ours.set_ylim(tops[-1] + heights[-1] + BETWEEN, -BETWEEN)
    present = {recipe for row in rows for recipe in recipes_of(row, found) if recipe}
    handles = [
        ours.barh(-5, 0, color=style.RECIPE_COLOURS[name], label=f"{name} recipe")
        for recipe, name in RECIPE_NAMES.items()
        if recipe in present
    ]
    if handles:
        size = style.FONT_SIZE - 2
        figure.legend(handles=handles, loc="outside lower left", ncols=2, frameon=False, fontsize=size, handlelength=1)
    listed = "; ".join(f"{row_title(row)}: {numbers[row]} (paper {paper.iou(row, FIRST):g})" for row in rows)
    return Picture(figure, f"Bar chart of Table 2 on {dataset_title(dataset)}, {name} IoU in percent. {listed}.")


def row_title(row: str) -> str:
    """Say in words what a row of Table 2 trains on, and with which loss."""
    kind, *counts = row.split("-")
    if kind == "bce":
        plain = {"2780": "all masks", "500": "18 % of the masks", "0-2780": "boxes alone"}
        return plain.get("-".join(counts), "18 % masks + boxes, plain BCE")
    return f"{counts[0]} masks + boxes, the method"


def _draw_row(axes: Axes, top: float, by_recipe: dict[str | None, Result]) -> str:
    """Draw the bars of a row, one a recipe, from `top` (inches) on, and say their numbers."""
    said = []
    for k, (recipe, result) in enumerate(by_recipe.items()):
        iou = result.iou(FIRST)
        if iou is None:
            continue
        name = RECIPE_NAMES[recipe] if recipe else PLAIN
        y = top + (k + 0.5) * BAR
        axes.barh(y, iou.mean, height=0.9 * BAR, color=style.RECIPE_COLOURS[name], alpha=0.85 if recipe else 0.6)
        if iou.n > 1:
            axes.plot(iou.values, [y] * iou.n, "o", color=style.INK, markersize=2)
        place, size = max(iou.mean, *iou.values) + 1.5, style.FONT_SIZE - (len(by_recipe) > 1)
        axes.text(place, y, f"{iou.mean:.1f}", va="center", fontsize=size)
        said.append(f"{iou.mean:.1f}{f' {name}' if recipe else ''}")
    return ", ".join(said)
