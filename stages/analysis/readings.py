"""How the paper's variance is read, and whether the literal loss lives: the trainings of studies/readings.yaml."""

from collections.abc import Callable, Mapping
from pathlib import Path

from stages.analysis import ablation
from stages.analysis.ablation import Variant
from stages.paths import ROOT

GRID = "readings"
MIXED = "mixed"
DEVIATION_TAU = 6.25
"""tau on sigma^2 that is 2.5 on sigma."""
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
    """Return what was trained, as `ablation.load` does."""
    return ablation.load(root, GRID)


def is_crossed(variant: Variant) -> bool:
    """Return whether an entry is of the full cross of FACTORS: named by four words."""
    return variant.name.count("-") == 3


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
