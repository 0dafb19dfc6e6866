"""A table for people and for machines; CSV, Markdown and HTML say the same."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from stages import paths
from stages.analysis.statistics import Estimate, Measured
from stages.report import pages

NONE = "–"


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
        """Return the records, comma-separated, one header line; an absent number is an empty field."""
        return pd.DataFrame(self.records, dtype=object).to_csv(index=False, lineterminator="\n")

    def markdown(self) -> str:
        """Return the table under its title, with its notes. A cell that spans columns fills the first.

        All are plain texts, as `html` takes them to be.
        """
        head = [" ".join(filter(None, column)) for column in zip(*map(_spread, self.head), strict=True)]
        lines = [head, ["---"] * len(head), *[_once(line) for line in self.body]]
        notes = [f"\n{_literal(note)}" for note in self.notes]
        title = f"**{_literal(self.title)}.** {_literal(self.caption)}\n"
        return "\n".join([title, markdown_rows([list(map(_literal, line)) for line in lines]), *notes]) + "\n"

    def html(self) -> str:
        """Return the table as HTML, in a region that scrolls by itself on a narrow screen."""
        return pages.fragment("table.html", table=self)

    def _repr_html_(self) -> str:
        return self.html()


def markdown_rows(lines: Sequence[Sequence[str]]) -> str:
    """Return lines of texts as rows of a Markdown table, without a last line break."""
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _literal(text: str) -> str:
    """Return a text with what would end a cell, open an HTML element or make a link escaped for Markdown."""
    return re.sub(r"\||<(?=[A-Za-z/!?])|(?<=\])\(", r"\\\g<0>", text)


def headers(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells as headers."""
    return [Cell(cell.text, cell.kind, cell.span, header=True) for cell in cells]


def csv_number(value: float | None) -> str:
    """Return a number as a CSV has it; an empty field for None."""
    return "" if value is None else f"{value:.4f}"


def text_of(value: Measured | None) -> str:
    """Return a number as a cell has it; a dash for None."""
    return NONE if value is None else str(value)


def points_text(points: Estimate | None) -> str:
    """Return a difference with its sign and its interval, as sentences have it; a dash for None."""
    if points is None:
        return NONE
    interval = "" if points.low is None else f" [{points.low:+.1f}, {points.high:+.1f}]"
    return f"{points.mean:+.1f}{interval}".replace("-", "−")


def _spread(line: Sequence[Cell]) -> list[str]:
    """Return the texts of a line, one a column: a spanning cell's text in each of its columns."""
    return [cell.text for cell in line for _ in range(cell.span)]


def _once(line: Sequence[Cell]) -> list[str]:
    return [text for cell in line for text in [cell.text, *[""] * (cell.span - 1)]]


def write(tables: Sequence[Table], folder: Path) -> None:
    """Write each table as <key>.csv and <key>.md, and all of them as results.md, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        paths.reset(folder / f"{table.key}.csv").write_text(table.csv(), encoding="utf-8")
        paths.reset(folder / f"{table.key}.md").write_text(table.markdown(), encoding="utf-8")
    whole = "\n".join(table.markdown() for table in tables)
    paths.reset(folder / "results.md").write_text(whole, encoding="utf-8")
