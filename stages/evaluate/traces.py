"""The box labels that a training followed, judged by the masks, which the training never saw."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from stages.arrays import VOID, Packed, task_masks
from stages.config import Row
from stages.evaluate.label_variance import auroc, variance_table


def trace_metrics(trace: Mapping[str, np.ndarray], packed: Packed, row: Row) -> dict[str, Any] | None:
    """Compare the followed labels with the masks at each moment.

    Args:
        trace: The content of a training's trace.npz, see stages/train/traces.py.
        packed: The data, with the masks of the training images.
        row: Names the task.

    Returns:
        None for a row without boxes, else lists over the moments, in which a rate of nothing is None:
        steps: Numbers of finished steps.
        auroc: In [0, 1], of the log-variance for wrong labels.
        variance_right, variance_wrong: In logit^2, geometric mean of sigma^2 over rightly and wrongly labelled pixels.
        flipped_right, flipped_wrong: Percent of these pixels whose target was changed.
        output, target: {precision, recall, iou}, percent, of the foreground of the outputs and of the bootstrapped
            targets against the masks.
        box: The same for the unchanged box targets, as numbers.
        Rows without variance lack auroc and the variances, rows without bootstrapping flipped_* and target.
    """
    if not len(trace["pixels"]):
        return None
    split = packed.train
    truth, given = (
        np.asarray(maps[trace["images"]]).ravel()[trace["pixels"]]
        for maps in (split.masks(row.classes), split.targets(row.classes))
    )
    truth = task_masks(truth, len(packed.classes.names(row.classes)))
    known = truth != VOID
    truth, given = truth[known], given[known]
    wrong = truth != given
    found: dict[str, Any] = {"steps": trace["steps"].tolist(), "box": _agreement(given, truth)}
    found["output"] = _agreements(trace["output"][:, known], truth)
    if "log_variance" in trace:
        log_variances = trace["log_variance"][:, known].astype(np.float32)
        tables = (variance_table(torch.from_numpy(s), torch.from_numpy(wrong)) for s in log_variances)
        found["auroc"] = [auroc(table) for table in tables]
        found["variance_right"] = [_geometric(s[~wrong]) for s in log_variances]
        found["variance_wrong"] = [_geometric(s[wrong]) for s in log_variances]
    if "target" in trace:
        targets = trace["target"][:, known]
        found["flipped_right"] = [_percent((t != given)[~wrong]) for t in targets]
        found["flipped_wrong"] = [_percent((t != given)[wrong]) for t in targets]
        found["target"] = _agreements(targets, truth)
    return found


def _agreements(moments: np.ndarray, truth: np.ndarray) -> dict[str, list[float | None]]:
    """Return `_agreement` of each moment's labels, as lists."""
    found = [_agreement(labels, truth) for labels in moments]
    return {key: [agreement[key] for agreement in found] for key in ("precision", "recall", "iou")}


def _agreement(target: np.ndarray, truth: np.ndarray) -> dict[str, float | None]:
    right = (target == truth) & (truth > 0)
    either = (target > 0) | (truth > 0)
    return {
        "precision": _percent(right[target > 0]),
        "recall": _percent(right[truth > 0]),
        "iou": _percent(right[either]),
    }


def _percent(hits: np.ndarray) -> float | None:
    return 100 * float(hits.mean()) if hits.size else None


def _geometric(log_variance: np.ndarray) -> float | None:
    return float(np.exp(log_variance.mean(dtype=np.float64))) if log_variance.size else None
