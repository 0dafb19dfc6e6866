"""What the literal loss needs: the committed trainings of studies/remedies.yaml, judged on held-out training images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.analysis.committed import Trainings, trainings
from stages.analysis.paper import Claims
from stages.analysis.results import collapsed, first_iou
from stages.analysis.statistics import Estimate, Measured, estimate, ratio
from stages.paths import ROOT

GRID = "remedies"
FULL, MIXED, CONTROL = "full", "mixed", "uncertainty-warmup"
"""The ends of the gap, and the same draws with the loss's uncertainty and without a flip."""
FEW = "-100"
"""Ends the names of entries with a fifth of the masks; what they are compared with has as many, but for FULL."""


@dataclass(frozen=True)
class Remedy:
    """The trainings of one entry on one dataset.

    Attributes:
        name: The entry's.
        iou: Of the first class, in percent, by seed.
        share: Of the gap from plain BCE on as many masks to FULL, in percent; None where there is too small a gap.
        over: Points of IoU over CONTROL with as many masks, paired by seed; None for those two, or without one.
        recall, false_flip_rate: Percent of the wrongly and of the rightly labelled box pixels that are flipped in the
            end; None where nothing can flip.
        labels: (step, IoU of the training's targets with the masks inside boxes, percent) over the training, a mean
            over seeds; () where they stay the boxes.
        collapsed: How many of the trainings did, see `results.collapsed`.
    """

    name: str
    iou: Measured
    share: Estimate | None
    over: Estimate | None
    recall: Measured | None
    false_flip_rate: Measured | None
    labels: Sequence[tuple[int, float]]
    collapsed: int


def load(asked: Claims, root: Path = ROOT) -> dict[str, list[Remedy]]:
    """Return what was trained, by dataset, in the order of the file; {} without any.

    Args:
        asked: Gives the confidence, the least gap, and when a training counts as collapsed.
        root: The project.

    Raises:
        UserError: As `committed.trainings`; every dataset needs FULL and MIXED.
    """
    studied = trainings(GRID, (FULL, MIXED), root)
    return {dataset: [_remedy(name, runs, asked) for name in runs] for dataset, runs in studied.items()}


def _remedy(name: str, runs: Trainings, asked: Claims) -> Remedy:
    ending = FEW if name.endswith(FEW) else ""
    mixed, full, control = (_ious(runs.get(other, {})) for other in (MIXED + ending, FULL, CONTROL + ending))
    ours, trained = _ious(runs[name]), list(runs[name].values())
    gaps = {seed: full[seed] - mixed[seed] for seed in ours if seed in full and seed in mixed}
    gained = {seed: 100 * (ours[seed] - mixed[seed]) for seed in gaps}
    wide = gaps and sum(gaps.values()) / len(gaps) > asked.gap.least
    paired = {seed: ours[seed] - control[seed] for seed in ours if seed in control}
    compared = paired and name not in (FULL, CONTROL + ending)
    traces = [run.get("trace") or {} for run in trained]
    flips = all("flipped_right" in trace for trace in traces)
    recall, false_flip_rate = (
        Measured(tuple(trace[key][-1] for trace in traces)) if flips else None
        for key in ("flipped_wrong", "flipped_right")
    )
    dead = sum(collapsed(run, sum(full.values()) / len(full), asked.collapse) for run in trained)
    return Remedy(
        name,
        Measured(tuple(ours.values())),
        ratio(gained, gaps, asked.confidence) if wide else None,
        estimate(paired, asked.confidence) if compared else None,
        recall,
        false_flip_rate,
        _labels(traces) if flips else (),
        dead,
    )


def _ious(runs: Mapping[int, Mapping[str, Any]]) -> dict[int, float]:
    return {seed: first_iou(run) for seed, run in runs.items()}


def _labels(traces: Sequence[Mapping[str, Any]]) -> list[tuple[int, float]]:
    """Return the mean quality of the training's targets over traces of the same steps."""
    curves = [trace["target"]["iou"] for trace in traces if "target" in trace]
    if not curves:
        return []
    means = [sum(value or 0.0 for value in values) / len(values) for values in zip(*curves, strict=True)]
    return list(zip(traces[0]["steps"], means, strict=True))
