"""Box targets call every pixel of a box its class; about 31 % of the paper's box pixels are something else.

Which of these wrong pixels does a run find, by its flips (Eq 11, Eq 16) or by an output that contradicts the target?
"""

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


def box_error_rates(table: Tensor, classes: tuple[str, ...]) -> dict:
    """Turn a table (C, 2, 2) of `box_error_table` into percentages, over all boxes and per foreground class.

    Returns:
        precision: of the found pixels, how many are truly wrong (the mask is not of the box's class).
        recall: of the truly wrong pixels, how many were found.
        share_true_foreground: of the pixels whose box target is right, how many were found all the same: lost objects.
        share_wrong: of all in-box pixels, how many are truly wrong; the precision of finding pixels at random.
        share_found: of all in-box pixels, how many were found.
        classes: the same five for the boxes of each foreground class.
        A rate of nothing (e.g. the precision where nothing was found) is None.
    """
    return _rates(table.sum(0)) | {"classes": {name: _rates(table[c]) for c, name in enumerate(classes) if c > 0}}


def _rates(table: Tensor) -> dict:
    (right, right_found), (wrong, wrong_found) = ((sum(row), row[1]) for row in table.tolist())
    return {
        "precision": _percent(wrong_found, right_found + wrong_found),
        "recall": _percent(wrong_found, wrong),
        "share_true_foreground": _percent(right_found, right),
        "share_wrong": _percent(wrong, right + wrong),
        "share_found": _percent(right_found + wrong_found, right + wrong),
    }


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None
