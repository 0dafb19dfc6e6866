"""Other thresholds, starts, samples and draws: what the committed trainings of finals.yaml say of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from stages.params import Settings
from stages.report.claims import effect
from stages.report.paper import Check
from stages.report.records import Measured, Result, icnr
from stages.report.tables import COLLAPSED, COLLAPSED_NOTE, NONE, RECIPE_NAMES, Cell, Table, collapse_mark
from stages.style import dataset_title


@dataclass(frozen=True)
class Beside:
    """The rows that a row of masks and boxes is compared with, and by which IoU. None: its task has no such row."""

    label: str
    masks: str
    mixed: str
    regression: str | None
    full: str


CAR = Beside("car", "bce-500", "bce-500-2280", "regression-500-2280", "bce-2780")
CAR_PERSON = Beside("mean", "ce-500", "ce-500-2280", None, "ce-2780")
BESIDE = {
    "bce-500-2280": CAR,
    "uncertainty-500-2280": CAR,
    "bootstrap-500-2280": CAR,
    "ce-500-2280": CAR_PERSON,
    "ce-bootstrap-500-2280": CAR_PERSON,
}
"""The rows of which finals.yaml has variations, without their recipe."""
HEAD = (
    "Row",
    "recipe",
    "τ",
    "first σ²",
    "T",
    "masks first",
    "IoU",
    "objects lost",
    "wrong labels flipped",
    "boxes over masks",
    "over the masks alone",
    "over plain loss",
    "over regression",
    "% of full",
)


def table(settings: Settings, finals: Mapping[str, Result]) -> Table | None:
    """Each variation beside the rows that it varies, a line each; None where there is none."""
    dataset = settings.params.dataset
    chosen = _variations(finals)
    if all(name in settings.rows for name, _ in chosen):
        return None
    body, records = [], []
    for name, base in chosen:
        line = _line(finals[name], BESIDE[base], finals)
        named = base + (" (ICNR)" if icnr(finals[name].runs[0]) else "")
        body.append([Cell(named, "text name", header=True), *(Cell(text, "number") for text in line.values())])
        records.append({"dataset": dataset, "entry": name, "row": base, **line})
    head = [Cell(name, "text" if name in ("Row", "recipe") else "ours", header=True) for name in HEAD]
    caption = (
        "Trainings of finals.yaml, judged on the evaluation split. IoU of cars, or the mean over three classes, "
        "in percent, mean ± standard deviation (in brackets: how many seeds). Masks first: share of the steps that "
        "draw clean masks alone. ICNR: the last layer’s weights start alike for the four pixels of a block. Objects "
        "lost: share of the rightly labelled box pixels that are flipped in the end, then that of the "
        "wrongly labelled. Boxes over masks: points of IoU by which outputs agree more with boxes. "
        "Then points of IoU over other rows (the masks alone; plain BCE or CE on the same labels; in-box regression), "
        "and the share of full supervision, paired by seed, with 95 % intervals."
    )
    title = f"Other thresholds, starts, samples and draws on {dataset_title(dataset)}"
    notes = [COLLAPSED_NOTE] if any(COLLAPSED in cell.text for line in body for cell in line) else []
    return Table("variations", title, caption, [head], body, notes, records)


def _variations(finals: Mapping[str, Result]) -> list[tuple[str, str]]:
    """(entry, its row without the recipe) of varied rows and their variations, by row, recipe and what is varied."""
    first = {name: result.runs[0] for name, result in finals.items()}
    bases = {name: run["row"].removesuffix(f"-{run['recipe']}") for name, run in first.items()}
    varied = [name for name in finals if bases[name] in BESIDE]
    varied.sort(key=lambda name: (list(BESIDE).index(bases[name]), *_order(first[name])))
    return [(name, bases[name]) for name in varied]


def _order(run: Mapping) -> tuple:
    settings, recipe = run["settings"], run["resolutions"]
    varied = settings.get("samples", 0), settings.get("tau", 0), -_start(run), recipe["pp_only"], icnr(run)
    return run["recipe"] or "", *varied


def _start(run: Mapping) -> float:
    """sigma^2 at the first step, in logit^2."""
    recipe = run["resolutions"]
    return recipe["start_per_tau"] * run["settings"]["tau"] if recipe["start_per_tau"] else recipe["start"]


def _line(ours: Result, beside: Beside, finals: Mapping[str, Result]) -> dict[str, str]:
    """The line's texts by column, without the first."""
    run = ours.runs[0]
    iou, shape = ours.iou(beside.label), effect(Check(measure="boxes_over_masks", rows=[ours.row], below=0), [ours])
    others = (beside.masks, beside.mixed, beside.regression)
    texts = [
        RECIPE_NAMES[run["recipe"]] if run["recipe"] else NONE,
        f"{run['settings']['tau']:g}" if "tau" in run["settings"] else NONE,
        NONE if run["auroc"] is None else f"{_start(run):.2g}",  # no variance, no AUROC
        str(run["settings"].get("samples", NONE)),
        f"{run['resolutions']['pp_only']:.0%}".replace("%", " %"),
        f"{iou} ({iou.n}){collapse_mark(ours, finals)}" if iou else NONE,
        *(_flipped(ours, kind) for kind in ("right", "wrong")),
        f"{shape.mean:+.1f}" if shape else NONE,
        *(_compared("iou_difference", ours, name, beside, finals) for name in others),
        _compared("iou_share", ours, beside.full, beside, finals),
    ]
    return dict(zip(HEAD[1:], texts, strict=True))


def _flipped(ours: Result, kind: str) -> str:
    """Percent of the `right`ly or `wrong`ly labelled box pixels that are flipped in the end; a dash without flips."""
    curves = [(run.get("trace") or {}).get(f"flipped_{kind}") for run in ours.runs]
    return f"{Measured(tuple(curve[-1] for curve in curves if curve)).mean:.1f}" if any(curves) else NONE


def _compared(measure: str, ours: Result, name: str | None, beside: Beside, finals: Mapping[str, Result]) -> str:
    """Mean and interval of a paired measure with another row; a dash where there is none."""
    if name not in finals or name == ours.row:
        return NONE
    check = Check(measure=measure, rows=[ours.row, name], label=beside.label, above=0)
    found = effect(check, [ours, finals[name]])
    if found is None:
        return NONE
    sign = "+" if measure == "iou_difference" else ""
    mean = f"{found.mean:{sign}.1f}"
    return mean if found.low is None else f"{mean} [{found.low:.1f}, {found.high:.1f}]"
