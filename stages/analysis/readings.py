"""How the paper's variance is read, and whether the literal loss lives: the trainings of studies/readings.yaml."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from stages.analysis.committed import trainings
from stages.analysis.paper import Collapse, load_claims
from stages.analysis.results import collapsed, first_iou
from stages.analysis.statistics import Measured
from stages.paths import ROOT

GRID = "readings"
FULL, MIXED = "full", "mixed"
"""What the readings are compared with."""
DEVIATION_TAU = 6.25
"""tau on sigma^2 that is 2.5 on sigma."""


@dataclass(frozen=True)
class Variant:
    """The trainings of one entry of studies/readings.yaml on one dataset.

    Attributes:
        name: The entry's.
        iou: Of the first class, in percent, over seeds.
        false_flip_rate: Percent of the rightly labelled box pixels that are flipped when training ends, over seeds.
        recall: The same of the wrongly labelled. auroc: of the variance for wrong labels, in [0, 1]. All three are None
            where nothing can flip.
        collapsed: How many of the trainings did, see `results.collapsed`.
        resolutions: The fields of its recipe. settings: its hyperparameters.
        watched: Of each training that was watched, (step, IoU in percent) on held-out images, over the training.
    """

    name: str
    iou: Measured
    false_flip_rate: Measured | None
    recall: Measured | None
    auroc: Measured | None
    collapsed: int
    resolutions: Mapping[str, Any]
    settings: Mapping[str, Any]
    watched: Sequence[Sequence[tuple[int, float]]] = ()

    @property
    def best(self) -> Measured | None:
        """The highest IoU on held-out images while training, over seeds: what keeping the best weights would give."""
        return Measured(tuple(max(iou for _, iou in curve) for curve in self.watched)) if self.watched else None


FACTORS: dict[str, dict[str, Callable[[Variant], bool]]] = {
    "the variance is": {
        "exp(raw)": lambda one: one.resolutions["variance"] == "exp",
        "softplus(raw)": lambda one: one.resolutions["variance"] == "softplus",
    },
    "means start": {
        "at the labels’ shares": lambda one: one.resolutions["mean_start"] == "share",
        "near zero": lambda one: one.resolutions["mean_start"] == "torch",
    },
    "the loss is": {
        "one mean over pixels": lambda one: one.resolutions["reduction"] == "pooled",
        "two means, one for each kind of image": lambda one: one.resolutions["reduction"] == "two_means",
    },
    "τ = 2.5 is": {
        "of σ²": lambda one: one.settings["tau"] != DEVIATION_TAU,
        "of σ": lambda one: one.settings["tau"] == DEVIATION_TAU,
    },
}
"""The choices that the paper leaves open, with the values that the study crosses: the entries that have each."""


def load(root: Path = ROOT) -> dict[str, dict[str, Variant]]:
    """Return what was trained, by dataset and entry, in the order of the file; {} without any.

    Raises:
        UserError: As `committed.trainings`; every dataset needs FULL.
    """
    limits = load_claims(root).collapse
    found = {}
    for dataset, by_name in trainings(GRID, (FULL,), root).items():
        full = fmean(map(first_iou, by_name[FULL].values()))
        found[dataset] = {name: _variant(name, list(runs.values()), full, limits) for name, runs in by_name.items()}
    return found


def _variant(name: str, runs: Sequence[Mapping[str, Any]], full: float, limits: Collapse) -> Variant:
    traces = [run["trace"] or {} for run in runs]
    false_flip_rate, recall, auroc = (
        Measured(tuple(trace[key][-1] for trace in traces)) if all(key in trace for trace in traces) else None
        for key in ("flipped_right", "flipped_wrong", "auroc")
    )
    iou = Measured(tuple(map(first_iou, runs)))
    dead = sum(collapsed(run, full, limits) for run in runs)
    resolutions, settings = (runs[0].get(key, {}) for key in ("resolutions", "settings"))
    curves = [[(step, value or 0.0) for step, value in run["watched"]] for run in runs if "watched" in run]
    return Variant(name, iou, false_flip_rate, recall, auroc, dead, resolutions, settings, curves)


def is_crossed(variant: Variant) -> bool:
    """Return whether an entry is of the full cross of FACTORS: named by four words, the reading of sigma^2 first."""
    return variant.name.count("-") == 3 and variant.name.startswith(("exp-", "softplus-"))


def values(variant: Variant) -> dict[str, str]:
    """Return which value of each of FACTORS an entry of the cross has."""
    return {factor: next(name for name, has in of.items() if has(variant)) for factor, of in FACTORS.items()}


def survivors(variants: Mapping[str, Variant]) -> dict[str, dict[str, tuple[int, int]]]:
    """Return of each value of each of FACTORS how many trainings of the cross lived, and how many there are."""
    crossed = [one for one in variants.values() if is_crossed(one)]
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for factor, of in FACTORS.items():
        found[factor] = {}
        for name, has in of.items():
            runs = [one for one in crossed if has(one)]
            found[factor][name] = (sum(one.iou.n - one.collapsed for one in runs), sum(one.iou.n for one in runs))
    return found
