"""The rates at which a run finds the wrong pixels of box targets, which call every pixel of a box its class.

A pixel is found where its label flips (Eq 11, Eq 16), or where the output contradicts the box target.
"""

from typing import Any

import torch
from torch import Tensor

from stages.arrays import VOID


def box_error_table(box_target: Tensor, truth: Tensor, found: Tensor, n_classes: int) -> Tensor:
    """Count the in-box pixels of a batch by the class of their box, by whether it is wrong, by whether it was found.

    Args:
        box_target: (N, H, W) integer, 0 outside boxes, else the class of the box, in [0, C).
        truth: (N, H, W) integer, the mask's class in [0, C), 255 void (left out).
        found: (N, H, W) bool, the pixels that were flipped, or where the output differs from the box target.
        n_classes: C.

    Returns:
        (C, 2, 2) int64: [class of the box, truth differs from it, found]; row 0 is zero. Add the tables of batches.
    """
    counted = (box_target > 0) & (truth != VOID)
    target, truth, found = box_target[counted].long(), truth[counted].long(), found[counted].long()
    cell = target * 4 + (truth != target).long() * 2 + found
    return torch.bincount(cell, minlength=n_classes * 4).reshape(n_classes, 2, 2)


def box_error_rates(table: Tensor, classes: tuple[str, ...]) -> dict[str, Any]:
    """Turn a table of `box_error_table` into percentages, over all boxes and for each foreground class.

    Args:
        table: (C, 2, 2) int64.
        classes: The names of the C classes.

    Returns:
        precision: Of the found pixels, how many are wrong (the mask is not of the box's class).
        recall: Of the wrong pixels, how many were found.
        false_flip_rate: Of the pixels whose box target is right, how many were found all the same.
        share_wrong: Of all in-box pixels, how many are wrong; the precision of finding pixels at random.
        share_found: Of all in-box pixels, how many were found.
        classes: The same five for the boxes of each foreground class.
        A rate of nothing (e.g. the precision where nothing was found) is None.
    """
    return _rates(table.sum(0)) | {"classes": {name: _rates(table[c]) for c, name in enumerate(classes) if c > 0}}


def _rates(table: Tensor) -> dict[str, float | None]:
    (right, right_found), (wrong, wrong_found) = ((sum(row), row[1]) for row in table.tolist())
    return {
        "precision": _percent(wrong_found, right_found + wrong_found),
        "recall": _percent(wrong_found, wrong),
        "false_flip_rate": _percent(right_found, right),
        "share_wrong": _percent(wrong, right + wrong),
        "share_found": _percent(right_found + wrong_found, right + wrong),
    }


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None
