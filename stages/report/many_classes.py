"""Trainings with all classes of a dataset: what each row reaches, class by class."""

from collections.abc import Mapping
from pathlib import Path

from stages.analysis.claims import judge_claims
from stages.analysis.gap import ends, gap_share
from stages.analysis.naming import FIRST, RECIPE_NAMES, class_head, class_name, dataset_title
from stages.analysis.paper import Paper
from stages.analysis.results import REFERENCE, Result, Results, all_classes, reference_runs
from stages.config import Row
from stages.paths import ROOT
from stages.report.claims_table import by_recipe, verdict_text
from stages.report.paper_tables import COLLAPSED, collapse_mark, collapse_note
from stages.report.tables import NONE, Cell, Table, csv_number, headers

FULL = "ce-all-2780"
"""Full supervision with all classes."""


def many_classes_tables(rows: Mapping[str, Row], printed: Paper, root: Path = ROOT) -> list[Table]:
    """Return a table for each dataset of which reference runs tell all classes apart.

    Args:
        rows: All of configs/rows.yaml.
        printed: Gives the claims about them.
        root: The project.

    Raises:
        UserError: A training's file is no JSON, or not what its name says.
    """
    tables = []
    for folder in sorted((root / "reference" / REFERENCE).glob("*/")):
        found = reference_runs(folder.name, root)
        trained = {name: found[name] for name, row in rows.items() if row.classes == "all" and name in found}
        if trained:
            tables.append(many_classes_table(trained, rows, printed, folder.name))
    return tables


def many_classes_table(found: Results, rows: Mapping[str, Row], printed: Paper, dataset: str) -> Table:
    """Return one dataset's table, a line a row.

    Args:
        found: The results of rows with all classes, one or more.
        rows: All of configs/rows.yaml.
        printed: Gives the claims about them.
        dataset: Its name.
    """
    labels = all_classes(found.values())
    head = [Cell("Row", "text"), Cell("recipe", "text"), Cell("n"), Cell("Mean"), Cell("of the gap")]
    head += [Cell(class_head(label, ())) for label in labels]
    full, limits = found[FULL].iou(FIRST) if FULL in found else None, printed.asked.collapse
    body, records = [], []
    for name, result in found.items():
        recipe = rows[name].recipe
        by_class = {label: result.value("iou", label) for label in labels}
        mean = f"{result.iou('mean') or NONE}{collapse_mark(result, full.mean if full else None, limits)}"
        share = None if name in ends(printed, "all") else gap_share(name, printed, found, "all")
        numbers = [mean, share.text if share else NONE, *(f"{x.mean:.1f}" if x else NONE for x in by_class.values())]
        cells = [Cell(RECIPE_NAMES[recipe] if recipe else NONE, "text"), Cell(str(len(result.runs)), "count")]
        body.append([Cell(name, "text name", header=True), *cells, *(Cell(number, "number") for number in numbers)])
        records += [
            {"dataset": dataset, "row": name, "class": label, "iou": csv_number(x.mean if x else None)}
            for label, x in by_class.items()
        ]
    marked = any(COLLAPSED in cell.text for line in body for cell in line)
    first = class_name(FIRST, next(iter(found.values())).classes)
    notes = [collapse_note(first, FULL, limits)] if marked else []
    caption = (
        f"{ended(found)} IoU in percent, mean over seeds; of the mean over all classes also the standard deviation. Of "
        "the gap: from plain CE on mixed labels to full supervision, paired by seed [95 % interval]; none where it is "
        f"not clear of {printed.asked.gap.least:g} points."
    )
    return Table(
        "many-classes",
        f"All classes on {dataset_title(dataset)}",
        caption,
        [headers(head)],
        body,
        [*notes, *judged(found, rows, printed)],
        records,
    )


def judged(found: Results, rows: Mapping[str, Row], printed: Paper) -> list[str]:
    """Return what the paper says of trainings with all classes, a line a claim with its verdict for each recipe."""
    lines = []
    for one in judge_claims(printed, rows, found, found):
        if all(row in rows and rows[row].classes == "all" for row in one.claim.check.rows):
            verdicts = [
                f"{recipe} recipe {verdict_text(verdict).rstrip('.')}" for recipe, verdict in by_recipe(one).items()
            ]
            lines.append(f"“{one.claim.says}” ({one.claim.check.unit}): {'; '.join(verdicts)}.")
    return lines


def ended(found: Mapping[str, Result]) -> str:
    """Say how many trainings ended with finite losses: one that does not is stopped, and leaves no result."""
    counts = {len(result.classes) for result in found.values()}
    trainings = sum(len(result.runs) for result in found.values())
    return f"All {trainings} trainings with {', '.join(map(str, sorted(counts)))} classes, background counted, ended."
