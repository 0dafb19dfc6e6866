"""What the user's three files may say: params.yaml, rows.yaml and datasets.yaml, typed and ranged.

`load()` reads and checks all of them. Whatever is wrong ends as one `UserError`, a single line that names the file, the
key, its value and what is allowed; each field's `description` below is that last part.
"""

import difflib
import json
import math
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from stages.paths import ROOT

NAME = r"[a-z0-9]+(-[a-z0-9]+)*"
NAME_ALLOWED = "a-z and 0-9, in parts joined by -"
DEVICES = r"(auto|cpu|cuda(:[0-9]{1,3})?)"
PAPER_IMAGES = 2780
"""Size of the paper's training pool; a row's counts are shares of it."""


class UserError(Exception):
    """Something that the user can put right. The message is one line: what, where, and what is allowed."""


def run(main: Callable[[], Any]) -> None:
    """Call `main()`; print a UserError as one line to stderr and exit with status 1, without a traceback."""
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


# ---- the schema ------------------------------------------------------------------------------------------------------


class Model(BaseModel):
    """Unknown keys, wrong types (`true` is no number), NaN and infinity are errors; values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def whole(low: int, high: int | None = None) -> Any:
    """A field for a whole number from `low` to `high`."""
    return Field(ge=low, le=high, description=f"a whole number from {low} {f'to {high}' if high else 'up'}")


LARGEST_SEED = 2**31 - 1
MOST_STEPS = 10**7  # the draws of all steps are planned at once
Seed = Annotated[int, whole(0, LARGEST_SEED)]
Side = Annotated[int, Field(ge=8, multiple_of=8)]
Size = Annotated[tuple[Side, Side], Strict(False)]  # a YAML list may fill a tuple; its items stay strict
Labels = Annotated[tuple[Annotated[int, Field(ge=0, le=255)], ...], Strict(False)]
SIZE = "[width, height] in pixels, multiples of 8"


M = TypeVar("M", bound=Model)


class Params(Model):
    """params.yaml."""

    dataset: str = Field(description="the name of a profile in datasets.yaml")
    data_seed: Seed
    seeds: Annotated[tuple[Seed, ...], Strict(False)] = Field(
        min_length=1, description="a list of one or more different whole numbers from 0 up"
    )
    tau: float = Field(gt=0, le=100, description="a number above 0, at most 100")
    temperature: float = Field(gt=0, le=100, description="a number above 0, at most 100")
    samples: int = whole(1, 1000)
    batch_size: int = whole(1, 65536)
    pp_chance: float = Field(gt=0, lt=1, description="a number between 0 and 1, both excluded")
    sampler: Literal["coin", "fixed"] = Field(description="coin, fixed")
    learning_rate: Literal["auto"] | Annotated[float, Field(gt=0, le=1)] = Field(
        description="a number above 0, at most 1, or auto"
    )
    steps: Literal["auto"] | Annotated[int, Field(ge=1, le=MOST_STEPS)] = Field(
        description=f"a whole number from 1 to {MOST_STEPS}, or auto"
    )
    device: str = Field(pattern=f"^{DEVICES}$", description="auto, cpu, cuda, cuda:0, cuda:1 ...")
    processes: int = whole(1)


class Overrides(Model):
    """What one row reads differently from its recipe (stages/train/recipes.py says what each field means)."""

    bound: Literal["finite", "floor", "tanh"] | None = Field(None, description="finite, floor, tanh")
    smax: float | None = Field(None, gt=0, le=90, description="a number above 0, at most 90")
    start: float | None = Field(None, ge=1e-3, le=1e3, description="a number from 0.001 to 1000")
    start_per_tau: float | None = Field(None, ge=0, le=10, description="a number from 0 to 10")
    flip_target: Literal["opposite", "model"] | None = Field(None, description="opposite, model")
    prior: float | None = Field(None, ge=0, le=100, description="a number from 0 to 100")
    fill_cap: bool | None = Field(None, description="true, false")
    fill_quantile: float | None = Field(None, ge=0, le=1, description="a number from 0 to 1")
    pp_only: float | None = Field(None, ge=0, lt=1, description="a number from 0, below 1")
    trigger: Literal["max", "target"] | None = Field(None, description="max, target")
    estimator: Literal["monte_carlo", "rao_blackwell"] | None = Field(None, description="monte_carlo, rao_blackwell")
    last_layer: Literal["torch", "icnr"] | None = Field(None, description="torch, icnr")


class Row(Model):
    """One entry of rows.yaml: what is trained, on how many of the paper's 2780 images."""

    task: Literal["car", "car-person"] = Field(description="car, car-person")
    loss: Literal["bce", "regression", "uncertainty", "bootstrap", "ce", "ce_bootstrap"] = Field(
        description="bce, regression, uncertainty, bootstrap (task car), ce, ce_bootstrap (task car-person)"
    )
    pp: int = whole(0, PAPER_IMAGES)
    box: int = whole(0, PAPER_IMAGES)
    pixels: Literal["all", "box"] | None = Field(None, description="all, box (regression rows alone)")
    recipe: Literal["paper", "stable"] | None = Field(None, description="paper, stable (bootstrapping rows alone)")
    overrides: Overrides = Field(Overrides(), description="a map from fields of the recipe to other values")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by label."""
        return ("background", "car") if self.task == "car" else ("background", "car", "person")

    @property
    def bootstraps(self) -> bool:
        """Whether the loss flips targets by Eq 11 or Eq 16, and so reads tau."""
        return self.loss in ("bootstrap", "ce_bootstrap")

    @property
    def mixes(self) -> bool:
        """Whether training draws from both the pixel-perfect and the box images."""
        return self.pp > 0 and self.box > 0

    @property
    def trains(self) -> str:
        """The list of rows.yaml's `trains`, so the DVC stage, that names just the parameters this row reads."""
        if self.bootstraps:
            return "tau" if self.loss == "bootstrap" else "tau_samples"
        return "mixed" if self.mixes else "one_pool"

    @model_validator(mode="after")
    def _consistent(self) -> "Row":
        multi_class = self.loss in ("ce", "ce_bootstrap")
        if multi_class != (self.task == "car-person"):
            raise ValueError(f"loss {self.loss} is for task {'car-person' if multi_class else 'car'}")
        if (self.loss == "regression") != (self.pixels is not None):
            raise ValueError("pixels (all, box) must be given for loss regression, and for no other")
        if self.bootstraps != (self.recipe is not None):
            raise ValueError(
                "recipe (paper, stable) must be given for bootstrap and ce_bootstrap, and for no other loss"
            )
        overridden = set(self.overrides.model_dump(exclude_none=True))
        if not self.bootstraps and overridden - {"pp_only"}:
            raise ValueError("overrides other than pp_only are for bootstrap and ce_bootstrap alone")
        if "pp_only" in overridden and not self.mixes:
            raise ValueError("overrides with pp_only are for rows of both kinds of images (pp and box above 0)")
        unread = {"bootstrap": ("trigger", "estimator"), "ce_bootstrap": ("flip_target", "prior")}.get(self.loss, ())
        if ignored := [name for name in unread if name in overridden]:
            raise ValueError(f"loss {self.loss} does not read {', '.join(ignored)}")
        if self.overrides.start is not None and self.overrides.start_per_tau:
            raise ValueError("overrides take either start or start_per_tau, above 0")
        if self.overrides.bound == "tanh" and self.overrides.smax is None:
            raise ValueError("overrides with `bound: tanh` need smax")
        if self.bootstraps and not self.mixes:
            raise ValueError("a bootstrapping row needs pixel-perfect and box images (pp and box above 0)")
        if not 1 <= self.pp + self.box <= PAPER_IMAGES:
            raise ValueError(f"pp + box must be from 1 to {PAPER_IMAGES}")
        return self


class Trains(Model):
    """rows.yaml's `trains`: which rows each of the four DVC training stages runs."""

    one_pool: list[str] = Field(description="a list of row names")
    mixed: list[str] = Field(description="a list of row names")
    tau: list[str] = Field(description="a list of row names")
    tau_samples: list[str] = Field(description="a list of row names")


class RowsFile(Model):
    """rows.yaml, before its entries are checked one by one."""

    rows: dict[str, Any] = Field(min_length=1, description="a map from row names to entries")
    order: list[str] = Field(description="a list of every row's name")
    trains: Trains = Field(description="the lists one_pool, mixed, tau, tau_samples")


class SyntheticImages(Model):
    """How many scenes are drawn."""

    train: int = whole(1)
    val: int = whole(1)


SHARE = "a number from 0 to 1"
Share = Annotated[float, Field(ge=0, le=1)]


class SyntheticDifficulty(Model):
    """How hard the drawn scenes are (stages/download/world.py)."""

    clutter: Share = Field(description=SHARE)
    camouflage: Share = Field(description=SHARE)
    occlusion: Share = Field(description=SHARE)
    variety: Share = Field(description=SHARE)
    distance: Share = Field(description=SHARE)
    wear: Share = Field(description=SHARE)


class SyntheticScenes(Model):
    """Scenes that are drawn."""

    source: Literal["synthetic"]
    seed: Seed
    size: Size = Field(description=SIZE)
    images: SyntheticImages = Field(description="{train: count, val: count}")
    difficulty: SyntheticDifficulty = Field(
        description="{clutter, camouflage, occlusion, variety, distance, wear}, each from 0 to 1"
    )


class CamvidScenes(Model):
    """The photographs of CamVid."""

    source: Literal["camvid"]


class CityscapesScenes(Model):
    """The photographs of Cityscapes."""

    source: Literal["cityscapes"]


SCENES: dict[str, type[Model]] = {
    "synthetic": SyntheticScenes,
    "camvid": CamvidScenes,
    "cityscapes": CityscapesScenes,
}


class BoxLabels(Model):
    """The source's label ids of each class; every other id is background."""

    car: Labels = Field(min_length=1, description="a list of label ids from 0 to 255")
    person: Labels = Field(min_length=1, description="a list of label ids from 0 to 255")
    void: Labels = Field(description="a list of label ids from 0 to 255")

    @model_validator(mode="after")
    def _disjoint(self) -> "BoxLabels":
        ids = [*self.car, *self.person, *self.void]
        if len(ids) != len(set(ids)):
            raise ValueError("a label id may stand in one of car, person, void, once")
        return self


class Boxes(Model):
    """How instances become boxes, and scenes become arrays."""

    labels: BoxLabels = Field(description="{car: [ids], person: [ids], void: [ids]}")
    instances: Literal["ids", "components"] = Field(description="ids, components")
    groups: Literal["box", "void"] = Field(description="box, void")
    min_area: int = whole(1)
    overlap: Literal["smaller", "larger"] = Field(description="smaller, larger")
    split: Literal["official", "random", "holdout"] = Field(description="official, random, holdout")
    val_share: float | None = Field(
        None, gt=0, lt=1, description="a number between 0 and 1, with `split: random` or `holdout`"
    )
    size: Size = Field(description=SIZE)

    @model_validator(mode="after")
    def _share_where_split(self) -> "Boxes":
        if (self.split != "official") != (self.val_share is not None):
            raise ValueError("val_share must be given with `split: random` or `holdout`, and not with `official`")
        return self


class Train(Model):
    """What a training reads of its dataset's profile."""

    width: float = Field(
        ge=0.25, le=4, multiple_of=0.0625, description="a multiple of 1/16 from 0.25 to 4 (1 is the paper's network)"
    )
    steps: int = whole(1, MOST_STEPS)
    learning_rate: float = Field(gt=0, le=1, description="a number above 0, at most 1")
    schedule: Literal["one_cycle", "polynomial", "constant"] = Field(description="one_cycle, polynomial, constant")
    weight_decay: float = Field(ge=0, le=1, description="a number from 0 to 1")
    flip: float = Field(ge=0, le=1, description="a number from 0 to 1")


class Profile(Model):
    """One dataset of datasets.yaml."""

    scenes: SyntheticScenes | CamvidScenes | CityscapesScenes
    boxes: Boxes
    train: Train


@dataclass(frozen=True)
class Settings:
    """Everything that the three files say, checked, for the dataset that params.yaml chooses."""

    params: Params
    profile: Profile
    rows: dict[str, Row]
    order: list[str]

    @property
    def steps(self) -> int:
        """Optimiser steps of every row; `auto` is the profile's."""
        return self.profile.train.steps if self.params.steps == "auto" else self.params.steps

    @property
    def learning_rate(self) -> float:
        """Adam's learning rate of every row; `auto` is the profile's."""
        rate = self.params.learning_rate
        return self.profile.train.learning_rate if rate == "auto" else rate


# ---- reading ---------------------------------------------------------------------------------------------------------


def load(root: Path = ROOT) -> Settings:
    """Read and check params.yaml, rows.yaml and datasets.yaml under `root`.

    Raises:
        UserError: a file is missing, is not YAML 1.2, or says something that is not allowed.
    """
    params = _read_params(root / "params.yaml")
    rows, order = _read_rows(root / "rows.yaml")
    profiles = _read_profiles(root / "datasets.yaml")
    if params.dataset not in profiles:
        _refuse("params.yaml", [_not_allowed("dataset", params.dataset, _choices(params.dataset, profiles))])
    return Settings(params, profiles[params.dataset], rows, order)


def _read_params(path: Path) -> Params:
    problems: list[str] = []
    params = _check(Params, read_yaml(path), problems)
    if params and len(set(params.seeds)) != len(params.seeds):
        problems.append(_not_allowed("seeds", params.seeds, Params.model_fields["seeds"].description))
    if params and params.sampler == "fixed" and params.batch_size < 2:
        problems.append(_not_allowed("batch_size", params.batch_size, "2 or more with `sampler: fixed`"))
    if params and params.processes > params.batch_size:
        problems.append(_not_allowed("processes", params.processes, f"at most batch_size, {params.batch_size}"))
    if params and params.processes > 1 and ":" in params.device:
        problems.append(_not_allowed("device", params.device, "auto, cpu, cuda with `processes` above 1"))
    _refuse(path.name, problems)
    return params


def _read_rows(path: Path) -> tuple[dict[str, Row], list[str]]:
    problems: list[str] = []
    file = _check(RowsFile, read_yaml(path), problems)
    _refuse(path.name, problems)
    rows = {name: _check(Row, entry, problems, f"rows.{name}") for name, entry in file.rows.items()}
    for name in rows:
        if not re.fullmatch(NAME, name):
            problems.append(f"rows.{name} is no name for a row; allowed: {NAME_ALLOWED}")
    _refuse(path.name, problems)
    problems += _listed_once("order", file.order, rows, rows)
    for list_name, names in file.trains:
        right = [name for name, row in rows.items() if row.trains == list_name]
        problems += _listed_once(f"trains.{list_name}", names, right, rows)
    _refuse(path.name, problems)
    return rows, file.order


def _listed_once(where: str, names: list[str], wanted: Iterable[str], rows: dict[str, Row]) -> list[str]:
    """What is wrong with a list that must hold exactly the `wanted` row names, once each."""
    problems = [f"{where} lacks {name}" for name in wanted if name not in names]
    for name in dict.fromkeys(names):
        if name not in rows:
            problems.append(f"{where} names the unknown row {_shown(name)}; {_nearest(name, rows)}")
        elif name not in wanted:
            problems.append(f"{where} must not hold {name}; its loss, pp and box put it in trains.{rows[name].trains}")
        elif names.count(name) > 1:
            problems.append(f"{where} holds {name} {names.count(name)} times; allowed: once")
    return problems


def _read_profiles(path: Path) -> dict[str, Profile]:
    problems: list[str] = []
    file = read_yaml(path)
    profiles = file.get("profiles")
    if set(file) != {"profiles"} or not isinstance(profiles, dict) or not profiles:
        _refuse(path.name, ["allowed: one key, profiles, a map from dataset names to {scenes, boxes, train}"])
    for name in profiles:
        if not re.fullmatch(NAME, str(name)):
            problems.append(f"profiles.{name} is no name for a dataset; allowed: {NAME_ALLOWED}")
    checked = {name: _check_profile(entry, problems, f"profiles.{name}") for name, entry in profiles.items()}
    _refuse(path.name, problems)
    return checked


def _check_profile(entry: Any, problems: list[str], where: str) -> Profile | None:
    if not isinstance(entry, dict) or set(entry) != {"scenes", "boxes", "train"}:
        problems.append(f"{where} must have exactly the keys scenes, boxes, train")
        return None
    scenes = entry["scenes"]
    source = scenes.get("source") if isinstance(scenes, dict) else None
    if not isinstance(source, str) or source not in SCENES:
        problems.append(_not_allowed(f"{where}.scenes.source", source, _choices(source, SCENES)))
        return None
    models = {"scenes": SCENES[source], "boxes": Boxes, "train": Train}
    sections = {key: _check(model, entry[key], problems, f"{where}.{key}") for key, model in models.items()}
    return Profile(**sections) if all(sections.values()) else None


def read_yaml(path: Path) -> dict[str, Any]:
    """The top-level map of a YAML 1.2 file (`1e-3` is a number, `no` is a string).

    Raises:
        UserError: it is missing, or is no such file.
    """
    try:
        data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path.name}: no such file in {path.parent}") from None
    except MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path.name}{line}: {(error.problem or 'not YAML').splitlines()[0]}") from None
    except OSError as error:
        raise UserError(f"{path.name}: {error.strerror}, in {path.parent}") from None
    except Exception as error:  # noqa: BLE001 - ruamel's constructors raise what int(), date() and the like raise
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"{path.name}: not YAML: {said}") from None
    if not isinstance(data, dict):
        raise UserError(f"{path.name}: allowed: a map from keys to values")
    return data


def read_model(path: Path, model: type[M]) -> M:
    """A whole YAML file as a model, told in pydantic's words where it is not one.

    Raises:
        UserError: it is missing, no YAML, or says something that is not allowed.
    """
    try:
        return model.model_validate(read_yaml(path))
    except ValidationError as error:
        detail = error.errors()[0]
        raise UserError(f"{path.name}: {'.'.join(map(str, detail['loc']))}: {detail['msg'].lower()}") from None


# ---- one-line messages -----------------------------------------------------------------------------------------------


def _refuse(file: str, problems: list[str]) -> None:
    """Raise the first problem of a file, with the count of the others."""
    if problems:
        others = f" (and {len(problems) - 1} more in this file)" if len(problems) > 1 else ""
        raise UserError(f"{file}: {problems[0]}{others}")


def _check(model: type[M], data: Any, problems: list[str], where: str = "") -> M | None:
    """`data` as `model`, or None after each thing that is wrong with it was added to `problems`."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = [_problem(model, data, detail, where) for detail in error.errors()]
        problems += dict.fromkeys(found)  # a union reports each of its members
        return None


def _problem(model: type[Model], data: Any, detail: Any, where: str) -> str:
    """One of pydantic's errors as this project says it."""
    field, value, path = None, data, [where] if where else []
    unknown = detail["type"] in ("extra_forbidden", "invalid_key")
    for key in detail["loc"][:-1] if unknown else detail["loc"]:
        if not (isinstance(model, type) and issubclass(model, Model) and key in model.model_fields):
            break  # a place in a list or a member of a union: the field itself is named
        field = model.model_fields[key]
        value = value.get(key, "missing") if isinstance(value, dict) else value
        model = field.annotation
        path.append(key)
    place = ".".join(path)
    if unknown:
        key = detail["loc"][-1]
        return f"unknown key {'.'.join([*path, str(key)])}; {_nearest(str(key), model.model_fields)}"
    if value == "missing" and detail["type"] == "missing":
        return f"{place} is missing; allowed: {field.description}"
    if detail["type"] == "value_error":
        return f"{place}: {detail['ctx']['error']}"
    return _not_allowed(place, value, field.description if field else "a map from keys to values")


def _not_allowed(place: str, value: Any, allowed: str) -> str:
    return f"{place} is {_shown(value)}; allowed: {allowed}"


def _choices(value: Any, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(value), list(known), n=1)
    return ", ".join(known) + (f" (nearest: {close[0]})" if close else "")


def _nearest(key: str, known: Iterable[str]) -> str:
    """The known key that `key` most resembles, or all of them."""
    close = difflib.get_close_matches(key, list(known), n=1, cutoff=0.5)
    return f"nearest known: {close[0]}" if close else f"known: {', '.join(known)}"


def _shown(value: Any) -> str:
    """A value as YAML would write it, on one line and not too long."""
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: ".inf", -math.inf: "-.inf"}.get(value, ".nan")
    try:
        text = json.dumps(value, default=str, ensure_ascii=False)
    except (TypeError, ValueError):  # a list as a key; a list within itself
        text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
