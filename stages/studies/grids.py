"""A grid of trainings, a file of studies/, run through DVC's queue.

Only runs without a file in reference/<folder>/<dataset>/ are queued. Each result is written as it comes: an interrupted
study loses no more than what was running. The experiments keep their names (`remedies-...`) in DVC.
"""

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field, ValidationError

from stages import config, paths
from stages.arrays import write_json
from stages.config import Overrides, Params, Profile, Row, Seed, Settings, Train
from stages.errors import UserError
from stages.fields import Scenes
from stages.studies import queue
from stages.yaml_files import Model, read_model

GRIDS = {
    "reference": "runs",
    "annotation": "annotation",
    "causes": "causes",
    "readings": "readings",
    "regime": "regime",
    "remedies": "remedies",
    "methods": "methods",
    "choices": "choices",
}
"""Each grid, and the folder of reference/ that holds its results."""
SHOWN = ("bce-2780", "bce-500", "bce-500-2280", "bootstrap-500-2280", "bootstrap-500-2280-stable")
"""Entries of the reference grid whose masks, boxes and outputs of seed 0 are kept as well."""
KEEPS_STOPPED = ("causes",)
"""Grids in which a training that ends with a loss that is not finite is a result, not a failure."""
COUNTED = ("flipped", "exceeds_max", "exceeds_target")
"""Terms of multi-class bootstrapping losses that results keep, see `objectives.Loss`."""
PACKAGES = ("synthetic", "download", "boxes", "proposals", "model", "train", "evaluate")
FIXED = ("dataset", "seeds")
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
    the grids of those alone. `loss`: instead of the row's own. `oracle`: with the masks inside the boxes of box images,
    see `Row.oracle`.
    """

    row: str | None = None
    seeds: Seeds | None = None
    set: dict[str, Any] = {}
    overrides: Overrides = Overrides()
    train: dict[str, Any] = {}
    scenes: dict[str, Any] = {}
    pp: int | None = Field(None, ge=0, le=config.PAPER_IMAGES)
    loss: config.Loss | None = None
    oracle: bool = False
    datasets: list[str] | None = Field(None, min_length=1)


class Grid(Model):
    """A grid's file. With `val_share`, that share of the training images is held out, and judged on.

    `set`: by dataset, keys of params.yaml that all of its trainings change; a variant's own `set` goes before.
    `datasets`: those of the entries that name none; without it, all.
    """

    row: str
    datasets: list[str] | None = Field(None, min_length=1)
    val_share: float | None = Field(None, gt=0, lt=1)
    seeds: Seeds
    set: dict[str, dict[str, Any]] = {}
    runs: dict[str, Variant] = Field(min_length=1)


@dataclass(frozen=True)
class Changes:
    """What a run changes of the three files of settings; its result records it.

    Attributes:
        set: Keys of params.yaml. train, scenes: keys of these sections of the dataset's profile. overrides: of the
            row's recipe.
        pp: Pixel-perfect images of the row, of the paper's 2780; its box images, if it has some, are the rest.
        val_share: Of the training images, held out and judged on.
        loss: Of the row, instead of its own.
        oracle: See `Row.oracle`.
    """

    set: Mapping[str, Any]
    train: Mapping[str, Any]
    overrides: Mapping[str, Any]
    pp: int | None
    val_share: float | None
    scenes: Mapping[str, Any] = field(default_factory=dict)
    loss: str | None = None
    oracle: bool = False

    def record(self) -> dict[str, Any]:
        """Return what changes at all."""
        names = ("set", "train", "scenes", "overrides")
        whole: dict[str, Any] = {name: dict(getattr(self, name)) for name in names}
        others = {"pp": self.pp, "val_share": self.val_share, "loss": self.loss, "oracle": self.oracle or None}
        return {key: value for key, value in {**whole, **others}.items() if value not in ({}, None)}

    def params(self, params: Params, dataset: str, seed: int) -> Params:
        """Return params.yaml with the changes, for one dataset and seed.

        Raises:
            ValidationError: A value is not allowed.
        """
        return Params.model_validate(params.model_dump() | {"dataset": dataset, "seeds": [seed]} | dict(self.set))

    def profile(self, profile: Profile) -> Profile:
        """Return a dataset's profile with the changes.

        Raises:
            ValidationError: A value is not allowed.
        """
        boxes = profile.boxes
        if self.val_share:
            boxes = boxes.model_copy(update={"split": "holdout", "val_share": self.val_share})
        train = Train.model_validate(profile.train.model_dump() | dict(self.train))
        return profile.model_copy(update={"scenes": self.changed_scenes(profile), "boxes": boxes, "train": train})

    def changed_scenes(self, profile: Profile) -> Scenes:
        """Return the scenes of a dataset's profile with the changes.

        Raises:
            ValidationError: A key or value is not allowed.
        """
        return type(profile.scenes).model_validate(merged(profile.scenes.model_dump(), self.scenes))

    def row(self, row: Row) -> Row:
        """Return a row with the changes.

        Raises:
            ValidationError: They do not go with the row.
        """
        entry = row.model_dump(exclude_none=True)
        entry["overrides"] = entry.get("overrides", {}) | dict(self.overrides)
        if self.pp is not None:
            entry |= {"pp": self.pp, "box": config.PAPER_IMAGES - self.pp if row.box else 0}
        entry |= ({"loss": self.loss} if self.loss else {}) | ({"oracle": True} if self.oracle else {})
        return Row.model_validate(entry)


@dataclass(frozen=True)
class Run:
    """One training of a grid.

    Attributes:
        grid: Its name. dataset, variant, seed: which of its trainings. row: that it trains.
        settings: All of them, with the changes.
        changes: What they change.
        state: A hash of the settings and of the code that it is trained with.
    """

    grid: str
    dataset: str
    variant: str
    seed: int
    row: str
    settings: Settings
    changes: Changes
    state: str

    @property
    def experiment(self) -> str:
        """Its name in DVC."""
        what = queue.fingerprint(self.state, json.dumps(self.changes.record(), sort_keys=True))
        return f"{self.grid}-{self.dataset}-{self.variant}-{self.seed}-{what}".replace(".", "_")

    @property
    def target(self) -> str:
        """The DVC stage that it ends with."""
        return config.stage_name("evaluate", self.row, self.settings.rows[self.row], self.seed)

    def file(self, root: Path) -> Path:
        """Return where its result is kept."""
        return root / "reference" / GRIDS[self.grid] / self.dataset / f"{self.variant}-{self.seed}.json"

    def set_params(self) -> tuple[str, ...]:
        """Return the changes as DVC's `--set-param` has them; `++` adds a key or replaces it."""
        row, changes = self.settings.rows[self.row], self.changes
        profile, entry = f"configs/datasets.yaml:++profiles.{self.dataset}", f"rows.{row.group}.{self.row}"
        values: dict[str, Any] = {"dataset": self.dataset, "seeds": [self.seed]}
        if row.group == "methods":
            values |= {"methods": [self.row]}
        if changes.val_share:
            values |= {f"{profile}.boxes.split": "holdout", f"{profile}.boxes.val_share": changes.val_share}
        values |= changes.set
        values |= {f"{profile}.train.{key}": value for key, value in changes.train.items()}
        values |= {f"{profile}.scenes.{key}": value for key, value in _dotted(changes.scenes)}
        values |= {f"configs/rows.yaml:++{entry}.overrides.{key}": value for key, value in changes.overrides.items()}
        if changes.pp is not None:
            values |= {f"configs/rows.yaml:{entry}.pp": row.pp, f"configs/rows.yaml:{entry}.box": row.box}
        if changes.loss:
            values |= {f"configs/rows.yaml:{entry}.loss": changes.loss}
        if changes.oracle:
            values |= {f"configs/rows.yaml:++{entry}.oracle": True}
        return tuple(f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items())


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return a map with another one's values; where both have a map, these are merged."""
    both = {
        key: merged(old[key], value) if isinstance(value, Mapping) and isinstance(old.get(key), Mapping) else value
        for key, value in new.items()
    }
    return {**old, **both}


def _dotted(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each value that is no map, with the keys that lead to it joined by dots."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}.{rest}", inner) for rest, inner in _dotted(value))
        else:
            yield key, value


def load(name: str, root: Path = paths.ROOT) -> Grid:
    """Read studies/<name>.yaml.

    Raises:
        UserError: It is missing, no YAML, or says something that is not allowed.
    """
    return read_model(root / "studies" / f"{name}.yaml", Grid)


def runs(settings: Settings, name: str, dataset: str, root: Path = paths.ROOT) -> list[Run]:
    """Return every run of a grid on one dataset.

    Raises:
        UserError: The grid's file is missing or broken; no such dataset or row, or no override of that row.
    """
    grid, profiles = load(name, root), config.read_profiles(root)
    file = f"studies/{name}.yaml"
    state = queue.fingerprint(_decides(root))
    known = ", ".join(profiles)
    if dataset not in profiles:
        raise UserError(f"dataset {dataset}: no such profile in configs/datasets.yaml; allowed: {known}")
    if unknown := set(grid.set) - set(profiles):
        raise UserError(f"{file}: set has {', '.join(sorted(unknown))}; allowed: {known}")
    found = []
    for entry, variant in grid.runs.items():
        where = f"{file}: runs.{entry}"
        datasets = variant.datasets or grid.datasets or list(profiles)
        if unknown := set(datasets) - set(profiles):
            raise UserError(f"{where}: datasets has {', '.join(sorted(unknown))}; allowed: {known}")
        if dataset not in datasets:
            continue
        if not re.fullmatch(NAME, entry):
            raise UserError(f"{where} is no name for an entry; allowed: a-z and 0-9, in parts joined by - or .")
        row = variant.row or (entry if entry in settings.rows else grid.row)
        if row not in settings.rows:
            raise UserError(f"{where}: row is {row}; allowed: {', '.join(settings.rows)}")
        overrides = variant.overrides.model_dump(exclude_none=True)
        chosen = grid.set.get(dataset, {}) | variant.set
        changes = Changes(
            chosen,
            variant.train,
            overrides,
            variant.pp,
            grid.val_share,
            variant.scenes,
            variant.loss,
            variant.oracle,
        )
        for seed in variant.seeds or grid.seeds:
            changed = _changed(settings, profiles[dataset], changes, row, dataset, seed, where)
            found.append(Run(name, dataset, entry, seed, row, changed, changes, state))
    return sorted(found, key=lambda run: run.seed)  # every variant once, before any of them twice


def _decides(root: Path) -> list[Path]:
    """Return the files that say what a training and its evaluation are."""
    settings = [root / "params.yaml", paths.rows(root), paths.datasets(root)]
    return settings + [file for package in PACKAGES for file in (root / "stages" / package).glob("*.py")]


def _changed(
    settings: Settings, profile: Profile, changes: Changes, row: str, dataset: str, seed: int, where: str
) -> Settings:
    """Return the settings with a run's changes.

    Raises:
        UserError: One is not allowed; names `where` it stands.
    """
    fields = [key for key in Params.model_fields if key not in FIXED]
    for part, change, allowed in (("set", changes.set, fields), ("train", changes.train, list(Train.model_fields))):
        if unknown := [key for key in change if key not in allowed]:
            raise UserError(f"{where}: {part} has {unknown[0]}; allowed: {', '.join(allowed)}")
    if changes.train.get("watch_every") and not changes.val_share:
        raise UserError(f"{where}: train.watch_every is for grids with val_share")
    try:
        changed_row = changes.row(settings.rows[row])
    except ValidationError as error:
        raise UserError(f"{where}: {error.errors()[0]['ctx']['error']}") from None
    if changed_row.group != settings.rows[row].group:
        what = f"loss {changes.loss}" if changes.loss else f"pp {changes.pp}"
        raise UserError(f"{where}: {what} makes {row} a row of {changed_row.group}; give it one of its own")
    try:
        params = changes.params(settings.params, dataset, seed)
        if changed_row.group == "methods":
            params = params.model_copy(update={"methods": (row,)})
    except ValidationError as error:
        raise UserError(_refused(error, Params, changes.set, f"{where}: set")) from None
    try:
        changes.changed_scenes(profile)
    except ValidationError as error:
        found = error.errors()[0]
        raise UserError(f"{where}: scenes.{'.'.join(map(str, found['loc']))}: {found['msg'].lower()}") from None
    try:
        changed_profile = changes.profile(profile)
    except ValidationError as error:
        raise UserError(_refused(error, Train, changes.train, f"{where}: train")) from None
    return Settings(params, changed_profile, settings.rows | {row: changed_row})


def _refused(error: ValidationError, model: type[Model], changes: Mapping[str, Any], where: str) -> str:
    key = str(error.errors()[0]["loc"][0])
    return f"{where}.{key} is {changes.get(key)}; allowed: {model.model_fields[key].description}"


def only(chosen: list[Run], names: Sequence[str]) -> list[Run]:
    """Return the runs of the named variants.

    Raises:
        UserError: A name that is no variant of the grid.
    """
    known = {run.variant for run in chosen}
    for name in names:
        if name not in known:
            raise UserError(f"--only {name}: no such entry of the grid; allowed: {', '.join(sorted(known))}")
    return [run for run in chosen if run.variant in names]


def of_seeds(chosen: list[Run], seeds: Sequence[int]) -> list[Run]:
    """Return the runs of these seeds.

    Raises:
        UserError: A seed that none of them has.
    """
    known = {run.seed for run in chosen}
    for seed in seeds:
        if seed not in known:
            allowed = ", ".join(map(str, sorted(known)))
            raise UserError(f"--seeds {seed}: no entry of the grid has it; allowed: {allowed}")
    return [run for run in chosen if run.seed in seeds]


def missing(root: Path, chosen: Sequence[Run]) -> list[Run]:
    """Return the runs that have no result yet, and print how many have one."""
    left = [run for run in chosen if not run.file(root).exists()]
    print(f"{len(chosen) - len(left)} of {len(chosen)} runs are there", flush=True)
    return left


def study(root: Path, chosen: Sequence[Run], jobs: int, every: Sequence[Run]) -> None:
    """Queue what has no result yet, and write each result as it comes.

    Args:
        root: The project.
        chosen: Runs of one grid and dataset.
        jobs: How many train at a time.
        every: All runs of the grid on the dataset; what else is queued of it was asked by an earlier state, and goes.

    Raises:
        UserError: A run failed, the others are kept; or dvc's workers have ended before the queue.
    """
    left = {run.experiment: run for run in missing(root, chosen)}

    def keep(task: queue.Task, to_go: int) -> None:
        from dvc.api import DVCFileSystem

        write(root, left[task.name], DVCFileSystem(str(root), rev=task.name).read_bytes)
        print(f"{task.name}: kept, {to_go} to go", flush=True)

    tasks = [queue.Task(name, run.target, run.set_params()) for name, run in left.items()]
    if tasks:
        queue.forget(root, f"{chosen[0].grid}-{chosen[0].dataset}-", [run.experiment for run in every])
    queue.work(root, tasks, jobs, keep)


def write(root: Path, run: Run, read: Callable[[str], bytes]) -> None:
    """Write the result of a run into reference/, its JSON file last: a run with this one is done.

    Args:
        root: The project.
        run: Which.
        read: Gives a file of the project that the run was made in, by its path there.
    """
    folder = f"runs/{run.row}/seed-{run.seed}"
    metrics, trained, record = (
        json.loads(read(f"{folder}/{name}")) for name in ("evaluate/metrics.json", "train/run.json", "record.json")
    )
    about = {key: trained[key] for key in ("settings", "resolutions", "counts", "fill_rate")}
    history = [json.loads(line) for line in read(f"{folder}/train/history.jsonl").splitlines()]
    counted = _counted(history)
    result = {"variant": run.variant, "seed": run.seed, "changes": run.changes.record(), **about, **record, **metrics}
    result |= {"counted": counted} if counted else {}
    if (row := run.settings.rows[run.row]).proposed:
        made = json.loads(read(f"data/{run.dataset}/proposals/proposals.json"))
        result["proposals"] = made[row.labels] | {"memory": made["memory"]}
    watched = [[line["step"], line["held_out_iou"]] for line in history if "held_out_iou" in line]
    result |= {"watched": watched} if watched else {}
    file = run.file(root)
    file.parent.mkdir(parents=True, exist_ok=True)
    if run.grid == "reference" and run.variant in SHOWN and run.seed == 0:
        labels = _labels(read, f"{folder}/evaluate/pictures.npz", f"data/{run.dataset}/packed/val")
        np.savez_compressed(file.with_suffix(".npz"), **labels)  # type: ignore[arg-type]
    write_json(file, result)


def write_stopped(root: Path, run: Run, step: int) -> None:
    """Write that a run ended at `step` with a loss that was not finite, as its result."""
    row = run.settings.rows[run.row]
    about = {"variant": run.variant, "seed": run.seed, "row": run.row, "recipe": row.recipe}
    settings = {"steps": run.settings.steps}
    file = run.file(root)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {**about, "changes": run.changes.record(), "settings": settings, "iou": {}, "stopped": step})


def _counted(history: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Return percent of the uncertain pixels by what was counted: means over each tenth of the training."""
    parts = np.array_split(np.arange(len(history)), 10)
    shares = {}
    for name in (name for name in COUNTED if name in history[0]["terms"] and len(history) >= 10):
        values = np.array([line["terms"][name] for line in history])
        shares[name] = [round(100 * float(values[part].mean()), 3) for part in parts]
    return shares if "exceeds_max" in shares else {}


def _labels(read: Callable[[str], bytes], pictures: str, split: str) -> dict[str, np.ndarray]:
    """Return masks, box targets and outputs of the images that the evaluation chose: uint8 (K, H, W), no photograph."""
    shown = np.load(io.BytesIO(read(pictures)))
    masks, targets = (np.load(io.BytesIO(read(f"{split}/{name}.npy"))) for name in ("masks", "targets-one"))
    chosen = shown["indices"]
    return {"mask": masks[chosen], "target": targets[chosen], "output": shown["output"].astype(np.uint8)}
