"""The annotation-cost curve as a table: every way to label, what it takes, and what is learned from it."""

from stages.analysis.annotation import METHODS, Curve, lead
from stages.analysis.naming import dataset_title
from stages.report.tables import NONE, Cell, Table, csv_number, headers

COLUMNS = ("images with a mask", "hours for 1000 objects", "n", "IoU", "of full", "over masks of the same time")


def annotation_table(curve: Curve) -> Table:
    """Return one dataset's points, a line each."""
    body, records = [], []
    for method in METHODS:
        for point in curve.of(method):
            ahead = lead(curve, point) if method != METHODS[0] else None
            low, high = point.iou.low, point.iou.high
            spread = f" [{low:.1f}, {high:.1f}]" if low is not None and high is not None else ""
            numbers = [
                f"{point.share:.1f} %",
                f"{point.hours:.1f}",
                str(point.iou.n),
                f"{point.iou.mean:.1f}{spread}",
                f"{100 * point.iou.mean / curve.full.iou.mean:.0f} %",
                NONE if ahead is None else f"{ahead:+.1f}",
            ]
            body.append([Cell(method, "text", header=True), *(Cell(number, "number") for number in numbers)])
            records.append(
                {
                    "dataset": curve.dataset,
                    "method": method,
                    "share": csv_number(point.share),
                    "hours": csv_number(point.hours),
                    "iou": csv_number(point.iou.mean),
                }
            )
    caption = (
        f"{curve.object} IoU in percent, mean over n seeds [95 % interval]. The last column: points ahead of masks "
        "alone, on as many images as the same time buys, interpolated between those that were tried."
    )
    head = headers([Cell("Trained on", "text"), *(Cell(name) for name in COLUMNS)])
    title = f"Annotation and IoU on {dataset_title(curve.dataset)}"
    return Table(f"annotation-{curve.dataset}", title, caption, [head], body, (), records)
