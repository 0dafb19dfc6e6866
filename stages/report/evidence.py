"""A page for each claim: the verdict, the measure by seed, what the labels went through, and the rows' numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages import style
from stages.report import pages, tables
from stages.report.claims import Finding, Verdict
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
}
"""Which curves are the evidence for a measure; the others are judged at the end of training alone."""


def claim_page(finding: Finding, dataset: str) -> str:
    """The HTML page of one claim, self-contained but for its links to the report's other pages."""
    title = style.dataset_title(dataset)
    drawn = [effect_picture(finding, dataset)]
    drawn += [
        curves_picture(verdict, finding.results, BY_MEASURE[finding.claim.check.measure], dataset)
        for verdict in finding.verdicts
        if finding.claim.check.measure in BY_MEASURE and verdict.effect
    ]
    return pages.render(
        "claim.html",
        title=finding.claim.says,
        dataset=title,
        finding=finding,
        recipe_names=tables.RECIPE_NAMES,
        pictures=[(pages.data_uri(picture.png()), picture.alt) for picture in drawn if picture],
        table=Markup(seeds_table(finding, title).html()),
        figures=[(text, page) for text, page in FIGURES.items() if text in finding.claim.place],
    )


def effect_picture(finding: Finding, dataset: str) -> style.Picture | None:
    """Each recipe's measure by seed, its mean and 95 % interval, beside the threshold; None if nothing is measured."""
    measured = [verdict for verdict in finding.verdicts if verdict.effect]
    if not measured:
        return None
    check = finding.claim.check
    with rc_context(style.RULES):
        figure = Figure(figsize=(style.WIDTH, 0.7 + 0.42 * len(measured)), layout="constrained")
        axes = figure.subplots()
        for line, verdict in enumerate(measured):
            _draw_effect(axes, line, verdict)
        axes.axvline(check.threshold, color=style.INK, linewidth=1, linestyle="--")
        low, high = axes.get_xlim()
        side = (check.threshold, max(high, check.threshold)) if check.below is None else (low, check.threshold)
        axes.axvspan(*side, color=style.LINE, alpha=0.45, linewidth=0)
        axes.set_xlim(low, high)
        axes.set_ylim(len(measured) - 0.4, -0.6)
        axes.set_yticks(range(len(measured)), [_name(verdict) for verdict in measured])
        axes.set_xlabel(f"{check.unit} on {style.dataset_title(dataset)}")
        axes.spines[["top", "right", "left"]].set_visible(False)
    said = "; ".join(f"{_name(verdict)} {verdict.effect}" for verdict in measured)
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
    verdict: Verdict, results: Mapping[str, Result], curves: Sequence[str], dataset: str
) -> style.Picture | None:
    """What became of box labels in the verdict's first row: a thin line for each seed, a thick one for their mean."""
    traces = [run["trace"] for run in results[verdict.rows[0]].runs if run.get("trace")]
    if not traces:
        return None
    with rc_context(style.RULES):
        figure = Figure(figsize=(style.WIDTH, 2.6), layout="constrained")
        for axes, curve in zip(np.atleast_1d(figure.subplots(1, len(curves))), curves, strict=True):
            _draw_curve(axes, traces, curve)
        figure.suptitle(
            f"{verdict.rows[0]} · {style.dataset_title(dataset)}", x=0.01, ha="left", fontweight="bold", fontsize=10
        )
    return style.Picture(figure, f"Over the training of {verdict.rows[0]}: {', '.join(CURVES[c][0] for c in curves)}.")


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
    """IoU of every row that the claim asks about, by seed."""
    label, results = finding.claim.check.label, finding.results
    rows = list(dict.fromkeys(row for verdict in finding.verdicts for row in verdict.rows if row in results))
    seeds = sorted({seed for row in rows for seed in results[row].seeds})
    head = [Cell("Row", "text", header=True), *(Cell(f"seed {seed}", header=True) for seed in seeds)]
    body, records = [], []
    for row in rows:
        iou = results[row].iou(label)
        by_seed = dict(zip(results[row].seeds, iou.values, strict=True)) if iou else {}
        cells = [Cell(f"{by_seed[s]:.2f}" if s in by_seed else tables.NONE, "number") for s in seeds]
        mean = Cell(str(Measured(iou.values)) if iou else tables.NONE, "number")
        body.append([Cell(row, "text name", header=True), *cells, mean])
        records += [{"row": row, "seed": seed, "iou": value} for seed, value in by_seed.items()]
    title = f"The rows, by seed, on {dataset}"
    caption = (
        f"{'Mean' if label == 'mean' else label.capitalize()} IoU in percent; last their mean ± standard deviation."
    )
    return Table("seeds", title, caption, [[*head, Cell("mean", header=True)]], body, (), records)
