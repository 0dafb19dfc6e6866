"""What the paper does not print: its rows without a number, how well label flips do, how rectangular outputs are."""

from collections.abc import Mapping, Sequence

from stages.analysis.naming import class_head
from stages.analysis.results import Result, all_classes
from stages.analysis.statistics import Measured
from stages.report.paper_tables import Comparison, count_cells
from stages.report.tables import Cell, Table, csv_number, headers, text_of

FLIP_COLUMNS = {
    "share_wrong": "wrong box pixels",
    "precision": "precision",
    "recall": "recall",
    "false_flip_rate": "false-flip rate",
}
SCORES = {"auroc": "AUROC of σ²", "auroc_mean": "AUROC of −μ"}
"""How well a number of the network tells wrong labels, whatever the threshold."""
SHAPE_COLUMNS = {
    "iou_with_masks": "IoU with masks",
    "iou_with_boxes": "IoU with boxes",
    "component_masks": "components’ IoU with masks",
    "component_boxes": "components’ IoU with boxes",
    "extent": "extent",
    "extent_masks": "extent of masks",
    "extent_boxes": "extent of boxes",
}


def other_rows(comparison: Comparison) -> Table | None:
    """Return the trained rows that none of Tables 1-3 prints; None when there are none."""
    printed = {row for table in comparison.paper.numbers.tables.values() for row in table.rows}
    rows, found = comparison.rows, comparison.found
    names = [
        name
        for name in rows
        if name in found and name not in printed and name.removesuffix(f"-{rows[name].recipe}") not in printed
    ]
    if not names:
        return None
    known = ["mean", *all_classes(found[name] for name in names)]
    labels = [label for label in known if any(found[name].value(*_place(label)) for name in names)]
    head = [Cell("Row", "text"), Cell("PP", "count"), Cell("BB", "count"), *(Cell(class_head(x, ())) for x in labels)]
    body, records = [], []
    for name in names:
        row, values = rows[name], {label: found[name].value(*_place(label)) for label in labels}
        intro = [Cell(name, "text name", header=True), *count_cells(row)]
        body.append([*intro, *(Cell(comparison.shown(value)) for value in values.values())])
        for label, value in values.items():
            if value:
                record = {"row": name, "pp": row.pp, "box": row.box, "class": label}
                records.append(record | {"iou": csv_number(value.mean), "sd": csv_number(value.sd), "n": value.n})
    title = f"Rows without a number in the paper, on {comparison.title}"
    notes = [f"{name}: {note}" for name, note in comparison.paper.readings.notes.items() if name in names]
    return Table("others", title, comparison.spread_note, [headers(head)], body, notes, records)


def parts_table(comparison: Comparison) -> Table | None:
    """Return the IoU on each part of a validation set, such as CamVid's val and test; None where it has one."""
    found = {name: one for name, one in comparison.found.items() if any(run.get("parts") for run in one.runs)}
    if not found:
        return None
    parts = list(dict.fromkeys(part for one in found.values() for run in one.runs for part in run.get("parts", ())))
    images = [max(one.runs[0]["parts"][part]["n_images"] for one in found.values()) for part in parts]
    titles = [f"{part}, {count} images" for part, count in zip(parts, images, strict=True)]
    head = headers([Cell("Row", "text"), *map(Cell, titles)])
    body, records = [], []
    for name, one in found.items():
        label = ("mean_iou",) if len(one.classes) > 2 else ("iou", one.classes[1])
        values = {part: one.value("parts", part, *label) for part in parts}
        cells = [Cell(comparison.shown(value)) for value in values.values()]
        body.append([Cell(name, "text name", header=True), *cells])
        records += [
            {"row": name, "part": part, "iou": csv_number(value.mean if value else None)}
            for part, value in values.items()
        ]
    title = f"The parts of the validation set, on {comparison.title}"
    caption = (
        f"IoU in percent of the first class, of rows with several classes their mean. {comparison.spread_note} "
        "Every other number here is of all parts together."
    )
    return Table("parts", title, caption, [head], body, (), records)


def _place(label: str) -> tuple[str, ...]:
    """Return where a run has the IoU of a class, or the mean of them."""
    return ("mean_iou",) if label == "mean" else ("iou", label)


def flip_table(comparison: Comparison) -> Table:
    """Return how well each run finds the wrong pixels of its own training boxes: by label flips, else by its output."""
    how = {"label_flips": "flips (1 − W > ½)", "contradictions": "output differs"}
    entries = []
    for name in comparison.found:
        row = comparison.rows[name]
        key = "label_flips" if row.bootstraps else "contradictions"
        values = _values(comparison.found[name], key, FLIP_COLUMNS)
        values |= {score: comparison.found[name].value(score) for score in SCORES}
        entries.append((name, how[key], values))
    title = f"Which wrong box pixels are found, on {comparison.title}"
    caption = (
        "On each row's own training boxes, in percent, against masks that its training never saw. Precision: share "
        "of the found pixels that are truly wrong. Recall: share of the wrong pixels that are found. False-flip "
        "rate: share of the rightly labelled pixels that are found all the same. AUROC, from 0 to 1: how well the "
        "variance tells wrong labels from right ones, and how well the mean alone does; what the variance adds is "
        "their difference."
    )
    return _quantities("flips", title, caption, FLIP_COLUMNS | SCORES, _measured(entries), "found by")


def shape_table(comparison: Comparison) -> Table:
    """Return how rectangular each run's validation output is."""
    entries = [
        (name, "", _values(comparison.found[name], "rectangularity", SHAPE_COLUMNS)) for name in comparison.found
    ]
    entries = _measured(entries)
    title = f"How rectangular the output is, on {comparison.title}"
    caption = (
        "Validation output against true masks and against boxes drawn around them: IoU in percent, of all pixels and, "
        "as a mean, of each component with the mask in its box and with that box. Extent: the share of its own "
        "bounding box that a component fills on average, 1 for a rectangle."
    )
    columns = {key: text for key, text in SHAPE_COLUMNS.items() if any(values[key] for _, _, values in entries)}
    return _quantities("shapes", title, caption, columns, entries)


Entry = tuple[str, str, dict[str, Measured | None]]


def _values(result: Result, key: str, columns: Mapping[str, str]) -> dict[str, Measured | None]:
    return {column: result.value(key, column) for column in columns}


def _measured(entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if any(entry[2].values())]


def _quantities(
    key: str, title: str, caption: str, columns: Mapping[str, str], entries: Sequence[Entry], how: str | None = None
) -> Table:
    middle = [Cell(how, "text")] if how else []
    head = headers([Cell("Row", "text"), *middle, *(Cell(text) for text in columns.values())])
    body, records = [], []
    for name, found_by, values in entries:
        cells = [Cell(text_of(values[column]), "number") for column in columns]
        body.append([Cell(name, "text name", header=True), *([Cell(found_by, "text")] if how else []), *cells])
        means = {column: values[column] for column in columns}
        numbers = {column: csv_number(value.mean if value else None) for column, value in means.items()}
        records.append({"row": name, **({"found_by": found_by} if how else {}), **numbers})
    return Table(key, title, caption, [head], body, (), records)
