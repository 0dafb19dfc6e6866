"""What earlier stages wrote, read for the report. What is missing ends as one line that says which stage makes it."""

import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ConfigDict, ValidationError

from stages import paths
from stages.params import Model, Settings, UserError
from stages.paths import ROOT


@dataclass(frozen=True)
class Measured:
    """One quantity of a row over its seeds, usually in percent."""

    values: tuple[float, ...]

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float | None:
        """Sample standard deviation over the seeds; None for one seed, which has no spread."""
        return statistics.stdev(self.values) if self.n > 1 else None

    def __str__(self) -> str:
        return f"{self.mean:.2f}" if self.sd is None else f"{self.mean:.2f} ± {self.sd:.2f}"


def read_json(path: Path, stage: str | None, root: Path = ROOT) -> Any:
    """A JSON file that the DVC stage `stage` writes; None: one that is committed.

    Raises:
        UserError: it is missing or is not JSON.
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
    """All arrays of an .npz file that must hold at least `keys`; `stage` as in `read_json`.

    Raises:
        UserError: it is missing, damaged, or lacks a key.
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
    """What brings a file back."""
    if stage is None:
        return f"`git checkout -- {_shown(path, root)}` brings it back"
    return f"`dvc repro -f {stage}` makes it again" if again else f"`dvc repro {stage}` makes it"


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


FULL = "bce-2780"
FLIPPED_FOREGROUND = 30.0  # percent


def collapsed(run: Mapping[str, Any], full: float) -> bool:
    """Whether a training collapsed: car IoU under half of full supervision's `full`, or over 30 % of true foreground
    flipped in the end."""
    flipped = (run.get("trace") or {}).get("flipped_right")
    return run["iou"]["car"] < full / 2 or bool(flipped and flipped[-1] > FLIPPED_FOREGROUND)


@dataclass(frozen=True)
class Result:
    """results/<row>.json: every run of a row."""

    row: str
    runs: tuple[Mapping[str, Any], ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the runs, in their order."""
        return tuple(run["seed"] for run in self.runs)

    def iou(self, label: str) -> Measured | None:
        """IoU of a class, or of their `mean`, in percent; None for a class that a run lacks or that has no pixels."""
        return self.value("mean_iou") if label == "mean" else self.value("iou", label)

    def value(self, *keys: str) -> Measured | None:
        """A number that lies at `keys` inside each run; None where a run has none."""
        values = self.by_seed(*keys)
        return Measured(tuple(values.values())) if len(values) == len(self.runs) else None

    def by_seed(self, *keys: str) -> dict[int, float]:
        """The number that lies at `keys` inside each run, by seed; without the runs that have none."""
        found = {}
        for run in self.runs:
            value: Any = run
            for key in keys:
                value = value.get(key) if isinstance(value, Mapping) else None
            if value is not None:
                found[run["seed"]] = value
        return found


def icnr(run: Mapping[str, Any]) -> bool:
    """Whether the last layer's weights started alike; trainings from before that could be chosen do not say."""
    return run["resolutions"].get("last_layer") == "icnr"


def full_supervision(results: Mapping[str, Result]) -> float | None:
    """Car IoU of full supervision in percent, its mean over seeds; None where it was not trained."""
    iou = results[FULL].iou("car") if FULL in results else None
    return iou.mean if iou else None


def results(settings: Settings, root: Path = ROOT) -> dict[str, Result]:
    """The results of every row, in the order of rows.yaml; raises as `result` does."""
    return {row: result(row, settings.params.dataset, root) for row in settings.order}


def result(row: str, dataset: str, root: Path = ROOT) -> Result:
    """The results of one row.

    Raises:
        UserError: the file is missing, was made on another dataset, or holds no run.
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
    return Result(row, tuple(data["runs"]))


class _Training(Model):
    """The part of a committed training that nothing can be said without."""

    model_config = ConfigDict(extra="ignore")
    variant: str
    seed: int
    row: str
    recipe: str | None
    iou: dict[str, float | None]
    settings: dict[str, Any]


def kept(file: Path, root: Path = ROOT) -> Mapping[str, Any]:
    """One training of reference/<grid>/<dataset>.

    Raises:
        UserError: the file is no JSON, no training, or not that of the entry and seed that it is named after.
    """
    run = read_json(file, None, root)
    try:
        training = _Training.model_validate(run)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "all of it"
        said = f"is no training's result ({where})"
    else:
        if file.stem == f"{training.variant}-{training.seed}":
            return run
        said = f"is that of {training.variant}, seed {training.seed}"
    raise UserError(f"{_shown(file, root)} {said}: {_remedy(file, None, root)}")


def finals(dataset: str, root: Path = ROOT) -> dict[str, Result]:
    """The committed trainings of finals.yaml on a dataset, by entry; {} without any.

    Raises:
        UserError: as `kept`.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for file in sorted((root / "reference" / "finals" / dataset).glob("*.json")):
        run = kept(file, root)
        found.setdefault(run["variant"], []).append(run)
    return {name: Result(name, tuple(sorted(runs, key=lambda run: run["seed"]))) for name, runs in found.items()}
