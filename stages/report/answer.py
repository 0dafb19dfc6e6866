"""The report's first sentences: whether the method works here, from the numbers alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.analysis.claims import measure
from stages.analysis.gap import GapShare, gap_share, printed_gap_share, share_over_draws
from stages.analysis.methods import LITERAL, MASKS, STABLE
from stages.analysis.naming import FIRST, class_name, dataset_title
from stages.analysis.paper import Check, Paper
from stages.analysis.reference_results import ReferenceResults
from stages.analysis.results import Result, Results, collapsed, full_supervision
from stages.analysis.statistics import Estimate
from stages.config import Row
from stages.report.few_masks import fewest
from stages.report.paper_tables import Comparison
from stages.report.tables import points_text

NO_FLIPS = "uncertainty-500-2280"
METHODS = {
    "regression-500-2280": "In-box regression with uncertainty",
    NO_FLIPS: "BCE with uncertainty, no flips",
    "uncertainty-500-2280-warmup": "The same after a clean-label warm-up",
    LITERAL: "The method, literal recipe",
    STABLE: "The method, stable recipe",
}
"""The rows whose share of the gap is shown, and what they are called."""


@dataclass(frozen=True)
class Share:
    """A method's share of the gap: what it is called, and what the paper and each dataset say, as texts."""

    name: str
    paper: str
    here: list[str]


def verdict(paper: Paper, dataset: str, found: Results) -> list[str]:
    """Return the verdict in three sentences: how much of the gap is closed, what flips add, and what boxes add.

    The last two are left out where their rows were not trained.

    Args:
        paper: Says between which rows the gap lies, and what it reports.
        dataset: What the results are of.
        found: The results by row.
    """
    flips, boxes = (_differences(row, paper, found) for row in (NO_FLIPS, MASKS))
    sentences = [_closing(paper, dataset, found)]
    if flips:
        sentences.append(f"Over the same uncertainty without flips, label flips add {flips}.")
    if boxes:
        sentences.append(f"Over the masks alone, without any box, the method adds {boxes}.")
    return sentences


def of_reference(paper: Paper, rows: Mapping[str, Row], one: ReferenceResults) -> list[str]:
    """Return the verdict on a dataset's reference runs, and what boxes add to the fewest masks that were tried."""
    few = fewest(Comparison(paper, rows, one.dataset, one.entries, one.left_out))
    return [*verdict(paper, one.dataset, one.results), *filter(None, [few])]


def _differences(row: str, paper: Paper, found: Results) -> str:
    """Return what the literal and the stable recipe have over a row, in points; empty where one was not trained."""
    said = []
    for name, of_recipe in ((LITERAL, "points with the literal recipe"), (STABLE, "with the stable one")):
        if name not in found or row not in found:
            return ""
        check = Check(measure="iou_difference", rows=[name, row], above=0)
        points = measure(check, [found[name], found[row]], paper.asked.confidence)
        if points is None:
            return ""
        said.append(f"{points_text(points)} {of_recipe}")
    return " and ".join(said)


def _closing(paper: Paper, dataset: str, found: Results) -> str:
    """Return one sentence: how much of the paper's gap exists here, and how much of it the method closes."""
    title = dataset_title(dataset)
    stable, literal = (gap_share(row, paper, found) for row in (STABLE, LITERAL))
    gap = paper.asked.gap
    printed = paper.iou(gap.full, FIRST) - paper.iou(gap.row, FIRST)
    share = printed_gap_share(LITERAL, paper)
    if stable is None or literal is None or share is None:
        return f"The rows that the answer needs were not trained on {title}."
    dead, first = _collapsed(paper, found, LITERAL), class_name(FIRST, found[LITERAL].classes)
    fate = f"the literal recipe collapses ({first} IoU {_iou(found[LITERAL])} %)"
    if stable.share is None:
        closes = f", and {fate}" if dead else ""
        return (
            f"On {title} the method has little to win: plain BCE on mixed labels is "
            f"{_points(stable)} full supervision{closes}. "
            f"In the paper it closes {share:.0f} % of a gap of {printed:.1f} points."
        )
    other = fate if dead or literal.share is None else f"the literal one {literal.share.mean:.0f} %"
    return (
        f"On {title}, the method’s stable recipe closes {stable.share.mean:.0f} % of the gap of "
        f"{stable.gap.mean:.1f} points between plain BCE on mixed labels and full supervision, {other}; "
        f"the paper reports {share:.0f} % of {printed:.1f} points on Cityscapes."
    )


def closed(comparison: Comparison) -> str:
    """Return the headline measure in a line: the share of the gap that the stable recipe closes, beside the paper's."""
    found, share = gap_share(STABLE, comparison.paper, comparison.found), printed_gap_share(LITERAL, comparison.paper)
    if found is None or share is None:
        return ""
    least = comparison.paper.asked.gap.least
    here = found.text if found.share is not None else f"none to close, the gap is not clear of {least:g} points"
    return f"Share of the gap closed, from plain BCE on mixed labels to all masks: paper {share:.0f} %, here {here}."


def shares(paper: Paper, sources: Sequence[Results]) -> list[Share]:
    """Return each method's share of the gap: in the paper, and in each of some results."""
    found = []
    for row, name in METHODS.items():
        printed = printed_gap_share(row, paper)
        here = [_share_text(row, paper, source) for source in sources]
        found.append(Share(name, "–" if printed is None else f"{printed:.0f} %", here))
    return found


def gaps(paper: Paper, sources: Sequence[Results]) -> Share:
    """Return the gap itself, in points of IoU, in the form in which `shares` gives what is closed of it."""
    gap = paper.asked.gap
    printed = paper.iou(gap.full, FIRST) - paper.iou(gap.row, FIRST)
    measured = [gap_share(gap.row, paper, source) for source in sources]
    here = ["–" if one is None else _interval(one) for one in measured]
    return Share("The gap: full supervision − plain BCE, mixed", f"{printed:.1f} points", here)


def over_draws(paper: Paper, references: Sequence[ReferenceResults], before: int = 0) -> list[Share]:
    """Return each recipe's share of the gap over draws of which images have masks; of those for which some has several.

    Args:
        paper: Says between which rows the gap lies.
        references: The reference runs of each dataset.
        before: How many results without draws stand before them.
    """
    listed = []
    for row in (LITERAL, STABLE):
        found = [share_over_draws(row, paper, one.entries) for one in references]
        if any(found):
            texts = ["–" if one is None else f"{one.mean:.0f} %{_ends(one)} (n = {one.n} draws)" for one in found]
            name = f"{METHODS[row]}, over draws of which images have masks"
            listed.append(Share(name, "–", ["–"] * before + texts))
    return listed


def _ends(found: Estimate) -> str:
    return "" if found.low is None else f" [{found.low:.0f}, {found.high:.0f}]"


def _interval(found: GapShare) -> str:
    gap = found.gap
    interval = "" if gap.low is None else f" [{gap.low:z.1f}, {gap.high:z.1f}]"
    return f"{gap.mean:z.1f} points{interval}"


def _share_text(row: str, paper: Paper, source: Results) -> str:
    found = gap_share(row, paper, source)
    return "–" if found is None else found.text


def _points(found: GapShare) -> str:
    gap = found.gap.mean
    return "level with" if abs(gap) < 0.5 else f"within {abs(gap):.1f} points of"


def _iou(result: Result) -> str:
    iou = result.iou(FIRST)
    return "–" if iou is None else f"{iou.mean:.0f}"


def _collapsed(paper: Paper, source: Results, row: str) -> bool:
    """Return whether most trainings of a row collapsed."""
    full, runs = full_supervision(source), source[row].runs
    return bool(full) and 2 * sum(collapsed(run, full or 0, paper.asked.collapse) for run in runs) > len(runs)
