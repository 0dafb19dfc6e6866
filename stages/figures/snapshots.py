"""What Figures 5 and 6 share: what both recipes said of training images while they trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from stages import paths
from stages.analysis.naming import class_name
from stages.analysis.results import PIPELINE, iou_of, read_arrays, run_metrics, training
from stages.arrays import VOID, open_packed
from stages.errors import UserError
from stages.figures import style
from stages.figures.labelled_images import LabelledImage, labelled_image, percent

RECIPE_TITLES = {"paper": "literal recipe (paper)", "stable": "stable recipe"}
FLIPPED = 0.5  # 1 - W above this counts as flipped


@dataclass(frozen=True)
class Snapshots:
    """What a bootstrapping run said of K training images at three steps.

    Attributes:
        recipe: Its name. steps: (3,) finished steps. indices: (K,) training indices.
        label_flip: (3, K, H, W) in [0, 1], 1 - W. output: (3, K, H, W) classes.
        images: K, in the order of `indices`. metrics: of the run's evaluation.
    """

    recipe: str
    steps: tuple[int, ...]
    indices: tuple[int, ...]
    label_flip: np.ndarray
    output: np.ndarray
    images: Sequence[LabelledImage]
    metrics: Mapping[str, Any]

    def summary(self, label: str) -> str:
        """Say in one line what became of these images' box pixels at the last moment, and the validation IoU."""
        flipped, objects, wrong = self.shares()
        iou = percent(iou_of(self.metrics, label))
        name = "mIoU" if label == "mean" else f"{class_name(label, self.metrics['classes'])} IoU"
        return (
            f"{RECIPE_TITLES[self.recipe].capitalize()}: {outcome(objects, wrong)}. Validation {name} {iou}. Of the "
            f"box pixels of {len(self.images)} training images, {100 * flipped:.0f} % are flipped; "
            f"{100 * objects:.0f} % of the rightly and {100 * wrong:.0f} % of the wrongly labelled ones come out as "
            f"their box's class."
        )

    def shares(self) -> tuple[float, float, float]:
        """Return what became of the box pixels at the last moment, void left out; a share of nothing is 0.

        Returns:
            The share that is flipped; of the rightly, and of the wrongly labelled ones, the share whose output is the
            class of the box.
        """
        inside = np.stack([s.inside & (s.mask != VOID) for s in self.images])
        target = np.stack([s.target for s in self.images])
        right = np.stack([s.mask for s in self.images]) == target
        kept = self.output[-1] == target
        flipped = self.label_flip[-1] > FLIPPED
        return share(flipped, inside), share(kept, inside & right), share(kept, inside & ~right)


def share(found: np.ndarray, of: np.ndarray) -> float:
    """Return the share of the pixels in `of` (bool) that are found; 0 where there are none."""
    return float(found[of].mean()) if of.any() else 0.0


def outcome(objects: float, wrong: float) -> str:
    """Say what became of the boxes.

    Args:
        objects: Share of the rightly labelled box pixels that come out as the object.
        wrong: The same of the wrongly labelled.
    """
    if objects < 0.5:
        return "most object pixels come out as something else"
    return "the output stays close to the boxes" if wrong > 0.5 else "the output follows the objects"


def both_rows(row: str) -> tuple[str, str]:
    """Return the row in the literal recipe, and in the stable one."""
    return row, f"{row}-stable"


def both_recipes(row: str, dataset: str, seed: int, root: Path) -> dict[str, Snapshots]:
    """Return the snapshots of a row in both recipes, of the same images at the same steps.

    Raises:
        UserError: They are missing, of another dataset, or of different images or steps.
    """
    named = zip(("paper", "stable"), both_rows(row), strict=True)
    runs = {recipe: read_snapshots(name, dataset, seed, root) for recipe, name in named}
    if runs["paper"].indices != runs["stable"].indices or runs["paper"].steps != runs["stable"].steps:
        raise UserError(
            f"{row} and {row}-stable, seed {seed}, show other pictures or steps: train both with one setting"
        )
    return runs


def read_snapshots(row: str, dataset: str, seed: int, root: Path) -> Snapshots:
    """Return the snapshots of a run.

    Raises:
        UserError: They are missing or of another dataset.
    """
    run = training(row, seed, root)
    if run["dataset"] != dataset:
        raise UserError(f"runs/{row}/seed-{seed} is of dataset {run['dataset']}, not {dataset}: `dvc repro`")
    arrays = read_arrays(
        paths.train(row, seed, root) / "snapshots.npz", ("steps", "indices", "label_flip", "output"), PIPELINE, root
    )
    packed = open_packed(paths.packed(dataset, root)).train
    return Snapshots(
        recipe=run["recipe"],
        steps=tuple(arrays["steps"].tolist()),
        indices=tuple(arrays["indices"].tolist()),
        label_flip=arrays["label_flip"].astype(np.float32),
        output=arrays["output"],
        images=[labelled_image(packed, i, run["task"]) for i in arrays["indices"]],
        metrics=run_metrics(row, dataset, seed, root),
    )


def draw_flips(axes: Axes, label_flip: np.ndarray, indices: np.ndarray) -> AxesImage:
    """Draw label flips in [0, 1] with the boxes outlined, and return the image for a colour scale."""
    image = style.draw(axes, label_flip, cmap=style.SEQUENTIAL, vmin=0, vmax=1)
    style.outline(axes, indices)
    return image
