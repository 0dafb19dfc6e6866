"""Which row is best on data of one's own, by its validation images."""

from collections.abc import Mapping
from dataclasses import dataclass

from stages.analysis.naming import FIRST
from stages.analysis.results import Result, Results
from stages.analysis.statistics import Estimate, estimate
from stages.arrays import PAPER_MASKS
from stages.config import Row


@dataclass(frozen=True)
class Ranked:
    """One row, and how it compares.

    Attributes:
        row: Its name.
        words: What it is trained on, and how.
        iou: In percent, of the only class or the mean over all, with its interval over seeds.
        over_masks: Points of IoU over the masks alone, paired by seed; None for that row, or where it was not trained.
        alone: Whether it is trained on the few masks and no box: what boxes are measured by.
        full: Whether it has every mask: what the others can be measured by.
    """

    row: str
    words: str
    iou: Estimate
    over_masks: Estimate | None
    alone: bool
    full: bool


def ranking(rows: Mapping[str, Row], found: Results, confidence: float) -> list[Ranked]:
    """Return the rows by their mean IoU, the best first.

    Args:
        rows: All of configs/rows.yaml.
        found: The results of the rows that were trained.
        confidence: Of the intervals.
    """
    alone = next((name for name in found if _alone(rows[name])), None)
    ranked = []
    for name, result in found.items():
        values = _ious(rows[name], result)
        if values:
            paired = _paired(values, _ious(rows[alone], found[alone])) if alone and alone != name else {}
            over = estimate(paired, confidence) if paired else None
            iou, row = estimate(values, confidence), rows[name]
            ranked.append(Ranked(name, words(row), iou, over, _alone(row), _full(row)))
    return sorted(ranked, key=lambda one: -one.iou.mean)


def words(row: Row) -> str:
    """Say what a row is trained on, and how."""
    if _full(row):
        return "all masks"
    if not row.box:
        return "the masks alone"
    how = {
        "bootstrap": "the method",
        "ce_bootstrap": "the method",
        "uncertainty": "uncertainty, no flips",
        "ce_uncertainty": "uncertainty, no flips",
    }.get(row.loss, "plain loss")
    recipe = f", {row.recipe} recipe" if row.recipe else ""
    warmup = ", after a clean-label warm-up" if row.overrides.warmup_share else ""
    return f"masks and boxes, {how}{recipe}{warmup}"


def _alone(row: Row) -> bool:
    return bool(row.pp) and not row.box and not _full(row)


def _full(row: Row) -> bool:
    return row.pp > PAPER_MASKS and not row.box


def _ious(row: Row, result: Result) -> dict[int, float]:
    return result.iou_by_seed(FIRST if row.classes == "one" else "mean")


def _paired(values: Mapping[int, float], others: Mapping[int, float]) -> dict[int, float]:
    return {seed: value - others[seed] for seed, value in values.items() if seed in others}
