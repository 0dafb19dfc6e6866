"""The report on data of one's own: which row is best there, by how much, and where it fails."""

from collections.abc import Sequence
from pathlib import Path

from stages.analysis.naming import class_head, dataset_title
from stages.analysis.own import Ranked
from stages.analysis.results import Results, all_classes
from stages.analysis.statistics import Estimate
from stages.config import Settings
from stages.figures import worst
from stages.figures.style import Picture
from stages.report.tables import NONE, Cell, Table, csv_number, headers


def answer(ranked: Sequence[Ranked], dataset: str, images: int) -> str:
    """Return one sentence: the best row that does not need every mask, by how much, and how sure that is."""
    reachable = [one for one in ranked if not one.full]
    if not reachable:
        return f"No row was trained on {dataset_title(dataset)}."
    best = reachable[0]
    share = f"{best.iou.mean:.1f} % IoU on {images} validation images of {dataset_title(dataset)}"
    return f"Best is {best.words} (row {best.row}): {share}{_ahead(best)}."


def _ahead(best: Ranked) -> str:
    """Say how far the best row is ahead of the masks alone."""
    over = best.over_masks
    if over is None:
        return ", so boxes add nothing" if best.alone else ""
    if over.low is None or over.high is None:
        return f", {over.mean:+.1f} points over the masks alone with one seed, which is a direction and no verdict"
    sure = "" if over.low > 0 else ", which more seeds or images would have to confirm"
    return f", {over.mean:+.1f} points [{over.low:.1f}, {over.high:.1f}] over the masks alone{sure}"


def ranking_table(ranked: Sequence[Ranked], found: Results, dataset: str) -> Table:
    """Return every row with its IoU, its lead over the masks alone, and the IoU of each class."""
    labels = all_classes(found[one.row] for one in ranked)
    head = [Cell("Row", "text"), Cell("trained on", "text"), Cell("IoU"), Cell("over the masks alone")]
    head += [Cell(class_head(label, ())) for label in labels]
    body, records = [], []
    for one in ranked:
        by_class = {label: found[one.row].value("iou", label) for label in labels}
        cells = [Cell(_interval(one.iou), "number"), Cell(_interval(one.over_masks, signed=True), "number")]
        cells += [Cell(NONE if value is None else f"{value.mean:.1f}", "number") for value in by_class.values()]
        body.append([Cell(one.row, "text name", header=True), Cell(one.words, "text"), *cells])
        record: dict[str, object] = {"row": one.row, "iou": csv_number(one.iou.mean), "n": one.iou.n}
        means = {label: value.mean if value else None for label, value in by_class.items()}
        records.append(record | {label: csv_number(mean) for label, mean in means.items()})
    caption = (
        "IoU in percent on the validation images, of the only class or the mean over all; mean over seeds with its "
        "95 % interval and their number, where there are several. The best row is chosen on the images that judge it, "
        "so its number flatters it a little."
    )
    return Table(
        "own", f"Rows on {dataset_title(dataset)}, the best first", caption, [headers(head)], body, (), records
    )


def _interval(value: Estimate | None, signed: bool = False) -> str:
    if value is None:
        return NONE
    mean = f"{value.mean:+.1f}" if signed else f"{value.mean:.1f}"
    return mean if value.low is None else f"{mean} [{value.low:.1f}, {value.high:.1f}] ({value.n})"


def worst_picture(row: str, settings: Settings, root: Path) -> Picture | None:
    """Return the worst validation images of a row; None where no image shows a class."""
    dataset, seed = settings.params.dataset, settings.params.seeds[0]
    return worst.draw(row, settings.rows[row].classes, dataset, seed, root)
