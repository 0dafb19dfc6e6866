"""Validation images with their labels, beside what several rows make of them."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context

from stages import paths
from stages.analysis.naming import dataset_title, sentence
from stages.analysis.results import PIPELINE, read_arrays
from stages.arrays import open_packed
from stages.figures import style
from stages.figures.absent import absent
from stages.figures.labelled_images import choose, labelled_image
from stages.figures.style import Picture, Sheet
from stages.paths import ROOT


@rc_context(style.RULES)
def draw(rows: Sequence[str], task: str, dataset: str, seed: int, root: Path = ROOT) -> Picture:
    """Draw validation images with their masks and boxes, beside what rows of one task make of them."""
    if notice := absent(rows, dataset, seed, root):
        return notice
    kept = {}
    for row in rows:
        file = paths.evaluate(row, seed, root) / "pictures.npz"
        kept[row] = read_arrays(file, ("indices", "output"), PIPELINE, root)
    packed, indices = open_packed(paths.packed(dataset, root)).val, next(iter(kept.values()))["indices"]
    images = [labelled_image(packed, i, task) for i in indices]
    chosen = choose(images, count=3)
    named = packed.classes.of_boxes(task)
    colours = sentence(", ".join(f"{name} is {colour}" for name, colour in zip(named, ("blue", "red"), strict=False)))
    sheet = Sheet(
        ["input", "true mask", "box target", *rows],
        [""] * len(chosen),
        images[0].aspect,
        heading=f"Outputs on validation pictures · {dataset_title(dataset)}",
        subtitle=[f"Final weights, seed {seed}. {colours}, void is grey."],
    )
    for line, k in enumerate(chosen):
        style.draw(sheet.panel(line, 0), images[k].image)
        labels = [images[k].mask, images[k].target, *(arrays["output"][k] for arrays in kept.values())]
        for column, shown in enumerate(labels, start=1):
            style.draw(sheet.panel(line, column), style.class_picture(shown))
    alt = (
        f"{len(chosen)} validation pictures on {dataset_title(dataset)}: input, true mask, box target, and the "
        f"output of {' and of '.join(rows)}."
    )
    return Picture(sheet.figure, alt)
