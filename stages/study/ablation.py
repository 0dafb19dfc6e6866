"""The grid of ablation.yaml, run through DVC's queue.

Only runs without a file in reference/ablation/<dataset>/ are queued. Each result is written and committed as it comes:
an interrupted study loses no more than what was running. The experiments keep their names (`ablation-...`) in DVC.
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from stages import params, paths
from stages.arrays import write_json
from stages.params import Model, Overrides, Settings, UserError, read_model, read_yaml
from stages.reproduce import dvc

NAME = "ablation.yaml"
POLL_SECONDS = 5.0
PATIENCE = 24  # polls without a worker; a busy machine may answer late
ENDED = ("Success", "Failed")


class Variant(Model):
    """One entry of `runs`: what differs from the grid's row and seeds, and from the default setting."""

    row: str | None = None
    seeds: list[int] | None = Field(None, min_length=1)
    set: dict[str, Any] = {}
    overrides: Overrides = Overrides()
    train: dict[str, Any] = {}
    pp: int | None = Field(None, ge=1, le=params.PAPER_IMAGES)


class Grid(Model):
    """ablation.yaml."""

    row: str
    val_share: float = Field(gt=0, lt=1)
    seeds: list[int] = Field(min_length=1)
    runs: dict[str, Variant] = Field(min_length=1)


@dataclass(frozen=True)
class Run:
    """One training of the grid."""

    dataset: str
    variant: str
    seed: int
    row: str
    changes: tuple[str, ...]
    """DVC's `--set-param` values."""

    @property
    def experiment(self) -> str:
        """Its name in DVC."""
        return f"ablation-{self.dataset}-{self.variant}-{self.seed}".replace(".", "_")

    @property
    def target(self) -> str:
        """The DVC stage that it ends with."""
        return f"evaluate@{self.row}-{self.seed}"

    def file(self, root: Path) -> Path:
        """Where its result is kept."""
        return root / "reference" / "ablation" / self.dataset / f"{self.variant}-{self.seed}.json"


def load(root: Path = paths.ROOT) -> Grid:
    """Read ablation.yaml.

    Raises:
        UserError: it is missing, no YAML, or says something that is not allowed.
    """
    return read_model(root / NAME, Grid)


def grid(settings: Settings, chosen: Grid, dataset: str, root: Path = paths.ROOT) -> list[Run]:
    """Every run of the grid on one dataset.

    Raises:
        UserError: no such dataset, row, or no override of that row.
    """
    datasets = read_yaml(root / "datasets.yaml")["profiles"]
    if dataset not in datasets:
        raise UserError(f"dataset {dataset}: no such profile in datasets.yaml; allowed: {', '.join(datasets)}")
    runs = []
    for name, variant in chosen.runs.items():
        row = variant.row or chosen.row
        if row not in settings.rows:
            raise UserError(f"{NAME}: runs.{name}: row is {row}; allowed: {', '.join(settings.order)}")
        if variant.overrides != Overrides() and not settings.rows[row].bootstraps:
            raise UserError(f"{NAME}: runs.{name}: overrides change a recipe, and {row} has none")
        for seed in variant.seeds or chosen.seeds:
            runs.append(Run(dataset, name, seed, row, tuple(_changes(variant, row, chosen, dataset, seed))))
    return sorted(runs, key=lambda run: run.seed)  # every variant once, before any of them twice


def _changes(variant: Variant, row: str, chosen: Grid, dataset: str, seed: int) -> Iterator[str]:
    """`++` adds a key or replaces it."""
    yield f"dataset={dataset}"
    yield f"seeds=[{seed}]"
    yield f"datasets.yaml:++profiles.{dataset}.boxes.split=holdout"
    yield f"datasets.yaml:++profiles.{dataset}.boxes.val_share={chosen.val_share}"
    for key, value in variant.set.items():
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


def only(runs: list[Run], names: Sequence[str]) -> list[Run]:
    """The runs of the named variants.

    Raises:
        UserError: a name that is no variant of the grid.
    """
    known = {run.variant for run in runs}
    for name in names:
        if name not in known:
            raise UserError(f"--only {name}: no such entry of {NAME}; allowed: {', '.join(sorted(known))}")
    return [run for run in runs if run.variant in names]


def study(root: Path, runs: list[Run], jobs: int) -> None:
    """Queue what has no result yet, and keep each result as it comes.

    Raises:
        UserError: a run failed, the others are kept; or dvc's workers have ended before the queue.
    """
    missing = [run for run in runs if not run.file(root).exists()]
    print(f"{len(runs) - len(missing)} of {len(runs)} runs are there", flush=True)
    states, _ = queue_states(root)
    for run in missing:
        state = states.get(run.experiment)
        if state == "Failed":
            _dvc(root, "queue", "remove", run.experiment)
        if state in (None, "Failed"):
            sets = [word for change in run.changes for word in ("--set-param", change)]
            _dvc(root, "exp", "run", "--queue", "--name", run.experiment, *sets, run.target)
    failed, waiting = [], list(missing)
    if jobs > 1:  # threads of several trainings would wait for each other
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    if waiting:
        _start_workers(root, jobs)
    silent = 0
    while waiting:
        states, workers = queue_states(root)
        silent = 0 if workers else silent + 1
        for run in [run for run in waiting if states.get(run.experiment) in ENDED]:
            waiting.remove(run)
            if states[run.experiment] == "Success":
                keep(root, run)
                print(f"{run.experiment}: kept, {len(waiting)} to go", flush=True)
            else:
                failed.append(run.experiment)
        if waiting and silent > PATIENCE:
            raise UserError(
                f"dvc's workers are gone, {len(waiting)} runs to go: run this again, "
                "after `dvc queue kill` for what `dvc queue status` still calls running"
            )
        if waiting:
            time.sleep(POLL_SECONDS)
    if failed:
        raise UserError(f"{', '.join(failed)} failed: `dvc queue logs {failed[0]}` says why")


def queue_states(root: Path) -> tuple[dict[str, str], int]:
    """The state of each named task in DVC's queue (Queued, Running, Success, Failed), and the number of workers."""
    states, workers = {}, 0
    for line in _dvc(root, "queue", "status").splitlines():
        words = line.split()
        name = next((word for word in words if word.startswith("ablation-")), None)
        state = next((word for word in words if word in (*ENDED, "Queued", "Running")), None)
        if name and state:
            states[name] = state
        if counts := re.match(r"Worker status: (\d+) active, (\d+) idle", line):
            workers = int(counts[1]) + int(counts[2])
    return states, workers


def _start_workers(root: Path, jobs: int) -> None:
    """The workers outlive `dvc queue start`, and would hold a pipe to it open until the last run has ended."""
    if dvc(root, "queue", "start", "--jobs", str(jobs), stdout=subprocess.DEVNULL).wait():
        raise UserError("dvc queue start failed")


def keep(root: Path, run: Run) -> None:
    """Write the result of a finished experiment into reference/ablation and commit it."""
    from dvc.api import DVCFileSystem

    folder = f"runs/{run.row}/seed-{run.seed}"
    files = DVCFileSystem(str(root), rev=run.experiment)
    metrics, trained, record = (
        json.loads(files.read_text(f"{folder}/{name}"))
        for name in ("evaluate/metrics.json", "train/run.json", "record.json")
    )
    result = {"variant": run.variant, "changes": list(run.changes), **_about(trained), **record, **metrics}
    file = run.file(root)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, result)
    subprocess.run(["git", "add", "--", str(file)], cwd=root, check=True)
    message = f"Ablation on {run.dataset}: {run.variant}, seed {run.seed}"
    subprocess.run(["git", "commit", "--quiet", "-m", message, "--", str(file)], cwd=root, check=True)


def _about(trained: Mapping[str, Any]) -> dict[str, Any]:
    return {key: trained[key] for key in ("settings", "resolutions", "counts", "fill_rate")}


def _dvc(root: Path, *arguments: str) -> str:
    process = dvc(root, *arguments)
    out, _ = process.communicate()
    if process.returncode:
        raise UserError(f"dvc {' '.join(arguments[:2])} failed with status {process.returncode}")
    return out
