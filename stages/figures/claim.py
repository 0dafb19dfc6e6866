"""The evidence for a claim: its measure by seed, and what became of the labels in training."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.analysis.claims import Verdict
from stages.analysis.naming import RECIPE_NAMES, dataset_title
from stages.analysis.paper import Check
from stages.analysis.results import Results
from stages.figures import style
from stages.figures.style import Picture

CURVES = {
    "auroc": ("AUROC of σ² for wrong labels", ("auroc",)),
    "flips": ("box pixels flipped (%)", ("flipped_right", "flipped_wrong")),
    "variance": ("σ² of box pixels (logit²)", ("variance_right", "variance_wrong")),
    "labels": ("labels’ IoU with masks (%)", ("target",)),
}
"""The curves of a run's labels: axis label, and the lists of its trace that are drawn."""
KINDS = {"right": ("rightly labelled", style.CLASS_COLOURS[1]), "wrong": ("wrongly labelled", style.CLASS_COLOURS[2])}


def measure(check: Check, verdicts: Mapping[str, Verdict], where: str = "") -> Picture | None:
    """Draw the measure of each named verdict by seed, its mean and interval, beside the threshold.

    Args:
        check: Gives the threshold and the unit.
        verdicts: By name.
        where: The dataset, where the names do not say it.

    Returns:
        The picture; None where nothing was measured.
    """
    measured = {name: verdict for name, verdict in verdicts.items() if verdict.estimate}
    if not measured:
        return None
    with rc_context(style.RULES):
        figure = Figure(figsize=(style.WIDTH, 0.7 + 0.42 * len(measured)), layout="constrained")
        axes = figure.subplots()
        for line, verdict in enumerate(measured.values()):
            _draw_estimate(axes, line, verdict)
        axes.axvline(check.threshold, color=style.INK, linewidth=1, linestyle="--")
        low, high = axes.get_xlim()
        side = (check.threshold, max(high, check.threshold)) if check.below is None else (low, check.threshold)
        axes.axvspan(*side, color=style.LINE, alpha=0.45, linewidth=0)
        axes.set_xlim(low, high)
        axes.set_ylim(len(measured) - 0.4, -0.6)
        axes.set_yticks(range(len(measured)), list(measured))
        axes.set_xlabel(f"{check.unit} on {where}" if where else check.unit)
        axes.spines[["top", "right", "left"]].set_visible(False)
    listed = "; ".join(f"{name} {verdict.estimate}" for name, verdict in measured.items())
    return Picture(
        figure,
        f"{check.unit}, a dot for each seed: {listed}. The claim asks for a value {check.side} {check.threshold:g}.",
    )


def _draw_estimate(axes: Axes, line: int, verdict: Verdict) -> None:
    found = verdict.estimate
    if found is None:
        return
    colour = style.RECIPE_COLOURS[verdict_name(verdict)]
    axes.plot(list(found.values.values()), [line] * found.n, "o", color=colour, markersize=5, alpha=0.55)
    if found.low is not None:
        axes.plot([found.low, found.high], [line + 0.22] * 2, color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot([found.mean], [line + 0.22], "|", color=colour, markersize=9, markeredgewidth=2)


def verdict_name(verdict: Verdict) -> str:
    """Return the name of a verdict's recipe."""
    return RECIPE_NAMES[verdict.recipe] if verdict.recipe else "no recipe"


def curves(row: str, results: Results, chosen: Sequence[str], dataset: str) -> Picture | None:
    """Draw what became of a row's box labels, a thin line a seed, a thick one for their mean; None without boxes."""
    traces = [run["trace"] for run in results[row].runs if run.get("trace")]
    if not traces:
        return None
    with rc_context(style.RULES):
        figure = Figure(figsize=(style.WIDTH, 2.6), layout="constrained")
        for axes, curve in zip(np.atleast_1d(figure.subplots(1, len(chosen))), chosen, strict=True):
            _draw_curve(axes, traces, curve)
        figure.suptitle(f"{row} · {dataset_title(dataset)}", x=0.01, ha="left", fontweight="bold", fontsize=10)
    return Picture(figure, f"Over the training of {row}: {', '.join(CURVES[c][0] for c in chosen)}.")


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
