"""A page for each claim: the verdict, the measure by seed, what the labels went through, and the rows' numbers."""

from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from stages.analysis.claims import JudgedClaim, Verdict
from stages.analysis.naming import class_name, dataset_title
from stages.analysis.reference_results import ReferenceResults
from stages.analysis.statistics import Measured
from stages.config import Settings
from stages.figures import claim as drawn
from stages.figures import outputs
from stages.figures.style import Picture
from stages.paths import ROOT
from stages.report import pages
from stages.report.claims_table import numbers_of
from stages.report.run_tables import SHAPE_COLUMNS
from stages.report.tables import NONE, Cell, Table, headers

FIGURES = {"Figure 2": "figure2", "Figure 3": "figure3", "Figure 5": "figure5"}
BY_MEASURE = {
    "auroc": ("auroc", "variance"),
    "early_auroc": ("auroc", "variance"),
    "labels_gain": ("labels", "flips"),
    "foreground_flipped": ("flips", "labels"),
    "right_flipped": ("flips", "labels"),
}
"""Which curves are the evidence for a measure; the others are judged at the end of training alone."""
PARTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "time_ratio": {"seconds": ("seconds",)},
    "boxes_over_masks": {text: ("rectangularity", key) for key, text in SHAPE_COLUMNS.items()},
    "auroc": {"AUROC of σ²": ("auroc",), "AUROC of −μ": ("auroc_mean",)},
    "early_auroc": {"AUROC of σ² in the end": ("auroc",), "AUROC of −μ in the end": ("auroc_mean",)},
    "edge_ratio": {"σ² at edges over the rest": ("edge_ratio",)},
}
"""What of a run a measure is made of, beside its IoU: name, and where it lies in the run."""


def claim_page(
    judged: JudgedClaim, settings: Settings, reference: Mapping[str, ReferenceResults], root: Path = ROOT
) -> str:
    """Return the HTML page of one claim, self-contained but for its links to the report's other pages.

    Args:
        judged: The claim and its verdicts in this run.
        settings: Of this run.
        reference: What the reference runs say, by dataset; shown below this run's own.
        root: The project.
    """
    dataset, check = settings.params.dataset, judged.claim.check
    title = dataset_title(dataset)
    named = {drawn.verdict_name(verdict): verdict for verdict in judged.verdicts}
    shown: list[Picture | None] = [drawn.measure(check, named, title)]
    if check.measure == "boxes_over_masks":  # shapes are for the eye
        rows = list(dict.fromkeys(row for verdict in judged.verdicts for row in verdict.rows))
        shown.append(outputs.draw(rows, settings.rows[rows[0]].classes, dataset, settings.params.seeds[0], root))
    shown += [
        drawn.curves(row, judged.results, BY_MEASURE[check.measure], dataset)
        for verdict in judged.verdicts
        if check.measure in BY_MEASURE and verdict.estimate
        for row in verdict.rows
    ]
    others: dict[str, Verdict] = {
        f"{one.title}, {drawn.verdict_name(verdict)}": verdict
        for one in reference.values()
        for same in one.claims
        if same.claim.id == judged.claim.id
        for verdict in same.verdicts
    }
    more = drawn.measure(check, others)
    return pages.render(
        "claim.html",
        title=judged.claim.says,
        dataset=title,
        judged=judged,
        named=named,
        numbers_of=numbers_of,
        pictures=[_address(picture) for picture in shown if picture],
        table=Markup(seeds_table(judged, title).html()),
        figures=[(text, page) for text, page in FIGURES.items() if text in judged.claim.place],
        reference=others,
        reference_picture=_address(more) if more else None,
    )


def _address(picture: Picture) -> tuple[str, str]:
    return pages.data_uri(picture.png()), picture.alt


def seeds_table(judged: JudgedClaim, dataset: str) -> Table:
    """Return the measure by seed for each recipe, then what it was made of, of every row asked about and controls."""
    check, found = judged.claim.check, judged.results
    asked = [row for verdict in judged.verdicts for row in verdict.rows]
    rows = list(dict.fromkeys(row for row in (*asked, *judged.claim.beside) if row in found))
    lines = [
        (f"{drawn.verdict_name(verdict)} recipe" if verdict.recipe else "measured", check.unit, verdict.estimate.values)
        for verdict in judged.verdicts
        if verdict.estimate
    ]
    for row in rows:
        parts = {f"{class_name(check.label, found[row].classes)} IoU (%)": found[row].iou_by_seed(check.label)}
        parts |= {name: found[row].by_seed(*keys) for name, keys in PARTS.get(check.measure, {}).items()}
        lines += [(row, name, part) for name, part in parts.items() if part]
    seeds = sorted({seed for _, _, by_seed in lines for seed in by_seed})
    head = headers([Cell(text) for text in ("", "", *(f"seed {seed}" for seed in seeds), "mean")])
    body, records = [], []
    for row, name, by_seed in lines:
        cells = [f"{by_seed[seed]:.2f}" if seed in by_seed else NONE for seed in seeds]
        numbers = [Cell(text, "number") for text in (*cells, str(Measured(tuple(by_seed.values()))))]
        body.append([Cell(row, "text name", header=True), Cell(name, "text"), *numbers])
        records += [{"row": row, "measure": name, "seed": seed, "value": value} for seed, value in by_seed.items()]
    caption = "The measure, then what the rows were like; last the mean ± standard deviation over seeds."
    return Table("seeds", f"By seed, on {dataset}", caption, [head], body, (), records)
