"""The headline measure: the share of the gap from plain BCE on mixed labels to full supervision that a row closes."""

from dataclasses import dataclass

from stages.analysis.naming import FIRST
from stages.analysis.paper import Paper
from stages.analysis.results import Results
from stages.analysis.statistics import Estimate, estimate


@dataclass(frozen=True)
class GapShare:
    """How much of the gap a row closes.

    Attributes:
        row: The trained row.
        gap: Points of IoU from plain BCE on mixed labels to full supervision, over the seeds that all share.
        gained: Points of IoU from plain BCE on mixed labels to the row.
        share: gained / gap of the means, in percent; None where the gap is too small to be closed.
    """

    row: str
    gap: Estimate
    gained: Estimate
    share: float | None


def gap_share(row: str, paper: Paper, found: Results) -> GapShare | None:
    """Return the share of the gap that a row of the first class closes; None where a row that it needs is missing.

    The gap counts only where its interval (one seed: its value) lies above `gap.least` of paper/claims.yaml.
    """
    asked = paper.asked
    names = (row, asked.gap.row, asked.gap.full)
    if any(name not in found for name in names):
        return None
    ours, mixed, full = (found[name].iou_by_seed(FIRST) for name in names)
    shared = [seed for seed in full if seed in mixed and seed in ours]
    if not shared:
        return None
    gap = estimate({seed: full[seed] - mixed[seed] for seed in shared}, asked.confidence)
    gained = estimate({seed: ours[seed] - mixed[seed] for seed in shared}, asked.confidence)
    there = (gap.mean if gap.low is None else gap.low) > asked.gap.least
    return GapShare(row, gap, gained, 100 * gained.mean / gap.mean if there else None)


def printed_gap_share(row: str, paper: Paper) -> float | None:
    """Return the share, in percent, that the paper's own numbers give for a row; None where it prints none."""
    gap = paper.asked.gap
    printed = [paper.row(name, "stable") for name in (row, gap.row, gap.full)]
    ious = [one.iou[FIRST] for one in printed if one and FIRST in one.iou]
    if len(ious) < 3:
        return None
    ours, mixed, full = ious
    return 100 * (ours - mixed) / (full - mixed)
