"""When the literal loss lives and when it dies: IoU over the training, under readings that were watched."""

from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from stages.analysis.naming import dataset_title
from stages.analysis.readings import Variant
from stages.figures import style
from stages.figures.style import Picture


@rc_context(style.RULES)
def draw(found: Mapping[str, Mapping[str, Variant]]) -> Picture | None:
    """Draw the IoU on held-out images while training, a thin line a seed; None where no training was watched.

    Args:
        found: The study's entries by dataset; one without a watched training has no panel.
    """
    found = {dataset: variants for dataset, variants in found.items() if any(one.watched for one in variants.values())}
    if not found:
        return None
    names = list(dict.fromkeys(name for variants in found.values() for name in variants if variants[name].watched))
    colours = dict(zip(names, matplotlib.colormaps[style.SEQUENTIAL](np.linspace(0.1, 0.75, len(names))), strict=True))
    figure = Figure(figsize=(style.WIDTH, 2.8), layout="constrained")
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    said = []
    for axes, (dataset, variants) in zip(panels, found.items(), strict=True):
        for name in (name for name in names if name in variants):
            for seed, curve in enumerate(variants[name].watched):
                steps, ious = np.array(curve).T
                axes.plot(steps, ious, color=colours[name], lw=1.2, label=name if seed == 0 else None)
            best, last = variants[name].best, variants[name].iou
            said.append(f"{name} on {dataset_title(dataset)}: at best {best}, in the end {last}")
        axes.set_title(dataset_title(dataset), fontweight="bold")
        axes.set(xlabel="training step", ylim=(-2, 100), xlim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("IoU on held-out images (%)")
    lines = {line.get_label(): line for axes in panels for line in axes.get_lines() if line.get_label() in names}
    shown = {name: lines[name] for name in names}
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3, frameon=False)
    return Picture(figure, f"IoU on held-out images over the training. {'; '.join(said)}.")
