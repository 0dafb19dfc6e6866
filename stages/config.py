"""What the user's three files may say: params.yaml, configs/rows.yaml and configs/datasets.yaml, typed and ranged.

`load` reads and checks all of them. Whatever is wrong ends as one `UserError`, a single line that names the file, the
key, its value and what is allowed; the `description` of each field below is that last part.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, Strict, model_validator

from stages import paths
from stages.download import registry
from stages.fields import SIZE, Scenes, Seed, Size, whole
from stages.paths import ROOT
from stages.yaml_files import Model, check, choices, label, not_allowed, read_yaml, refuse

NAME = r"[a-z0-9]+(-[a-z0-9]+)*"
NAME_ALLOWED = "a-z and 0-9, in parts joined by -"
DEVICES = r"(auto|cpu|cuda(:[0-9]{1,3})?)"
PAPER_IMAGES = 2780
"""Size of the paper's training pool; a row's counts are shares of it."""


# ---- the schema ------------------------------------------------------------------------------------------------------


MOST_STEPS = 10**7  # the draws of all steps are planned at once
Labels = Annotated[tuple[Annotated[int, Field(ge=0, le=255)], ...], Strict(False)]
Names = Annotated[tuple[str, ...], Strict(False)]
LABELS = "a list of label ids from 0 to 255"
FEW = 2
"""How many classes rows with `classes: few` have."""
MOST_CLASSES = 14  # bits of a uint16, but for the background's and one to spare
RESERVED = ("background", "void", "mean")
LONGEST_NAME = 60
ClassName = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
ClassIds = dict[ClassName, Annotated[Labels, Field(min_length=1)]]
METHODS = "a list of rows of rows.methods in configs/rows.yaml"
CLASS_IDS = "a map from class names to lists of label ids from 0 to 255"


class Params(Model):
    """params.yaml."""

    dataset: str = Field(description="the name of a profile in configs/datasets.yaml")
    data_seed: Seed
    seeds: Annotated[tuple[Seed, ...], Strict(False)] = Field(
        min_length=1, description="a list of one or more different whole numbers from 0 up"
    )
    tau: float = Field(gt=0, le=100, description="a number above 0, at most 100")
    temperature: float = Field(gt=0, le=100, description="a number above 0, at most 100")
    mc_samples: int = whole(1, 1000)
    batch_size: int = whole(1, 65536)
    pp_chance: float = Field(gt=0, lt=1, description="a number between 0 and 1, both excluded")
    sampler: Literal["coin", "fixed"] = Field(description="coin, fixed")
    learning_rate: Literal["auto"] | Annotated[float, Field(gt=0, le=1)] = Field(
        description="a number above 0, at most 1, or auto"
    )
    steps: Literal["auto"] | Annotated[int, Field(ge=1, le=MOST_STEPS)] = Field(
        description=f"a whole number from 1 to {MOST_STEPS}, or auto"
    )
    methods: Literal["auto"] | Names = Field(description=f"{METHODS}, or auto")
    box_seconds: float = Field(gt=0, le=3600, description="a number above 0, at most 3600")
    mask_seconds: float = Field(gt=0, le=3600, description="a number above 0, at most 3600")
    device: str = Field(pattern=f"^{DEVICES}$", description="auto, cpu, cuda, cuda:0, cuda:1 ...")
    processes: int = whole(1)


class Overrides(Model):
    """What one row reads differently from its recipe; stages/model/recipes.py says what each field means."""

    bound: Literal["finite", "floor", "tanh"] | None = Field(None, description="finite, floor, tanh")
    smax: float | None = Field(None, gt=0, le=90, description="a number above 0, at most 90")
    initial_variance: float | None = Field(None, ge=1e-3, le=1e3, description="a number from 0.001 to 1000")
    initial_variance_per_tau: float | None = Field(None, ge=0, le=10, description="a number from 0 to 10")
    flip_target: Literal["opposite", "model"] | None = Field(None, description="opposite, model")
    prior: float | None = Field(None, ge=0, le=100, description="a number from 0 to 100")
    fill_cap: bool | None = Field(None, description="true, false")
    fill_quantile: float | None = Field(None, ge=0, le=1, description="a number from 0 to 1")
    decides: Literal["variance", "mean", "both", "posterior"] | None = Field(
        None, description="variance, mean, both, posterior"
    )
    teacher_decay: float | None = Field(None, ge=0, lt=1, description="a number from 0, below 1")
    keep_attenuation: bool | None = Field(None, description="true, false")
    own_boxes: bool | None = Field(None, description="true, false")
    variance_loss: Literal["uncertainty", "supervised"] | None = Field(None, description="uncertainty, supervised")
    pairs: float | None = Field(None, ge=0, le=100, description="a number from 0 to 100")
    projection: float | None = Field(None, ge=0, le=100, description="a number from 0 to 100")
    warmup_share: float | None = Field(None, ge=0, lt=1, description="a number from 0, below 1")
    trigger: Literal["max", "target"] | None = Field(None, description="max, target")
    estimator: Literal["monte_carlo", "rao_blackwell", "printed", "mean_field"] | None = Field(
        None, description="monte_carlo, rao_blackwell, printed, mean_field"
    )
    flip_to: Literal["any", "covered"] | None = Field(None, description="any, covered")
    last_layer: Literal["torch", "icnr"] | None = Field(None, description="torch, icnr")
    variance: Literal["exp", "softplus", "one_plus_elu", "square", "sigma"] | None = Field(
        None, description="exp, softplus, one_plus_elu, square, sigma"
    )
    variance_weights: Literal["zero", "torch"] | None = Field(None, description="zero, torch")
    variance_sees: Literal["image", "label"] | None = Field(None, description="image, label")
    mean_start: Literal["share", "torch"] | None = Field(None, description="share, torch")
    reduction: Literal["pooled", "two_means"] | None = Field(None, description="pooled, two_means")
    foreground_weight: float | None = Field(None, gt=0, le=100, description="a number above 0, at most 100")


RANKED, PROPOSED = ("fill", "top"), ("grabcut", "crf", "crf_chosen")
InBox = Literal["boxes", "grabcut", "crf", "crf_chosen", "fill", "top", "lines", "self_training", "recursive"]
"""What stands for the missing mask inside boxes: the box itself; labels made beforehand (`stages.proposals`); or, of
the network's ranking of a box's pixels, at every step anew, the best share with the rest as background (`fill`) or
without a loss (`top`), the share being the class's fill rate; no pixel, but lines and pairs of pixels (`lines`); or
labels by a network that was trained before (`self_training`, `recursive`, see `stages.train.rounds`)."""


def _unread(loss: str, labels: str) -> set[str]:
    """Return the fields of Overrides that say nothing to a loss against such labels."""
    if loss == "bootstrap":
        return {"trigger", "estimator", "flip_to"}
    if loss == "ce_bootstrap":
        return {"flip_target", "prior", "keep_attenuation"}
    read = {"warmup_share", "mean_start", "reduction", "last_layer", "foreground_weight"}
    if loss not in ("bce", "ce"):
        read |= {"bound", "smax", "initial_variance", "variance", "variance_weights", "variance_sees"}
    if labels in RANKED:
        read |= {"fill_quantile", "teacher_decay"}
    if labels == "lines":
        read |= {"pairs", "projection"}
    return set(Overrides.model_fields) - read - ({"estimator"} if loss == "ce_uncertainty" else set())


Loss = Literal["bce", "regression", "uncertainty", "bootstrap", "ce", "ce_uncertainty", "ce_bootstrap"]


class Row(Model):
    """One row: what is trained, on how many of the paper's 2780 images."""

    classes: Literal["one", "few", "all"] = Field(
        description="one, few, all (the dataset's first class, its first two, every one of three or more)"
    )
    loss: Loss = Field(
        description="bce, regression, uncertainty, bootstrap (classes one), ce, ce_uncertainty, ce_bootstrap (classes "
        "few or all)"
    )
    pp: int = whole(0, PAPER_IMAGES)
    box: int = whole(0, PAPER_IMAGES)
    pixels: Literal["all", "box"] | None = Field(None, description="all, box (regression rows alone)")
    recipe: Literal["paper", "stable"] | None = Field(None, description="paper, stable (bootstrapping rows alone)")
    overrides: Overrides = Field(Overrides(), description="a map from fields of the recipe to other values")
    oracle: bool = Field(False, description="true, false (loss bce and ce alone)")
    labels: InBox = Field(
        "boxes",
        description="boxes; for loss bce also grabcut, crf, crf_chosen, fill, top, lines, self_training, recursive",
    )
    own: bool = Field(False, description="true, false")
    usual: bool = Field(False, description="true, false (rows.methods alone)")

    @property
    def bootstraps(self) -> bool:
        """Whether the loss flips targets by Eq 11 or Eq 16, and so reads tau."""
        return self.loss in ("bootstrap", "ce_bootstrap")

    @property
    def ranks(self) -> bool:
        """Whether the labels inside boxes follow from the network's ranking of their pixels, and from no variance."""
        return self.labels in RANKED

    @property
    def proposed(self) -> bool:
        """Whether the labels inside boxes were made beforehand, by `stages.proposals`."""
        return self.labels in PROPOSED

    @property
    def mixes(self) -> bool:
        """Whether training draws from both the pixel-perfect and the box images."""
        return self.pp > 0 and self.box > 0

    @property
    def group(self) -> str:
        """The map of configs/rows.yaml, so the DVC stage, for rows that read the same keys of params.yaml."""
        if self.bootstraps:
            return "bootstrap" if self.loss == "bootstrap" else "multi_class_bootstrap"
        if self.labels != "boxes":
            return "methods"
        return "mixed" if self.mixes else "one_pool"

    @model_validator(mode="after")
    def _consistent(self) -> "Row":
        multi_class = self.loss in ("ce", "ce_uncertainty", "ce_bootstrap")
        if multi_class != (self.classes != "one"):
            raise ValueError(f"loss {self.loss} is for classes {'few or all' if multi_class else 'one'}")
        if (self.loss == "regression") != (self.pixels is not None):
            raise ValueError("pixels (all, box) must be given for loss regression, and for no other")
        if self.bootstraps != (self.recipe is not None):
            raise ValueError(
                "recipe (paper, stable) must be given for bootstrap and ce_bootstrap, and for no other loss"
            )
        overridden = set(self.overrides.model_dump(exclude_none=True))
        if ignored := sorted(overridden & _unread(self.loss, self.labels)):
            raise ValueError(f"loss {self.loss} does not read {', '.join(ignored)}")
        if "warmup_share" in overridden and not self.mixes:
            raise ValueError("overrides with warmup_share are for rows of both kinds of images (pp and box above 0)")
        if self.overrides.initial_variance is not None and self.overrides.initial_variance_per_tau:
            raise ValueError("overrides take either initial_variance or initial_variance_per_tau, above 0")
        if self.overrides.decides == "posterior" and self.loss == "ce_bootstrap":
            raise ValueError("overrides with `decides: posterior` are for loss bootstrap")
        if self.overrides.bound == "tanh" and self.overrides.smax is None:
            raise ValueError("overrides with `bound: tanh` need smax")
        if self.oracle and (self.loss not in ("bce", "ce") or not self.box):
            raise ValueError("oracle is for rows with box images, of loss bce or ce")
        if self.labels != "boxes" and (self.loss != "bce" or not self.box or self.oracle):
            raise ValueError("labels other than boxes are for rows of loss bce with box images, without oracle")
        if self.usual and self.labels == "boxes":
            raise ValueError("usual is for rows with labels other than boxes")
        if (self.ranks or self.labels == "self_training") and not self.pp:
            raise ValueError(f"labels: {self.labels} needs pixel-perfect images, for the fill rate of boxes")
        if self.bootstraps and not (self.box and (self.pp or self.recipe == "paper")):
            raise ValueError("a bootstrapping row needs box images, and with `recipe: stable` pixel-perfect ones")
        if not 1 <= self.pp + self.box <= PAPER_IMAGES:
            raise ValueError(f"pp + box must be from 1 to {PAPER_IMAGES}")
        return self


def stage_name(kind: str, name: str, row: Row, seed: int) -> str:
    """Return the DVC stage of a row and seed, of kind `train` or `evaluate`."""
    return f"{kind}-{row.group.replace('_', '-')}@{name}-{seed}"


ROWS = "a map from row names to entries"


class RowGroups(Model):
    """The rows by what their training reads of params.yaml, see `Row.group`; entries are checked one by one."""

    one_pool: dict[str, Any] = Field(description=ROWS)
    mixed: dict[str, Any] = Field(description=ROWS)
    methods: dict[str, Any] = Field(description=ROWS)
    bootstrap: dict[str, Any] = Field(description=ROWS)
    multi_class_bootstrap: dict[str, Any] = Field(description=ROWS)


class RowsFile(Model):
    """configs/rows.yaml."""

    rows: RowGroups = Field(description="the maps one_pool, mixed, methods, bootstrap, multi_class_bootstrap")


class Boxes(Model):
    """How instances become boxes, and scenes become arrays."""

    classes: Literal["auto"] | ClassIds = Field(
        description=f"auto, or {CLASS_IDS}, at least one and at most {MOST_CLASSES}"
    )
    void: Labels = Field(description=LABELS)
    masks_only: ClassIds = Field({}, description=CLASS_IDS)
    instances: Literal["ids", "components", "given"] = Field(description="ids, components, given")
    fit: Literal["whole", "centre", "pad"] = Field("whole", description="whole, centre, pad")
    groups: Literal["box", "void"] = Field(description="box, void")
    min_area: int = whole(1)
    overlap: Literal["smaller", "larger"] = Field(description="smaller, larger")
    split: Literal["official", "random", "holdout", "auto"] = Field(description="official, random, holdout, auto")
    val_share: float | None = Field(
        None, gt=0, lt=1, description="a number between 0 and 1, with every `split` but official"
    )
    size: Size = Field(description=SIZE)

    @model_validator(mode="after")
    def _share_where_split(self) -> "Boxes":
        if (self.split != "official") != (self.val_share is not None):
            raise ValueError("val_share must be given with `split: random`, `holdout` or `auto`, not with `official`")
        return self

    @model_validator(mode="after")
    def _ids_of_one_class(self) -> "Boxes":
        """Check the classes. Only a class that some rows do not know may have void ids: they are void in those."""
        if self.classes == "auto":
            if self.masks_only or self.instances != "given":
                raise ValueError("`classes: auto` is for `instances: given`, and without masks_only")
            return self
        if not 1 <= len(self.classes) + len(self.masks_only) <= MOST_CLASSES or not self.classes:
            raise ValueError(f"classes and masks_only may have 1 to {MOST_CLASSES} names, classes one or more")
        names = [*self.classes, *self.masks_only]
        if taken := [name for name in names if names.count(name) > 1 or name in RESERVED]:
            raise ValueError(f"the class name {taken[0]} may stand there once, and none may be {', '.join(RESERVED)}")
        every = [*self.classes.values(), *self.masks_only.values()]
        ids = [label for group in every for label in group]
        if len(ids) != len(set(ids)) or len(self.void) != len(set(self.void)):
            raise ValueError("a label id may stand in one class, once")
        if common := {label for group in every[:FEW] for label in group} & set(self.void):
            raise ValueError(f"label id {min(common)} is of one of the first {FEW} classes, so it may not be void")
        return self


class Train(Model):
    """What a training reads of its dataset's profile."""

    width: float = Field(
        ge=0.25, le=4, multiple_of=0.0625, description="a multiple of 1/16 from 0.25 to 4 (1 is the paper's network)"
    )
    steps: int = whole(1, MOST_STEPS)
    learning_rate: float = Field(gt=0, le=1, description="a number above 0, at most 1")
    schedule: Literal["one_cycle", "polynomial", "constant"] = Field(description="one_cycle, polynomial, constant")
    optimiser: Literal["adam", "sgd"] = Field("adam", description="adam, sgd (with momentum 0.9)")
    weight_decay: float = Field(ge=0, le=1, description="a number from 0 to 1")
    horizontal_flip: float = Field(ge=0, le=1, description="a number from 0 to 1")
    rows: Literal["all", "own"] = Field("all", description="all, own")
    watch_every: int = Field(0, ge=0, multiple_of=10, description="a multiple of 10 from 0 up")
    encoder_steps: int = Field(0, ge=0, le=MOST_STEPS, description=f"a whole number from 0 to {MOST_STEPS}")


class Profile(Model):
    """One dataset of configs/datasets.yaml."""

    scenes: SerializeAsAny[Scenes]
    boxes: Boxes
    train: Train

    @model_validator(mode="after")
    def _watches_held_out_images_alone(self) -> "Profile":
        if self.train.watch_every and self.boxes.split != "holdout":
            raise ValueError("train.watch_every above 0 is for `split: holdout`: others judge on what it would look at")
        return self


@dataclass(frozen=True)
class Settings:
    """Everything that the three files say, checked, for the dataset that params.yaml chooses.

    Attributes:
        rows: by name, in the order of configs/rows.yaml.
    """

    params: Params
    profile: Profile
    rows: dict[str, Row]

    @property
    def steps(self) -> int:
        """Optimiser steps of every row; `auto` is the profile's."""
        return self.profile.train.steps if self.params.steps == "auto" else self.params.steps

    @property
    def methods(self) -> tuple[str, ...]:
        """The rows of the group `methods` that are trained; `auto`: those marked `usual`, none on data of one's own."""
        if self.params.methods != "auto":
            return self.params.methods
        usual = (name for name, row in self.rows.items() if row.usual)
        return tuple(usual) if self.profile.train.rows == "all" else ()

    @property
    def learning_rate(self) -> float:
        """Adam's learning rate of every row; `auto` is the profile's."""
        rate = self.params.learning_rate
        return self.profile.train.learning_rate if rate == "auto" else rate


# ---- reading ---------------------------------------------------------------------------------------------------------


def load(root: Path = ROOT) -> Settings:
    """Read and check the three files under `root`.

    Raises:
        UserError: a file is missing, is not YAML 1.2, or says something that is not allowed.
    """
    params = _read_params(root / "params.yaml")
    rows = _read_rows(paths.rows(root))
    profiles = read_profiles(root)
    if params.dataset not in profiles:
        refuse("params.yaml", [not_allowed("dataset", params.dataset, choices(params.dataset, profiles))])
    methods = [name for name, row in rows.items() if row.group == "methods"]
    named = () if params.methods == "auto" else params.methods
    if unknown := [name for name in named if name not in methods]:
        refuse("params.yaml", [not_allowed("methods", list(named), f"auto, or of {choices(unknown[0], methods)}")])
    return Settings(params, profiles[params.dataset], rows)


def _read_params(path: Path) -> Params:
    problems: list[str] = []
    params = check(Params, read_yaml(path), problems)
    if params is None:
        refuse(label(path), problems)
    if len(set(params.seeds)) != len(params.seeds):
        problems.append(not_allowed("seeds", params.seeds, Params.model_fields["seeds"].description))
    if params.sampler == "fixed" and params.batch_size < 2:
        problems.append(not_allowed("batch_size", params.batch_size, "2 or more with `sampler: fixed`"))
    if params.processes > params.batch_size:
        problems.append(not_allowed("processes", params.processes, f"at most batch_size, {params.batch_size}"))
    if params.processes > 1 and ":" in params.device:
        problems.append(not_allowed("device", params.device, "auto, cpu, cuda with `processes` above 1"))
    refuse(label(path), problems)
    return params


def _read_rows(path: Path) -> dict[str, Row]:
    problems: list[str] = []
    file = check(RowsFile, read_yaml(path), problems)
    if file is None:
        refuse(label(path), problems)
    rows: dict[str, Row | None] = {}
    for group, entries in file.rows:
        for name, entry in entries.items():
            where = f"rows.{group}.{name}"
            if not re.fullmatch(NAME, name):
                problems.append(f"{where} is no name for a row; allowed: {NAME_ALLOWED}")
            elif name in rows:
                problems.append(f"{where} stands in another group as well; allowed: a name once")
            rows[name] = row = check(Row, entry, problems, where)
            if row and row.group != group:
                problems.append(f"{where} is in the wrong group; its loss, pp and box put it in rows.{row.group}")
    if not rows:
        problems.append("rows has no row; allowed: one or more")
    refuse(label(path), problems)
    return {name: row for name, row in rows.items() if row}


def read_profiles(root: Path = ROOT) -> dict[str, Profile]:
    """Read and check every profile of configs/datasets.yaml under `root`.

    Raises:
        UserError: the file is missing, is not YAML 1.2, or says something that is not allowed.
    """
    path = paths.datasets(root)
    problems: list[str] = []
    file = read_yaml(path)
    profiles = file.get("profiles")
    if set(file) != {"profiles"} or not isinstance(profiles, dict) or not profiles:
        refuse(label(path), ["allowed: one key, profiles, a map from dataset names to {scenes, boxes, train}"])
    for name in profiles:
        if not re.fullmatch(NAME, str(name)):
            problems.append(f"profiles.{name} is no name for a dataset; allowed: {NAME_ALLOWED}")
    checked = {name: _check_profile(entry, problems, f"profiles.{name}") for name, entry in profiles.items()}
    refuse(label(path), problems)
    return {name: profile for name, profile in checked.items() if profile}


def _check_profile(entry: Any, problems: list[str], where: str) -> Profile | None:
    if not isinstance(entry, dict) or set(entry) != {"scenes", "boxes", "train"}:
        problems.append(f"{where} must have exactly the keys scenes, boxes, train")
        return None
    scenes = entry["scenes"]
    source = scenes.get("source") if isinstance(scenes, dict) else None
    if source not in registry.SOURCES:
        problems.append(not_allowed(f"{where}.scenes.source", source, choices(source, registry.SOURCES)))
        return None
    models: dict[str, type[Model]] = {"scenes": registry.source(source).schema, "boxes": Boxes, "train": Train}
    sections = {key: check(model, entry[key], problems, f"{where}.{key}") for key, model in models.items()}
    return check(Profile, sections, problems, where) if all(sections.values()) else None
