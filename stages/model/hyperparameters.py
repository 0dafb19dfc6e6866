"""The hyperparameters of one training: made once from the user's three files, recorded, and handed down unchanged."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from stages.arrays import Classes
from stages.config import Row, Settings
from stages.errors import UserError
from stages.model.recipes import Recipe, raw_start, recipe_of

MULTI_CLASS = ("ce", "ce_uncertainty", "ce_bootstrap")
UNCERTAIN = ("regression", "uncertainty", "bootstrap", "ce_uncertainty", "ce_bootstrap")


@dataclass(frozen=True)
class Hyperparameters:
    """One row's settings with its recipe resolved. What the row does not read is None.

    Attributes:
        name: The row's name in configs/rows.yaml.
        row: Its entry there.
        recipe: How it reads the paper, its overrides applied.
        dataset: The name of the dataset's profile.
        classes: Names of the C classes that the row tells apart, by value; the first is the background.
        masks_only: How many of them, the last ones, have masks and no boxes.
        size: (width, height) of the images, in pixels.
        batch_size: Images in a step.
        steps: Optimiser steps.
        learning_rate: Of the optimiser; the peak of `one_cycle`, the start of `polynomial`.
        schedule: Of the learning rate, `one_cycle`, `polynomial` or `constant`.
        optimiser: `adam`, or `sgd` with momentum.
        weight_decay: Of the optimiser.
        width: Multiplies ERFNet's channels; 1 is the paper's network.
        horizontal_flip: Chance that an image is mirrored left to right, in [0, 1].
        watch_every: Steps between two looks at held-out images, see `watch.Watch`; 0 in all but studies.
        encoder_steps: In which the encoder is trained by itself before, see `encoder.pretrain`; 0 in all but studies.
        pp_chance: Chance that a draw is pixel-perfect, in (0, 1); of rows that mix, see `batches.plan`.
        sampler: `coin` or `fixed`; of rows that mix, see `batches.plan`.
        tau: Threshold on sigma^2 of Eq 11 and 16, in logit^2; of bootstrapping rows.
        temperature: Of Eq 11, in logit^2; of binary bootstrapping rows.
        mc_samples: T of Eq 15; of multi-class bootstrapping rows.
    """

    name: str
    row: Row
    recipe: Recipe
    dataset: str
    classes: tuple[str, ...]
    masks_only: int
    size: tuple[int, int]
    batch_size: int
    steps: int
    learning_rate: float
    schedule: str
    weight_decay: float
    width: float
    horizontal_flip: float
    optimiser: str = "adam"
    watch_every: int = 0
    encoder_steps: int = 0
    pp_chance: float | None = None
    sampler: str | None = None
    tau: float | None = None
    temperature: float | None = None
    mc_samples: int | None = None

    @property
    def loss(self) -> str:
        """The row's loss, see `Row.loss`."""
        return self.row.loss

    @property
    def multi_class(self) -> bool:
        """Whether the row has one logit for each class, instead of one for the foreground."""
        return self.row.loss in MULTI_CLASS

    @property
    def has_variance(self) -> bool:
        """Whether the network predicts a variance for each logit."""
        return self.row.loss in UNCERTAIN

    @property
    def has_attention(self) -> bool:
        """Whether the network learns where boxes are, see `network.BoxMaskedERFNet`."""
        return self.row.labels == "top"

    @property
    def logits(self) -> int:
        """Number of means that the network predicts for a pixel."""
        return len(self.classes) if self.multi_class else 1

    @property
    def boxed(self) -> int:
        """Number of classes that have boxes."""
        return len(self.classes) - 1 - self.masks_only

    @property
    def channels(self) -> int:
        """Output channels of the network: a mean for each logit and, where there is one, a log-variance; attention."""
        return (2 * self.logits if self.has_variance else self.logits) + self.has_attention

    def record(self) -> dict[str, Any]:
        """Return the part of run.json that says how a run was set up, from which `restore` makes an equal object."""
        fixed = ("name", "row", "recipe", "dataset", "classes", "masks_only")
        chosen = {key: value for key, value in asdict(self).items() if key not in fixed and value is not None}
        return {
            "row": self.name,
            "dataset": self.dataset,
            "task": self.row.classes,
            "classes": list(self.classes),
            "masks_only": self.masks_only,
            "loss": self.row.loss,
            "recipe": self.row.recipe,
            "spec": self.row.model_dump(exclude_none=True),
            "settings": chosen | {"size": list(self.size)},
            "resolutions": asdict(self.recipe),
        }

    @classmethod
    def restore(cls, run: Mapping[str, Any]) -> Self:
        """Return the hyperparameters that `record` wrote into `run`, the content of a run.json.

        Raises:
            KeyError, TypeError, ValueError: `run` is no such record.
        """
        settings = dict(run["settings"])
        settings["size"] = tuple(settings["size"])
        settings |= {"classes": tuple(run["classes"]), "masks_only": run["masks_only"]}
        return cls(run["row"], Row(**run["spec"]), Recipe(**run["resolutions"]), run["dataset"], **settings)


def row_of(settings: Settings, name: str) -> Row:
    """Return the row of a name.

    Raises:
        UserError: There is none.
    """
    if name not in settings.rows:
        raise UserError(f"--row {name}: no such row; configs/rows.yaml has {', '.join(settings.rows)}")
    return settings.rows[name]


def resolve(settings: Settings, name: str, classes: Classes) -> Hyperparameters:
    """Return the hyperparameters of row `name`, its recipe and every `auto` resolved.

    Args:
        settings: The content of the user's three files.
        name: A row's name in configs/rows.yaml.
        classes: Of the dataset.

    Raises:
        UserError: There is no such row, or tau or the initial variance is beyond the recipe's bound on the variance.
    """
    row, params, profile = row_of(settings, name), settings.params, settings.profile
    multi_class = row.loss in MULTI_CLASS
    chosen = Hyperparameters(
        name=name,
        row=row,
        recipe=recipe_of(row),
        dataset=params.dataset,
        classes=classes.names(row.classes),
        masks_only=len(classes.masks_only) if row.classes == "all" else 0,
        size=profile.boxes.size,
        batch_size=params.batch_size,
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        schedule=profile.train.schedule,
        weight_decay=profile.train.weight_decay,
        width=profile.train.width,
        horizontal_flip=profile.train.horizontal_flip,
        optimiser=profile.train.optimiser,
        watch_every=profile.train.watch_every,
        encoder_steps=profile.train.encoder_steps,
        pp_chance=params.pp_chance if row.mixes else None,
        sampler=params.sampler if row.mixes else None,
        tau=params.tau if row.bootstraps else None,
        temperature=params.temperature if row.bootstraps and not multi_class else None,
        mc_samples=params.mc_samples if row.bootstraps and multi_class else None,
    )
    _check_reach(chosen)
    return chosen


def _check_reach(chosen: Hyperparameters) -> None:
    """Refuse a tau or an initial variance that the recipe's bound on the variance keeps out of reach."""
    recipe, tau = chosen.recipe, chosen.tau
    if recipe.variance_loss == "supervised" and not recipe.own_boxes:
        raise UserError(f"configs/rows.yaml: {chosen.name}: `variance_loss: supervised` needs `own_boxes: true`")
    if tau is not None and recipe.bound == "tanh" and recipe.smax is not None and tau >= math.exp(recipe.smax):
        raise UserError(
            f"params.yaml: tau is {tau:g}; allowed for {chosen.name}, whose recipe bounds the variance: "
            f"below {math.exp(recipe.smax):.1f}, or nothing ever flips"
        )
    try:
        raw_start(recipe, tau)
    except ValueError as problem:
        raise UserError(f"configs/rows.yaml: {chosen.name}: {problem}") from None
