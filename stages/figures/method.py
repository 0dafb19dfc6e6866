"""The method in one picture: an image, its box label, where the label flips, the output, and the true mask."""

from pathlib import Path

from matplotlib import rc_context

from stages import paths
from stages.analysis.naming import dataset_title
from stages.arrays import open_packed
from stages.figures import style
from stages.figures.labelled_images import choose, labelled_image
from stages.figures.snapshots import draw_flips, read_snapshots
from stages.figures.style import Picture, Sheet
from stages.paths import ROOT

COLUMNS = ("image", "box labels", "1 − W: doubted labels", "output", "true mask (unseen)")


@rc_context(style.RULES)
def draw(row: str, dataset: str, seed: int, count: int = 2, root: Path = ROOT) -> Picture:
    """Draw training images that a bootstrapping row knew by their boxes alone, at the end of its training.

    Args:
        row: A bootstrapping row of one class. dataset: what it was trained on. seed: of its training.
        count: How many images. root: the project.

    Raises:
        UserError: The run has no snapshots, or is of another dataset.
    """
    run = read_snapshots(row, dataset, seed, root)
    packed = open_packed(paths.packed(dataset, root)).train
    images = [labelled_image(packed, i, "one") for i in run.indices]
    chosen = choose(images, count)
    sheet = Sheet(COLUMNS, [""] * len(chosen), images[0].aspect)
    for line, k in enumerate(chosen):
        style.draw(sheet.panel(line, 0), images[k].image)
        style.draw(sheet.panel(line, 1), style.class_picture(images[k].target))
        draw_flips(sheet.panel(line, 2), run.label_flip[-1, k], images[k].indices)
        style.draw(sheet.panel(line, 3), style.class_picture(run.output[-1, k]))
        style.draw(sheet.panel(line, 4), style.class_picture(images[k].mask))
    alt = (
        f"{len(chosen)} training images of {dataset_title(dataset)}: image, box labels, 1 − W (bright where the label "
        f"is doubted), output, and the true mask, which training never saw."
    )
    return Picture(sheet.figure, alt)
