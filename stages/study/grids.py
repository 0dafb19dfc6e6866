"""A grid of trainings (ablation.yaml, finals.yaml), run through DVC's queue.

Only runs without a file in reference/<grid>/<dataset>/ are queued. Each result is written and committed as it comes: an
interrupted study loses no more than what was running. The experiments keep their names (`ablation-...`) in DVC.
"""

import io
import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field, ValidationError

from stages import params, paths, queue
from stages.arrays import write_json
from stages.params import Model, Overrides, Params, Row, Seed, Settings, Train, UserError, read_model, read_yaml
from stages.report.bars import Bar, Unmet
from stages.report.reference import SHOWN

GRIDS = ("ablation", "finals")
ROOMS = ("download", "boxes", "train", "evaluate")
GRIDS_OWN = ("dataset", "seeds")
"""Keys of params.yaml that follow from the run itself."""
NAME = r"[a-z0-9]+([-.][a-z0-9]+)*"


def _once(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("a seed may stand there once")
    return seeds


Seeds = Annotated[list[Seed], Field(min_length=1), AfterValidator(_once)]


class Variant(Model):
    """One entry of `runs`: what differs from the grid's seeds, and from the default setting.

    Without a row, it is of the row that has the entry's name, or else of the grid's row. With `datasets`, it belongs to
    the grids of those alone.
    """

    row: str | None = None
    seeds: Seeds | None = None
    set: dict[str, Any] = {}
    overrides: Overrides = Overrides()
    train: dict[str, Any] = {}
    pp: int | None = Field(None, ge=1, le=params.PAPER_IMAGES)
    datasets: list[str] | None = Field(None, min_length=1)


class Grid(Model):
    """A grid's file. With `val_share`, that share of the training images is held out, and judged on.

    `set`: by dataset, keys of params.yaml that all of its trainings change; a variant's own `set` goes before.
    `bars`, `unmet`: what the trainings have to reach, and why they do not; see stages/report/bars.py.
    """

    row: str
    val_share: float | None = Field(None, gt=0, lt=1)
    seeds: Seeds
    set: dict[str, dict[str, Any]] = {}
    runs: dict[str, Variant] = Field(min_length=1)
    bars: list[Bar] = []
    unmet: list[Unmet] = []


@dataclass(frozen=True)
class Run:
    """One training of a grid."""

    grid: str
    dataset: str
    variant: str
    seed: int
    row: str
    changes: tuple[str, ...]
    """DVC's `--set-param` values."""
    state: str
    """Of the settings and the code that it is trained with."""

    @property
    def experiment(self) -> str:
        """Its name in DVC."""
        what = queue.fingerprint(self.state, *self.changes)
        return f"{self.grid}-{self.dataset}-{self.variant}-{self.seed}-{what}".replace(".", "_")

    @property
    def target(self) -> str:
        """The DVC stage that it ends with."""
        return f"evaluate@{self.row}-{self.seed}"

    def file(self, root: Path) -> Path:
        """Where its result is kept."""
        return root / "reference" / self.grid / self.dataset / f"{self.variant}-{self.seed}.json"


def load(name: str, root: Path = paths.ROOT) -> Grid:
    """Read `<name>.yaml`.

    Raises:
        UserError: it is missing, no YAML, or says something that is not allowed.
    """
    return read_model(root / f"{name}.yaml", Grid)


def runs(settings: Settings, name: str, dataset: str, root: Path = paths.ROOT) -> list[Run]:
    """Every run of a grid on one dataset.

    Raises:
        UserError: the grid's file is missing or broken; no such dataset, row, or no override of that row.
    """
    grid, datasets = load(name, root), read_yaml(root / "datasets.yaml")["profiles"]
    state = queue.fingerprint(_decides(root))
    if dataset not in datasets:
        raise UserError(f"dataset {dataset}: no such profile in datasets.yaml; allowed: {', '.join(datasets)}")
    if unknown := set(grid.set) - set(datasets):
        known = ", ".join(datasets)
        raise UserError(f"{name}.yaml: set has {', '.join(sorted(unknown))}; allowed: {known}")
    found = []
    for entry, variant in grid.runs.items():
        if unknown := set(variant.datasets or ()) - set(datasets):
            known = ", ".join(datasets)
            raise UserError(f"{name}.yaml: runs.{entry}: datasets has {', '.join(sorted(unknown))}; allowed: {known}")
        if variant.datasets and dataset not in variant.datasets:
            continue
        where = f"{name}.yaml: runs.{entry}"
        if not re.fullmatch(NAME, entry):
            raise UserError(f"{where} is no name for an entry; allowed: a-z and 0-9, in parts joined by - or .")
        row = variant.row or (entry if entry in settings.rows else grid.row)
        if row not in settings.rows:
            raise UserError(f"{where}: row is {row}; allowed: {', '.join(settings.order)}")
        _allowed_row(settings.rows[row], variant, where)
        _allowed(Params, settings.params.model_dump(), grid.set.get(dataset, {}) | variant.set, f"{where}: set")
        _allowed(Train, datasets[dataset]["train"], variant.train, f"{where}: train")
        for seed in variant.seeds or grid.seeds:
            changes = tuple(_changes(grid, variant, row, dataset, seed))
            found.append(Run(name, dataset, entry, seed, row, changes, state))
    return sorted(found, key=lambda run: run.seed)  # every variant once, before any of them twice


def _decides(root: Path) -> list[Path]:
    """The files that say what a training and its evaluation are."""
    settings = [root / f"{name}.yaml" for name in ("params", "rows", "datasets")]
    return settings + [file for room in ROOMS for file in (root / "stages" / room).glob("*.py")]


def _allowed_row(row: Row, variant: Variant, where: str) -> None:
    """Raise a UserError where a row cannot have a variant's overrides besides its own, or its number of masks."""
    both = [chosen.model_dump(exclude_none=True) for chosen in (row.overrides, variant.overrides)]
    changes: dict[str, Any] = {"overrides": both[0] | both[1]}
    if variant.pp is not None:
        changes |= {"pp": variant.pp, "box": params.PAPER_IMAGES - variant.pp}
    try:
        Row.model_validate(row.model_dump(exclude_none=True) | changes)
    except ValidationError as error:
        raise UserError(f"{where}: {error.errors()[0]['ctx']['error']}") from None


def _allowed(model: type[Model], whole: Mapping[str, Any], changes: Mapping[str, Any], where: str) -> None:
    """Raise a UserError where the changed keys of a file's part are unknown or have values that are not allowed."""
    fields = [key for key in model.model_fields if key not in GRIDS_OWN]
    for key in changes:
        if key not in fields:
            raise UserError(f"{where} has {key}; allowed: {', '.join(fields)}")
    try:
        model.model_validate({**whole, **changes})
    except ValidationError as error:
        key = str(error.errors()[0]["loc"][0])
        raise UserError(f"{where}.{key} is {changes[key]}; allowed: {model.model_fields[key].description}") from None


def _changes(grid: Grid, variant: Variant, row: str, dataset: str, seed: int) -> Iterator[str]:
    """`++` adds a key or replaces it."""
    yield f"dataset={dataset}"
    yield f"seeds=[{seed}]"
    if grid.val_share:
        yield f"datasets.yaml:++profiles.{dataset}.boxes.split=holdout"
        yield f"datasets.yaml:++profiles.{dataset}.boxes.val_share={grid.val_share}"
    for key, value in (grid.set.get(dataset, {}) | variant.set).items():
        yield f"{key}={_yaml(value)}"
    for key, value in variant.train.items():
        yield f"datasets.yaml:++profiles.{dataset}.train.{key}={_yaml(value)}"
    for key, value in variant.overrides.model_dump(exclude_none=True).items():
        yield f"rows.yaml:++rows.{row}.overrides.{key}={_yaml(value)}"
    if variant.pp is not None:
        yield f"rows.yaml:rows.{row}.pp={variant.pp}"
        yield f"rows.yaml:rows.{row}.box={params.PAPER_IMAGES - variant.pp}"


def _yaml(value: Any) -> str:
    return json.dumps(value)


def only(chosen: list[Run], names: Sequence[str]) -> list[Run]:
    """The runs of the named variants.

    Raises:
        UserError: a name that is no variant of the grid.
    """
    known = {run.variant for run in chosen}
    for name in names:
        if name not in known:
            raise UserError(f"--only {name}: no such entry of the grid; allowed: {', '.join(sorted(known))}")
    return [run for run in chosen if run.variant in names]


def of_seeds(chosen: list[Run], seeds: Sequence[int]) -> list[Run]:
    """The runs of these seeds.

    Raises:
        UserError: a seed that none of them has.
    """
    known = {run.seed for run in chosen}
    for seed in seeds:
        if seed not in known:
            allowed = ", ".join(map(str, sorted(known)))
            raise UserError(f"--seeds {seed}: no entry of the grid has it; allowed: {allowed}")
    return [run for run in chosen if run.seed in seeds]


def study(root: Path, chosen: list[Run], jobs: int, every: Sequence[Run]) -> None:
    """Queue what has no result yet, and keep each result as it comes.

    Args:
        every: all runs of the grid on the dataset; what else is queued of it was asked by an earlier state, and goes.

    Raises:
        UserError: a run failed, the others are kept; or dvc's workers have ended before the queue.
    """
    for run in _left(root, chosen):
        commit(root, run)
    missing = {run.experiment: run for run in chosen if not run.file(root).exists()}
    print(f"{len(chosen) - len(missing)} of {len(chosen)} runs are there", flush=True)

    def ended(task: queue.Task, left: int) -> None:
        keep(root, missing[task.name])
        print(f"{task.name}: kept, {left} to go", flush=True)

    tasks = [queue.Task(name, run.target, run.changes) for name, run in missing.items()]
    if tasks:
        first = chosen[0]
        queue.forget(root, f"{first.grid}-{first.dataset}-", [run.experiment for run in every])
    queue.work(root, tasks, jobs, ended)


def keep(root: Path, run: Run) -> None:
    """Write the result of a finished experiment into reference/<grid>/<dataset> and commit it."""
    from dvc.api import DVCFileSystem

    write(root, run, DVCFileSystem(str(root), rev=run.experiment).read_bytes)
    commit(root, run)


def write(root: Path, run: Run, read: Callable[[str], bytes]) -> None:
    """Write the result of a run into reference/<grid>/<dataset>, its JSON file last: a run with this one is done.

    Args:
        read: gives a file of the project that the run was made in, by its path there.
    """
    folder = f"runs/{run.row}/seed-{run.seed}"
    metrics, trained, record = (
        json.loads(read(f"{folder}/{name}")) for name in ("evaluate/metrics.json", "train/run.json", "record.json")
    )
    result = {"variant": run.variant, "seed": run.seed, "changes": list(run.changes), **_about(trained), **record}
    result |= metrics
    file = run.file(root)
    file.parent.mkdir(parents=True, exist_ok=True)
    if run.grid == "finals" and run.variant in SHOWN and run.seed == 0:
        labels = _labels(read, f"{folder}/evaluate/pictures.npz", f"data/{run.dataset}/packed/val")
        np.savez_compressed(file.with_suffix(".npz"), **labels)
    write_json(file, result)


def commit(root: Path, run: Run) -> None:
    """Commit the result of a run.

    Raises:
        UserError: git refuses, and has said why on stderr.
    """
    kept = [str(file) for file in (run.file(root), run.file(root).with_suffix(".npz")) if file.exists()]
    message = f"{run.grid.capitalize()} on {run.dataset}: {run.variant}, seed {run.seed}"
    for command in (["add"], ["commit", "--quiet", "-m", message]):
        done = subprocess.run(["git", *command, "--", *kept], cwd=root, check=False)
        if done.returncode:
            raise UserError(f"git {command[0]} of {kept[0]} failed; run this again once git takes it")


def _left(root: Path, chosen: Sequence[Run]) -> list[Run]:
    """Runs whose result was written but not committed, since the study was cut off in between."""
    asked = ["git", "status", "--porcelain", "--untracked-files=all", "--", "reference"]
    said = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    new = {line[3:] for line in said if line[:2] in ("??", "A ")}
    return [run for run in chosen if str(run.file(root).relative_to(root)) in new]


def _labels(read: Callable[[str], bytes], pictures: str, split: str) -> dict[str, np.ndarray]:
    """Masks, box targets and outputs of the pictures that the evaluation chose: uint8 (K, H, W), no photograph."""
    shown = np.load(io.BytesIO(read(pictures)))
    masks, targets = (np.load(io.BytesIO(read(f"{split}/{name}.npy"))) for name in ("masks", "targets-car"))
    chosen = shown["indices"]
    return {"mask": masks[chosen], "target": targets[chosen], "output": shown["output"].astype(np.uint8)}


def _about(trained: Mapping[str, Any]) -> dict[str, Any]:
    return {key: trained[key] for key in ("settings", "resolutions", "counts", "fill_rate")}
