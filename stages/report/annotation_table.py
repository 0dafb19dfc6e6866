"""The annotation-cost curve as a table: every way to label, what it takes, and what is learned from it."""

from stages.analysis.annotation import METHODS, Curve, lead
from stages.analysis.naming import dataset_title
from stages.analysis.statistics import Estimate
from stages.report.tables import NONE, Cell, Table, csv_number, headers

COLUMNS = ("images with a mask", "hours for 1000 objects", "n", "IoU", "of full", "over masks of the same time")


def annotation_table(curve: Curve) -> Table:
    """Return one dataset's points, a line each."""
    body, records = [], []
    for method in METHODS:
        for point in curve.of(method):
            ahead = lead(curve, point) if method != METHODS[0] else None
            numbers = [
                f"{point.share:.1f} %",
                f"{point.hours:.1f}",
                str(point.iou.n),
                _with_interval(point.iou, ""),
                f"{100 * point.iou.mean / curve.full.iou.mean:.0f} %",
                NONE if ahead is None else _with_interval(ahead, "+"),
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
        f"{curve.object} IoU in percent, mean over n seeds [{100 * curve.confidence:.0f} % interval]. The last column: "
        "points ahead of masks alone, on as many images as the same time buys, interpolated between those that were "
        "tried, seed by seed."
    )
    head = headers([Cell("Trained on", "text"), *(Cell(name) for name in COLUMNS)])
    title = f"Annotation and IoU on {dataset_title(curve.dataset)}"
    return Table(f"annotation-{curve.dataset}", title, caption, [head], body, (), records)


def _with_interval(measured: Estimate, sign: str) -> str:
    mean = f"{measured.mean:{sign}.1f}"
    return mean if measured.low is None else f"{mean} [{measured.low:{sign}.1f}, {measured.high:{sign}.1f}]"
