"""The training's own box labels, corrected: boxes with wrong pixels flipped, as a COCO file, most doubtful first."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stages import paths
from stages.arrays import REMEDY, Packed, open_packed, pools, read_json
from stages.boxes.spans import span
from stages.errors import UserError
from stages.model.predictor import Predictor, covers_of
from stages.predict.coco import categories, encode
from stages.predict.files import check_outputs, whole_file
from stages.progress import bar

RELABELLED, WORKLIST = "relabelled.json", "relabelled.csv"
COLUMNS = ("rank", "picture", "box", "class", "flipped", "variance", "x", "y", "width", "height")

Entry = Mapping[str, Any]
"""An image or an annotation of boxes.json."""


@dataclass(frozen=True)
class CorrectedBox:
    """A box of a training image.

    Attributes:
        picture: The image's entry in boxes.json.
        box: The box's.
        mask: (h, w) bool, the pixels of the box, at the picture's size, that keep its class.
        flipped: Share of its labels, at training size, that change; in [0, 1].
        variance: Mean sigma^2 of these labels, in logit^2; what boxes are ranked by.
    """

    picture: Entry
    box: Entry
    mask: np.ndarray
    flipped: float
    variance: float


def write_relabelled(
    predictor: Predictor, run: Path, out: Path, *, batch: int = 8, force: bool = False, root: Path = paths.ROOT
) -> int:
    """Correct the boxes of a run's box images and write relabelled.json and relabelled.csv.

    Args:
        predictor: Of the run.
        run: Its folder.
        out: The folder of outputs.
        batch: Images that the network takes at a time.
        force: Whether files that exist are written over.
        root: The project's folder, with the run's data.

    Returns:
        The number of boxes.

    Raises:
        UserError: The row flips no labels; the data are missing, broken or not those of the training; a file exists,
            without `force`, or cannot be written.
    """
    if not predictor.chosen.row.bootstraps:
        raise UserError(
            f"--run {run}: loss {predictor.chosen.loss} flips no labels; allowed with --relabel: a run of a "
            "bootstrapping row, such as bootstrap-500-2280-stable"
        )
    check_outputs([out / RELABELLED, out / WORKLIST], force)
    packed = open_packed(paths.packed(predictor.run["dataset"], root))
    record = read_json(run / "record.json", "train this run first")
    if not isinstance(record, dict):
        raise UserError(f"{run / 'record.json'}: is not what a training writes; train this run again")
    if record.get("data") != packed.fingerprint:
        raise UserError(f"{packed.path}: is not what {run} was trained on; `dvc repro` trains it anew")
    pictures, boxes = corrected_boxes(predictor, packed, batch)
    boxes.sort(key=lambda box: (box.variance, box.flipped), reverse=True)
    with whole_file(out / RELABELLED) as file:
        file.write_text(json.dumps(_coco(predictor, pictures, boxes)) + "\n", encoding="utf-8")
    with whole_file(out / WORKLIST) as file, file.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(COLUMNS)
        for rank, box in enumerate(boxes, start=1):
            name = predictor.run["classes"][box.box["category_id"]]
            numbers = (f"{box.flipped:.4f}", f"{box.variance:.4g}", *box.box["bbox"])
            table.writerow([rank, box.picture["file_name"], box.box["id"], name, *numbers])
    return len(boxes)


def corrected_boxes(predictor: Predictor, packed: Packed, batch: int) -> tuple[list[Entry], list[CorrectedBox]]:
    """Return the entries of a run's box images in boxes.json, and their boxes, corrected, in the order of that file.

    A box that others hide altogether is no label of the training, and is left out.

    Args:
        predictor: Of a run of a bootstrapping row.
        packed: The data that it was trained on.
        batch: Images that the network takes at a time.

    Raises:
        UserError: There is no boxes.json, it is damaged, or it does not fit the arrays.
    """
    split, task, chosen = packed.train, predictor.run["task"], predictor.chosen
    file = packed.path / "boxes.json"
    listed, annotations = _read_boxes(file)
    if [image["file_name"] for image in listed[: len(split)]] != list(split.ids):
        raise UserError(f"{file}: lists other images than split.json")
    of_image: dict[int, list[Entry]] = {image["id"]: [] for image in listed}
    for box in annotations:
        if box["image_id"] not in of_image:
            raise UserError(f"{file}: annotation {box['id']} names image {box['image_id']}, which it lacks; {REMEDY}")
        if box["category_id"] < len(predictor.run["classes"]):  # index maps count the boxes of the task
            of_image[box["image_id"]].append(box)
    pictures, boxes = [], []
    _, pool = pools(packed, chosen.row)
    with bar(len(pool), "relabel") as progress:
        for first in range(0, len(pool), batch):
            part = pool[first : first + batch]
            images, targets, indices = (
                torch.from_numpy(array[part]) for array in (split.images, split.targets(task), split.indices(task))
            )
            covers = covers_of(chosen, packed, part)
            labels, log_variances = _correct(predictor, images, targets.long(), indices.long(), covers)
            for k, index, label, log_variance in zip(part, indices.numpy(), labels, log_variances, strict=True):
                picture = listed[k]
                pictures.append(picture)
                boxes += _of_picture(picture, of_image[picture["id"]], index, label, log_variance)
                progress.update()
    return pictures, boxes


def _read_boxes(file: Path) -> tuple[list[Entry], list[Entry]]:
    """Return the images and the annotations of boxes.json.

    Raises:
        UserError: It is missing, or an entry lacks what is read of it.
    """
    coco = read_json(file)
    for kind, entry_is_good in (("images", _is_image), ("annotations", _is_box)):
        entries = coco.get(kind) if isinstance(coco, dict) else None
        if not isinstance(entries, list):
            raise UserError(f"{file}: has no list of {kind}; {REMEDY}")
        for place, entry in enumerate(entries):
            if not isinstance(entry, dict) or not entry_is_good(entry):
                raise UserError(f"{file}: entry {place} of {kind} is damaged; {REMEDY}")
    return coco["images"], coco["annotations"]


def _is_image(entry: Entry) -> bool:
    numbers = _whole(entry.get("id"), entry.get("width"), entry.get("height"))
    return numbers and isinstance(entry.get("file_name"), str) and _is_rectangle(entry.get("window"))


def _is_box(entry: Entry) -> bool:
    numbers = _whole(entry.get("id"), entry.get("image_id"), entry.get("category_id"))
    return numbers and entry["category_id"] > 0 and _is_rectangle(entry.get("bbox"))


def _is_rectangle(value: Any) -> bool:
    """Return whether a value is [x, y, width, height], the last two above 0."""
    return isinstance(value, list) and len(value) == 4 and _whole(*value) and min(value[2:]) > 0


def _whole(*values: Any) -> bool:
    return all(type(value) is int for value in values)  # a bool is an int, too


def _correct(
    predictor: Predictor, images: Tensor, target: Tensor, box: Tensor, covers: Tensor | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the bootstrapped targets (N, H, W) int64 and the log sigma^2 of the labels (N, H, W) fp32 of images."""
    target = target.where(box > 0, 0)  # outside of boxes nothing is asked
    prediction = predictor.decider(images, predictor(images, target, box), target, box)
    flips = predictor.label_flips(prediction, target, box, covers)
    labels = predictor.relabel(prediction, target, flips, covers)
    return labels.cpu().numpy(), predictor.label_log_variance(prediction, target).cpu().numpy()


def _of_picture(
    picture: Entry, boxes: list[Entry], index: np.ndarray, labels: np.ndarray, log_variance: np.ndarray
) -> list[CorrectedBox]:
    """Correct the boxes of one image; the arrays (H, W) are at training size."""
    found = []
    for number, box in enumerate(boxes, start=1):
        own = index == number
        if own.any():
            kept = own & (labels == box["category_id"])
            flipped, variance = 1 - kept.sum() / own.sum(), np.exp(log_variance[own].astype(np.float64)).mean()
            found.append(CorrectedBox(picture, box, enlarge(kept, picture, box), float(flipped), float(variance)))
    return found


def enlarge(mask: np.ndarray, picture: Entry, box: Entry) -> np.ndarray:
    """Return the part of a mask that lies in a box, at the size of the picture.

    A pixel of the picture takes the nearest one of those in which the box was drawn, see `spans.span`, so a mask of all
    these is the box, to the pixel.

    Args:
        mask: (H, W) bool, at training size.
        picture: Its entry in boxes.json.
        box: The box's.

    Returns:
        (height, width) of the box, bool.
    """
    x, y, width, height = box["bbox"]
    left, top, across, down = picture["window"]
    nearest = []
    for start, length, full, small in (
        (y - top, height, down, len(mask)),
        (x - left, width, across, mask.shape[1]),
    ):
        drawn = span(start, start + length, full, small)
        centres = (2 * np.arange(start, start + length) + 1) * small // (2 * full)
        nearest.append(centres.clip(drawn.start, drawn.stop - 1))
    return mask[np.ix_(*nearest)]


def _coco(predictor: Predictor, pictures: list[Entry], ranked: list[CorrectedBox]) -> dict[str, Any]:
    """Return what relabelled.json holds: images in the order of their most doubtful box, those without one last."""
    run = predictor.run
    order = dict.fromkeys(box.picture["id"] for box in ranked)
    by_id = {picture["id"]: picture for picture in pictures}
    return {
        "info": {"description": f"boxes of {run['dataset']}, corrected by {run['row']} seed {run['seed']}"},
        "images": [by_id[key] for key in [*order, *(key for key in by_id if key not in order)]],
        "categories": categories(run["classes"]),
        "annotations": [_annotation(box) for box in ranked],
    }


def _annotation(box: CorrectedBox) -> dict[str, Any]:
    x, y, _, _ = box.box["bbox"]
    return {
        **box.box,
        "area": int(box.mask.sum()),
        "segmentation": encode(box.mask, x, y, box.picture["width"], box.picture["height"]),
        "attributes": {"flipped": round(box.flipped, 4), "variance": float(f"{box.variance:.4g}")},
    }
