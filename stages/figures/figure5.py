"""Figure 5: label flips and output on training images during training, in both recipes."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import rc_context

from stages import paths
from stages.analysis.naming import FIRST, dataset_title
from stages.arrays import open_packed
from stages.figures import style
from stages.figures.absent import absent
from stages.figures.labelled_images import choose, labelled_image
from stages.figures.snapshots import FLIPPED, RECIPE_TITLES, both_recipes, both_rows, draw_flips, share
from stages.figures.style import Picture, Sheet
from stages.paths import ROOT

ROW = "bootstrap-500-2280"
PLACES = (("upper left", 0, 0), ("upper right", 0, 1), ("lower left", 1, 0), ("lower right", 1, 1))
"""A pixel's place in a block of 2x2: its name, first row, first column."""


@rc_context(style.RULES)
def draw(dataset: str, seed: int, root: Path = ROOT) -> Picture:
    """Draw training images of `bootstrap-500-2280` in both recipes, twice early and once at the end."""
    if notice := absent(both_rows(ROW), dataset, seed, root):
        return notice
    runs = both_recipes(ROW, dataset, seed, root)
    packed = open_packed(paths.packed(dataset, root)).train
    chosen = choose([labelled_image(packed, i, "one") for i in runs["paper"].indices], count=2)
    images = [labelled_image(packed, runs["paper"].indices[k], "one") for k in chosen]
    steps = runs["paper"].steps
    columns = ["input", "training target", *["1 − W", "output"] * 2]
    sheet = Sheet(
        columns,
        [f"step\n{steps[t]}" for _ in images for t in range(len(steps))],
        images[0].aspect,
        heading=f"BCE with uncertainty and bootstrapping, training pictures · {dataset_title(dataset)}",
        subtitle=[run.summary(FIRST) for run in runs.values()],
        block=len(steps),
        groups=[(2, 3, RECIPE_TITLES["paper"]), (4, 5, RECIPE_TITLES["stable"])],
        colorbar="1 − W (1: the target is flipped)",
    )
    rows = [(k, t) for k in range(len(images)) for t in range(len(steps))]
    for row, (k, t) in enumerate(rows):
        style.draw(sheet.panel(row, 0), images[k].image)
        style.draw(sheet.panel(row, 1), style.class_picture(images[k].target))
        for column, run in zip((2, 4), runs.values(), strict=True):
            axes = sheet.panel(row, column)
            bar = draw_flips(axes, run.label_flip[t, chosen[k]], images[k].indices)
            style.draw(sheet.panel(row, column + 1), style.class_picture(run.output[t, chosen[k]]))
    sheet.colorbar(bar)
    alt = (
        f"{len(rows)} rows of training pictures on {dataset_title(dataset)}, {len(images)} pictures at steps "
        f"{', '.join(map(str, steps))}: input, box target, then flip weight 1 − W and output for the literal and the "
        f"stable recipe. {' '.join(run.summary(FIRST) for run in runs.values())}"
    )
    return Picture(sheet.figure, alt)


def flips_by_place(dataset: str, seed: int, root: Path = ROOT) -> pd.DataFrame:
    """Return which share of the box pixels behind Figure 5 is flipped at the last moment, by place in the 2x2 blocks of
    the network's last layer (a transposed convolution of stride 2), which has weights of its own for each place; an
    empty table where a row was left out."""
    if absent(both_rows(ROW), dataset, seed, root):
        return pd.DataFrame()
    runs = both_recipes(ROW, dataset, seed, root)
    shares = {}
    for recipe, run in runs.items():
        inside = np.stack([image.inside for image in run.images])
        flipped = run.label_flip[-1] > FLIPPED
        shares[RECIPE_TITLES[recipe]] = {
            name: round(100 * share(flipped[:, y::2, x::2], inside[:, y::2, x::2]), 1) for name, y, x in PLACES
        }
    return pd.DataFrame(shares).T
