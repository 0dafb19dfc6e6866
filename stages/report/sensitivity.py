"""Variations of rows, such as other thresholds, draws or starts: what the reference runs say of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from stages.analysis.claims import measure
from stages.analysis.naming import FIRST, RECIPE_NAMES
from stages.analysis.paper import Check
from stages.analysis.results import Result, icnr
from stages.analysis.statistics import Measured
from stages.report.paper_tables import COLLAPSED, Comparison
from stages.report.tables import NONE, Cell, Table, headers


@dataclass(frozen=True)
class Beside:
    """The rows that a row of masks and boxes is compared with, and by which IoU. None: its task has no such row."""

    label: str
    masks: str
    mixed: str
    regression: str | None
    full: str


ONE = Beside(FIRST, "bce-500", "bce-500-2280", "regression-500-2280", "bce-2780")
FEW = Beside("mean", "ce-500", "ce-500-2280", None, "ce-2780")
BESIDE = {
    "bce-500-2280": ONE,
    "uncertainty-500-2280": ONE,
    "bootstrap-500-2280": ONE,
    "ce-500-2280": FEW,
    "ce-bootstrap-500-2280": FEW,
}
"""The rows of which studies/reference.yaml has variations, without their recipe."""
HEAD = (
    "Row",
    "recipe",
    "τ",
    "first σ²",
    "T",
    "warm-up",
    "IoU",
    "false-flip rate",
    "recall",
    "boxes over masks",
    "over the masks alone",
    "over plain loss",
    "over regression",
    "% of full",
)


def sensitivity_table(comparison: Comparison) -> Table | None:
    """Return each variation beside the rows that it varies, a line each; None where there is none.

    Args:
        comparison: Its results are the reference runs by entry of studies/reference.yaml.
    """
    chosen = _variations(comparison)
    if all(name in comparison.rows for name, _ in chosen):
        return None
    body, records = [], []
    for name, base in chosen:
        ours = comparison.found[name]
        line = _line(ours, BESIDE[base], comparison)
        body.append([Cell(name, "text name", header=True), *(Cell(text, "number") for text in line.values())])
        records.append({"dataset": comparison.dataset, "entry": name, "row": base, **line})
    head = headers([Cell(name, "text" if name in ("Row", "recipe") else "ours") for name in HEAD])
    caption = (
        "Reference runs by entry of studies/reference.yaml, judged on the evaluation split. IoU of the first class, or "
        "the mean over several, in percent, mean ± standard deviation (in brackets: how many seeds). Warm-up: share of "
        "the steps that draw clean masks alone. False-flip rate and recall: of the rightly and of the wrongly labelled "
        "box pixels, how many are flipped in the end. Boxes over masks: points of IoU by which outputs agree more with "
        "boxes. Then points of IoU over other rows (the masks alone; plain BCE or CE on the same labels; in-box "
        "regression), and the share of full supervision, paired by seed, with 95 % intervals."
    )
    title = f"Variations of rows with masks and boxes on {comparison.title}"
    notes = [comparison.collapse_note] if any(COLLAPSED in cell.text for line in body for cell in line) else []
    return Table("sensitivity", title, caption, [head], body, notes, records)


def _variations(comparison: Comparison) -> list[tuple[str, str]]:
    """Return (entry, its row without the recipe) of varied rows and their variations, by row, recipe and change."""
    first = {name: result.runs[0] for name, result in comparison.found.items()}
    bases = {name: run["row"].removesuffix(f"-{run['recipe']}") for name, run in first.items()}
    varied = [name for name in first if bases[name] in BESIDE]
    varied.sort(key=lambda name: (list(BESIDE).index(bases[name]), *_order(first[name])))
    return [(name, bases[name]) for name in varied]


def _order(run: Mapping) -> tuple:
    settings, recipe = run["settings"], run["resolutions"]
    varied = settings.get("mc_samples", 0), settings.get("tau", 0), -_start(run), recipe["warmup_share"], icnr(run)
    return run["recipe"] or "", *varied


def _start(run: Mapping) -> float:
    """Return sigma^2 at the first step, in logit^2."""
    recipe = run["resolutions"]
    per_tau = recipe["initial_variance_per_tau"]
    return per_tau * run["settings"]["tau"] if per_tau else recipe["initial_variance"]


def _line(ours: Result, beside: Beside, comparison: Comparison) -> dict[str, str]:
    """Return the line's texts by column, without the first."""
    run, confidence = ours.runs[0], comparison.paper.asked.confidence
    iou = ours.iou(beside.label)
    shape = measure(Check(measure="boxes_over_masks", rows=[ours.row], below=0), [ours], confidence)
    others = (beside.masks, beside.mixed, beside.regression)
    texts = [
        RECIPE_NAMES[run["recipe"]] if run["recipe"] else NONE,
        f"{run['settings']['tau']:g}" if "tau" in run["settings"] else NONE,
        NONE if run["auroc"] is None else f"{_start(run):.2g}",  # no variance, no AUROC
        _samples(run),
        f"{run['resolutions']['warmup_share']:.0%}".replace("%", " %"),
        f"{iou} ({iou.n}){comparison.collapse_mark(ours)}" if iou else NONE,
        *(_flipped(ours, kind) for kind in ("right", "wrong")),
        f"{shape.mean:+.1f}" if shape else NONE,
        *(_compared("iou_difference", ours, name, beside, comparison) for name in others),
        _compared("iou_share", ours, beside.full, beside, comparison),
    ]
    return dict(zip(HEAD[1:], texts, strict=True))


def _samples(run: Mapping) -> str:
    """Return T of Eq 15; a dash without it, and where no noise teaches the variance."""
    taught = run["resolutions"].get("variance_loss") == "supervised"
    return NONE if taught else str(run["settings"].get("mc_samples", NONE))


def _flipped(ours: Result, kind: str) -> str:
    """Return the percent of the `right`ly or `wrong`ly labelled box pixels flipped in the end; a dash without flips."""
    curves = [(run.get("trace") or {}).get(f"flipped_{kind}") for run in ours.runs]
    return f"{Measured(tuple(curve[-1] for curve in curves if curve)).mean:.1f}" if any(curves) else NONE


def _compared(kind: str, ours: Result, name: str | None, beside: Beside, comparison: Comparison) -> str:
    """Return mean and interval of a paired measure with another row; a dash where there is none."""
    if name not in comparison.found or name == ours.row:
        return NONE
    check = Check(measure=kind, rows=[ours.row, name], label=beside.label, above=0)
    got = measure(check, [ours, comparison.found[name]], comparison.paper.asked.confidence)
    if got is None:
        return NONE
    sign = "+" if kind == "iou_difference" else ""
    mean = f"{got.mean:{sign}.1f}"
    return mean if got.low is None else f"{mean} [{got.low:.1f}, {got.high:.1f}]"
