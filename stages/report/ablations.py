"""What each remedy does: the committed trainings of ablation.yaml, judged on held-out training images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from stages import style
from stages.params import UserError, read_yaml
from stages.paths import ROOT
from stages.report.bars import FLIPPED_FOREGROUND
from stages.report.records import Measured, read_json
from stages.report.tables import NONE, Cell, Table
from stages.style import Picture

FULL, BASELINES = "full", ("full", "masks", "mixed")
STAGE = "collapse"  # reads what this module reads


@dataclass(frozen=True)
class Variant:
    """The trainings of one entry of ablation.yaml on one dataset, percent over seeds; None where it has no flips.

    `place`: of the entry in ablation.yaml.
    """

    name: str
    place: int
    iou: Measured
    foreground: Measured | None
    background: Measured | None
    auroc: Measured | None

    def collapsed(self, full: float) -> int:
        """How many trainings collapsed: car IoU under half of `full`, or over 30 % of true foreground flipped."""
        flipped = self.foreground.values if self.foreground else (0.0,) * self.iou.n
        return sum(
            iou < full / 2 or share > FLIPPED_FOREGROUND for iou, share in zip(self.iou.values, flipped, strict=True)
        )


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
            run = read_json(file, STAGE, root)
            runs.setdefault(run["variant"], []).append(run)
        if any(runs.values()):
            if not runs[FULL]:
                missing = f"reference/ablation/{folder.name} has no training of {FULL}"
                raise UserError(f"{missing}: `python -m stages.study ablation {folder.name} --only {FULL}` makes it")
            numbered = enumerate(runs.items())
            found[folder.name] = {
                name: _variant(name, place, trained) for place, (name, trained) in numbered if trained
            }
    return found


def _variant(name: str, place: int, runs: Sequence[Mapping[str, Any]]) -> Variant:
    traces = [run["trace"] or {} for run in runs]
    foreground, background, auroc = (
        Measured(tuple(trace[key][-1] for trace in traces)) if all(key in trace for trace in traces) else None
        for key in ("flipped_right", "flipped_wrong", "auroc")
    )
    return Variant(name, place, Measured(tuple(r["iou"]["car"] for r in runs)), foreground, background, auroc)


def table(dataset: str, variants: Mapping[str, Variant]) -> Table:
    """The variants of a dataset, one line each."""
    full = variants[FULL].iou.mean
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
        dead = variant.collapsed(full)
        numbers = [str(variant.iou), f"{100 * variant.iou.mean / full:.1f} %"]
        numbers += [str(value) if value else NONE for value in (variant.foreground, variant.background, variant.auroc)]
        numbers.append(f"{dead} of {variant.iou.n}" if dead else "")
        cells = [Cell(variant.name, "text name", header=True), Cell(str(variant.iou.n), "count")]
        body.append([*cells, *(Cell(number, "number") for number in numbers)])
        records += [{"dataset": dataset, "variant": variant.name, "iou": value} for value in variant.iou.values]
    return Table(
        f"ablation-{dataset}",
        f"The ablation on {style.dataset_title(dataset)}",
        "Trained on four fifths of the training images, judged on the last fifth; ablation.yaml says what each variant "
        "changes. Percent, mean ± standard deviation over n seeds. Flipped: of the box pixels, when training ends; "
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
        full = variants[FULL].iou.mean
        for line, name in enumerate(names):
            if name in variants:
                _dots(axes, line, variants[name], dead=variants[name].collapsed(full) > 0)
        for name in BASELINES:
            if name in variants:
                axes.axvline(variants[name].iou.mean, color=style.MUTED, lw=0.8, ls="--", zorder=0)
        axes.set_title(style.dataset_title(dataset), fontweight="bold")
        axes.set(xlabel="car IoU on held-out training images (%)", ylim=(len(names) - 0.4, -0.6), xlim=(0, None))
        axes.set_yticks(range(len(names)), names)
        axes.grid(axis="y", color=style.LINE, lw=0.4)
        axes.spines[["top", "right", "left"]].set_visible(False)
    dead = [f"{name} on {key}" for key, v in found.items() for name in v if v[name].collapsed(v[FULL].iou.mean)]
    return Picture(
        figure,
        f"Car IoU of {len(names)} variants of the recipe on {' and '.join(map(style.dataset_title, found))}, a dot for "
        f"each seed, in red where a training collapsed: {', '.join(dead) or 'none'}.",
    )


def _dots(axes: Any, line: int, variant: Variant, dead: bool) -> None:
    colour = style.RECIPE_COLOURS["literal" if dead else "stable" if variant.foreground else "no recipe"]
    axes.plot(variant.iou.values, [line] * variant.iou.n, "o", color=colour, markersize=4, alpha=0.8)
