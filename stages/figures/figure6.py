"""Figure 6: multi-class label flips and output on training images at the end of training, in both recipes."""

from pathlib import Path

from matplotlib import rc_context

from stages import paths
from stages.analysis.naming import dataset_title, sentence
from stages.arrays import open_packed
from stages.figures import style
from stages.figures.absent import absent
from stages.figures.labelled_images import choose, labelled_image
from stages.figures.snapshots import RECIPE_TITLES, both_recipes, both_rows, draw_flips
from stages.figures.style import Picture, Sheet
from stages.paths import ROOT

ROW = "ce-bootstrap-500-2280"


@rc_context(style.RULES)
def draw(dataset: str, seed: int, root: Path = ROOT) -> Picture:
    """Draw training images of `ce-bootstrap-500-2280` in both recipes, at the end of training."""
    if notice := absent(both_rows(ROW), dataset, seed, root):
        return notice
    runs = both_recipes(ROW, dataset, seed, root)
    packed = open_packed(paths.packed(dataset, root)).train
    everything = [labelled_image(packed, i, "few") for i in runs["paper"].indices]
    chosen = choose(everything, count=3, classes=(1, 2))
    names = packed.classes.of_boxes("few")
    columns = ["input", "target masks", *[*(f"{name} flips" for name in names), "output"] * 2]
    sheet = Sheet(
        columns,
        [""] * len(chosen),
        everything[0].aspect,
        heading=sentence(f"{' and '.join(names)} with bootstrapping, training pictures · {dataset_title(dataset)}"),
        subtitle=[f"The end of training, step {runs['paper'].steps[-1]}."]
        + [run.summary("mean") for run in runs.values()],
        groups=[(2, 4, RECIPE_TITLES["paper"]), (5, 7, RECIPE_TITLES["stable"])],
        colorbar="1: the label is replaced by the model's output",
    )
    for row, k in enumerate(chosen):
        sample = everything[k]
        style.draw(sheet.panel(row, 0), sample.image)
        style.draw(sheet.panel(row, 1), style.class_picture(sample.target))
        for column, run in zip((2, 5), runs.values(), strict=True):
            for label in (1, 2):
                of_class = sample.target == label
                axes = sheet.panel(row, column + label - 1)
                bar = draw_flips(axes, run.label_flip[-1, k] * of_class, sample.indices * of_class)
            style.draw(sheet.panel(row, column + 2), style.class_picture(run.output[-1, k]))
    sheet.colorbar(bar)
    alt = (
        f"{len(chosen)} training pictures on {dataset_title(dataset)} at the end of training: input, target "
        f"masks ({names[0]} blue, {names[1]} red), then the flipped pixels of {names[0]} boxes, of {names[1]} boxes, "
        f"and the output for the literal and stable recipe. {' '.join(run.summary('mean') for run in runs.values())}"
    )
    return Picture(sheet.figure, alt)
