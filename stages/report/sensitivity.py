"""Variations of rows, such as other thresholds, draws or starts: what the reference runs say of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean

from stages.analysis.claims import measure
from stages.analysis.gap import DRAW
from stages.analysis.naming import FIRST, RECIPE_NAMES
from stages.analysis.paper import Check
from stages.analysis.results import Result, icnr
from stages.analysis.statistics import Measured
from stages.config import PAPER_IMAGES
from stages.report.paper_tables import COLLAPSED, Comparison
from stages.report.tables import NONE, Cell, Table, headers


@dataclass(frozen=True)
class Beside:
    """The trainings that one with boxes is compared with, and by which IoU.

    Attributes:
        label: Of the IoU, a class or `mean`.
        masks: The same masks alone; None where there are none, or where nobody trained on them.
        mixed: The plain loss on the same labels.
        full: Full supervision.
    """

    label: str
    masks: str | None
    mixed: str
    full: str

    def same_labels(self, changes: Mapping) -> "Beside":
        """Return what a training that changes the number of masks, or which images have them, is compared with."""
        pp, draw = changes.get("pp"), changes.get("set", {}).get("data_seed")
        if draw:
            return replace(self, masks=None, mixed=self.mixed + DRAW.format(draw))
        if pp is None:
            return self
        plain = self.full.split("-")[0]
        return replace(self, masks=f"{plain}-{pp}", mixed=f"{plain}-{pp}-{PAPER_IMAGES - pp}")


ONE = Beside(FIRST, "bce-500", "bce-500-2280", "bce-2780")
FEW = Beside("mean", "ce-500", "ce-500-2280", "ce-2780")
BESIDE = {
    "bce-0-2780": replace(ONE, masks=None, mixed="bce-0-2780"),
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
    "precision, recall",
    "right labels flipped",
    "wrong labels flipped",
    "labels in boxes",
    "boxes over masks",
    "over these masks alone",
    "over plain loss, same labels",
    "of the gap",
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
        line = _line(ours, BESIDE[base].same_labels(ours.runs[0]["changes"]), comparison)
        body.append([Cell(name, "text name", header=True), *(Cell(text, "number") for text in line.values())])
        records.append({"dataset": comparison.dataset, "entry": name, "row": base, **line})
    head = headers([Cell(name, "text" if name in ("Row", "recipe") else "ours") for name in HEAD])
    caption = (
        "Reference runs by entry of studies/reference.yaml, judged on the evaluation split. IoU of the first class, or "
        "the mean over several, in percent, mean ± standard deviation (in brackets: how many seeds); precision and "
        "recall of the first class’s pixels. Warm-up: share of the steps that draw clean masks alone. Flipped: percent "
        "of the rightly and of the wrongly labelled box pixels, when training ends. Labels in boxes: their IoU with "
        "the masks, when training starts, half-way and when it ends. Boxes over masks: points of IoU by which outputs "
        "agree more with boxes. Then points of IoU over other trainings (the same masks alone; plain BCE or CE on the "
        "same labels), the share of the gap from plain loss on 18 % masks and boxes to full supervision, and the share "
        "of full supervision, paired by seed, with 95 % intervals."
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
    rates = [ours.precision(), ours.recall()]
    texts = [
        RECIPE_NAMES[run["recipe"]] if run["recipe"] else NONE,
        f"{run['settings']['tau']:g}" if "tau" in run["settings"] else NONE,
        NONE if run["auroc"] is None else f"{_start(run):.2g}",  # no variance, no AUROC
        _samples(run),
        f"{run['resolutions']['warmup_share']:.0%}".replace("%", " %"),
        f"{iou} ({iou.n}){comparison.collapse_mark(ours)}" if iou else NONE,
        ", ".join(f"{rate.mean:.0f}" if rate else NONE for rate in rates) if any(rates) else NONE,
        *(_flipped(ours, kind) for kind in ("right", "wrong")),
        _labels(ours),
        f"{shape.mean:+.1f}" if shape else NONE,
        *(_compared("iou_difference", ours, name, beside, comparison) for name in (beside.masks, beside.mixed)),
        _of_gap(ours, beside, comparison),
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


def _labels(ours: Result) -> str:
    """Return the IoU of labels with masks inside boxes at the start, half-way and at the end; a dash without any."""
    if ours.runs[0]["changes"].get("oracle"):
        return "100"
    moments = [
        _moments(run["trace"]) for run in ours.runs if run.get("trace") and run["trace"]["box"]["iou"] is not None
    ]
    return " → ".join(f"{fmean(values):.0f}" for values in zip(*moments, strict=True)) or NONE


def _moments(trace: Mapping) -> tuple[float, ...]:
    given = trace["box"]["iou"]
    if "target" not in trace:
        return (given,)
    steps, ious = trace["steps"], trace["target"]["iou"]
    half = next(i for i, step in enumerate(steps) if 2 * step >= steps[-1])
    return tuple(iou or 0.0 for iou in (given, ious[half], ious[-1]))


def _of_gap(ours: Result, beside: Beside, comparison: Comparison) -> str:
    """Return the share of the gap that a training closes; a dash where masks are of another draw than the gap's."""
    if ours.runs[0]["changes"].get("set", {}).get("data_seed"):
        return NONE
    return comparison.closed(ours, "one" if beside.label == FIRST else "few")


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
