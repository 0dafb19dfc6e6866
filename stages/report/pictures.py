"""Figures 2, 3, 5 and 6: what trained models say of pictures, drawn from what training and evaluation wrote."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context

from stages import paths, style
from stages.arrays import TASKS, VOID, Split, open_packed, task_masks
from stages.params import UserError
from stages.paths import ROOT
from stages.report.records import read_arrays, read_json
from stages.report.tables import Cell, Table
from stages.style import Picture, Sheet

RECIPES = {"paper": "literal recipe (paper)", "stable": "stable recipe"}
FLIPPED = 0.5  # 1 - W above this counts as flipped
PLACES = (("upper left", 0, 0), ("upper right", 0, 1), ("lower left", 1, 0), ("lower right", 1, 1))
"""A pixel's place in a block of 2x2: its name, first row, first column."""


@dataclass(frozen=True)
class Sample:
    """One picture of a figure: image (H, W, 3), box target, box indices and true mask (H, W), all uint."""

    image: np.ndarray
    target: np.ndarray
    indices: np.ndarray
    mask: np.ndarray

    @property
    def inside(self) -> np.ndarray:
        """Where a box lies, (H, W) bool."""
        return self.indices > 0


def figure2(dataset: str, seed: int, root: Path = ROOT) -> Picture:
    """Figure 2: validation pictures of `regression-0-2780`, trained on boxes alone."""
    return _validation("regression-0-2780", "Regression with uncertainty, boxes alone", dataset, seed, root)


def figure3(dataset: str, seed: int, root: Path = ROOT) -> Picture:
    """Figure 3: validation pictures of `regression-all-500-2280`, with some pixel-perfect images."""
    return _validation(
        "regression-all-500-2280", "Regression with uncertainty, some pixel-perfect images", dataset, seed, root
    )


@rc_context(style.RULES)
def figure5(dataset: str, seed: int, root: Path = ROOT) -> Picture:
    """Figure 5: training pictures of `bootstrap-500-2280` in both recipes, twice early and once near the end."""
    runs = _both("bootstrap-500-2280", dataset, seed, root)
    packed = open_packed(paths.packed(dataset, root)).train
    chosen = _choose([_sample(packed, i, "car") for i in runs["paper"].indices], count=2)
    samples = [_sample(packed, runs["paper"].indices[k], "car") for k in chosen]
    steps = runs["paper"].steps
    columns = ["input", "training target", *["1 − W", "output"] * 2]
    sheet = Sheet(
        columns,
        [f"step\n{steps[t]}" for _ in samples for t in range(len(steps))],
        _aspect(samples[0]),
        heading=f"BCE with uncertainty and bootstrapping, training pictures · {style.dataset_title(dataset)}",
        subtitle=[run.summary("car") for run in runs.values()],
        block=len(steps),
        groups=[(2, 3, RECIPES["paper"]), (4, 5, RECIPES["stable"])],
        colorbar="1 − W (1: the target is flipped)",
    )
    rows = [(k, t) for k in range(len(samples)) for t in range(len(steps))]
    for row, (k, t) in enumerate(rows):
        style.draw(sheet.panel(row, 0), samples[k].image)
        style.draw(sheet.panel(row, 1), style.class_picture(samples[k].target))
        for column, run in zip((2, 4), runs.values(), strict=True):
            axes = sheet.panel(row, column)
            bar = _draw_flips(axes, run.flip[t, chosen[k]], samples[k].indices)
            style.draw(sheet.panel(row, column + 1), style.class_picture(run.output[t, chosen[k]]))
    sheet.colorbar(bar)
    alt = (
        f"{len(rows)} rows of training pictures on {style.dataset_title(dataset)}, {len(samples)} pictures at steps "
        f"{', '.join(map(str, steps))}: input, box target, then flip weight 1 − W and output for the literal and the "
        f"stable recipe. {' '.join(run.summary('car') for run in runs.values())}"
    )
    return Picture(sheet.figure, alt)


def flips_by_place(dataset: str, seed: int, root: Path = ROOT) -> Table:
    """Of the box pixels behind Figure 5, the share that is flipped at the last moment, by place in the 2x2 blocks of
    the network's last layer (a transposed convolution of stride 2), which has weights of its own for each place."""
    runs = _both("bootstrap-500-2280", dataset, seed, root)
    head = ["", *(name for name, _, _ in PLACES)]
    body, records = [], []
    for recipe, run in runs.items():
        inside = np.stack([sample.inside for sample in run.samples])
        shares = {
            name: 100 * _share(run.flip[-1][:, y::2, x::2] > FLIPPED, inside[:, y::2, x::2]) for name, y, x in PLACES
        }
        cells = [Cell(f"{share:.1f}", "number") for share in shares.values()]
        body.append([Cell(RECIPES[recipe], "text name", header=True), *cells])
        records += [{"recipe": recipe, "place": name, "flipped": share} for name, share in shares.items()]
    title = f"Flipped box pixels by place in the last layer’s blocks, {style.dataset_title(dataset)}"
    caption = (
        f"Percent, at step {runs['paper'].steps[-1]}, of the {len(runs['paper'].samples)} pictures kept, seed {seed}."
    )
    return Table("flips-by-place", title, caption, [[Cell(text, header=True) for text in head]], body, (), records)


@rc_context(style.RULES)
def figure6(dataset: str, seed: int, root: Path = ROOT) -> Picture:
    """Figure 6: training pictures of `ce-bootstrap-500-2280` in both recipes, near the end of training."""
    runs = _both("ce-bootstrap-500-2280", dataset, seed, root)
    packed = open_packed(paths.packed(dataset, root)).train
    everything = [_sample(packed, i, "car-person") for i in runs["paper"].indices]
    chosen = _choose(everything, count=3, classes=(1, 2))
    columns = ["input", "target masks", *["car flips", "person flips", "output"] * 2]
    sheet = Sheet(
        columns,
        [""] * len(chosen),
        _aspect(everything[0]),
        heading=f"Car and person with bootstrapping, training pictures · {style.dataset_title(dataset)}",
        subtitle=[f"Near the end of training, step {runs['paper'].steps[-1]}."]
        + [run.summary("mean") for run in runs.values()],
        groups=[(2, 4, RECIPES["paper"]), (5, 7, RECIPES["stable"])],
        colorbar="1: the label is replaced by the model's output",
    )
    for row, k in enumerate(chosen):
        sample = everything[k]
        style.draw(sheet.panel(row, 0), sample.image)
        style.draw(sheet.panel(row, 1), style.class_picture(sample.target))
        for column, run in zip((2, 5), runs.values(), strict=True):
            for label in (1, 2):
                of_class = sample.target == label
                axes = sheet.panel(row, column + label - 1)
                bar = _draw_flips(axes, run.flip[-1, k] * of_class, sample.indices * of_class)
            style.draw(sheet.panel(row, column + 2), style.class_picture(run.output[-1, k]))
    sheet.colorbar(bar)
    alt = (
        f"{len(chosen)} training pictures on {style.dataset_title(dataset)} near the end of training: input, target "
        "masks (cars blue, people red), then the flipped pixels of car boxes, of person boxes, and the output for the "
        f"literal and the stable recipe. {' '.join(run.summary('mean') for run in runs.values())}"
    )
    return Picture(sheet.figure, alt)


# ---- Figures 2 and 3 -------------------------------------------------------------------------------------------------


@rc_context(style.RULES)
def _validation(row: str, heading: str, dataset: str, seed: int, root: Path) -> Picture:
    stage = f"evaluate@{row}-{seed}"
    file = paths.evaluate(row, seed, root) / "pictures.npz"
    pictures = read_arrays(file, ("indices", "variance", "output"), stage, root)
    metrics = read_metrics(row, dataset, seed, root)
    packed = open_packed(paths.packed(dataset, root)).val
    samples = [_sample(packed, i, "car") for i in pictures["indices"]]
    chosen = _choose(samples, count=4)
    variance = pictures["variance"].astype(np.float32)[chosen, 0]
    low, high = float(variance.min()), float(np.percentile(variance, 99.5))
    shape = metrics["rectangularity"]
    measured = (
        f"Validation car IoU {percent(metrics['iou']['car'])}. The output agrees with the boxes by "
        f"{percent(shape['iou_with_boxes'])}, with the true masks by {percent(shape['iou_with_masks'])} IoU."
    )
    sheet = Sheet(
        ["input", "box target", "output", "uncertainty σ²"],
        [""] * len(chosen),
        _aspect(samples[0]),
        heading=f"{heading} · {style.dataset_title(dataset)}",
        subtitle=[measured],
        colorbar="σ²",
    )
    for line, k in enumerate(chosen):
        style.draw(sheet.panel(line, 0), samples[k].image)
        style.draw(sheet.panel(line, 1), style.class_picture(samples[k].target))
        style.draw(sheet.panel(line, 2), style.class_picture(pictures["output"][k]))
        axes = sheet.panel(line, 3)
        bar = style.draw(axes, variance[line], cmap=style.SEQUENTIAL, vmin=low, vmax=max(high, low + 1e-3))
        style.outline(axes, samples[k].indices)
    sheet.colorbar(bar)
    alt = (
        f"{len(chosen)} validation pictures on {style.dataset_title(dataset)}: input, box target, output and "
        f"uncertainty of {row}, with the boxes outlined. {measured}"
    )
    return Picture(sheet.figure, alt)


def read_metrics(row: str, dataset: str, seed: int, root: Path = ROOT) -> Mapping[str, Any]:
    """A run's metrics.json.

    Raises:
        UserError: it is missing, or of another dataset.
    """
    stage = f"evaluate@{row}-{seed}"
    metrics = read_json(paths.evaluate(row, seed, root) / "metrics.json", stage, root)
    if metrics["dataset"] != dataset:
        raise UserError(
            f"runs/{row}/seed-{seed} is of dataset {metrics['dataset']}, not {dataset}: `dvc repro {stage}`"
        )
    return metrics


@rc_context(style.RULES)
def outputs(rows: Sequence[str], task: str, dataset: str, seed: int, root: Path = ROOT) -> Picture:
    """Validation pictures with their masks and boxes, beside what rows of one task make of them."""
    kept = {}
    for row in rows:
        file = paths.evaluate(row, seed, root) / "pictures.npz"
        kept[row] = read_arrays(file, ("indices", "output"), f"evaluate@{row}-{seed}", root)
    packed, indices = open_packed(paths.packed(dataset, root)).val, next(iter(kept.values()))["indices"]
    samples = [_sample(packed, i, task) for i in indices]
    chosen = _choose(samples, count=3)
    sheet = Sheet(
        ["input", "true mask", "box target", *rows],
        [""] * len(chosen),
        _aspect(samples[0]),
        heading=f"Outputs on validation pictures · {style.dataset_title(dataset)}",
        subtitle=[f"Final weights, seed {seed}. Cars are blue, people red, void is grey."],
    )
    for line, k in enumerate(chosen):
        style.draw(sheet.panel(line, 0), samples[k].image)
        labels = [samples[k].mask, samples[k].target, *(arrays["output"][k] for arrays in kept.values())]
        for column, shown in enumerate(labels, start=1):
            style.draw(sheet.panel(line, column), style.class_picture(shown))
    alt = (
        f"{len(chosen)} validation pictures on {style.dataset_title(dataset)}: input, true mask, box target, and the "
        f"output of {' and of '.join(rows)}."
    )
    return Picture(sheet.figure, alt)


# ---- Figures 5 and 6 -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Snapshots:
    """What a bootstrapping run said of K training pictures at three steps.

    steps (3,), indices (K,), flip (3, K, H, W) in [0, 1], output (3, K, H, W); `samples` in the order of `indices`.
    """

    recipe: str
    steps: tuple[int, ...]
    indices: tuple[int, ...]
    flip: np.ndarray
    output: np.ndarray
    samples: Sequence[Sample]
    metrics: Mapping[str, Any]

    def summary(self, label: str) -> str:
        """One line: what became of the box pixels of these pictures at the last moment, and the validation IoU."""
        flipped, objects, wrong = self.shares()
        iou = percent(self.metrics["mean_iou"] if label == "mean" else self.metrics["iou"][label])
        name = "mIoU" if label == "mean" else f"{label} IoU"
        return (
            f"{RECIPES[self.recipe].capitalize()}: {outcome(objects, wrong)}. Validation {name} {iou}. Of the "
            f"box pixels of {len(self.samples)} training pictures, {100 * flipped:.0f} % are flipped; "
            f"{100 * objects:.0f} % of the rightly and {100 * wrong:.0f} % of the wrongly labelled ones come out as "
            f"their box's class."
        )

    def shares(self) -> tuple[float, float, float]:
        """At the last moment: the share of box pixels that are flipped; the shares of the rightly and of the wrongly
        labelled box pixels whose output is the box's class. Void is left out; a share of nothing is 0.
        """
        inside = np.stack([s.inside & (s.mask != VOID) for s in self.samples])
        target = np.stack([s.target for s in self.samples])
        right = np.stack([s.mask for s in self.samples]) == target
        kept = self.output[-1] == target
        flipped = self.flip[-1] > FLIPPED
        return _share(flipped, inside), _share(kept, inside & right), _share(kept, inside & ~right)


def percent(value: float | None) -> str:
    """A percentage with one decimal; a dash for that of a class that is nowhere."""
    return "–" if value is None else f"{value:.1f} %"


def _share(found: np.ndarray, of: np.ndarray) -> float:
    return float(found[of].mean()) if of.any() else 0.0


def outcome(objects: float, wrong: float) -> str:
    """What became of the boxes, by the shares of their right and of their wrong pixels that come out as the object."""
    if objects < 0.5:
        return "most object pixels come out as something else"
    return "the output stays close to the boxes" if wrong > 0.5 else "the output follows the objects"


def _both(row: str, dataset: str, seed: int, root: Path) -> dict[str, Snapshots]:
    runs = {"paper": _snapshots(row, dataset, seed, root), "stable": _snapshots(f"{row}-stable", dataset, seed, root)}
    if runs["paper"].indices != runs["stable"].indices or runs["paper"].steps != runs["stable"].steps:
        raise UserError(
            f"{row} and {row}-stable, seed {seed}, show other pictures or steps: train both with one setting"
        )
    return runs


def _snapshots(row: str, dataset: str, seed: int, root: Path) -> Snapshots:
    group = "train-tau-samples" if row.startswith("ce-") else "train-tau"
    stage = f"{group}@{row}-{seed}"
    run = read_json(paths.train(row, seed, root) / "run.json", stage, root)
    if run["dataset"] != dataset:
        raise UserError(f"runs/{row}/seed-{seed} is of dataset {run['dataset']}, not {dataset}: `dvc repro`")
    arrays = read_arrays(
        paths.train(row, seed, root) / "samples.npz", ("steps", "indices", "flip", "output"), stage, root
    )
    packed = open_packed(paths.packed(dataset, root)).train
    return Snapshots(
        recipe=run["recipe"],
        steps=tuple(arrays["steps"].tolist()),
        indices=tuple(arrays["indices"].tolist()),
        flip=arrays["flip"].astype(np.float32),
        output=arrays["output"],
        samples=[_sample(packed, i, run["task"]) for i in arrays["indices"]],
        metrics=read_metrics(row, dataset, seed, root),
    )


def _draw_flips(axes: Any, flip: np.ndarray, indices: np.ndarray) -> Any:
    image = style.draw(axes, flip, cmap=style.SEQUENTIAL, vmin=0, vmax=1)
    style.outline(axes, indices)
    return image


# ---- shared ----------------------------------------------------------------------------------------------------------


def _sample(split: Split, index: int, task: str) -> Sample:
    return Sample(
        np.array(split.images[index]),
        np.array(split.targets(task)[index]),
        np.array(split.indices(task)[index]),
        task_masks(split.masks[index], 1 + len(TASKS[task])),
    )


def _choose(samples: Sequence[Sample], count: int, classes: Sequence[int] = (1,)) -> list[int]:
    """The `count` pictures that tell most: those whose rarest class has the largest box area, in their given order."""
    areas = [min(int((s.target == c).sum()) for c in classes) for s in samples]
    best = sorted(range(len(samples)), key=lambda k: (-areas[k], k))[:count]
    return sorted(best)


def _aspect(sample: Sample) -> float:
    height, width = sample.target.shape
    return height / width
