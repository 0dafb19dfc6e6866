"""What Figures 2 and 3 share: validation images with a network's output and uncertainty."""

from pathlib import Path

import numpy as np
from matplotlib import rc_context

from stages import paths
from stages.analysis.naming import FIRST, class_name, dataset_title
from stages.analysis.results import PIPELINE, iou_of, read_arrays, run_metrics
from stages.arrays import open_packed
from stages.figures import style
from stages.figures.absent import absent
from stages.figures.labelled_images import choose, labelled_image, percent
from stages.figures.style import Picture, Sheet


@rc_context(style.RULES)
def draw_validation(row: str, heading: str, dataset: str, seed: int, root: Path) -> Picture:
    """Draw validation images of a row with a variance: image, box target, output, sigma^2 with the boxes outlined."""
    if notice := absent([row], dataset, seed, root):
        return notice
    metrics = run_metrics(row, dataset, seed, root)
    file = paths.evaluate(row, seed, root) / "pictures.npz"
    pictures = read_arrays(file, ("indices", "variance", "output"), PIPELINE, root)
    packed = open_packed(paths.packed(dataset, root)).val
    images = [labelled_image(packed, i, "one") for i in pictures["indices"]]
    chosen = choose(images, count=4)
    variance = pictures["variance"].astype(np.float32)[chosen, 0]
    low, high = float(variance.min()), float(np.percentile(variance, 99.5))
    shape = metrics["rectangularity"]
    measured = (
        f"Validation {class_name(FIRST, metrics['classes'])} IoU {percent(iou_of(metrics, FIRST))}. "
        f"The output agrees with the boxes by {percent(shape['iou_with_boxes'])}, "
        f"with the true masks by {percent(shape['iou_with_masks'])} IoU."
    )
    sheet = Sheet(
        ["input", "box target", "output", "uncertainty σ²"],
        [""] * len(chosen),
        images[0].aspect,
        heading=f"{heading} · {dataset_title(dataset)}",
        subtitle=[measured],
        colorbar="σ²",
    )
    for line, k in enumerate(chosen):
        style.draw(sheet.panel(line, 0), images[k].image)
        style.draw(sheet.panel(line, 1), style.class_picture(images[k].target))
        style.draw(sheet.panel(line, 2), style.class_picture(pictures["output"][k]))
        axes = sheet.panel(line, 3)
        bar = style.draw(axes, variance[line], cmap=style.SEQUENTIAL, vmin=low, vmax=max(high, low + 1e-3))
        style.outline(axes, images[k].indices)
    sheet.colorbar(bar)
    alt = (
        f"{len(chosen)} validation pictures on {dataset_title(dataset)}: input, box target, output and "
        f"uncertainty of {row}, with the boxes outlined. {measured}"
    )
    return Picture(sheet.figure, alt)
