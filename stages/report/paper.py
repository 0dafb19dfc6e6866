"""paper.yaml: what the paper prints, typed."""

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from stages.params import Model, read_model
from stages.paths import ROOT

NAME = "paper.yaml"


class About(Model):
    """The paper itself."""

    title: str
    authors: str
    data: str
    train_images: int


class PaperRow(Model):
    """What the paper prints for one row: IoU in percent by class (`mean` for the mean), and each place."""

    iou: dict[str, float]
    places: list[str]
    mark: str = ""
    note: str = ""


class Entry(Model):
    """One line of a table: the row and the paper's name for its loss."""

    row: str
    loss: str


class PaperTable(Model):
    """One of the paper's tables."""

    title: str
    caption: str
    classes: list[str]
    rows: list[Entry]


class PaperFigure(Model):
    """One of the paper's figures, its caption in our words."""

    title: str
    caption: str


class Inconsistency(Model):
    """Numbers of the paper that do not agree."""

    place: str
    text: str


class Untested(Model):
    """Something that the paper says and nothing here asks, and why not."""

    says: str
    place: str
    why: str


class Resolution(Model):
    """Something that the paper leaves open, and how it is read here."""

    place: str
    missing: str
    resolution: str


MEASURES = {
    "iou_difference": (2, "points of IoU"),
    "iou_share": (2, "% of IoU"),
    "time_ratio": (2, "times the training time"),
    "boxes_over_masks": (1, "points of IoU of components with boxes over that with masks"),
    "auroc": (1, "AUROC of σ² for wrong box pixels"),
    "early_auroc": (1, "AUROC of σ² for wrong box pixels, a tenth into the box training"),
    "edge_ratio": (1, "times σ² at the edges of boxes over the rest of them"),
    "labels_gain": (1, "points of IoU that the labels gained"),
    "foreground_flipped": (2, "points more of true foreground flipped when training ends"),
}
"""What a claim can be judged by (see claims.py): the number of rows that it takes, and its unit."""


class Check(Model):
    """A statement over results: a measure of rows lies above, or below, a number."""

    measure: str
    rows: list[str]
    label: Literal["background", "car", "person", "mean"] = "car"
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Check":
        if self.measure not in MEASURES:
            raise ValueError(f"measure {self.measure}; allowed: {', '.join(MEASURES)}")
        if len(self.rows) != MEASURES[self.measure][0]:
            raise ValueError(f"{self.measure} takes {MEASURES[self.measure][0]} rows")
        if (self.above is None) == (self.below is None):
            raise ValueError("allowed: either above or below")
        return self

    @property
    def threshold(self) -> float:
        """The number on one side of which the claim holds."""
        return self.below if self.above is None else self.above

    @property
    def unit(self) -> str:
        """What the measure counts."""
        return MEASURES[self.measure][1]

    def margin(self, value: float) -> float:
        """How far a value lies on the claim's side of the threshold; negative on the other side."""
        return self.threshold - value if self.above is None else value - self.threshold


class Claim(Model):
    """One thing that the paper says, and how results are asked about it.

    `learned`: it is about networks that learned, so seeds on which one of its rows collapsed (`records.collapsed`) say
    nothing about it.
    """

    id: str
    says: str
    place: str
    check: Check
    learned: bool = False
    shown: str = ""
    note: str = ""


class Paper(Model):
    """All of paper.yaml."""

    paper: About
    rows: dict[str, PaperRow]
    tables: dict[str, PaperTable]
    figures: dict[str, PaperFigure]
    inconsistencies: list[Inconsistency]
    resolutions: list[Resolution]
    untested: list[Untested]
    claims: list[Claim]

    def row(self, name: str, recipe: str | None = None) -> PaperRow | None:
        """What the paper prints for a row; a recipe's row has the number of the row without the recipe's suffix."""
        return self.rows.get(name) or self.rows.get(name.removesuffix(f"-{recipe}"))

    def iou(self, name: str, label: str) -> float:
        """The printed IoU (percent) of a row and class.

        Raises:
            KeyError: the paper prints none.
        """
        return self.rows[name].iou[label]


def load(root: Path = ROOT) -> Paper:
    """Read and check paper.yaml under `root`.

    Raises:
        UserError: it is missing, no YAML, or has unknown, missing or mistyped keys.
    """
    return read_model(root / NAME, Paper)
