"""How much of the gap each remedy closes, and how good the labels inside boxes become."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from stages.analysis.naming import dataset_title
from stages.analysis.remedies import FULL, MIXED, Remedy
from stages.figures import style
from stages.figures.style import Picture

LEFT, RIGHT = -60, 130
"""Ends of the axis of shares, in percent."""


@rc_context(style.RULES)
def shares(found: Mapping[str, Sequence[Remedy]], aim: float) -> Picture:
    """Draw the share of the gap of each entry with its interval, a panel a dataset, and the paper's share (percent).

    An arrow stands for what lies further left.
    """
    names = list(dict.fromkeys(one.name for remedies in found.values() for one in remedies))
    names = [name for name in names if name not in (FULL, MIXED)]
    figure = Figure(figsize=(style.WIDTH, 1.0 + 0.21 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    said = []
    for axes, (dataset, remedies) in zip(panels, found.items(), strict=True):
        for one in remedies:
            if one.share and one.name in names:
                line, share = names.index(one.name), one.share
                colour = style.RECIPE_COLOURS["literal" if one.collapsed else "stable" if one.recall else "no recipe"]
                if share.low is not None:
                    axes.plot([share.low, share.high], [line] * 2, color=colour, lw=1.4, alpha=0.6)
                shown, marker = (share.mean, "o") if share.mean > LEFT else (LEFT + 3, "<")
                axes.plot([shown], [line], marker, color=colour, markersize=4, clip_on=False)
                said.append(f"{one.name} on {dataset_title(dataset)} {share.mean:.0f} %")
        for at in (0, aim, 100):
            axes.axvline(at, color=style.MUTED, lw=0.8, ls=":" if at == aim else "--", zorder=0)
        axes.set_title(dataset_title(dataset), fontweight="bold")
        axes.set(xlabel="of the gap that is closed (%)", ylim=(len(names) - 0.4, -0.6), xlim=(LEFT, RIGHT))
        axes.set_yticks(range(len(names)), names)
        axes.grid(axis="y", color=style.LINE, lw=0.4)
        axes.spines[["top", "right", "left"]].set_visible(False)
    return Picture(figure, f"Share of the gap that each entry closes, with 95 % intervals: {', '.join(said)}.")


@rc_context(style.RULES)
def labels(found: Mapping[str, Sequence[Remedy]], names: Sequence[str]) -> Picture:
    """Draw how the training's targets inside boxes agree with the masks over the training, a panel a dataset."""
    figure = Figure(figsize=(style.WIDTH, 3.0), layout="constrained")
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    colours = dict(zip(names, matplotlib.colormaps[style.SEQUENTIAL](np.linspace(0.1, 0.85, len(names))), strict=True))
    said = []
    for axes, (dataset, remedies) in zip(panels, found.items(), strict=True):
        for one in (one for one in remedies if one.name in names and one.labels):
            steps, ious = zip(*one.labels, strict=True)
            axes.plot(steps, ious, color=colours[one.name], lw=1.3, label=one.name)
            said.append(f"{one.name} on {dataset_title(dataset)}: from {ious[0]:.0f} to {ious[-1]:.0f} %")
        axes.set_title(dataset_title(dataset), fontweight="bold")
        axes.set(xlabel="training step", xlim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("labels’ IoU with masks (%)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return Picture(figure, f"IoU of the training's labels with the masks over the training. {'; '.join(said)}.")
