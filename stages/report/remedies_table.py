"""What each remedy gives, as a table."""

from collections.abc import Sequence

from stages.analysis.naming import dataset_title
from stages.analysis.remedies import Remedy
from stages.analysis.statistics import Estimate
from stages.report.tables import NONE, Cell, Table, csv_number, headers, text_of

COLUMNS = ("n", "IoU", "of the gap", "flips add", "wrong flipped", "right flipped", "collapsed")


def remedies_table(dataset: str, remedies: Sequence[Remedy]) -> Table:
    """Return the remedies of one dataset, a line each."""
    body, records = [], []
    for one in remedies:
        cells = [
            str(one.iou.n),
            str(one.iou),
            _with_ends(one.share, "{:.0f}", " %"),
            _with_ends(one.over, "{:+.1f}"),
            text_of(one.recall),
            text_of(one.false_flip_rate),
            f"{one.collapsed} of {one.iou.n}" if one.collapsed else "",
        ]
        body.append([Cell(one.name, "text name", header=True), *(Cell(text, "number") for text in cells)])
        share = csv_number(one.share.mean if one.share else None)
        records.append({"dataset": dataset, "entry": one.name, "iou": csv_number(one.iou.mean), "share": share})
    caption = (
        "studies/remedies.yaml says what each entry changes. Judged on training images that were held out, about a "
        "fifth; percent, mean ± standard deviation over n seeds. Of the gap: from plain BCE on as many masks "
        "to full supervision [95 % interval]. Flips add: points of IoU over the same draws with uncertainty and "
        "without a flip, paired by seed. Wrong and right flipped: of the wrongly and of the rightly labelled box "
        "pixels, how many are flipped in the end. Collapsed: as paper/claims.yaml has it."
    )
    head = headers([Cell("Entry", "text"), *map(Cell, COLUMNS)])
    title = f"What each remedy gives, on {dataset_title(dataset)}"
    return Table(f"remedies-{dataset}", title, caption, [head], body, (), records)


def _with_ends(value: Estimate | None, form: str, unit: str = "") -> str:
    if value is None:
        return NONE
    ends = "" if value.low is None or value.high is None else f" [{form.format(value.low)}, {form.format(value.high)}]"
    return f"{form.format(value.mean)}{unit}{ends}"
