"""Intersection over union from one integer confusion matrix.

Counts are added up over a whole data set before anything is divided: IoU = TP / (TP + FP + FN) of the sums, as
Cityscapes' own evaluator computes it, never a mean of the IoUs of batches.

torch.bincount and not torchmetrics, whose multiclass confusion matrix gives the same counts just as fast (8 ms against
7 ms for 32 images of 128x64 on two cores): importing torchmetrics costs two more CPU seconds over torch's own two, in
each of the 46 processes that train and evaluate the rows.
"""

import math

import torch
from torch import Tensor

from stages.arrays import VOID


def confusion_matrix(output: Tensor, target: Tensor, n_classes: int, ignore_index: int = VOID) -> Tensor:
    """Count the pixels of each (true class, predicted class). Add the matrices of batches to get that of a data set.

    Args:
        output: predicted classes, an integer type, any shape, in [0, n_classes).
        target: true classes, an integer type, the same shape and device; `ignore_index` marks pixels to leave out.
        n_classes: C.

    Returns:
        (C, C) int64 on the device of `target`; row = true class, column = predicted class.

    Raises:
        ValueError: shapes differ, or a class lies outside [0, C): a wrong class must not land in another's cell.
    """
    if output.shape != target.shape:
        raise ValueError(f"output {tuple(output.shape)} and target {tuple(target.shape)} differ in shape")
    target, output = target.long().flatten(), output.long().flatten()
    valid = target != ignore_index
    wrong = (output < 0) | (output >= n_classes) | (valid & ((target < 0) | (target >= n_classes)))
    if wrong.any():
        raise ValueError(f"a class lies outside [0, {n_classes}) and is not ignore_index={ignore_index}")
    n_cells = n_classes * n_classes
    # Ignored pixels go to one more cell: cheaper than selecting the valid ones.
    cell = torch.where(valid, target * n_classes + output, n_cells)
    return torch.bincount(cell, minlength=n_cells + 1)[:n_cells].reshape(n_classes, n_classes)


def class_iou(confusion: Tensor) -> list[float]:
    """IoU of each class in percent, TP / (TP + FP + FN), from a (C, C) confusion matrix.

    A class that occurs neither in the truth nor in the output has no IoU: NaN, as in Cityscapes' evaluator.
    """
    true_positive = confusion.diagonal().tolist()
    union = (confusion.sum(0) + confusion.sum(1) - confusion.diagonal()).tolist()
    return [100 * tp / n if n else math.nan for tp, n in zip(true_positive, union, strict=True)]


def mean_iou(confusion: Tensor) -> float:
    """Mean IoU in percent over the classes that occur in the truth or in the output; NaN where none does."""
    present = [iou for iou in class_iou(confusion) if not math.isnan(iou)]
    return sum(present) / len(present) if present else math.nan
