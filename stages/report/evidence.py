"""A page for each claim: the verdict, the measure by seed, what the labels went through, and the rows' numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages import style
from stages.params import Settings
from stages.paths import ROOT
from stages.report import pages, pictures, tables
from stages.report.claims import Finding, Verdict
from stages.report.committed import Committed
from stages.report.paper import Check
from stages.report.records import Measured, Result
from stages.report.tables import Cell, Table

FIGURES = {"Figure 2": "figure2", "Figure 3": "figure3", "Figure 5": "figure5"}
CURVES = {
    "auroc": ("AUROC of σ² for wrong labels", ("auroc",)),
    "flips": ("box pixels flipped (%)", ("flipped_right", "flipped_wrong")),
    "variance": ("σ² of box pixels (logit²)", ("variance_right", "variance_wrong")),
    "labels": ("labels’ IoU with masks (%)", ("target",)),
}
"""The curves of a run's labels: axis label, and the lists of its trace that are drawn."""
KINDS = {"right": ("rightly labelled", style.CLASS_COLOURS[1]), "wrong": ("wrongly labelled", style.CLASS_COLOURS[2])}
BY_MEASURE = {
    "auroc": ("auroc", "variance"),
    "early_auroc": ("auroc", "variance"),
    "labels_gain": ("labels", "flips"),
    "foreground_flipped": ("flips", "labels"),
}
"""Which curves are the evidence for a measure; the others are judged at the end of training alone."""
PARTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "time_ratio": {"seconds": ("seconds",)},
    "boxes_over_masks": {text: ("rectangularity", key) for key, text in tables.SHAPE_COLUMNS.items()},
    "auroc": {"AUROC": ("auroc",)},
    "edge_ratio": {"σ² at edges over the rest": ("edge_ratio",)},
}
"""What of a run a measure is made of, beside its IoU: name, and where it lies in the run."""


def claim_page(finding: Finding, settings: Settings, committed: Mapping[str, Committed], root: Path = ROOT) -> str:
    """The HTML page of one claim, self-contained but for its links to the report's other pages.

    Args:
        committed: what the trainings in reference/finals/ say, shown below this run's own.
    """
    dataset, check = settings.params.dataset, finding.claim.check
    title = style.dataset_title(dataset)
    named = {_name(verdict): verdict for verdict in finding.verdicts}
    drawn = [effect_picture(check, named, title)]
    if check.measure == "boxes_over_masks":  # shapes are for the eye
        rows = list(dict.fromkeys(row for verdict in finding.verdicts for row in verdict.rows))
        drawn.append(pictures.outputs(rows, settings.rows[rows[0]].task, dataset, settings.params.seeds[0], root))
    drawn += [
        curves_picture(row, finding.results, BY_MEASURE[check.measure], dataset)
        for verdict in finding.verdicts
        if check.measure in BY_MEASURE and verdict.effect
        for row in verdict.rows
    ]
    others = {
        f"{one.title}, {_name(verdict)}": verdict
        for one in committed.values()
        for same in one.found
        if same.claim.id == finding.claim.id
        for verdict in same.verdicts
    }
    more = effect_picture(check, others)
    return pages.render(
        "claim.html",
        title=finding.claim.says,
        dataset=title,
        finding=finding,
        named=named,
        pictures=[_address(picture) for picture in drawn if picture],
        table=Markup(seeds_table(finding, title).html()),
        figures=[(text, page) for text, page in FIGURES.items() if text in finding.claim.place],
        committed=others,
        committed_picture=_address(more) if more else None,
    )


def _address(picture: style.Picture) -> tuple[str, str]:
    return pages.data_uri(picture.png()), picture.alt


def effect_picture(check: Check, verdicts: Mapping[str, Verdict], where: str = "") -> style.Picture | None:
    """The measure of each named verdict by seed, its mean and 95 % interval, beside the threshold; None without any.

    Args:
        where: the dataset, where the names do not say it.
    """
    measured = {name: verdict for name, verdict in verdicts.items() if verdict.effect}
    if not measured:
        return None
    with rc_context(style.RULES):
        figure = Figure(figsize=(style.WIDTH, 0.7 + 0.42 * len(measured)), layout="constrained")
        axes = figure.subplots()
        for line, verdict in enumerate(measured.values()):
            _draw_effect(axes, line, verdict)
        axes.axvline(check.threshold, color=style.INK, linewidth=1, linestyle="--")
        low, high = axes.get_xlim()
        side = (check.threshold, max(high, check.threshold)) if check.below is None else (low, check.threshold)
        axes.axvspan(*side, color=style.LINE, alpha=0.45, linewidth=0)
        axes.set_xlim(low, high)
        axes.set_ylim(len(measured) - 0.4, -0.6)
        axes.set_yticks(range(len(measured)), list(measured))
        axes.set_xlabel(f"{check.unit} on {where}" if where else check.unit)
        axes.spines[["top", "right", "left"]].set_visible(False)
    said = "; ".join(f"{name} {verdict.effect}" for name, verdict in measured.items())
    side = "above" if check.below is None else "below"
    return style.Picture(
        figure, f"{check.unit}, a dot for each seed: {said}. The claim asks for a value {side} {check.threshold:g}."
    )


def _draw_effect(axes: Axes, line: int, verdict: Verdict) -> None:
    found = verdict.effect
    colour = style.RECIPE_COLOURS[_name(verdict)]
    axes.plot(list(found.values.values()), [line] * found.n, "o", color=colour, markersize=5, alpha=0.55)
    if found.low is not None:
        axes.plot([found.low, found.high], [line + 0.22] * 2, color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot([found.mean], [line + 0.22], "|", color=colour, markersize=9, markeredgewidth=2)


def _name(verdict: Verdict) -> str:
    return tables.RECIPE_NAMES[verdict.recipe] if verdict.recipe else "no recipe"


def curves_picture(
    row: str, results: Mapping[str, Result], curves: Sequence[str], dataset: str
) -> style.Picture | None:
    """What became of a row's box labels: a thin line for each seed, a thick one for their mean; None without labels."""
    traces = [run["trace"] for run in results[row].runs if run.get("trace")]
    if not traces:
        return None
    with rc_context(style.RULES):
        figure = Figure(figsize=(style.WIDTH, 2.6), layout="constrained")
        for axes, curve in zip(np.atleast_1d(figure.subplots(1, len(curves))), curves, strict=True):
            _draw_curve(axes, traces, curve)
        figure.suptitle(f"{row} · {style.dataset_title(dataset)}", x=0.01, ha="left", fontweight="bold", fontsize=10)
    return style.Picture(figure, f"Over the training of {row}: {', '.join(CURVES[c][0] for c in curves)}.")


def _draw_curve(axes: Axes, traces: Sequence[Mapping], curve: str) -> None:
    label, keys = CURVES[curve]
    for key in keys:
        name, colour = KINDS.get(key.split("_")[-1], ("", style.INK))
        lines = [np.array(trace[key]["iou"] if curve == "labels" else trace[key], float) for trace in traces]
        for values in lines if len(lines) > 1 else ():
            axes.plot(traces[0]["steps"], values, color=colour, linewidth=0.6, alpha=0.5)
        axes.plot(traces[0]["steps"], np.mean(lines, axis=0), "o-", color=colour, markersize=3, label=name)
    if curve == "labels":
        axes.axhline(
            np.mean([trace["box"]["iou"] for trace in traces]), color=style.MUTED, linestyle="--", label="boxes"
        )
    if curve == "auroc":
        axes.axhline(0.5, color=style.MUTED, linestyle="--", label="chance")
        axes.set_ylim(0, 1)
    if curve == "flips":
        axes.set_ylim(0, 100)
    if curve == "variance":
        axes.set_yscale("log")
    axes.set(xlabel="training step", ylabel=label)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[1] != [""]:
        axes.legend(frameon=False)


def seeds_table(finding: Finding, dataset: str) -> Table:
    """The measure by seed for each recipe, then what it was made of: numbers of every row that the claim asks about."""
    check, results = finding.claim.check, finding.results
    rows = list(dict.fromkeys(row for verdict in finding.verdicts for row in verdict.rows if row in results))
    lines = [
        (f"{_name(verdict)} recipe" if verdict.recipe else "measured", check.unit, verdict.effect.values)
        for verdict in finding.verdicts
        if verdict.effect
    ]
    iou = ("mean_iou",) if check.label == "mean" else ("iou", check.label)
    parts = {f"{'mean' if check.label == 'mean' else check.label} IoU (%)": iou, **PARTS.get(check.measure, {})}
    lines += [
        (row, name, by_seed) for row in rows for name, keys in parts.items() if (by_seed := results[row].by_seed(*keys))
    ]
    seeds = sorted({seed for _, _, by_seed in lines for seed in by_seed})
    head = ["", "", *(f"seed {seed}" for seed in seeds), "mean"]
    body, records = [], []
    for row, name, by_seed in lines:
        cells = [f"{by_seed[seed]:.2f}" if seed in by_seed else tables.NONE for seed in seeds]
        numbers = [Cell(text, "number") for text in (*cells, str(Measured(tuple(by_seed.values()))))]
        body.append([Cell(row, "text name", header=True), Cell(name, "text"), *numbers])
        records += [{"row": row, "measure": name, "seed": seed, "value": value} for seed, value in by_seed.items()]
    caption = "The measure, then what the rows were like; last the mean ± standard deviation over seeds."
    return Table(
        "seeds", f"By seed, on {dataset}", caption, [[Cell(text, header=True) for text in head]], body, (), records
    )
