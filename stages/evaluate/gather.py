"""Collect the evaluated runs: python -m stages.evaluate.gather

Writes results/<row>.json for every row, the headline numbers in metrics.json, and in results/plots/ what `dvc plots`
draws. Imports no torch.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from stages import config, left_out, paths
from stages.config import Settings
from stages.errors import UserError, reading, run
from stages.evaluate.result_files import read_object, write_rounded
from stages.yaml_files import Part, check_content

# The paper's story in five numbers: all masks, few masks, plain boxes added, the method; the method multi-class. Short
# names, since each is a column of `make compare`.
HEADLINES = {
    "iou": {
        "full": "bce-2780",
        "masks": "bce-500",
        "mixed": "bce-500-2280",
        "stable": "bootstrap-500-2280-stable",
    },
    "mean_iou": {"stable": "ce-bootstrap-500-2280-stable"},
}
SHARED = ("row", "dataset", "task", "recipe", "classes")


class _Metrics(Part):
    """The part of a run's metrics.json that its row's results cannot be without."""

    row: str
    seed: int
    dataset: str
    task: str
    recipe: str | None
    classes: list[str] = Field(min_length=2)
    iou: dict[str, float | None]
    mean_iou: float | None

    @model_validator(mode="after")
    def _of_each_class(self) -> Self:
        if set(self.iou) != set(self.classes):
            raise ValueError("iou is not of the classes")
        return self


class _Record(Part):
    """The part of a run's record.json that the report cannot be without."""

    device: str
    seconds: float
    versions: dict[str, str]


def gather(settings: Settings, root: Path = paths.ROOT) -> None:
    """Write results/<row>.json of every row, and metrics.json, from the runs of `seeds` in params.yaml.

    Runs of other seeds are left out. A run's entry is its evaluate/metrics.json and what record.json says of how it
    was made (seconds, device, versions, ...), with the settings, resolutions and counts of run.json. Headlines are
    means over the seeds, in percent; nothing is written unless every run is there.

    Raises:
        UserError: runs are missing, unreadable, or of another dataset than params.yaml names; one line for the first,
            with the count of the others.
    """
    runs: dict[str, list[dict]] = {}
    problems: list[str] = []
    skipped: dict[str, str] = {}
    for row in settings.rows:
        for seed in settings.params.seeds:
            if why := left_out.read(paths.evaluate(row, seed, root)):
                skipped[row] = why
                continue
            try:
                runs.setdefault(row, []).append(_run(settings.params.dataset, row, seed, root))
            except UserError as problem:
                problems.append(str(problem))
    if problems:
        others = f" (and {len(problems) - 1} more runs)" if len(problems) > 1 else ""
        raise UserError(f"{problems[0]}{others}")
    for row in runs:
        write_rounded(paths.result(row, root), _result(runs[row]))
    for row, why in skipped.items():  # so that what depends on the row's file finds one
        write_rounded(paths.result(row, root), {"row": row, "dataset": settings.params.dataset, "left_out": why})
    write_rounded(paths.results(root) / left_out.FILE, skipped)
    write_rounded(paths.metrics(root), _headlines(runs))
    _write_plots(runs, root)


def _run(dataset: str, row: str, seed: int, root: Path) -> dict:
    remedy = f"run `dvc repro`, or `python -m stages.evaluate --row {row} --seed {seed}`"
    path = paths.evaluate(row, seed, root) / "metrics.json"
    metrics = read_object(path, remedy)
    if metrics.get("dataset") != dataset:
        raise UserError(f"{path}: is of dataset {metrics.get('dataset')}, params.yaml says {dataset}; {remedy}")
    check_content(_Metrics, metrics, path, remedy)
    if (metrics["row"], metrics["seed"]) != (row, seed):
        raise UserError(f"{path}: is of {metrics['row']}, seed {metrics['seed']}; {remedy}")
    remedy = f"run `dvc repro`, or `python -m stages.train --row {row} --seed {seed}`"
    _steps(row, seed, root)
    path = paths.train(row, seed, root) / "run.json"
    decided = read_object(path, remedy)
    with reading(path, remedy):
        how = {key: decided[key] for key in ("settings", "resolutions", "counts", "fill_rate")}
    path = paths.record(row, seed, root)
    record = read_object(path, remedy)
    check_content(_Record, record, path, remedy)
    return record | how | metrics


def _steps(row: str, seed: int, root: Path) -> list[tuple[Any, ...]]:
    """Return step, loss and IoU of each line of a run's history.

    Raises:
        UserError: It is missing or damaged.
    """
    remedy = f"run `dvc repro`, or `python -m stages.train --row {row} --seed {seed}`"
    file = paths.train(row, seed, root) / "history.jsonl"
    if not file.is_file():
        raise UserError(f"{file}: no such file; {remedy}")
    with reading(file, remedy):
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        if not lines:
            raise ValueError("it is empty")
        return [(line["step"], line["loss"], line["iou"]) for line in lines]


def _result(runs: list[dict]) -> dict:
    shared = {key: runs[0][key] for key in SHARED}
    return shared | {"runs": [{key: value for key, value in run.items() if key not in SHARED} for run in runs]}


def _headlines(runs: dict[str, list[dict]]) -> dict:
    measure = {"iou": first_iou, "mean_iou": lambda run: run["mean_iou"]}
    return {
        kind: {name: _mean([measure[kind](run) for run in runs[row]]) for name, row in rows.items() if row in runs}
        for kind, rows in HEADLINES.items()
    }


def first_iou(run: dict) -> float | None:
    """Return the IoU (percent) of the first class of a run."""
    return run["iou"][run["classes"][1]]


def _write_plots(runs: dict[str, list[dict]], root: Path) -> None:
    """Write one line per row and seed to iou.csv, and per recorded training step to training.csv."""
    scores = [(row, one["seed"], first_iou(one), one["mean_iou"]) for row, found in runs.items() for one in found]
    _write_csv(paths.plots(root) / "iou.csv", ("row", "seed", "iou", "mean_iou"), scores)
    steps = []
    for row, found in runs.items():
        for one in found:
            steps += [(row, one["seed"], *step) for step in _steps(row, one["seed"], root)]
    _write_csv(paths.plots(root) / "training.csv", ("row", "seed", "step", "loss", "iou"), steps)


def _write_csv(path: Path, header: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *lines])


def _mean(values: list[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None


def main() -> None:
    """Collect the runs that params.yaml names."""
    gather(config.load())


if __name__ == "__main__":
    run(main)
