"""The trainings that tell apart why the multi-class loss fails, as a table."""

from collections.abc import Sequence

from stages.analysis.causes import Variant
from stages.analysis.naming import FIRST, dataset_title
from stages.report.tables import NONE, Cell, Table, csv_number, headers

COLUMNS = (
    "n", "mean IoU", "over the control", "car IoU", "right flipped", "wrong flipped", "largest σ² > τ",
    "label’s σ² > τ",
)  # fmt: skip


def causes_table(dataset: str, variants: Sequence[Variant]) -> Table:
    """Return the variants of a dataset, a line each."""
    body, records = [], []
    for one in variants:
        over = one.over
        spread = (
            f" [{over.low:+.1f}, {over.high:+.1f}]" if over and over.low is not None and over.high is not None else ""
        )
        measured = (one.iou(FIRST), one.flipped("right"), one.flipped("wrong"), one.above("max"), one.above("target"))
        cells = [
            str(len(one.runs) + len(one.stopped)),
            _outcome(one),
            f"{over.mean:+.1f}{spread}" if over else NONE,
            *(f"{value.mean:.1f}" if value else NONE for value in measured),
        ]
        named = [Cell(one.base, "text"), Cell(one.changed, "text")]
        body.append([Cell(one.name, "text name", header=True), *named, *(Cell(text, "number") for text in cells)])
        iou = one.iou()
        records.append({"dataset": dataset, "variant": one.name, "mean_iou": csv_number(iou.mean if iou else None)})
    caption = (
        "Both recipes as they were when σ² was read as exp(raw); studies/causes.yaml says what each entry changes. "
        "Percent, means over n seeds; over the control: points of "
        "mean IoU over the same recipe as it is, paired by seed [95 % interval]. Right and wrong flipped: of the "
        "rightly and of the wrongly labelled box pixels, how many have another label in the end. σ² > τ: how many box "
        "pixels have a variance above the threshold, the largest of all classes or that of the label’s class, in the "
        "last tenth of the steps. Not finite: the loss stopped being a number, which ends a training."
    )
    head = headers([Cell("Entry", "text"), Cell("recipe", "text"), Cell("changed", "text"), *map(Cell, COLUMNS)])
    title = f"What makes it fail, on {dataset_title(dataset)}"
    return Table(f"causes-{dataset}", title, caption, [head], body, (), records)


def _outcome(one: Variant) -> str:
    """Return the mean IoU of the trainings that ended, and of how many the loss stopped being finite."""
    stopped = f"{len(one.stopped)} not finite, step {min(one.stopped.values())}" if one.stopped else ""
    return "; ".join(filter(None, (str(one.iou() or ""), stopped))) or NONE
