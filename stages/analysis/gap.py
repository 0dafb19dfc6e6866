"""The headline measure: how much a row closes of the gap from the plain loss on mixed labels to all masks."""

from dataclasses import dataclass
from itertools import count
from statistics import fmean

from stages.analysis.naming import FIRST
from stages.analysis.paper import Paper
from stages.analysis.results import Results
from stages.analysis.statistics import Estimate, estimate, ratio


@dataclass(frozen=True)
class GapShare:
    """How much of the gap a row closes.

    Attributes:
        row: The trained row.
        gap: Points of IoU from the plain loss on mixed labels to full supervision, over the seeds that these share.
        gained: Points of IoU from the plain loss on mixed labels to the row.
        share: gained / gap of the means, in percent, with an interval paired by seed; None where the gap is too small
            to be closed.
    """

    row: str
    gap: Estimate
    gained: Estimate
    share: Estimate | None

    @property
    def text(self) -> str:
        """The share as a table has it, in percent."""
        share = self.share
        if share is None:
            return "–"
        if share.mean < -100:  # a collapse; how far below does not matter
            return "< -100 %"
        return f"{share.mean:.0f} %" + ("" if share.low is None else f" [{share.low:.0f}, {share.high:.0f}]")


def ends(paper: Paper, task: str) -> tuple[str, str]:
    """Return the rows between which the gap of a task lies: the plain loss on mixed labels, and full supervision."""
    gap = paper.asked.gap
    mixed, full = (gap.row, gap.full) if task == "one" else gap.several[task]
    return mixed, full


def gap_share(
    row: str, paper: Paper, found: Results, task: str = "one", confidence: float | None = None
) -> GapShare | None:
    """Return the share of the gap that a row closes; None where a row that it needs is missing.

    The gap counts only where its interval over all seeds of its own rows (one seed: its value) lies above `gap.least`
    of paper/claims.yaml.

    Args:
        row: Its name.
        paper: Says between which rows the gap lies.
        found: The results by row.
        task: The row's `classes`: of `one`, the first class's IoU counts, else the classes' mean.
        confidence: Of the share's interval, instead of that of all.
    """
    asked = paper.asked
    names, label = (row, *ends(paper, task)), FIRST if task == "one" else "mean"
    if any(name not in found for name in names):
        return None
    ours, mixed, full = (found[name].iou_by_seed(label) for name in names)
    gaps = {seed: full[seed] - mixed[seed] for seed in full if seed in mixed}
    shared = {seed: value for seed, value in gaps.items() if seed in ours}
    if not shared:
        return None
    gap = estimate(gaps, asked.confidence)
    gained = estimate({seed: ours[seed] - mixed[seed] for seed in shared}, asked.confidence)
    there = (gap.mean if gap.low is None else gap.low) > asked.gap.least
    percent = {seed: 100 * value for seed, value in gained.values.items()}
    return GapShare(row, gap, gained, ratio(percent, shared, confidence or asked.confidence) if there else None)


DRAW = "-draw-{}"
"""What the name of an entry of studies/reference.yaml ends with, of the trainings with data_seed 1, 2 ..."""


def share_over_draws(row: str, paper: Paper, entries: Results) -> Estimate | None:
    """Return the share of the gap over several draws of which images have masks, in percent.

    The seeds of a draw are averaged first: the interval is over draws, so it holds what both vary. Full supervision has
    one draw, since all of its images have masks.

    Args:
        row: Its name, as of data_seed 0.
        paper: Says between which rows the gap lies.
        entries: The results by entry of studies/reference.yaml.

    Returns:
        The estimate, with a value for each data_seed; None with fewer than two draws, or where one has no gap.
    """
    gap = paper.asked.gap
    gained, gaps = {}, {}
    for draw in count():
        ending = DRAW.format(draw) if draw else ""
        names = (row + ending, gap.row + ending, gap.full)
        if any(name not in entries for name in names):
            break
        ours, mixed, full = (entries[name].iou_by_seed(FIRST) for name in names)
        shared = [seed for seed in ours if seed in mixed and seed in full]
        if not shared:
            break
        gained[draw] = 100 * fmean(ours[seed] - mixed[seed] for seed in shared)
        gaps[draw] = fmean(full[seed] - mixed[seed] for seed in shared)
    if len(gaps) < 2 or min(gaps.values()) <= gap.least:
        return None
    return ratio(gained, gaps, paper.asked.confidence)


def printed_gap_share(row: str, paper: Paper) -> float | None:
    """Return the share, in percent, that the paper's own numbers give for a row; None where it prints none."""
    gap = paper.asked.gap
    printed = [paper.row(name, "stable") for name in (row, gap.row, gap.full)]
    ious = [one.iou[FIRST] for one in printed if one and FIRST in one.iou]
    if len(ious) < 3:
        return None
    ours, mixed, full = ious
    return 100 * (ours - mixed) / (full - mixed)
