"""The ablation at one glance: car IoU of each variant of the recipe."""

from collections.abc import Mapping

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.analysis.ablation import BASELINES, Variant
from stages.analysis.naming import dataset_title
from stages.figures import style
from stages.figures.style import Picture


@rc_context(style.RULES)
def draw(found: Mapping[str, Mapping[str, Variant]]) -> Picture:
    """Draw the car IoU of each variant, a dot for each seed, a panel for each dataset; lines are the baselines."""
    places = {name: variant.place for variants in found.values() for name, variant in variants.items()}
    names = sorted(places, key=places.get)
    figure = Figure(figsize=(style.WIDTH, 0.9 + 0.2 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axes, (dataset, variants) in zip(panels, found.items(), strict=True):
        for line, name in enumerate(names):
            if name in variants:
                _dots(axes, line, variants[name])
        for name in BASELINES:
            if name in variants:
                axes.axvline(variants[name].iou.mean, color=style.MUTED, lw=0.8, ls="--", zorder=0)
        axes.set_title(dataset_title(dataset), fontweight="bold")
        axes.set(xlabel="car IoU on held-out training images (%)", ylim=(len(names) - 0.4, -0.6), xlim=(0, None))
        axes.set_yticks(range(len(names)), names)
        axes.grid(axis="y", color=style.LINE, lw=0.4)
        axes.spines[["top", "right", "left"]].set_visible(False)
    dead = [f"{name} on {key}" for key, variants in found.items() for name in variants if variants[name].collapsed]
    return Picture(
        figure,
        f"Car IoU of {len(names)} variants of the recipe on {' and '.join(map(dataset_title, found))}, a dot for "
        f"each seed, in red where a training collapsed: {', '.join(dead) or 'none'}.",
    )


def _dots(axes: Axes, line: int, variant: Variant) -> None:
    colour = style.RECIPE_COLOURS[
        "literal" if variant.collapsed else "stable" if variant.false_flip_rate else "no recipe"
    ]
    axes.plot(variant.iou.values, [line] * variant.iou.n, "o", color=colour, markersize=4, alpha=0.8)
