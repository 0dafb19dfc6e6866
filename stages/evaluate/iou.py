"""Intersection over union from one integer confusion matrix.

Counts are added up over a whole dataset before anything is divided: IoU = TP / (TP + FP + FN) of the sums, as
Cityscapes' own evaluator computes it, never a mean of the IoUs of batches. torch.bincount counts as fast as
torchmetrics, which would double the time that each process spends on imports.
"""

import math

import torch
from torch import Tensor

from stages.arrays import VOID


def confusion_matrix(output: Tensor, target: Tensor, n_classes: int, ignore_index: int = VOID) -> Tensor:
    """Count the pixels of each pair of true and predicted class. Add the matrices of batches for that of a dataset.

    Args:
        output: Predicted classes in [0, C), an integer type, any shape.
        target: True classes in [0, C), an integer type, the same shape and device.
        n_classes: C.
        ignore_index: Marks pixels of `target` to leave out.

    Returns:
        (C, C) int64 on the device of `target`; row = true class, column = predicted class.

    Raises:
        ValueError: The shapes differ, or a class lies outside [0, C): it must not be counted as another one.
    """
    if output.shape != target.shape:
        raise ValueError(f"output {tuple(output.shape)} and target {tuple(target.shape)} differ in shape")
    target, output = target.long().flatten(), output.long().flatten()
    valid = target != ignore_index
    wrong = (output < 0) | (output >= n_classes) | (valid & ((target < 0) | (target >= n_classes)))
    if wrong.any():
        raise ValueError(f"a class lies outside [0, {n_classes}) and is not ignore_index={ignore_index}")
    n_cells = n_classes * n_classes
    # Ignored pixels are counted in an extra cell: cheaper than selecting the valid ones.
    cell = torch.where(valid, target * n_classes + output, n_cells)
    return torch.bincount(cell, minlength=n_cells + 1)[:n_cells].reshape(n_classes, n_classes)


def class_iou(confusion: Tensor) -> list[float]:
    """Return the IoU of each class in percent, TP / (TP + FP + FN), from a (C, C) confusion matrix.

    A class that occurs neither in the truth nor in the output has NaN, as in Cityscapes' evaluator.
    """
    true_positive = confusion.diagonal().tolist()
    union = (confusion.sum(0) + confusion.sum(1) - confusion.diagonal()).tolist()
    return [100 * tp / n if n else math.nan for tp, n in zip(true_positive, union, strict=True)]


def mean_iou(confusion: Tensor) -> float:
    """Return the mean IoU in percent over the classes that occur in the truth or in the output; NaN where none does."""
    present = [iou for iou in class_iou(confusion) if not math.isnan(iou)]
    return sum(present) / len(present) if present else math.nan
