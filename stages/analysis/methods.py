"""Boxes to masks by other methods: the committed trainings of studies/methods.yaml beside those of the reference."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.analysis.committed import trainings
from stages.analysis.gap import gap_share
from stages.analysis.paper import Paper
from stages.analysis.results import FULL, Result, Results, first_iou, reference_runs
from stages.analysis.statistics import Estimate, Measured, estimate
from stages.paths import ROOT
from stages.yaml_files import read_yaml

GRID = "methods"
MASKS, MIXED, ORACLE = "bce-500", "bce-500-2280", "bce-500-2280-oracle"
LITERAL, STABLE = "bootstrap-500-2280", "bootstrap-500-2280-stable"
BESIDE = (MASKS, "bce-0-2780", MIXED, LITERAL, STABLE, ORACLE, FULL)
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
        over_masks: Points of IoU by which it is ahead of the masks alone, paired by seed; None for these, or without
            them.
        labels: IoU of the labels inside boxes with the masks, in the end, in percent; None without box images, or
            where no label stands for a pixel.
        seconds: Of one CPU core, for the proposals of an image; None without any.
        memory: MiB that a process held for them.
        time: The training's seconds as a multiple of plain BCE's, the median over seeds; None where it was not
            measured.
        share_of_plain: What the proposals of all training images take, and choosing their settings, as a share of
            plain BCE's training on the same core, in percent; None where that was not measured.
        trials: How many parameters it was chosen from on the masks of training images; None where none was chosen.
    """

    name: str
    masks: bool
    iou: Measured
    share: Estimate | None = None
    behind: Estimate | None = None
    over_masks: Estimate | None = None
    labels: Measured | None = None
    seconds: float | None = None
    memory: float | None = None
    time: float | None = None
    share_of_plain: float | None = None
    trials: int | None = None


def load(paper: Paper, root: Path = ROOT) -> dict[str, list[Method]]:
    """Return what was trained, by dataset, best first; {} without any.

    Args:
        paper: Gives the confidence, and between which rows the gap lies.
        root: The project.

    Raises:
        UserError: As `committed.trainings`.
    """
    found = {}
    for dataset, by_name in trainings(GRID, root=root).items():
        own = {name: Result(name, tuple(runs.values())) for name, runs in by_name.items()}
        reference = reference_runs(dataset, root)
        beside = {name: reference[name] for name in BESIDE if name in reference}
        plain = dict.fromkeys(beside, beside.get(MIXED)) | dict.fromkeys(own, own.get(LIKE_PLAIN))
        both = {**beside, **own}
        methods = [_method(name, both, plain[name], paper) for name in both]
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


def _method(name: str, found: Results, plain: Result | None, paper: Paper) -> Method:
    runs = found[name].runs
    ious = _ious(found[name])
    confidence = paper.asked.confidence
    closed = gap_share(name, paper, found)
    made = runs[0].get("proposals") or {}
    timed = {run["seed"]: run for run in (plain.runs if plain else ()) if "seconds" in run}
    times = [
        run["seconds"] / timed[run["seed"]]["seconds"]
        for run in runs
        if "seconds" in run and run["seed"] in timed and run["device"] == timed[run["seed"]]["device"]
    ]
    cost = made.get("seconds")
    of_all = None
    if cost is not None and timed:
        of_labels = cost * runs[0]["counts"]["train"] + made.get("choosing", 0)
        of_all = 100 * of_labels / statistics.median(run["seconds"] for run in timed.values())
    return Method(
        name,
        runs[0]["counts"]["pp"] > 0,
        Measured(tuple(ious.values())),
        closed.share if closed else None,
        _lead(_ious(found[STABLE]), ious, confidence) if name != STABLE and STABLE in found else None,
        _lead(ious, _ious(found[MASKS]), confidence) if name != MASKS and MASKS in found else None,
        _labels(runs),
        cost,
        made.get("memory"),
        statistics.median(times) if times else None,
        of_all,
        made.get("parameters", {}).get("trials"),
    )


def _lead(ahead: Mapping[int, float], behind: Mapping[int, float], confidence: float) -> Estimate | None:
    """Return the difference of two rows, paired by seed; None without a common seed."""
    both = {seed: ahead[seed] - behind[seed] for seed in ahead if seed in behind}
    return estimate(both, confidence) if both else None


def _ious(result: Result) -> dict[int, float]:
    return {run["seed"]: first_iou(run) for run in result.runs}


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
