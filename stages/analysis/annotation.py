"""What masks are worth: IoU by the share of images with a mask, and by the time that annotation takes.

The trainings are those of studies/annotation.yaml, and, of plain BCE and of the stable recipe, those of
studies/reference.yaml that change nothing but the number of masks. Time is per 1000 objects of the training images, so
it needs no count of objects: images with masks and images with boxes are taken to have equally many.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.analysis.naming import FIRST, PAPER_CLASSES, class_name, dataset_title, sentence
from stages.analysis.results import REFERENCE, committed_run, iou_of
from stages.analysis.statistics import Estimate, estimate
from stages.config import PAPER_IMAGES, Params, Row
from stages.errors import UserError
from stages.paths import ROOT
from stages.yaml_files import read_yaml

FOLDER = "annotation"
"""Of reference/, and the name of the grid in studies/."""
MASKS, MIXED, STABLE = "masks alone", "plain BCE on both", "stable recipe on both"
METHODS = (MASKS, MIXED, STABLE)
NOT_CHANGES = {"row", "seeds", "datasets"}
"""Keys of an entry of studies/ that say where it belongs, and not what it changes."""
NEAR = 0.95
"""What counts as nearly full supervision: this share of its IoU."""


@dataclass(frozen=True)
class Point:
    """One way to label a training set, and what a network learns from it.

    Attributes:
        method: One of METHODS; boxes alone are plain BCE, and all masks are masks alone.
        share: Images with a mask, in percent of all.
        hours: Of annotation for 1000 objects: a mask or a box each, those without a label none.
        iou: Of the first class in percent, with its interval over seeds.
    """

    method: str
    share: float
    hours: float
    iou: Estimate


@dataclass(frozen=True)
class Curve:
    """The points of one dataset, by method and share.

    Attributes:
        dataset: A profile's name.
        object: The name of its first class.
        points: All that were trained.
        confidence: Of the intervals.
    """

    dataset: str
    object: str
    points: Sequence[Point]
    confidence: float

    def of(self, method: str) -> list[Point]:
        """Return the points of a method, the smallest share first."""
        return sorted((one for one in self.points if one.method == method), key=lambda one: one.share)

    @property
    def full(self) -> Point:
        """The point with all masks."""
        return max(self.of(MASKS), key=lambda one: one.share)


def hours(pp: float, box: float, params: Params) -> float:
    """Return hours of annotation for 1000 objects, of which the share `pp` gets masks and `box` boxes, in [0, 1]."""
    return 1000 * (pp * params.mask_seconds + box * params.box_seconds) / 3600


def load(rows: Mapping[str, Row], params: Params, confidence: float, root: Path = ROOT) -> list[Curve]:
    """Return the curve of each dataset of which all masks and some masks alone were trained.

    Args:
        rows: All of configs/rows.yaml; trainings of others are left out.
        params: Give the seconds that a mask and a box take.
        confidence: Of the intervals.
        root: The project.

    Raises:
        UserError: There is no such dataset; or a file of studies/, or a training's, is broken.
    """
    found, grid, reference = [], *(read_yaml(root / "studies" / f"{name}.yaml") for name in (FOLDER, "reference"))
    of_rows = [
        name for name, row in rows.items() if row.classes == "one" and (row.loss == "bce" or row.recipe == "stable")
    ]
    entries: list[tuple[str, str, dict[str, Any]]] = [(REFERENCE, name, {"row": name}) for name in of_rows]
    fewer = {name: variant for name, variant in reference["runs"].items() if set(variant) - NOT_CHANGES == {"pp"}}
    entries += [(REFERENCE, name, variant) for name, variant in fewer.items() if variant["row"] in of_rows]
    variants = {name: {"row": grid["row"]} | variant for name, variant in grid["runs"].items()}
    entries += [(FOLDER, name, variant) for name, variant in variants.items() if variant["row"] in rows]
    for folder in sorted((root / "reference" / FOLDER).glob("*/")):
        points, names = [], []
        for where, entry, variant in entries:
            name = variant["row"]
            runs = _runs(where, entry, folder.name, root)
            values = {run["seed"]: iou_of(run, FIRST) or 0.0 for run in runs}
            if values:
                pp = variant.get("pp") or rows[name].pp
                points.append(_point(rows[name], pp, estimate(values, confidence), params))
                names.append(class_name(FIRST, runs[0].get("classes", PAPER_CLASSES)))
        if len([one for one in points if one.method == MASKS]) > 1 and any(one.share == 100 for one in points):
            found.append(Curve(folder.name, names[0], points, confidence))
    if not found:
        raise UserError(f"reference/{FOLDER} has no curve: allowed: its trainings in git, of rows in configs/rows.yaml")
    return found


def _runs(folder: str, entry: str, dataset: str, root: Path) -> list[Mapping]:
    """Return the trainings of an entry, from a folder of reference/."""
    files = sorted((root / "reference" / folder / dataset).glob(f"{entry}-*.json"))
    return [run for run in (committed_run(file, root) for file in files) if run["variant"] == entry]


def _point(row: Row, pp: int, iou: Estimate, params: Params) -> Point:
    method = STABLE if row.bootstraps else MIXED if row.box else MASKS
    boxes = PAPER_IMAGES - pp if row.box else 0
    return Point(method, 100 * pp / PAPER_IMAGES, hours(pp / PAPER_IMAGES, boxes / PAPER_IMAGES, params), iou)


def near_full(curve: Curve) -> Point:
    """Return the labels that take the least time of those whose mean IoU is nearly full supervision's."""
    enough = [one for one in curve.points if one.iou.mean >= NEAR * curve.full.iou.mean]
    return min(enough, key=lambda one: one.hours)


def lead(curve: Curve, point: Point) -> Estimate | None:
    """Return how many points of IoU a way to label is ahead of the masks alone that the same time buys.

    The difference is taken seed by seed, where the neighbouring shares of masks have the seed, too. Between these the
    IoU is interpolated over the logarithm of the time. None where the time buys fewer masks than were tried, or where
    no seed is common.
    """
    masks = curve.of(MASKS)
    if not masks[0].hours <= point.hours <= masks[-1].hours:
        return None
    above = max(1, int(np.searchsorted([one.hours for one in masks], point.hours)))
    less, more = masks[above - 1], masks[above]
    share = np.log(point.hours / less.hours) / np.log(more.hours / less.hours)
    ahead = {
        seed: iou - (1 - share) * less.iou.values[seed] - share * more.iou.values[seed]
        for seed, iou in point.iou.values.items()
        if seed in less.iou.values and seed in more.iou.values
    }
    return estimate(ahead, curve.confidence) if ahead else None


def advice(curve: Curve) -> str:
    """Say which labels to buy: the fewest hours for nearly full supervision, and whether boxes are worth theirs."""
    return f"{sentence(dataset_title(curve.dataset))}: {_enough(curve)}{_boxes(curve)}."


def _enough(curve: Curve) -> str:
    least, full = near_full(curve), curve.full
    if least is full:
        return (
            f"nothing less than masks on all images ({full.iou.mean:.1f} % in {full.hours:.1f} hours of annotation for "
            f"1000 objects) reaches {100 * NEAR:.0f} % of full supervision"
        )
    return (
        f"{labels(least)} {'give' if least.share else 'alone give'} {100 * least.iou.mean / full.iou.mean:.0f} % of "
        f"full supervision ({least.iou.mean:.1f} of {full.iou.mean:.1f} %) for {least.hours:.1f} instead of "
        f"{full.hours:.1f} hours of annotation for 1000 objects"
    )


def _boxes(curve: Curve) -> str:
    compared = [(ahead, one) for one in curve.of(STABLE) if (ahead := lead(curve, one)) is not None]
    if not compared:
        return ""
    ahead, best = max(compared, key=lambda pair: pair[0].mean)
    clear_low, clear_high = ahead.low is not None and ahead.low > 0, ahead.high is not None and ahead.high < 0
    worth = "are worth their time" if clear_low else "are worth their time at no share"
    if not (clear_low or clear_high):
        worth = "are not clearly worth their time"
    spread = "" if ahead.low is None else f" [{ahead.low:+.1f}, {ahead.high:+.1f}]"
    return (
        f"; boxes {worth}: at best, {labels(best)} give {ahead.mean:+.1f}{spread} points of IoU over masks alone for "
        f"the same {best.hours:.1f} hours (n = {ahead.n})"
    )


def labels(point: Point) -> str:
    """Say what is labelled how."""
    if point.share in (0, 100):
        return f"{'masks' if point.share else 'boxes'} on all images"
    masks = f"masks on {point.share:.2g} % of the images"
    return masks if point.method == MASKS else f"{masks} and boxes on the rest"
