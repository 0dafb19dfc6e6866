"""Boxes beside few masks: what they add to the same masks alone, by how many masks there are."""

from stages.analysis.claims import measure
from stages.analysis.naming import FIRST
from stages.analysis.paper import Check
from stages.analysis.statistics import Estimate
from stages.config import PAPER_IMAGES
from stages.report.paper_tables import Comparison
from stages.report.tables import NONE, Cell, Table, headers, points_text

PAPER_PP = 500
"""Pixel-perfect images of the paper's main rows, of its 2780."""
HEAD = (
    "Masks",
    "images with a mask",
    "masks alone",
    "plain BCE, with boxes",
    "stable recipe, with boxes",
    "over these masks alone",
    "over plain BCE",
    "of the gap",
)


def few_masks_table(comparison: Comparison) -> Table | None:
    """Return a line for each number of masks, the fewest first; None where fewer than two were tried.

    Args:
        comparison: Its results are the reference runs by entry of studies/reference.yaml and studies/annotation.yaml.
    """
    counts = _counts(comparison)
    if len(counts) < 2:
        return None
    body, records = [], []
    for pp in counts:
        names = _names(pp)
        ious = [comparison.found[name].iou(FIRST) if name in comparison.found else None for name in names]
        line = [
            f"{100 * pp / PAPER_IMAGES:.1f} %",
            str(comparison.found[names[0]].runs[0]["counts"]["pp"]),
            *(f"{iou} ({iou.n})" if iou else NONE for iou in ious),
            *(points_text(_gain(names[2], name, comparison)) for name in names[:2]),
            comparison.closed(comparison.found[names[2]]),
        ]
        cells = dict(zip(HEAD, line, strict=True))
        body.append([Cell(line[0], "text", header=True), *(Cell(text, "number") for text in line[1:])])
        records.append({"dataset": comparison.dataset, "pp": pp, **cells})
    caption = (
        f"IoU of {comparison.first} in percent, mean ± standard deviation (in brackets: how many seeds), and points of "
        "the stable recipe over two other trainings, paired by seed, with 95 % intervals. Images without a mask have "
        "boxes, or do not take part where masks are alone."
    )
    title = f"What boxes add to few masks on {comparison.title}"
    return Table("few-masks", title, caption, [headers([Cell(name) for name in HEAD])], body, [], records)


def fewest(comparison: Comparison) -> str:
    """Return a sentence on the fewest masks that were tried beside boxes; empty where only the paper's 500 were."""
    counts = _counts(comparison)
    if not counts or counts[0] >= PAPER_PP:
        return ""
    masks, _, stable = _names(counts[0])
    found = comparison.found
    usual, few = (found[name].runs[0]["counts"]["pp"] for name in (_names(PAPER_PP)[0], masks))
    points = points_text(_gain(stable, masks, comparison))
    return f"With masks of {few} images instead of {usual}, the stable recipe adds {points} to these masks alone."


def _names(pp: int) -> tuple[str, str, str]:
    """Return the entries with so many masks: alone, with boxes by plain BCE, and by the stable recipe."""
    return f"bce-{pp}", f"bce-{pp}-{PAPER_IMAGES - pp}", f"bootstrap-{pp}-{PAPER_IMAGES - pp}-stable"


def _counts(comparison: Comparison) -> list[int]:
    """Return the numbers of masks, of the paper's 2780, that were tried alone and with boxes by the stable recipe."""
    alone = [name.removeprefix("bce-") for name in comparison.found if name.removeprefix("bce-").isdecimal()]
    return sorted(pp for pp in map(int, alone) if _names(pp)[2] in comparison.found)


def _gain(row: str, over: str, comparison: Comparison) -> Estimate | None:
    if over not in comparison.found:
        return None
    check = Check(measure="iou_difference", rows=[row, over], above=0)
    return measure(check, [comparison.found[row], comparison.found[over]], comparison.paper.asked.confidence)
