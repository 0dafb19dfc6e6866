"""The three files of paper/, typed: what the paper prints, how it was read, and what results are asked."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator

from stages.paths import ROOT
from stages.yaml_files import Model, read_model

# ---- paper/numbers.yaml ----------------------------------------------------------------------------------------------


class About(Model):
    """The paper itself."""

    title: str
    authors: str
    data: str
    train_images: int


class PrintedRow(Model):
    """What the paper prints for one row: IoU in percent by class (`mean` for the mean), and each place."""

    iou: dict[str, float]
    places: list[str]
    mark: str = ""


class PrintedTable(Model):
    """One of the paper's tables: its rows in order, with the name that it gives to their loss."""

    classes: list[str]
    rows: dict[str, str]


class Numbers(Model):
    """All of paper/numbers.yaml."""

    paper: About
    rows: dict[str, PrintedRow]
    tables: dict[str, PrintedTable]


# ---- paper/readings.yaml ---------------------------------------------------------------------------------------------


class Caption(Model):
    """Title and caption of a table or a figure, in our words."""

    title: str
    caption: str


class Inconsistency(Model):
    """Numbers of the paper that do not agree."""

    place: str
    text: str


class Resolution(Model):
    """What the paper leaves open, and how it is read here."""

    place: str
    missing: str
    resolution: str


class Readings(Model):
    """All of paper/readings.yaml."""

    tables: dict[str, Caption]
    figures: dict[str, Caption]
    notes: dict[str, str]
    inconsistencies: list[Inconsistency]
    resolutions: list[Resolution]


# ---- paper/claims.yaml -----------------------------------------------------------------------------------------------

MEASURES = {
    "iou_difference": (2, "points of IoU"),
    "iou_distance": (2, "points of IoU apart"),
    "iou_share": (2, "% of IoU"),
    "gap_share": (1, "% of the gap closed"),
    "time_ratio": (2, "times the training time"),
    "boxes_over_masks": (1, "points of IoU of components with boxes over that with masks"),
    "auroc": (1, "AUROC of σ² for wrong box pixels"),
    "early_auroc": (1, "AUROC of σ² for wrong box pixels, a tenth into the box training"),
    "edge_ratio": (1, "times σ² at the edges of boxes over the rest of them"),
    "labels_gain": (1, "points of IoU that the labels gained"),
    "foreground_flipped": (2, "points more of true foreground flipped when training ends"),
    "right_flipped": (1, "% of the rightly labelled box pixels flipped when training ends"),
    "seed_spread": (1, "points of standard deviation over seeds"),
    "collapsed_runs": (0, "trainings that collapsed"),
    "threshold_range": (1, "points between the best and the worst threshold"),
}
"""What can be asked (stages/analysis/claims.py measures it): the number of rows that it takes, and its unit."""


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
        """The number on one side of which the statement holds."""
        return self.above if self.above is not None else self.below or 0.0

    @property
    def side(self) -> str:
        """`above` or `below`."""
        return "below" if self.above is None else "above"

    @property
    def unit(self) -> str:
        """What the measure counts."""
        return MEASURES[self.measure][1]

    def margin(self, value: float) -> float:
        """Return how far a value lies on the statement's side of the threshold; negative on the other side."""
        return self.threshold - value if self.above is None else value - self.threshold


class Statement(Model):
    """One thing that results are asked about.

    Attributes:
        id: Names its page. says: the statement. check: what is asked of results.
        place: Where the paper says it; "" for what this project asks of itself.
        shown: How the paper shows it, where it prints no number. note: what to know about the check.
        learned: Whether seeds on which one of its rows collapsed are left out.
        mean: What the mean has to reach besides, where more is asked of it than of the interval.
        interim_analyses: How many verdicts had been passed before the seeds that decide were added.
        runs: The fewest trainings, or seeds of a comparison, that may answer.
        beside: Rows whose numbers are shown beside, as controls.
        by_construction: By recipe, why its answer follows from how it is made, so that no training is asked.
    """

    id: str
    says: str
    check: Check
    place: str = ""
    shown: str = ""
    note: str = ""
    learned: bool = False
    mean: float | None = None
    interim_analyses: int = Field(0, ge=0)
    runs: int = Field(1, ge=1)
    beside: list[str] = []
    by_construction: dict[str, str] = {}

    @property
    def condition(self) -> str:
        """Which trainings are asked, where not all; else ""."""
        return "of trainings that did not collapse" if self.learned else ""

    def confidence(self, asked: "Claims") -> float:
        """Return the confidence of the statement's interval: more than that of all, after interim analyses."""
        return 1 - (1 - asked.confidence) / (1 + self.interim_analyses)


class Untested(Model):
    """What the paper says and nothing here asks, with the reason."""

    says: str
    place: str
    why: str


class Collapse(Model):
    """When a training counts as collapsed; both in percent."""

    iou_share: float = Field(gt=0, le=100)
    false_flip_rate: float = Field(gt=0, le=100)


class Gap(Model):
    """Between which rows the method's gap lies, and how large it has to be, in points of IoU.

    `several`: by a row's `classes`, few or all, the two rows of the gap of its mean IoU.
    """

    least: float
    row: str
    full: str
    several: dict[str, Annotated[tuple[str, str], Strict(False)]]


class Claims(Model):
    """All of paper/claims.yaml: thresholds, what plain rows have to show, the claims, and the acceptance criteria."""

    confidence: float = Field(gt=0, lt=1)
    power: float = Field(gt=0, lt=1)
    collapse: Collapse
    gap: Gap
    regime: list[Statement]
    claims: list[Statement]
    criteria: list[Statement]
    untested: list[Untested]


# ---- reading ---------------------------------------------------------------------------------------------------------


class Paper(Model):
    """All that paper/ holds."""

    numbers: Numbers
    readings: Readings
    asked: Claims

    @property
    def most_overhead(self) -> float:
        """How many times the training time of plain BCE is no overhead, by the claim that there is none."""
        return next(claim.check.threshold for claim in self.asked.claims if claim.id == "no-overhead")

    def row(self, name: str, recipe: str | None = None) -> PrintedRow | None:
        """Return what the paper prints for a row; a recipe's row has the number of the row without the suffix."""
        rows = self.numbers.rows
        return rows.get(name) or rows.get(name.removesuffix(f"-{recipe}"))

    def iou(self, name: str, label: str) -> float:
        """Return the printed IoU (percent) of a row and class.

        Raises:
            KeyError: The paper prints none.
        """
        return self.numbers.rows[name].iou[label]


def load(root: Path = ROOT) -> Paper:
    """Read and check the files of paper/ under `root`.

    Raises:
        UserError: One is missing, no YAML, or has unknown, missing or mistyped keys.
    """
    folder = root / "paper"
    return Paper(
        numbers=read_model(folder / "numbers.yaml", Numbers),
        readings=load_readings(root),
        asked=load_claims(root),
    )


def load_claims(root: Path = ROOT) -> Claims:
    """Read and check paper/claims.yaml under `root`.

    Raises:
        UserError: As `load`.
    """
    return read_model(root / "paper" / "claims.yaml", Claims)


def load_readings(root: Path = ROOT) -> Readings:
    """Read and check paper/readings.yaml under `root`.

    Raises:
        UserError: As `load`.
    """
    return read_model(root / "paper" / "readings.yaml", Readings)
