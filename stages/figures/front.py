"""The report's first picture: one validation image through the rows, from its labels to what each loss makes of it."""

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from stages import left_out, paths
from stages.analysis.naming import dataset_title
from stages.analysis.results import PIPELINE, read_arrays
from stages.arrays import VOID, open_packed
from stages.figures import style
from stages.figures.absent import absent
from stages.figures.labelled_images import LabelledImage, labelled_image
from stages.figures.style import Picture
from stages.paths import ROOT

ROWS = {
    "bce-2780": "BCE, all masks",
    "bce-500-2280": "BCE, mixed labels",
    "uncertainty-500-2280": "BCE with uncertainty",
    "bootstrap-500-2280": "literal recipe",
    "bootstrap-500-2280-stable": "stable recipe",
}
"""The rows whose outputs are shown, and what they are called."""
FEW, LARGEST = (
    2,
    0.25,
)  # boxes, and share of the image that the class covers: a crowd or one that fills it shows no shape
CLASS = 1
WIDE, NARROW = 4, 2  # panels in a line


@rc_context(style.RULES)
def draw(dataset: str, seed: int, root: Path = ROOT, columns: int = WIDE) -> Picture:
    """Draw an image, its true mask, its box labels, and the outputs of ROWS.

    The image is chosen by its labels alone, so it is the same for every row and seed.

    Args:
        dataset: What the rows were trained on. seed: of their training. root: the project.
        columns: Panels in a line, WIDE or NARROW.

    Raises:
        UserError: A row was not evaluated.
    """
    rows = {row: title for row, title in ROWS.items() if not left_out.read(paths.train(row, seed, root))}
    if not rows and (notice := absent(ROWS, dataset, seed, root)):
        return notice
    outputs = {}
    for row in rows:
        file = paths.evaluate(row, seed, root) / "pictures.npz"
        outputs[row] = read_arrays(file, ("indices", "output"), PIPELINE, root)
    packed = open_packed(paths.packed(dataset, root)).val
    images = [labelled_image(packed, i, "one") for i in next(iter(outputs.values()))["indices"]]
    k = choose(images)
    labels = [images[k].mask, images[k].target, *(arrays["output"][k] for arrays in outputs.values())]
    titles = ["image", "true mask", "box labels", *rows.values()]
    pictures = [images[k].image, *map(style.class_picture, labels)]
    lines, title_height = -(-len(pictures) // columns), 1.04 / columns  # in inches
    figure = Figure(figsize=(style.WIDTH, lines * (style.WIDTH / columns * images[k].aspect + title_height)))
    for place, (title, picture) in enumerate(zip(titles, pictures, strict=True)):
        line, column = divmod(place, columns)
        share = title_height / figure.get_figheight()
        axes = figure.add_axes(
            (column / columns + 0.004, 1 - (line + 1) / lines + 0.01, 1 / columns - 0.008, 1 / lines - share - 0.01)
        )
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(title, fontsize=44 / columns, pad=3)
        style.draw(axes, picture)
        if place:
            style.outline(axes, images[k].indices)
    alt = (
        f"One validation image of {dataset_title(dataset)}, its true mask, its box labels, and the outputs of "
        f"{', '.join(rows.values())}; {packed.classes.boxed[0]} in blue, the boxes outlined. "
        + " ".join(f"{rows[row]}: {_agreement(arrays['output'][k], images[k])}" for row, arrays in outputs.items())
    )
    return Picture(figure, alt)


def choose(images: list[LabelledImage]) -> int:
    """Choose the image whose boxes hold the most background, among those with few boxes and few objects' pixels."""

    def order(image: LabelledImage) -> tuple[bool, int]:
        known = image.mask != VOID
        boxes = len(np.unique(image.indices[image.inside]))
        clear = 0 < boxes <= FEW and (image.mask == CLASS).mean() <= LARGEST
        return clear, int((known & image.inside & (image.mask != CLASS)).sum())

    return max(range(len(images)), key=lambda k: (*order(images[k]), -k))


def _agreement(output: np.ndarray, image: LabelledImage) -> str:
    """Say how far an output agrees with the mask and with the boxes."""
    known = image.mask != VOID
    marked = (output == CLASS) & known
    shares = []
    for truth in (image.mask == CLASS, image.inside):
        both, either = (marked & truth & known).sum(), ((marked | truth) & known).sum()
        shares.append(100 * both / either if either else 0.0)
    return f"IoU {shares[0]:.0f} % with the mask, {shares[1]:.0f} % with the boxes."
