"""Boxes to masks by other methods: the committed trainings of studies/methods.yaml beside those of the reference."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.analysis.committed import Trainings, trainings
from stages.analysis.paper import Claims
from stages.analysis.results import FULL, REFERENCE, first_iou
from stages.analysis.statistics import Estimate, Measured, estimate, ratio
from stages.paths import ROOT
from stages.yaml_files import read_yaml

GRID = "methods"
MIXED, ORACLE = "bce-500-2280", "bce-500-2280-oracle"
LITERAL, STABLE = "bootstrap-500-2280", "bootstrap-500-2280-stable"
BESIDE = ("bce-500", "bce-0-2780", MIXED, LITERAL, STABLE, ORACLE, FULL)
"""Entries of the reference that the methods stand beside."""
BOUNDS = (FULL, ORACLE)
"""Entries with more masks than there are."""
CHOSEN = {STABLE: "remedies", "projection-500-2280": "choices"}
"""Entries whose settings a study of that name chose, from its entries without a row of their own."""
LIKE_PLAIN = "grabcut-500-2280"
"""The entry of the grid that trains as plain BCE does, and at the same time as the others."""


@dataclass(frozen=True)
class Method:
    """The trainings of one method on one dataset.

    Attributes:
        name: The entry's.
        masks: Whether it has pixel-perfect images.
        iou: Of the first class, in percent, by seed.
        share: Of the gap from plain BCE on mixed labels to full supervision, in percent; None where there is too small
            a gap.
        behind: Points of IoU by which the stable recipe is ahead, paired by seed; None for itself, or without one.
        labels: IoU of the labels inside boxes with the masks, in the end, in percent; None without box images, or
            where no label stands for a pixel.
        seconds: Of one CPU core, for the proposals of an image; None without any.
        memory: MiB that a process held for them.
        time: The training's seconds as a multiple of plain BCE's, the median over seeds; None where it was not
            measured.
        share_of_plain: What the proposals of all training images take, as a share of plain BCE's training on the same
            core, in percent; None where that was not measured.
        trials: How many parameters it was chosen from on the masks of training images; None where none was chosen.
    """

    name: str
    masks: bool
    iou: Measured
    share: Estimate | None = None
    behind: Estimate | None = None
    labels: Measured | None = None
    seconds: float | None = None
    memory: float | None = None
    time: float | None = None
    share_of_plain: float | None = None
    trials: int | None = None


def load(asked: Claims, root: Path = ROOT) -> dict[str, list[Method]]:
    """Return what was trained, by dataset, best first; {} without any.

    Args:
        asked: Gives the confidence and the least gap.
        root: The project.

    Raises:
        UserError: As `committed.trainings`.
    """
    reference = trainings("reference", folder=REFERENCE, root=root)
    found = {}
    for dataset, own in trainings(GRID, root=root).items():
        beside = {name: runs for name, runs in reference.get(dataset, {}).items() if name in BESIDE}
        compared = _compared(beside, asked)
        methods = [_method(name, runs, beside.get(MIXED, {}), compared) for name, runs in beside.items()]
        methods += [_method(name, runs, own.get(LIKE_PLAIN, {}), compared) for name, runs in own.items()]
        found[dataset] = sorted(methods, key=lambda method: -method.iou.mean)
    return found


def best(methods: Sequence[Method], masks: bool) -> Method | None:
    """Return the best method with masks, or the best without any; None without one."""
    listed = [method for method in methods if method.masks == masks and method.name not in BOUNDS]
    return max(listed, key=lambda method: method.iou.mean, default=None)


def tried(root: Path = ROOT) -> dict[str, int]:
    """Return from how many settings an entry was chosen on held-out training images, of those that a study chose.

    Raises:
        UserError: A study's file is missing or broken.
    """
    counts = {}
    for name, study in CHOSEN.items():
        runs = read_yaml(root / "studies" / f"{study}.yaml")["runs"].values()
        counts[name] = sum("row" not in variant and "pp" not in variant for variant in runs)
    return counts


@dataclass(frozen=True)
class _Compared:
    """What all methods of a dataset are compared with: IoU by seed."""

    mixed: Mapping[int, float]
    full: Mapping[int, float]
    stable: Mapping[int, float]
    wide: bool
    confidence: float


def _compared(beside: Trainings, asked: Claims) -> _Compared:
    mixed, full, stable = (_ious(beside.get(name, {})) for name in (MIXED, FULL, STABLE))
    gaps = {seed: full[seed] - mixed[seed] for seed in full if seed in mixed}
    gap = estimate(gaps, asked.confidence) if gaps else None
    wide = gap is not None and (gap.mean if gap.low is None else gap.low) > asked.gap.least
    return _Compared(mixed, full, stable, wide, asked.confidence)


def _method(
    name: str, runs: Mapping[int, Mapping[str, Any]], plain: Mapping[int, Mapping[str, Any]], beside: _Compared
) -> Method:
    ious, trained = _ious(runs), list(runs.values())
    seeds = [seed for seed in ious if seed in beside.full and seed in beside.mixed]
    gaps = {seed: beside.full[seed] - beside.mixed[seed] for seed in seeds}
    gained = {seed: 100 * (ious[seed] - beside.mixed[seed]) for seed in gaps}
    ahead = {seed: beside.stable[seed] - ious[seed] for seed in ious if seed in beside.stable}
    made = trained[0].get("proposals") or {}
    cost, seconds = made.get("seconds"), _seconds(plain.values())
    times = [
        run["seconds"] / plain[seed]["seconds"]
        for seed, run in runs.items()
        if "seconds" in run and "seconds" in plain.get(seed, {}) and run["device"] == plain[seed]["device"]
    ]
    return Method(
        name,
        trained[0]["counts"]["pp"] > 0,
        Measured(tuple(ious.values())),
        ratio(gained, gaps, beside.confidence) if beside.wide and gaps else None,
        estimate(ahead, beside.confidence) if ahead and name != STABLE else None,
        _labels(trained),
        cost,
        made.get("memory"),
        statistics.median(times) if times else None,
        100 * cost * trained[0]["counts"]["train"] / seconds if cost is not None and seconds else None,
        made.get("parameters", {}).get("trials"),
    )


def _ious(runs: Mapping[int, Mapping[str, Any]]) -> dict[int, float]:
    return {seed: first_iou(run) for seed, run in runs.items()}


def _seconds(runs: Any) -> float | None:
    known = [run["seconds"] for run in runs if "seconds" in run]
    return statistics.median(known) if known else None


def _labels(trained: Sequence[Mapping[str, Any]]) -> Measured | None:
    """Return the IoU of the labels when trainings end; of those that keep their boxes, the boxes'."""
    found = []
    for run in trained:
        trace = run.get("trace")
        if not trace or run["resolutions"].get("projection"):  # lines of boxes, no label of a pixel
            return None
        if run["changes"].get("oracle"):
            found.append(100.0)
        else:
            found.append(trace["target"]["iou"][-1] if "target" in trace else trace["box"]["iou"])
    return Measured(tuple(found))
