"""Tables 1-3 beside the paper's numbers, the rows that the paper does not print, and how well the flips did.

Every number of the report's tables comes from here; CSV, Markdown and HTML say the same.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from stages import paths
from stages.params import Row, Settings, UserError
from stages.report.paper import Paper
from stages.report.records import FLIPPED_FOREGROUND, FULL, Measured, Result, collapsed, full_supervision
from stages.style import dataset_title

RECIPE_NAMES = {"paper": "literal", "stable": "stable"}
LABELS = {"mean": "Mean", "background": "BG", "car": "Car", "person": "Person"}
NONE = "–"
COLLAPSED = "†"
COLLAPSED_NOTE = (
    f"{COLLAPSED} so many of the trainings collapsed: car IoU under half of full supervision’s ({FULL}), or over "
    f"{FLIPPED_FOREGROUND:g} % of true foreground flipped in the end."
)


@dataclass(frozen=True)
class Cell:
    """One cell. `kind` is its CSS class: `paper`, `ours`, `number`, `text`, `count`."""

    text: str
    kind: str = "ours"
    span: int = 1
    header: bool = False


@dataclass(frozen=True)
class Table:
    """A table for people (`head`, `body`) and for machines (`records`, one per row, class and recipe)."""

    key: str
    title: str
    caption: str
    head: Sequence[Sequence[Cell]]
    body: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    records: Sequence[Mapping[str, object]] = field(default=(), repr=False)

    def csv(self) -> str:
        """The records, comma-separated, one header line; an absent number is an empty field."""
        return pd.DataFrame(self.records, dtype=object).to_csv(index=False, lineterminator="\n")

    def markdown(self) -> str:
        """The table under its title, with its notes. A cell that spans columns fills the first."""
        head = [" ".join(filter(None, column)) for column in zip(*map(_spread, self.head), strict=True)]
        lines = [head, ["---"] * len(head), *[_once(line) for line in self.body]]
        rows = ["| " + " | ".join(line) + " |" for line in lines]
        notes = [f"\n{note}" for note in self.notes]
        return "\n".join([f"**{self.title}.** {self.caption}\n", *rows, *notes]) + "\n"

    def html(self) -> str:
        """The table as HTML, in a region that scrolls by itself on a narrow screen."""
        notes = "".join(f"<p class='note'>{html.escape(note)}</p>" for note in self.notes)
        return (
            f"<figure class='table' id='{self.key}'>"
            f"<figcaption id='{self.key}-title'><strong>{html.escape(self.title)}.</strong> {html.escape(self.caption)}"
            f"</figcaption>\n<div class='scroll' role='region' tabindex='0' aria-labelledby='{self.key}-title'>"
            f"<table aria-labelledby='{self.key}-title'><thead>{_html_rows(self.head)}</thead>\n"
            f"<tbody>{_html_rows(self.body)}</tbody></table></div>{notes}</figure>"
        )

    def _repr_html_(self) -> str:
        return self.html()


def _spread(line: Sequence[Cell]) -> list[str]:
    """Texts of a line with one entry per column: a spanning cell's text in each of its columns."""
    return [cell.text for cell in line for _ in range(cell.span)]


def _once(line: Sequence[Cell]) -> list[str]:
    return [text for cell in line for text in [cell.text, *[""] * (cell.span - 1)]]


def _html_rows(lines: Sequence[Sequence[Cell]]) -> str:
    return "\n".join(f"<tr>{''.join(map(_html_cell, line))}</tr>" for line in lines)


def _html_cell(cell: Cell) -> str:
    tag = "th" if cell.header else "td"
    span = f" colspan='{cell.span}'" if cell.span > 1 else ""
    return f"<{tag} class='{cell.kind}'{span}>{html.escape(cell.text)}</{tag}>"


# ---- Tables 1-3 ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One row of a paper's table with every recipe that was trained for it: {recipe or None: its row and result}."""

    name: str
    loss: str
    row: Row
    ours: Mapping[str | None, Result]


def paper_tables(paper: Paper, settings: Settings, results: Mapping[str, Result]) -> list[Table]:
    """Tables 1-3 with every row that the paper prints and every recipe of it, in the paper's order.

    Raises:
        UserError: rows.yaml lacks a row of the paper's tables.
    """
    printed = [entry.row for table in paper.tables.values() for entry in table.rows]
    if missing := [row for row in printed if row not in settings.rows]:
        names = ", ".join(dict.fromkeys(missing))
        raise UserError(f"rows.yaml: lacks {names}; allowed are more rows than the paper's tables have, not fewer")
    return [paper_table(key, paper, settings, results) for key in paper.tables]


def paper_table(key: str, paper: Paper, settings: Settings, results: Mapping[str, Result]) -> Table:
    """One of Tables 1-3. A table of one class has the recipes in columns, a table of several in lines."""
    entries = paper.tables[key]
    dataset = settings.params.dataset
    lines = [Line(e.row, e.loss, settings.rows[e.row], variants(e.row, settings, results)) for e in entries.rows]
    make = _one_class if len(entries.classes) == 1 else _classes
    head, body = make(lines, entries.classes, paper, results, dataset)
    notes = [_note(line, paper) for line in lines if paper.rows[line.name].note]
    if any(COLLAPSED in cell.text for line in body for cell in line):
        notes.append(COLLAPSED_NOTE)
    number = key.removeprefix("table")
    return Table(
        key,
        f"Table {number} on {dataset_title(dataset)}: {entries.title}",
        f"{entries.caption} {spread_note(results)}",
        head,
        body,
        notes,
        [record for line in lines for record in _records(key, line, entries.classes, paper, dataset)],
    )


def _note(line: Line, paper: Paper) -> str:
    """The remark on a row of a table: by its mark if it has one, else by its counts."""
    printed = paper.rows[line.name]
    return printed.note if printed.mark else f"{line.row.pp}:{line.row.box}. {printed.note}"


def variants(name: str, settings: Settings, results: Mapping[str, Result]) -> dict[str | None, Result]:
    """The results of a paper's row by recipe: the row itself and its `-<recipe>` namesakes."""
    return {
        settings.rows[row].recipe: results[row]
        for row in settings.order
        if row == name or row == f"{name}-{settings.rows[row].recipe}"
    }


def spread_note(results: Mapping[str, Result]) -> str:
    """What the numbers of a table are: IoU of how many seeds."""
    counts = {len(result.runs) for result in results.values()}
    if counts == {1}:
        return "IoU in percent, one seed each (n = 1), so without error bars."
    if len(counts) > 1:
        return "IoU in percent, mean ± standard deviation over seeds (in brackets: how many)."
    return f"IoU in percent, mean ± standard deviation over n = {counts.pop()} seeds."


def _shown(value: Measured | None, results: Mapping[str, Result]) -> str:
    """A number of a table; with its count of seeds where `spread_note` says that these differ."""
    alike = len({len(result.runs) for result in results.values()}) == 1
    return NONE if value is None else str(value) if alike else f"{value} ({value.n})"


def _one_class(
    lines: Sequence[Line], classes: Sequence[str], paper: Paper, results: Mapping[str, Result], dataset: str
) -> tuple[list, list]:
    (label,) = classes
    recipes = list(dict.fromkeys(recipe for line in lines for recipe in line.ours if recipe))
    title = dataset_title(dataset)
    first = [Cell("", "text", 3), Cell("paper, Cityscapes", "paper"), Cell(title, "ours", 1 + len(recipes))]
    names = [LABELS[label], *(f"{RECIPE_NAMES[recipe]} recipe" for recipe in recipes)]
    second = [Cell("Loss", "text"), Cell("PP", "count"), Cell("BB", "count"), Cell(LABELS[label], "paper")]
    head = [_headers(first), _headers([*second, *(Cell(name) for name in names)])]
    body = []
    for line in lines:
        cells = [Cell(_measured(line.ours.get(recipe), label, results)) for recipe in (None, *recipes)]
        body.append([*_intro(line), Cell(_printed(paper, line.name, label), "paper"), *cells])
    return head, body


def _classes(
    lines: Sequence[Line], classes: Sequence[str], paper: Paper, results: Mapping[str, Result], dataset: str
) -> tuple[list, list]:
    names = [Cell("Loss", "text"), Cell("PP", "count"), Cell("BB", "count"), Cell("IoU", "text")]
    head = [_headers([*names, *(Cell(LABELS[label]) for label in classes)])]
    body = []
    for line in lines:
        printed = [Cell(_printed(paper, line.name, label), "paper") for label in classes]
        body.append([*_intro(line), Cell("paper, Cityscapes", "paper text"), *printed])
        for recipe, result in line.ours.items():
            source = f"here, {RECIPE_NAMES[recipe]} recipe" if recipe else "here"
            source += collapse_mark(result, results)
            cells = [Cell(_shown(result.iou(label), results)) for label in classes]
            body.append([Cell("", "text", 3), Cell(source, "text"), *cells])
    return head, body


def _headers(cells: Sequence[Cell]) -> list[Cell]:
    return [Cell(cell.text, cell.kind, cell.span, header=True) for cell in cells]


def _intro(line: Line) -> list[Cell]:
    count = [Cell(str(n) if n else "/", "count") for n in (line.row.pp, line.row.box)]
    return [Cell(line.loss, "text", header=True), *count]


def _printed(paper: Paper, name: str, label: str) -> str:
    row = paper.rows.get(name)
    return NONE if row is None or label not in row.iou else f"{row.iou[label]:g}{row.mark}"


def _measured(result: Result | None, label: str, results: Mapping[str, Result]) -> str:
    if result is None:
        return ""
    return _shown(result.iou(label), results) + collapse_mark(result, results)


def collapse_mark(result: Result, results: Mapping[str, Result]) -> str:
    """How many of a row's trainings collapsed (see `records.collapsed`), as its number shows it; "" for none."""
    full = full_supervision(results)
    dead = sum(collapsed(run, full) for run in result.runs) if full else 0
    return f" {COLLAPSED} {dead} of {len(result.runs)}" if dead else ""


def _records(key: str, line: Line, classes: Sequence[str], paper: Paper, dataset: str) -> list[dict[str, object]]:
    records = []
    for recipe, result in line.ours.items():
        for label in classes:
            ours = result.iou(label)
            records.append(
                {
                    "table": key,
                    "row": result.row,
                    "loss": line.loss,
                    "pp": line.row.pp,
                    "box": line.row.box,
                    "recipe": recipe or "",
                    "class": label,
                    "paper_cityscapes_iou": paper.rows[line.name].iou.get(label, ""),
                    "dataset": dataset,
                    "iou": _csv(ours and ours.mean),
                    "sd": _csv(ours and ours.sd),
                    "n": ours.n if ours else 0,
                }
            )
    return records


def _csv(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


# ---- what the paper does not print -----------------------------------------------------------------------------------


def other_rows(paper: Paper, settings: Settings, results: Mapping[str, Result]) -> Table | None:
    """The trained rows that none of Tables 1-3 prints; None when there are none."""
    printed = {entry.row for table in paper.tables.values() for entry in table.rows}
    names = [
        name
        for name in settings.order
        if name not in printed and name.removesuffix(f"-{settings.rows[name].recipe}") not in printed
    ]
    if not names:
        return None
    labels = [label for label in LABELS if any(results[name].iou(label) for name in names)]
    head = [[Cell("Row", "text"), Cell("PP", "count"), Cell("BB", "count"), *(Cell(LABELS[x]) for x in labels)]]
    body, records = [], []
    for name in names:
        row, values = settings.rows[name], {label: results[name].iou(label) for label in labels}
        intro = [Cell(name, "text name", header=True), *_intro(Line(name, name, row, {}))[1:]]
        body.append([*intro, *(Cell(_shown(value, results)) for value in values.values())])
        for label, value in values.items():
            if value:
                record = {"row": name, "pp": row.pp, "box": row.box, "class": label}
                records.append(record | {"iou": _csv(value.mean), "sd": _csv(value.sd), "n": value.n})
    title = f"Rows without a number in the paper, on {dataset_title(settings.params.dataset)}"
    notes = [f"{name}: {paper.rows[name].note}" for name in names if name in paper.rows and paper.rows[name].note]
    return Table("others", title, spread_note(results), [_headers(head[0])], body, notes, records)


FLIP_COLUMNS = {
    "share_wrong": "wrong box pixels",
    "precision": "precision",
    "recall": "recall",
    "share_true_foreground": "objects lost",
}
SHAPE_COLUMNS = {
    "iou_with_masks": "IoU with masks",
    "iou_with_boxes": "IoU with boxes",
    "component_masks": "components’ IoU with masks",
    "component_boxes": "components’ IoU with boxes",
    "extent": "extent",
    "extent_masks": "extent of masks",
    "extent_boxes": "extent of boxes",
}


def flip_table(settings: Settings, results: Mapping[str, Result]) -> Table:
    """How well each run finds the wrong pixels of its own training boxes: by flips, else by its output."""
    rows = [(name, "flips" if settings.rows[name].bootstraps else "contradictions") for name in settings.order]
    entries = [(name, key, _values(results[name], key, FLIP_COLUMNS)) for name, key in rows]
    entries = [entry for entry in entries if any(entry[2].values())]
    how = {"flips": "flips (1 − W > ½)", "contradictions": "output differs"}
    title = f"Which wrong box pixels are found, on {dataset_title(settings.params.dataset)}"
    caption = (
        "On each row's own training boxes, in percent, against masks that its training never saw. Precision: share of "
        "the found pixels that are truly wrong. Recall: share of the wrong pixels that are found. Objects lost: share "
        "of the rightly labelled pixels that are found all the same."
    )
    return _quantities("flips", title, caption, FLIP_COLUMNS, [(n, how[k], v) for n, k, v in entries], "found by")


def shape_table(settings: Settings, results: Mapping[str, Result]) -> Table:
    """How rectangular each run's validation output is."""
    entries = [(name, "", _values(results[name], "rectangularity", SHAPE_COLUMNS)) for name in settings.order]
    entries = [entry for entry in entries if any(entry[2].values())]
    title = f"How rectangular the output is, on {dataset_title(settings.params.dataset)}"
    caption = (
        "Validation output against true masks and against boxes drawn around them: IoU in percent, of all pixels and, "
        "as a mean, of each component with the mask in its box and with that box. Extent: the share of its own "
        "bounding box that a component fills on average, 1 for a rectangle."
    )
    columns = {key: text for key, text in SHAPE_COLUMNS.items() if any(values[key] for _, _, values in entries)}
    return _quantities("shapes", title, caption, columns, entries)


def _values(result: Result, key: str, columns: Mapping[str, str]) -> dict[str, Measured | None]:
    return {column: result.value(key, column) for column in columns}


def _quantities(
    key: str,
    title: str,
    caption: str,
    columns: Mapping[str, str],
    entries: Sequence[tuple[str, str, Mapping[str, Measured | None]]],
    how: str | None = None,
) -> Table:
    middle = [Cell(how, "text")] if how else []
    head = _headers([Cell("Row", "text"), *middle, *(Cell(text) for text in columns.values())])
    body, records = [], []
    for name, found_by, values in entries:
        cells = [Cell(str(values[c] or NONE), "number") for c in columns]
        body.append([Cell(name, "text name", header=True), *([Cell(found_by, "text")] if how else []), *cells])
        numbers = {c: _csv(values[c].mean if values[c] else None) for c in columns}
        records.append({"row": name, **({"found_by": found_by} if how else {}), **numbers})
    return Table(key, title, caption, [head], body, (), records)


# ---- writing ---------------------------------------------------------------------------------------------------------


def write(tables: Sequence[Table], folder: Path) -> None:
    """Write each table as <key>.csv and <key>.md, and all of them as results.md, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        paths.fresh(folder / f"{table.key}.csv").write_text(table.csv(), encoding="utf-8")
        paths.fresh(folder / f"{table.key}.md").write_text(table.markdown(), encoding="utf-8")
    whole = "\n".join(table.markdown() for table in tables)
    paths.fresh(folder / "results.md").write_text(whole, encoding="utf-8")
