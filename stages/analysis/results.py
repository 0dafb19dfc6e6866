"""What earlier stages wrote, read for analysis. What is missing ends as one line that says which stage makes it."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from stages import left_out, paths
from stages.analysis.naming import FIRST, PAPER_CLASSES, class_name
from stages.analysis.paper import Collapse
from stages.analysis.statistics import Measured
from stages.config import Settings
from stages.errors import UserError
from stages.paths import ROOT
from stages.yaml_files import Part, check_content

FULL = "bce-2780"
REFERENCE = "runs"
"""The folder of reference/ with the trainings of studies/reference.yaml."""
PIPELINE = ""
"""The stage of a file that one of many stages writes: all of the pipeline brings it back."""


def read_json(path: Path, stage: str | None, root: Path = ROOT) -> Any:
    """Read a JSON file that the DVC stage `stage` writes; None: one that is committed.

    Raises:
        UserError: It is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{_shown(path, root)} is missing: {_remedy(path, stage, root)}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        again = _remedy(path, stage, root, again=True)
        place = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else f"byte {error.start}"
        raise UserError(f"{_shown(path, root)} is not JSON ({place}): {again}") from None


def read_arrays(path: Path, keys: Iterable[str], stage: str | None, root: Path = ROOT) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz file that must hold at least `keys`; `stage` as in `read_json`.

    Raises:
        UserError: It is missing, damaged, or lacks a key.
    """
    try:
        with np.load(path) as file:
            arrays = {key: file[key] for key in file.files}
    except FileNotFoundError:
        raise UserError(f"{_shown(path, root)} is missing: {_remedy(path, stage, root)}") from None
    except Exception:  # noqa: BLE001 - damaged bytes lead zip, zlib and numpy to raise anything
        raise UserError(f"{_shown(path, root)} is damaged: {_remedy(path, stage, root, again=True)}") from None
    missing = [key for key in keys if key not in arrays]
    if missing:
        raise UserError(f"{_shown(path, root)} lacks {', '.join(missing)}; it holds {', '.join(arrays)}")
    return arrays


def _remedy(path: Path, stage: str | None, root: Path, again: bool = False) -> str:
    """Say what brings a file back."""
    if stage is None:
        return f"`git checkout -- {_shown(path, root)}` brings it back"
    if again:
        return f"`dvc repro -f {stage}` makes it again" if stage else "delete it, and `dvc repro` makes it again"
    return f"`dvc repro {stage}` makes it" if stage else "`dvc repro` makes it"


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


@dataclass(frozen=True)
class Result:
    """results/<row>.json: every run of a row."""

    row: str
    runs: tuple[Mapping[str, Any], ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the runs, in their order."""
        return tuple(run["seed"] for run in self.runs)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by value."""
        return tuple(self.runs[0].get("classes", PAPER_CLASSES))

    def iou(self, label: str) -> Measured | None:
        """Return the IoU of a class, or of their `mean`, in percent; None if a run lacks it or it has no pixels.

        One of the paper's classes stands for the dataset's at its place, see `naming.PAPER_CLASSES`.
        """
        return self.value(*self._iou_keys(label))

    def iou_by_seed(self, label: str) -> dict[int, float]:
        """Return what `iou` is the mean of, by seed; without the runs that have none."""
        return self.by_seed(*self._iou_keys(label))

    def precision(self) -> Measured | None:
        """Return how many pixels that a run calls its first class are, in percent; None if one does not say."""
        return self._of_first(lambda confusion: confusion[:, 1])

    def recall(self) -> Measured | None:
        """Return how many of the first class's pixels a run calls so, in percent; None if a run does not say."""
        return self._of_first(lambda confusion: confusion[1])

    def _of_first(self, line: Callable[[np.ndarray], np.ndarray]) -> Measured | None:
        lines = [line(np.array(run["confusion"])) for run in self.runs if "confusion" in run]
        if len(lines) < len(self.runs) or not all(counts.sum() for counts in lines):
            return None
        return Measured(tuple(100 * float(counts[1] / counts.sum()) for counts in lines))

    def _iou_keys(self, label: str) -> tuple[str, ...]:
        return ("mean_iou",) if label == "mean" else ("iou", class_name(label, self.classes))

    def value(self, *keys: str) -> Measured | None:
        """Return a number that lies at `keys` inside each run; None where a run has none."""
        values = self.by_seed(*keys)
        return Measured(tuple(values.values())) if len(values) == len(self.runs) else None

    def by_seed(self, *keys: str) -> dict[int, float]:
        """Return the number that lies at `keys` inside each run, by seed; without the runs that have none."""
        found = {}
        for run in self.runs:
            value: Any = run
            for key in keys:
                value = value.get(key) if isinstance(value, Mapping) else None
            if value is not None:
                found[run["seed"]] = value
        return found


Results = Mapping[str, Result]
"""By the name of a row, or of an entry of studies/reference.yaml."""


def all_classes(found: Iterable[Result]) -> tuple[str, ...]:
    """Return the names of the most classes that one of the results tells apart; none without results."""
    return max((result.classes for result in found), key=len, default=())


def iou_of(run: Mapping[str, Any], label: str) -> float | None:
    """Return one run's IoU in percent, of a class as in `Result.iou` or of their `mean`; None where it has none."""
    if label == "mean":
        return run.get("mean_iou")
    return run.get("iou", {}).get(class_name(label, run.get("classes", PAPER_CLASSES)))


def first_iou(run: Mapping[str, Any]) -> float:
    """Return one run's IoU of the first class, in percent; 0 where it has none, as after a collapse without pixels."""
    return iou_of(run, FIRST) or 0.0


def collapsed(run: Mapping[str, Any], full: float, limits: Collapse) -> bool:
    """Return whether a training collapsed.

    Args:
        run: A run of any row.
        full: IoU of the first class of full supervision, in percent.
        limits: See paper/claims.yaml.
    """
    flipped = (run.get("trace") or {}).get("flipped_right")
    low = first_iou(run) < limits.iou_share / 100 * full
    return low or bool(flipped and flipped[-1] > limits.false_flip_rate)


def icnr(run: Mapping[str, Any]) -> bool:
    """Return whether the last layer's weights started alike; trainings from before that could be chosen do not say."""
    return run["resolutions"].get("last_layer") == "icnr"


def full_supervision(found: Results) -> float | None:
    """Return full supervision's IoU of the first class in percent, a mean over seeds; None without such a training."""
    iou = found[FULL].iou(FIRST) if FULL in found else None
    return iou.mean if iou else None


def recipes_of(name: str, found: Results) -> dict[str | None, Result]:
    """Return the results of a row of the paper by recipe: the row's own, and those of its `-<recipe>` namesakes."""
    by_recipe = ((result.runs[0]["recipe"], name_of, result) for name_of, result in found.items())
    return {recipe: result for recipe, row, result in by_recipe if row in (name, f"{name}-{recipe}")}


def left_out_rows(root: Path = ROOT) -> dict[str, str]:
    """Return the reason for each row that was left out of this run, by its name.

    Raises:
        UserError: The file is missing or is not JSON.
    """
    return read_json(paths.results(root) / left_out.FILE, "gather", root)


def results(settings: Settings, root: Path = ROOT) -> dict[str, Result]:
    """Return the results of every row that was not left out, in the order of configs/rows.yaml.

    Raises:
        UserError: As `result` and `left_out_rows`.
    """
    skipped = left_out_rows(root)
    return {row: result(row, settings.params.dataset, root) for row in settings.rows if row not in skipped}


def result(row: str, dataset: str, root: Path = ROOT) -> Result:
    """Return the results of one row.

    Raises:
        UserError: The file is missing, was made on another dataset, or holds no run.
    """
    path = paths.result(row, root)
    data = read_json(path, "gather", root)
    if not isinstance(data, dict):
        raise UserError(f"{_shown(path, root)} holds no run: `dvc repro gather`")
    if data.get("dataset") != dataset:
        raise UserError(
            f"{_shown(path, root)} is of dataset {data.get('dataset')}, params.yaml says {dataset}: `dvc repro gather`"
        )
    if not data.get("runs"):
        raise UserError(f"{_shown(path, root)} holds no run: `dvc repro gather`")
    check_content(_Row, data, _shown(path, root), _remedy(path, "gather", root, again=True))
    shared = {key: value for key, value in data.items() if key != "runs"}
    return Result(row, tuple(shared | run for run in data["runs"]))


def run_metrics(row: str, dataset: str, seed: int, root: Path = ROOT) -> Mapping[str, Any]:
    """Return the metrics.json of a run of this pipeline.

    Raises:
        UserError: It is missing, or of another dataset.
    """
    path = paths.evaluate(row, seed, root) / "metrics.json"
    metrics = read_json(path, PIPELINE, root)
    check_content(_Metrics, metrics, _shown(path, root), _remedy(path, PIPELINE, root, again=True))
    if metrics["dataset"] != dataset:
        raise UserError(f"runs/{row}/seed-{seed} is of dataset {metrics['dataset']}, not {dataset}: `dvc repro`")
    return metrics


def training(row: str, seed: int, root: Path = ROOT) -> Mapping[str, Any]:
    """Return the run.json of a run of this pipeline.

    Raises:
        UserError: It is missing, or none.
    """
    path = paths.train(row, seed, root) / "run.json"
    run = read_json(path, PIPELINE, root)
    check_content(_Decided, run, _shown(path, root), _remedy(path, PIPELINE, root, again=True))
    return run


def dataset_statistics(dataset: str, root: Path = ROOT) -> Mapping[str, Any]:
    """Return data/<dataset>/packed/statistics.json: per split and class, what the boxes are like.

    Raises:
        UserError: It is missing, or none.
    """
    path = paths.packed(dataset, root) / "statistics.json"
    statistics = read_json(path, "boxes", root)
    check_content(_Statistics, statistics, _shown(path, root), _remedy(path, "boxes", root, again=True))
    return statistics


class _Run(Part):
    seed: int
    iou: dict[str, float | None]
    mean_iou: float | None


class _Row(Part):
    task: str
    recipe: str | None
    classes: list[str]
    runs: list[_Run]


class _Shape(Part):
    iou_with_boxes: float | None
    iou_with_masks: float | None


class _Metrics(_Run):
    dataset: str
    classes: list[str]
    rectangularity: _Shape


class _Decided(Part):
    dataset: str
    task: str
    recipe: str | None


class _OfClass(Part):
    instances: int
    boxes: int
    dropped: int
    mask_share: float | None
    fill_rate: float | None
    iou: float | None


class _Statistics(Part):
    images: dict[str, int]
    train: dict[str, _OfClass]
    val: dict[str, _OfClass]


class _Training(Part):
    """The part of a committed training that nothing can be said without."""

    variant: str
    seed: int
    row: str
    recipe: str | None
    iou: dict[str, float | None]
    settings: dict[str, Any]


def committed_run(file: Path, root: Path = ROOT) -> Mapping[str, Any]:
    """Return one training of reference/<grid>/<dataset>.

    Raises:
        UserError: The file is no JSON, no training, or not that of the entry and seed that it is named after.
    """
    run = read_json(file, None, root)
    try:
        training = _Training.model_validate(run)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "all of it"
        problem = f"is no training's result ({where})"
    else:
        if file.stem == f"{training.variant}-{training.seed}":
            return run
        problem = f"is that of {training.variant}, seed {training.seed}"
    raise UserError(f"{_shown(file, root)} {problem}: {_remedy(file, None, root)}")


def reference_runs(dataset: str, root: Path = ROOT, grid: str = REFERENCE) -> dict[str, Result]:
    """Return the committed trainings of studies/reference.yaml on a dataset, by entry; {} without any.

    Args:
        dataset: Its name.
        root: The project.
        grid: Another folder of reference/, of another file of studies/.

    Raises:
        UserError: As `committed_run`.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for file in sorted((root / "reference" / grid / dataset).glob("*.json")):
        run = committed_run(file, root)
        found.setdefault(run["variant"], []).append(run)
    return {name: Result(name, tuple(sorted(runs, key=lambda run: run["seed"]))) for name, runs in found.items()}
