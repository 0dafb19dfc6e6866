"""Why the multi-class loss fails with more classes: the committed trainings of studies/causes.yaml."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.analysis.committed import Trainings, trainings
from stages.analysis.naming import RECIPE_NAMES
from stages.analysis.results import iou_of
from stages.analysis.statistics import Estimate, Measured, estimate
from stages.paths import ROOT

GRID = "causes"
WORDS = {
    ("estimator", "printed"): "Eq 15 as printed",
    ("estimator", "rao_blackwell"): "Rao-Blackwell estimator",
    ("estimator", "mean_field"): "mean field, no samples",
    ("trigger", "target"): "the label’s variance triggers",
    ("flip_to", "covered"): "flips to covered classes alone",
}
CONTROL = "as it is"
NO_FLIPS = "CE with uncertainty, no flips"


@dataclass(frozen=True)
class Variant:
    """The trainings of one entry of studies/causes.yaml on one dataset.

    Attributes:
        name: The entry's.
        base: What is changed: the recipe's name for readers, or NO_FLIPS of a row without one.
        changed: How, in words; CONTROL for nothing.
        runs: That ended, by seed.
        stopped: The steps at which the loss of the others was found not finite, by seed.
        over: Points of mean IoU over the control, paired by seed; None for a control, or without a shared seed.
    """

    name: str
    base: str
    changed: str
    runs: Mapping[int, Mapping[str, Any]]
    stopped: Mapping[int, int]
    over: Estimate | None

    def iou(self, label: str = "mean") -> Measured | None:
        """Return an IoU in percent over seeds, as `results.iou_of` does for one."""
        return _measured([iou_of(run, label) for run in self.runs.values()])

    def flipped(self, labels: str) -> Measured | None:
        """Return percent of the `right` or of the `wrong` box labels that are flipped when training ends."""
        traces = [run.get("trace") or {} for run in self.runs.values()]
        return _measured([trace.get(f"flipped_{labels}", [None])[-1] for trace in traces])

    def above(self, trigger: str) -> Measured | None:
        """Return percent of box pixels with a variance above tau, in the last tenth of the training.

        Args:
            trigger: `max`, the largest variance of the classes; `target`, that of the label's class.
        """
        counted = [run.get("counted", {}).get(f"exceeds_{trigger}") for run in self.runs.values()]
        return _measured([tenths[-1] if tenths else None for tenths in counted])


def load(confidence: float, root: Path = ROOT) -> dict[str, list[Variant]]:
    """Return what was trained, by dataset, in the order of the file; {} without any.

    Raises:
        UserError: As `committed.trainings`.
    """
    return {dataset: _variants(by_name, confidence) for dataset, by_name in trainings(GRID, root=root).items()}


def _variants(by_name: Trainings, confidence: float) -> list[Variant]:
    lists = {name: list(runs.values()) for name, runs in by_name.items()}
    controls = {_base(runs[0]): _mean_ious(runs) for runs in lists.values() if _changed(runs[0]) == CONTROL}
    variants = []
    for name, runs in lists.items():
        base, changed = _base(runs[0]), _changed(runs[0])
        ours, theirs = _mean_ious(runs), controls.get(base, {})
        paired = {seed: ours[seed] - theirs[seed] for seed in ours if seed in theirs}
        over = estimate(paired, confidence) if paired and changed != CONTROL else None
        ended = {run["seed"]: run for run in runs if "stopped" not in run}
        stopped = {run["seed"]: run["stopped"] for run in runs if "stopped" in run}
        variants.append(Variant(name, base, changed, ended, stopped, over))
    return variants


def _base(run: Mapping[str, Any]) -> str:
    return RECIPE_NAMES[run["recipe"]] if run["recipe"] else NO_FLIPS


def _changed(run: Mapping[str, Any]) -> str:
    overrides = run["changes"].get("overrides", {})
    return ", ".join(WORDS[item] for item in overrides.items() if item in WORDS) or CONTROL  # the rest is the base


def _mean_ious(runs: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    """Return the mean IoU of the trainings that ended, in percent, by seed."""
    return {run["seed"]: iou_of(run, "mean") or 0.0 for run in runs if "stopped" not in run}


def _measured(values: Sequence[float | None]) -> Measured | None:
    return Measured(tuple(value for value in values if value is not None)) if values and None not in values else None


def answer(variants: Sequence[Variant]) -> str:
    """Say which switches make a recipe better or worse for certain, and which trainings had no finite loss."""
    said = []
    for base in dict.fromkeys(one.base for one in variants if one.over):
        compared = [one for one in variants if one.base == base and one.over]
        sure = [f"{one.changed} {one.over.mean:+.1f}" for one in compared if one.over and (one.over.low or 0) > 0]
        worse = [f"{one.changed} {one.over.mean:+.1f}" for one in compared if one.over and (one.over.high or 0) < 0]
        best = max(compared, key=lambda one: one.over.mean if one.over else 0.0)
        assert best.over is not None
        text = f"{base} recipe: "
        text += f"better for certain with {', '.join(sure)} points" if sure else "no switch is better for certain"
        text += f"; worse with {', '.join(worse)}" if worse else ""
        if not sure:
            text += f" (the best: {best.changed}, {best.over})"
        said.append(text)
    ends = [f"{one.name} from step {min(one.stopped.values())} on" for one in variants if one.stopped]
    said.append(f"losses that stopped being finite: {', '.join(ends) if ends else 'none'}")
    return ". ".join(text[0].upper() + text[1:] for text in said) + "."
