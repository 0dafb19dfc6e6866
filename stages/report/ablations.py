"""What each remedy does: the committed trainings of ablation.yaml, judged on held-out training images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from stages import style
from stages.params import UserError, read_yaml
from stages.paths import ROOT
from stages.report.records import Measured, collapsed, kept
from stages.report.tables import NONE, Cell, Table
from stages.style import Picture

FULL, BASELINES = "full", ("full", "masks", "mixed")


@dataclass(frozen=True)
class Variant:
    """The trainings of one entry of ablation.yaml on one dataset.

    Attributes:
        place: of the entry in ablation.yaml. full: car IoU of full supervision on the dataset, in percent, trained for
            as many steps; None where there is none.
        foreground, background: flipped box pixels in percent, auroc: of the variance for wrong labels, in [0, 1], over
            seeds; None where nothing can flip.
        collapsed: how many of the trainings did, see `records.collapsed`.
    """

    name: str
    place: int
    iou: Measured
    full: float | None
    foreground: Measured | None
    background: Measured | None
    auroc: Measured | None
    collapsed: int


def load(root: Path = ROOT) -> dict[str, dict[str, Variant]]:
    """Every training in reference/ablation by dataset and variant, in the order of ablation.yaml; without any, {}.

    Raises:
        UserError: ablation.yaml or a result is missing or broken, or a dataset lacks what all else is compared with.
    """
    order = list(read_yaml(root / "ablation.yaml")["runs"])
    found: dict[str, dict[str, Variant]] = {}
    for folder in sorted((root / "reference" / "ablation").glob("*/")):
        runs: dict[str, list[Mapping[str, Any]]] = {name: [] for name in order}
        for file in sorted(folder.glob("*.json")):
            run = kept(file, root)
            runs.setdefault(run["variant"], []).append(run)
        if any(runs.values()):
            if not runs[FULL]:
                missing = f"reference/ablation/{folder.name} has no training of {FULL}"
                raise UserError(f"{missing}: `python -m stages.study ablation {folder.name} --only {FULL}` makes it")
            found[folder.name] = dict(_variants(runs))
    return found


def _variants(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[tuple[str, Variant]]:
    """The variants that have trainings, with their names."""
    by_steps: dict[int, list[float]] = {}
    for run in (run for name, trained in runs.items() if name.startswith(FULL) for run in trained):
        by_steps.setdefault(run["settings"]["steps"], []).append(run["iou"]["car"])
    full = {steps: fmean(ious) for steps, ious in by_steps.items()}
    default = fmean(run["iou"]["car"] for run in runs[FULL])
    for place, (name, trained) in enumerate(runs.items()):
        if not trained:
            continue
        equal = full.get(trained[0]["settings"]["steps"])
        traces = [run["trace"] or {} for run in trained]
        foreground, background, auroc = (
            Measured(tuple(trace[key][-1] for trace in traces)) if all(key in trace for trace in traces) else None
            for key in ("flipped_right", "flipped_wrong", "auroc")
        )
        iou = Measured(tuple(run["iou"]["car"] for run in trained))
        dead = sum(collapsed(run, equal or default) for run in trained)
        yield name, Variant(name, place, iou, equal, foreground, background, auroc, dead)


def table(dataset: str, variants: Mapping[str, Variant]) -> Table:
    """The variants of a dataset, one line each."""
    names = (
        "Variant",
        "n",
        "car IoU",
        "of full",
        "foreground flipped",
        "background flipped",
        "AUROC of σ²",
        "collapsed",
    )
    body, records = [], []
    for variant in variants.values():
        share = f"{100 * variant.iou.mean / variant.full:.1f} %" if variant.full else NONE
        numbers = [str(variant.iou), share]
        numbers += [str(value) if value else NONE for value in (variant.foreground, variant.background, variant.auroc)]
        numbers.append(f"{variant.collapsed} of {variant.iou.n}" if variant.collapsed else "")
        cells = [Cell(variant.name, "text name", header=True), Cell(str(variant.iou.n), "count")]
        body.append([*cells, *(Cell(number, "number") for number in numbers)])
        records += [{"dataset": dataset, "variant": variant.name, "iou": value} for value in variant.iou.values]
    return Table(
        f"ablation-{dataset}",
        f"The ablation on {style.dataset_title(dataset)}",
        "Trained on four fifths of the training images, judged on the last fifth; ablation.yaml says what each variant "
        "changes. Percent (AUROC: from 0 to 1), mean ± standard deviation over n seeds; of full: of full supervision "
        "with as many steps. Flipped: of the box pixels, when training ends; "
        "collapsed: car IoU under half of full supervision’s, or over 30 % of true foreground flipped.",
        [[Cell(name, "text" if name == "Variant" else "ours", header=True) for name in names]],
        body,
        (),
        records,
    )


@rc_context(style.RULES)
def picture(found: Mapping[str, Mapping[str, Variant]]) -> Picture:
    """Car IoU of each variant, a dot for each seed, a panel for each dataset; lines are the baselines."""
    places = {name: variant.place for variants in found.values() for name, variant in variants.items()}
    names = sorted(places, key=places.get)
    figure = Figure(figsize=(style.WIDTH, 0.9 + 0.2 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axes, (dataset, variants) in zip(panels, found.items(), strict=True):
        for line, name in enumerate(names):
            if name in variants:
                _dots(axes, line, variants[name])
        for name in BASELINES:
            if name in variants:
                axes.axvline(variants[name].iou.mean, color=style.MUTED, lw=0.8, ls="--", zorder=0)
        axes.set_title(style.dataset_title(dataset), fontweight="bold")
        axes.set(xlabel="car IoU on held-out training images (%)", ylim=(len(names) - 0.4, -0.6), xlim=(0, None))
        axes.set_yticks(range(len(names)), names)
        axes.grid(axis="y", color=style.LINE, lw=0.4)
        axes.spines[["top", "right", "left"]].set_visible(False)
    dead = [f"{name} on {key}" for key, variants in found.items() for name in variants if variants[name].collapsed]
    return Picture(
        figure,
        f"Car IoU of {len(names)} variants of the recipe on {' and '.join(map(style.dataset_title, found))}, a dot for "
        f"each seed, in red where a training collapsed: {', '.join(dead) or 'none'}.",
    )


def _dots(axes: Any, line: int, variant: Variant) -> None:
    colour = style.RECIPE_COLOURS["literal" if variant.collapsed else "stable" if variant.foreground else "no recipe"]
    axes.plot(variant.iou.values, [line] * variant.iou.n, "o", color=colour, markersize=4, alpha=0.8)
