"""The measurements of one trained run: IoU, wrong box labels found, rectangularity, and predictions for the figures."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stages.arrays import VOID, Packed, Split, pools, task_masks
from stages.config import Row
from stages.evaluate.box_errors import box_error_rates, box_error_table
from stages.evaluate.iou import class_iou, confusion_matrix, mean_iou
from stages.evaluate.label_variance import BINS, auroc, edge_ratio, edge_sums, variance_table
from stages.evaluate.pictures import choose_pictures
from stages.evaluate.rectangles import agreements, extents
from stages.model.predictor import Predictor, covers_of, label_margin

BATCH = 16  # images at a time; bounds the memory, and no result depends on it
N_WORST = 6
FLIPPED = 0.5  # a pixel counts as flipped where 1 - W is larger: its target has moved more than half way (Eq 10)
FLOAT16_MAX = float(np.finfo(np.float16).max)


def evaluate(predictor: Predictor, packed: Packed, device: torch.device) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure a run on the whole validation set and, where it trained on boxes, on all of its training box images.

    Args:
        predictor: The trained network, with the content of its run.json.
        packed: The data that it was trained on.
        device: Where the predictor lives.

    Returns:
        metrics: The content of evaluate/metrics.json: row, seed, dataset, task, recipe, classes and n_images, then
            iou, mean_iou: Percent, of the validation set; NaN for a class that is nowhere.
            confusion: [[int]] pixels, row = true class.
            parts: Of a validation set of several parts of its source, such as CamVid's val and test, each one's
                n_images, iou and mean_iou; else {}.
            label_flips, contradictions: Percent, see `box_error_rates`, of the flipped labels of rows that bootstrap,
                and of the outputs that differ from their label in rows trained on boxes; else None.
            auroc: In [0, 1], of the variance for wrong labels; None for rows without variance or boxes.
            auroc_mean: The same of the means, see `label_margin`; None for rows without boxes. What the variance tells
                beyond it, the output does not say by itself.
            edge_ratio: Above 0, of the variance at the edges of boxes to that in the rest; None as for auroc.
            rectangularity: iou_with_boxes and iou_with_masks, percent, mean over the classes with boxes, of the output
                with the box targets and with the masks of the validation set; component_boxes and component_masks,
                percent, mean over the output's components, see `agreements`; extent, extent_masks and extent_boxes in
                (0, 1], mean over the components of the output, of the masks and of the box targets, see `extents`.
        pictures: The content of evaluate/pictures.npz: indices (K,) int64 of validation images; mean (K, C, H, W) and,
            for rows with a variance, variance, both float16 and clipped to its range; output (K, H, W) uint8.
            image_iou (N,) float32 of each validation image, see `image_iou`; worst_indices (M,) int64 of the images
            with the lowest, worst first, and worst_output (M, H, W) uint8.
    """
    row = predictor.chosen.row
    with torch.inference_mode():
        validation = _validation(predictor, packed, device)
        found = _box_errors(predictor, packed, row, device)
        pictures = _pictures(predictor, packed.val, device) | _worst(predictor, packed.val, validation[2], device)
    run = {key: predictor.run[key] for key in ("row", "seed", "dataset", "task", "recipe")}
    return {
        **run,
        "classes": list(predictor.chosen.classes),
        **validation[0],
        **found,
        "rectangularity": validation[1],
    }, pictures


def _validation(
    predictor: Predictor, packed: Packed, device: torch.device
) -> tuple[dict[str, Any], dict[str, float | None], np.ndarray]:
    """Return the scores and the rectangularity of the validation set, and the IoU of each of its images."""
    split, row, parts = packed.val, predictor.chosen.row, np.array(packed.contents.val_parts)
    classes, boxed = predictor.chosen.classes, len(predictor.chosen.classes) - predictor.chosen.masks_only
    n_classes = len(classes)
    with_masks = torch.zeros(n_classes, n_classes, dtype=torch.int64, device=device)
    with_boxes = torch.zeros_like(with_masks)
    by_part = {str(part): torch.zeros_like(with_masks) for part in dict.fromkeys(parts)}
    shapes: dict[str, list[np.ndarray]] = {"extent": [], "extent_masks": [], "extent_boxes": []}
    pairs, by_image = [], []
    for chosen in _batches(np.arange(len(split))):
        truth = task_masks(split.masks(row.classes)[chosen], n_classes)
        boxes = np.where(truth == VOID, VOID, split.targets(row.classes)[chosen])
        output = predictor(_tensor(split.images[chosen], device)).output
        with_masks += confusion_matrix(output, _tensor(truth, device), n_classes)
        for part, counted in by_part.items():
            mine = parts[chosen] == part
            counted += confusion_matrix(output[_tensor(mine, device)], _tensor(truth[mine], device), n_classes)
        with_boxes += confusion_matrix(output, _tensor(boxes, device), n_classes)
        # Outputs on void pixels are not judged anywhere, so they belong to no component either.
        judged = np.where(truth == VOID, VOID, output.cpu().numpy())
        by_image += [image_iou(*labels, boxed) for labels in zip(judged, truth, strict=True)]
        for key, labels in zip(shapes, (judged, truth, boxes), strict=True):
            shapes[key].append(extents(labels, boxed))
        pairs.append(agreements(judged, truth, boxes, split.indices(row.classes)[chosen]))
    scores = _ious(with_masks, classes, len(split)) | {
        "confusion": with_masks.tolist(),
        "parts": {part: _ious(counts, classes, int((parts == part).sum())) for part, counts in by_part.items()},
    }
    rectangularity = {
        "iou_with_boxes": _mean(np.array(class_iou(with_boxes)[1:boxed])),
        "iou_with_masks": _mean(np.array(class_iou(with_masks)[1:boxed])),
    }
    of_components = 100 * np.concatenate(pairs).T
    rectangularity |= {"component_boxes": _mean(of_components[0]), "component_masks": _mean(of_components[1])}
    rectangularity |= {key: _mean(np.concatenate(values)) for key, values in shapes.items()}
    return scores, rectangularity, np.array(by_image, np.float32)


def _ious(confusion: Tensor, classes: Sequence[str], n_images: int) -> dict[str, Any]:
    iou = dict(zip(classes, class_iou(confusion), strict=True))
    return {"iou": iou, "mean_iou": mean_iou(confusion), "n_images": n_images}


def image_iou(output: np.ndarray, truth: np.ndarray, boxed: int) -> float:
    """Return the IoU of one image in percent, a mean over its classes with boxes.

    Args:
        output: (H, W) integer classes, 255 where the truth is void.
        truth: (H, W) integer classes, 255 void.
        boxed: How many values there are of the background and classes with boxes.

    Returns:
        NaN where neither output nor truth has such a class.
    """
    ious = []
    for value in range(1, boxed):
        said, there = output == value, truth == value
        if (either := int((said | there).sum())) > 0:
            ious.append(100 * int((said & there).sum()) / either)
    return float(np.mean(ious)) if ious else float("nan")


def _mean(values: np.ndarray) -> float | None:
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else None


def _box_errors(predictor: Predictor, packed: Packed, row: Row, device: torch.device) -> dict[str, Any]:
    """Return label_flips, contradictions, auroc, auroc_mean and edge_ratio of the row's training box images."""
    names = ("label_flips", "contradictions", "auroc", "auroc_mean", "edge_ratio")
    found: dict[str, Any] = dict.fromkeys(names)
    _, box_images = pools(packed, row)
    if not len(box_images):
        return found
    classes = predictor.chosen.classes
    n_classes = len(classes)
    flips = torch.zeros(n_classes, 2, 2, dtype=torch.int64, device=device)
    contradictions = torch.zeros_like(flips)
    variances, margins = (torch.zeros(2, BINS, dtype=torch.int64, device=device) for _ in range(2))
    by_edge = torch.zeros(2, 2, dtype=torch.float64)
    for chosen in _batches(box_images):
        truth = _tensor(task_masks(packed.train.masks(row.classes)[chosen], n_classes), device)
        # As int64, since torch has few operations on the packed uint16.
        box_index = _tensor(packed.train.indices(row.classes)[chosen].astype(np.int64), device)
        box_target = _tensor(packed.train.targets(row.classes)[chosen], device).long() * (box_index > 0)
        images = _tensor(packed.train.images[chosen], device)
        prediction = predictor(images, box_target, box_index)
        contradictions += box_error_table(box_target, truth, prediction.output != box_target, n_classes)
        counted = (box_target > 0) & (truth != VOID)
        margin = label_margin(prediction, box_target)
        margins += variance_table(-margin[counted], (truth != box_target)[counted])
        if predictor.chosen.has_variance:
            log_variance = predictor.label_log_variance(prediction, box_target)
            variances += variance_table(log_variance[counted], (truth != box_target)[counted])
            by_edge += edge_sums(log_variance, box_index).cpu()
        if row.bootstraps or row.ranks:
            covers = covers_of(predictor.chosen, packed, chosen)
            deciding = predictor.decider(images, prediction, box_target, box_index)
            flipped = predictor.label_flips(deciding, box_target, box_index, covers) > FLIPPED
            flips += box_error_table(box_target, truth, flipped, n_classes)
    found["contradictions"] = box_error_rates(contradictions, classes)
    found["auroc_mean"] = auroc(margins)
    if predictor.chosen.has_variance:
        found |= {"auroc": auroc(variances), "edge_ratio": edge_ratio(by_edge)}
    if row.bootstraps or row.ranks:
        found["label_flips"] = box_error_rates(flips, classes)
    return found


def _pictures(predictor: Predictor, split: Split, device: torch.device) -> dict[str, Any]:
    indices = choose_pictures(split.masks("few"))
    prediction = predictor(_tensor(split.images[indices], device))
    pictures = {"indices": indices, "mean": _half(prediction.mean)}
    if prediction.variance is not None:
        pictures["variance"] = _half(prediction.variance)
    return pictures | {"output": prediction.output.cpu().numpy().astype(np.uint8)}


def _worst(predictor: Predictor, split: Split, by_image: np.ndarray, device: torch.device) -> dict[str, Any]:
    order = np.argsort(by_image, kind="stable")  # NaN last
    worst = order[: min(N_WORST, int((~np.isnan(by_image)).sum()))].astype(np.int64)
    found: dict[str, Any] = {"image_iou": by_image, "worst_indices": worst}
    if len(worst):
        output = predictor(_tensor(split.images[worst], device)).output
        found["worst_output"] = output.cpu().numpy().astype(np.uint8)
    return found


def _half(values: Tensor) -> np.ndarray:
    # The literal recipe's variance grows beyond float16.
    return values.float().clamp(-FLOAT16_MAX, FLOAT16_MAX).cpu().numpy().astype(np.float16)


def _batches(indices: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(indices), BATCH):
        yield indices[start : start + BATCH]


def _tensor(array: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)
