"""What each remedy or reading does: the committed trainings of a grid that is judged on held-out training images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from stages.analysis.paper import Collapse, load_claims
from stages.analysis.results import collapsed, committed_run, first_iou
from stages.analysis.statistics import Measured
from stages.errors import UserError
from stages.paths import ROOT
from stages.yaml_files import read_yaml

FULL, BASELINES = "full", ("full", "masks", "mixed")


@dataclass(frozen=True)
class Variant:
    """The trainings of one entry of a grid on one dataset.

    Attributes:
        name: The entry's. place: its place in the file. iou: car IoU in percent, over seeds.
        full: Car IoU of full supervision there, in percent, trained for as many steps; None where there is none.
        false_flip_rate: Percent of the rightly labelled box pixels that are flipped when training ends, over seeds.
        recall: The same of the wrongly labelled. auroc: of the variance for wrong labels, in [0, 1]. All three are None
            where nothing can flip.
        collapsed: How many of the trainings did, see `results.collapsed`.
        resolutions: The fields of its recipe. settings: its hyperparameters.
        watched: Of each training that was watched, (step, IoU in percent) on held-out images, over the training.
    """

    name: str
    place: int
    iou: Measured
    full: float | None
    false_flip_rate: Measured | None
    recall: Measured | None
    auroc: Measured | None
    collapsed: int
    resolutions: Mapping[str, Any]
    settings: Mapping[str, Any]
    watched: Sequence[Sequence[tuple[int, float]]] = ()

    @property
    def best(self) -> Measured | None:
        """The highest IoU on held-out images while training, over seeds: what keeping the best weights would give."""
        return Measured(tuple(max(iou for _, iou in curve) for curve in self.watched)) if self.watched else None


def load(root: Path = ROOT, grid: str = "ablation") -> dict[str, dict[str, Variant]]:
    """Return the trainings of a grid by dataset and variant, in the order of its file; {} without any.

    Args:
        root: The project.
        grid: Names a file of studies/ that has an entry FULL, and the folder of reference/.

    Raises:
        UserError: The file or a result is missing or broken, or a dataset lacks what all else is compared with.
    """
    order = list(read_yaml(root / "studies" / f"{grid}.yaml")["runs"])
    found: dict[str, dict[str, Variant]] = {}
    for folder in sorted((root / "reference" / grid).glob("*/")):
        runs: dict[str, list[Mapping[str, Any]]] = {name: [] for name in order}
        for file in sorted(folder.glob("*.json")):
            run = committed_run(file, root)
            runs.setdefault(run["variant"], []).append(run)
        if any(runs.values()):
            if not runs[FULL]:
                missing = f"reference/{grid}/{folder.name} has no training of {FULL}"
                raise UserError(f"{missing}: `python -m stages.studies {grid} {folder.name} --only {FULL}` makes it")
            found[folder.name] = dict(_variants(runs, load_claims(root).collapse))
    return found


def _variants(runs: Mapping[str, Sequence[Mapping[str, Any]]], limits: Collapse) -> Iterator[tuple[str, Variant]]:
    """Give the variants that have trainings, with their names."""
    by_steps: dict[int, list[float]] = {}
    for run in (run for name, trained in runs.items() if name.startswith(FULL) for run in trained):
        by_steps.setdefault(run["settings"]["steps"], []).append(first_iou(run))
    full = {steps: fmean(ious) for steps, ious in by_steps.items()}
    default = fmean(first_iou(run) for run in runs[FULL])
    for place, (name, trained) in enumerate(runs.items()):
        if not trained:
            continue
        equal = full.get(trained[0]["settings"]["steps"])
        traces = [run["trace"] or {} for run in trained]
        false_flip_rate, recall, auroc = (
            Measured(tuple(trace[key][-1] for trace in traces)) if all(key in trace for trace in traces) else None
            for key in ("flipped_right", "flipped_wrong", "auroc")
        )
        iou = Measured(tuple(first_iou(run) for run in trained))
        dead = sum(collapsed(run, equal or default, limits) for run in trained)
        resolutions, settings = (trained[0].get(key, {}) for key in ("resolutions", "settings"))
        curves = [[(step, iou or 0.0) for step, iou in run["watched"]] for run in trained if "watched" in run]
        yield (
            name,
            Variant(name, place, iou, equal, false_flip_rate, recall, auroc, dead, resolutions, settings, curves),
        )
