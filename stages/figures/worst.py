"""The validation images that a row finds hardest: where a person who labels should look first."""

from pathlib import Path

from matplotlib import rc_context

from stages import paths
from stages.analysis.naming import dataset_title
from stages.analysis.results import PIPELINE, read_arrays
from stages.arrays import open_packed
from stages.figures import style
from stages.figures.labelled_images import labelled_image
from stages.figures.style import Picture, Sheet
from stages.paths import ROOT

COLUMNS = ("image", "true mask", "output")


@rc_context(style.RULES)
def draw(row: str, task: str, dataset: str, seed: int, root: Path = ROOT) -> Picture | None:
    """Draw the validation images with the lowest IoU, worst first, two in a line; None where no image has a class.

    Raises:
        UserError: The row was not evaluated.
    """
    file = paths.evaluate(row, seed, root) / "pictures.npz"
    kept = read_arrays(file, ("image_iou", "worst_indices"), PIPELINE, root)
    worst = kept["worst_indices"]
    if not len(worst):
        return None
    split = open_packed(paths.packed(dataset, root)).val
    images = [labelled_image(split, i, task) for i in worst]
    lines = -(-len(worst) // 2)
    sheet = Sheet(COLUMNS * 2, [""] * lines, images[0].aspect, groups=[(0, 2, " "), (3, 5, " ")])
    for place, image in enumerate(images):
        line, first = divmod(place, 2)
        pictures = (image.image, *map(style.class_picture, (image.mask, kept["worst_output"][place])))
        for column, picture in enumerate(pictures):
            style.draw(sheet.panel(line, 3 * first + column), picture)
    listed = ", ".join(f"{split.ids[i]} ({kept['image_iou'][i]:.0f} %)" for i in worst)
    alt = f"The {len(worst)} validation images of {dataset_title(dataset)} with the lowest IoU of {row}: {listed}."
    return Picture(sheet.figure, alt)
