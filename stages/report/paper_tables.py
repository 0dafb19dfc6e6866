"""Tables 1-3 beside the paper's numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stages.analysis.gap import ends, gap_share, printed_gap_share
from stages.analysis.naming import FIRST, RECIPE_NAMES, class_head, class_name, dataset_title
from stages.analysis.paper import Collapse, Paper
from stages.analysis.results import FULL, Result, Results, all_classes, collapsed, full_supervision, recipes_of
from stages.analysis.statistics import Measured
from stages.config import Row
from stages.errors import UserError
from stages.report.tables import NONE, Cell, Table, csv_number, headers

COLLAPSED = "†"


@dataclass(frozen=True)
class Comparison:
    """One dataset's results beside the paper's numbers.

    Attributes:
        paper: What the paper prints, and what is asked of it. rows: all of configs/rows.yaml.
        dataset: Its name. found: the results of the rows that were not left out.
        left_out: The reason for each of the others.
    """

    paper: Paper
    rows: Mapping[str, Row]
    dataset: str
    found: Results
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def first(self) -> str:
        """The name of the dataset's first class."""
        return class_name(FIRST, self.classes)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that some row tells apart, by value."""
        return all_classes(self.found.values())

    @property
    def title(self) -> str:
        """The dataset's name for readers."""
        return dataset_title(self.dataset)

    @property
    def spread_note(self) -> str:
        """What the numbers of a table are: IoU of how many seeds."""
        counts = {len(result.runs) for result in self.found.values()}
        if counts == {1}:
            return "IoU in percent, one seed each (n = 1), so without error bars."
        if len(counts) > 1:
            return "IoU in percent, mean ± standard deviation over seeds (in brackets: how many)."
        return f"IoU in percent, mean ± standard deviation over n = {counts.pop()} seeds."

    @property
    def collapse_note(self) -> str:
        """What the mark of collapsed trainings means."""
        return collapse_note(self.first, FULL, self.paper.asked.collapse)

    def shown(self, value: Measured | None) -> str:
        """Return a number of a table; with its count of seeds where `spread_note` says that these differ."""
        alike = len({len(result.runs) for result in self.found.values()}) == 1
        return NONE if value is None else str(value) if alike else f"{value} ({value.n})"

    @property
    def gap_note(self) -> str:
        """What the column with the share of the gap is."""
        least, confidence = self.paper.asked.gap.least, self.paper.asked.confidence
        return (
            "Gap closed: how much of the way from the plain loss on mixed labels to full supervision a row goes, "
            f"[{100 * confidence:.0f} % interval] paired by seed; none where the gap is not clear of {least:g} points."
        )

    def closed(self, result: Result, task: str | None = None) -> str:
        """Return the share of the gap that a row closes, as a table has it; nothing to close for the gap's own rows.

        Args:
            result: Of the row.
            task: Its `classes`; without it those of configs/rows.yaml, or `one`.
        """
        task = task or (self.rows[result.row].classes if result.row in self.rows else "one")
        own = result.row in ends(self.paper, task)
        found = None if own else gap_share(result.row, self.paper, self.found, task)
        return NONE if found is None else found.text

    def collapse_mark(self, result: Result) -> str:
        """Return how many of a row's trainings collapsed, as its number shows it; "" for none."""
        return collapse_mark(result, full_supervision(self.found), self.paper.asked.collapse)


def collapse_mark(result: Result, full: float | None, limits: Collapse) -> str:
    """Return how many of a row's trainings collapsed, as its number shows it; "" for none.

    Args:
        result: Of the row.
        full: IoU of the first class of full supervision, in percent; None without such a training.
        limits: See paper/claims.yaml.
    """
    dead = sum(collapsed(run, full, limits) for run in result.runs) if full else 0
    return f" {COLLAPSED} {dead} of {len(result.runs)}" if dead else ""


def collapse_note(first: str, full: str, limits: Collapse) -> str:
    """Return what the mark means, from the names of the first class and of full supervision's row."""
    return (
        f"{COLLAPSED} so many of the trainings collapsed: {first} IoU under {limits.iou_share:g} % of full "
        f"supervision’s ({full}), or over {limits.false_flip_rate:g} % of true foreground flipped in the end."
    )


@dataclass(frozen=True)
class _Line:
    """One row of a paper's table, with the results of every recipe that was trained for it."""

    name: str
    loss: str
    row: Row
    ours: Mapping[str | None, Result]

    def intro(self) -> list[Cell]:
        """Return the first cells: the loss and the counts of images."""
        return [Cell(self.loss, "text", header=True), *count_cells(self.row)]


def count_cells(row: Row) -> list[Cell]:
    """Return how many pixel-perfect and box images a row has, as the paper writes it."""
    return [Cell(str(n) if n else "/", "count") for n in (row.pp, row.box)]


def paper_tables(comparison: Comparison) -> list[Table]:
    """Return Tables 1-3 with every row that the paper prints and every recipe of it, in the paper's order.

    A table none of whose rows the dataset trains is left out; a row that it does not train has no number.

    Raises:
        UserError: configs/rows.yaml lacks a row of the paper's tables.
    """
    tables = comparison.paper.numbers.tables
    if missing := [row for table in tables.values() for row in table.rows if row not in comparison.rows]:
        names = ", ".join(dict.fromkeys(missing))
        raise UserError(
            f"configs/rows.yaml: lacks {names}; allowed are more rows than the paper's tables have, not fewer"
        )
    shown = [key for key, table in tables.items() if any(recipes_of(row, comparison.found) for row in table.rows)]
    return [paper_table(key, comparison) for key in shown]


def paper_table(key: str, comparison: Comparison) -> Table:
    """Return one of Tables 1-3, a line for each recipe of a row."""
    printed, words = comparison.paper.numbers.tables[key], comparison.paper.readings.tables[key]
    rows, notes = comparison.rows, comparison.paper.readings.notes
    lines = [_Line(row, loss, rows[row], recipes_of(row, comparison.found)) for row, loss in printed.rows.items()]
    make = _one_class if len(printed.classes) == 1 else _classes
    head, body = make(lines, printed.classes, comparison)
    remarks = [comparison.gap_note]
    remarks += [_remark(line, notes[line.name]) for line in lines if line.name in notes]
    remarks += [f"{line.name} was left out: {why}." for line in lines if (why := comparison.left_out.get(line.name))]
    if any(COLLAPSED in cell.text for cells in body for cell in cells):
        remarks.append(comparison.collapse_note)
    number = key.removeprefix("table")
    return Table(
        key,
        f"Table {number} on {comparison.title}: {words.title}",
        f"{words.caption} {comparison.spread_note}",
        head,
        body,
        remarks,
        [record for line in lines for record in _records(key, line, printed.classes, comparison)],
    )


def _remark(line: _Line, note: str) -> str:
    """Return a remark on a row of a table, with its counts where no mark says which row it is."""
    return note if note.startswith("(*)") else f"{line.row.pp}:{line.row.box}. {note}"


def _one_class(
    lines: Sequence[_Line], classes: Sequence[str], comparison: Comparison
) -> tuple[list[list[Cell]], list[list[Cell]]]:
    (label,) = classes
    named = any(recipe for line in lines for recipe in line.ours)
    ours = [Cell("recipe", "text")] if named else []
    ours += [Cell(class_head(label, comparison.classes)), *map(Cell, ("gap closed", "precision", "recall"))]
    first = [Cell("", "text", 3), Cell("paper, Cityscapes", "paper", 2), Cell(comparison.title, "ours", len(ours))]
    second = [Cell("Loss", "text"), Cell("PP", "count"), Cell("BB", "count")]
    second += [Cell(class_head(label), "paper"), Cell("gap closed", "paper")]
    body = []
    for line in lines:
        printed = [_printed(comparison.paper, line.name, label), _printed_share(comparison.paper, line.name)]
        begin = [*line.intro(), *(Cell(text, "paper") for text in printed)]
        for recipe, result in line.ours.items() or [(None, None)]:
            cells = [Cell(RECIPE_NAMES[recipe] if recipe else "", "text")] if named else []
            body.append([*begin, *cells, *_measured(result, label, comparison)])
            begin = [Cell("", "text", 3), Cell("", "paper", 2)]
    return [headers(first), headers([*second, *ours])], body


def _measured(result: Result | None, label: str, comparison: Comparison) -> list[Cell]:
    """Return the cells of a row of one class: IoU, share of the gap, precision and recall."""
    if result is None:
        return [Cell(NONE)] * 4
    rates = (f"{rate.mean:.1f}" if rate else NONE for rate in (result.precision(), result.recall()))
    iou = comparison.shown(result.iou(label)) + comparison.collapse_mark(result)
    return [Cell(iou), Cell(comparison.closed(result)), *map(Cell, rates)]


def _printed_share(paper: Paper, name: str) -> str:
    share = None if name in (paper.asked.gap.row, paper.asked.gap.full) else printed_gap_share(name, paper)
    return NONE if share is None else f"{share:.0f} %"


def _classes(
    lines: Sequence[_Line], classes: Sequence[str], comparison: Comparison
) -> tuple[list[list[Cell]], list[list[Cell]]]:
    names = [Cell("Loss", "text"), Cell("PP", "count"), Cell("BB", "count"), Cell("IoU", "text")]
    shown = [*(class_head(label, comparison.classes) for label in classes), "gap closed"]
    head = [headers([*names, *map(Cell, shown)])]
    body = []
    for line in lines:
        printed = [Cell(_printed(comparison.paper, line.name, label), "paper") for label in classes]
        body.append([*line.intro(), Cell("paper, Cityscapes", "paper text"), *printed, Cell(NONE, "paper")])
        for recipe, result in line.ours.items():
            source = f"here, {RECIPE_NAMES[recipe]} recipe" if recipe else "here"
            source += comparison.collapse_mark(result)
            cells = [Cell(comparison.shown(result.iou(label))) for label in classes]
            cells.append(Cell(comparison.closed(result)))
            body.append([Cell("", "text", 3), Cell(source, "text"), *cells])
    return head, body


def _printed(paper: Paper, name: str, label: str) -> str:
    row = paper.numbers.rows.get(name)
    return NONE if row is None or label not in row.iou else f"{row.iou[label]:g}{row.mark}"


def _records(key: str, line: _Line, classes: Sequence[str], comparison: Comparison) -> list[dict[str, object]]:
    records: list[dict[str, object]] = []
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
                    "paper_cityscapes_iou": comparison.paper.numbers.rows[line.name].iou.get(label, ""),
                    "dataset": comparison.dataset,
                    "iou": csv_number(ours.mean if ours else None),
                    "sd": csv_number(ours.sd if ours else None),
                    "n": ours.n if ours else 0,
                }
            )
    return records
